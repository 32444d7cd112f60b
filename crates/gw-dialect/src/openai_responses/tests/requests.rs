//! Requests in and out.

use bytes::Bytes;
use gw_core::Kind;
use gw_core::chat::{
    CacheMark, ChatRequest, Extra, Message, Part, Reasoning, ResponseFormat, Role, Sampling,
    Source, Tool, ToolChoice,
};
use gw_core::seam::{Dialect, DialectId, Edits, Quirks, Target};
use serde_json::json;

use super::{read, write};
use crate::openai_responses::{ID, OpenAiResponses};

fn generous() -> Quirks {
    Quirks { reasoning_details: true, ..Quirks::default() }
}

#[test]
fn a_text_and_instructions_are_two_turns() {
    let request = read(&json!({"model": "m", "instructions": "be brief", "input": "hi"}));
    assert_eq!(
        request.messages,
        [Message::text(Role::System, "be brief"), Message::text(Role::User, "hi")]
    );
    let (body, _) = write(&request, &Quirks::default());
    assert_eq!(body["instructions"], "be brief");
    assert_eq!(body["input"], json!([{"type": "message", "role": "user", "content": "hi"}]));
    // Said in another format: nobody asked for it to be stored.
    assert_eq!(body["store"], false);
}

#[test]
fn what_the_model_said_is_one_turn_and_comes_back_as_items() {
    let input = json!([
        {"role": "developer", "content": [{"type": "input_text", "text": "rules"}]},
        {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "look"},
            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
            {"type": "input_image", "file_id": "file-1"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
            {"type": "input_file", "file_url": "https://x/y.pdf"},
        ]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "gAAA"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "calling", "annotations": []}], "phase": "commentary"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"a\":1}"},
        {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "function_call_output", "call_id": "c2", "output": [
            {"type": "input_text", "text": "two"}, {"type": "input_image", "image_url": "https://x/z.png"},
        ]},
        {"type": "item_reference", "id": "msg_7"},
        {"role": "user", "content": "go on"},
    ]);
    let request = read(&json!({"model": "m", "input": input, "store": false}));
    let roles: Vec<Role> = request.messages.iter().map(|message| message.role).collect();
    let (dev, user, model) = (Role::Developer, Role::User, Role::Assistant);
    assert_eq!(roles, [dev, user, model, user, model, user]);
    let said = &request.messages[2].parts;
    assert!(matches!(&said[0], Part::Thinking { text, signature: None } if text == "hm"));
    assert!(
        matches!(&said[1], Part::RedactedThinking { data } if data.starts_with("openai-responses:"))
    );
    assert_eq!(said[2], Part::text("calling"));
    assert!(matches!(&said[3], Part::Opaque { dialect: ID, .. }));
    assert!(matches!(&said[5], Part::ToolCall { id, .. } if id == "c2"));
    let Part::ToolResult { parts, .. } = &request.messages[3].parts[1] else { panic!("a result") };
    assert!(matches!(&parts[1], Part::Image { source: Source::Url { .. }, .. }));

    let (body, notices) = write(&request, &Quirks::default());
    assert_eq!(notices, Vec::<String>::new());
    let again = body["input"].as_array().expect("items");
    assert_eq!(again.len(), 11);
    // Members in any order, and a lone text as a string: otherwise what came.
    for place in [2, 4, 5, 6, 7, 8, 9] {
        assert_eq!(again[place], input[place], "item {place}");
    }
    assert_eq!(again[3]["phase"], "commentary");
    assert_eq!(again[1]["content"], input[1]["content"]);
    assert_eq!(read(&json!({"model": "m", "input": again, "store": false})), request);
}

#[test]
fn words_after_words_are_a_new_turn_but_words_between_calls_are_not() {
    let say = |text: &str| json!({"role": "assistant", "content": text});
    let call =
        |id: &str| json!({"type": "function_call", "call_id": id, "name": "f", "arguments": "{}"});
    let output = |id: &str| json!({"type": "function_call_output", "call_id": id, "output": ""});
    let parts = |input: serde_json::Value| -> Vec<usize> {
        let request = read(&json!({"model": "m", "input": input}));
        request.messages.iter().map(|message| message.parts.len()).collect()
    };
    assert_eq!(parts(json!([say("a"), say("b")])), [1, 1]);
    let between = json!([call("1"), say("b"), call("2"), output("1"), output("2")]);
    assert_eq!(parts(between), [3, 2]);
}

