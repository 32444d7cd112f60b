use gw_core::Kind;
use gw_core::chat::Part;
use gw_core::reply::{ChatReply, StopReason};
use gw_core::seam::{ClientStream, DialectId};
use serde_json::{Value, json};

use super::{decode, encode};

fn reply_with(choice: &Value) -> ChatReply {
    let body = json!({"id": "i", "object": "chat.completion", "created": 5, "model": "m",
        "choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}});
    decode(body.to_string().as_bytes()).expect("decodes")
}

#[track_caller]
fn parts_of(message: &Value) -> Vec<Part> {
    let mut reply = reply_with(&json!({"index": 0, "message": message, "finish_reason": "stop"}));
    reply.choices.remove(0).parts
}

/// Reads, writes and reads again: nothing that is canonical is lost.
#[track_caller]
fn check(message: &Value, wanted: &[Part]) {
    assert_eq!(parts_of(message), wanted);
    let reply = reply_with(&json!({"index": 0, "message": message, "finish_reason": "stop"}));
    let again = encode(&reply, &ClientStream::default());
    assert_eq!(decode(&again).expect("decodes"), reply);
}

fn thinking(text: &str, signature: Option<&str>) -> Part {
    Part::Thinking { text: text.to_owned(), signature: signature.map(str::to_owned) }
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
    Part::ToolCall { id, name, arguments, cache: None }
}

#[test]
fn words_and_refusals() {
    check(&json!({"content": "hi"}), &[Part::text("hi")]);
    check(&json!({"content": ""}), &[]);
    check(&json!({"content": null, "refusal": "no"}), &[Part::Refusal { text: "no".to_owned() }]);
}

#[test]
fn thinking_in_every_field() {
    let wanted = [thinking("hm", None), Part::text("a")];
    check(&json!({"content": "a", "reasoning_content": "hm"}), &wanted);
    check(&json!({"content": "a", "reasoning": "hm"}), &wanted);
    check(&json!({"content": "a", "reasoning": "hm", "reasoning_content": "hm"}), &wanted);
    check(
        &json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]}, {"type": "text", "text": "a"}]}),
        &wanted,
    );
    let details = json!([
        {"type": "reasoning.text", "text": "hm", "signature": "S", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "D", "format": "anthropic-claude-v1", "index": 1},
        {"type": "reasoning.summary", "summary": "sum", "index": 2},
    ]);
    check(
        &json!({"content": "a", "reasoning": "hm", "reasoning_details": details}),
        &[
            thinking("hm", Some("S")),
            Part::RedactedThinking { data: "D".to_owned() },
            thinking("sum", None),
            Part::text("a"),
        ],
    );
}

#[test]
fn sealed_thoughts_of_other_formats_keep_their_id() {
    let detail = json!({"type": "reasoning.encrypted", "data": "D", "format": "openai-responses-v1", "id": "rs_1", "index": 0});
    let message = json!({"content": "a", "reasoning": "shown", "reasoning_details": [detail]});
    let reply = reply_with(&json!({"message": message, "finish_reason": "stop"}));
    assert_eq!(reply.choices[0].parts[0], thinking("shown", None));
    let wire: Value =
        serde_json::from_slice(&encode(&reply, &ClientStream::default())).expect("JSON");
    let back = &wire["choices"][0]["message"]["reasoning_details"][1];
    assert_eq!(
        (&back["id"], &back["format"], &back["data"]),
        (&json!("rs_1"), &json!("openai-responses-v1"), &json!("D"))
    );
    assert_eq!(decode(wire.to_string().as_bytes()).expect("decodes"), reply);
}

#[test]
fn calls_with_and_without_ids() {
    let reply = reply_with(
        &json!({"index": 0, "finish_reason": "stop", "message": {"content": null, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"function": {"name": "g", "arguments": {"x": 1}}},
        ]}}),
    );
    assert_eq!(reply.choices[0].parts, [call("a", "f", "{}"), call("call_0_1", "g", "{\"x\":1}")]);
    // OpenAI ends a forced call with `stop`.
    assert_eq!(reply.choices[0].stop, Some(StopReason::ToolUse.into()));
    let legacy = reply_with(
        &json!({"finish_reason": "function_call", "message": {"content": null, "function_call": {"name": "f", "arguments": "{}"}}}),
    );
    assert_eq!(legacy.choices[0].parts, [call("call_0_0", "f", "{}")]);
    let custom =
        json!({"id": "c", "type": "custom", "custom": {"name": "sql", "input": "select 1"}});
    let wanted = Part::Opaque { dialect: DialectId::OpenAiChat, value: custom.clone() };
    check(&json!({"content": null, "tool_calls": [custom]}), &[wanted]);
}

