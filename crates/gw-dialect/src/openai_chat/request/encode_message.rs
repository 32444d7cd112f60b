//! Canonical turns as messages for a provider. One user turn may become several messages: tool
//! results stand apart here, and what they cannot hold follows them.

use gw_core::Result;
use gw_core::chat::{Message, Part, Role};
use gw_core::seam::{DialectId, Quirks};
use serde_json::{Map, Value, json};

use super::encode::merge;
use super::encode_content::{PartWriter, collapse};
use super::notices::Notices;
use crate::openai_chat::reasoning;
use crate::seal::{bare_call_id, is_foreign};

/// Writes all turns.
pub(super) fn encode_messages(
    messages: &[Message],
    quirks: &Quirks,
    notices: &mut Notices,
) -> Result<Vec<Value>> {
    let mut wire = Vec::with_capacity(messages.len());
    for (place, message) in messages.iter().enumerate() {
        let mut writer = PartWriter { quirks, notices: &mut *notices, place, part: 0 };
        match message.role {
            Role::System => wire.push(plain("system", message, &mut writer)?),
            Role::Developer if quirks.developer_as_system => {
                wire.push(plain("system", message, &mut writer)?);
            }
            Role::Developer => wire.push(plain("developer", message, &mut writer)?),
            Role::User => push_user(message, &mut writer, &mut wire)?,
            Role::Assistant => wire.push(assistant(message, &mut writer)?),
        }
    }
    Ok(wire)
}

fn plain(role: &str, message: &Message, writer: &mut PartWriter<'_>) -> Result<Value> {
    let content = writer.content(&message.parts)?;
    Ok(dressed(json!({ "role": role, "content": collapse(content) }), message, writer))
}

/// Adds the name and the dialect's own fields.
fn dressed(mut wire: Value, message: &Message, writer: &mut PartWriter<'_>) -> Value {
    if let (Some(wire), Some(name)) = (wire.as_object_mut(), &message.name) {
        wire.insert("name".to_owned(), json!(name));
    }
    match (message.extra.for_dialect(DialectId::OpenAiChat), wire.as_object_mut()) {
        (Some(own), Some(wire)) => merge(wire, own),
        _ => {
            for key in message.extra.fields.keys() {
                let feature = format!("messages[].{key}");
                writer.notices.dropped(&feature, "the field has no counterpart here");
            }
        }
    }
    wire
}

/// Tool results first, because they must follow the calls; then what they could not hold; then the
/// user's own words.
fn push_user(message: &Message, writer: &mut PartWriter<'_>, wire: &mut Vec<Value>) -> Result<()> {
    let is_result = |part: &&Part| matches!(part, Part::ToolResult { .. });
    let results = message.parts.iter().filter(is_result).count();
    if results == 0 {
        wire.push(plain("user", message, writer)?);
        return Ok(());
    }
    let mut rest = Vec::new();
    for (place, part) in message.parts.iter().enumerate() {
        writer.part = place;
        if let Part::ToolResult { call_id, parts, is_error, cache } = part {
            let (content, moved) = writer.result(call_id, parts, *is_error, cache.as_ref())?;
            let mut answer = json!({ "role": "tool", "tool_call_id": bare_call_id(call_id), "content": content });
            if let (1, Some(answer)) = (results, answer.as_object_mut())
                && let Some(extra) = message.extra.for_dialect(DialectId::OpenAiChat)
            {
                merge(answer, extra);
            }
            wire.push(answer);
            rest.extend(moved);
        }
    }
    for (place, part) in message.parts.iter().enumerate() {
        writer.part = place;
        if !is_result(&part) {
            writer.push_part(part, &mut rest)?;
        }
    }
    if !rest.is_empty() {
        wire.push(json!({ "role": "user", "content": collapse(rest) }));
    }
    Ok(())
}

