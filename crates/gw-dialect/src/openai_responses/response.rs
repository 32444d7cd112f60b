//! A provider's whole answer into canonical form. Lenient: what cannot be read is absent, and only an
//! answer without `output` is refused. Whole answers are written by the stream encoder's items.

use gw_core::chat::Part;
use gw_core::reply::{ChatReply, Choice, Stop, StopReason};
use gw_core::{Error, Kind, Result};
use serde_json::{Map, Value, json};

use super::request::is_client_call;
use super::{ID, citations, error, reasoning, tool_names, usage};
use crate::json::natural;
use crate::openai_chat::value::{items, object, text, words};

/// Reads a body of status 2xx.
pub(super) fn decode(body: &[u8]) -> Result<ChatReply> {
    let value: Value = serde_json::from_slice(body).map_err(|cause| {
        Error::new(Kind::ProviderMalformed, "the provider's answer is not JSON").with_source(cause)
    })?;
    let Value::Object(response) = value else {
        return Err(malformed("the provider's answer is no JSON object"));
    };
    if let Some(failure) = failure(&response) {
        return Err(failure);
    }
    if !response.get("output").is_some_and(Value::is_array) {
        return Err(malformed("the provider's answer has no `output`"));
    }
    let output = items(&response, "output").iter().filter_map(Value::as_object);
    let mut parts = Vec::new();
    let mut logprobs = Vec::new();
    for item in output {
        parts.extend(item_parts(item));
        logprobs.extend(item_logprobs(item));
    }
    let stop = Some(stop_of(&response, parts.iter().any(is_call)));
    let logprobs = (!logprobs.is_empty()).then(|| as_logprobs(&logprobs));
    let head = Head::read(&response);
    Ok(ChatReply {
        id: head.id,
        model: head.model,
        created_s: head.created_s,
        choices: vec![Choice { index: 0, parts, stop, logprobs }],
        usage: usage::decode(&response).unwrap_or_default(),
    })
}

fn malformed(message: &str) -> Error {
    Error::new(Kind::ProviderMalformed, message)
}

/// The error of a response that failed, or of a body that is one.
pub(super) fn failure(response: &Map<String, Value>) -> Option<Error> {
    let is_failed = matches!(text(response, "status"), Some("failed" | "cancelled"));
    let has_error = response.get("error").is_some_and(|error| !error.is_null());
    (is_failed || has_error).then(|| error::in_band(response))
}

/// What a response says of itself.
pub(super) struct Head {
    /// Its id.
    pub(super) id: String,
    /// The model that answers.
    pub(super) model: String,
    /// When it began, in seconds since 1970.
    pub(super) created_s: Option<i64>,
}

impl Head {
    /// Reads a response object.
    pub(super) fn read(response: &Map<String, Value>) -> Self {
        let own = |key: &str| text(response, key).unwrap_or_default().to_owned();
        let created = response.get("created_at").and_then(natural);
        let created_s = created.and_then(|created| i64::try_from(created).ok());
        Self { id: own("id"), model: own("model"), created_s }
    }
}

/// True for parts that the client has to answer.
pub(super) fn is_call(part: &Part) -> bool {
    match part {
        Part::ToolCall { .. } => true,
        Part::Opaque { dialect: ID, value } => is_client_call(value),
        _ => false,
    }
}

/// The parts of an output item.
pub(super) fn item_parts(item: &Map<String, Value>) -> Vec<Part> {
    match text(item, "type") {
        Some("message") => items(item, "content").iter().filter_map(content_part).collect(),
        Some("function_call") => vec![Part::ToolCall {
            id: call_id(item),
            name: tool_names::of_call(item),
            arguments: arguments_of(item),
            cache: None,
        }],
        Some("custom_tool_call") => vec![Part::ToolCall {
            id: call_id(item),
            name: tool_names::of_call(item),
            arguments: tool_names::arguments_of_input(text(item, "input").unwrap_or_default()),
            cache: None,
        }],
        Some("reasoning") => {
            let parts = reasoning::parts(item);
            // Without words and without what is encrypted it is a name for what the provider keeps.
            if parts.is_empty() && words(item, "id").is_some() { vec![opaque(item)] } else { parts }
        }
        Some(_) => vec![opaque(item)],
        None => Vec::new(),
    }
}

