//! Errors: `{"error":"…"}`, with a status or as a line of a stream.

use bytes::Bytes;
use gw_core::{Error, Kind};
use http::HeaderMap;
use serde_json::{Value, json};

use super::ID;
use crate::http_error::{Words, refusal};

/// Reads a refusal.
pub(super) fn decode(status: u16, headers: &HeaderMap, body: &Bytes) -> Error {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    refusal(ID, status, headers, body, read_words(&value, status))
}

/// Reads an error inside a stream or in a body of status 200.
pub(super) fn decode_inline(body: &Value) -> Error {
    refusal(ID, 0, &HeaderMap::new(), &Bytes::from(body.to_string()), read_words(body, 0))
}

fn read_words(body: &Value, status: u16) -> Words {
    let error = &body["error"];
    let texts = [error, &error["message"], &body["message"]];
    let message = texts.into_iter().find_map(Value::as_str).unwrap_or_default();
    let lower = message.to_lowercase();
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| lower.contains(phrase));
    let kind = if has(&["context length", "context window", "exceeds the available context"]) {
        Some(Kind::ContextTooLong)
    } else if has(&["not found, try pulling", "no such model"])
        || (lower.starts_with("model ") && lower.ends_with("not found"))
    {
        Some(Kind::ModelNotFound)
    } else if has(&["server busy", "requires more system memory"]) {
        Some(Kind::ProviderOverloaded)
    } else if status == 0 {
        Some(Kind::ProviderFailed)
    } else {
        None
    };
    Words { message: message.to_owned(), kind }
}

/// Writes an error body; the provider's own where it spoke this format.
pub(super) fn encode(error: &Error) -> Bytes {
    if let Some(answer) = error.upstream()
        && answer.dialect == ID
        && serde_json::from_slice(&answer.body).is_ok_and(|body: Value| body["error"].is_string())
    {
        return answer.body.clone();
    }
    Bytes::from(json!({ "error": error.full_message() }).to_string())
}
