//! The short way: a body of this same dialect with the few members changed that the provider needs
//! otherwise. Every other byte stays.

use bytes::Bytes;
use gw_core::Result;
use gw_core::seam::{Edits, Quirks, WireRequest};
use serde_json::{Value, json};

use super::encode::REFUSED;
use super::notices::Notices;
use crate::json::{member, splice};
use crate::openai_chat::PATH;

/// Edits the body.
pub(in crate::openai_chat) fn pass(body: &Bytes, edits: &Edits<'_>) -> Result<WireRequest> {
    let quirks = edits.target.quirks;
    let mut notices = Notices::default();
    let mut changes: Vec<(&str, Option<Value>)> = vec![("model", Some(json!(edits.target.model)))];
    if quirks.refuses_stream_options {
        changes.push(("stream_options", None));
    } else if edits.wants_usage {
        changes.push(("stream_options", Some(with_usage(body)?)));
    }
    push_limit(body, quirks, &mut changes)?;
    if quirks.developer_as_system
        && let Some(messages) = without_developer(body)?
    {
        changes.push(("messages", Some(messages)));
    }
    for field in &quirks.refused_fields {
        if member(body, field)?.is_some() {
            notices.dropped(field, REFUSED);
            changes.push((field, None));
        }
    }
    Ok(WireRequest {
        path: PATH.into(),
        headers: Vec::new(),
        body: splice(body, &changes)?,
        notices: notices.into_vec(),
    })
}

/// The stream options with `include_usage` set, the others kept.
fn with_usage(body: &[u8]) -> Result<Value> {
    let have = member(body, "stream_options")?;
    let mut options = have.and_then(|have| serde_json::from_str(have).ok()).unwrap_or(Value::Null);
    if !options.is_object() {
        options = json!({});
    }
    options["include_usage"] = json!(true);
    Ok(options)
}

/// Renames the output limit to the word that the provider knows.
fn push_limit<'a>(
    body: &[u8],
    quirks: &'a Quirks,
    changes: &mut Vec<(&'a str, Option<Value>)>,
) -> Result<()> {
    let wanted = quirks.max_tokens_field.as_str();
    let other = match wanted {
        "max_tokens" => "max_completion_tokens",
        "max_completion_tokens" => "max_tokens",
        _ => return Ok(()),
    };
    let Some(value) = member(body, other)? else { return Ok(()) };
    let is_set = |text: Option<&str>| text.is_some_and(|text| text != "null");
    // Where both stand, `max_completion_tokens` is the one that is meant.
    let is_stronger = other == "max_completion_tokens" || !is_set(member(body, wanted)?);
    if is_set(Some(value)) && is_stronger {
        changes.push((wanted, serde_json::from_str(value).ok()));
    }
    changes.push((other, None));
    Ok(())
}

/// The messages with `developer` turned into `system`; `None` where there is none to turn.
fn without_developer(body: &[u8]) -> Result<Option<Value>> {
    let Some(text) = member(body, "messages")? else { return Ok(None) };
    if !text.contains("\"developer\"") {
        return Ok(None);
    }
    let Ok(mut messages) = serde_json::from_str::<Value>(text) else { return Ok(None) };
    let mut is_changed = false;
    for message in messages.as_array_mut().into_iter().flatten() {
        if message["role"] == "developer" {
            message["role"] = json!("system");
            is_changed = true;
        }
    }
    Ok(is_changed.then_some(messages))
}
