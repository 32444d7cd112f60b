//! Exchanges that go well, and requests that never leave.

use gw_core::Kind;
use gw_core::seam::Upstream as _;
use http::{HeaderMap, HeaderValue, header};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use crate::server::{answer, client, get, hold, post, read, read_head, refusal, serve, serve_text};

#[tokio::test]
async fn connections_are_kept_and_any_status_is_an_answer() {
    let (connections, mut opened) = mpsc::channel(8);
    let address = serve(move |number, mut socket| {
        connections.try_send(number).unwrap();
        async move {
            for status in
                ["200 OK", "302 Found\r\nlocation: /elsewhere", "404 Not Found", "503 Busy"]
            {
                read_head(&mut socket).await;
                answer(&mut socket, &format!("{status}\r\n"), "hello").await;
            }
        }
    })
    .await;
    let client = client();
    for expected in [200, 302, 404, 503] {
        let response = client.fetch(get(format!("http://{address}/models"))).await.unwrap();
        assert_eq!(response.status, expected);
        assert_eq!(read(response).await.unwrap(), "hello");
    }
    assert_eq!(opened.recv().await, Some(0));
    assert!(opened.try_recv().is_err(), "a second connection was opened");
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced() {
    let (closed, mut is_closed) = mpsc::channel(8);
    let address = serve(move |number, mut socket| {
        let closed = closed.clone();
        async move {
            read_head(&mut socket).await;
            answer(&mut socket, "200 OK\r\n", &format!("{number}")).await;
            drop(socket);
            closed.try_send(()).unwrap();
        }
    })
    .await;
    let client = client();
    for expected in ["0", "1", "2", "3"] {
        let response =
            client.send(&hold().await, post(format!("http://{address}/"), "")).await.unwrap();
        assert_eq!(read(response).await.unwrap(), expected);
        is_closed.recv().await.unwrap();
        // Lets the runtime see the close; a request already under way is never sent twice.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_large_body_arrives_whole_with_its_length() {
    let address = serve(|_, mut socket| async move {
        let head = read_head(&mut socket).await;
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .and_then(|length| length.parse().ok())
            .expect("a content length");
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await.unwrap();
        let sum: u64 = body.iter().map(|byte| u64::from(*byte)).sum();
        answer(&mut socket, "200 OK\r\n", &format!("{length} {sum}")).await;
    })
    .await;
    let body: Vec<u8> = (0..5_000_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let expected: u64 = body.iter().map(|byte| u64::from(*byte)).sum();
    let request = post(format!("http://{address}/v1"), body);
    let response = client().send(&hold().await, request).await.unwrap();
    assert_eq!(read(response).await.unwrap(), format!("5000000 {expected}"));
}

#[tokio::test]
async fn only_the_client_writes_the_headers_of_the_connection() {
    let address = serve(|_, mut socket| async move {
        let head = read_head(&mut socket).await;
        answer(&mut socket, "200 OK\r\n", &head).await;
    })
    .await;
    let mut request = get(format!("http://{address}/v1/models?limit=2"));
    request.headers = HeaderMap::from_iter([
        (header::HOST, HeaderValue::from_static("evil")),
        (header::TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
        (header::CONTENT_LENGTH, HeaderValue::from_static("9")),
        (header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, br")),
        (header::AUTHORIZATION, HeaderValue::from_static("Bearer key")),
    ]);
    let head = read(client().fetch(request).await.unwrap()).await.unwrap();
    assert!(head.starts_with("GET /v1/models?limit=2 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: {address}\r\n")), "{head}");
    assert!(head.contains("authorization: Bearer key\r\n"), "{head}");
    assert!(head.contains("user-agent: ai-mcp-gateway/"), "{head}");
    for absent in ["evil", "chunked", "content-length", "accept-encoding"] {
        assert!(!head.contains(absent), "{head}");
    }
}

#[tokio::test]
async fn chunks_arrive_as_they_come() {
    let (go_on, mut may_go_on) = mpsc::channel::<()>(1);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        read_head(&mut socket).await;
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n";
        socket.write_all(head.as_bytes()).await.unwrap();
        may_go_on.recv().await.unwrap();
        socket.write_all(b"3\r\ntwo\r\n0\r\n\r\n").await.unwrap();
    });
    let mut response = client().fetch(get(format!("http://{address}/"))).await.unwrap();
    let first = futures_util::StreamExt::next(&mut response.body).await.unwrap().unwrap();
    assert_eq!(first, "one");
    go_on.send(()).await.unwrap();
    assert_eq!(read(response).await.unwrap(), "two");
}

#[tokio::test]
async fn a_body_over_the_cap_fails_with_and_without_a_length() {
    for response in [
        "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhello world",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n",
    ] {
        let address = serve_text(response).await;
        for (bytes_max, expected) in [(10, None), (11, Some("hello world"))] {
            let mut request = get(format!("http://{address}/"));
            request.response_bytes_max = bytes_max;
            let body = read(client().fetch(request).await.unwrap()).await;
            match expected {
                Some(text) => assert_eq!(body.unwrap(), text),
                None => {
                    let error = body.unwrap_err();
                    assert_eq!(error.kind(), Kind::ProviderTooLarge);
                    assert!(error.message().contains("10 bytes"), "{error}");
                    assert_eq!(error.provider().unwrap().as_str(), "sim");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_compressed_body_is_refused_by_name() {
    let address = serve_text(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f\x08",
    )
    .await;
    let error = refusal(client().fetch(get(format!("http://{address}/"))).await);
    assert_eq!(error.kind(), Kind::ProviderMalformed);
    assert!(error.message().contains("`gzip`"), "{error}");
    let address =
        serve_text("HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\ncontent-length: 2\r\n\r\nok")
            .await;
    let response = client().fetch(get(format!("http://{address}/"))).await.unwrap();
    assert_eq!(read(response).await.unwrap(), "ok");
}

#[tokio::test]
async fn what_may_not_be_sent_is_not_sent() {
    let error = refusal(client().fetch(post("http://127.0.0.1:1/", "{}")).await);
    assert_eq!(error.kind(), Kind::Internal);
    for url in ["file:///etc/passwd", "http://user:secret@127.0.0.1/", "http://169.254.169.254/"] {
        let error = refusal(client().send(&hold().await, post(url, "{}")).await);
        assert_eq!(error.kind(), Kind::NotConfigured, "{url}");
        assert_eq!(error.provider().unwrap().as_str(), "sim");
        assert!(!error.full_message().contains("secret"));
    }
}
