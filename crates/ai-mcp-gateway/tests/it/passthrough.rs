//! Same dialect in and out: the provider gets the client's bytes and the client the provider's.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Launch};
use crate::http;
use crate::upstream::{Stub, both_dialects, last, model, provider, simulator};

/// Odd on purpose: order, spacing, escapes, big and exact numbers, fields nobody knows.
const ODD_OPENAI: &str = "{\n  \"zeta\" : [1,2 , 3.10],\"messages\":[ {\"content\":\"h\\u00e9 \\/ \
    \u{fc}\",\"role\":\"user\", \"x_unknown\":{\"b\":1,\"a\":12345678901234567890123} } ],\
    \"seed\":9007199254740993, \"temperature\": 1.0e0 ,\"model\" :\"o/sim-small\" ,\"alpha\":null }";

const ODD_ANTHROPIC: &str = "{\"future\":{\"deep\":[{}]} ,\"max_tokens\": 64,\n\"messages\":\
    [{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"h\\u00e9\",\"cache_control\":\
    {\"type\":\"ephemeral\"},\"new_field\":1e30}]}],\"model\":\"a/sim-small\",\"n\":1.00}";

async fn check(gateway: &Gateway, sent_to: &gw_simulator::Simulator, path: &str, body: &str) {
    let reply = gateway.post_bytes(path, &[], body.to_owned().into()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let expected = body.replace("o/sim-small", "sim-small").replace("a/sim-small", "sim-small");
    let seen = last(sent_to);
    assert_eq!(String::from_utf8_lossy(&seen.body), expected);
    // The simulator gives the same answer to the same bytes.
    let path = seen.path.clone();
    let direct = http::send(sent_to.addr(), "POST", &path, &[], expected.into()).await;
    assert_eq!(reply.text(), direct.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_pass_unchanged_both_ways() {
    let simulator = simulator().await;
    let gateway = Launch::new().toml(&both_dialects(&simulator.base_url())).serve().await;
    check(&gateway, &simulator, "/v1/chat/completions", ODD_OPENAI).await;
    check(&gateway, &simulator, "/v1/messages", ODD_ANTHROPIC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_pass_unchanged_but_for_the_usage_that_was_not_asked_for() {
    let simulator = simulator().await;
    let gateway = Launch::new().toml(&both_dialects(&simulator.base_url())).serve().await;
    let anthropic = ODD_ANTHROPIC.replacen('{', "{\"stream\":true,", 1);
    check(&gateway, &simulator, "/v1/messages", &anthropic).await;
    let asked = "{\"stream\":true,\"stream_options\":{\"include_usage\":true},";
    let openai = ODD_OPENAI.replacen('{', asked, 1);
    check(&gateway, &simulator, "/v1/chat/completions", &openai).await;
    // Without stream_options the gateway asks for usage itself and keeps it to itself.
    let quiet = ODD_OPENAI.replacen('{', "{\"stream\":true,", 1);
    let reply = gateway.post_bytes("/v1/chat/completions", &[], quiet.clone().into()).await;
    let seen = last(&simulator);
    let sent = String::from_utf8_lossy(&seen.body).into_owned();
    assert!(sent.contains("\"include_usage\":true"), "{sent}");
    let (before, rest) = sent.split_once("\"stream_options\"").unwrap();
    let rest = rest.split_once('}').unwrap().1;
    let without = format!("{}{rest}", before.trim_end_matches(','));
    let expected = quiet.replace("o/sim-small", "sim-small");
    let is_same = |a: &str, b: &str| a.replace([',', ' '], "") == b.replace([',', ' '], "");
    assert!(is_same(&without, &expected), "{sent}");
    assert!(!reply.text().contains("prompt_tokens"), "{}", reply.text());
    let direct = http::send(simulator.addr(), "POST", &seen.path, &[], seen.body.clone()).await;
    let kept: Vec<String> = direct
        .text()
        .split_inclusive("\n\n")
        .filter(|event| !event.contains("\"choices\":[]"))
        .map(str::to_owned)
        .collect();
    assert_eq!(reply.text(), kept.concat());
    let id = reply.header("x-gateway-call-id");
    assert_eq!(gateway.store().call(id).unwrap().cost_state, "catalogue");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_adds_reaches_the_client() {
    let odd = "{ \"id\":\"x\", \"object\" : \"chat.completion\",\"created\":1,\"model\":\"m\",\
               \"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",\
               \"content\":\"hi\",\"future\":[1.0,{ }]}}],\"usage\":{\"prompt_tokens\":1,\
               \"completion_tokens\":1,\"total_tokens\":2,\"new_count\":5},\"later\":12345678901234567890 }\n";
    let stub = Stub::start(move |_| (200, odd.to_owned())).await;
    let toml = [provider("o", "openai-chat", &stub.url()), model("o/m")].concat();
    let gateway = Launch::new().toml(&toml).serve().await;
    let body = json!({"model": "o/m", "messages": [{"role": "user", "content": "hi"}]});
    let reply = gateway.post("/v1/chat/completions", &body).await;
    assert_eq!(reply.text(), odd);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_known_headers_are_forwarded() {
    let simulator = simulator().await;
    let gateway = Launch::new().toml(&both_dialects(&simulator.base_url())).serve().await;
    let headers = [
        ("anthropic-beta", "one-2026,two-2026"),
        ("authorization", "Bearer the-clients-own"),
        ("x-api-key", "the-clients-own"),
        ("cookie", "session=1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-unknown", "y"),
        ("x-stainless-lang", "python"),
        ("x-gateway-metadata", "{\"tag\":\"blue\"}"),
        ("user-agent", "somebody/1"),
    ];
    let body: Bytes = ODD_ANTHROPIC.into();
    let reply = gateway.post_bytes("/v1/messages", &headers, body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = last(&simulator);
    let sent = |name: &str| seen.headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(sent("anthropic-beta"), Some("one-2026,two-2026"));
    assert_eq!(sent("x-api-key"), Some("key-a"));
    assert_eq!(sent("anthropic-version"), Some("2023-06-01"));
    for name in ["authorization", "cookie", "x-forwarded-for", "x-unknown", "x-stainless-lang"] {
        assert_eq!(sent(name), None, "{name}");
    }
    assert!(seen.headers.keys().all(|name| !name.as_str().starts_with("x-gateway")));
    assert_ne!(sent("user-agent"), Some("somebody/1"));
    // To the other dialect no beta goes.
    let other = ODD_ANTHROPIC.replace("a/sim-small", "o/sim-small").replace("1e30", "1");
    let reply = gateway.post_bytes("/v1/messages", &headers, other.into()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = last(&simulator);
    assert!(seen.path.ends_with("/chat/completions"));
    assert!(seen.headers.get("anthropic-beta").is_none());
    assert_eq!(seen.headers["authorization"], "Bearer key-o");
}

#[tokio::test(flavor = "multi_thread")]
async fn temperature_zero_stays_zero() {
    let simulator = simulator().await;
    let gateway = Launch::new().toml(&both_dialects(&simulator.base_url())).serve().await;
    for (path, upstream) in [
        ("/v1/chat/completions", "o"),
        ("/v1/chat/completions", "a"),
        ("/v1/messages", "o"),
        ("/v1/messages", "a"),
        ("/v1/route", "o"),
        ("/v1/chat", "a"),
    ] {
        let body = json!({"model": format!("{upstream}/sim-small"), "temperature": 0,
            "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}],
            "conversationId": "c", "message": "hi"});
        gateway.post(path, &body).await.ok();
        let sent: Value = last(&simulator).json();
        assert_eq!(sent["temperature"].as_f64(), Some(0.0), "{path} {upstream} {sent}");
    }
}

/// What a stream cost is known at its end only: a client that takes trailers hears it there.
#[tokio::test(flavor = "multi_thread")]
async fn the_cost_of_a_stream_stands_behind_it() {
    let simulator = simulator().await;
    let gateway = Launch::new().toml(&both_dialects(&simulator.base_url())).serve().await;
    for (path, upstream) in
        [("/v1/chat/completions", "o"), ("/v1/messages", "o"), ("/v1/messages", "a")]
    {
        let body = json!({"model": format!("{upstream}/sim-small"), "stream": true,
            "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}]});
        let bytes: Bytes = body.to_string().into();
        let reply = gateway.post_bytes(path, &[("te", "trailers")], bytes.clone()).await;
        let kept = gateway.store().call(reply.header("x-gateway-call-id")).unwrap();
        let trailer = |name: &str| reply.trailers[name].to_str().unwrap().to_owned();
        let usd: f64 = trailer("x-gateway-cost-usd").parse().unwrap();
        assert_eq!((usd * 1e12).round(), kept.cost_pico.unwrap() as f64);
        let usage = format!("input={}, output={}", kept.input_tokens, kept.output_tokens);
        assert_eq!(trailer("x-gateway-usage"), usage);
        let without = gateway.post_bytes(path, &[], bytes).await;
        assert!(without.trailers.is_empty());
    }
}
