//! Requests: read here, written in [`encode`], passed on unread but for the model's name.

mod encode;
pub(crate) mod reasoning;
mod turns;

use std::borrow::Cow;

use bytes::Bytes;
use gw_core::chat::{
    ChatRequest, Extra, Message, Part, Reasoning, ResponseFormat, Role, Sampling, Tool, ToolChoice,
};
use gw_core::limits::{MESSAGES_MAX, TOOLS_MAX};
use gw_core::seam::{Edits, Target, WireRequest};
use gw_core::{Error, Result};
use serde_json::{Map, Value, json};

use super::{ID, PATH, VERSION, blocks};
use crate::json::{Node, parse_object, splice};

pub(super) use encode::encode;

const KNOWN: [&str; 16] = [
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "stream",
    "metadata",
    "service_tier",
    // Read by name below; what they hold beyond that goes to the extra fields.
    "thinking",
    "output_config",
    "output_format",
];

/// The version that Vertex AI wants in the body.
const VERTEX_VERSION: &str = "vertex-2023-10-16";

/// Where a call goes.
fn path(target: &Target<'_>, is_stream: bool) -> Cow<'static, str> {
    if !target.quirks.anthropic_vertex {
        return PATH.into();
    }
    let method = if is_stream { "streamRawPredict" } else { "rawPredict" };
    format!("/models/{}:{method}", target.model).into()
}

/// Forwards a body of this format: only the model's name is set.
pub(super) fn pass(body: &Bytes, edits: &Edits<'_>) -> Result<WireRequest> {
    let mut changes = vec![("model", Some(Value::from(edits.target.model)))];
    for field in &edits.target.quirks.refused_fields {
        changes.push((field, None));
    }
    if edits.target.quirks.anthropic_vertex {
        changes[0].1 = None;
        changes.push(("anthropic_version", Some(Value::from(VERTEX_VERSION))));
    }
    Ok(WireRequest {
        path: path(&edits.target, edits.is_stream),
        headers: vec![VERSION],
        body: splice(body, &changes)?,
        notices: Vec::new(),
    })
}

/// Reads a request.
pub(super) fn decode(body: &[u8]) -> Result<ChatRequest> {
    let body = parse_object(body)?;
    let root = Node::root(&body);
    let mut extra = root.others(&KNOWN);
    let (tool_choice, parallel_tool_calls) = read_tool_choice(&root)?;
    Ok(ChatRequest {
        model: root.opt_text("model")?.unwrap_or_default(),
        messages: read_messages(&root)?,
        tools: read_tools(&root)?,
        tool_choice,
        parallel_tool_calls,
        max_output_tokens: read_max_tokens(&root)?,
        sampling: read_sampling(&root)?,
        response_format: read_response_format(&root)?,
        reasoning: read_reasoning(&root, &mut extra)?,
        stream: root.opt_boolean("stream")?.unwrap_or(false),
        include_usage: true,
        service_tier: root.opt_text("service_tier")?,
        user: read_user(&root, &mut extra)?,
        metadata: Map::new(),
        extra: own_extra(extra),
    })
}

/// Unknown fields under this format's name.
fn own_extra(fields: Map<String, Value>) -> Extra {
    Extra { dialect: (!fields.is_empty()).then_some(ID), fields }
}

/// Keeps what an object field holds beyond the members read from it.
fn keep_rest(root: &Node<'_>, field: &str, known: &[&str], extra: &mut Map<String, Value>) {
    let Some(node) = root.get(field) else { return };
    let rest = node.others(known);
    if !rest.is_empty() {
        extra.insert(field.to_owned(), Value::Object(rest));
    }
}

fn read_max_tokens(root: &Node<'_>) -> Result<Option<u64>> {
    let Some(node) = root.get("max_tokens") else { return Ok(None) };
    match node.natural()? {
        0 => Err(node.invalid("must be at least 1")),
        limit => Ok(Some(limit)),
    }
}

fn read_sampling(root: &Node<'_>) -> Result<Sampling> {
    let mut stop = Vec::new();
    if let Some(sequences) = root.get("stop_sequences") {
        for sequence in sequences.items()? {
            stop.push(sequence.text()?.to_owned());
        }
    }
    Ok(Sampling {
        temperature: root.opt_number("temperature")?,
        top_p: root.opt_number("top_p")?,
        top_k: root.opt_natural("top_k")?,
        stop,
        ..Sampling::default()
    })
}

fn read_user(root: &Node<'_>, extra: &mut Map<String, Value>) -> Result<Option<String>> {
    let Some(metadata) = root.get("metadata") else { return Ok(None) };
    metadata.object()?;
    keep_rest(root, "metadata", &["user_id"], extra);
    metadata.opt_text("user_id")
}

fn read_messages(root: &Node<'_>) -> Result<Vec<Message>> {
    let mut messages = Vec::new();
    if let Some(system) = root.get("system") {
        let parts = blocks::read_content(&system)?;
        if !parts.is_empty() {
            let (name, extra) = (None, Extra::default());
            messages.push(Message { role: Role::System, parts, name, extra });
        }
    }
    let list = root.require("messages")?;
    for (index, message) in list.items()?.enumerate() {
        if index >= MESSAGES_MAX {
            return Err(list.invalid(&format!("must have at most {MESSAGES_MAX} items")));
        }
        messages.push(read_message(&message)?);
    }
    if list.value().as_array().is_some_and(Vec::is_empty) {
        return Err(list.invalid("must have at least one item"));
    }
    Ok(messages)
}

fn read_message(message: &Node<'_>) -> Result<Message> {
    message.object()?;
    let role_node = message.require("role")?;
    let role = match role_node.text()? {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return Err(role_node.invalid("must be `user`, `assistant` or `system`")),
    };
    let parts = blocks::read_content(&message.require("content")?)?;
    let extra = own_extra(message.others(&["role", "content"]));
    Ok(Message { role, parts, name: None, extra })
}

fn read_tools(root: &Node<'_>) -> Result<Vec<Tool>> {
    let Some(list) = root.get("tools") else { return Ok(Vec::new()) };
    if list.value().as_array().is_some_and(|tools| tools.len() > TOOLS_MAX) {
        return Err(list.invalid(&format!("must have at most {TOOLS_MAX} items")));
    }
    list.items()?.map(|tool| read_tool(&tool)).collect()
}

fn read_tool(tool: &Node<'_>) -> Result<Tool> {
    const KNOWN: [&str; 6] =
        ["type", "name", "description", "input_schema", "strict", "cache_control"];
    tool.object()?;
    match tool.get("type").map(|kind| kind.text()).transpose()? {
        None | Some("custom") => {}
        Some(_) => return Ok(Tool::Hosted { dialect: ID, value: tool.value().clone() }),
    }
    let name = tool.require("name")?;
    if name.text()?.is_empty() {
        return Err(name.invalid("must not be empty"));
    }
    let parameters = match tool.get("input_schema") {
        Some(schema) => Some(Value::Object(schema.object()?.clone())),
        None => None,
    };
    Ok(Tool::Function {
        name: name.text()?.to_owned(),
        description: tool.opt_text("description")?,
        parameters,
        strict: tool.opt_boolean("strict")?,
        cache: blocks::read_cache(tool)?,
        extra: own_extra(tool.others(&KNOWN)),
    })
}

fn read_tool_choice(root: &Node<'_>) -> Result<(Option<ToolChoice>, Option<bool>)> {
    let Some(choice) = root.get("tool_choice") else { return Ok((None, None)) };
    choice.object()?;
    let parallel = choice.opt_boolean("disable_parallel_tool_use")?.map(|is_off| !is_off);
    let choice = match choice.require("type")?.text()? {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Function { name: choice.require_text("name")? },
        _ => ToolChoice::Opaque { dialect: ID, value: choice.value().clone() },
    };
    Ok((Some(choice), parallel))
}

/// `output_config.format`, or `output_format` as it was called in its beta.
fn read_response_format(root: &Node<'_>) -> Result<Option<ResponseFormat>> {
    let config = root.get("output_config");
    let nested = match &config {
        Some(config) => config.get("format"),
        None => None,
    };
    let Some(format) = nested.or_else(|| root.get("output_format")) else { return Ok(None) };
    format.object()?;
    match format.require("type")?.text()? {
        "json_schema" => Ok(Some(ResponseFormat::JsonSchema {
            name: None,
            description: None,
            schema: format.require("schema")?.value().clone(),
            strict: None,
        })),
        _ => Err(format.require("type")?.invalid("must be `json_schema`")),
    }
}

fn read_reasoning(root: &Node<'_>, extra: &mut Map<String, Value>) -> Result<Option<Reasoning>> {
    let mut reasoning = Reasoning::default();
    if let Some(thinking) = root.get("thinking") {
        thinking.object()?;
        match thinking.require("type")?.text()? {
            "enabled" => reasoning.is_enabled = Some(true),
            "adaptive" => (reasoning.is_enabled, reasoning.is_adaptive) = (Some(true), true),
            "disabled" => reasoning.is_enabled = Some(false),
            _ => {
                let kind = thinking.require("type")?;
                return Err(kind.invalid("must be `enabled`, `adaptive` or `disabled`"));
            }
        }
        reasoning.budget_tokens = thinking.opt_natural("budget_tokens")?;
        reasoning.display = thinking.opt_text("display")?;
        keep_rest(root, "thinking", &["type", "budget_tokens", "display"], extra);
    }
    if let Some(config) = root.get("output_config") {
        config.object()?;
        reasoning.effort = config.opt_text("effort")?;
        keep_rest(root, "output_config", &["effort", "format"], extra);
    }
    Ok((reasoning != Reasoning::default()).then_some(reasoning))
}

/// A system text in place of a system turn, where the format takes none.
fn reminder(text: &str) -> Part {
    Part::text(format!("<system-reminder>\n{text}\n</system-reminder>"))
}

/// What is asked of a model where the format cannot ask for "any JSON object".
const JSON_OBJECT_INSTRUCTION: &str =
    "Answer with one JSON object and nothing else: no code fence, no words around it.";

/// The error for what cannot be said at all.
fn unsupported(field: impl Into<String>, text: &str) -> Error {
    let kind = gw_core::Kind::UnsupportedFeature;
    Error::new(kind, format!("{text}, which the Anthropic messages format cannot express"))
        .with_field(field)
}

fn empty_schema() -> Value {
    json!({"type": "object", "properties": {}})
}
