//! Whole answers.

use bytes::Bytes;
use gw_core::chat::Part;
use gw_core::reply::{ChatReply, Choice, StopReason};
use gw_core::seam::ClientStream;
use gw_core::{Error, Kind, Result};
use serde_json::{Map, Value, json};

use super::{Form, error, request, usage};
use crate::arguments;
use crate::time::{read_rfc3339_s, write_rfc3339};

/// A breach of the format by the provider.
pub(super) fn malformed(message: &str) -> Error {
    Error::new(Kind::ProviderMalformed, message)
}

/// Reads an answer of status 2xx, of either endpoint.
pub(super) fn decode(body: &[u8]) -> Result<ChatReply> {
    let value: Value =
        serde_json::from_slice(body).map_err(|_| malformed("the provider's answer is not JSON"))?;
    let Some(reply) = value.as_object() else {
        return Err(malformed("the provider's answer is no JSON object"));
    };
    if is_error(reply) {
        return Err(error::decode_inline(&value));
    }
    if !reply.contains_key("message") && !reply.contains_key("response") {
        return Err(malformed("the provider's answer has no `message`"));
    }
    let mut calls = 0;
    let parts = read_parts(reply, &mut calls);
    let has_calls = calls > 0;
    Ok(ChatReply {
        id: String::new(),
        model: text(reply, "model").to_owned(),
        created_s: created_s(reply),
        choices: vec![Choice {
            index: 0,
            parts,
            stop: Some(read_stop(reply, has_calls).into()),
            logprobs: read_logprobs(reply),
        }],
        usage: usage::read(reply),
    })
}

