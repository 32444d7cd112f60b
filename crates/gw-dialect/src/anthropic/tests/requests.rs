use gw_core::Kind;
use gw_core::chat::{
    ChatRequest, Extra, Message, NoticeAction, Part, ResponseFormat, Role, Sampling, Source, Tool,
    ToolChoice,
};
use gw_core::seam::{Dialect as _, DialectId, Edits, Quirks, Target};
use serde_json::{Value, json};

use super::{AnthropicMessages, body, decode_request, encode_request};

/// What is said in this format is said again in the same words.
#[track_caller]
fn check_same(fields: Value) {
    let request = decode_request(fields.clone()).expect("a request");
    let (written, notices) = encode_request(&request).expect("written");
    assert_eq!(written, body(fields));
    assert_eq!(notices, []);
}

#[test]
fn own_requests_are_written_as_they_came() {
    check_same(json!({}));
    check_same(json!({"stream": true, "temperature": 0.0, "top_k": 5, "stop_sequences": ["a"]}));
    check_same(json!({"system": "be brief", "metadata": {"user_id": "u"}, "service_tier": "auto"}));
    check_same(json!({"system": [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]}));
    check_same(json!({"context_management": {"edits": []}, "container": "c", "speed": "fast"}));
    check_same(json!({"metadata": {"user_id": "u", "x": 1}}));
    check_same(json!({"thinking": {"type": "disabled"}}));
    check_same(json!({"max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 2048,
        "display": "summarized"}}));
    check_same(json!({"thinking": {"type": "adaptive", "display": "omitted"},
        "output_config": {"effort": "medium", "x": 1}}));
    check_same(json!({"output_config": {"format": {"type": "json_schema", "schema":
        {"type": "object", "properties": {}, "additionalProperties": false}}}}));
}

#[test]
fn own_content_is_written_as_it_came() {
    check_same(json!({"messages": [
        {"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A"}},
            {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}},
            {"type": "image", "source": {"type": "file", "file_id": "f"},
             "cache_control": {"type": "ephemeral"}},
            {"type": "document", "source":
                {"type": "base64", "media_type": "application/pdf", "data": "B"},
             "title": "t", "context": "c", "citations": {"enabled": true}},
            {"type": "document", "source":
                {"type": "text", "media_type": "text/plain", "data": "words"}},
            {"type": "document", "source":
                {"type": "content", "content": [{"type": "text", "text": "x"}]}},
            {"type": "search_result", "source": "s", "title": "t", "content": []},
            {"type": "container_upload", "file_id": "f"},
            {"type": "text", "text": "see"},
        ]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "d"},
            {"type": "text", "text": "yes", "citations": [{"type": "page_location"}]},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1},
             "cache_control": {"type": "ephemeral"}},
            {"type": "tool_use", "id": "t2", "name": "f", "input": {}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t1", "content": "done", "is_error": true},
            {"type": "tool_result", "tool_use_id": "t2", "content": [
                {"type": "text", "text": "see"},
                {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}},
                {"type": "tool_reference", "tool_name": "g"},
            ], "cache_control": {"type": "ephemeral"}},
        ]},
        {"role": "assistant", "content": "so"},
    ]}));
}

#[test]
fn own_tools_are_written_as_they_came() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    check_same(json!({
        "tools": [
            {"name": "f", "description": "d", "input_schema": schema, "strict": true,
             "defer_loading": true, "cache_control": {"type": "ephemeral"}},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
        ],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
    }));
    for choice in [json!({"type": "auto"}), json!({"type": "tool", "name": "f"})] {
        check_same(
            json!({"tools": [{"name": "f", "input_schema": schema}], "tool_choice": choice}),
        );
    }
}

#[test]
fn the_old_name_of_structured_output_is_read() {
    let format = json!({"type": "json_schema", "schema": {"type": "object"}});
    let request = decode_request(json!({"output_format": format})).expect("a request");
    assert!(matches!(request.response_format, Some(ResponseFormat::JsonSchema { .. })));
}

#[test]
fn system_turns_of_claude_code_keep_their_place() {
    let turns = json!([
        {"role": "user", "content": "hi"},
        {"role": "system", "content": "mind", "output_config": {"effort": "medium"}},
        {"role": "system", "content": [{"type": "text", "text": "more"}]},
        {"role": "user", "content": "go"},
    ]);
    let request = decode_request(json!({"messages": turns})).expect("a request");
    assert_eq!(request.messages[1].role, Role::System);
    let (written, notices) = encode_request(&request).expect("written");
    let expected = json!([
        {"role": "user", "content": "hi"},
        {"role": "system", "content": "mind", "output_config": {"effort": "medium"}},
        {"role": "user", "content": [
            {"type": "text", "text": "<system-reminder>\nmore\n</system-reminder>"},
            {"type": "text", "text": "go"},
        ]},
    ]);
    assert_eq!(written["messages"], expected);
    assert_eq!(notices[0].action, NoticeAction::Emulated);
}

