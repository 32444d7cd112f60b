//! Whole answers in both dialects, and errors of calls.

use serde_json::json;

use super::fixture::{Script, completion, gateway, hello, question, request};

#[tokio::test]
async fn the_same_dialect_passes_bytes_through() {
    let gateway = gateway();
    gateway.upstream.then(hello(14, 2));
    let mut body = question("acme/tiny");
    body["unknown_to_us"] = json!({"a": [1, 2]});
    let seen = gateway.post("/v1/chat/completions", &body).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    assert_eq!(seen.text(), completion("Hello.", 14, 2));
    assert_eq!(gateway.upstream.last_body()["unknown_to_us"], json!({"a": [1, 2]}));
    assert_eq!(gateway.upstream.last_body()["model"], "tiny");
}

#[tokio::test]
async fn an_answer_says_who_why_and_how_much() {
    let gateway = gateway();
    gateway.upstream.then(hello(14, 2));
    let seen = gateway.post("/v1/chat/completions", &question("acme/tiny")).await;
    assert_eq!(seen.header("x-gateway-model"), "acme/tiny");
    assert_eq!(seen.header("x-gateway-layer"), "L0");
    assert!(!seen.header("x-gateway-route-reason").is_empty());
    assert_eq!(seen.header("x-gateway-cost-usd"), "0.000018");
    assert_eq!(seen.header("x-gateway-cache"), "bypass");
    assert_eq!(seen.header("x-request-id"), "req_up");
    assert_eq!(seen.header("x-gateway-demo"), "");
    let recorded = gateway.store.calls.lock()[0].id.to_string();
    assert_eq!(seen.header("x-gateway-call-id"), recorded);
}

#[tokio::test]
async fn an_unpriced_answer_says_so() {
    let gateway = gateway();
    gateway.upstream.then(super::fixture::mystery());
    let seen = gateway.post("/v1/chat/completions", &question("acme/mystery")).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    assert_eq!(seen.header("x-gateway-cost-usd"), "unpriced");
}

#[tokio::test]
async fn the_other_dialect_is_translated() {
    let gateway = gateway();
    gateway.upstream.then(hello(14, 2));
    let body = json!({"model": "acme/tiny", "max_tokens": 9, "top_k": 5,
        "messages": [{"role": "user", "content": "Say hello."}]});
    let seen = gateway.post("/v1/messages?beta=true", &body).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    let answer = seen.json();
    assert_eq!(answer["type"], "message");
    assert_eq!(answer["content"][0]["text"], "Hello.");
    assert_eq!(answer["usage"]["input_tokens"], 14);
    assert!(!seen.header("request-id").is_empty());
    assert!(seen.header("x-gateway-warning").contains("top_k"), "{:?}", seen.headers);
}

#[tokio::test]
async fn errors_carry_the_call_and_the_dialect() {
    let gateway = gateway();
    let refusal = r#"{"error":{"message":"slow down","type":"rate_limit_error","code":"x"}}"#;
    gateway.upstream.then(Script::Whole(429, vec![("retry-after", "7")], refusal.to_owned()));
    let seen = gateway.post("/v1/chat/completions", &question("acme/tiny")).await;
    assert_eq!(seen.status, 429, "{}", seen.text());
    assert_eq!(seen.header("retry-after"), "7");
    assert_eq!(seen.header("retry-after-ms"), "7000");
    assert!(!seen.header("x-gateway-call-id").is_empty());
    assert_eq!(seen.json()["error"]["message"], "slow down");
}

#[tokio::test]
async fn a_rejected_request_keeps_the_providers_status_and_words() {
    let gateway = gateway();
    let refusal = r#"{"error":{"message":"`temperature` is odd","type":"invalid_request_error"}}"#;
    gateway.upstream.then(Script::Whole(422, Vec::new(), refusal.to_owned()));
    let seen = gateway.post("/v1/chat/completions", &question("acme/tiny")).await;
    assert_eq!(seen.status, 422, "{}", seen.text());
    assert!(seen.text().contains("`temperature` is odd"));
    assert_eq!(seen.header("x-should-retry"), "false");
}

#[tokio::test]
async fn an_unknown_model_is_404() {
    let gateway = gateway();
    for door in ["/v1/chat/completions", "/v1/messages"] {
        let seen = gateway.post(door, &question("nobody/nothing")).await;
        assert_eq!(seen.status, 404, "{door}: {}", seen.text());
        assert_eq!(seen.header("x-should-retry"), "false");
    }
}

#[tokio::test]
async fn a_panic_is_a_500_in_the_callers_words() {
    let gateway = gateway();
    gateway.upstream.then(Script::Panic);
    let seen = gateway.post("/v1/messages", &question("acme/tiny")).await;
    assert_eq!(seen.status, 500);
    assert_eq!(seen.json()["error"]["type"], "api_error");
    assert!(!seen.text().contains("scripted"));
    assert_eq!(gateway.post("/v1/messages", &question("acme/tiny")).await.status, 200);
}

#[tokio::test]
async fn steering_headers_reach_the_engine() {
    let gateway = gateway();
    let body = question("auto").to_string();
    let headers =
        [("x-gateway-layer", "L2"), ("x-conversation-id", "c-9"), ("x-gateway-task", "code")];
    let seen = gateway.ask(request("POST", "/v1/chat/completions", &headers, &body)).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    assert_eq!(seen.header("x-gateway-layer"), "L2");
    let call = gateway.store.calls.lock()[0].clone();
    assert_eq!(call.conversation_id.as_ref().map(|id| id.as_str()), Some("c-9"));
    assert_eq!(call.task.as_str(), "code");
    let wrong = [("x-gateway-layer", "L9")];
    assert_eq!(
        gateway.ask(request("POST", "/v1/chat/completions", &wrong, &body)).await.status,
        400
    );
}

#[tokio::test]
async fn counting_tokens_is_an_estimate_that_says_so() {
    let gateway = gateway();
    let body = json!({"model": "claude", "system": "Be brief.",
        "messages": [{"role": "user", "content": "x".repeat(400)}]});
    let seen = gateway.post("/v1/messages/count_tokens?beta=true", &body).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    assert_eq!(seen.header("x-gateway-estimate"), "true");
    let count = seen.json()["input_tokens"].as_u64().expect("a count");
    assert!((100..130).contains(&count), "{count}");
    assert!(gateway.upstream.seen.lock().is_empty());
}

#[tokio::test]
async fn the_next_of_openrouters_models_answers_where_the_first_does_not() {
    let gateway = gateway();
    let mut body = question("acme/tiny");
    body["models"] = json!(["acme/tiny", "nobody/nothing", "acme/vendor/large"]);
    let failed = || Script::Whole(500, Vec::new(), r#"{"error":{"message":"no"}}"#.to_owned());
    gateway.upstream.then(failed());
    gateway.upstream.then(hello(14, 2));
    let seen = gateway.post("/v1/chat/completions", &body).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    assert_eq!(seen.header("x-gateway-model"), "acme/vendor/large");
    body["models"] = json!([]);
    gateway.upstream.then(failed());
    assert_eq!(gateway.post("/v1/chat/completions", &body).await.status, 502);
    for wrong in [json!("acme/tiny"), json!([1]), json!(vec!["a"; 9])] {
        body["models"] = wrong;
        let seen = gateway.post("/v1/chat/completions", &body).await;
        assert_eq!((seen.status, &seen.json()["error"]["param"]), (400, &"models".into()));
    }
}