/// True for a message that is an error whatever its status says.
pub(super) fn is_error(message: &Map<String, Value>) -> bool {
    message.get("error").is_some_and(|error| !error.is_null())
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// When the message was made.
pub(super) fn created_s(message: &Map<String, Value>) -> Option<i64> {
    read_rfc3339_s(text(message, "created_at"))
}

/// The parts of an answer or of a line of a stream. `calls` counts those of the whole answer.
pub(super) fn read_parts(message: &Map<String, Value>, calls: &mut usize) -> Vec<Part> {
    let inner = message.get("message").and_then(Value::as_object);
    let holder = inner.unwrap_or(message);
    let words = if inner.is_some() { "content" } else { "response" };
    let mut parts = Vec::new();
    let thinking = text(holder, "thinking");
    if !thinking.is_empty() {
        parts.push(Part::Thinking { text: thinking.to_owned(), signature: None });
    }
    if !text(holder, words).is_empty() {
        parts.push(Part::text(text(holder, words)));
    }
    let list = holder.get("tool_calls").and_then(Value::as_array);
    for call in list.into_iter().flatten() {
        let function = &call["function"];
        let Some(name) = function["name"].as_str() else { continue };
        let id = match call["id"].as_str() {
            Some(id) if !id.is_empty() => id.to_owned(),
            _ => made_id(message, *calls),
        };
        *calls += 1;
        let arguments = request::read_arguments(function.get("arguments"));
        parts.push(Part::ToolCall { id, name: name.to_owned(), arguments, cache: None });
    }
    parts
}

/// The id of a call whose provider gave none: the same whenever the same answer is read, and another
/// one in another answer.
fn made_id(message: &Map<String, Value>, place: usize) -> String {
    let moment: String =
        text(message, "created_at").chars().filter(char::is_ascii_digit).take(20).collect();
    format!("call_{moment}_{place}")
}

/// Why the answer ended.
pub(super) fn read_stop(message: &Map<String, Value>, has_calls: bool) -> StopReason {
    match text(message, "done_reason") {
        "length" => StopReason::MaxTokens,
        "stop" | "" if has_calls => StopReason::ToolUse,
        "stop" | "" => StopReason::EndTurn,
        other => StopReason::Other(other.to_owned()),
    }
}

/// The word for a reason. Clients know two, so what has no word of its own is `stop`.
pub(super) fn write_stop(reason: &StopReason) -> &str {
    match reason {
        StopReason::MaxTokens | StopReason::ContextWindow => "length",
        StopReason::Other(word) if matches!(word.as_str(), "load" | "unload") => word,
        StopReason::EndTurn
        | StopReason::StopSequence
        | StopReason::ToolUse
        | StopReason::Refusal
        | StopReason::PauseTurn
        | StopReason::Other(_) => "stop",
    }
}

/// Log probabilities: a list here, an object with that list elsewhere.
pub(super) fn read_logprobs(message: &Map<String, Value>) -> Option<Value> {
    let list = message.get("logprobs").and_then(Value::as_array)?;
    (!list.is_empty()).then(|| json!({ "content": list }))
}

/// The list of [`read_logprobs`]; `None` where there is none.
pub(super) fn write_logprobs(logprobs: &Value) -> Option<&Value> {
    logprobs.get("content").filter(|list| list.is_array())
}

/// What every message begins with.
pub(super) fn head(model: &str, created_s: i64) -> Map<String, Value> {
    let mut head = Map::new();
    head.insert("model".to_owned(), Value::from(model));
    head.insert("created_at".to_owned(), Value::from(write_rfc3339(created_s)));
    head
}

/// The model name to show.
pub(super) fn shown_model<'a>(model: &'a str, client: &'a ClientStream) -> &'a str {
    if client.model.is_empty() { model } else { &client.model }
}

/// Puts words, thoughts and calls where the form has them.
pub(super) fn put_said(
    form: Form,
    words: &str,
    thoughts: &str,
    calls: Vec<Value>,
    message: &mut Map<String, Value>,
) {
    let mut inner = Map::new();
    let holder = match form {
        Form::Chat => {
            inner.insert("role".to_owned(), Value::from("assistant"));
            inner.insert("content".to_owned(), Value::from(words));
            &mut inner
        }
        Form::Generate => {
            message.insert("response".to_owned(), Value::from(words));
            &mut *message
        }
    };
    if !thoughts.is_empty() {
        holder.insert("thinking".to_owned(), Value::from(thoughts));
    }
    if !calls.is_empty() {
        holder.insert("tool_calls".to_owned(), Value::Array(calls));
    }
    if form == Form::Chat {
        message.insert("message".to_owned(), Value::Object(inner));
    }
}

/// A call as an answer holds it.
pub(super) fn write_call(id: &str, name: &str, arguments: &str, index: usize) -> Value {
    json!({
        "id": id,
        "function": {"index": index, "name": name, "arguments": arguments::write(arguments)},
    })
}

/// Writes an answer. Only the first choice, without what only other formats have.
pub(super) fn encode(reply: &ChatReply, client: &ClientStream, form: Form) -> Bytes {
    let (mut words, mut thoughts, mut calls) = (String::new(), String::new(), Vec::new());
    let choice = reply.choices.first();
    for part in choice.map_or(&[][..], |choice| &choice.parts) {
        match part {
            Part::Text { text, .. } | Part::Refusal { text } => words.push_str(text),
            Part::Thinking { text, .. } => thoughts.push_str(text),
            Part::ToolCall { id, name, arguments, .. } => {
                calls.push(write_call(id, name, arguments, calls.len()));
            }
            _ => {}
        }
    }
    let created_s = reply.created_s.unwrap_or(client.created_s);
    let mut body = head(shown_model(&reply.model, client), created_s);
    put_said(form, &words, &thoughts, calls, &mut body);
    let stop = choice.and_then(|choice| choice.stop.as_ref());
    let reason = stop.map_or("stop", |stop| write_stop(&stop.reason));
    body.insert("done".to_owned(), Value::Bool(true));
    body.insert("done_reason".to_owned(), Value::from(reason));
    let logprobs = choice.and_then(|choice| choice.logprobs.as_ref()).and_then(write_logprobs);
    if let Some(list) = logprobs {
        body.insert("logprobs".to_owned(), list.clone());
    }
    usage::write(&reply.usage, &mut body);
    Bytes::from(Value::Object(body).to_string())
}
