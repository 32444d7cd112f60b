//! The short way: a body of this same dialect with the model named that the provider knows, and
//! without the fields it refuses. Every other byte stays.

use bytes::Bytes;
use gw_core::Result;
use gw_core::seam::{Edits, WireRequest};
use serde_json::{Value, json};

use crate::json::{member, splice};
use crate::openai_chat::request::notices::Notices;
use crate::openai_responses::PATH;

/// Edits the body. Usage needs no wish: the last event of every stream has it.
pub(in crate::openai_responses) fn pass(body: &Bytes, edits: &Edits<'_>) -> Result<WireRequest> {
    let mut notices = Notices::default();
    let mut changes: Vec<(&str, Option<Value>)> = vec![("model", Some(json!(edits.target.model)))];
    for field in &edits.target.quirks.refused_fields {
        if member(body, field)?.is_some() {
            notices.dropped(field, "the provider refuses this field");
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