#[test]
fn citations_images_and_audio() {
    let note = json!({"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1}});
    let cited = Part::Text { text: "a".to_owned(), citations: vec![note.clone()], cache: None };
    check(&json!({"content": "a", "annotations": [note]}), &[cited]);
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}});
    let own = |value: Value| Part::Opaque { dialect: DialectId::OpenAiChat, value };
    check(&json!({"content": "a", "images": [image]}), &[Part::text("a"), own(image)]);
    let audio = json!({"id": "x", "data": "AA==", "transcript": "said"});
    check(
        &json!({"content": null, "audio": audio}),
        &[Part::text("said"), own(json!({"type": "audio", "audio": audio}))],
    );
}

#[test]
fn perplexity_sources_become_citations() {
    let body = json!({"model": "sonar", "choices": [{"index": 0, "message": {"content": "a [1]"}, "finish_reason": "stop"}],
        "citations": ["https://a", "https://b"], "search_results": [{"url": "https://b", "title": "B"}]});
    let reply = decode(body.to_string().as_bytes()).expect("decodes");
    let Part::Text { citations, .. } = &reply.choices[0].parts[0] else { panic!("a text") };
    assert_eq!(citations.len(), 2);
    assert_eq!(citations[1]["url_citation"]["title"], "B");
}

#[test]
fn every_finish_reason() {
    for (word, wanted) in [
        ("stop", StopReason::EndTurn),
        ("end_turn", StopReason::EndTurn),
        ("length", StopReason::MaxTokens),
        ("model_length", StopReason::MaxTokens),
        ("tool_calls", StopReason::ToolUse),
        ("function_call", StopReason::ToolUse),
        ("content_filter", StopReason::Refusal),
        (
            "insufficient_system_resource",
            StopReason::Other("insufficient_system_resource".to_owned()),
        ),
    ] {
        let reply = reply_with(&json!({"message": {"content": "a"}, "finish_reason": word}));
        assert_eq!(reply.choices[0].stop, Some(wanted.into()), "{word}");
    }
    let reply = reply_with(&json!({"message": {"content": "a"}, "finish_reason": null}));
    assert_eq!(reply.choices[0].stop, Some(StopReason::EndTurn.into()));
    let reply = reply_with(
        &json!({"message": {"content": "a"}, "finish_reason": "stop", "stop_reason": "END"}),
    );
    assert_eq!(
        reply.choices[0].stop.as_ref().and_then(|stop| stop.sequence.as_deref()),
        Some("END")
    );
}

#[test]
fn what_is_no_answer_is_an_error() {
    #[track_caller]
    fn check(body: &str, kind: Kind) {
        assert_eq!(decode(body.as_bytes()).expect_err("refused").kind(), kind, "{body}");
    }
    check("", Kind::ProviderMalformed);
    check("[]", Kind::ProviderMalformed);
    check("{}", Kind::ProviderMalformed);
    check(r#"{"choices":[1]}"#, Kind::ProviderMalformed);
    check(r#"{"error":{"message":"slow","code":429}}"#, Kind::ProviderRateLimited);
    check(
        r#"{"choices":[{"finish_reason":"error","error":{"code":502,"message":"broke"}}]}"#,
        Kind::ProviderFailed,
    );
}

#[test]
fn the_client_sees_what_it_is_owed() {
    let client = ClientStream {
        model: "alias".to_owned(),
        created_s: 9,
        fallback_id: "gw-1".to_owned(),
        ..ClientStream::default()
    };
    let reply =
        ChatReply { choices: vec![gw_core::reply::Choice::default()], ..ChatReply::default() };
    let wire: Value = serde_json::from_slice(&encode(&reply, &client)).expect("JSON");
    assert_eq!(
        (&wire["id"], &wire["model"], &wire["created"]),
        (&json!("gw-1"), &json!("alias"), &json!(9))
    );
    assert_eq!(wire["object"], "chat.completion");
    assert_eq!(
        wire["choices"][0]["message"],
        json!({"role": "assistant", "content": null, "refusal": null})
    );
}
