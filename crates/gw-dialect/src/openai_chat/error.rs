//! Refusals: what a provider's error body says, and how an error is told to a client.
//!
//! Statuses and `Retry-After` are [`crate::http_error`]'s; here are the shapes and words of this
//! format and of the servers that almost follow it.

use bytes::Bytes;
use gw_core::limits::ERROR_BODY_BYTES_MAX;
use gw_core::seam::DialectId;
use gw_core::{Error, Kind, Retry};
use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::value::{items, object, text, words};
use crate::http_error::{self, Words};

const ID: DialectId = DialectId::OpenAiChat;

/// Longest part of a provider's message that is passed on, in characters.
const MESSAGE_CHARS_MAX: usize = 2_000;

/// Reads a body of status 4xx or 5xx.
pub(super) fn decode(status: u16, headers: &HeaderMap, body: &Bytes) -> Error {
    decode_as(ID, status, headers, body)
}

/// The same for a dialect that has the error bodies of this one.
pub(crate) fn decode_as(
    dialect: DialectId,
    status: u16,
    headers: &HeaderMap,
    body: &Bytes,
) -> Error {
    let judge = |status, headers: &HeaderMap, answer: &Map<String, Value>, body| {
        judge(dialect, status, headers, answer, body)
    };
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(answer)) => judge(status, headers, &answer, body.clone()),
        // Some gateways in front of a provider answer with an array of one error.
        Ok(Value::Array(answers)) => match answers.into_iter().next() {
            Some(Value::Object(answer)) => judge(status, headers, &answer, Bytes::new()),
            _ => judge(status, headers, &Map::new(), Bytes::new()),
        },
        _ => judge(status, headers, &plain_text(body), Bytes::new()),
    }
}

/// Reads the error that a 200 body or a stream carries: an object with an `error` member.
pub(super) fn in_band(answer: &Map<String, Value>) -> Error {
    in_band_as(ID, answer)
}

/// The same for a dialect that has the error objects of this one.
pub(crate) fn in_band_as(dialect: DialectId, answer: &Map<String, Value>) -> Error {
    let body = Bytes::from(json!({ "error": answer.get("error") }).to_string());
    judge(dialect, 0, &HeaderMap::new(), answer, body)
}

/// A body that is not JSON: its text, unless it is a page for browsers.
fn plain_text(body: &Bytes) -> Map<String, Value> {
    let mut answer = Map::new();
    let text = std::str::from_utf8(body).unwrap_or_default().trim();
    if !text.starts_with('<') && text.len() <= MESSAGE_CHARS_MAX {
        answer.insert("message".to_owned(), json!(text));
    }
    answer
}

fn judge(
    dialect: DialectId,
    status: u16,
    headers: &HeaderMap,
    answer: &Map<String, Value>,
    body: Bytes,
) -> Error {
    let facts = Facts::read(answer);
    let effective = match (status, facts.stated_status) {
        (0, Some(stated)) => stated,
        (status, _) => status,
    };
    let kind = facts.kind(effective);
    let kind = kind.or_else(|| (effective != 0).then(|| http_error::kind_of_status(effective)));
    let words = Words { message: facts.message, kind };
    let mut error = http_error::refusal(dialect, status, headers, &shareable(answer, body), words);
    if let Some(param) = facts.param {
        error = error.with_field(param);
    }
    // Another candidate may take more.
    if error.kind() == Kind::PayloadTooLarge { error.with_retry(Retry::Next) } else { error }
}

/// The body as a client may see it: members beside `error` may name the gateway's account at the
/// provider (OpenRouter's `user_id`).
fn shareable(answer: &Map<String, Value>, body: Bytes) -> Bytes {
    match answer.get("error") {
        Some(Value::Object(_)) if answer.len() == 1 && body.len() <= ERROR_BODY_BYTES_MAX => body,
        Some(error @ Value::Object(_)) => Bytes::from(json!({ "error": error }).to_string()),
        _ => Bytes::new(),
    }
}

