//! Whole answers.

use bytes::Bytes;
use gw_core::chat::Part;
use gw_core::reply::{ChatReply, Choice, Stop, StopReason};
use gw_core::seam::ClientStream;
use gw_core::{Error, Kind, Result, UsageReport};
use serde_json::{Map, Value, json};

use super::{ID, error};

/// Types of citations of this format.
const CITATIONS: [&str; 3] = ["TEXT_CONTENT", "THINKING_CONTENT", "PLAN"];

/// Reads an answer of status 2xx.
pub(super) fn decode(body: &[u8]) -> Result<ChatReply> {
    let value: Value =
        serde_json::from_slice(body).map_err(|_| malformed("the provider's answer is not JSON"))?;
    let Some(message) = value["message"].as_object() else {
        if value["message"].is_string() || !value["error"].is_null() {
            return Err(error::decode_inline(&value));
        }
        return Err(malformed("the provider's answer has no `message`"));
    };
    let parts = read_parts(message);
    let stop = value["finish_reason"].as_str().map(|reason| Stop::from(read_stop(reason)));
    Ok(ChatReply {
        id: value["id"].as_str().unwrap_or_default().to_owned(),
        model: value["model"].as_str().unwrap_or_default().to_owned(),
        created_s: None,
        choices: vec![Choice {
            index: 0,
            parts,
            stop,
            logprobs: read_logprobs(&value["logprobs"]),
        }],
        usage: read_usage(&value["usage"]),
    })
}

/// A breach of the format by the provider.
pub(super) fn malformed(message: &str) -> Error {
    Error::new(Kind::ProviderMalformed, message)
}

fn read_parts(message: &Map<String, Value>) -> Vec<Part> {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let mut parts = Vec::new();
    match message.get("content") {
        Some(Value::String(words)) if !words.is_empty() => parts.push(Part::text(words.as_str())),
        Some(Value::Array(blocks)) => {
            for block in blocks {
                parts.push(match block["type"].as_str() {
                    Some("text") | None => Part::text(text(block, "text")),
                    Some("thinking") => {
                        Part::Thinking { text: text(block, "thinking"), signature: None }
                    }
                    Some(_) => Part::Opaque { dialect: ID, value: block.clone() },
                });
            }
        }
        _ => {}
    }
    if let Some(citations) = message.get("citations").and_then(Value::as_array) {
        cite(&mut parts, citations.clone());
    }
    let plan = message.get("tool_plan").and_then(Value::as_str).unwrap_or_default();
    if !plan.is_empty() {
        parts.push(Part::text(plan));
    }
    for call in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
        parts.push(Part::ToolCall {
            id: text(call, "id"),
            name: text(&call["function"], "name"),
            arguments: text(&call["function"], "arguments"),
            cache: None,
        });
    }
    parts
}

/// Gives citations to the texts they name by `content_index`, else to the first text.
pub(super) fn cite(parts: &mut [Part], all: Vec<Value>) {
    for citation in all {
        let named = citation["content_index"].as_u64().and_then(|at| usize::try_from(at).ok());
        let is_text = |part: &Part| matches!(part, Part::Text { .. });
        let at = named
            .filter(|at| parts.get(*at).is_some_and(is_text))
            .or_else(|| parts.iter().position(is_text));
        if let Some(Part::Text { citations, .. }) = at.and_then(|at| parts.get_mut(at)) {
            citations.push(citation);
        }
    }
}

/// True for a citation of this format.
pub(super) fn is_own_citation(citation: &Value) -> bool {
    citation["type"].as_str().is_some_and(|kind| CITATIONS.contains(&kind))
        || (citation["sources"].is_array() && citation["start"].is_u64())
}

/// A citation of the block at a place.
pub(super) fn placed(citation: &Value, place: usize) -> Value {
    let mut citation = citation.clone();
    if place > 0 || citation.get("content_index").is_some() {
        citation["content_index"] = Value::from(place);
    }
    citation
}

/// A citation in this format's shape; `None` for one that it has no shape for.
pub(super) fn write_citation(citation: &Value, place: usize) -> Option<Value> {
    if is_own_citation(citation) {
        return Some(placed(citation, place));
    }
    let web = crate::citations::web(citation)?;
    let url = web["url"].as_str()?;
    let document = json!({"id": url, "url": url, "title": web["title"]});
    Some(json!({
        "start": web["start_index"].as_u64().unwrap_or(0),
        "end": web["end_index"].as_u64().unwrap_or(0),
        "text": "",
        "sources": [{"type": "document", "id": url, "document": document}],
        "type": "TEXT_CONTENT",
        "content_index": place,
    }))
}