fn assistant(message: &Message, writer: &mut PartWriter<'_>) -> Result<Value> {
    let parts = &message.parts;
    let calls: Vec<Value> = parts.iter().filter_map(call).collect();
    let content = assistant_content(parts, !calls.is_empty(), writer)?;
    let mut wire = Map::new();
    wire.insert("role".to_owned(), json!("assistant"));
    wire.insert("content".to_owned(), content);
    put_thoughts(parts, writer, &mut wire);
    let refusals = parts.iter().filter_map(|part| match part {
        Part::Refusal { text } => Some(text.as_str()),
        _ => None,
    });
    let refusal: String = refusals.collect();
    if !refusal.is_empty() {
        wire.insert("refusal".to_owned(), json!(refusal));
    }
    let own = |kind: &str| {
        let own = parts.iter().filter_map(own_value);
        own.filter(|value| value["type"] == kind).collect::<Vec<&Value>>()
    };
    if let Some(id) = own("audio").first().and_then(|audio| audio["audio"]["id"].as_str()) {
        wire.insert("audio".to_owned(), json!({ "id": id }));
    }
    let images = own("image_url");
    if !images.is_empty() {
        wire.insert("images".to_owned(), json!(images));
    }
    if !calls.is_empty() {
        wire.insert("tool_calls".to_owned(), Value::Array(calls));
    }
    Ok(dressed(Value::Object(wire), message, writer))
}

fn own_value(part: &Part) -> Option<&Value> {
    match part {
        Part::Opaque { dialect: DialectId::OpenAiChat, value } => Some(value),
        _ => None,
    }
}

/// Null beside calls, a string where it can be one.
fn assistant_content(
    parts: &[Part],
    has_calls: bool,
    writer: &mut PartWriter<'_>,
) -> Result<Value> {
    let mut pieces = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        writer.part = place;
        match part {
            Part::Thinking { .. }
            | Part::RedactedThinking { .. }
            | Part::Refusal { .. }
            | Part::ToolCall { .. } => {}
            Part::Opaque { dialect: DialectId::OpenAiChat, value }
                if value["custom"].is_object()
                    || value["type"] == "audio"
                    || value["type"] == "image_url" => {}
            part => writer.push_part(part, &mut pieces)?,
        }
    }
    if pieces.is_empty() {
        return Ok(if has_calls { Value::Null } else { json!("") });
    }
    let is_plain = |piece: &Value| piece["type"] == "text" && piece.get("cache_control").is_none();
    if pieces.iter().all(is_plain) {
        let texts: String = pieces.iter().filter_map(|piece| piece["text"].as_str()).collect();
        return Ok(json!(texts));
    }
    Ok(Value::Array(pieces))
}

fn call(part: &Part) -> Option<Value> {
    match part {
        Part::ToolCall { id, name, arguments, .. } => {
            // Providers parse the text; a call without arguments has none.
            let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
            Some(json!({
                "id": bare_call_id(id),
                "type": "function",
                "function": { "name": name, "arguments": arguments },
            }))
        }
        Part::Opaque { dialect: DialectId::OpenAiChat, value } if value["custom"].is_object() => {
            Some(value.clone())
        }
        _ => None,
    }
}

/// The part without what another provider sealed; `None` where nothing is left.
fn own_thought(part: &Part) -> Option<Part> {
    let is_foreign = |seal: &str| is_foreign(DialectId::OpenAiChat, seal);
    match part {
        Part::RedactedThinking { data } if is_foreign(data) => None,
        Part::Thinking { text, signature: Some(signature) } if is_foreign(signature) => {
            Some(Part::Thinking { text: text.clone(), signature: None })
        }
        part => Some(part.clone()),
    }
}

fn put_thoughts(parts: &[Part], writer: &mut PartWriter<'_>, wire: &mut Map<String, Value>) {
    let is_thought =
        |part: &&Part| matches!(part, Part::Thinking { .. } | Part::RedactedThinking { .. });
    let all: Vec<&Part> = parts.iter().filter(is_thought).collect();
    let parts: &[Part] = &all.iter().copied().filter_map(own_thought).collect::<Vec<Part>>();
    if !all.into_iter().eq(parts) {
        let detail = "seals of another provider's thoughts cannot be sent";
        writer.notices.dropped("thinking.signature", detail);
    }
    let details = reasoning::to_details(parts);
    if details.is_empty() {
        return;
    }
    let quirks = writer.quirks;
    let text = reasoning::joined_text(parts).filter(|text| !text.is_empty());
    let has_sealed = parts.iter().any(|part| matches!(part, Part::RedactedThinking { .. }));
    let mut is_said = false;
    if quirks.reasoning_details {
        wire.insert("reasoning_details".to_owned(), Value::Array(details));
        is_said = true;
    }
    if !quirks.reasoning_field.is_empty() {
        if let Some(text) = text {
            wire.insert(quirks.reasoning_field.clone(), json!(text));
        }
        is_said |= !has_sealed;
    }
    if !is_said {
        let detail = "the provider takes no thoughts of earlier turns back, or not all of them";
        writer.notices.dropped("thinking", detail);
    }
}
