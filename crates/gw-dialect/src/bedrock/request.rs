//! Requests: read here, written in [`encode`], passed on as they came. Model and wish for a stream
//! stand in the address.

mod encode;
mod turns;

use bytes::Bytes;
use gw_core::chat::{
    CacheMark, ChatRequest, Extra, Message, Part, Reasoning, ResponseFormat, Role, Sampling, Tool,
    ToolChoice,
};
use gw_core::limits::{MESSAGES_MAX, TOOLS_MAX};
use gw_core::seam::{Edits, WireRequest};
use gw_core::{Error, Result};
use serde_json::{Map, Value};

use super::{ID, blocks};
use crate::json::{Node, parse_object, splice};

pub(super) use encode::encode;

const KNOWN: [&str; 8] = [
    "messages",
    "system",
    "toolConfig",
    "outputConfig",
    "serviceTier",
    "requestMetadata",
    // Read by name below; what they hold beyond that goes to the extra fields.
    "inferenceConfig",
    "additionalModelRequestFields",
];

/// The path of a call.
fn path(model: &str, is_stream: bool) -> String {
    let mut path = "/model/".to_owned();
    // An ARN has colons and slashes, which a path segment may not hold bare.
    for byte in model.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                path.push(char::from(byte));
            }
            other => path.push_str(&format!("%{other:02X}")),
        }
    }
    path.push_str(if is_stream { "/converse-stream" } else { "/converse" });
    path
}

/// Forwards a body of this format: the model stands in the address.
pub(super) fn pass(body: &Bytes, edits: &Edits<'_>) -> Result<WireRequest> {
    let refused = &edits.target.quirks.refused_fields;
    let changes: Vec<(&str, Option<Value>)> =
        refused.iter().map(|field| (field.as_str(), None)).collect();
    Ok(WireRequest {
        path: path(edits.target.model, edits.is_stream).into(),
        headers: Vec::new(),
        body: splice(body, &changes)?,
        notices: Vec::new(),
    })
}

/// Reads a request. Model and wish for a stream are the door's to set.
pub(super) fn decode(body: &[u8]) -> Result<ChatRequest> {
    let body = parse_object(body)?;
    let root = Node::root(&body);
    let mut extra = root.others(&KNOWN);
    let (tools, tool_choice) = read_tools(&root)?;
    let mut request = ChatRequest {
        messages: read_messages(&root)?,
        tools,
        tool_choice,
        response_format: read_format(&root)?,
        include_usage: true,
        ..ChatRequest::default()
    };
    if let Some(metadata) = root.get("requestMetadata") {
        request.metadata = metadata.object()?.clone();
    }
    if let Some(tier) = root.get("serviceTier") {
        request.service_tier = tier.opt_text("type")?;
    }
    read_inference(&root, &mut request, &mut extra)?;
    read_additional(&root, &mut request, &mut extra)?;
    request.extra = Extra { dialect: (!extra.is_empty()).then_some(ID), fields: extra };
    Ok(request)
}

fn read_messages(root: &Node<'_>) -> Result<Vec<Message>> {
    let mut messages = Vec::new();
    if let Some(system) = root.get("system") {
        let parts = blocks::read_content(&system)?;
        if !parts.is_empty() {
            let extra = Extra::default();
            messages.push(Message { role: Role::System, parts, name: None, extra });
        }
    }
    let node = root.require("messages")?;
    for (index, message) in node.items()?.enumerate() {
        if index >= MESSAGES_MAX {
            return Err(node.invalid(&format!("has more than {MESSAGES_MAX} messages")));
        }
        message.object()?;
        let role = message.require("role")?;
        let role = match role.text()? {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => return Err(role.invalid("must be user or assistant")),
        };
        let parts = blocks::read_content(&message.require("content")?)?;
        let fields = message.others(&["role", "content"]);
        let extra = Extra { dialect: (!fields.is_empty()).then_some(ID), fields };
        messages.push(Message { role, parts, name: None, extra });
    }
    Ok(messages)
}

fn read_tools(root: &Node<'_>) -> Result<(Vec<Tool>, Option<ToolChoice>)> {
    let Some(config) = root.get("toolConfig") else { return Ok((Vec::new(), None)) };
    config.object()?;
    let mut tools: Vec<Tool> = Vec::new();
    if let Some(node) = config.get("tools") {
        for (index, tool) in node.items()?.enumerate() {
            if index >= TOOLS_MAX {
                return Err(node.invalid(&format!("has more than {TOOLS_MAX} tools")));
            }
            tool.object()?;
            if let Some(point) = tool.get("cachePoint") {
                let mark: CacheMark = blocks::read_cache(&point)?;
                if let Some(Tool::Function { cache, .. }) = tools.last_mut() {
                    *cache = Some(mark);
                }
                continue;
            }
            tools.push(read_tool(&tool)?);
        }
    }
    let choice = config.get("toolChoice").map(|choice| read_choice(&choice)).transpose()?;
    Ok((tools, choice))
}

