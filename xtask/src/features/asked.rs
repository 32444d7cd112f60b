//! The features: how each is asked for, and how one sees that a request still asks for it.

use gw_core::chat::{
    CacheMark, ChatRequest, Extra, Message, Part, Reasoning, ResponseFormat, Role, Source, Tool,
    ToolChoice,
};
use gw_core::seam::DialectId;
use serde_json::{Value, json};

/// A feature.
pub(super) struct Feature {
    /// Its name for people.
    pub(super) name: &'static str,
    /// A request that asks for it, by a client of a format; `None` where that format has none.
    pub(super) ask: fn(DialectId) -> Option<ChatRequest>,
    /// True for a request that asks for it.
    pub(super) holds: fn(&ChatRequest) -> bool,
}

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const PDF: &str = "JVBERi0xLjQKJSVFT0YK";

fn plain() -> ChatRequest {
    ChatRequest {
        model: "m".to_owned(),
        messages: vec![Message::text(Role::User, "Hello there")],
        max_output_tokens: Some(8_000),
        ..ChatRequest::default()
    }
}

fn said(parts: Vec<Part>) -> ChatRequest {
    let user = Message { parts, ..Message::text(Role::User, "") };
    ChatRequest { messages: vec![user], ..plain() }
}

fn tool(name: &str, strict: Option<bool>, cache: Option<CacheMark>) -> Tool {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}},
        "required": ["city"], "additionalProperties": false});
    Tool::Function {
        name: name.to_owned(),
        description: Some("Looks".to_owned()),
        parameters: Some(parameters),
        strict,
        cache,
        extra: Extra::default(),
    }
}

fn with_tools(choice: Option<ToolChoice>) -> ChatRequest {
    let tools = vec![tool("look", None, None), tool("other", None, None)];
    ChatRequest { tools, tool_choice: choice, ..plain() }
}

/// A conversation in which a tool was called.
fn called(before: Vec<Part>, results: Vec<Part>, is_error: bool) -> ChatRequest {
    let call = Part::ToolCall {
        id: "call_1".to_owned(),
        name: "look".to_owned(),
        arguments: r#"{"city":"Bonn"}"#.to_owned(),
        cache: None,
    };
    let result =
        Part::ToolResult { call_id: "call_1".to_owned(), parts: results, is_error, cache: None };
    let turn = |role, parts| Message { role, ..Message { parts, ..Message::text(role, "") } };
    let mut spoken = before;
    spoken.push(call);
    ChatRequest {
        messages: vec![
            Message::text(Role::User, "Look"),
            turn(Role::Assistant, spoken),
            turn(Role::User, vec![result]),
        ],
        ..with_tools(None)
    }
}

fn thinking(wish: Reasoning) -> ChatRequest {
    ChatRequest { reasoning: Some(wish), max_output_tokens: Some(40_000), ..plain() }
}

fn any_part(request: &ChatRequest, test: fn(&Part) -> bool) -> bool {
    fn within(part: &Part, test: fn(&Part) -> bool) -> bool {
        match part {
            Part::ToolResult { parts, .. } => {
                test(part) || parts.iter().any(|part| within(part, test))
            }
            part => test(part),
        }
    }
    request.messages.iter().flat_map(|it| &it.parts).any(|part| within(part, test))
}

fn texts(request: &ChatRequest) -> String {
    let parts = request.messages.iter().flat_map(|it| &it.parts);
    parts.filter_map(Part::as_text).collect::<Vec<&str>>().join("\n")
}

fn base64(media_type: &str, data: &str) -> Source {
    Source::Base64 { media_type: media_type.to_owned(), data: data.to_owned() }
}

fn document(source: Source, citations: bool) -> Part {
    let title = Some("facts".to_owned());
    Part::Document { source, title, context: None, citations, cache: None }
}

