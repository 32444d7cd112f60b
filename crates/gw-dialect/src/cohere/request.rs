//! Requests: read here, written in [`encode`], passed on unread but for the model's name.

mod encode;
mod turns;

use bytes::Bytes;
use gw_core::Result;
use gw_core::chat::{
    ChatRequest, Extra, Message, Part, Reasoning, ResponseFormat, Role, Sampling, Source, Tool,
    ToolChoice,
};
use gw_core::limits::{MESSAGES_MAX, TOOLS_MAX};
use gw_core::seam::{Edits, WireRequest};
use serde_json::{Map, Value};

use super::{ID, PATH};
use crate::json::{Node, parse_object, splice};

pub(super) use encode::encode;

const KNOWN: [&str; 18] = [
    "model",
    "messages",
    "tools",
    "tool_choice",
    "strict_tools",
    "documents",
    "response_format",
    "max_tokens",
    "stop_sequences",
    "temperature",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "k",
    "p",
    "logprobs",
    "thinking",
    "stream",
];

/// Forwards a body of this format: only the model's name is set.
pub(super) fn pass(body: &Bytes, edits: &Edits<'_>) -> Result<WireRequest> {
    let mut changes = vec![("model", Some(Value::from(edits.target.model)))];
    for field in &edits.target.quirks.refused_fields {
        changes.push((field, None));
    }
    Ok(WireRequest {
        path: PATH.into(),
        headers: Vec::new(),
        body: splice(body, &changes)?,
        notices: Vec::new(),
    })
}

/// Reads a request.
pub(super) fn decode(body: &[u8]) -> Result<ChatRequest> {
    let body = parse_object(body)?;
    let root = Node::root(&body);
    let mut extra = root.others(&KNOWN);
    let model = root.require("model")?;
    if model.text()?.is_empty() {
        return Err(model.invalid("must not be empty"));
    }
    let mut messages = read_messages(&root)?;
    match root.get("documents").map(|it| read_documents(&it)).transpose()? {
        Some(Some(documents)) => put_in_last_turn(&mut messages, documents),
        Some(None) => {
            extra.insert("documents".to_owned(), body["documents"].clone());
        }
        None => {}
    }
    Ok(ChatRequest {
        model: model.text()?.to_owned(),
        messages,
        tools: read_tools(&root)?,
        tool_choice: read_tool_choice(&root)?,
        parallel_tool_calls: None,
        max_output_tokens: root.opt_natural("max_tokens")?.map(|limit| limit.max(1)),
        sampling: read_sampling(&root)?,
        response_format: read_format(&root)?,
        reasoning: read_thinking(&root)?,
        stream: root.opt_boolean("stream")?.unwrap_or(false),
        include_usage: true,
        service_tier: None,
        user: None,
        metadata: Map::new(),
        extra: Extra { dialect: (!extra.is_empty()).then_some(ID), fields: extra },
    })
}

/// Documents as parts; `None` where one says more than a part can.
fn read_documents(node: &Node<'_>) -> Result<Option<Vec<Part>>> {
    Ok(node.items()?.map(|item| read_document(item.value())).collect())
}

/// A document: its text, or `{"id", "data": {"title", "text"}}` with nothing else in it.
fn read_document(value: &Value) -> Option<Part> {
    let (text, title) = match value {
        Value::String(text) => (text.clone(), None),
        Value::Object(object) => {
            if object.keys().any(|key| key != "id" && key != "data") {
                return None;
            }
            match object.get("data")? {
                Value::String(text) => (text.clone(), None),
                Value::Object(data) => {
                    if data.keys().any(|key| key != "text" && key != "title") {
                        return None;
                    }
                    let title = data.get("title").map(|title| title.as_str().map(str::to_owned));
                    (data.get("text")?.as_str()?.to_owned(), title.unwrap_or_default())
                }
                _ => return None,
            }
        }
        _ => return None,
    };
    let source = Source::Text { text };
    Some(Part::Document { source, title, context: None, citations: true, cache: None })
}

