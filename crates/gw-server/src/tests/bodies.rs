//! Bodies that are wrong: always a 4xx in the caller's words that names what is wrong.

use serde_json::json;

use super::fixture::{gateway, gateway_with, request};

const DOORS: [&str; 6] = [
    "/v1/chat/completions",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/route",
    "/v1/chat",
    "/v1/context/a",
];

#[tokio::test]
async fn what_is_not_json_is_400() {
    let gateway = gateway();
    let deep = format!("{{\"messages\":{}", "[".repeat(200_000));
    let bodies: [&[u8]; 7] = [
        b"",
        b"{",
        b"nonsense",
        b"{\"a\":\"\xff\xfe\"}",
        b"[1,2]",
        b"{\"a\":\"\\ud800\"}",
        deep.as_bytes(),
    ];
    for door in DOORS {
        for body in bodies {
            let mut asked = request("POST", door, &[("content-type", "application/json")], "");
            *asked.body_mut() = axum::body::Body::from(body.to_vec());
            let seen = gateway.ask(asked).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
            assert_eq!(seen.status, 400, "{door} {shown}");
            assert!(seen.json().get("error").is_some(), "{door} {shown}");
            assert_eq!(seen.header("x-should-retry"), "false", "{door} {shown}");
        }
    }
}

#[tokio::test]
async fn wrong_fields_are_named_in_the_callers_words() {
    let gateway = gateway();
    let seen = gateway
        .post("/v1/chat/completions", &json!({"model": "acme/tiny", "messages": "hi"}))
        .await;
    assert_eq!(seen.status, 400);
    assert_eq!(seen.json()["error"]["type"], "invalid_request_error");
    assert!(seen.text().contains("messages"), "{}", seen.text());
    let seen = gateway.post("/v1/messages", &json!({"model": "acme/tiny", "messages": []})).await;
    assert_eq!(seen.status, 400);
    assert_eq!(seen.json()["type"], "error");
    assert!(seen.text().contains("messages"), "{}", seen.text());
    let turn = |field: &str, value: serde_json::Value| {
        let mut body = json!({"conversationId": "c", "message": "hi"});
        body[field] = value;
        body
    };
    for (field, value) in [
        ("message", json!(5)),
        ("conversationId", json!("x".repeat(300))),
        ("qualityLevel", json!("superb")),
        ("preferredLayer", json!("L7")),
        ("maxLayer", json!(2)),
        ("budget", json!(-1)),
        ("maxTokens", json!(0)),
        ("temperature", json!("hot")),
        ("systemPrompt", json!([])),
        ("userId", json!("a\u{7}")),
    ] {
        for door in ["/v1/route", "/v1/chat"] {
            let seen = gateway.post(door, &turn(field, value.clone())).await;
            assert_eq!(seen.status, 400, "{door} {field}");
            assert_eq!(seen.json()["field"], field, "{door}");
        }
    }
    let seen = gateway.post("/v1/route", &json!({})).await;
    assert_eq!(seen.json()["error"], "missing required fields: conversationId, message");
    let seen = gateway.post("/v1/context/a", &json!({"summary": "text"})).await;
    assert_eq!((seen.status, &seen.json()["field"]), (400, &json!("summary")));
    assert!(gateway.upstream.seen.lock().is_empty());
}

#[tokio::test]
async fn only_json_in_the_clear_is_read() {
    let gateway = gateway();
    let body = super::fixture::question("acme/tiny").to_string();
    let status = async |headers: &[(&str, &str)]| {
        let seen = gateway.ask(request("POST", "/v1/chat/completions", headers, &body)).await;
        (seen.status, seen.text().to_owned())
    };
    for fine in [
        "application/json",
        "application/json; charset=utf-8",
        "application/vnd.api+json",
        "text/plain",
        "application/x-www-form-urlencoded",
    ] {
        assert_eq!(status(&[("content-type", fine)]).await.0, 200, "{fine}");
    }
    assert_eq!(status(&[]).await.0, 200);
    assert_eq!(status(&[("content-encoding", "identity")]).await.0, 200);
    for wrong in ["multipart/form-data; boundary=x", "application/xml", "text/html", "image/png"] {
        assert_eq!(status(&[("content-type", wrong)]).await.0, 415, "{wrong}");
    }
    for coding in ["gzip", "zstd", "br"] {
        let (code, text) = status(&[("content-encoding", coding)]).await;
        assert_eq!(code, 415, "{coding}");
        assert!(text.contains(coding), "{text}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let gateway = gateway_with(|options| options.body_bytes_max = 1_000);
    for door in DOORS {
        let seen = gateway.ask(request("POST", door, &[], &"x".repeat(1_001))).await;
        assert_eq!(seen.status, 413, "{door}");
        assert!(seen.text().contains("1000"), "{}", seen.text());
    }
    let seen = gateway.ask(request("POST", "/v1/messages", &[], &"x".repeat(1_001))).await;
    assert_eq!(seen.json()["error"]["type"], "request_too_large");
    assert_eq!(
        gateway.ask(request("POST", "/v1/messages", &[], &"x".repeat(1_000))).await.status,
        400
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_408() {
    let gateway = gateway();
    let mut asked = request("POST", "/v1/chat/completions", &[], "");
    let silent = futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
    *asked.body_mut() = axum::body::Body::from_stream(silent);
    let seen = gateway.ask(asked).await;
    assert_eq!(seen.status, 408);
    assert_eq!(seen.json()["error"]["code"], "request_timeout");
    assert_eq!(seen.header("connection"), "close");
}