#[test]
fn settings_have_their_canonical_places() {
    let body = json!({
        "model": "m", "input": "hi", "stream": true, "temperature": 0.5, "top_p": 0.9,
        "max_output_tokens": 99, "parallel_tool_calls": false, "user": "u", "service_tier": "flex",
        "metadata": {"k": "v"}, "top_logprobs": 3,
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true}, "verbosity": "low"},
        "reasoning": {"effort": "low", "summary": "auto"},
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": true}, {"type": "web_search"}],
        "tool_choice": {"type": "function", "name": "f"},
        "store": true, "previous_response_id": "resp_1", "truncation": "auto", "prompt_cache_key": "k",
        "safety_identifier": "s", "client_metadata": {"x": 1},
    });
    let request = read(&body);
    assert!(request.stream && request.include_usage);
    assert_eq!(request.max_output_tokens, Some(99));
    assert_eq!(request.sampling.logprobs, Some(true));
    assert_eq!(request.reasoning.as_ref().and_then(|it| it.effort.as_deref()), Some("low"));
    assert!(matches!(
        &request.response_format,
        Some(ResponseFormat::JsonSchema { strict: Some(true), .. })
    ));
    assert_eq!(request.tool_choice, Some(ToolChoice::Function { name: "f".to_owned() }));
    assert!(matches!(&request.tools[1], Tool::Hosted { dialect: ID, .. }));
    let (mut again, notices) = write(&request, &Quirks::default());
    assert_eq!(notices, Vec::<String>::new());
    again["input"] = json!("hi");
    assert_eq!(again, body);
}

#[test]
fn a_wish_for_no_thoughts_and_one_for_a_summary_only() {
    let wish =
        |reasoning| read(&json!({"model": "m", "input": "", "reasoning": reasoning})).reasoning;
    let none = wish(json!({"effort": "none", "summary": "auto"})).expect("a wish");
    assert_eq!((none.is_enabled, none.effort.as_deref()), (Some(false), Some("none")));
    assert_eq!(wish(json!({"summary": "auto"})), None);
    assert_eq!(wish(json!({"effort": null})), None);
}

#[test]
fn errors_name_the_field() {
    #[track_caller]
    fn check(body: &serde_json::Value, kind: Kind, field: &str) {
        let error =
            OpenAiResponses.decode_request(body.to_string().as_bytes()).expect_err("refused");
        assert_eq!((error.kind(), error.field()), (kind, Some(field)), "{body}");
    }
    let bad = Kind::InvalidRequest;
    check(&json!({"input": "hi"}), bad, "model");
    check(&json!({"model": "m"}), bad, "input");
    check(&json!({"model": "m", "input": []}), bad, "input");
    check(&json!({"model": "m", "input": 5}), bad, "input");
    check(&json!({"model": "m", "input": [{"content": "x"}]}), bad, "input[0].type");
    check(
        &json!({"model": "m", "input": [{"role": "robot", "content": "x"}]}),
        bad,
        "input[0].role",
    );
    check(
        &json!({"model": "m", "input": [{"type": "function_call_output", "output": ""}]}),
        bad,
        "input[0].call_id",
    );
    check(&json!({"model": "m", "input": "x", "tool_choice": "maybe"}), bad, "tool_choice");
    check(
        &json!({"model": "m", "input": "x", "tools": [{"type": "function"}]}),
        bad,
        "tools[0].name",
    );
    // What a stored response says need not be said again; a warm-up says nothing.
    read(&json!({"model": "m", "previous_response_id": "resp_1"}));
    read(&json!({"model": "m", "input": [], "generate": false}));
}