fn is_inline_image(part: &Part) -> bool {
    match part {
        Part::Image { source: Source::Base64 { .. }, .. } => true,
        Part::Image { source: Source::Url { url }, .. } => url.starts_with("data:"),
        _ => false,
    }
}

fn is_tool_named(tool: &Tool, wanted: &str) -> bool {
    matches!(tool, Tool::Function { name, .. } if name == wanted)
}

/// A tool that the provider of this format runs.
fn hosted(client: DialectId) -> Option<Tool> {
    let value = match client {
        DialectId::AnthropicMessages => {
            json!({"type": "web_search_20250305", "name": "web_search"})
        }
        DialectId::OpenAiResponses => json!({"type": "web_search"}),
        DialectId::Gemini => json!({"googleSearch": {}}),
        DialectId::BedrockConverse => json!({"systemTool": {"name": "nova_grounding"}}),
        _ => return None,
    };
    Some(Tool::Hosted { dialect: client, value })
}

fn is_thinking(request: &ChatRequest) -> bool {
    request.reasoning.as_ref().is_some_and(|wish| {
        wish.is_enabled != Some(false) && wish.effort.as_deref() != Some("none")
    })
}

macro_rules! feature {
    ($name:literal, $ask:expr, $holds:expr) => {
        Feature { name: $name, ask: $ask, holds: $holds }
    };
}

/// A request that changes one field of a plain one.
macro_rules! sampling {
    ($name:literal, $field:ident, $value:expr) => {
        feature!(
            $name,
            |_| {
                let mut request = plain();
                request.sampling.$field = $value;
                Some(request)
            },
            |it| it.sampling.$field == $value
        )
    };
}