fn read_tool(tool: &Node<'_>) -> Result<Tool> {
    let Some(spec) = tool.get("toolSpec") else {
        return Ok(Tool::Hosted { dialect: ID, value: tool.value().clone() });
    };
    let fields = spec.others(&["name", "description", "inputSchema", "strict"]);
    let schema = spec.get("inputSchema").and_then(|it| it.value().get("json").cloned());
    Ok(Tool::Function {
        name: spec.require_text("name")?,
        description: spec.opt_text("description")?,
        parameters: schema,
        strict: spec.opt_boolean("strict")?,
        cache: None,
        extra: Extra { dialect: (!fields.is_empty()).then_some(ID), fields },
    })
}

fn read_choice(choice: &Node<'_>) -> Result<ToolChoice> {
    choice.object()?;
    if let Some(tool) = choice.get("tool") {
        return Ok(ToolChoice::Function { name: tool.require_text("name")? });
    }
    if choice.get("any").is_some() {
        return Ok(ToolChoice::Required);
    }
    if choice.get("auto").is_some() {
        return Ok(ToolChoice::Auto);
    }
    Err(choice.invalid("must have `auto`, `any` or `tool`"))
}

fn read_format(root: &Node<'_>) -> Result<Option<ResponseFormat>> {
    let Some(config) = root.get("outputConfig") else { return Ok(None) };
    let Some(format) = config.get("textFormat") else { return Ok(None) };
    let Some(structure) = format.get("structure") else { return Ok(None) };
    let Some(schema) = structure.get("jsonSchema") else { return Ok(None) };
    let text = schema.require("schema")?;
    let parsed: Value = serde_json::from_str(text.text()?)
        .map_err(|_| text.invalid("must be the text of a JSON schema"))?;
    Ok(Some(ResponseFormat::JsonSchema {
        name: schema.opt_text("name")?,
        description: schema.opt_text("description")?,
        schema: parsed,
        strict: None,
    }))
}

fn read_inference(
    root: &Node<'_>,
    request: &mut ChatRequest,
    extra: &mut Map<String, Value>,
) -> Result<()> {
    let Some(config) = root.get("inferenceConfig") else { return Ok(()) };
    config.object()?;
    let mut stop = Vec::new();
    if let Some(stops) = config.get("stopSequences") {
        for one in stops.items()? {
            stop.push(one.text()?.to_owned());
        }
    }
    request.max_output_tokens = config.opt_natural("maxTokens")?.map(|limit| limit.max(1));
    request.sampling = Sampling {
        temperature: config.opt_number("temperature")?,
        top_p: config.opt_number("topP")?,
        stop,
        ..Sampling::default()
    };
    let rest = config.others(&["maxTokens", "temperature", "topP", "stopSequences"]);
    if !rest.is_empty() {
        extra.insert("inferenceConfig".to_owned(), Value::Object(rest));
    }
    Ok(())
}

/// What only models of one maker know, where this gateway has a word for it.
fn read_additional(
    root: &Node<'_>,
    request: &mut ChatRequest,
    extra: &mut Map<String, Value>,
) -> Result<()> {
    let Some(fields) = root.get("additionalModelRequestFields") else { return Ok(()) };
    let mut rest = fields.object()?.clone();
    let mut take = |key: &str| rest.shift_remove(key);
    if let Some(wish) = ["thinking", "reasoning_config"].iter().find_map(|key| take(key)) {
        let kind = wish["type"].as_str().unwrap_or_default();
        if !matches!(kind, "enabled" | "adaptive" | "disabled") {
            let text = "must have the type `enabled`, `adaptive` or `disabled`";
            let field = "additionalModelRequestFields.thinking";
            return Err(Error::bad_field(field, format!("`{field}` {text}")));
        }
        request.reasoning = Some(Reasoning {
            is_enabled: Some(kind != "disabled"),
            is_adaptive: kind == "adaptive",
            budget_tokens: wish["budget_tokens"].as_u64(),
            ..Reasoning::default()
        });
    }
    if let Some(wish) = take("reasoningConfig") {
        request.reasoning = Some(Reasoning {
            is_enabled: Some(wish["type"] == "enabled"),
            effort: wish["maxReasoningEffort"].as_str().map(str::to_owned),
            ..Reasoning::default()
        });
    }
    if let Some(effort) = take("reasoning_effort") {
        let effort = effort.as_str().map(str::to_owned);
        request.reasoning = Some(Reasoning { effort, ..Reasoning::default() });
    }
    if let Some(effort) =
        take("output_config").and_then(|it| it["effort"].as_str().map(str::to_owned))
    {
        request.reasoning.get_or_insert_default().effort = Some(effort);
    }
    request.sampling.top_k = take("top_k").as_ref().and_then(Value::as_u64);
    if let Some(nova) = rest.get_mut("inferenceConfig").and_then(Value::as_object_mut) {
        let top_k = nova.shift_remove("topK").as_ref().and_then(Value::as_u64);
        request.sampling.top_k = request.sampling.top_k.or(top_k);
        if nova.is_empty() {
            rest.shift_remove("inferenceConfig");
        }
    }
    if !rest.is_empty() {
        extra.insert("additionalModelRequestFields".to_owned(), Value::Object(rest));
    }
    Ok(())
}

/// True for parts that are tool calls or their results.
fn is_about_tools(part: &Part) -> bool {
    matches!(part, Part::ToolCall { .. } | Part::ToolResult { .. })
}