fn put_in_last_turn(messages: &mut Vec<Message>, documents: Vec<Part>) {
    let is_plain = |message: &Message| {
        let is_result = |part: &Part| matches!(part, Part::ToolResult { .. });
        message.role == Role::User && !message.parts.iter().any(is_result)
    };
    match messages.iter_mut().rev().find(|message| is_plain(message)) {
        Some(message) => {
            message.parts.splice(0..0, documents);
        }
        None => messages.push(Message {
            role: Role::User,
            parts: documents,
            name: None,
            extra: Extra::default(),
        }),
    }
}

fn read_messages(root: &Node<'_>) -> Result<Vec<Message>> {
    let node = root.require("messages")?;
    let mut messages: Vec<Message> = Vec::new();
    for (index, message) in node.items()?.enumerate() {
        if index >= MESSAGES_MAX {
            return Err(node.invalid(&format!("has more than {MESSAGES_MAX} messages")));
        }
        let read = read_message(&message)?;
        // Results of one round of calls are one turn elsewhere.
        let is_result = |message: &Message| {
            matches!(message.parts.first(), Some(Part::ToolResult { .. }))
                && message.extra.is_empty()
        };
        match messages.last_mut() {
            Some(last) if is_result(last) && is_result(&read) => last.parts.extend(read.parts),
            _ => messages.push(read),
        }
    }
    Ok(messages)
}

fn read_message(node: &Node<'_>) -> Result<Message> {
    const FIELDS: [&str; 6] =
        ["role", "content", "tool_calls", "tool_plan", "tool_call_id", "citations"];
    node.object()?;
    let role = node.require("role")?;
    let (role, is_tool) = match role.text()? {
        "system" => (Role::System, false),
        "developer" => (Role::Developer, false),
        "user" => (Role::User, false),
        "assistant" => (Role::Assistant, false),
        "tool" => (Role::User, true),
        _ => return Err(role.invalid("must be system, user, assistant or tool")),
    };
    let mut parts = match node.get("content") {
        Some(content) => read_content(&content)?,
        None => Vec::new(),
    };
    if is_tool {
        let call_id = node.require_text("tool_call_id")?;
        parts = vec![Part::ToolResult { call_id, parts, is_error: false, cache: None }];
    } else {
        parts.extend(node.opt_text("tool_plan")?.filter(|it| !it.is_empty()).map(Part::text));
        if let Some(calls) = node.get("tool_calls") {
            for call in calls.items()? {
                parts.push(read_call(&call)?);
            }
        }
        if let Some(citations) = node.get("citations") {
            let all: Vec<Value> = citations.items()?.map(|it| it.value().clone()).collect();
            super::response::cite(&mut parts, all);
        }
    }
    let fields = node.others(&FIELDS);
    let extra = Extra { dialect: (!fields.is_empty()).then_some(ID), fields };
    Ok(Message { role, parts, name: None, extra })
}

fn read_call(node: &Node<'_>) -> Result<Part> {
    let function = node.require("function")?;
    Ok(Part::ToolCall {
        id: node.require_text("id")?,
        name: function.require_text("name")?,
        arguments: function.opt_text("arguments")?.unwrap_or_default(),
        cache: None,
    })
}

/// Reads what may be a string or an array of blocks.
fn read_content(node: &Node<'_>) -> Result<Vec<Part>> {
    if let Some(text) = node.value().as_str() {
        return Ok(vec![Part::text(text)]);
    }
    if !node.value().is_array() {
        return Err(node.must_be("a string or an array of content blocks"));
    }
    node.items()?.map(|block| read_block(&block)).collect()
}

fn read_block(block: &Node<'_>) -> Result<Part> {
    block.object()?;
    Ok(match block.require("type")?.text()? {
        "text" => Part::text(block.require_text("text")?),
        "thinking" => Part::Thinking { text: block.require_text("thinking")?, signature: None },
        "image_url" => {
            let image = block.require("image_url")?;
            let (url, detail) = match image.value() {
                Value::String(url) => (url.clone(), None),
                _ => (image.require_text("url")?, image.opt_text("detail")?),
            };
            Part::Image { source: Source::Url { url }, detail, cache: None }
        }
        // What a tool found: its words reach providers that have no documents in results.
        "document" => {
            let document = block.require("document")?;
            let data = &document.value()["data"];
            match read_document(document.value()) {
                Some(part) => part,
                None if data.is_object() => Part::text(data.to_string()),
                None => return Err(document.invalid("needs `data`, an object or a string")),
            }
        }
        _ => Part::Opaque { dialect: ID, value: block.value().clone() },
    })
}

