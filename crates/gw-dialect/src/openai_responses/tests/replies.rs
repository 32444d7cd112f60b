//! Whole answers and errors.

use bytes::Bytes;
use gw_core::Kind;
use gw_core::chat::Part;
use gw_core::money::Money;
use gw_core::reply::{ChatReply, Choice, StopReason};
use gw_core::seam::{ClientStream, Dialect};
use http::HeaderMap;
use serde_json::{Value, json};

use super::{client, read, reply_of, written};
use crate::anthropic::AnthropicMessages;
use crate::openai_responses::{ID, OpenAiResponses};

#[test]
fn output_in_order_with_all_that_belongs_to_it() {
    let note = json!({"type": "url_citation", "start_index": 1, "end_index": 4, "url": "https://x", "title": "X"});
    let file = json!({"type": "file_citation", "file_id": "f", "filename": "a", "index": 2});
    let weight = json!({"token": "hi", "bytes": [104, 105], "logprob": -0.5, "top_logprobs": []});
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}});
    let body = json!({
        "id": "resp_1", "object": "response", "created_at": 12.0, "model": "m", "status": "completed",
        "output": [
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}], "encrypted_content": "gAAA"},
            search,
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
                {"type": "output_text", "text": "hi", "annotations": [note, file], "logprobs": [weight]},
                {"type": "refusal", "refusal": "no"},
            ]},
        ],
        "usage": {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 40}, "output_tokens": 50,
            "output_tokens_details": {"reasoning_tokens": 30}, "total_tokens": 150},
        "service_tier": "flex", "tool_usage": {"web_search": {"num_requests": 1}},
    });
    let reply = reply_of(&body);
    assert_eq!((reply.id.as_str(), reply.created_s), ("resp_1", Some(12)));
    let choice = &reply.choices[0];
    assert_eq!(choice.parts.len(), 6);
    assert!(matches!(&choice.parts[2], Part::RedactedThinking { .. }));
    let Part::Text { citations, .. } = &choice.parts[4] else { panic!("a text") };
    assert_eq!(citations[0]["url_citation"]["url"], "https://x");
    assert_eq!(citations[1], file);
    assert_eq!(choice.logprobs, Some(json!({"content": [weight], "refusal": null})));
    assert_eq!(choice.stop, Some(StopReason::EndTurn.into()));
    let usage = reply.usage.usage;
    assert_eq!((usage.input, usage.cache_read, usage.output, usage.reasoning), (60, 40, 20, 30));
    assert_eq!(usage.web_search, 1);
    assert_eq!(reply.usage.service_tier.as_deref(), Some("flex"));

    let again = written(&reply, &client());
    assert_eq!(again["output"][0]["id"], "rs_1");
    assert_eq!(again["output"][0]["encrypted_content"], "gAAA");
    assert_eq!(again["output"][1], search);
    assert_eq!(again["output"][2]["content"], body["output"][2]["content"]);
    assert_eq!(again["usage"]["input_tokens_details"]["cached_tokens"], 40);
    assert_eq!(again["service_tier"], "flex");
    assert_eq!(reply_of(&again), reply);
}

#[test]
fn raw_thoughts_and_thoughts_without_words() {
    let parts = |item: Value| {
        reply_of(&json!({"status": "completed", "output": [item]})).choices.remove(0).parts
    };
    let raw = json!({"type": "reasoning", "id": "x", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]});
    assert_eq!(parts(raw), [Part::Thinking { text: "hm".to_owned(), signature: None }]);
    // A name for what the provider keeps goes back to it and to nobody else.
    let kept = json!({"type": "reasoning", "id": "rs_1", "summary": []});
    assert_eq!(parts(kept.clone()), [Part::Opaque { dialect: ID, value: kept }]);
}

#[test]
fn every_ending() {
    #[track_caller]
    fn check(body: &Value, wanted: StopReason) {
        let reply = reply_of(body);
        assert_eq!(reply.choices[0].stop, Some(wanted.clone().into()), "{body}");
        let again = reply_of(&written(&reply, &client()));
        assert_eq!(again.choices[0].stop, Some(wanted.into()), "{body}");
    }
    let ended = |status: &str, why: Value| json!({"status": status, "incomplete_details": why, "output": []});
    check(&ended("completed", Value::Null), StopReason::EndTurn);
    check(&ended("incomplete", json!({"reason": "max_output_tokens"})), StopReason::MaxTokens);
    check(&ended("incomplete", json!({"reason": "content_filter"})), StopReason::Refusal);
    check(
        &ended("incomplete", json!({"reason": "max_tool_calls"})),
        StopReason::Other("max_tool_calls".to_owned()),
    );
    check(&ended("queued", Value::Null), StopReason::Other("queued".to_owned()));
    let call = json!({"status": "completed", "output": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}]});
    check(&call, StopReason::ToolUse);
    let shell = json!({"status": "completed", "output": [{"type": "local_shell_call", "id": "l", "call_id": "c", "action": {}}]});
    check(&shell, StopReason::ToolUse);
}