/// What an error body says, wherever it says it.
struct Facts {
    message: String,
    /// `type` and `code`, in small letters.
    labels: Vec<String>,
    param: Option<String>,
    /// A status that the body states: OpenRouter's numeric `code`, Azure's in quotes.
    stated_status: Option<u16>,
    /// True where OpenRouter's moderation says why.
    is_moderated: bool,
}

impl Facts {
    fn read(answer: &Map<String, Value>) -> Self {
        let error = object(answer, "error").unwrap_or(answer);
        let label = |value: Option<&Value>| match value {
            Some(Value::String(label)) => Some(label.to_ascii_lowercase()),
            Some(Value::Number(label)) => Some(label.to_string()),
            _ => None,
        };
        let inner = object(error, "innererror").and_then(|inner| inner.get("code"));
        let labels: Vec<String> =
            [error.get("type"), error.get("code"), answer.get("type"), answer.get("code"), inner]
                .into_iter()
                .filter_map(label)
                .collect();
        let stated = labels.iter().find_map(|label| label.parse().ok());
        let metadata = object(error, "metadata");
        Self {
            message: message_of(answer, error),
            param: words(error, "param").map(str::to_owned),
            stated_status: stated.filter(|status| (400..600).contains(status)),
            is_moderated: metadata.is_some_and(|metadata| !items(metadata, "reasons").is_empty()),
            labels,
        }
    }

    fn kind(&self, status: u16) -> Option<Kind> {
        let message = self.message.to_ascii_lowercase();
        let says = |fragments: &[&str]| fragments.iter().any(|text| message.contains(text));
        let labelled = |labels: &[&str]| self.labels.iter().any(|have| labels.contains(&&**have));

        // A rate limit may speak of tokens too; it keeps its status.
        if status != 429 && (labelled(CONTEXT_LABELS) || says(CONTEXT_WORDS)) {
            return Some(Kind::ContextTooLong);
        }
        if status == 402 || labelled(BILLING_LABELS) || says(BILLING_WORDS) {
            return Some(Kind::ProviderBilling);
        }
        if self.is_moderated || labelled(FILTER_LABELS) || says(FILTER_WORDS) {
            return Some(Kind::ContentFiltered);
        }
        if labelled(MODEL_LABELS) || matches!(status, 0 | 400 | 422) && says(MODEL_WORDS) {
            return Some(Kind::ModelNotFound);
        }
        // xAI answers 400 where others answer 401; the words quote the gateway's own key.
        if status == 400 && (labelled(&["invalid_api_key"]) || says(KEY_WORDS)) {
            return Some(Kind::ProviderAuth);
        }
        match status {
            0 => Some(self.kind_by_label()),
            _ => None,
        }
    }

    /// For errors without a status, inside streams and 200 bodies.
    fn kind_by_label(&self) -> Kind {
        let labelled = |labels: &[&str]| self.labels.iter().any(|have| labels.contains(&&**have));
        if labelled(&["rate_limit_exceeded", "rate_limit_error", "too_many_requests", "requests"]) {
            Kind::ProviderRateLimited
        } else if labelled(OVERLOAD_LABELS) {
            Kind::ProviderOverloaded
        } else if labelled(&["invalid_request_error", "bad_request", "badrequesterror"]) {
            Kind::ProviderRejected
        } else if labelled(&["authentication_error", "invalid_api_key", "permission_error"]) {
            Kind::ProviderAuth
        } else {
            Kind::ProviderFailed
        }
    }
}

/// The last two stand in streams of the responses format.
const OVERLOAD_LABELS: &[&str] = &[
    "overloaded_error",
    "service_unavailable",
    "engine_overloaded",
    "server_is_overloaded",
    "slow_down",
];
const KEY_WORDS: &[&str] = &["incorrect api key", "invalid api key", "api key not valid"];
const CONTEXT_LABELS: &[&str] =
    &["context_length_exceeded", "too_many_prompt_tokens", "exceed_context_size_error"];
