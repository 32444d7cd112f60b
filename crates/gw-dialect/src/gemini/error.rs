//! Error bodies: `{"error":{"code":…,"message":…,"status":…,"details":[…]}}`, where a stream was
//! asked for also as the only item of an array. The words are those of google.rpc.Code and
//! google.rpc.Status details.

use bytes::Bytes;
use gw_core::error::Retry;
use gw_core::limits::ERROR_BODY_BYTES_MAX;
use gw_core::{Error, Kind};
use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::ID;
use crate::http_error::{Words, kind_of_status, refusal};

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";
const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";

/// Under this domain the gateway's own kinds stand in an `ErrorInfo`.
const OWN_DOMAIN: &str = "ai-mcp-gateway";

/// What Google says when a prompt does not fit.
const TOO_LONG: &str = "exceeds the maximum number of tokens allowed";

/// Reads a refusal.
pub(super) fn decode(status: u16, headers: &HeaderMap, body: &Bytes) -> Error {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    judge(status, headers, &value, body)
}

/// Reads an error inside a stream or in a body of status 200.
pub(super) fn decode_inline(body: &Value) -> Error {
    judge(0, &HeaderMap::new(), body, &Bytes::new())
}

/// The `error` object of a body; `None` where there is none.
pub(super) fn error_of(body: &Value) -> Option<&Map<String, Value>> {
    let body = body.as_array().and_then(|items| items.first()).unwrap_or(body);
    body.get("error")?.as_object()
}

fn judge(status: u16, headers: &HeaderMap, body: &Value, raw: &Bytes) -> Error {
    let Some(error) = error_of(body) else {
        return refusal(ID, status, headers, raw, Words::default());
    };
    let facts = Facts::read(error);
    let kind = facts.kind(status);
    let words = Words { message: facts.message.clone(), kind: Some(kind) };
    let mut judged = refusal(ID, status, headers, &shareable(error), words);
    if let Some(field) = facts.field {
        judged = judged.with_field(field);
    }
    if facts.is_of_the_place || kind == Kind::PayloadTooLarge {
        judged = judged.with_retry(Retry::Next);
    }
    match facts.retry_after_ms {
        Some(wait_ms) if judged.retry_after_ms().is_none() => judged.with_retry_after_ms(wait_ms),
        _ => judged,
    }
}

/// What an error says.
struct Facts {
    message: String,
    code: Option<u16>,
    status: String,
    reasons: Vec<String>,
    field: Option<String>,
    retry_after_ms: Option<u64>,
    /// True where Google refuses the caller's country: another provider may not.
    is_of_the_place: bool,
}

impl Facts {
    fn read(error: &Map<String, Value>) -> Self {
        let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
        let details = || error.get("details").and_then(Value::as_array).into_iter().flatten();
        let violation = details()
            .filter_map(|detail| detail["fieldViolations"].as_array())
            .flatten()
            .find_map(|violation| violation["field"].as_str());
        let delay = details().find_map(|detail| duration_ms(detail.get("retryDelay")?));
        let code = error.get("code").and_then(Value::as_u64);
        let message = text("message").trim().to_owned();
        Self {
            is_of_the_place: message.contains("location is not supported"),
            code: code.and_then(|code| u16::try_from(code).ok()),
            status: text("status").to_owned(),
            reasons: details()
                .filter_map(|detail| detail["reason"].as_str().map(str::to_owned))
                .collect(),
            field: violation.filter(|field| !field.is_empty()).map(str::to_owned),
            retry_after_ms: delay.or_else(|| told_delay_ms(&message)),
            message,
        }
    }

    fn kind(&self, status: u16) -> Kind {
        let message = self.message.to_lowercase();
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| message.contains(phrase));
        let reason = |reasons: &[&str]| self.reasons.iter().any(|it| reasons.contains(&&**it));
        if says(&[TOO_LONG, "input token count", "exceeds the limit of tokens"])
            && !says(&["quota"])
        {
            return Kind::ContextTooLong;
        }
        if reason(KEY_REASONS) || says(KEY_WORDS) {
            return Kind::ProviderAuth;
        }
        if reason(&["BILLING_DISABLED"]) || says(BILLING_WORDS) {
            return Kind::ProviderBilling;
        }
        // A file or a cache of another key is a mistake of the request, not of the key.
        let is_about_an_object = says(&["permission to access the file", "cachedcontent"]);
        if matches!(self.status.as_str(), "PERMISSION_DENIED" | "NOT_FOUND") && is_about_an_object {
            return Kind::ProviderRejected;
        }
        let stated = if status == 0 { self.code } else { Some(status) };
        match (self.status.as_str(), stated) {
            // Overload is told with several statuses.
            ("UNAVAILABLE", status) if status != Some(502) => Kind::ProviderOverloaded,
            ("DEADLINE_EXCEEDED", _) => Kind::ProviderTimeout,
            ("CANCELLED", _) => Kind::ProviderFailed,
            (_, Some(status)) if (400..600).contains(&status) => kind_of_status(status),
            (word, _) => kind_of_word(word),
        }
    }
}

