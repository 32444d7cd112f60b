use gw_core::Kind;
use gw_core::chat::{
    CacheMark, ChatRequest, Extra, Message, NoticeAction, Part, Reasoning, Role, Source, Tool,
};
use gw_core::seam::{DialectId, Quirks, Target, WireRequest};
use serde_json::{Value, json};

use crate::openai_chat::request::encode;

fn send(request: &ChatRequest, quirks: &Quirks) -> gw_core::Result<WireRequest> {
    encode(request, &Target { model: "up", quirks, max_output_tokens: None })
}

/// The body, and the features that could not be said.
fn said(request: &ChatRequest, quirks: &Quirks) -> (Value, Vec<String>) {
    let wire = send(request, quirks).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(wire.path, "/chat/completions");
    let features = wire.notices.into_iter().map(|notice| notice.feature).collect();
    (serde_json::from_slice(&wire.body).expect("JSON"), features)
}

fn with_turns(messages: Vec<Message>) -> ChatRequest {
    ChatRequest { model: "m".to_owned(), messages, ..ChatRequest::default() }
}

fn turn(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, name: None, extra: Extra::default() }
}

fn hello() -> ChatRequest {
    with_turns(vec![Message::text(Role::User, "hi")])
}

#[test]
fn only_what_is_set_is_written() {
    let (body, features) = said(&hello(), &Quirks::default());
    assert_eq!(body, json!({"model": "up", "messages": [{"role": "user", "content": "hi"}]}));
    assert!(features.is_empty());
}

#[test]
fn streams_ask_for_usage_unless_refused() {
    let request = ChatRequest { stream: true, ..hello() };
    let (body, _) = said(&request, &Quirks::default());
    assert_eq!(body["stream_options"], json!({"include_usage": true}));
    let (body, _) = said(&request, &Quirks { refuses_stream_options: true, ..Quirks::default() });
    assert_eq!((&body["stream"], body.get("stream_options")), (&json!(true), None));
}

#[test]
fn fields_by_quirk() {
    let mut request =
        ChatRequest { max_output_tokens: Some(9), user: Some("u".to_owned()), ..hello() };
    request.messages.insert(0, Message::text(Role::Developer, "d"));
    let (body, _) = said(&request, &Quirks::default());
    assert_eq!(
        (&body["max_tokens"], &body["messages"][0]["role"]),
        (&json!(9), &json!("developer"))
    );
    let quirks = Quirks {
        max_tokens_field: "max_completion_tokens".to_owned(),
        developer_as_system: true,
        refused_fields: vec!["user".to_owned(), "seed".to_owned()],
        ..Quirks::default()
    };
    let (body, features) = said(&request, &quirks);
    assert_eq!(
        (&body["max_completion_tokens"], &body["messages"][0]["role"]),
        (&json!(9), &json!("system"))
    );
    assert_eq!((body.get("user"), features), (None, vec!["user".to_owned()]));
}

#[test]
fn reasoning_by_quirk() {
    let object = Quirks { reasoning_object: true, ..Quirks::default() };
    for (budget, effort) in [(1_024, "low"), (2_048, "low"), (8_192, "medium"), (8_193, "high")] {
        let reasoning = Some(Reasoning { budget_tokens: Some(budget), ..Reasoning::default() });
        let request = ChatRequest { reasoning, ..hello() };
        let (body, features) = said(&request, &Quirks::default());
        assert_eq!(body["reasoning_effort"], effort);
        assert_eq!(features, ["thinking.budget_tokens"]);
        assert_eq!(said(&request, &object).0["reasoning"], json!({"max_tokens": budget}));
    }
    let off = || Reasoning { is_enabled: Some(false), ..Reasoning::default() };
    let request = ChatRequest { reasoning: Some(off()), ..hello() };
    assert_eq!(said(&request, &object).0["reasoning"], json!({"enabled": false}));
    let (body, features) = said(&request, &Quirks::default());
    assert_eq!((body.get("reasoning_effort"), features.len()), (None, 1));
    let max = Reasoning { effort: Some("max".to_owned()), ..Reasoning::default() };
    let request = ChatRequest { reasoning: Some(max), ..hello() };
    assert_eq!(said(&request, &object).0["reasoning"], json!({"effort": "xhigh"}));
    assert_eq!(said(&request, &Quirks::default()).0["reasoning_effort"], "high");
    let none = Reasoning { effort: Some("none".to_owned()), ..off() };
    let request = ChatRequest { reasoning: Some(none), ..hello() };
    assert_eq!(said(&request, &object).0["reasoning"], json!({"effort": "none"}));
    assert_eq!(said(&request, &Quirks::default()).0["reasoning_effort"], "none");
}