fn opaque(item: &Map<String, Value>) -> Part {
    Part::Opaque { dialect: ID, value: Value::Object(item.clone()) }
}

/// A content part of a message; `None` for an empty text that cites nothing.
pub(super) fn content_part(content: &Value) -> Option<Part> {
    let object = content.as_object()?;
    match text(object, "type") {
        Some("output_text" | "text") => {
            let text = text(object, "text").unwrap_or_default().to_owned();
            let citations: Vec<Value> =
                items(object, "annotations").iter().filter_map(citations::decode).collect();
            let is_nothing = text.is_empty() && citations.is_empty();
            (!is_nothing).then_some(Part::Text { text, citations, cache: None })
        }
        Some("refusal") => Some(Part::Refusal { text: words(object, "refusal")?.to_owned() }),
        Some(_) => {
            let value = json!({ "type": "message", "role": "assistant", "content": [content] });
            Some(Part::Opaque { dialect: ID, value })
        }
        None => None,
    }
}

/// What joins a call to its output; some servers give only the item's id.
pub(super) fn call_id(item: &Map<String, Value>) -> String {
    words(item, "call_id").or_else(|| words(item, "id")).unwrap_or_default().to_owned()
}

/// Arguments as JSON text; some servers send the object itself.
pub(super) fn arguments_of(item: &Map<String, Value>) -> String {
    match item.get("arguments") {
        Some(Value::String(arguments)) => arguments.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

/// The log probabilities of a message's texts.
pub(super) fn item_logprobs(item: &Map<String, Value>) -> Vec<Value> {
    let content = items(item, "content").iter().filter_map(Value::as_object);
    content.flat_map(|part| items(part, "logprobs").iter().cloned()).collect()
}

/// Log probabilities in the shape of chat completions, whose entries are the same.
pub(super) fn as_logprobs(entries: &[Value]) -> Value {
    json!({ "content": entries, "refusal": null })
}

/// Why a response ended.
pub(super) fn stop_of(response: &Map<String, Value>, has_calls: bool) -> Stop {
    let details = object(response, "incomplete_details");
    let why = details.and_then(|details| text(details, "reason"));
    let reason = match (text(response, "status"), why) {
        (Some("incomplete"), Some("max_output_tokens" | "max_tokens")) => StopReason::MaxTokens,
        (Some("incomplete"), Some("content_filter")) => StopReason::Refusal,
        (Some("incomplete"), Some(other)) => StopReason::Other(other.to_owned()),
        (Some("incomplete"), None) => StopReason::MaxTokens,
        // A response in the background that is not done.
        (Some(status @ ("queued" | "in_progress")), _) => StopReason::Other(status.to_owned()),
        _ if has_calls => StopReason::ToolUse,
        _ => StopReason::EndTurn,
    };
    Stop::from(reason)
}

/// Status and `incomplete_details` for a reason. What this format has no word for is `completed`.
pub(super) fn status_of(reason: Option<&StopReason>) -> (&str, Value) {
    match reason {
        Some(StopReason::MaxTokens | StopReason::ContextWindow) => {
            ("incomplete", json!({ "reason": "max_output_tokens" }))
        }
        Some(StopReason::Refusal) => ("incomplete", json!({ "reason": "content_filter" })),
        Some(StopReason::Other(word)) if word == "queued" || word == "in_progress" => {
            (word, Value::Null)
        }
        Some(StopReason::Other(word)) => ("incomplete", json!({ "reason": word })),
        Some(
            StopReason::EndTurn
            | StopReason::StopSequence
            | StopReason::ToolUse
            | StopReason::PauseTurn,
        )
        | None => ("completed", Value::Null),
    }
}
