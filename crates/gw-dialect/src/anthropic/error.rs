//! Error bodies and error events: `{"type":"error","error":{"type":…,"message":…}}`.

use bytes::Bytes;
use gw_core::{Error, Kind};
use http::HeaderMap;
use serde_json::{Value, json};

use super::ID;
use crate::http_error::{Words, refusal};

/// Clients look for this phrase to compact their conversation (Claude Code does).
const TOO_LONG: &str = "prompt is too long";

/// Reads a refusal.
pub(super) fn decode(status: u16, headers: &HeaderMap, body: &Bytes) -> Error {
    let words = serde_json::from_slice(body).map(|body| read_words(&body)).unwrap_or_default();
    refusal(ID, status, headers, body, words)
}

/// Reads an error inside a stream or in a body of status 200.
pub(super) fn decode_inline(body: &Value) -> Error {
    let raw = Bytes::from(body.to_string());
    refusal(ID, 0, &HeaderMap::new(), &raw, read_words(body))
}

fn read_words(body: &Value) -> Words {
    let error = &body["error"];
    let texts = [&error["message"], error, &body["message"], &body["detail"]];
    let message = texts.into_iter().find_map(Value::as_str).unwrap_or_default();
    let kind = match error["type"].as_str().unwrap_or_default() {
        "authentication_error" | "permission_error" => Some(Kind::ProviderAuth),
        "billing_error" => Some(Kind::ProviderBilling),
        "not_found_error" => Some(Kind::ModelNotFound),
        "request_too_large" => Some(Kind::PayloadTooLarge),
        "rate_limit_error" => Some(Kind::ProviderRateLimited),
        "overloaded_error" => Some(Kind::ProviderOverloaded),
        "timeout_error" => Some(Kind::ProviderTimeout),
        "api_error" => Some(Kind::ProviderFailed),
        "invalid_request_error" => Some(Kind::ProviderRejected),
        _ => None,
    };
    let kind = match kind {
        None | Some(Kind::ProviderRejected) => kind_of_message(message).or(kind),
        kind => kind,
    };
    Words { message: message.to_owned(), kind }
}

/// What only the message of an `invalid_request_error` tells.
fn kind_of_message(message: &str) -> Option<Kind> {
    let message = message.to_lowercase();
    let has = |phrase: &str| message.contains(phrase);
    if has(TOO_LONG) || has("exceed context limit") || has("context window") {
        Some(Kind::ContextTooLong)
    } else if has("credit balance is too low") {
        Some(Kind::ProviderBilling)
    } else if has("blocked by content filtering") {
        Some(Kind::ContentFiltered)
    } else {
        None
    }
}

/// Writes an error body; the provider's own where it spoke this format.
pub(super) fn encode(error: &Error) -> Bytes {
    if let Some(answer) = error.upstream()
        && answer.dialect == ID
        && serde_json::from_slice(&answer.body)
            .is_ok_and(|body: Value| body["error"]["message"].is_string())
    {
        return answer.body.clone();
    }
    let message = match error.kind() {
        Kind::ContextTooLong => too_long_message(error),
        _ => error.full_message(),
    };
    let kind = error.kind().row().anthropic_type;
    let body = json!({"type": "error", "error": {"type": kind, "message": message}});
    Bytes::from(body.to_string())
}

/// The overflow in Anthropic's words, with the numbers that another provider's message holds.
fn too_long_message(error: &Error) -> String {
    let text = error.full_message();
    if text.contains(TOO_LONG) {
        return text;
    }
    let numbers = numbers_in(&text);
    let limit = ["maximum context length", "context window", "context limit", "limit", "maximum"]
        .iter()
        .find_map(|phrase| {
            let after = &text[text.find(phrase)? + phrase.len()..];
            numbers_in(after).first().copied()
        });
    let most = numbers.iter().copied().max();
    match (most, limit) {
        (Some(most), Some(limit)) if most > limit => {
            format!("{TOO_LONG}: {most} tokens > {limit} maximum")
        }
        _ => format!("{TOO_LONG}: {text}"),
    }
}

/// Whole numbers in a text, thousands separators allowed; those of one or two digits are no counts
/// of tokens.
fn numbers_in(text: &str) -> Vec<u64> {
    let words = text.split(|c: char| !c.is_ascii_digit() && c != ',');
    let numbers = words.map(|word| word.replace(',', "")).filter(|word| word.len() > 2);
    numbers.filter_map(|word| word.parse().ok()).collect()
}
