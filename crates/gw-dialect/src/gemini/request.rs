//! Requests: read here, written in [`encode`], passed on unread.

mod encode;
mod reasoning;
mod turns;

use bytes::Bytes;
use gw_core::chat::{
    ChatRequest, Extra, Message, Part, Reasoning, ResponseFormat, Role, Sampling, Tool, ToolChoice,
};
use gw_core::limits::{MESSAGES_MAX, TOOLS_MAX};
use gw_core::seam::{Edits, WireRequest};
use gw_core::{Error, Kind, Result};
use serde_json::{Map, Value};

use super::calls::Calls;
use super::parts::{self, Place};
use super::schema::from_openapi;
use super::{ID, names};
use crate::json::{Node, member, parse_object, splice};

pub(super) use encode::encode;

const KNOWN: [&str; 9] = [
    "model",
    "contents",
    "systemInstruction",
    "tools",
    "serviceTier",
    // Read by name below; what they hold beyond that goes to the extra fields.
    "generationConfig",
    "toolConfig",
    // For a door that knows no better.
    "stream",
    "generateContentRequest",
];

/// Members of `generationConfig` that are read.
const KNOWN_CONFIG: [&str; 16] = [
    "temperature",
    "topP",
    "topK",
    "maxOutputTokens",
    "stopSequences",
    "candidateCount",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "_responseJsonSchema",
    "thinkingConfig",
];

const KNOWN_THINKING: [&str; 3] = ["includeThoughts", "thinkingBudget", "thinkingLevel"];

/// The address of a call below the version: `/models/gemini-3-flash:generateContent`.
fn path(model: &str, is_stream: bool) -> String {
    let method = if is_stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
    let is_whole = ["models/", "tunedModels/", "publishers/", "projects/"]
        .iter()
        .any(|start| model.starts_with(start));
    let escaped = escape(model, is_whole);
    if is_whole { format!("/{escaped}:{method}") } else { format!("/models/{escaped}:{method}") }
}

/// A model's name as a piece of an address (RFC 3986); slashes stay in the name of a resource.
fn escape(name: &str, keeps_slashes: bool) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte);
        if is_plain || (keeps_slashes && byte == b'/') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    // A step up in the address names nothing.
    out.replace("/../", "/")
}

/// Forwards a body of this format; the model stands in the address, and in the body only where the
/// client repeated it there.
pub(super) fn pass(body: &Bytes, edits: &Edits<'_>) -> Result<WireRequest> {
    let mut changes: Vec<(&str, Option<Value>)> = Vec::new();
    if member(body, "model")?.is_some() {
        let name = edits.target.model;
        let name = if name.contains('/') { name.to_owned() } else { format!("models/{name}") };
        changes.push(("model", Some(Value::from(name))));
    }
    for field in &edits.target.quirks.refused_fields {
        changes.push((field, None));
    }
    Ok(WireRequest {
        path: path(edits.target.model, edits.is_stream).into(),
        headers: Vec::new(),
        body: splice(body, &changes)?,
        notices: Vec::new(),
    })
}

/// Reads a request. `model` is set only where the body repeats it; `stream` never.
pub(super) fn decode(body: &[u8]) -> Result<ChatRequest> {
    let body = names::normalize(parse_object(body)?);
    let root = Node::root(&body);
    let mut extra = root.others(&KNOWN);
    let empty = Value::Object(Map::new());
    let config = root.get("generationConfig").unwrap_or_else(|| Node::root(&empty));
    config.object()?;
    let (response_format, other_format) = read_response_format(&config)?;
    let mut other_config = config.others(&KNOWN_CONFIG);
    other_config.extend(other_format);
    let thinking = config.get("thinkingConfig").map(|it| it.others(&KNOWN_THINKING));
    if let Some(thinking) = thinking.filter(|it| !it.is_empty()) {
        other_config.insert("thinkingConfig".to_owned(), Value::Object(thinking));
    }
    if !other_config.is_empty() {
        extra.insert("generationConfig".to_owned(), Value::Object(other_config));
    }
    if let Some(tool_config) = root.get("toolConfig") {
        tool_config.object()?;
        let others = tool_config.others(&["functionCallingConfig"]);
        if !others.is_empty() {
            extra.insert("toolConfig".to_owned(), Value::Object(others));
        }
    }
    let model = root.opt_text("model")?.unwrap_or_default();
    Ok(ChatRequest {
        model: model.strip_prefix("models/").unwrap_or(&model).to_owned(),
        messages: read_messages(&root)?,
        tools: read_tools(&root)?,
        tool_choice: read_tool_choice(&root)?,
        parallel_tool_calls: None,
        max_output_tokens: read_max_tokens(&config)?,
        sampling: read_sampling(&config)?,
        response_format,
        reasoning: read_reasoning(&config)?,
        stream: false,
        include_usage: true,
        service_tier: root.opt_text("serviceTier")?,
        user: None,
        metadata: Map::new(),
        extra: own_extra(extra),
    })
}

