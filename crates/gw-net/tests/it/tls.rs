//! TLS: whom the client trusts, and what it says where it does not.

use std::net::SocketAddr;
use std::sync::Arc;

use gw_core::seam::Upstream as _;
use gw_core::{Kind, Retry};
use gw_net::{Client, NetOptions};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::server::{client, get, hold, post, read, refusal};

/// A server that answers with the HTTP version it was spoken to in, and its certificate as PEM.
pub(crate) async fn serve_tls(protocols: &[&[u8]], name: &str) -> (SocketAddr, Vec<u8>) {
    let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(socket) = acceptor.accept(socket).await else { return };
                let service = hyper::service::service_fn(|request: hyper::Request<_>| async move {
                    let version = format!("{:?}", request.version());
                    let _: hyper::body::Incoming = request.into_body();
                    Ok::<_, std::convert::Infallible>(hyper::Response::new(
                        Full::<bytes::Bytes>::from(version),
                    ))
                });
                let builder = auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    (address, certified.cert.pem().into_bytes())
}

pub(crate) fn trusting(pem: Vec<u8>, options: NetOptions) -> Client {
    Client::new(&NetOptions { extra_roots_pem: pem, ..options }).unwrap()
}

#[tokio::test]
async fn the_newest_common_protocol_is_spoken() {
    for (protocols, expected) in [
        (&[b"h2".as_slice(), b"http/1.1"] as &[&[u8]], "HTTP/2.0"),
        (&[b"http/1.1".as_slice()], "HTTP/1.1"),
        (&[], "HTTP/1.1"),
    ] {
        let (address, pem) = serve_tls(protocols, "127.0.0.1").await;
        let client = trusting(pem, NetOptions::default());
        for _ in 0..2 {
            let request = post(format!("https://{address}/"), "{}");
            let response = client.send(&hold().await, request).await.unwrap();
            assert_eq!(read(response).await.unwrap(), expected);
        }
    }
}

#[tokio::test]
async fn a_stranger_and_a_wrong_name_are_refused() {
    let (address, pem) = serve_tls(&[], "127.0.0.1").await;
    let stranger = refusal(client().fetch(get(format!("https://{address}/"))).await);
    let port = address.port();
    let client = trusting(pem, NetOptions::default());
    let misnamed = refusal(client.fetch(get(format!("https://localhost:{port}/"))).await);
    for error in [stranger, misnamed] {
        assert_eq!(error.kind(), Kind::ProviderUnreachable);
        assert!(error.message().contains("could not be spoken to securely"), "{error}");
        assert!(error.message().contains("certificate"), "{error}");
        assert!(error.hint().unwrap().contains("SSL_CERT_FILE"), "{error}");
        assert_eq!(error.retry(), Retry::Next);
    }
}

#[tokio::test]
async fn a_port_without_tls_is_explained() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut greeting = [0; 64];
        socket.read_exact(&mut greeting).await.unwrap();
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let _ = socket.read_to_end(&mut Vec::new()).await;
    });
    let error = refusal(client().fetch(get(format!("https://{address}/"))).await);
    assert!(error.message().contains("could not be spoken to securely"), "{error}");
    assert!(error.hint().unwrap().contains("http://"), "{error}");
    // And the other way round: plain HTTP to a port that speaks TLS.
    let (address, _) = serve_tls(&[], "127.0.0.1").await;
    let error = refusal(client().fetch(get(format!("http://{address}/"))).await);
    assert_eq!(error.kind(), Kind::ProviderUnreachable);
}

#[test]
fn an_unreadable_root_is_refused() {
    let pem = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
    let options = NetOptions { extra_roots_pem: pem, ..NetOptions::default() };
    assert_eq!(Client::new(&options).err().unwrap().kind(), Kind::NotConfigured);
}
