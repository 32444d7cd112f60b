//! Refusals. Bodies are those of chat completions; what is particular here are the errors inside
//! answers and streams: the `error` of a failed response, and the `error` event.

use bytes::Bytes;
use gw_core::{Error, Kind};
use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::ID;
use crate::openai_chat::error::{decode_as, in_band_as, to_value};
use crate::openai_chat::value::{object, text};

/// Reads a body of status 4xx or 5xx.
pub(super) fn decode(status: u16, headers: &HeaderMap, body: &Bytes) -> Error {
    decode_as(ID, status, headers, body)
}

/// Reads what went wrong with a response of status `failed` or `cancelled`, or an `error` event.
pub(super) fn in_band(holder: &Map<String, Value>) -> Error {
    if holder.get("error").is_some_and(|error| !error.is_null()) {
        return in_band_as(ID, holder);
    }
    // The `error` event has its members at the top.
    let mut inner = holder.clone();
    inner.shift_remove("sequence_number");
    inner.shift_remove("type");
    if text(&inner, "message").is_none() {
        let status = text(holder, "status").unwrap_or("failed");
        let message = format!("the provider ended the response as `{status}`");
        return Error::new(Kind::ProviderFailed, message);
    }
    let holder = Map::from_iter([("error".to_owned(), Value::Object(inner))]);
    in_band_as(ID, &holder)
}

/// Writes an error body for a client; a provider's own words in this format are kept.
pub(super) fn encode(error: &Error) -> Bytes {
    if let Some(upstream) = error.upstream()
        && upstream.dialect == ID
        && serde_json::from_slice(&upstream.body)
            .is_ok_and(|body: Value| body["error"]["message"].is_string())
    {
        return upstream.body.clone();
    }
    Bytes::from(to_value(error).to_string())
}

/// The `error` of a failed response. Codex compacts, waits or gives up by `code`.
pub(super) fn of_response(error: &Error) -> Value {
    let own = error.upstream().filter(|answer| answer.dialect == ID);
    let own = own.and_then(|answer| serde_json::from_slice::<Value>(&answer.body).ok());
    let own_code = own.as_ref().and_then(Value::as_object);
    let own_code = own_code.and_then(|body| object(body, "error"));
    let own_code = own_code.and_then(|error| text(error, "code"));
    let code = match error.kind() {
        Kind::RateLimited | Kind::ProviderRateLimited => "rate_limit_exceeded",
        Kind::ProviderOverloaded | Kind::NoCandidate | Kind::ShuttingDown => "server_is_overloaded",
        Kind::BudgetExhausted | Kind::ProviderBilling => "insufficient_quota",
        Kind::ContextTooLong => "context_length_exceeded",
        Kind::ProviderFailed
        | Kind::ProviderUnreachable
        | Kind::ProviderTimeout
        | Kind::ProviderMalformed
        | Kind::ProviderTooLarge
        | Kind::Internal => own_code.unwrap_or("server_error"),
        kind => own_code.unwrap_or(kind.row().code),
    };
    json!({ "code": code, "message": error.full_message() })
}
