use gw_core::Kind;
use gw_core::chat::{
    CacheMark, ChatRequest, Message, Part, ResponseFormat, Role, Source, Tool, ToolChoice,
};
use gw_core::seam::DialectId;
use serde_json::{Value, json};

use crate::openai_chat::request::decode;

fn read(fields: &Value) -> ChatRequest {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let members = body.as_object_mut().expect("an object");
    members.extend(fields.as_object().expect("an object").clone());
    decode(body.to_string().as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

fn turns(messages: &Value) -> Vec<Message> {
    read(&json!({ "messages": messages })).messages
}

fn user_parts(content: &Value) -> Vec<Part> {
    turns(&json!([{"role": "user", "content": content}])).remove(0).parts
}

#[test]
fn scalar_fields() {
    let request = read(&json!({
        "max_tokens": 5, "max_completion_tokens": 7, "temperature": 0, "top_p": 0.5, "seed": -3,
        "stop": "END", "n": 2, "logprobs": true, "top_logprobs": 3, "logit_bias": {"5": -100},
        "stream": true, "stream_options": {"include_usage": true}, "user": "u", "service_tier": "flex",
        "metadata": {"a": "b"}, "parallel_tool_calls": false, "frequency_penalty": 1, "top_k": 5,
        "store": true, "plugins": [],
    }));
    assert_eq!(request.max_output_tokens, Some(7));
    assert_eq!(request.sampling.temperature, Some(0.0));
    assert_eq!(
        (request.sampling.seed, request.sampling.n, request.sampling.top_k),
        (Some(-3), Some(2), Some(5))
    );
    assert_eq!(request.sampling.stop, ["END"]);
    assert!(request.stream && request.include_usage);
    assert_eq!(request.extra.dialect, Some(DialectId::OpenAiChat));
    let keys: Vec<&String> = request.extra.fields.keys().collect();
    assert_eq!(keys, ["top_k", "store", "plugins"]);
    let nulls = read(
        &json!({"temperature": null, "stop": null, "tools": null, "stream": null, "response_format": null}),
    );
    assert_eq!(nulls, read(&json!({})));
}

#[test]
fn content_parts() {
    let url = |url: &str| Source::Url { url: url.to_owned() };
    let base64 = |media: &str, data: &str| Source::Base64 {
        media_type: media.to_owned(),
        data: data.to_owned(),
    };
    let image = |source| Part::Image { source, detail: None, cache: None };
    let file = |source, title: Option<&str>| Part::Document {
        source,
        title: title.map(str::to_owned),
        context: None,
        citations: false,
        cache: None,
    };
    assert_eq!(user_parts(&json!("hi")), [Part::text("hi")]);
    assert_eq!(
        user_parts(&json!([{"type": "image_url", "image_url": {"url": "https://x"}}])),
        [image(url("https://x"))]
    );
    assert_eq!(
        user_parts(&json!([{"type": "image_url", "image_url": "https://x"}])),
        [image(url("https://x"))]
    );
    assert_eq!(
        user_parts(
            &json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}])
        ),
        [image(base64("image/png", "AA=="))]
    );
    assert_eq!(
        user_parts(
            &json!([{"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}}])
        ),
        [file(base64("application/pdf", "AA=="), Some("a.pdf"))]
    );
    assert_eq!(
        user_parts(&json!([{"type": "file", "file": {"file_id": "f1"}}])),
        [file(Source::File { id: "f1".to_owned() }, None)]
    );
    assert_eq!(
        user_parts(&json!([{"type": "file", "file": {"file_data": "https://x/a.pdf"}}])),
        [file(url("https://x/a.pdf"), None)]
    );
    assert_eq!(
        user_parts(
            &json!([{"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}])
        ),
        [Part::Audio { data: "AA".to_owned(), format: "wav".to_owned() }]
    );
    let video = json!({"type": "video_url", "video_url": {"url": "u"}});
    assert_eq!(
        user_parts(&json!([video])),
        [Part::Opaque { dialect: DialectId::OpenAiChat, value: video }]
    );
    let marked = Part::Text {
        text: "a".to_owned(),
        citations: vec![],
        cache: Some(CacheMark { ttl: Some("1h".to_owned()) }),
    };
    assert_eq!(
        user_parts(
            &json!([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}])
        ),
        [marked]
    );
}

#[test]
fn tool_messages_join_and_legacy_functions_find_their_call() {
    let result = |id: &str, text: &str| Part::ToolResult {
        call_id: id.to_owned(),
        parts: vec![Part::text(text)],
        is_error: false,
        cache: None,
    };
    let turns = turns(&json!([
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "2"}]},
        {"role": "user", "content": "go on"},
        {"role": "assistant", "content": null, "function_call": {"name": "g", "arguments": "{}"}},
        {"role": "function", "name": "g", "content": "3"},
    ]));
    assert_eq!(turns.len(), 5);
    assert_eq!(turns[1].parts, [result("a", "1"), result("b", "2")]);
    assert_eq!(turns[2], Message::text(Role::User, "go on"));
    let Part::ToolCall { id, .. } = &turns[3].parts[0] else { panic!("a call") };
    assert_eq!(turns[4].parts, [result(id, "3")]);
}

#[test]
fn assistants_think_first() {
    let turns = turns(
        &json!([{"role": "assistant", "content": "a", "refusal": "r", "reasoning_content": "t", "name": "bot", "vendor": 1}]),
    );
    let wanted = [
        Part::Thinking { text: "t".to_owned(), signature: None },
        Part::text("a"),
        Part::Refusal { text: "r".to_owned() },
    ];
    assert_eq!(turns[0].parts, wanted);
    assert_eq!(turns[0].name.as_deref(), Some("bot"));
    assert_eq!(turns[0].extra.fields["vendor"], 1);
}

#[test]
fn tools_and_choices() {
    let request = read(&json!({"tools": [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": true}},
        {"type": "openrouter:web_search"},
    ]}));
    assert!(
        matches!(&request.tools[0], Tool::Function { name, strict: Some(true), .. } if name == "f")
    );
    assert!(matches!(&request.tools[1], Tool::Hosted { dialect: DialectId::OpenAiChat, .. }));
    let legacy = read(&json!({"functions": [{"name": "f"}], "function_call": {"name": "f"}}));
    assert!(matches!(&legacy.tools[0], Tool::Function { parameters: None, .. }));
    let choice = |value: Value| read(&json!({ "tool_choice": value })).tool_choice;
    assert_eq!(choice(json!("none")), Some(ToolChoice::None));
    assert_eq!(choice(json!("required")), Some(ToolChoice::Required));
    let named = ToolChoice::Function { name: "f".to_owned() };
    assert_eq!(legacy.tool_choice, Some(named.clone()));
    assert_eq!(choice(json!({"type": "function", "function": {"name": "f"}})), Some(named));
    assert!(matches!(
        choice(json!({"type": "allowed_tools", "allowed_tools": {}})),
        Some(ToolChoice::Opaque { .. })
    ));
}

#[test]
fn formats_and_reasoning() {
    let format = |value: Value| read(&json!({ "response_format": value })).response_format;
    assert_eq!(format(json!({"type": "json_object"})), Some(ResponseFormat::JsonObject));
    let schema =
        format(json!({"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}));
    assert!(matches!(schema, Some(ResponseFormat::JsonSchema { name: None, .. })));
    let other = read(&json!({"response_format": {"type": "grammar", "grammar": "x"}}));
    assert_eq!(other.extra.fields["response_format"]["grammar"], "x");
    let reasoning = |fields: Value| read(&fields).reasoning.expect("asked for");
    assert_eq!(reasoning(json!({"reasoning_effort": "low"})).effort.as_deref(), Some("low"));
    assert_eq!(reasoning(json!({"reasoning_effort": "none"})).is_enabled, Some(false));
    let object =
        reasoning(json!({"reasoning": {"max_tokens": 9, "enabled": true, "exclude": true}}));
    assert_eq!(
        (object.budget_tokens, object.is_enabled, object.display.as_deref()),
        (Some(9), Some(true), Some("omitted"))
    );
}

#[track_caller]
fn refused(body: &Value, field: &str, text: &str) {
    let error = decode(body.to_string().as_bytes()).expect_err("refused");
    assert_eq!(error.kind(), Kind::InvalidRequest, "{error}");
    assert_eq!(error.field(), Some(field), "{error}");
    assert!(error.full_message().contains(text), "`{error}` lacks `{text}`");
}

#[test]
fn errors_name_the_field_and_the_fix() {
    let message = |message: Value| json!({"model": "m", "messages": [message]});
    let with = |key: &str, value: Value| {
        let mut body = message(json!({"role": "user", "content": "hi"}));
        body[key] = value;
        body
    };
    refused(&json!({"model": 5}), "model", "must be a string");
    refused(&json!({"model": "m"}), "messages", "is required");
    refused(&json!({"model": "m", "messages": []}), "messages", "at least one message");
    refused(&json!({"model": "m", "messages": "hi"}), "messages", "must be an array");
    refused(&message(json!("hi")), "messages[0]", "must be an object");
    refused(&message(json!({"content": "x"})), "messages[0].role", "is required");
    refused(&message(json!({"role": "bot", "content": "x"})), "messages[0].role", "`developer`");
    refused(&message(json!({"role": "user"})), "messages[0].content", "is required");
    refused(
        &message(json!({"role": "user", "content": 5})),
        "messages[0].content",
        "a string or an array of parts",
    );
    refused(
        &message(json!({"role": "tool", "content": "x"})),
        "messages[0].tool_call_id",
        "Repeat the `id`",
    );
    refused(
        &message(json!({"role": "user", "content": [{"text": "x"}]})),
        "messages[0].content[0].type",
        "is required",
    );
    refused(
        &message(
            json!({"role": "user", "content": [{"type": "image_url", "image_url": {"url": 5}}]}),
        ),
        "messages[0].content[0].image_url.url",
        "must be a string",
    );
    refused(
        &message(
            json!({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,xx"}}]}),
        ),
        "messages[0].content[0].image_url.url",
        "base64",
    );
    refused(
        &message(json!({"role": "user", "content": [{"type": "file", "file": {}}]})),
        "messages[0].content[0].file",
        "`file_data` or `file_id`",
    );
    refused(
        &message(
            json!({"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "f"}}]}),
        ),
        "messages[0].tool_calls[0].id",
        "is required",
    );
    refused(&with("temperature", json!("hot")), "temperature", "must be a number");
    refused(&with("max_tokens", json!(-1)), "max_tokens", "a whole number from 0");
    refused(&with("stop", json!(5)), "stop", "a string or an array");
    refused(&with("stop", json!(["a", 5])), "stop[1]", "must be a string");
    refused(&with("tools", json!([{"type": "function"}])), "tools[0].function", "is required");
    refused(
        &with("tools", json!([{"type": "function", "function": {"name": "f", "parameters": 1}}])),
        "tools[0].function.parameters",
        "an object",
    );
    refused(&with("tool_choice", json!("maybe")), "tool_choice", "`required`");
    refused(&with("stream", json!("yes")), "stream", "a boolean");
    refused(
        &with("response_format", json!({"type": "json_schema"})),
        "response_format.json_schema",
        "is required",
    );
}