/// Every feature, in the order of the page.
pub(super) const FEATURES: &[Feature] = &[
    feature!(
        "system instructions",
        |_| {
            let mut request = plain();
            request.messages.insert(0, Message::text(Role::System, "Be brief"));
            Some(request)
        },
        |it| matches!(it.messages[0].role, Role::System | Role::Developer)
    ),
    feature!(
        "developer instructions",
        |_| {
            let mut request = plain();
            request.messages.insert(0, Message::text(Role::Developer, "Be brief"));
            Some(request)
        },
        |it| matches!(it.messages[0].role, Role::System | Role::Developer)
    ),
    feature!(
        "system turn in the middle",
        |_| {
            let mut request = plain();
            request.messages.push(Message::text(Role::Assistant, "Hi"));
            request.messages.push(Message::text(Role::System, "Be brief"));
            request.messages.push(Message::text(Role::User, "Go on"));
            Some(request)
        },
        |it| texts(it).contains("Be brief")
    ),
    feature!(
        "several texts in a turn",
        |_| Some(said(vec![Part::text("first"), Part::text("second")])),
        |it| texts(it).contains("first") && texts(it).contains("second")
    ),
    feature!(
        "picture, inline",
        |_| {
            let source = base64("image/png", PNG);
            let image = Part::Image { source, detail: None, cache: None };
            Some(said(vec![Part::text("Look"), image]))
        },
        |it| any_part(it, is_inline_image)
    ),
    feature!(
        "picture by address",
        |_| {
            let source = Source::Url { url: "https://a.example/b.png".to_owned() };
            let image = Part::Image { source, detail: None, cache: None };
            Some(said(vec![Part::text("Look"), image]))
        },
        |it| any_part(it, |part| matches!(part, Part::Image { source: Source::Url { .. }, .. }))
    ),
    feature!(
        "PDF, inline",
        |_| Some(said(vec![Part::text("Read"), document(base64("application/pdf", PDF), false)])),
        |it| any_part(it, |part| matches!(part, Part::Document { .. }))
    ),
    feature!(
        "document as text",
        |_| {
            let source = Source::Text { text: "Matz made Ruby".to_owned() };
            Some(said(vec![document(source, false), Part::text("Who?")]))
        },
        |it| {
            let is_document = |part: &Part| {
                matches!(part, Part::Document { source: Source::Text { text }, .. }
                    if text.contains("Matz"))
            };
            any_part(it, is_document) || texts(it).contains("Matz made Ruby")
        }
    ),
    feature!(
        "document to be cited",
        |_| {
            let source = Source::Text { text: "Matz made Ruby".to_owned() };
            Some(said(vec![document(source, true), Part::text("Who?")]))
        },
        |it| any_part(it, |part| matches!(part, Part::Document { citations: true, .. }))
    ),
    feature!(
        "sound",
        |_| {
            let audio = Part::Audio { data: "UklGRg==".to_owned(), format: "wav".to_owned() };
            Some(said(vec![Part::text("Listen"), audio]))
        },
        |it| any_part(it, |part| matches!(part, Part::Audio { .. }))
    ),
    feature!("tools", |_| Some(with_tools(None)), |it| it
        .tools
        .iter()
        .any(|tool| is_tool_named(tool, "look"))),
    feature!(
        "tool call and result",
        |_| Some(called(Vec::new(), vec![Part::text("Rain")], false)),
        |it| {
            let is_call = |part: &Part| {
                matches!(part, Part::ToolCall { name, arguments, .. }
                    if name == "look" && arguments.contains("Bonn"))
            };
            let is_result = |part: &Part| matches!(part, Part::ToolResult { .. });
            any_part(it, is_call) && any_part(it, is_result)
        }
    ),
    feature!(
        "result that is an error",
        |_| Some(called(Vec::new(), vec![Part::text("no such city")], true)),
        |it| any_part(it, |part| matches!(part, Part::ToolResult { is_error: true, .. }))
    ),
    feature!(
        "picture in a result",
        |_| {
            let source = base64("image/png", PNG);
            let image = Part::Image { source, detail: None, cache: None };
            Some(called(Vec::new(), vec![Part::text("see"), image], false))
        },
        |it| any_part(it, is_inline_image)
    ),
    feature!(
        "one call at a time",
        |_| Some(ChatRequest { parallel_tool_calls: Some(false), ..with_tools(None) }),
        |it| it.parallel_tool_calls == Some(false)
    ),
    feature!("some tool must be called", |_| Some(with_tools(Some(ToolChoice::Required))), |it| it
        .tool_choice
        == Some(ToolChoice::Required)),
    feature!(
        "one tool must be called",
        |_| Some(with_tools(Some(ToolChoice::Function { name: "look".to_owned() }))),
        |it| it.tool_choice == Some(ToolChoice::Function { name: "look".to_owned() })
    ),
    feature!("no tool may be called", |_| Some(with_tools(Some(ToolChoice::None))), |it| it
        .tool_choice
        == Some(ToolChoice::None)),
    feature!(
        "strict arguments",
        |_| Some(ChatRequest { tools: vec![tool("look", Some(true), None)], ..plain() }),
        |it| it.tools.iter().any(|tool| matches!(tool, Tool::Function { strict: Some(true), .. }))
    ),
    feature!(
        "tool of the provider (web search)",
        |client| Some(ChatRequest { tools: vec![hosted(client)?], ..plain() }),
        |it| it.tools.iter().any(|tool| matches!(tool, Tool::Hosted { .. }))
    ),
    feature!(
        "tool of the provider beside others",
        |client| {
            let tools = vec![hosted(client)?, tool("look", None, None)];
            Some(ChatRequest { tools, ..plain() })
        },
        |it| it.tools.iter().any(|tool| matches!(tool, Tool::Hosted { .. }))
    ),
    feature!(
        "any JSON object",
        |_| Some(ChatRequest { response_format: Some(ResponseFormat::JsonObject), ..plain() }),
        |it| it.response_format == Some(ResponseFormat::JsonObject)
    ),
    feature!(
        "JSON by schema",
        |_| {
            let schema = json!({"type": "object", "properties": {"a": {"type": "string"}},
                "required": ["a"], "additionalProperties": false});
            Some(ChatRequest {
                response_format: Some(ResponseFormat::JsonSchema {
                    name: Some("answer".to_owned()),
                    description: None,
                    schema,
                    strict: Some(true),
                }),
                ..plain()
            })
        },
        |it| matches!(it.response_format, Some(ResponseFormat::JsonSchema { .. }))
    ),
    feature!(
        "effort of thinking",
        |_| Some(thinking(Reasoning { effort: Some("high".to_owned()), ..Reasoning::default() })),
        is_thinking
    ),
    feature!(
        "budget of thinking",
        |_| Some(thinking(Reasoning {
            is_enabled: Some(true),
            budget_tokens: Some(4_096),
            ..Reasoning::default()
        })),
        |it| it.reasoning.as_ref().is_some_and(|wish| wish.budget_tokens == Some(4_096))
    ),
    feature!(
        "no thinking",
        |_| Some(thinking(Reasoning { is_enabled: Some(false), ..Reasoning::default() })),
        |it| it.reasoning.is_some() && !is_thinking(it)
    ),
    feature!(
        "signed thoughts of earlier turns",
        |_| {
            let thought = Part::Thinking {
                text: "hm".to_owned(),
                signature: Some("c2lnbmF0dXJl".to_owned()),
            };
            Some(called(vec![thought], vec![Part::text("Rain")], false))
        },
        |it| any_part(it, |part| matches!(part, Part::Thinking { signature: Some(_), .. }))
    ),
    feature!(
        "sealed thoughts of earlier turns",
        |_| {
            let thought = Part::RedactedThinking { data: "c2VhbGVk".to_owned() };
            Some(called(vec![thought], vec![Part::text("Rain")], false))
        },
        |it| any_part(it, |part| matches!(part, Part::RedactedThinking { .. }))
    ),
    feature!(
        "cache mark in the prompt",
        |_| {
            let text = Part::Text {
                text: "long".to_owned(),
                citations: Vec::new(),
                cache: Some(CacheMark::default()),
            };
            Some(said(vec![text, Part::text("short")]))
        },
        |it| any_part(it, |part| matches!(part, Part::Text { cache: Some(_), .. }))
    ),
    feature!("limit of output", |_| Some(plain()), |it| it.max_output_tokens == Some(8_000)),
    sampling!("temperature", temperature, Some(0.5)),
    sampling!("top_p", top_p, Some(0.5)),
    sampling!("top_k", top_k, Some(40)),
    sampling!("frequency penalty", frequency_penalty, Some(0.5)),
    sampling!("presence penalty", presence_penalty, Some(0.5)),
    sampling!("seed", seed, Some(7)),
    sampling!("stop sequences", stop, vec!["END".to_owned()]),
    sampling!("several answers (n)", n, Some(2)),
    sampling!("log probabilities", logprobs, Some(true)),
    sampling!("logit bias", logit_bias, Some(json!({"50256": -100}))),
    feature!(
        "service tier",
        |_| Some(ChatRequest { service_tier: Some("priority".to_owned()), ..plain() }),
        |it| it.service_tier.as_deref() == Some("priority")
    ),
    feature!(
        "end user",
        |_| Some(ChatRequest { user: Some("u-1".to_owned()), ..plain() }),
        |it| it.user.as_deref() == Some("u-1")
    ),
    feature!(
        "metadata",
        |_| {
            let mut request = plain();
            request.metadata.insert("team".to_owned(), Value::from("a"));
            Some(request)
        },
        |it| it.metadata.get("team").is_some_and(|team| team == "a")
    ),
    feature!(
        "field that nobody knows",
        |client| {
            let fields = json!({"x_future": 1}).as_object().cloned().unwrap_or_default();
            Some(ChatRequest { extra: Extra { dialect: Some(client), fields }, ..plain() })
        },
        |it| it.extra.fields.contains_key("x_future")
    ),
];