const CONTEXT_WORDS: &[&str] = &[
    "maximum context length",
    "max context length",
    "context window",
    "context length exceeded",
    "exceeds the context length",
    "exceeds the available context size",
    "maximum prompt length",
    "prompt is too long",
    "prompt too long",
];
const BILLING_LABELS: &[&str] = &[
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "insufficient_balance",
    "payment_required",
];
const BILLING_WORDS: &[&str] = &[
    "insufficient balance",
    "insufficient credits",
    "insufficient funds",
    "out of credits",
    "have any credits",
];
const FILTER_LABELS: &[&str] = &[
    "content_filter",
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "image_content_policy_violation",
];
const FILTER_WORDS: &[&str] =
    &["content management policy", "content policy", "our usage policy", "safety system"];
const MODEL_LABELS: &[&str] =
    &["model_not_found", "unknown_model", "invalid_model", "deploymentnotfound", "model_not_exist"];
const MODEL_WORDS: &[&str] = &[
    "is not a valid model",
    "model not found",
    "model not exist",
    "unknown model",
    "invalid model",
    "no endpoints found",
];

/// The message: OpenAI's place, a string in place of the object, Mistral's `message`, FastAPI's
/// `detail`, and what OpenRouter wraps in `metadata.raw`.
fn message_of(answer: &Map<String, Value>, error: &Map<String, Value>) -> String {
    if let Some(raw) = object(error, "metadata").and_then(|metadata| words(metadata, "raw")) {
        // The wrapper's own message is only "Provider returned error".
        let inner = serde_json::from_str::<Value>(raw).ok();
        let inner = inner.as_ref().and_then(Value::as_object);
        let told = inner.map(|inner| message_of(inner, object(inner, "error").unwrap_or(inner)));
        return shorten(told.filter(|told| !told.is_empty()).as_deref().unwrap_or(raw));
    }
    let detail =
        answer.get("detail").or_else(|| error.get("message").and_then(|m| m.get("detail")));
    let found = words(error, "message")
        .or_else(|| words(answer, "error"))
        .or_else(|| words(answer, "message"))
        .or_else(|| words(answer, "detail"))
        .map(str::to_owned)
        .or_else(|| detail.and_then(fastapi_detail));
    shorten(&found.unwrap_or_default())
}

/// `[{"loc":["body","messages",0],"msg":"…"}]` as `body.messages.0: …`.
fn fastapi_detail(detail: &Value) -> Option<String> {
    let lines = detail.as_array()?.iter().filter_map(|item| {
        let item = item.as_object()?;
        let message = text(item, "msg")?;
        let place: Vec<String> = items(item, "loc")
            .iter()
            .map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned))
            .collect();
        Some(if place.is_empty() {
            message.to_owned()
        } else {
            format!("{}: {message}", place.join("."))
        })
    });
    Some(lines.collect::<Vec<String>>().join("; "))
}

fn shorten(message: &str) -> String {
    message.trim().chars().take(MESSAGE_CHARS_MAX).collect()
}

/// Writes an error body for a client; a provider's own words in this format are kept.
pub(super) fn encode(error: &Error) -> Bytes {
    if let Some(upstream) = error.upstream()
        && upstream.dialect == DialectId::OpenAiChat
        && !upstream.body.is_empty()
    {
        return upstream.body.clone();
    }
    Bytes::from(to_value(error).to_string())
}

/// The error as one line, for a stream.
pub(super) fn encode_line(error: &Error) -> String {
    let body = encode(error);
    let value: Option<Value> = serde_json::from_slice(&body).ok();
    value.unwrap_or_else(|| to_value(error)).to_string()
}

pub(crate) fn to_value(error: &Error) -> Value {
    let row = error.kind().row();
    json!({ "error": {
        "message": error.full_message(),
        "type": row.openai_type,
        "param": error.field(),
        "code": row.code,
    }})
}

#[cfg(test)]
mod tests;
