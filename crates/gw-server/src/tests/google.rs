//! Google's dialect: model, method and key in the address.

use serde_json::{Value, json};

use super::fixture::{STREAM, Script, gateway, gateway_with, hello, request};
use crate::app::CallerKey;

fn contents() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]})
}

#[tokio::test]
async fn an_answer_comes_in_googles_shape_below_both_versions() {
    let gateway = gateway();
    for version in ["v1", "v1beta"] {
        gateway.upstream.then(hello(14, 2));
        let path = format!("/{version}/models/acme/tiny:generateContent");
        let seen = gateway.post(&path, &contents()).await;
        assert_eq!(seen.status, 200, "{path}: {}", seen.text());
        let answer = seen.json();
        assert_eq!(answer["candidates"][0]["content"]["parts"][0]["text"], "Hello.");
        assert_eq!(answer["usageMetadata"]["promptTokenCount"], 14);
        assert_eq!(gateway.upstream.last_body()["model"], "tiny");
        assert_eq!(seen.header("x-gateway-model"), "acme/tiny");
    }
}

#[tokio::test]
async fn a_stream_is_events_or_one_array() {
    let gateway = gateway();
    let path = "/v1beta/models/acme/tiny:streamGenerateContent";
    gateway.upstream.then(Script::Stream(STREAM.to_vec()));
    let seen = gateway.post(&format!("{path}?alt=sse"), &contents()).await;
    assert_eq!(seen.header("content-type"), "text/event-stream");
    assert!(seen.text().lines().all(|line| line.is_empty() || line.starts_with("data: ")));
    assert_eq!(gateway.upstream.last_body()["stream"], true);
    gateway.upstream.then(Script::Stream(STREAM.to_vec()));
    let seen = gateway.post(path, &contents()).await;
    assert_eq!(seen.header("content-type"), "application/json");
    let pieces = seen.json();
    let said: String = pieces
        .as_array()
        .expect("an array")
        .iter()
        .filter_map(|piece| piece["candidates"][0]["content"]["parts"][0]["text"].as_str())
        .collect();
    assert_eq!(said, "Hello.");
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_never_given_a_comment() {
    let gateway = gateway_with(|options| options.keep_alive_ms = 10);
    gateway.upstream.then(Script::Stall(STREAM[1]));
    let path = "/v1beta/models/acme/tiny:streamGenerateContent?alt=sse";
    let mut body =
        gateway.send(request("POST", path, &[], &contents().to_string())).await.into_body();
    use http_body_util::BodyExt;
    let first = body.frame().await.expect("a frame").expect("no error");
    assert!(first.into_data().is_ok_and(|data| data.starts_with(b"data: ")));
    let silence = tokio::time::timeout(std::time::Duration::from_secs(60), body.frame()).await;
    assert!(silence.is_err(), "nothing is sent while nothing is said");
}

#[tokio::test]
async fn tokens_are_counted_without_a_call() {
    let gateway = gateway();
    let path = "/v1beta/models/acme/tiny:countTokens";
    let bare = gateway.post(path, &contents()).await;
    assert_eq!((bare.status, bare.header("x-gateway-estimate")), (200, "true"));
    let wrapped = gateway.post(path, &json!({"generateContentRequest": contents()})).await;
    assert_eq!(wrapped.json(), bare.json());
    assert!(bare.json()["totalTokens"].as_u64().is_some_and(|count| count > 0));
    assert!(gateway.upstream.seen.lock().is_empty());
}

#[tokio::test]
async fn errors_and_lists_are_googles() {
    let gateway = gateway();
    let seen = gateway.post("/v1beta/models/nobody:generateContent", &contents()).await;
    assert_eq!((seen.status, &seen.json()["error"]["status"]), (404, &"NOT_FOUND".into()));
    assert_eq!(seen.header("x-should-retry"), "false");
    let seen = gateway.post("/v1beta/models/auto:tune", &contents()).await;
    assert_eq!((seen.status, &seen.json()["error"]["code"]), (404, &404.into()));
    let seen = gateway.post("/v1/models/auto:generateContent", &json!({})).await;
    assert_eq!((seen.status, &seen.json()["error"]["code"]), (400, &400.into()));
    let page = gateway.get("/v1beta/models?pageSize=4").await.json();
    assert_eq!(page["models"][0]["name"], "models/auto");
    let rest = gateway.get("/v1beta/models?pageSize=4&pageToken=4").await.json();
    assert_eq!(page["nextPageToken"], "4");
    assert_eq!(rest["models"].as_array().map(Vec::len), Some(2));
    assert_eq!(gateway.get("/v1beta/models?pageToken=x").await.status, 400);
    let one = gateway.get("/v1beta/models/acme/tiny").await.json();
    assert_eq!(one["name"], "models/acme/tiny");
}

#[tokio::test]
async fn a_key_may_stand_in_the_address() {
    let gateway = gateway_with(|options| {
        options.allow_anonymous = false;
        options.keys = vec![CallerKey {
            id: "k".to_owned(),
            name: "k".to_owned(),
            secret: "s-1".to_owned().into(),
            is_admin: false,
        }];
    });
    let path = "/v1beta/models/acme/tiny:generateContent";
    for (suffix, status) in [("?key=s-1", 200), ("?key=s-2", 401), ("", 401)] {
        let seen = gateway.post(&format!("{path}{suffix}"), &contents()).await;
        assert_eq!(seen.status, status, "{suffix}");
    }
    assert_eq!(gateway.get("/v1beta/models?key=s-1").await.status, 200);
    assert_eq!(gateway.get("/v1/models?key=s-1").await.status, 401);
}
