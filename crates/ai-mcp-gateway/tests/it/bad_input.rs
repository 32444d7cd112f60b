//! Wrong requests: always a 4xx in the caller's words that names the fault, on every door that
//! reads a body. Nothing wrong reaches a provider.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Launch};
use crate::http::{self, Reply};
use crate::upstream::{both_dialects, simulator};

const DOORS: [&str; 5] =
    ["/v1/chat/completions", "/v1/messages", "/v1/route", "/v1/chat", "/v1/context/x"];

/// A request that the door would take.
fn good(path: &str) -> Value {
    let messages = json!([{"role": "user", "content": "hi"}]);
    match path {
        "/v1/chat/completions" => json!({"model": "o/sim-small", "messages": messages}),
        "/v1/messages" => json!({"model": "o/sim-small", "messages": messages, "max_tokens": 9}),
        "/v1/context/x" => json!({"summary": {"topic": "sea"}}),
        _ => json!({"conversationId": "c", "message": "hi", "model": "o/sim-small"}),
    }
}

/// The message of an error, after its shape is checked against the door's dialect.
fn message(path: &str, reply: &Reply, status: u16) -> String {
    let shown = format!("{path} {} {}", reply.status, reply.text());
    assert_eq!(reply.status, status, "{shown}");
    assert_eq!(reply.header("content-type"), "application/json", "{shown}");
    let body = reply.json();
    let message = match path {
        "/v1/chat/completions" => {
            let error = body["error"].as_object().unwrap_or_else(|| panic!("{shown}"));
            let fields: Vec<&str> = error.keys().map(String::as_str).collect();
            for field in ["message", "type", "param", "code"] {
                assert!(fields.contains(&field), "{shown}");
            }
            &body["error"]["message"]
        }
        "/v1/messages" => {
            assert_eq!(body["type"], "error", "{shown}");
            assert!(body["error"]["type"].is_string(), "{shown}");
            &body["error"]["message"]
        }
        _ => &body["error"],
    };
    assert!(message.as_str().is_some_and(|text| !text.is_empty()), "{shown}");
    body.to_string()
}