#[test]
fn wrong_fields_are_named() {
    #[track_caller]
    fn check(fields: Value, field: &str) {
        let error = decode_request(fields).expect_err("refused");
        assert_eq!((error.kind(), error.field()), (Kind::InvalidRequest, Some(field)));
        assert!(error.message().contains(field), "{error}");
    }
    check(json!({"model": 5}), "model");
    check(json!({"messages": null}), "messages");
    check(json!({"messages": []}), "messages");
    check(json!({"messages": {}}), "messages");
    check(json!({"messages": [5]}), "messages[0]");
    check(json!({"messages": [{"role": "tool", "content": "x"}]}), "messages[0].role");
    check(json!({"messages": [{"role": "user"}]}), "messages[0].content");
    check(json!({"messages": [{"role": "user", "content": 5}]}), "messages[0].content");
    let in_content = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
    check(in_content(json!({})), "messages[0].content[0].type");
    check(in_content(json!({"type": "text"})), "messages[0].content[0].text");
    check(in_content(json!({"type": "image"})), "messages[0].content[0].source");
    let result = json!({"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text"}]});
    check(in_content(result), "messages[0].content[0].content[0].text");
    check(json!({"max_tokens": 0}), "max_tokens");
    check(json!({"max_tokens": -1}), "max_tokens");
    check(json!({"temperature": "hot"}), "temperature");
    check(json!({"stream": 1}), "stream");
    check(json!({"tools": [{}]}), "tools[0].name");
    check(json!({"tools": [{"name": ""}]}), "tools[0].name");
    check(json!({"tool_choice": {"type": "tool"}}), "tool_choice.name");
    check(json!({"thinking": {"type": "deep"}}), "thinking.type");
    check(json!({"stop_sequences": [1]}), "stop_sequences[0]");
}

fn turn(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, name: None, extra: Extra::default() }
}

fn call(id: &str) -> Part {
    let (id, name) = (id.to_owned(), "f".to_owned());
    Part::ToolCall { id, name, arguments: "[1]".to_owned(), cache: None }
}

fn result(id: &str) -> Part {
    let parts = vec![Part::text("r")];
    Part::ToolResult { call_id: id.to_owned(), parts, is_error: false, cache: None }
}

#[test]
fn conversations_of_other_dialects_become_turns() {
    let request = ChatRequest {
        messages: vec![
            Message::text(Role::System, "a"),
            Message::text(Role::Developer, "b"),
            Message::text(Role::User, "hi"),
            turn(
                Role::Assistant,
                vec![
                    Part::Thinking { text: "unsigned".to_owned(), signature: None },
                    Part::text(""),
                    call("x.1"),
                    call("x 1"),
                ],
            ),
            turn(Role::User, vec![result("x.1")]),
            turn(Role::User, vec![Part::text("and"), result("x 1")]),
        ],
        ..ChatRequest::default()
    };
    let (written, notices) = encode_request(&request).expect("written");
    let block = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(written["system"], json!([block("a"), block("b")]));
    let input = json!({"_raw_arguments": "[1]"});
    let expected = json!([
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": "x_1", "name": "f", "input": input},
            {"type": "tool_use", "id": "x_1_2", "name": "f", "input": input},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "x_1", "content": "r"},
            {"type": "tool_result", "tool_use_id": "x_1_2", "content": "r"},
            {"type": "text", "text": "and"},
        ]},
    ]);
    assert_eq!(written["messages"], expected);
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].feature, "messages[3].parts[0]");
}

#[test]
fn the_first_turn_is_always_the_user_s() {
    let only = |message| ChatRequest { messages: vec![message], ..ChatRequest::default() };
    let (written, _) = encode_request(&only(Message::text(Role::System, "s"))).expect("written");
    assert_eq!(written["messages"], json!([{"role": "user", "content": "s"}]));
    assert_eq!(written.get("system"), None);
    let (written, _) =
        encode_request(&only(Message::text(Role::Assistant, "a "))).expect("written");
    let expected = json!([{"role": "user", "content": "."}, {"role": "assistant", "content": "a"}]);
    assert_eq!(written["messages"], expected);
}

#[track_caller]
fn check_fields(change: impl FnOnce(&mut ChatRequest), expected: Value, noted: &[&str]) {
    let messages = vec![Message::text(Role::User, "hi")];
    let mut request = ChatRequest { messages, ..ChatRequest::default() };
    change(&mut request);
    let (written, notices) = encode_request(&request).expect("written");
    for (key, value) in expected.as_object().into_iter().flatten() {
        assert_eq!(written.get(key).unwrap_or(&Value::Null), value, "{key}");
    }
    let features: Vec<&str> = notices.iter().map(|notice| notice.feature.as_str()).collect();
    assert_eq!(features, noted);
}

