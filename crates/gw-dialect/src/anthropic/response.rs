//! Whole answers.

use bytes::Bytes;
use gw_core::chat::Part;
use gw_core::reply::{ChatReply, Choice, Stop, StopReason};
use gw_core::seam::ClientStream;
use gw_core::{Error, Kind, Result};
use serde_json::{Map, Value, json};

use super::{ID, blocks, error, usage};
use crate::json::Node;

/// Reads an answer of status 2xx.
pub(super) fn decode(body: &[u8]) -> Result<ChatReply> {
    let value: Value =
        serde_json::from_slice(body).map_err(|_| malformed("the provider's answer is not JSON"))?;
    if is_error(&value) {
        return Err(error::decode_inline(&value));
    }
    read(&value)
}

/// True for a body that is an error whatever its status says.
pub(super) fn is_error(body: &Value) -> bool {
    body["type"] == "error" || (!body["error"].is_null() && body["content"].is_null())
}

/// A breach of the format by the provider.
pub(super) fn malformed(message: &str) -> Error {
    Error::new(Kind::ProviderMalformed, message)
}

/// Reads a `message` object.
pub(super) fn read(body: &Value) -> Result<ChatReply> {
    let root = Node::root(body);
    let parts = read_parts(&root).map_err(|error| {
        malformed(&format!("the provider's answer breaks its format: {}", error.message()))
    })?;
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let usage = body["usage"].as_object().map(usage::read).unwrap_or_default();
    let stop = read_stop(body);
    Ok(ChatReply {
        id: text("id"),
        model: text("model"),
        created_s: None,
        choices: vec![Choice { index: 0, parts, stop, logprobs: None }],
        usage,
    })
}

fn read_parts(root: &Node<'_>) -> Result<Vec<Part>> {
    blocks::read_content(&root.require("content")?)
}

/// Reads `stop_reason` and `stop_sequence`, which stand in a message and in a `message_delta`.
pub(super) fn read_stop(holder: &Value) -> Option<Stop> {
    let reason = match holder["stop_reason"].as_str()? {
        "end_turn" => StopReason::EndTurn,
        "max_tokens" => StopReason::MaxTokens,
        "stop_sequence" => StopReason::StopSequence,
        "tool_use" => StopReason::ToolUse,
        "pause_turn" => StopReason::PauseTurn,
        "refusal" => StopReason::Refusal,
        "model_context_window_exceeded" => StopReason::ContextWindow,
        other => StopReason::Other(other.to_owned()),
    };
    Some(Stop { reason, sequence: holder["stop_sequence"].as_str().map(str::to_owned) })
}

/// The word for a stop reason. OpenAI ends a refusal in words with a plain stop; here it has a
/// reason of its own.
pub(super) fn write_stop_reason(reason: &StopReason, has_refusal: bool) -> &str {
    match reason {
        StopReason::EndTurn if has_refusal => "refusal",
        StopReason::EndTurn => "end_turn",
        StopReason::StopSequence => "stop_sequence",
        StopReason::MaxTokens => "max_tokens",
        StopReason::ToolUse => "tool_use",
        StopReason::Refusal => "refusal",
        StopReason::PauseTurn => "pause_turn",
        StopReason::ContextWindow => "model_context_window_exceeded",
        StopReason::Other(word) => word,
    }
}

/// The id of an answer in this format's form, `msg_…`.
pub(super) fn message_id(id: &str, client: &ClientStream) -> String {
    let id = if id.is_empty() { &client.fallback_id } else { id };
    if id.starts_with("msg_") { id.to_owned() } else { format!("msg_{}", blocks::plain_id(id)) }
}

/// The model name to show.
pub(super) fn shown_model<'a>(model: &'a str, client: &'a ClientStream) -> &'a str {
    if client.model.is_empty() { model } else { &client.model }
}

/// A `message` object around the given content.
pub(super) fn message(
    id: &str,
    model: &str,
    content: Vec<Value>,
    stop: (Value, Value),
    usage: Map<String, Value>,
) -> Value {
    let (reason, sequence) = stop;
    let members = [
        ("id", Value::from(id)),
        ("type", Value::from("message")),
        ("role", Value::from("assistant")),
        ("model", Value::from(model)),
        ("content", Value::Array(content)),
        ("stop_reason", reason),
        ("stop_sequence", sequence),
        ("usage", Value::Object(usage)),
    ];
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Writes an answer. Only the first choice: this format has no others.
pub(super) fn encode(reply: &ChatReply, client: &ClientStream) -> Bytes {
    let (parts, stop) = match reply.choices.first() {
        Some(choice) => (&choice.parts[..], choice.stop.as_ref()),
        None => (&[][..], None),
    };
    let has_refusal = parts.iter().any(|part| matches!(part, Part::Refusal { .. }));
    let stop = (
        stop.map_or(Value::Null, |stop| write_stop_reason(&stop.reason, has_refusal).into()),
        stop.and_then(|stop| stop.sequence.as_deref()).map_or(Value::Null, Value::from),
    );
    let body = message(
        &message_id(&reply.id, client),
        shown_model(&reply.model, client),
        parts.iter().filter_map(write_part).collect(),
        stop,
        usage::write(&reply.usage),
    );
    Bytes::from(body.to_string())
}

/// Writes a part of an answer; `None` where the format has no place for it (sound, whose transcript
/// is a text part; blocks of other dialects).
pub(super) fn write_part(part: &Part) -> Option<Value> {
    Some(match part {
        Part::Text { text, citations, .. } => blocks::write_text(text, citations),
        Part::Refusal { text } => blocks::write_text(text, &[]),
        Part::Thinking { text, signature } => {
            let signature = signature.as_deref().unwrap_or_default();
            json!({"type": "thinking", "thinking": text, "signature": signature})
        }
        Part::RedactedThinking { data } => json!({"type": "redacted_thinking", "data": data}),
        Part::ToolCall { id, name, arguments, .. } => json!({
            "type": "tool_use",
            "id": blocks::plain_id(id),
            "name": name,
            "input": blocks::write_arguments(arguments),
        }),
        Part::Image { source, .. } => blocks::write_image(source)?,
        Part::Opaque { dialect, value } if *dialect == ID => value.clone(),
        Part::Opaque { .. }
        | Part::Audio { .. }
        | Part::Document { .. }
        | Part::ToolResult { .. } => return None,
    })
}
