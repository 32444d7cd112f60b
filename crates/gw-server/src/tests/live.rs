//! Over real sockets: what only a connection shows.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::fixture::{Gateway, STREAM, Script, gateway, question};
use crate::serve::{ServeOptions, serve};

struct Live {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

async fn live(gateway: &Gateway, change: impl FnOnce(&mut ServeOptions)) -> Live {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("is bound");
    let (stop, stopped) = oneshot::channel::<()>();
    let mut options =
        ServeOptions { lifecycle: gateway.lifecycle.clone(), ..ServeOptions::default() };
    change(&mut options);
    let shutdown = async move {
        let _ = stopped.await;
    };
    let served = tokio::spawn(serve(listener, gateway.router.clone(), shutdown, options));
    Live { address, stop, served }
}

fn post(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut said = Vec::new();
    let mut buffer = [0_u8; 4_096];
    loop {
        let length = stream.read(&mut buffer).await.unwrap_or(0);
        said.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&said).into_owned();
        if length == 0 || (!end.is_empty() && text.contains(end)) {
            return text;
        }
    }
}

#[tokio::test]
async fn a_call_over_http1_with_trailers() {
    let gateway = gateway();
    let live = live(&gateway, |_| {}).await;
    gateway.upstream.then(Script::Stream(STREAM.to_vec()));
    let mut body = question("acme/tiny");
    body["stream"] = true.into();
    let mut stream = TcpStream::connect(live.address).await.expect("connects");
    let asked =
        post("/v1/chat/completions", "te: trailers\r\nconnection: close\r\n", &body.to_string());
    stream.write_all(asked.as_bytes()).await.expect("sends");
    let said = read_until(&mut stream, "").await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert!(said.contains("data: [DONE]"), "{said}");
    let tail = said.rsplit("\r\n0\r\n").next().unwrap_or_default().to_owned();
    assert!(tail.contains("x-gateway-cost-usd: 0.000018"), "{said}");
}

#[tokio::test]
async fn a_client_that_leaves_cancels_stream_and_wait_alike() {
    let gateway = gateway();
    let live = live(&gateway, |_| {}).await;
    for (script, is_stream) in [(Script::Stall(STREAM[1]), true), (Script::Hang, false)] {
        gateway.upstream.then(script);
        let mut body = question("acme/tiny");
        body["stream"] = is_stream.into();
        let mut stream = TcpStream::connect(live.address).await.expect("connects");
        stream
            .write_all(post("/v1/chat/completions", "", &body.to_string()).as_bytes())
            .await
            .expect("sends");
        if is_stream {
            read_until(&mut stream, "Hel").await;
        }
        gateway.upstream.open_becomes(1).await;
        drop(stream);
        gateway.upstream.open_becomes(0).await;
    }
    gateway.engine.drain().await;
    let calls = gateway.store.calls.lock();
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|call| call.status.as_str() == "cancelled"), "{calls:?}");
}

#[tokio::test]
async fn a_body_of_50_mb_is_told_413_and_not_cut_off() {
    let gateway = gateway();
    let live = live(&gateway, |_| {}).await;
    let mut stream = TcpStream::connect(live.address).await.expect("connects");
    let length = 50 * 1_024 * 1_024;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("sends");
    let piece = vec![b'x'; 1_024 * 1_024];
    for _ in 0..50 {
        stream.write_all(&piece).await.expect("is read to the end");
    }
    let said = read_until(&mut stream, "request_too_large").await;
    assert!(said.starts_with("HTTP/1.1 413"), "{said}");
}

#[tokio::test]
async fn a_connection_that_says_too_little_is_closed() {
    let gateway = gateway();
    let live = live(&gateway, |options| options.header_timeout_ms = 60).await;
    for opening in ["", "PRI * HT", "POST /v1/route HTTP/1.1\r\nhost: localhost\r\nx: "] {
        let mut stream = TcpStream::connect(live.address).await.expect("connects");
        stream.write_all(opening.as_bytes()).await.expect("sends");
        let said = tokio::time::timeout(Duration::from_secs(10), read_until(&mut stream, "")).await;
        assert!(said.is_ok(), "still open after {opening:?}");
    }
}

#[tokio::test]
async fn stopping_lets_a_call_end_and_refuses_new_ones() {
    let gateway = gateway();
    let live = live(&gateway, |_| {}).await;
    gateway.upstream.then(Script::Stream(STREAM.to_vec()));
    let mut body = question("acme/tiny");
    body["stream"] = true.into();
    let mut stream = TcpStream::connect(live.address).await.expect("connects");
    stream
        .write_all(post("/v1/chat/completions", "", &body.to_string()).as_bytes())
        .await
        .expect("sends");
    let said = read_until(&mut stream, "Hel").await;
    live.stop.send(()).expect("is served");
    let rest = read_until(&mut stream, "[DONE]").await;
    assert!(format!("{said}{rest}").contains("[DONE]"));
    drop(stream);
    live.served.await.expect("no panic").expect("ends well");
    assert!(gateway.lifecycle.is_stopping());
    assert!(TcpStream::connect(live.address).await.is_err());
}

#[tokio::test]
async fn a_call_that_outlasts_the_grace_is_cut() {
    let gateway = gateway();
    let live = live(&gateway, |options| options.grace_ms = 30).await;
    gateway.upstream.then(Script::Hang);
    let mut stream = TcpStream::connect(live.address).await.expect("connects");
    let asked = post("/v1/chat/completions", "", &question("acme/tiny").to_string());
    stream.write_all(asked.as_bytes()).await.expect("sends");
    gateway.upstream.open_becomes(1).await;
    live.stop.send(()).expect("is served");
    live.served.await.expect("no panic").expect("ends well");
    gateway.upstream.open_becomes(0).await;
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_their_turn() {
    let gateway = gateway();
    let live = live(&gateway, |options| options.connections_max = 1).await;
    let mut first = TcpStream::connect(live.address).await.expect("connects");
    first.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sends");
    assert!(read_until(&mut first, "ok").await.contains("200"));
    let mut second = TcpStream::connect(live.address).await.expect("waits in the queue");
    second.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sends");
    for _ in 0..20 {
        first.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sends");
        read_until(&mut first, "ok").await;
    }
    let early = second.try_read(&mut [0_u8; 1]);
    assert!(early.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
    drop(first);
    assert!(read_until(&mut second, "ok").await.contains("200"));
}

#[tokio::test]
async fn http2_without_tls_is_spoken_on_the_same_port() {
    let gateway = gateway();
    let live = live(&gateway, |_| {}).await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Body>();
    let address = live.address;
    let asked = http::Request::post(format!("http://{address}/v1/chat/completions"))
        .body(Body::from(question("acme/tiny").to_string()))
        .expect("is a request");
    let answer = client.request(asked).await.expect("answers");
    assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
    let asked = http::Request::post(format!("http://{address}/v1/messages"))
        .body(Body::from("x".repeat(33 * 1_024 * 1_024)))
        .expect("is a request");
    assert_eq!(client.request(asked).await.expect("answers").status().as_u16(), 413);
}
