//! Requests of `/api/chat` and `/api/generate`: read here, written in [`encode`], passed on unread but
//! for the model's name.

mod encode;

use std::collections::VecDeque;

use bytes::Bytes;
use gw_core::Result;
use gw_core::chat::{
    ChatRequest, Extra, Message, Part, Reasoning, ResponseFormat, Role, Sampling, Source, Tool,
};
use gw_core::limits::{MESSAGES_MAX, TOOLS_MAX};
use gw_core::seam::{Edits, WireRequest};
use serde_json::{Map, Value};

use super::{ID, pictures};
use crate::arguments;
use crate::json::{Node, member, parse_object, splice};

pub(super) use encode::encode;

const CHAT_PATH: &str = "/api/chat";
const GENERATE_PATH: &str = "/api/generate";

const KNOWN: [&str; 13] = [
    "model",
    "messages",
    "prompt",
    "system",
    "images",
    "tools",
    "format",
    "stream",
    "think",
    "logprobs",
    "top_logprobs",
    // Read by name below; what it holds beyond that goes to the extra fields.
    "options",
    // Always with `prompt`, and read with it.
    "role",
];

const KNOWN_OPTIONS: [&str; 8] = [
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "stop",
    "num_predict",
    "frequency_penalty",
    "presence_penalty",
];

/// Forwards a body of this format: only the model's name is set, and a stream switched on where the
/// client left it to the default.
pub(super) fn pass(body: &Bytes, edits: &Edits<'_>) -> Result<WireRequest> {
    let mut changes = vec![("model", Some(Value::from(edits.target.model)))];
    for field in &edits.target.quirks.refused_fields {
        changes.push((field, None));
    }
    let is_chat = member(body, "messages")?.is_some();
    Ok(WireRequest {
        path: if is_chat { CHAT_PATH } else { GENERATE_PATH }.into(),
        headers: Vec::new(),
        body: splice(body, &changes)?,
        notices: Vec::new(),
    })
}

/// Reads a request. One without messages or prompt only loads a model: its conversation is empty.
pub(super) fn decode(body: &[u8]) -> Result<ChatRequest> {
    let body = parse_object(body)?;
    let root = Node::root(&body);
    let mut extra = root.others(&KNOWN);
    let empty = Value::Object(Map::new());
    let options = root.get("options").unwrap_or_else(|| Node::root(&empty));
    options.object()?;
    let other_options = options.others(&KNOWN_OPTIONS);
    if !other_options.is_empty() {
        extra.insert("options".to_owned(), Value::Object(other_options));
    }
    let model = root.require("model")?;
    if model.text()?.is_empty() {
        return Err(model.invalid("must not be empty"));
    }
    Ok(ChatRequest {
        model: model.text()?.to_owned(),
        messages: read_conversation(&root)?,
        tools: read_tools(&root)?,
        tool_choice: None,
        parallel_tool_calls: None,
        max_output_tokens: read_max_tokens(&options)?,
        sampling: read_sampling(&root, &options)?,
        response_format: read_format(&root)?,
        reasoning: read_think(&root)?,
        stream: root.opt_boolean("stream")?.unwrap_or(true),
        include_usage: true,
        service_tier: None,
        user: None,
        metadata: Map::new(),
        extra: own_extra(extra),
    })
}

/// Unknown fields under this format's name.
fn own_extra(fields: Map<String, Value>) -> Extra {
    Extra { dialect: (!fields.is_empty()).then_some(ID), fields }
}

/// Below zero there is no limit.
fn read_max_tokens(options: &Node<'_>) -> Result<Option<u64>> {
    let Some(node) = options.get("num_predict") else { return Ok(None) };
    if node.value().as_i64().is_some_and(|limit| limit < 0) {
        return Ok(None);
    }
    node.natural().map(|limit| Some(limit.max(1)))
}