const KEY_REASONS: &[&str] = &[
    "API_KEY_INVALID",
    "API_KEY_EXPIRED",
    "API_KEY_SERVICE_BLOCKED",
    "SERVICE_DISABLED",
    "ACCESS_TOKEN_EXPIRED",
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
    "CREDENTIALS_MISSING",
    "CONSUMER_INVALID",
];
const KEY_WORDS: &[&str] = &["api key not valid", "api key expired", "api key was reported"];
const BILLING_WORDS: &[&str] = &[
    "billing account",
    "enable billing",
    "billing to be enabled",
    "credits are depleted",
    "monthly spending cap",
    "prepayment",
];

/// For errors without a usable status.
fn kind_of_word(word: &str) -> Kind {
    match word {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" | "UNIMPLEMENTED" => {
            Kind::ProviderRejected
        }
        "UNAUTHENTICATED" | "PERMISSION_DENIED" => Kind::ProviderAuth,
        "NOT_FOUND" => Kind::ModelNotFound,
        "RESOURCE_EXHAUSTED" => Kind::ProviderRateLimited,
        _ => Kind::ProviderFailed,
    }
}

/// A duration of protocol buffers: `"48.9s"`, or an object of seconds and nanoseconds.
fn duration_ms(value: &Value) -> Option<u64> {
    let seconds = match value {
        Value::String(text) => text.strip_suffix('s')?.parse::<f64>().ok()?,
        value => {
            let seconds = value.get("seconds")?;
            let whole = seconds.as_f64().or_else(|| seconds.as_str()?.parse().ok())?;
            whole + value.get("nanos").and_then(Value::as_f64).unwrap_or(0.0) / 1e9
        }
    };
    whole_ms(seconds)
}

/// `Please retry in 48.939935699s.`
fn told_delay_ms(message: &str) -> Option<u64> {
    let (_, rest) = message.split_once("retry in ")?;
    let number = rest.split('s').next()?;
    whole_ms(number.parse().ok()?)
}

/// Seconds as milliseconds, rounded up; `None` below zero or beyond a year.
fn whole_ms(seconds: f64) -> Option<u64> {
    let ms = (seconds * 1000.0).ceil();
    let is_sane = (0.0..=366.0 * 86_400_000.0).contains(&ms);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    is_sane.then_some(ms as u64)
}

/// The body as a client may see it: alone, and without what names the gateway's project at Google.
fn shareable(error: &Map<String, Value>) -> Bytes {
    let mut error = error.clone();
    if let Some(details) = error.get_mut("details").and_then(Value::as_array_mut) {
        for detail in details.iter_mut().filter_map(Value::as_object_mut) {
            detail.remove("metadata");
        }
    }
    let body = json!({ "error": error }).to_string();
    if body.len() <= ERROR_BODY_BYTES_MAX { Bytes::from(body) } else { Bytes::new() }
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
    let row = error.kind().row();
    let mut message = error.full_message();
    if error.kind() == Kind::ContextTooLong && !message.to_lowercase().contains(TOO_LONG) {
        message = format!("The input token count {TOO_LONG}. {message}");
    }
    let mut details = vec![json!({
        "@type": ERROR_INFO,
        "reason": row.code.to_ascii_uppercase(),
        "domain": OWN_DOMAIN,
    })];
    if let Some(wait_ms) = error.retry_after_ms().filter(|_| row.client_may_retry) {
        let seconds = format!("{}.{:03}s", wait_ms / 1000, wait_ms % 1000);
        details.push(json!({"@type": RETRY_INFO, "retryDelay": seconds}));
    }
    let body = json!({ "error": {
        "code": row.status,
        "message": message,
        "status": row.gemini_status,
        "details": details,
    }});
    Bytes::from(body.to_string())
}

/// The error as one line, for a stream.
pub(super) fn encode_line(error: &Error) -> String {
    let body = encode(error);
    let value: Value = serde_json::from_slice(&body).unwrap_or_default();
    value.to_string()
}
