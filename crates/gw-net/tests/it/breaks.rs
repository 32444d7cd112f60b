//! Connections that are refused, break, or are given up by us.

use gw_core::seam::Upstream as _;
use gw_core::{Kind, Retry};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::server::{PATIENCE, client, get, read, read_head, refusal, serve, serve_text};

#[tokio::test]
async fn a_closed_port_is_a_refusal() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = refusal(client().fetch(get(format!("http://{address}/secret?key=k"))).await);
    assert_eq!(error.kind(), Kind::ProviderUnreachable);
    assert!(error.message().contains(&format!("refused the connection at {address}")), "{error}");
    assert!(error.hint().unwrap().contains("Nothing listens"), "{error}");
    assert!(!error.full_message().contains("key"), "{error}");
    assert_eq!(error.provider().unwrap().as_str(), "sim");
}

#[tokio::test]
async fn a_break_before_the_answer_is_not_tried_again() {
    let (count, mut connections) = tokio::sync::mpsc::channel(8);
    let address = serve(move |_, mut socket| {
        count.try_send(()).unwrap();
        async move {
            read_head(&mut socket).await;
        }
    })
    .await;
    let error = refusal(client().fetch(get(format!("http://{address}/"))).await);
    assert_eq!(error.kind(), Kind::ProviderUnreachable);
    assert!(error.message().contains("closed the connection"), "{error}");
    assert!(error.message().contains("before answering"), "{error}");
    connections.recv().await.unwrap();
    assert!(connections.try_recv().is_err());
}

#[tokio::test]
async fn breaks_in_the_middle_of_an_answer_are_told_apart() {
    for (is_reset, expected) in [(true, "reset the connection"), (false, "closed the connection")] {
        let (proceed, proceeding) = oneshot::channel::<()>();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            read_head(&mut socket).await;
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n";
            socket.write_all(head.as_bytes()).await.unwrap();
            proceeding.await.unwrap();
            if is_reset {
                socket.set_zero_linger().unwrap();
            }
        });
        let response = client().fetch(get(format!("http://{address}/"))).await.unwrap();
        proceed.send(()).unwrap();
        let error = read(response).await.unwrap_err();
        assert_eq!(error.kind(), Kind::ProviderUnreachable);
        assert!(error.message().contains(expected), "{error}");
        assert!(error.message().contains("in the middle of its answer"), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_called_so() {
    for response in ["SSH-2.0-OpenSSH_9.9\r\n", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"] {
        let address = serve_text(response).await;
        let error = refusal(client().fetch(get(format!("http://{address}/"))).await);
        assert_eq!(error.kind(), Kind::ProviderUnreachable);
        assert!(error.message().contains("no HTTP"), "{error}");
        assert_eq!(error.retry(), Retry::Next);
    }
}

/// A server that tells when its peer has gone; it answers only where told to.
async fn watched(response: &'static str) -> (std::net::SocketAddr, oneshot::Receiver<()>) {
    let (gone, is_gone) = oneshot::channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        read_head(&mut socket).await;
        socket.write_all(response.as_bytes()).await.unwrap();
        while socket.read_u8().await.is_ok() {}
        gone.send(()).unwrap();
    });
    (address, is_gone)
}

#[tokio::test]
async fn dropping_the_body_closes_the_connection() {
    let (address, is_gone) =
        watched("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n").await;
    let client = client();
    let response = client.fetch(get(format!("http://{address}/"))).await.unwrap();
    drop(response);
    timeout(PATIENCE, is_gone).await.expect("the connection stayed open").unwrap();
}

#[tokio::test]
async fn dropping_the_wait_for_an_answer_closes_the_connection() {
    let (address, is_gone) = watched("").await;
    let client = client();
    let mut request = get(format!("http://{address}/"));
    request.timeouts.first_byte_ms = 50;
    refusal(client.fetch(request).await);
    timeout(PATIENCE, is_gone).await.expect("the connection stayed open").unwrap();
}
