//! A client's body into canonical form: the top-level fields.

use gw_core::chat::{ChatRequest, Extra, Message, Reasoning, ResponseFormat, Sampling};
use gw_core::limits::MESSAGES_MAX;
use gw_core::seam::DialectId;
use gw_core::{Error, Result};
use serde_json::{Map, Value, json};

use super::message::MessageReader;
use super::tools;
use crate::json::{Node, parse_object};

/// Fields that have a canonical place; all others are kept as extras. `top_k` is in both: no field
/// of OpenAI's own, it is written back only for clients who wrote it in this dialect.
const KNOWN: &[&str] = &[
    "model",
    "messages",
    "tools",
    "functions",
    "tool_choice",
    "function_call",
    "parallel_tool_calls",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "stop",
    "n",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "response_format",
    "reasoning_effort",
    "reasoning",
    "stream",
    "stream_options",
    "service_tier",
    "user",
    "metadata",
];

/// Reads the body.
pub(in crate::openai_chat) fn decode(body: &[u8]) -> Result<ChatRequest> {
    let body = parse_object(body)?;
    let root = Node::root(&body);
    let mut extra = root.others(KNOWN);
    let metadata = match root.get("metadata") {
        Some(metadata) => metadata.object()?.clone(),
        None => Map::new(),
    };
    Ok(ChatRequest {
        // Without one the configured default counts, which is not known here.
        model: root.opt_text("model")?.unwrap_or_default(),
        messages: decode_messages(&root)?,
        tools: tools::decode_tools(&root)?,
        tool_choice: tools::decode_choice(&root)?,
        parallel_tool_calls: root.opt_boolean("parallel_tool_calls")?,
        max_output_tokens: match root.opt_natural("max_completion_tokens")? {
            Some(limit) => Some(limit),
            None => root.opt_natural("max_tokens")?,
        },
        sampling: decode_sampling(&root)?,
        response_format: decode_format(&root, &mut extra)?,
        reasoning: decode_reasoning(&root, &mut extra)?,
        stream: root.opt_boolean("stream")?.unwrap_or(false),
        include_usage: decode_stream_options(&root, &mut extra)?,
        service_tier: root.opt_text("service_tier")?,
        user: root.opt_text("user")?,
        metadata,
        extra: own_extra(extra),
    })
}

/// Fields of this dialect; nothing where there are none.
pub(super) fn own_extra(fields: Map<String, Value>) -> Extra {
    let dialect = (!fields.is_empty()).then_some(DialectId::OpenAiChat);
    Extra { dialect, fields }
}

fn decode_messages(root: &Node<'_>) -> Result<Vec<Message>> {
    let list = root.require("messages")?;
    let mut reader = MessageReader::default();
    for (place, message) in list.items()?.enumerate() {
        if place >= MESSAGES_MAX {
            return Err(list.invalid(&format!("holds more than {MESSAGES_MAX} messages")));
        }
        reader.push(&message)?;
    }
    let messages = reader.into_messages();
    if messages.is_empty() {
        let error = list.invalid("must hold at least one message");
        return Err(
            error.with_hint("Send a user message such as {\"role\":\"user\",\"content\":\"…\"}")
        );
    }
    Ok(messages)
}

fn decode_sampling(root: &Node<'_>) -> Result<Sampling> {
    let seed = match root.get("seed") {
        None => None,
        Some(seed) => Some(seed.value().as_i64().ok_or_else(|| seed.must_be("a whole number"))?),
    };
    let logit_bias = match root.get("logit_bias") {
        None => None,
        Some(bias) => Some(Value::Object(bias.object()?.clone())),
    };
    Ok(Sampling {
        temperature: root.opt_number("temperature")?,
        top_p: root.opt_number("top_p")?,
        top_k: root.get("top_k").and_then(|top_k| top_k.natural().ok()),
        frequency_penalty: root.opt_number("frequency_penalty")?,
        presence_penalty: root.opt_number("presence_penalty")?,
        seed,
        stop: decode_stop(root)?,
        n: small(root, "n")?,
        logprobs: root.opt_boolean("logprobs")?,
        top_logprobs: small(root, "top_logprobs")?,
        logit_bias,
    })
}