#[test]
fn requests_of_other_formats_are_said_in_this_one() {
    let mark = Some(CacheMark::default());
    let request = ChatRequest {
        model: "m".to_owned(),
        messages: vec![
            Message::text(Role::System, "be brief"),
            Message {
                role: Role::User,
                parts: vec![
                    Part::Text { text: "hi".to_owned(), citations: Vec::new(), cache: mark },
                    Part::Document {
                        source: Source::Text { text: "words".to_owned() },
                        title: Some("T".to_owned()),
                        context: None,
                        citations: false,
                        cache: None,
                    },
                ],
                name: None,
                extra: Extra::default(),
            },
            Message {
                role: Role::Assistant,
                parts: vec![
                    Part::Thinking { text: "hm".to_owned(), signature: Some("sig".to_owned()) },
                    Part::ToolCall {
                        id: "t1".into(),
                        name: "f".into(),
                        arguments: String::new(),
                        cache: None,
                    },
                ],
                name: None,
                extra: Extra::default(),
            },
            Message {
                role: Role::User,
                parts: vec![
                    Part::ToolResult {
                        call_id: "t1".into(),
                        parts: vec![Part::text("no")],
                        is_error: true,
                        cache: None,
                    },
                    Part::text("and?"),
                ],
                name: None,
                extra: Extra::default(),
            },
        ],
        tools: vec![Tool::Function {
            name: "f".to_owned(),
            description: None,
            parameters: None,
            strict: None,
            cache: None,
            extra: Extra::default(),
        }],
        tool_choice: Some(ToolChoice::Required),
        max_output_tokens: Some(5),
        sampling: Sampling { stop: vec!["END".to_owned()], seed: Some(1), ..Sampling::default() },
        reasoning: Some(Reasoning {
            budget_tokens: Some(9_000),
            is_enabled: Some(true),
            ..Reasoning::default()
        }),
        extra: Extra {
            dialect: Some(DialectId::OpenAiChat),
            fields: serde_json::Map::from_iter([
                ("prompt_cache_key".to_owned(), json!("k")),
                ("verbosity".to_owned(), json!("low")),
                ("modalities".to_owned(), json!(["text"])),
            ]),
        },
        ..ChatRequest::default()
    };
    let (body, notices) = write(&request, &Quirks::default());
    assert_eq!(body["instructions"], "be brief");
    assert_eq!(body["input"][0]["content"][1]["text"], "T\n\nwords");
    // Another provider's signature is worth nothing here.
    assert_eq!(
        body["input"][1],
        json!({"type": "function_call", "call_id": "t1", "name": "f", "arguments": "{}"})
    );
    assert_eq!(
        body["input"][2],
        json!({"type": "function_call_output", "call_id": "t1", "output": "Error: no"})
    );
    assert_eq!(body["input"][3]["content"], "and?");
    // Functions are strict here unless it is said that they are not.
    assert_eq!(body["tools"][0]["strict"], false);
    assert_eq!(body["max_output_tokens"], 16);
    assert_eq!(body["reasoning"], json!({"effort": "high"}));
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
    assert_eq!(
        (&body["prompt_cache_key"], &body["text"]),
        (&json!("k"), &json!({"verbosity": "low"}))
    );
    for feature in
        ["cache_control", "messages[2].parts[0]", "stop", "seed", "max_output_tokens", "modalities"]
    {
        assert!(notices.iter().any(|notice| notice == feature), "{feature}: {notices:?}");
    }
    // A router of many providers takes the signature back.
    let (body, _) = write(&request, &generous());
    assert_eq!(body["input"][1]["signature"], "sig");
}

#[test]
fn what_only_another_provider_runs_is_refused() {
    let target = Target { model: "m", quirks: &Quirks::default(), max_output_tokens: None };
    let tool = Tool::Hosted {
        dialect: DialectId::AnthropicMessages,
        value: json!({"type": "bash_20250124", "name": "bash"}),
    };
    let request = ChatRequest { tools: vec![tool], ..ChatRequest::default() };
    let error = OpenAiResponses.encode_request(&request, &target).expect_err("refused");
    assert_eq!((error.kind(), error.field()), (Kind::UnsupportedFeature, Some("tools[0]")));
    let sampling = Sampling { n: Some(2), ..Sampling::default() };
    let error = OpenAiResponses
        .encode_request(&ChatRequest { sampling, ..ChatRequest::default() }, &target);
    assert_eq!(error.expect_err("refused").field(), Some("n"));
}

#[test]
fn searches_and_code_of_other_providers_have_a_counterpart() {
    let tools = [
        json!({"type": "web_search_20260318", "name": "web_search"}),
        json!({"google_search": {}}),
        json!({"type": "code_execution_20260521", "name": "code_execution"}),
    ];
    let dialect = DialectId::AnthropicMessages;
    let tools = tools.map(|value| Tool::Hosted { dialect, value }).to_vec();
    let (body, notices) =
        write(&ChatRequest { tools, ..ChatRequest::default() }, &Quirks::default());
    assert_eq!(body["tools"][0], json!({"type": "web_search"}));
    assert_eq!(body["tools"][1], json!({"type": "web_search"}));
    assert_eq!(body["tools"][2]["type"], "code_interpreter");
    assert_eq!(notices, ["tools[0]", "tools[1]", "tools[2]"]);
}

#[test]
fn a_pass_changes_the_model_and_nothing_else() {
    let quirks = Quirks { refused_fields: vec!["client_metadata".to_owned()], ..Quirks::default() };
    let body = Bytes::from_static(
        b"{ \"model\":\"a\",\n \"input\" : \"hi\", \"client_metadata\":{}, \"new\":1 }",
    );
    let target = Target { model: "b", quirks: &quirks, max_output_tokens: None };
    let edits = Edits { target, wants_usage: true, is_stream: true };
    let wire = OpenAiResponses.pass_request(&body, &edits).expect("passes");
    assert_eq!(wire.path, "/responses");
    assert_eq!(&wire.body[..], b"{ \"model\":\"b\",\n \"input\" : \"hi\", \"new\":1 }");
    assert_eq!(wire.notices[0].feature, "client_metadata");
}
