//! The short way: the client's own bytes to a provider of its dialect, and back.

use gw_core::seam::DialectId;
use http::{HeaderMap, HeaderValue};
use serde_json::json;

use crate::fixture::{Setup, ask_stream, bare, hear, inbound, streamed, whole, world, world_with};
use crate::wire::{
    DONE, anthropic_whole, chunk, completion, finish, good_stream, role, unreachable, usage,
};

const BODY: &str = "{ \"messages\" : [ {\"role\":\"user\",\"content\":\"Hi.\"} ],\n  \"model\":\"alpha/solo\", \"temperature\": 0, \"made_up\": {\"x\": [1.50, 1e3]} }";

fn raw(body: &str) -> gw_engine::Inbound {
    let mut inbound = inbound(DialectId::OpenAiChat, &serde_json::from_str(body).expect("is JSON"));
    inbound.raw = Some((DialectId::OpenAiChat, bytes::Bytes::copy_from_slice(body.as_bytes())));
    inbound
}

#[tokio::test(start_paused = true)]
async fn only_the_model_is_changed() {
    let world = world();
    world.script.on("alpha", crate::wire::whole("fine"));
    let answer = world.engine.run(raw(BODY)).await.expect("answers");
    assert!(answer.head.is_pass_through);
    assert_eq!(world.script.seen()[0].body, BODY.replace("alpha/solo", "solo"));
    let raw = whole(answer).raw.expect("passes through");
    assert_eq!(raw, completion("fine").to_string(), "unknown fields and all");
}

#[tokio::test(start_paused = true)]
async fn a_stream_passes_through_byte_for_byte() {
    let world = world();
    world.script.on("alpha", good_stream(&["Hel", "lo"]));
    let heard = hear(streamed(world.engine.run(ask_stream("solo")).await.expect("answers"))).await;
    assert!(heard.is_all_raw);
    let parts = [role(), chunk("Hel"), chunk("lo"), finish(), usage(100, 10), DONE.to_owned()];
    assert_eq!(String::from_utf8_lossy(&heard.raw), parts.concat());
}

#[tokio::test(start_paused = true)]
async fn usage_is_asked_for_even_if_the_client_did_not_and_marked_as_such() {
    let world = world();
    world.script.on("alpha", good_stream(&["fine"]));
    let heard = world.hear(ask_stream("solo")).await;
    let sent = world.script.seen()[0].json();
    assert_eq!(sent["stream_options"], json!({"include_usage": true}));
    let usages = heard.order.iter().filter(|kind| **kind == "usage").count();
    assert_eq!(usages, 1, "the door withholds it: {:?}", heard.order);
    let record = world.record().await;
    assert_eq!((record.usage.input, record.usage.output), (100, 10));
}

#[tokio::test(start_paused = true)]
async fn an_edited_request_is_written_anew() {
    let world = world_with(|setup| setup.options.defaults.max_tokens = Some(9));
    world.script.on("alpha", crate::wire::whole("fine"));
    let answer = world.engine.run(raw(BODY)).await.expect("answers");
    assert!(!answer.head.is_pass_through);
    assert!(whole(answer).raw.is_none());
    let sent = world.script.seen()[0].json();
    assert_eq!(sent["temperature"], json!(0.0));
    assert_eq!(sent["made_up"], json!({"x": [1.5, 1000.0]}), "unknown fields are kept");
}

#[tokio::test(start_paused = true)]
async fn another_dialect_is_written_anew() {
    let world = world();
    world.script.on("alpha", unreachable()).on("alpha", unreachable());
    world.script.on("beta", unreachable()).on("beta", unreachable());
    world.script.on("gamma", anthropic_whole("fine"));
    let answer = world.engine.run(raw(&BODY.replace("alpha/solo", "m"))).await.expect("answers");
    assert!(!answer.head.is_pass_through);
    assert_eq!(world.script.seen()[2].json()["model"], "m");
    assert_eq!(world.script.seen()[4].json()["messages"][0]["role"], "user");
}

#[tokio::test(start_paused = true)]
async fn a_request_without_bytes_is_written() {
    let world = world();
    world.script.on("alpha", crate::wire::whole("fine"));
    let request = raw(BODY).request;
    let answer = world.engine.run(bare(request, Default::default())).await.expect("answers");
    assert!(!answer.head.is_pass_through);
    assert_eq!(world.script.seen()[0].json()["temperature"], json!(0.0));
}

#[tokio::test(start_paused = true)]
async fn forwarded_headers_reach_a_provider_of_the_same_dialect_with_all_their_values() {
    let ask = || {
        let mut ask = inbound(
            DialectId::AnthropicMessages,
            &json!({"model": "m", "max_tokens": 5,
                "messages": [{"role": "user", "content": "Hi."}]}),
        );
        let mut headers = HeaderMap::new();
        headers.append("anthropic-beta", HeaderValue::from_static("one"));
        headers.append("anthropic-beta", HeaderValue::from_static("two"));
        headers.append("authorization", HeaderValue::from_static("Bearer the client's own"));
        ask.context.forward_headers = headers;
        ask
    };
    // With and without an edit.
    for max_tokens in [None, Some(7)] {
        let world = world_with(|setup: &mut Setup| {
            setup.options.defaults.temperature = max_tokens.map(|_| 0.5);
            setup.alpha_keys = vec!["one"];
        });
        world.script.on("alpha", unreachable()).on("alpha", unreachable());
        world.script.on("beta", unreachable()).on("beta", unreachable());
        world.script.on("gamma", anthropic_whole("fine"));
        world.engine.run(ask()).await.expect("answers");
        let seen = world.script.seen();
        assert!(seen[0].headers.get("anthropic-beta").is_none(), "another dialect");
        assert_eq!(seen[0].key(), "Bearer one");
        let betas: Vec<_> = seen[4].headers.get_all("anthropic-beta").iter().collect();
        assert_eq!(betas, ["one", "two"]);
        assert_eq!(seen[4].headers.get_all("anthropic-version").iter().count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_providers_request_id_and_limits_are_told() {
    let world = world();
    let act = crate::wire::whole("fine")
        .with("x-request-id", "req-1")
        .with("x-ratelimit-remaining-requests", "7")
        .with("set-cookie", "a=b");
    world.script.on("alpha", act);
    let headers = world.engine.run(raw(BODY)).await.expect("answers").head.upstream_headers;
    assert_eq!(headers.len(), 2);
    assert_eq!(headers["x-request-id"], "req-1");
}