fn read_sampling(root: &Node<'_>, options: &Node<'_>) -> Result<Sampling> {
    let mut stop = Vec::new();
    if let Some(stops) = options.get("stop") {
        match stops.value() {
            Value::String(one) => stop.push(one.clone()),
            _ => {
                for one in stops.items()? {
                    stop.push(one.text()?.to_owned());
                }
            }
        }
    }
    let top_logprobs = root.opt_natural("top_logprobs")?;
    let seed = match options.get("seed") {
        Some(seed) => Some(seed.value().as_i64().ok_or_else(|| seed.must_be("a whole number"))?),
        None => None,
    };
    Ok(Sampling {
        temperature: options.opt_number("temperature")?,
        top_p: options.opt_number("top_p")?,
        top_k: options.opt_natural("top_k")?,
        frequency_penalty: options.opt_number("frequency_penalty")?,
        presence_penalty: options.opt_number("presence_penalty")?,
        seed,
        stop,
        n: None,
        logprobs: root.opt_boolean("logprobs")?,
        top_logprobs: top_logprobs.and_then(|number| u32::try_from(number).ok()),
        logit_bias: None,
    })
}

fn read_format(root: &Node<'_>) -> Result<Option<ResponseFormat>> {
    let Some(format) = root.get("format") else { return Ok(None) };
    Ok(match format.value() {
        Value::String(word) if word.is_empty() => None,
        Value::String(word) if word == "json" => Some(ResponseFormat::JsonObject),
        Value::Object(_) => Some(ResponseFormat::JsonSchema {
            name: None,
            description: None,
            schema: format.value().clone(),
            strict: None,
        }),
        _ => return Err(format.invalid("must be `json` or a JSON schema")),
    })
}

fn read_think(root: &Node<'_>) -> Result<Option<Reasoning>> {
    let Some(think) = root.get("think") else { return Ok(None) };
    Ok(match think.value() {
        Value::Bool(is_on) => Some(Reasoning { is_enabled: Some(*is_on), ..Reasoning::default() }),
        Value::String(word) if word.is_empty() => None,
        Value::String(word) => {
            Some(Reasoning { effort: Some(word.clone()), ..Reasoning::default() })
        }
        _ => return Err(think.must_be("a boolean or a level")),
    })
}

/// Results name the tool, or lately the call: the rest is told by their order.
#[derive(Default)]
struct Calls {
    count: usize,
    open: VecDeque<(String, String)>,
    orphans: usize,
}

impl Calls {
    fn called(&mut self, name: &str, id: Option<String>) -> String {
        let made = format!("call_{}", self.count);
        self.count += 1;
        let id = id.filter(|id| !id.is_empty()).unwrap_or(made);
        self.open.push_back((name.to_owned(), id.clone()));
        id
    }

    fn answered(&mut self, name: &str, id: Option<String>) -> String {
        let id = id.filter(|id| !id.is_empty());
        let found = self.open.iter().position(|(open_name, open_id)| match &id {
            Some(id) => open_id == id,
            None => name.is_empty() || open_name == name,
        });
        match (found.and_then(|at| self.open.remove(at)), id) {
            (Some((_, id)), _) | (None, Some(id)) => id,
            (None, None) => {
                self.orphans += 1;
                format!("call_r{}", self.orphans)
            }
        }
    }
}

fn read_conversation(root: &Node<'_>) -> Result<Vec<Message>> {
    let mut messages = Vec::new();
    if let Some(system) = root.opt_text("system")?.filter(|text| !text.is_empty()) {
        messages.push(Message::text(Role::System, system));
    }
    let mut calls = Calls::default();
    if let Some(list) = root.get("messages") {
        for (index, message) in list.items()?.enumerate() {
            if index >= MESSAGES_MAX {
                return Err(list.invalid(&format!("must have at most {MESSAGES_MAX} items")));
            }
            messages.push(read_message(&message, &mut calls)?);
        }
    }
    let prompt = root.opt_text("prompt")?.unwrap_or_default();
    let mut parts = Vec::new();
    if !prompt.is_empty() {
        parts.push(Part::text(prompt));
    }
    parts.extend(read_images(root)?);
    if !parts.is_empty() {
        messages.push(plain(Role::User, parts));
    }
    Ok(messages)
}

fn plain(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, name: None, extra: Extra::default() }
}

