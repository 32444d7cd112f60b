//! Errors: `{"message":…}` with the exception's name in `x-amzn-errortype`, or in a frame's header.

use bytes::Bytes;
use gw_core::{Error, Kind};
use http::HeaderMap;
use serde_json::{Value, json};

use super::ID;
use crate::http_error::{Words, refusal};

/// Reads a refusal.
pub(super) fn decode(status: u16, headers: &HeaderMap, body: &Bytes) -> Error {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let header = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
    let name = header.or_else(|| value["__type"].as_str()).unwrap_or_default();
    // `ValidationException:http://internal…`, `com.amazon.coral.service#Name`.
    let name = name.split(':').next().unwrap_or_default();
    let name = name.rsplit('#').next().unwrap_or_default();
    refusal(ID, status, headers, body, words(name, &value, status))
}

/// Reads an exception inside a stream.
pub(super) fn decode_inline(name: &str, body: &Value) -> Error {
    let raw = Bytes::from(body.to_string());
    refusal(ID, 0, &HeaderMap::new(), &raw, words(name, body, 0))
}

fn words(name: &str, body: &Value, status: u16) -> Words {
    let texts = [&body["message"], &body["Message"]];
    let message = texts.into_iter().find_map(Value::as_str).unwrap_or_default();
    let kind = of_message(message).or_else(|| of_name(name));
    let kind = kind.or((status == 0).then_some(Kind::ProviderFailed));
    Words { message: message.to_owned(), kind }
}

fn of_message(message: &str) -> Option<Kind> {
    let lower = message.to_lowercase();
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| lower.contains(phrase));
    let too_long = [
        "input tokens exceeded",
        "input is too long",
        "too many input tokens",
        "prompt is too long",
        "exceeds maximum length",
        "context length",
        "context window",
    ];
    // A key may be fine and one model not open to its account.
    let no_model =
        ["model identifier is invalid", "have access to the model", "resource not found: model"];
    if has(&too_long) {
        Some(Kind::ContextTooLong)
    } else if has(&no_model) {
        Some(Kind::ModelNotFound)
    } else {
        None
    }
}

/// The kind of an exception; names are written with a small letter inside streams.
fn of_name(name: &str) -> Option<Kind> {
    let is = |names: &[&str]| names.iter().any(|it| it.eq_ignore_ascii_case(name));
    if is(&["ThrottlingException", "ServiceQuotaExceededException", "TooManyRequestsException"]) {
        Some(Kind::ProviderRateLimited)
    } else if is(&["AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException"])
        || is(&["InvalidSignatureException", "MissingAuthenticationTokenException"])
    {
        Some(Kind::ProviderAuth)
    } else if is(&["ModelNotReadyException", "ServiceUnavailableException"]) {
        Some(Kind::ProviderOverloaded)
    } else if is(&["ResourceNotFoundException"]) {
        Some(Kind::ModelNotFound)
    } else if is(&["ModelTimeoutException"]) {
        Some(Kind::ProviderTimeout)
    } else if is(&["ModelErrorException", "ModelStreamErrorException", "InternalServerException"]) {
        Some(Kind::ProviderFailed)
    } else if is(&["ValidationException"]) {
        Some(Kind::ProviderRejected)
    } else {
        None
    }
}

/// The exception that a client of this format expects for a kind.
pub(super) fn name_of(kind: Kind) -> &'static str {
    match kind.row().status {
        429 => "throttlingException",
        503 | 529 => "serviceUnavailableException",
        400..=499 => "validationException",
        _ => "internalServerException",
    }
}

/// Writes an error body; the provider's own where it spoke this format.
pub(super) fn encode(error: &Error) -> Bytes {
    if let Some(answer) = error.upstream()
        && answer.dialect == ID
        && serde_json::from_slice(&answer.body).is_ok_and(|body: Value| body["message"].is_string())
    {
        return answer.body.clone();
    }
    Bytes::from(json!({ "message": error.full_message() }).to_string())
}