fn small(root: &Node<'_>, key: &str) -> Result<Option<u32>> {
    let Some(node) = root.get(key) else { return Ok(None) };
    let number = u32::try_from(node.natural()?).map_err(|_| node.invalid("is too large"))?;
    Ok(Some(number))
}

fn decode_stop(root: &Node<'_>) -> Result<Vec<String>> {
    let Some(stop) = root.get("stop") else { return Ok(Vec::new()) };
    if let Some(text) = stop.value().as_str() {
        return Ok(vec![text.to_owned()]);
    }
    if !stop.value().is_array() {
        return Err(stop.must_be("a string or an array of strings"));
    }
    stop.items()?.map(|item| item.text().map(str::to_owned)).collect()
}

/// A format of a type that only some server knows (`grammar`, `regex`) stays as it is.
fn decode_format(
    root: &Node<'_>,
    extra: &mut Map<String, Value>,
) -> Result<Option<ResponseFormat>> {
    let Some(format) = root.get("response_format") else { return Ok(None) };
    format.object()?;
    Ok(match format.require("type")?.text()? {
        "text" => Some(ResponseFormat::Text),
        "json_object" => Some(ResponseFormat::JsonObject),
        "json_schema" => {
            let inner = format.require("json_schema")?;
            inner.object()?;
            let schema = match inner.get("schema") {
                Some(schema) => Value::Object(schema.object()?.clone()),
                None => json!({}),
            };
            Some(ResponseFormat::JsonSchema {
                name: inner.opt_text("name")?,
                description: inner.opt_text("description")?,
                schema,
                strict: inner.opt_boolean("strict")?,
            })
        }
        _ => {
            extra.insert("response_format".to_owned(), format.value().clone());
            None
        }
    })
}

/// `reasoning_effort` (OpenAI) and `reasoning` (OpenRouter); where both stand, the object says more.
fn decode_reasoning(root: &Node<'_>, extra: &mut Map<String, Value>) -> Result<Option<Reasoning>> {
    let mut wanted =
        Reasoning { effort: root.opt_text("reasoning_effort")?, ..Reasoning::default() };
    if let Some(object) = root.get("reasoning") {
        object.object()?;
        wanted.effort = object.opt_text("effort")?.or(wanted.effort);
        wanted.budget_tokens = object.opt_natural("max_tokens")?;
        wanted.is_enabled = object.opt_boolean("enabled")?;
        if object.opt_boolean("exclude")? == Some(true) {
            wanted.display = Some("omitted".to_owned());
        }
        let others = object.others(&["effort", "max_tokens", "enabled", "exclude"]);
        if !others.is_empty() {
            extra.insert("reasoning".to_owned(), Value::Object(others));
        }
    }
    if wanted.effort.as_deref() == Some("none") && wanted.is_enabled.is_none() {
        wanted.is_enabled = Some(false);
    }
    Ok((wanted != Reasoning::default()).then_some(wanted))
}

fn decode_stream_options(root: &Node<'_>, extra: &mut Map<String, Value>) -> Result<bool> {
    let Some(options) = root.get("stream_options") else { return Ok(false) };
    options.object()?;
    let others = options.others(&["include_usage"]);
    if !others.is_empty() {
        extra.insert("stream_options".to_owned(), Value::Object(others));
    }
    Ok(options.opt_boolean("include_usage")?.unwrap_or(false))
}

/// An error at a field whose value is not among those allowed.
pub(super) fn not_one_of(node: &Node<'_>, found: &str, allowed: &str) -> Error {
    let found: String = found.chars().take(60).collect();
    node.invalid(&format!("is `{found}`, which is not known")).with_hint(format!("Use {allowed}"))
}
