//! Streamed answers.

use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::fixture::{Gateway, STREAM, Script, Seen, gateway, gateway_with, question, request};

fn streaming(include_usage: bool) -> Value {
    let mut body = question("acme/tiny");
    body["stream"] = json!(true);
    if include_usage {
        body["stream_options"] = json!({"include_usage": true});
    }
    body
}

async fn ask(gateway: &Gateway, path: &str, headers: &[(&str, &str)], body: &Value) -> Seen {
    gateway.upstream.then(Script::Stream(STREAM.to_vec()));
    gateway.ask(request("POST", path, headers, &body.to_string())).await
}

#[tokio::test]
async fn the_same_dialect_streams_the_providers_bytes() {
    let gateway = gateway();
    let seen = ask(&gateway, "/v1/chat/completions", &[], &streaming(true)).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    assert_eq!(seen.header("content-type"), "text/event-stream");
    assert_eq!(seen.header("cache-control"), "no-cache");
    assert_eq!(seen.header("x-gateway-model"), "acme/tiny");
    assert_eq!(seen.text(), STREAM.concat());
}

#[tokio::test]
async fn usage_is_asked_of_the_provider_and_withheld_from_who_did_not_ask() {
    let gateway = gateway();
    let seen = ask(&gateway, "/v1/chat/completions", &[], &streaming(false)).await;
    assert_eq!(gateway.upstream.last_body()["stream_options"]["include_usage"], true);
    assert_eq!(seen.text(), [STREAM[0], STREAM[1], STREAM[2], STREAM[4]].concat());
    gateway.engine.drain().await;
    assert_eq!(gateway.store.calls.lock()[0].usage.input, 14);
}

#[tokio::test]
async fn the_other_dialect_is_written_anew() {
    let gateway = gateway();
    let mut body = streaming(false);
    body["max_tokens"] = json!(9);
    let seen = ask(&gateway, "/v1/messages", &[], &body).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    let kinds: Vec<&str> =
        seen.text().lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(kinds.first(), Some(&"message_start"));
    assert_eq!(kinds.last(), Some(&"message_stop"));
    assert!(seen.text().contains("Hel") && seen.text().contains("lo."));
}

#[tokio::test]
async fn cost_comes_in_trailers_to_who_takes_them() {
    let gateway = gateway();
    let seen = ask(&gateway, "/v1/chat/completions", &[("te", "trailers")], &streaming(true)).await;
    assert_eq!(
        seen.header("trailer"),
        "x-gateway-cost-usd, x-gateway-usage, x-gateway-duration-ms"
    );
    let trailers = seen.trailers.expect("trailers");
    assert_eq!(trailers["x-gateway-cost-usd"], "0.000018");
    assert_eq!(trailers["x-gateway-usage"], "input=14, output=2");
    let seen = ask(&gateway, "/v1/chat/completions", &[], &streaming(true)).await;
    assert!(seen.trailers.is_none() && seen.header("trailer").is_empty());
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_an_error_in_the_dialect() {
    let gateway = gateway();
    gateway.upstream.then(Script::Stream(STREAM[..2].to_vec()));
    let seen = gateway.post("/v1/chat/completions", &streaming(true)).await;
    assert_eq!(seen.status, 200);
    assert!(seen.text().starts_with(STREAM[0]), "{}", seen.text());
    assert!(seen.text().contains("\"error\""), "{}", seen.text());
    assert!(!seen.text().contains("[DONE]"), "{}", seen.text());
    gateway.upstream.then(Script::Stream(STREAM[..2].to_vec()));
    let seen = gateway.post("/v1/messages", &streaming(true)).await;
    assert!(seen.text().contains("event: error"), "{}", seen.text());
    assert!(!seen.text().contains("message_stop"), "{}", seen.text());
}

#[tokio::test(start_paused = true)]
async fn silence_is_filled_with_signs_of_life() {
    for (path, sign) in
        [("/v1/chat/completions", ": keep-alive\n\n"), ("/v1/messages", "event: ping\n")]
    {
        let gateway = gateway_with(|options| options.keep_alive_ms = 50);
        gateway.upstream.then(Script::Stall(STREAM[1]));
        let body = streaming(true).to_string();
        let response = gateway.send(request("POST", path, &[], &body)).await;
        assert_eq!(response.status(), 200);
        let mut body = response.into_body();
        let mut said = String::new();
        while !said.contains(sign) {
            let frame = body.frame().await.expect("goes on").expect("is well");
            said.push_str(std::str::from_utf8(frame.data_ref().expect("data")).expect("text"));
        }
        assert!(said.contains("Hel"), "{said}");
    }
}

#[tokio::test]
async fn a_body_that_is_dropped_cancels_the_provider() {
    let gateway = gateway();
    gateway.upstream.then(Script::Stall(STREAM[1]));
    let response = gateway
        .send(request("POST", "/v1/chat/completions", &[], &streaming(true).to_string()))
        .await;
    let mut body = response.into_body();
    body.frame().await.expect("goes on").expect("is well");
    gateway.upstream.open_becomes(1).await;
    drop(body);
    gateway.engine.drain().await;
    gateway.upstream.open_becomes(0).await;
    let calls = gateway.store.calls.lock();
    assert_eq!(calls[0].status.as_str(), "cancelled");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_held_open_while_no_model_answers_yet() {
    for (path, sign) in [
        ("/v1/chat/completions", ": keep-alive\n\n"),
        ("/v1/messages", "event: ping\ndata: {\"type\": \"ping\"}\n\n"),
    ] {
        let gateway = gateway();
        gateway.upstream.then(Script::Hang);
        let mut body = streaming(false);
        body["max_tokens"] = json!(9);
        let response = gateway.send(request("POST", path, &[], &body.to_string())).await;
        assert_eq!(response.status().as_u16(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "text/event-stream", "{path}");
        let said = response.into_body().collect().await.expect("ends").to_bytes();
        let said = String::from_utf8(said.to_vec()).expect("is text");
        assert!(said.starts_with(sign), "{path}: {said}");
        // The deadline of the call ends it, in the words of the dialect.
        let last = said.trim_end().rsplit("\n\n").find(|event| event.contains("error"));
        assert!(last.is_some_and(|event| event.contains("data: ")), "{path}: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_a_held_stream_stops_the_call() {
    let gateway = gateway();
    gateway.upstream.then(Script::Hang);
    let body = streaming(false).to_string();
    let response = gateway.send(request("POST", "/v1/chat/completions", &[], &body)).await;
    gateway.upstream.open_becomes(1).await;
    drop(response);
    gateway.upstream.open_becomes(0).await;
    gateway.engine.drain().await;
    assert_eq!(gateway.store.calls.lock()[0].status.as_str(), "cancelled");
}