/// Unknown fields under this format's name.
fn own_extra(fields: Map<String, Value>) -> Extra {
    Extra { dialect: (!fields.is_empty()).then_some(ID), fields }
}

fn read_max_tokens(config: &Node<'_>) -> Result<Option<u64>> {
    let Some(node) = config.get("maxOutputTokens") else { return Ok(None) };
    match node.natural()? {
        0 => Err(node.invalid("must be at least 1")),
        limit => Ok(Some(limit)),
    }
}

fn read_sampling(config: &Node<'_>) -> Result<Sampling> {
    let mut stop = Vec::new();
    if let Some(sequences) = config.get("stopSequences") {
        for sequence in sequences.items()? {
            stop.push(sequence.text()?.to_owned());
        }
    }
    let small = |key: &str| -> Result<Option<u32>> {
        let Some(node) = config.value().get(key).filter(|it| !it.is_null()) else {
            return Ok(None);
        };
        let number = crate::json::natural(node).and_then(|number| u32::try_from(number).ok());
        let path = format!("generationConfig.{key}");
        let error = || Error::bad_field(path.as_str(), format!("`{path}` must be a whole number"));
        number.map(Some).ok_or_else(error)
    };
    let seed = match config.get("seed") {
        Some(seed) => Some(seed.value().as_i64().ok_or_else(|| seed.must_be("a whole number"))?),
        None => None,
    };
    Ok(Sampling {
        temperature: config.opt_number("temperature")?,
        top_p: config.opt_number("topP")?,
        // A floating-point number on the wire.
        top_k: config.opt_number("topK")?.map(rounded),
        frequency_penalty: config.opt_number("frequencyPenalty")?,
        presence_penalty: config.opt_number("presencePenalty")?,
        seed,
        stop,
        n: small("candidateCount")?,
        logprobs: config.opt_boolean("responseLogprobs")?,
        top_logprobs: small("logprobs")?,
        logit_bias: None,
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
fn rounded(number: f64) -> u64 {
    number.round() as u64
}

/// The wanted form, and the fields of forms that only this format has (`text/x.enum`).
fn read_response_format(config: &Node<'_>) -> Result<(Option<ResponseFormat>, Map<String, Value>)> {
    const FIELDS: [&str; 4] =
        ["responseMimeType", "responseSchema", "responseJsonSchema", "_responseJsonSchema"];
    let mime = config.opt_text("responseMimeType")?;
    let schema = config
        .get("responseJsonSchema")
        .or_else(|| config.get("_responseJsonSchema"))
        .map(|schema| schema.value().clone())
        .or_else(|| config.get("responseSchema").map(|schema| from_openapi(schema.value())));
    let is_json = mime.as_deref().is_some_and(|mime| mime.starts_with("application/json"));
    Ok(match (is_json, schema) {
        (true, Some(schema)) => {
            let (name, description, strict) = (None, None, None);
            (Some(ResponseFormat::JsonSchema { name, description, schema, strict }), Map::new())
        }
        (true, None) => (Some(ResponseFormat::JsonObject), Map::new()),
        (false, None) if mime.as_deref().is_none_or(|mime| mime == "text/plain") => {
            (None, Map::new())
        }
        (false, _) => {
            let fields = FIELDS.iter().filter_map(|key| {
                config.get(key).map(|it| ((*key).to_owned(), it.value().clone()))
            });
            (None, fields.collect())
        }
    })
}

fn read_reasoning(config: &Node<'_>) -> Result<Option<Reasoning>> {
    let Some(thinking) = config.get("thinkingConfig") else { return Ok(None) };
    thinking.object()?;
    let mut reasoning = Reasoning::default();
    if let Some(budget) = thinking.get("thinkingBudget") {
        match budget.value().as_i64() {
            Some(-1) => (reasoning.is_enabled, reasoning.is_adaptive) = (Some(true), true),
            Some(0) => (reasoning.is_enabled, reasoning.budget_tokens) = (Some(false), Some(0)),
            _ => {
                reasoning.is_enabled = Some(true);
                reasoning.budget_tokens = Some(budget.natural()?);
            }
        }
    }
    let level = thinking.opt_text("thinkingLevel")?.map(|level| level.to_ascii_lowercase());
    reasoning.effort = level.filter(|level| level != "thinking_level_unspecified");
    reasoning.display = thinking
        .opt_boolean("includeThoughts")?
        .map(|is_shown| if is_shown { "summarized".to_owned() } else { "omitted".to_owned() });
    Ok((reasoning != Reasoning::default()).then_some(reasoning))
}

fn read_messages(root: &Node<'_>) -> Result<Vec<Message>> {
    let mut messages = Vec::new();
    let mut calls = Calls::default();
    if let Some(system) = root.get("systemInstruction") {
        let parts = read_content(&system, &mut calls)?;
        push_message(Role::System, parts, &mut messages);
    }
    let list = root.require("contents")?;
    // SDKs allow a lone content, and a lone text.
    if !list.value().is_array() {
        let parts = read_content(&list, &mut calls)?;
        push_message(Role::User, parts, &mut messages);
        return Ok(messages);
    }
    for (index, content) in list.items()?.enumerate() {
        if index >= MESSAGES_MAX {
            return Err(list.invalid(&format!("must have at most {MESSAGES_MAX} items")));
        }
        let role = read_role(&content)?;
        let parts = read_content(&content, &mut calls)?;
        push_message(role, parts, &mut messages);
    }
    if list.value().as_array().is_some_and(Vec::is_empty) {
        return Err(list.invalid("must have at least one item"));
    }
    Ok(messages)
}

fn push_message(role: Role, parts: Vec<Part>, messages: &mut Vec<Message>) {
    if !parts.is_empty() {
        messages.push(Message { role, parts, name: None, extra: Extra::default() });
    }
}

fn read_role(content: &Node<'_>) -> Result<Role> {
    let Some(role) = content.get("role") else { return Ok(Role::User) };
    match role.text()?.to_ascii_lowercase().as_str() {
        "user" | "function" | "tool" | "" => Ok(Role::User),
        "model" | "assistant" => Ok(Role::Assistant),
        "system" => Ok(Role::System),
        _ => Err(role.invalid("must be `user` or `model`")),
    }
}

/// A content: an object with parts, or a text as SDKs shorten it.
fn read_content(content: &Node<'_>, calls: &mut Calls) -> Result<Vec<Part>> {
    if let Some(text) = content.value().as_str() {
        return Ok(vec![Part::text(text)]);
    }
    content.object()?;
    let mut out = Vec::new();
    let Some(list) = content.get("parts") else { return Ok(out) };
    if list.value().is_object() {
        parts::read(&list, Place::Request, calls, &mut out)?;
        return Ok(out);
    }
    for part in list.items()? {
        parts::read(&part, Place::Request, calls, &mut out)?;
    }
    Ok(out)
}

fn read_tools(root: &Node<'_>) -> Result<Vec<Tool>> {
    let mut tools = Vec::new();
    let Some(list) = root.get("tools") else { return Ok(tools) };
    if list.value().is_object() {
        read_tool(&list, &mut tools)?;
        return Ok(tools);
    }
    for tool in list.items()? {
        read_tool(&tool, &mut tools)?;
        if tools.len() > TOOLS_MAX {
            return Err(list.invalid(&format!("must hold at most {TOOLS_MAX} tools")));
        }
    }
    Ok(tools)
}

/// One item of `tools` may hold functions and several tools of Google.
fn read_tool(tool: &Node<'_>, tools: &mut Vec<Tool>) -> Result<()> {
    for key in tool.object()?.keys() {
        let Some(value) = tool.get(key) else { continue };
        if key == "functionDeclarations" {
            for function in value.items()? {
                tools.push(read_function(&function)?);
            }
        } else {
            let value = Value::Object(Map::from_iter([(key.clone(), value.value().clone())]));
            tools.push(Tool::Hosted { dialect: ID, value });
        }
    }
    Ok(())
}

fn read_function(function: &Node<'_>) -> Result<Tool> {
    const KNOWN: [&str; 4] = ["name", "description", "parameters", "parametersJsonSchema"];
    function.object()?;
    let parameters = match (function.get("parametersJsonSchema"), function.get("parameters")) {
        (Some(schema), _) => Some(schema.value().clone()),
        (None, Some(schema)) => {
            schema.object()?;
            Some(from_openapi(schema.value()))
        }
        (None, None) => None,
    };
    Ok(Tool::Function {
        name: function.require_text("name")?,
        description: function.opt_text("description")?,
        parameters,
        strict: None,
        cache: None,
        extra: own_extra(function.others(&KNOWN)),
    })
}

fn read_tool_choice(root: &Node<'_>) -> Result<Option<ToolChoice>> {
    let Some(tool_config) = root.get("toolConfig") else { return Ok(None) };
    let Some(config) = tool_config.get("functionCallingConfig") else { return Ok(None) };
    config.object()?;
    let mode = config.opt_text("mode")?.unwrap_or_default().to_ascii_uppercase();
    let allowed = config.get("allowedFunctionNames").map(|it| it.value().clone());
    let allowed = allowed.as_ref().and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    Ok(match (mode.as_str(), allowed) {
        ("" | "MODE_UNSPECIFIED" | "AUTO", []) => Some(ToolChoice::Auto),
        ("NONE", _) => Some(ToolChoice::None),
        ("ANY", []) => Some(ToolChoice::Required),
        ("ANY", [Value::String(name)]) => Some(ToolChoice::Function { name: name.clone() }),
        _ => Some(ToolChoice::Opaque { dialect: ID, value: config.value().clone() }),
    })
}

/// The error for what cannot be said at all.
fn unsupported(field: impl Into<String>, text: &str) -> Error {
    Error::new(Kind::UnsupportedFeature, format!("{text}, which the Gemini format cannot express"))
        .with_field(field)
}