#[test]
fn thoughts_go_back_only_where_they_are_taken() {
    let thought = |text: &str, signature: Option<&str>| Part::Thinking {
        text: text.to_owned(),
        signature: signature.map(str::to_owned),
    };
    let request =
        with_turns(vec![turn(Role::Assistant, vec![thought("hm", Some("S")), Part::text("a")])]);
    let (body, features) = said(&request, &Quirks::default());
    assert_eq!(body["messages"][0], json!({"role": "assistant", "content": "a"}));
    assert_eq!(features, ["thinking"]);
    let field = Quirks { reasoning_field: "reasoning_content".to_owned(), ..Quirks::default() };
    let (body, features) = said(&request, &field);
    assert_eq!((&body["messages"][0]["reasoning_content"], features.len()), (&json!("hm"), 0));
    let details = Quirks { reasoning_details: true, ..Quirks::default() };
    let (body, _) = said(&request, &details);
    assert_eq!(body["messages"][0]["reasoning_details"][0]["signature"], "S");
}

#[test]
fn calls_and_results() {
    let call = Part::ToolCall {
        id: "a".to_owned(),
        name: "f".to_owned(),
        arguments: String::new(),
        cache: None,
    };
    let image = Part::Image {
        source: Source::Url { url: "https://x".to_owned() },
        detail: None,
        cache: None,
    };
    let result = |parts: Vec<Part>, is_error: bool| Part::ToolResult {
        call_id: "a".to_owned(),
        parts,
        is_error,
        cache: None,
    };
    let request = with_turns(vec![
        turn(Role::Assistant, vec![call]),
        turn(Role::User, vec![Part::text("see"), result(vec![Part::text("1"), image], false)]),
        turn(Role::User, vec![result(vec![Part::text("boom")], true)]),
    ]);
    let wire = send(&request, &Quirks::default()).expect("can be said");
    assert_eq!(wire.notices.len(), 1);
    assert_eq!(wire.notices[0].action, NoticeAction::Emulated);
    let body: Value = serde_json::from_slice(&wire.body).expect("JSON");
    let messages = &body["messages"];
    assert_eq!(messages[0]["content"], Value::Null);
    assert_eq!(messages[0]["tool_calls"][0]["function"], json!({"name": "f", "arguments": "{}"}));
    assert_eq!(messages[1], json!({"role": "tool", "tool_call_id": "a", "content": "1"}));
    assert_eq!(messages[2]["content"][1]["image_url"]["url"], "https://x");
    assert_eq!(messages[2]["content"][2]["text"], "see");
    assert_eq!(messages[3]["content"], "Error: boom");
}