/// Why an answer ended.
pub(super) fn read_stop(reason: &str) -> StopReason {
    match reason {
        "COMPLETE" => StopReason::EndTurn,
        "STOP_SEQUENCE" => StopReason::StopSequence,
        "MAX_TOKENS" => StopReason::MaxTokens,
        "TOOL_CALL" => StopReason::ToolUse,
        "ERROR_TOXIC" => StopReason::Refusal,
        "ERROR_LIMIT" => StopReason::ContextWindow,
        other => StopReason::Other(other.to_owned()),
    }
}

/// The word for a reason.
pub(super) fn write_stop(reason: &StopReason) -> &str {
    match reason {
        StopReason::EndTurn | StopReason::PauseTurn => "COMPLETE",
        StopReason::StopSequence => "STOP_SEQUENCE",
        StopReason::MaxTokens => "MAX_TOKENS",
        StopReason::ToolUse => "TOOL_CALL",
        StopReason::Refusal => "ERROR_TOXIC",
        StopReason::ContextWindow => "ERROR_LIMIT",
        StopReason::Other(word) => word,
    }
}

/// Log probabilities: a list here, an object with that list elsewhere.
pub(super) fn read_logprobs(value: &Value) -> Option<Value> {
    let list = value.as_array().filter(|list| !list.is_empty())?;
    Some(json!({ "content": list }))
}

/// What was consumed: what is billed counts.
pub(super) fn read_usage(usage: &Value) -> UsageReport {
    let usage = usage.as_object().map(crate::usage::billed_units).unwrap_or_default();
    UsageReport { usage, ..UsageReport::default() }
}

/// Consumption in this format.
pub(super) fn write_usage(report: &UsageReport) -> Value {
    let usage = &report.usage;
    let read = usage.total_input().saturating_sub(usage.input_image);
    let mut billed = json!({"input_tokens": read, "output_tokens": usage.total_output()});
    if usage.input_image > 0 {
        billed["image_tokens"] = Value::from(usage.input_image);
    }
    let tokens = json!({"input_tokens": read, "output_tokens": usage.total_output()});
    json!({
        "billed_units": billed,
        "tokens": tokens,
        "cached_tokens": usage.total_cache_read(),
    })
}

/// Writes an answer. Only the first choice: this format has no others.
pub(super) fn encode(reply: &ChatReply, client: &ClientStream) -> Bytes {
    let choice = reply.choices.first();
    let parts = choice.map_or(&[][..], |choice| &choice.parts);
    let (mut content, mut calls, mut citations) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        match part {
            Part::Text { text, citations: cited, .. } => {
                let place = content.len();
                citations.extend(cited.iter().filter_map(|it| write_citation(it, place)));
                content.push(json!({"type": "text", "text": text}));
            }
            Part::Refusal { text } => content.push(json!({"type": "text", "text": text})),
            Part::Thinking { text, .. } => {
                content.push(json!({"type": "thinking", "thinking": text}));
            }
            Part::ToolCall { id, name, arguments, .. } => calls.push(json!({
                "id": id,
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            })),
            Part::Opaque { dialect, value } if *dialect == ID => content.push(value.clone()),
            // The format has no place for the rest in an answer.
            _ => {}
        }
    }
    let mut message = Map::new();
    message.insert("role".to_owned(), Value::from("assistant"));
    if !content.is_empty() {
        message.insert("content".to_owned(), Value::Array(content));
    }
    if !calls.is_empty() {
        message.insert("tool_calls".to_owned(), Value::Array(calls));
    }
    if !citations.is_empty() {
        message.insert("citations".to_owned(), Value::Array(citations));
    }
    let id = if reply.id.is_empty() { &client.fallback_id } else { &reply.id };
    let mut body = json!({"id": id, "message": message});
    if let Some(stop) = choice.and_then(|choice| choice.stop.as_ref()) {
        body["finish_reason"] = Value::from(write_stop(&stop.reason));
    }
    if let Some(list) = choice.and_then(|it| it.logprobs.as_ref()).map(|it| &it["content"])
        && list.is_array()
    {
        body["logprobs"] = list.clone();
    }
    body["usage"] = write_usage(&reply.usage);
    Bytes::from(body.to_string())
}
