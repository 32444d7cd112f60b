use gw_core::chat::Part;
use gw_core::reply::{ChatReply, Choice, Stop, StopReason};
use gw_core::seam::Dialect as _;
use gw_core::{Kind, Usage, UsageReport};
use serde_json::{Value, json};

use super::{AnthropicMessages, client};

fn reply_body(content: Value, stop_reason: &str) -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5",
        "content": content, "stop_reason": stop_reason, "stop_sequence": null,
        "usage": {"input_tokens": 3, "output_tokens": 5},
    })
}

fn decode(body: &Value) -> ChatReply {
    AnthropicMessages.decode_reply(body.to_string().as_bytes()).expect("a reply")
}

fn encode(reply: &ChatReply) -> Value {
    serde_json::from_slice(&AnthropicMessages.encode_reply(reply, &client())).expect("JSON")
}

#[test]
fn content_goes_through_unchanged() {
    let content = json!([
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "sealed"},
        {"type": "text", "text": "it is", "citations": [
            {"type": "char_location", "cited_text": "c", "document_index": 0}]},
        {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"b": 1, "a": [2]}},
        {"type": "a_block_of_the_future", "x": 1},
    ]);
    let reply = decode(&reply_body(content.clone(), "tool_use"));
    assert_eq!(encode(&reply)["content"], content);
}

#[test]
fn stop_reasons() {
    let words = [
        ("end_turn", StopReason::EndTurn),
        ("max_tokens", StopReason::MaxTokens),
        ("stop_sequence", StopReason::StopSequence),
        ("tool_use", StopReason::ToolUse),
        ("pause_turn", StopReason::PauseTurn),
        ("refusal", StopReason::Refusal),
        ("model_context_window_exceeded", StopReason::ContextWindow),
        ("of_the_future", StopReason::Other("of_the_future".to_owned())),
    ];
    for (word, reason) in words {
        let reply = decode(&reply_body(json!([]), word));
        assert_eq!(reply.choices[0].stop, Some(reason.into()));
        assert_eq!(encode(&reply)["stop_reason"], word);
    }
    let mut body = reply_body(json!([]), "stop_sequence");
    body["stop_sequence"] = json!("END");
    let reply = decode(&body);
    let stop = Stop { reason: StopReason::StopSequence, sequence: Some("END".to_owned()) };
    assert_eq!(reply.choices[0].stop, Some(stop));
    assert_eq!(encode(&reply)["stop_sequence"], "END");
}

#[test]
fn usage_classes_are_disjoint() {
    let mut body = reply_body(json!([]), "end_turn");
    body["usage"] = json!({
        "input_tokens": 10, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 12, "ephemeral_1h_input_tokens": 18},
        "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 40},
        "server_tool_use": {"web_search_requests": 2}, "service_tier": "standard", "cost": 0.5,
    });
    let reply = decode(&body);
    let usage = Usage {
        input: 10,
        cache_read: 20,
        cache_write: 12,
        cache_write_long: 18,
        output: 10,
        reasoning: 40,
        web_search: 2,
        ..Usage::default()
    };
    assert_eq!(reply.usage.usage, usage);
    assert_eq!(reply.usage.service_tier.as_deref(), Some("standard"));
    assert_eq!(reply.usage.reported_cost.map(|cost| cost.pico()), Some(500_000_000_000));
    let mut again = decode(&encode(&reply));
    again.usage.reported_cost = reply.usage.reported_cost;
    assert_eq!(again, reply);
}

#[test]
fn what_other_dialects_say_finds_a_place() {
    let parts = vec![
        Part::Refusal { text: "no".to_owned() },
        Part::ToolCall {
            id: "call.1".to_owned(),
            name: "f".to_owned(),
            arguments: "not json".to_owned(),
            cache: None,
        },
        Part::ToolCall {
            id: "b".to_owned(),
            name: "g".to_owned(),
            arguments: String::new(),
            cache: None,
        },
    ];
    let stop = Some(StopReason::EndTurn.into());
    let choice = Choice { index: 0, parts, stop, logprobs: None };
    let reply = ChatReply {
        id: "chatcmpl-1".to_owned(),
        choices: vec![choice],
        usage: UsageReport::default(),
        ..ChatReply::default()
    };
    let body = encode(&reply);
    assert_eq!(body["id"], "msg_chatcmpl-1");
    assert_eq!(body["stop_reason"], "refusal");
    let content = json!([
        {"type": "text", "text": "no"},
        {"type": "tool_use", "id": "call_1", "name": "f",
         "input": {"_raw_arguments": "not json"}},
        {"type": "tool_use", "id": "b", "name": "g", "input": {}},
    ]);
    assert_eq!(body["content"], content);
    let again = decode(&body);
    let Part::ToolCall { arguments, .. } = &again.choices[0].parts[1] else { panic!("a call") };
    assert_eq!(arguments, "not json");
}

#[test]
fn bodies_that_are_no_replies() {
    #[track_caller]
    fn check(body: &str, expected: Kind) {
        let error = AnthropicMessages.decode_reply(body.as_bytes()).expect_err("no reply");
        assert_eq!(error.kind(), expected, "{body}");
    }
    check("", Kind::ProviderMalformed);
    check("<html>", Kind::ProviderMalformed);
    check("[]", Kind::ProviderMalformed);
    check("{}", Kind::ProviderMalformed);
    check("{\"content\":[{\"type\":\"text\"}]}", Kind::ProviderMalformed);
    let error = "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}";
    check(error, Kind::ProviderOverloaded);
}
