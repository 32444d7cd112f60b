//! A client's body into canonical form: the top-level fields.

use gw_core::Result;
use gw_core::chat::{ChatRequest, Extra, Message, Reasoning, ResponseFormat, Role, Sampling};
use gw_core::limits::MESSAGES_MAX;
use serde_json::{Map, Value, json};

use super::input::InputReader;
use super::tools;
use crate::json::{Node, parse_object};
use crate::openai_responses::ID;

/// Fields that have a canonical place; all others are kept as extras (`store`, `include`,
/// `previous_response_id`, `prompt_cache_key`, `truncation`, `client_metadata` …).
const KNOWN: &[&str] = &[
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "max_output_tokens",
    "temperature",
    "top_p",
    "top_logprobs",
    "text",
    "reasoning",
    "stream",
    "service_tier",
    "user",
    "metadata",
];

/// What a client may ask to be included of log probabilities.
pub(super) const LOGPROBS: &str = "message.output_text.logprobs";

/// Reads the body.
pub(in crate::openai_responses) fn decode(body: &[u8]) -> Result<ChatRequest> {
    let body = parse_object(body)?;
    let root = Node::root(&body);
    let model = root.require("model")?;
    if model.text()?.trim().is_empty() {
        return Err(model.invalid("must name a model"));
    }
    let mut extra = root.others(KNOWN);
    let metadata = match root.get("metadata") {
        Some(metadata) => metadata.object()?.clone(),
        None => Map::new(),
    };
    let stream = root.opt_boolean("stream")?.unwrap_or(false);
    Ok(ChatRequest {
        model: model.text()?.to_owned(),
        messages: decode_conversation(&root)?,
        tools: tools::decode_tools(&root)?,
        tool_choice: tools::decode_choice(&root)?,
        parallel_tool_calls: root.opt_boolean("parallel_tool_calls")?,
        max_output_tokens: root.opt_natural("max_output_tokens")?,
        sampling: decode_sampling(&root)?,
        response_format: decode_text(&root, &mut extra)?,
        reasoning: decode_reasoning(&root, &mut extra)?,
        stream,
        // The last event of every stream holds the usage.
        include_usage: stream,
        service_tier: root.opt_text("service_tier")?,
        user: root.opt_text("user")?,
        metadata,
        extra: own_extra(extra),
    })
}

/// Fields of this dialect; nothing where there are none.
pub(super) fn own_extra(fields: Map<String, Value>) -> Extra {
    let dialect = (!fields.is_empty()).then_some(ID);
    Extra { dialect, fields }
}

/// `instructions` first, as a system turn, then `input`.
fn decode_conversation(root: &Node<'_>) -> Result<Vec<Message>> {
    let mut messages = Vec::new();
    if let Some(instructions) = root.opt_text("instructions")?.filter(|text| !text.is_empty()) {
        messages.push(Message::text(Role::System, instructions));
    }
    // A stored response, a conversation or a stored prompt may say all there is.
    let goes_on = ["previous_response_id", "conversation", "prompt"]
        .iter()
        .any(|key| root.get(key).is_some());
    let input = match root.get("input") {
        Some(input) => input,
        None if goes_on => return Ok(messages),
        None => root.require("input").map_err(|error| {
            error.with_hint("Send a text, or items such as {\"role\":\"user\",\"content\":\"…\"}")
        })?,
    };
    if let Some(text) = input.value().as_str() {
        messages.push(Message::text(Role::User, text));
        return Ok(messages);
    }
    if !input.value().is_array() {
        return Err(input.must_be("a string or an array of items"));
    }
    let mut reader = InputReader::after(messages);
    for (place, item) in input.items()?.enumerate() {
        if place >= MESSAGES_MAX {
            return Err(input.invalid(&format!("holds more than {MESSAGES_MAX} items")));
        }
        reader.push(&item)?;
    }
    let messages = reader.into_messages();
    // Codex warms a connection up with a request that generates nothing.
    let is_warm_up = root.opt_boolean("generate")? == Some(false);
    if messages.is_empty() && !goes_on && !is_warm_up {
        let error = input.invalid("must hold at least one item");
        return Err(error.with_hint("Send an item such as {\"role\":\"user\",\"content\":\"…\"}"));
    }
    Ok(messages)
}

fn decode_sampling(root: &Node<'_>) -> Result<Sampling> {
    let top_logprobs = match root.get("top_logprobs") {
        None => None,
        Some(node) => {
            Some(u32::try_from(node.natural()?).map_err(|_| node.invalid("is too large"))?)
        }
    };
    let is_included = match root.get("include") {
        None => false,
        Some(include) => include.items()?.any(|item| item.value() == LOGPROBS),
    };
    Ok(Sampling {
        temperature: root.opt_number("temperature")?,
        top_p: root.opt_number("top_p")?,
        logprobs: is_included.then_some(true),
        top_logprobs,
        ..Sampling::default()
    })
}

/// `text.format`; `text.verbosity` and formats of a type that only some server knows stay as they
/// are.
fn decode_text(root: &Node<'_>, extra: &mut Map<String, Value>) -> Result<Option<ResponseFormat>> {
    let Some(text) = root.get("text") else { return Ok(None) };
    text.object()?;
    let mut others = text.others(&["format"]);
    others.retain(|_, value| !value.is_null());
    let mut format = None;
    if let Some(node) = text.get("format") {
        node.object()?;
        match node.require("type")?.text()? {
            "text" => format = Some(ResponseFormat::Text),
            "json_object" => format = Some(ResponseFormat::JsonObject),
            "json_schema" => {
                let schema = match node.get("schema") {
                    Some(schema) => Value::Object(schema.object()?.clone()),
                    None => json!({}),
                };
                format = Some(ResponseFormat::JsonSchema {
                    name: node.opt_text("name")?,
                    description: node.opt_text("description")?,
                    schema,
                    strict: node.opt_boolean("strict")?,
                });
            }
            _ => {
                others.insert("format".to_owned(), node.value().clone());
            }
        }
    }
    if !others.is_empty() {
        extra.insert("text".to_owned(), Value::Object(others));
    }
    Ok(format)
}

/// `reasoning.effort`; how the thoughts are summed up is this format's own.
fn decode_reasoning(root: &Node<'_>, extra: &mut Map<String, Value>) -> Result<Option<Reasoning>> {
    let Some(reasoning) = root.get("reasoning") else { return Ok(None) };
    reasoning.object()?;
    // OpenRouter takes its own words here as well.
    let wanted = Reasoning {
        effort: reasoning.opt_text("effort")?,
        budget_tokens: reasoning.opt_natural("max_tokens")?,
        is_enabled: reasoning.opt_boolean("enabled")?,
        ..Reasoning::default()
    };
    let mut others = reasoning.others(&["effort", "max_tokens", "enabled"]);
    others.retain(|_, value| !value.is_null());
    if !others.is_empty() {
        extra.insert("reasoning".to_owned(), Value::Object(others));
    }
    let is_off = wanted.effort.as_deref() == Some("none") && wanted.is_enabled.is_none();
    let wanted = Reasoning { is_enabled: wanted.is_enabled.or(is_off.then_some(false)), ..wanted };
    Ok((wanted != Reasoning::default()).then_some(wanted))
}