#[test]
fn fields_of_other_dialects_are_mapped_or_noted() {
    check_fields(|_| (), json!({"max_tokens": 8000}), &[]);
    check_fields(
        |it| it.max_output_tokens = Some(9_000),
        json!({"max_tokens": 8000}),
        &["max_output_tokens"],
    );
    check_fields(
        |it| it.sampling.temperature = Some(1.5),
        json!({"temperature": 1.0}),
        &["temperature"],
    );
    check_fields(
        |it| (it.sampling.temperature, it.sampling.top_p) = (Some(0.5), Some(0.5)),
        json!({"temperature": 0.5, "top_p": null}),
        &["top_p"],
    );
    check_fields(
        |it| {
            it.sampling = Sampling {
                seed: Some(1),
                presence_penalty: Some(0.5),
                frequency_penalty: Some(0.5),
                logprobs: Some(true),
                n: Some(1),
                stop: vec!["\n".to_owned(), "x".to_owned()],
                ..Sampling::default()
            };
        },
        json!({"stop_sequences": ["x"]}),
        &["stop", "frequency_penalty", "presence_penalty", "seed", "logprobs"],
    );
    check_fields(
        |it| it.response_format = Some(ResponseFormat::JsonObject),
        json!({"output_config": null}),
        &["response_format"],
    );
    check_fields(
        |it| it.service_tier = Some("default".to_owned()),
        json!({"service_tier": "standard_only"}),
        &["service_tier"],
    );
    check_fields(|it| it.tool_choice = Some(ToolChoice::Auto), json!({}), &["tool_choice"]);
    check_fields(
        |it| {
            it.extra = Extra {
                dialect: Some(DialectId::OpenAiChat),
                fields: [("store".to_owned(), json!(true))].into_iter().collect(),
            };
        },
        json!({"store": null}),
        &["store"],
    );
}

#[test]
fn schemas_are_closed_and_tools_have_one() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "object"}}});
    let closed = json!({"type": "object", "additionalProperties": false, "properties":
        {"a": {"type": "object", "additionalProperties": false}}});
    check_fields(
        |it| {
            let (name, description, strict) = (Some("n".to_owned()), None, Some(true));
            it.response_format =
                Some(ResponseFormat::JsonSchema { name, description, schema, strict });
        },
        json!({"output_config": {"format": {"type": "json_schema", "schema": closed}}}),
        &["response_format"],
    );
    check_fields(
        |it| {
            it.tools = vec![Tool::Function {
                name: "f".to_owned(),
                description: None,
                parameters: None,
                strict: None,
                cache: None,
                extra: Extra::default(),
            }];
            it.parallel_tool_calls = Some(false);
        },
        json!({
            "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
        }),
        &[],
    );
}

#[test]
fn what_cannot_be_said_is_refused() {
    let mut request =
        ChatRequest { messages: vec![Message::text(Role::User, "hi")], ..Default::default() };
    request.sampling.n = Some(2);
    let error = encode_request(&request).expect_err("two answers");
    assert_eq!((error.kind(), error.field()), (Kind::UnsupportedFeature, Some("n")));
    request.sampling.n = None;
    let sound = Part::Audio { data: "A".to_owned(), format: "wav".to_owned() };
    request.messages.push(turn(Role::User, vec![sound]));
    let error = encode_request(&request).expect_err("audio");
    let field = Some("messages[1].parts[0]");
    assert_eq!((error.kind(), error.field()), (Kind::UnsupportedFeature, field));
}

#[test]
fn data_addresses_and_text_files_are_taken_apart() {
    let url = Source::Url { url: "data:image/png;base64,AAAA".to_owned() };
    let (media_type, data) = ("text/csv".to_owned(), "YSxi".to_owned());
    let document = Part::Document {
        source: Source::Base64 { media_type, data },
        title: None,
        context: None,
        citations: false,
        cache: None,
    };
    let parts = vec![Part::Image { source: url, detail: None, cache: None }, document];
    let request = ChatRequest { messages: vec![turn(Role::User, parts)], ..Default::default() };
    let (written, _) = encode_request(&request).expect("written");
    let content = &written["messages"][0]["content"];
    let image = json!({"type": "base64", "media_type": "image/png", "data": "AAAA"});
    assert_eq!(content[0]["source"], image);
    let text = json!({"type": "text", "media_type": "text/plain", "data": "a,b"});
    assert_eq!(content[1]["source"], text);
}

#[test]
fn passing_on_changes_the_model_and_nothing_else() {
    let body = bytes::Bytes::from_static(b"{ \"model\":\"a\", \"x\":1.50,\"messages\":[] }");
    let quirks = Quirks { refused_fields: vec!["x".to_owned()], ..Quirks::default() };
    let mut target = Target { model: "b", quirks: &Quirks::default(), max_output_tokens: None };
    let pass = |target| {
        let edits = Edits { target, wants_usage: true, is_stream: true };
        AnthropicMessages.pass_request(&body, &edits).expect("passed").body
    };
    assert_eq!(&pass(target)[..], b"{ \"model\":\"b\", \"x\":1.50,\"messages\":[] }");
    target.quirks = &quirks;
    assert_eq!(&pass(target)[..], b"{ \"model\":\"b\",\"messages\":[] }");
}