#[test]
fn documents() {
    let document = |source: Source| Part::Document {
        source,
        title: Some("T".to_owned()),
        context: Some("C".to_owned()),
        citations: true,
        cache: None,
    };
    let one = |source: Source| {
        said(&with_turns(vec![turn(Role::User, vec![document(source)])]), &Quirks::default())
    };
    let (body, features) =
        one(Source::Base64 { media_type: "application/pdf".to_owned(), data: "AA".to_owned() });
    let content = &body["messages"][0]["content"];
    assert_eq!(
        content[1]["file"],
        json!({"filename": "T", "file_data": "data:application/pdf;base64,AA"})
    );
    assert_eq!((&content[0]["text"], features), (&json!("C"), vec!["citations".to_owned()]));
    let (body, _) = one(Source::Text { text: "words".to_owned() });
    assert_eq!(body["messages"][0]["content"], "T\nC\n\nwords");
    let (body, _) =
        one(Source::Base64 { media_type: "text/plain".to_owned(), data: "d29yZHM=".to_owned() });
    assert_eq!(body["messages"][0]["content"], "T\nC\n\nwords");
    let by_address = with_turns(vec![turn(
        Role::User,
        vec![document(Source::Url { url: "https://x".to_owned() })],
    )]);
    let error = send(&by_address, &Quirks::default()).expect_err("cannot be said");
    assert_eq!((error.kind(), error.field()), (Kind::UnsupportedFeature, Some("messages[0]")));
}

#[test]
fn what_only_another_dialect_has() {
    let foreign = json!({"type": "web_search_20250305", "name": "web_search"});
    let hosted = Tool::Hosted { dialect: DialectId::AnthropicMessages, value: foreign };
    let error = send(&ChatRequest { tools: vec![hosted], ..hello() }, &Quirks::default())
        .expect_err("hosted");
    assert_eq!((error.kind(), error.field()), (Kind::UnsupportedFeature, Some("tools[0]")));
    let opaque = Part::Opaque {
        dialect: DialectId::AnthropicMessages,
        value: json!({"type": "server_tool_use"}),
    };
    let mut fields = serde_json::Map::new();
    fields.insert("container".to_owned(), json!("c"));
    let extra = Extra { dialect: Some(DialectId::AnthropicMessages), fields };
    let mut request =
        with_turns(vec![turn(Role::Assistant, vec![Part::text("a"), opaque.clone(), opaque])]);
    request.extra = extra;
    request.sampling.top_k = Some(5);
    let (body, features) = said(&request, &Quirks::default());
    assert_eq!(body["messages"][0]["content"], "a");
    assert_eq!(features, ["messages[0].parts[1]", "messages[0].parts[2]", "top_k", "container"]);
    assert_eq!(body.get("container"), None);
}

#[test]
fn search_results_of_another_dialect_are_written_as_text() {
    let found = json!({"type": "search_result", "source": "https://x", "title": "X", "content": [{"type": "text", "text": "words"}]});
    let found = Part::Opaque { dialect: DialectId::AnthropicMessages, value: found };
    let result = Part::ToolResult {
        call_id: "a".to_owned(),
        parts: vec![found],
        is_error: false,
        cache: None,
    };
    let (body, features) =
        said(&with_turns(vec![turn(Role::User, vec![result])]), &Quirks::default());
    assert_eq!(body["messages"][0]["content"], "X\nhttps://x\n\nwords");
    assert_eq!(features, ["messages[0].search_result"]);
}

#[test]
fn cache_marks_stay_where_they_are_known() {
    let mark = Some(CacheMark { ttl: None });
    let part =
        |text: &str| Part::Text { text: text.to_owned(), citations: vec![], cache: mark.clone() };
    let request =
        with_turns(vec![turn(Role::System, vec![part("s")]), turn(Role::User, vec![part("u")])]);
    let (body, features) = said(&request, &Quirks::default());
    assert_eq!(
        (&body["messages"][0]["content"], features),
        (&json!("s"), vec!["cache_control".to_owned()])
    );
    let (body, features) = said(&request, &Quirks { cache_control: true, ..Quirks::default() });
    assert_eq!(body["messages"][0]["content"][0]["cache_control"], json!({"type": "ephemeral"}));
    assert!(features.is_empty());
}

#[test]
fn tools_without_parameters_get_an_empty_schema() {
    let tool = Tool::Function {
        name: "f".to_owned(),
        description: None,
        parameters: None,
        strict: None,
        cache: None,
        extra: Extra::default(),
    };
    let (body, _) = said(&ChatRequest { tools: vec![tool], ..hello() }, &Quirks::default());
    assert_eq!(
        body["tools"],
        json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}])
    );
}
