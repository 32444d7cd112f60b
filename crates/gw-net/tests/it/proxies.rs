//! Through proxies: forwarded, tunnelled, refused, and around them.

use std::net::SocketAddr;

use gw_core::seam::Upstream as _;
use gw_core::{Kind, Retry};
use gw_net::{Client, NetOptions};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::server::{answer, get, read, read_head, refusal, serve, serve_text};
use crate::tls::{serve_tls, trusting};

/// A proxy that opens tunnels and tells the heads of the requests for them.
async fn serve_tunnels() -> (SocketAddr, mpsc::Receiver<String>) {
    let (heads, asked) = mpsc::channel(8);
    let address = serve(move |_, mut near| {
        let heads = heads.clone();
        async move {
            let head = read_head(&mut near).await;
            let target = head.split(' ').nth(1).unwrap().to_owned();
            heads.try_send(head).unwrap();
            let mut far = TcpStream::connect(target).await.unwrap();
            near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        }
    })
    .await;
    (address, asked)
}

#[tokio::test]
async fn plain_targets_are_forwarded_with_their_whole_address() {
    let address = serve(|_, mut socket| async move {
        loop {
            let head = read_head(&mut socket).await;
            if head.is_empty() {
                return;
            }
            answer(&mut socket, "200 OK\r\n", &head).await;
        }
    })
    .await;
    let options = NetOptions {
        http_proxy: format!("http://user:p%40ss@{address}"),
        no_proxy: "direct.test".into(),
        ..NetOptions::default()
    };
    let client = Client::new(&options).unwrap();
    for path in ["/v1/models", "/v1/other"] {
        let response = client.fetch(get(format!("http://provider.test:8080{path}"))).await.unwrap();
        let head = read(response).await.unwrap();
        assert!(
            head.starts_with(&format!("GET http://provider.test:8080{path} HTTP/1.1\r\n")),
            "{head}"
        );
        assert!(head.contains("host: provider.test:8080\r\n"), "{head}");
        assert!(head.contains("proxy-authorization: Basic dXNlcjpwQHNz\r\n"), "{head}");
    }
}

#[tokio::test]
async fn secure_targets_are_tunnelled() {
    let (target, pem) = serve_tls(&[b"h2", b"http/1.1"], "127.0.0.1").await;
    let (proxy, mut asked) = serve_tunnels().await;
    let options =
        NetOptions { https_proxy: format!("http://user:pw@{proxy}"), ..NetOptions::default() };
    let client = trusting(pem, options);
    let response = client.fetch(get(format!("https://{target}/v1"))).await.unwrap();
    assert_eq!(read(response).await.unwrap(), "HTTP/2.0");
    let head = asked.recv().await.unwrap();
    assert!(
        head.starts_with(&format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n")),
        "{head}"
    );
    assert!(head.contains("Proxy-Authorization: Basic dXNlcjpwdw==\r\n"), "{head}");
}

#[tokio::test]
async fn exceptions_go_around_the_proxy() {
    let target = serve_text("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\ndirect").await;
    let options = NetOptions {
        http_proxy: "http://127.0.0.1:1".into(),
        no_proxy: "localhost,127.0.0.0/8".into(),
        ..NetOptions::default()
    };
    let client = Client::new(&options).unwrap();
    let response = client.fetch(get(format!("http://{target}/"))).await.unwrap();
    assert_eq!(read(response).await.unwrap(), "direct");
}

#[tokio::test]
async fn each_failure_of_a_proxy_has_its_own_words() {
    for (response, expected) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "wants a login"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "refused the tunnel with status 403"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "does not speak HTTP"),
    ] {
        let proxy = serve_text(response).await;
        let options = NetOptions { https_proxy: proxy.to_string(), ..NetOptions::default() };
        let client = Client::new(&options).unwrap();
        let error = refusal(client.fetch(get("https://provider.test/")).await);
        assert_eq!(error.kind(), Kind::ProviderUnreachable);
        assert!(error.message().contains(expected), "{error}");
        assert_eq!(error.retry(), Retry::Next);
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let options = NetOptions {
        http_proxy: closed.to_string(),
        https_proxy: closed.to_string(),
        ..NetOptions::default()
    };
    let client = Client::new(&options).unwrap();
    for url in ["http://provider.test/", "https://provider.test/"] {
        let error = refusal(client.fetch(get(url)).await);
        assert!(error.message().contains("behind a proxy that cannot be reached"), "{error}");
    }
}
