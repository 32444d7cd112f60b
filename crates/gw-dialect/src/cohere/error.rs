//! Errors: `{"id":…,"message":…}`, some with an `error_type`.

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
    let texts = [&body["message"], &body["error"], &body["error"]["message"]];
    let message = texts.into_iter().find_map(Value::as_str).unwrap_or_default();
    let lower = message.to_lowercase();
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| lower.contains(phrase));
    let is_too_long = body["error_type"] == "TOO_MANY_TOKENS"
        || has(&["too many tokens", "context length", "maximum context"]);
    let kind = if is_too_long {
        Some(Kind::ContextTooLong)
    } else if (lower.starts_with("model ") && has(&["not found", "does not exist", "was removed"]))
        || has(&["unknown model"])
    {
        Some(Kind::ModelNotFound)
    } else if has(&["trial key", "rate limit"]) && status == 429 {
        Some(Kind::ProviderRateLimited)
    } else {
        match status {
            // Cohere's word for a token it does not know.
            498 => Some(Kind::ProviderAuth),
            0 => Some(Kind::ProviderFailed),
            _ => None,
        }
    };
    Words { message: message.to_owned(), kind }
}

/// Writes an error body; the provider's own where it spoke this format.
pub(super) fn encode(error: &Error) -> Bytes {
    if let Some(answer) = error.upstream()
        && answer.dialect == ID
        && serde_json::from_slice(&answer.body).is_ok_and(|body: Value| body["message"].is_string())
    {
        return answer.body.clone();
    }
    let mut body = json!({ "message": error.full_message() });
    if error.kind() == Kind::ContextTooLong {
        body["error_type"] = Value::from("TOO_MANY_TOKENS");
    }
    Bytes::from(body.to_string())
}