async fn check(gateway: &Gateway, headers: &[(&str, &str)], body: &[u8], status: u16, say: &str) {
    for path in DOORS {
        let reply = gateway.post_bytes(path, headers, Bytes::copy_from_slice(body)).await;
        let text = message(path, &reply, status);
        assert!(text.to_lowercase().contains(say), "{path}: {say:?} is not in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_request() {
    let simulator = simulator().await;
    let gateway = Launch::new().toml(&both_dialects(&simulator.base_url())).serve().await;
    for path in DOORS {
        assert_eq!(gateway.post(path, &good(path)).await.status, 200, "{path}");
    }
    let before = simulator.requests().len();
    check(&gateway, &[], b"", 400, "empty").await;
    check(&gateway, &[], b"   \n ", 400, "empty").await;
    check(&gateway, &[], b"{", 400, "line 1 column 1").await;
    check(&gateway, &[], b"{\"model\": nope}", 400, "json").await;
    check(&gateway, &[], b"{\"a\":1} trailing", 400, "json").await;
    check(&gateway, &[], b"[]", 400, "object").await;
    check(&gateway, &[], b"null", 400, "object").await;
    check(&gateway, &[], b"\"text\"", 400, "object").await;
    check(&gateway, &[], b"{\"model\": \"\xff\xfe\"}", 400, "utf-8").await;
    check(&gateway, &[], b"\xef\xbb\xbf\xff", 400, "json").await;
    let deep = [vec![b'['; 10_000], vec![b']'; 10_000]].concat();
    check(&gateway, &[], &deep, 400, "deep").await;
    let multipart = [("content-type", "multipart/form-data; boundary=x")];
    check(&gateway, &multipart, b"--x--", 415, "content-type").await;
    check(&gateway, &[("content-type", "image/png")], b"{}", 415, "application/json").await;
    let gzip = [("content-encoding", "gzip")];
    check(&gateway, &gzip, b"\x1f\x8b\x08", 415, "content-encoding").await;
    let nested = |path: &str| {
        let mut text = good(path).to_string();
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        text.insert_str(1, &format!("\"zzz\":{deep},"));
        text
    };
    for path in DOORS {
        let reply = gateway.post_bytes(path, &[], nested(path).into()).await;
        message(path, &reply, 400);
    }
    assert_eq!(simulator.requests().len(), before, "a wrong request reached the provider");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_large() {
    let simulator = simulator().await;
    let gateway = Launch::new().toml(&both_dialects(&simulator.base_url())).serve().await;
    let huge = Bytes::from(format!("{{\"model\":\"{}\"}}", "x".repeat(50 << 20)));
    for path in DOORS {
        let reply = gateway.post_bytes(path, &[], huge.clone()).await;
        let text = message(path, &reply, 413);
        assert!(text.contains("33554432"), "{path} {text}");
    }
    // What is no request at all has no path, and so no words of its own.
    let headers =
        format!("POST /v1/route HTTP/1.1\r\nhost: x\r\nx-big: {}\r\n\r\n", "y".repeat(500 << 10));
    let answer = http::raw(gateway.address, headers.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer:.200}");
    let many: String = (0..300).map(|number| format!("x-{number}: y\r\n")).collect();
    let headers = format!("POST /v1/route HTTP/1.1\r\nhost: x\r\n{many}\r\n");
    let answer = http::raw(gateway.address, headers.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer:.200}");
    let answer = http::raw(gateway.address, b"NONSENSE\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer:.200}");
    // It serves on.
    assert_eq!(gateway.post("/v1/route", &good("/v1/route")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_the_wrong_type_are_named() {
    let simulator = simulator().await;
    let gateway = Launch::new().toml(&both_dialects(&simulator.base_url())).serve().await;
    let long = "i".repeat(300);
    let dialects: &[(&str, Value, &str)] = &[
        ("messages", json!("hi"), "messages"),
        ("messages", json!([]), "messages"),
        ("messages", json!(null), "messages"),
        ("messages", json!([1]), "messages"),
        ("messages", json!([{"role": "user"}]), "content"),
        ("messages", json!([{"role": "judge", "content": "x"}]), "role"),
        ("messages", json!([{"role": "user", "content": 5}]), "content"),
        ("messages", json!([{"role": "user", "content": [{"type": "text"}]}]), "text"),
        ("model", json!(7), "model"),
        ("model", json!(null), "model"),
        ("model", json!(" "), "model"),
        ("stream", json!("yes"), "stream"),
        ("temperature", json!("hot"), "temperature"),
        ("max_tokens", json!(-3), "max_tokens"),
        ("max_tokens", json!("many"), "max_tokens"),
        ("tools", json!({"a": 1}), "tools"),
        ("tools", json!([{"name": 3}]), "tools"),
        ("tool_choice", json!(4), "tool_choice"),
    ];
    let system_a: &[(&str, Value, &str)] = &[
        ("conversationId", json!(null), "conversationId"),
        ("conversationId", json!(5), "conversationId"),
        ("conversationId", json!(""), "conversationId"),
        ("conversationId", json!(long), "conversationId"),
        ("conversationId", json!("a\u{0}b"), "conversationId"),
        ("message", json!(null), "message"),
        ("message", json!(["x"]), "message"),
        ("message", json!(""), "message"),
        ("qualityLevel", json!("superb"), "qualityLevel"),
        ("userId", json!({}), "userId"),
        ("temperature", json!(9), "temperature"),
        ("budget", json!(-1), "budget"),
        ("maxTokens", json!(0), "maxTokens"),
        ("preferredLayer", json!("L9"), "preferredLayer"),
    ];
    let context: &[(&str, Value, &str)] =
        &[("summary", json!(null), "summary"), ("summary", json!("text"), "summary")];
    for path in DOORS {
        let rows = match path {
            "/v1/chat/completions" | "/v1/messages" => dialects,
            "/v1/context/x" => context,
            _ => system_a,
        };
        for (field, value, named) in rows {
            let mut body = good(path);
            body[*field] = value.clone();
            let reply = gateway.post(path, &body).await;
            let text = message(path, &reply, 400);
            assert!(text.contains(named), "{path} {field}={value}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_models_are_answered_with_a_suggestion() {
    let simulator = simulator().await;
    let gateway = Launch::new().toml(&both_dialects(&simulator.base_url())).serve().await;
    for path in &DOORS[..4] {
        let mut body = good(path);
        body["model"] = json!("sim-smal");
        let text = message(path, &gateway.post(path, &body).await, 404);
        assert!(text.contains("sim-smal`"), "{path} {text}");
        assert!(text.contains("sim-small"), "no suggestion: {path} {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_asked_for_where_they_are_configured() {
    let simulator = simulator().await;
    let toml = format!(
        "[server]\nkeys = [{{ id = \"laptop\", key = \"sesame-open-1\" }}]\n{}",
        both_dialects(&simulator.base_url())
    );
    let gateway = Launch::new().toml(&toml).serve().await;
    let keys: [&[(&str, &str)]; 4] = [
        &[],
        &[("authorization", "Bearer wrong")],
        &[("x-api-key", "wrong")],
        &[("authorization", "sesame-open-1")],
    ];
    for path in DOORS {
        let body: Bytes = good(path).to_string().into();
        for headers in keys {
            let reply = gateway.post_bytes(path, headers, body.clone()).await;
            let text = message(path, &reply, 401);
            assert!(text.contains("key"), "{path} {text}");
            assert!(!text.contains("sesame"), "{path} {text}");
        }
        for header in [("authorization", "Bearer sesame-open-1"), ("x-api-key", "sesame-open-1")] {
            let reply = gateway.post_bytes(path, &[header], body.clone()).await;
            assert_eq!(reply.status, 200, "{path} {}", reply.text());
        }
    }
    for path in ["/v1/models", "/v1/stats", "/v1/server-stats", "/v1/context/x"] {
        assert_eq!(gateway.get(path).await.status, 401, "{path}");
    }
    for path in ["/health", "/livez", "/readyz"] {
        assert_eq!(gateway.get(path).await.status, 200, "{path}");
    }
    let calls = gateway.store().calls();
    assert!(calls.iter().all(|call| call.is_success), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_paths_and_methods_say_so() {
    let simulator = simulator().await;
    let gateway = Launch::new().toml(&both_dialects(&simulator.base_url())).serve().await;
    for path in &DOORS[..4] {
        for method in ["GET", "PUT", "DELETE", "PATCH"] {
            let reply = http::send(gateway.address, method, path, &[], Bytes::new()).await;
            let text = message(path, &reply, 405);
            assert!(reply.header("allow").contains("POST"), "{path} {method} {text}");
        }
    }
    let reply = http::send(gateway.address, "DELETE", "/v1/context/x", &[], Bytes::new()).await;
    message("/v1/context/x", &reply, 405);
    for path in ["/v1/chat/completions/x", "/v1/messages/x/y", "/v1/routes", "/nowhere", "/v1"] {
        let door = if path.starts_with("/v1/chat/c") {
            "/v1/chat/completions"
        } else if path.starts_with("/v1/messages") {
            "/v1/messages"
        } else {
            "/v1/route"
        };
        let reply = gateway.post(path, &json!({})).await;
        message(door, &reply, 404);
    }
    let body = gateway.post("/nowhere", &json!({})).await.json();
    assert_eq!(body["error"], "Not found");
    assert_eq!(body["path"], "/nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_come_are_not_waited_for() {
    let gateway = Launch::new().toml("[server]\nrequest_timeout_ms = 300\n").serve().await;
    for path in DOORS {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: 100\r\n\r\n{{\"model\":",
            gateway.address
        );
        let answer = http::raw(gateway.address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{path} {answer}");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert!(serde_json::from_str::<Value>(body).is_ok(), "{path} {answer}");
    }
}
