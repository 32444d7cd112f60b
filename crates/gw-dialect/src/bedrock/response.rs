//! Whole answers.

use bytes::Bytes;
use gw_core::chat::Part;
use gw_core::reply::{ChatReply, Choice, Stop, StopReason};
use gw_core::{Error, Kind, Result, Usage, UsageReport};
use serde_json::{Map, Value, json};

use super::{ID, blocks, error};
use crate::json::Node;

/// Reads an answer of status 2xx.
pub(super) fn decode(body: &[u8]) -> Result<ChatReply> {
    let value: Value =
        serde_json::from_slice(body).map_err(|_| malformed("the provider's answer is not JSON"))?;
    let Some(message) = value["output"]["message"].as_object() else {
        if value["message"].is_string() || value["Message"].is_string() {
            return Err(error::decode_inline("", &value));
        }
        return Err(malformed("the provider's answer has no `output.message`"));
    };
    let content = message.get("content").cloned().unwrap_or_else(|| json!([]));
    let parts = blocks::read_content(&Node::root(&content)).map_err(|error| {
        malformed(&format!("the provider's answer breaks its format: {}", error.message()))
    })?;
    Ok(ChatReply {
        id: String::new(),
        model: String::new(),
        created_s: None,
        choices: vec![Choice { index: 0, parts, stop: read_stop(&value), logprobs: None }],
        usage: read_usage(&value),
    })
}

/// A breach of the format by the provider.
pub(super) fn malformed(message: &str) -> Error {
    Error::new(Kind::ProviderMalformed, message)
}

/// Reads `stopReason`, in a whole answer and in `messageStop`.
pub(super) fn read_stop(holder: &Value) -> Option<Stop> {
    let reason = match holder["stopReason"].as_str()? {
        "end_turn" => StopReason::EndTurn,
        "tool_use" => StopReason::ToolUse,
        "max_tokens" => StopReason::MaxTokens,
        "stop_sequence" => StopReason::StopSequence,
        "guardrail_intervened" | "content_filtered" => StopReason::Refusal,
        "model_context_window_exceeded" => StopReason::ContextWindow,
        other => StopReason::Other(other.to_owned()),
    };
    let sequence = holder["additionalModelResponseFields"]["stop_sequence"].as_str();
    Some(Stop { reason, sequence: sequence.map(str::to_owned) })
}

/// The word for a reason.
pub(super) fn write_stop(reason: &StopReason) -> &str {
    match reason {
        StopReason::EndTurn | StopReason::PauseTurn => "end_turn",
        StopReason::ToolUse => "tool_use",
        StopReason::MaxTokens => "max_tokens",
        StopReason::StopSequence => "stop_sequence",
        StopReason::Refusal => "content_filtered",
        StopReason::ContextWindow => "model_context_window_exceeded",
        StopReason::Other(word) => word,
    }
}

/// Reads `usage` and `serviceTier`, in a whole answer and in `metadata`.
pub(super) fn read_usage(holder: &Value) -> UsageReport {
    let usage = holder["usage"].as_object().map(crate::usage::converse).unwrap_or_default();
    let service_tier = holder["serviceTier"]["type"].as_str().map(str::to_owned);
    UsageReport { usage, service_tier, ..UsageReport::default() }
}

/// Consumption in this format: cached input stands apart from the rest.
pub(super) fn write_usage(usage: &Usage) -> Value {
    let read = usage.total_cache_read();
    let written = usage.cache_write.saturating_add(usage.cache_write_long);
    let input = usage.total_input().saturating_sub(read).saturating_sub(written);
    let total = usage.total_input().saturating_add(usage.total_output());
    let mut out = json!({
        "inputTokens": input,
        "outputTokens": usage.total_output(),
        "totalTokens": total,
    });
    if read > 0 || written > 0 {
        out["cacheReadInputTokens"] = Value::from(read);
        out["cacheWriteInputTokens"] = Value::from(written);
    }
    if usage.cache_write_long > 0 {
        let long = usage.cache_write_long;
        out["cacheDetails"] = json!([{"ttl": "1h", "inputTokens": long}]);
    }
    out
}

/// Writes an answer. Only the first choice: this format has no others.
pub(super) fn encode(reply: &ChatReply) -> Bytes {
    let choice = reply.choices.first();
    let parts = choice.map_or(&[][..], |choice| &choice.parts);
    let content: Vec<Value> = parts.iter().filter_map(write_part).collect();
    let mut body = Map::new();
    let message = json!({"role": "assistant", "content": content});
    body.insert("output".to_owned(), json!({ "message": message }));
    if let Some(stop) = choice.and_then(|choice| choice.stop.as_ref()) {
        body.insert("stopReason".to_owned(), Value::from(write_stop(&stop.reason)));
        if let Some(sequence) = &stop.sequence {
            let fields = json!({ "stop_sequence": sequence });
            body.insert("additionalModelResponseFields".to_owned(), fields);
        }
    }
    body.insert("usage".to_owned(), write_usage(&reply.usage.usage));
    body.insert("metrics".to_owned(), json!({"latencyMs": 0}));
    if let Some(tier) = &reply.usage.service_tier {
        body.insert("serviceTier".to_owned(), json!({ "type": tier }));
    }
    Bytes::from(Value::Object(body).to_string())
}

/// Writes a part of an answer; `None` where the format has no place for it.
fn write_part(part: &Part) -> Option<Value> {
    Some(match part {
        Part::Text { text, citations, .. } => blocks::write_text(text, citations),
        Part::Refusal { text } => json!({ "text": text }),
        Part::Thinking { text, signature } => blocks::write_thought(text, signature.as_deref()),
        Part::RedactedThinking { data } => json!({"reasoningContent": {"redactedContent": data}}),
        Part::ToolCall { id, name, arguments, .. } => blocks::write_call(id, name, arguments),
        Part::Opaque { dialect, value } if *dialect == ID => value.clone(),
        _ => return None,
    })
}