#[test]
fn what_is_no_answer_is_an_error() {
    #[track_caller]
    fn check(body: &str, kind: Kind) {
        let error = OpenAiResponses.decode_reply(body.as_bytes()).expect_err("refused");
        assert_eq!(error.kind(), kind, "{body}");
    }
    check("", Kind::ProviderMalformed);
    check("[]", Kind::ProviderMalformed);
    check("{}", Kind::ProviderMalformed);
    check(r#"{"error":{"message":"slow","type":"rate_limit_error"}}"#, Kind::ProviderRateLimited);
    check(
        r#"{"status":"failed","error":{"code":"server_error","message":"broke"},"output":[]}"#,
        Kind::ProviderFailed,
    );
    check(
        r#"{"status":"failed","error":{"code":"context_length_exceeded","message":"x"},"output":[]}"#,
        Kind::ContextTooLong,
    );
    check(
        r#"{"status":"failed","error":{"code":"server_is_overloaded","message":"x"},"output":[]}"#,
        Kind::ProviderOverloaded,
    );
    check(r#"{"status":"cancelled","output":[]}"#, Kind::ProviderFailed);
}

#[test]
fn grok_says_what_it_charged_and_searched() {
    let reply = reply_of(&json!({"status": "completed", "output": [], "usage": {
        "input_tokens": 202, "input_tokens_details": {"cached_tokens": 128}, "output_tokens": 205,
        "output_tokens_details": {"reasoning_tokens": 125}, "total_tokens": 407, "cost_in_usd_ticks": 6_306_000,
        "server_side_tool_usage_details": {"web_search_calls": 2},
    }}));
    let usage = reply.usage.usage;
    assert_eq!((usage.input, usage.cache_read, usage.output, usage.reasoning), (74, 128, 80, 125));
    assert_eq!(usage.web_search, 2);
    assert_eq!(reply.usage.reported_cost, Some(Money::from_pico(630_600_000)));
    assert_eq!(reply_of(&written(&reply, &client())).usage.usage, usage);
}

#[test]
fn an_answer_repeats_the_request() {
    let request = read(
        &json!({"model": "m", "input": "hi", "instructions": "be brief", "temperature": 0.5,
        "max_output_tokens": 50, "previous_response_id": "resp_0", "metadata": {"k": "v"}, "store": true,
        "reasoning": {"effort": "low", "summary": "auto"}, "text": {"verbosity": "low"}}),
    );
    let client = ClientStream {
        echo: OpenAiResponses.echo(&request),
        model: "alias".to_owned(),
        ..client()
    };
    let body =
        written(&ChatReply { choices: vec![Choice::default()], ..ChatReply::default() }, &client);
    assert_eq!(
        (&body["id"], &body["created_at"], &body["model"]),
        (&json!("resp_f1"), &json!(9), &json!("alias"))
    );
    assert_eq!((&body["object"], &body["status"]), (&json!("response"), &json!("completed")));
    assert_eq!((&body["instructions"], &body["temperature"]), (&json!("be brief"), &json!(0.5)));
    assert_eq!((&body["previous_response_id"], &body["store"]), (&json!("resp_0"), &json!(true)));
    assert_eq!(body["reasoning"], json!({"effort": "low", "summary": "auto"}));
    assert_eq!(body["text"], json!({"verbosity": "low", "format": {"type": "text"}}));
    // What strict clients want in every answer.
    for key in [
        "parallel_tool_calls",
        "tool_choice",
        "tools",
        "error",
        "incomplete_details",
        "usage",
        "output",
    ] {
        assert!(body.get(key).is_some(), "{key}");
    }
}

#[test]
fn thoughts_of_another_provider_go_through_a_client_and_back() {
    let thought = json!({"type": "thinking", "thinking": "hm", "signature": "ErUB"});
    let sealed = json!({"type": "redacted_thinking", "data": "EmwK"});
    let call = json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}});
    let body = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "c", "stop_reason": "tool_use",
        "content": [thought, sealed, call], "usage": {"input_tokens": 1, "output_tokens": 1}});
    let reply = AnthropicMessages.decode_reply(body.to_string().as_bytes()).expect("an answer");
    let shown = written(&reply, &client());
    assert_eq!(shown["output"][0]["summary"][0]["text"], "hm");
    // The client repeats the items, with or without their ids.
    let mut input = shown["output"].clone();
    input[0].as_object_mut().expect("an item").shift_remove("id");
    input
        .as_array_mut()
        .expect("items")
        .push(json!({"type": "function_call_output", "call_id": "toolu_1", "output": "ok"}));
    let request = read(&json!({"model": "m", "input": input}));
    assert_eq!(request.messages[0].parts, reply.choices[0].parts);
}

#[test]
fn error_bodies() {
    let body = Bytes::from_static(br#"{"error":{"message":"Your input exceeds the context window of this model.","type":"invalid_request_error","param":"input","code":"context_length_exceeded"}}"#);
    let error = OpenAiResponses.decode_error(400, &HeaderMap::new(), &body);
    assert_eq!((error.kind(), error.field()), (Kind::ContextTooLong, Some("input")));
    assert_eq!(OpenAiResponses.encode_error(&error), body);
    let grok =
        Bytes::from_static(br#"{"code":"invalid-argument","error":"Incorrect API key provided."}"#);
    let error = OpenAiResponses.decode_error(400, &HeaderMap::new(), &grok);
    assert_eq!(error.kind(), Kind::ProviderAuth);
    assert!(!error.message().contains("Incorrect API key"), "words about the gateway's own key");
    let html = OpenAiResponses.decode_error(503, &HeaderMap::new(), &Bytes::from_static(b"<html>"));
    assert_eq!(html.kind(), Kind::ProviderOverloaded);
    let own = gw_core::Error::bad_field("input", "`input` is required");
    let body: Value = serde_json::from_slice(&OpenAiResponses.encode_error(&own)).expect("JSON");
    assert_eq!(body["error"]["param"], "input");
}
