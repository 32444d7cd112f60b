//! Each timeout runs out on its own, says which it is, and no sooner than it should.

use std::time::Duration;

use gw_core::seam::{OutgoingRequest, Timeouts, Upstream as _};
use gw_core::{Error, Kind};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout};

use crate::server::{PATIENCE, client, get, hold, post, read, read_head, refusal, serve};

const LONG: Timeouts =
    Timeouts { connect_ms: 60_000, first_byte_ms: 60_000, idle_ms: 60_000, total_ms: 0 };

async fn failure(request: OutgoingRequest) -> Error {
    let exchange = async {
        match client().send(&hold().await, request).await {
            Ok(response) => read(response).await.unwrap_err(),
            Err(error) => error,
        }
    };
    timeout(PATIENCE, exchange).await.expect("the timeout did not run out")
}

fn check(error: &Error, which: &str, limit_ms: u64, began: Instant) {
    assert_eq!(error.kind(), Kind::ProviderTimeout, "{error}");
    assert!(error.message().contains(&format!("within {limit_ms} ms ({which})")), "{error}");
    assert!(error.message().contains("`sim`"), "{error}");
    assert_eq!(error.provider().unwrap().as_str(), "sim");
    assert!(began.elapsed() >= Duration::from_millis(limit_ms), "too soon: {:?}", began.elapsed());
}

#[tokio::test]
async fn no_connection() {
    // A server that accepts and then says nothing to the TLS greeting.
    let address = serve(|_, socket| async move {
        tokio::time::sleep(PATIENCE).await;
        drop(socket);
    })
    .await;
    let mut request = get(format!("https://{address}/"));
    request.timeouts = Timeouts { connect_ms: 60, ..LONG };
    let began = Instant::now();
    check(&failure(request).await, "connect timeout", 60, began);
}

#[tokio::test]
async fn no_first_byte_to_a_request_with_and_without_body() {
    let address = serve(|_, mut socket| async move {
        read_head(&mut socket).await;
        read_head(&mut socket).await;
    })
    .await;
    for request in [get(format!("http://{address}/")), post(format!("http://{address}/"), "{}")] {
        let request =
            OutgoingRequest { timeouts: Timeouts { first_byte_ms: 60, ..LONG }, ..request };
        let began = Instant::now();
        check(&failure(request).await, "first-byte timeout", 60, began);
    }
}

#[tokio::test]
async fn a_provider_that_stops_reading() {
    let address = serve(|_, mut socket| async move {
        read_head(&mut socket).await;
        tokio::time::sleep(PATIENCE).await;
    })
    .await;
    let mut request = post(format!("http://{address}/"), vec![b'x'; 64 << 20]);
    request.timeouts = Timeouts { idle_ms: 80, ..LONG };
    let error = failure(request).await;
    assert_eq!(error.kind(), Kind::ProviderTimeout);
    assert!(error.message().contains("took no more of the request within 80 ms"), "{error}");
}

#[tokio::test]
async fn a_stream_that_stalls() {
    let address = serve(|_, mut socket| async move {
        read_head(&mut socket).await;
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n";
        socket.write_all(head.as_bytes()).await.unwrap();
        read_head(&mut socket).await;
    })
    .await;
    let mut request = get(format!("http://{address}/"));
    request.timeouts = Timeouts { idle_ms: 60, ..LONG };
    let began = Instant::now();
    check(&failure(request).await, "idle timeout", 60, began);
}

#[tokio::test]
async fn a_stream_that_trickles_for_ever() {
    let address = serve(|_, mut socket| async move {
        read_head(&mut socket).await;
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        while socket.write_all(b"1\r\n.\r\n").await.is_ok() {
            tick.tick().await;
        }
    })
    .await;
    let mut request = get(format!("http://{address}/"));
    request.timeouts = Timeouts { total_ms: 150, ..LONG };
    let began = Instant::now();
    check(&failure(request).await, "total timeout", 150, began);
}

#[tokio::test]
async fn the_total_also_bounds_the_wait_for_an_answer() {
    let address = serve(|_, mut socket| async move {
        read_head(&mut socket).await;
        read_head(&mut socket).await;
    })
    .await;
    let mut request = get(format!("http://{address}/"));
    request.timeouts = Timeouts { total_ms: 60, ..LONG };
    let began = Instant::now();
    check(&refusal(client().fetch(request).await), "total timeout", 60, began);
}