fn read_images(holder: &Node<'_>) -> Result<Vec<Part>> {
    let Some(images) = holder.get("images") else { return Ok(Vec::new()) };
    let mut parts = Vec::new();
    for image in images.items()? {
        let data = image.text()?;
        // Some clients put the whole data address there.
        let (media_type, data) =
            match data.strip_prefix("data:").and_then(|it| it.split_once(";base64,")) {
                Some((media_type, data)) => (media_type, data),
                None => (pictures::media_type(data), data),
            };
        let source = Source::Base64 { media_type: media_type.to_owned(), data: data.to_owned() };
        parts.push(Part::Image { source, detail: None, cache: None });
    }
    Ok(parts)
}

fn read_message(message: &Node<'_>, calls: &mut Calls) -> Result<Message> {
    const KNOWN: [&str; 9] = [
        "role",
        "content",
        "thinking",
        "images",
        "tool_calls",
        "tool_name",
        "tool_call_id",
        "name",
        "reasoning",
    ];
    message.object()?;
    let role_node = message.require("role")?;
    let content = message.opt_text("content")?.unwrap_or_default();
    let (role, parts) = match role_node.text()? {
        "tool" => {
            let name = message.opt_text("tool_name")?.or(message.opt_text("name")?);
            let id = message.opt_text("tool_call_id")?;
            let call_id = calls.answered(name.as_deref().unwrap_or_default(), id);
            let mut parts = Vec::new();
            if !content.is_empty() {
                parts.push(Part::text(content));
            }
            parts.extend(read_images(message)?);
            let result = Part::ToolResult { call_id, parts, is_error: false, cache: None };
            (Role::User, vec![result])
        }
        "assistant" => (Role::Assistant, read_assistant(message, content, calls)?),
        word @ ("user" | "system" | "developer") => {
            let role = match word {
                "user" => Role::User,
                "system" => Role::System,
                _ => Role::Developer,
            };
            let mut parts = vec![Part::text(content)];
            parts.extend(read_images(message)?);
            (role, parts)
        }
        _ => {
            return Err(role_node.invalid("must be `system`, `user`, `assistant` or `tool`"));
        }
    };
    let extra = own_extra(message.others(&KNOWN));
    Ok(Message { role, parts, name: None, extra })
}

fn read_assistant(message: &Node<'_>, content: String, calls: &mut Calls) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    let thinking = message.opt_text("thinking")?.filter(|text| !text.is_empty());
    if let Some(text) = thinking {
        parts.push(Part::Thinking { text, signature: None });
    }
    if !content.is_empty() {
        parts.push(Part::text(content));
    }
    parts.extend(read_images(message)?);
    if let Some(list) = message.get("tool_calls") {
        for call in list.items()? {
            let function = call.require("function")?;
            let name = function.require_text("name")?;
            let id = calls.called(&name, call.opt_text("id")?);
            let arguments = read_arguments(function.value().get("arguments"));
            parts.push(Part::ToolCall { id, name, arguments, cache: None });
        }
    }
    Ok(parts)
}

/// Arguments as JSON text; some clients send the text itself.
pub(super) fn read_arguments(arguments: Option<&Value>) -> String {
    match arguments {
        None | Some(Value::Null) => "{}".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => arguments::read(value),
    }
}

fn read_tools(root: &Node<'_>) -> Result<Vec<Tool>> {
    let Some(list) = root.get("tools") else { return Ok(Vec::new()) };
    if list.value().as_array().is_some_and(|tools| tools.len() > TOOLS_MAX) {
        return Err(list.invalid(&format!("must have at most {TOOLS_MAX} items")));
    }
    list.items()?.map(|tool| read_tool(&tool)).collect()
}

fn read_tool(tool: &Node<'_>) -> Result<Tool> {
    tool.object()?;
    let Some(function) = tool.get("function") else {
        return Ok(Tool::Hosted { dialect: ID, value: tool.value().clone() });
    };
    Ok(Tool::Function {
        name: function.require_text("name")?,
        description: function.opt_text("description")?,
        parameters: function.get("parameters").map(|it| it.value().clone()),
        strict: None,
        cache: None,
        extra: own_extra(function.others(&["name", "description", "parameters"])),
    })
}