fn read_tools(root: &Node<'_>) -> Result<Vec<Tool>> {
    let Some(node) = root.get("tools") else { return Ok(Vec::new()) };
    let strict = root.opt_boolean("strict_tools")?;
    let mut tools = Vec::new();
    for (index, tool) in node.items()?.enumerate() {
        if index >= TOOLS_MAX {
            return Err(node.invalid(&format!("has more than {TOOLS_MAX} tools")));
        }
        tool.object()?;
        let Some(function) = tool.get("function") else {
            tools.push(Tool::Hosted { dialect: ID, value: tool.value().clone() });
            continue;
        };
        let fields = function.others(&["name", "description", "parameters"]);
        tools.push(Tool::Function {
            name: function.require_text("name")?,
            description: function.opt_text("description")?,
            parameters: function.get("parameters").map(|it| it.value().clone()),
            strict,
            cache: None,
            extra: Extra { dialect: (!fields.is_empty()).then_some(ID), fields },
        });
    }
    Ok(tools)
}

fn read_tool_choice(root: &Node<'_>) -> Result<Option<ToolChoice>> {
    let Some(choice) = root.get("tool_choice") else { return Ok(None) };
    Ok(Some(match choice.text()?.to_ascii_uppercase().as_str() {
        "REQUIRED" => ToolChoice::Required,
        "NONE" => ToolChoice::None,
        "AUTO" => ToolChoice::Auto,
        _ => return Err(choice.invalid("must be `REQUIRED` or `NONE`")),
    }))
}

fn read_sampling(root: &Node<'_>) -> Result<Sampling> {
    let mut stop = Vec::new();
    if let Some(stops) = root.get("stop_sequences") {
        for one in stops.items()? {
            stop.push(one.text()?.to_owned());
        }
    }
    let seed = root
        .get("seed")
        .map(|seed| seed.value().as_i64().ok_or_else(|| seed.must_be("a whole number")));
    Ok(Sampling {
        temperature: root.opt_number("temperature")?,
        top_p: root.opt_number("p")?,
        top_k: root.opt_natural("k")?,
        frequency_penalty: root.opt_number("frequency_penalty")?,
        presence_penalty: root.opt_number("presence_penalty")?,
        seed: seed.transpose()?,
        stop,
        n: None,
        logprobs: root.opt_boolean("logprobs")?,
        top_logprobs: None,
        logit_bias: None,
    })
}

fn read_format(root: &Node<'_>) -> Result<Option<ResponseFormat>> {
    let Some(format) = root.get("response_format") else { return Ok(None) };
    format.object()?;
    let kind = format.require("type")?;
    let schema = format.get("json_schema").or_else(|| format.get("schema"));
    Ok(Some(match (kind.text()?, schema) {
        ("text", _) => ResponseFormat::Text,
        ("json_object", None) => ResponseFormat::JsonObject,
        ("json_object", Some(schema)) => ResponseFormat::JsonSchema {
            name: None,
            description: None,
            schema: Value::Object(schema.object()?.clone()),
            strict: None,
        },
        _ => return Err(kind.invalid("must be `text` or `json_object`")),
    }))
}

fn read_thinking(root: &Node<'_>) -> Result<Option<Reasoning>> {
    let Some(thinking) = root.get("thinking") else { return Ok(None) };
    thinking.object()?;
    let kind = thinking.require("type")?;
    let is_enabled = match kind.text()? {
        "enabled" => true,
        "disabled" => false,
        _ => return Err(kind.invalid("must be `enabled` or `disabled`")),
    };
    Ok(Some(Reasoning {
        is_enabled: Some(is_enabled),
        budget_tokens: thinking.opt_natural("token_budget")?,
        ..Reasoning::default()
    }))
}
