//! Whole answers.

use bytes::Bytes;
use gw_core::chat::Part;
use gw_core::reply::{ChatReply, Choice, StopReason};
use gw_core::seam::ClientStream;
use gw_core::{Error, Kind, Result, UsageReport};
use serde_json::{Map, Value, json};

use super::calls::Calls;
use super::meta::{self, Gathered, Meta};
use super::parts::{self, Place};
use super::{ID, error, names, usage};
use crate::json::Node;

/// Answers of one call that are followed; more than Google gives.
pub(super) const CHOICES_MAX: u32 = 128;

/// A breach of the format by the provider.
pub(super) fn malformed(message: &str) -> Error {
    Error::new(Kind::ProviderMalformed, message)
}

/// A breach of the format in a part.
pub(super) fn breaks_format(error: &Error) -> Error {
    malformed(&format!("the provider's answer breaks its format: {}", error.message()))
}

/// Reads an answer of status 2xx; a stream that came whole is an array of answers.
pub(super) fn decode(body: &[u8]) -> Result<ChatReply> {
    let value: Value =
        serde_json::from_slice(body).map_err(|_| malformed("the provider's answer is not JSON"))?;
    if error::error_of(&value).is_some() {
        return Err(error::decode_inline(&value));
    }
    let value = names::normalize(value);
    let Some(reply) = value.as_object() else {
        return Err(malformed("the provider's answer is no JSON object"));
    };
    read(reply)
}

fn read(reply: &Map<String, Value>) -> Result<ChatReply> {
    let text = |key: &str| reply.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (id, model) = (text("responseId"), text("modelVersion"));
    let candidates = candidates(reply);
    let mut choices = Vec::with_capacity(candidates.len());
    let mut searches: u64 = 0;
    for (place, candidate) in candidates.iter().enumerate() {
        let index = index_of(candidate, place);
        let (choice, gathered) = read_candidate(candidate, index, &id)?;
        searches = searches.saturating_add(gathered.searches(&model));
        choices.push(choice);
    }
    if choices.is_empty() {
        let refused = reply.get("promptFeedback").and_then(refused_choice);
        choices.push(refused.ok_or_else(|| malformed("the provider's answer has no candidates"))?);
    }
    let usage = reply.get("usageMetadata").and_then(Value::as_object);
    Ok(ChatReply {
        usage: usage.map(|usage| usage::read(usage, searches)).unwrap_or_default(),
        created_s: reply
            .get("createTime")
            .and_then(Value::as_str)
            .and_then(crate::time::read_rfc3339_s),
        id,
        model,
        choices,
    })
}

/// The candidates of an answer or of a chunk.
pub(super) fn candidates(reply: &Map<String, Value>) -> Vec<&Map<String, Value>> {
    let list = reply.get("candidates").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_object).collect()
}

/// The number of a candidate; its place where it has none.
pub(super) fn index_of(candidate: &Map<String, Value>, place: usize) -> u32 {
    let stated = candidate.get("index").and_then(crate::json::natural);
    let index = stated.and_then(|index| u32::try_from(index).ok());
    index.or_else(|| u32::try_from(place).ok()).unwrap_or(0)
}

/// The parts of a candidate or of a piece of one.
pub(super) fn read_parts(candidate: &Map<String, Value>, calls: &mut Calls) -> Result<Vec<Part>> {
    let mut out = Vec::new();
    let content = candidate.get("content").and_then(|content| content.get("parts"));
    for part in content.and_then(Value::as_array).into_iter().flatten() {
        parts::read(&Node::root(part), Place::Reply, calls, &mut out)
            .map_err(|error| breaks_format(&error))?;
    }
    Ok(out)
}

fn read_candidate(
    candidate: &Map<String, Value>,
    index: u32,
    answer_id: &str,
) -> Result<(Choice, Gathered)> {
    let mut calls = Calls::of_answer(answer_id, index);
    let mut joined: Vec<Part> = Vec::new();
    for part in read_parts(candidate, &mut calls)? {
        // Neighbouring texts become one, as they do in a stream.
        match (joined.last_mut(), part) {
            (Some(Part::Text { text, .. }), Part::Text { text: more, .. }) => text.push_str(&more),
            (
                Some(Part::Thinking { text, signature: signature @ None }),
                Part::Thinking { text: more, signature: signed },
            ) => {
                text.push_str(&more);
                *signature = signed;
            }
            (_, part) => joined.push(part),
        }
    }
    let mut gathered = Gathered::default();
    gathered.read(candidate);
    if joined.iter().any(|part| matches!(part, Part::ToolCall { .. })) {
        gathered.note_call();
    }
    cite(&mut joined, &gathered);
    joined.extend(gathered.rest().map(meta::opaque));
    let choice = Choice {
        index,
        parts: joined,
        stop: Some(gathered.stop().unwrap_or(StopReason::EndTurn).into()),
        logprobs: candidate.get("logprobsResult").and_then(meta::read_logprobs),
    };
    Ok((choice, gathered))
}

/// Gives citations to the last text, or to an empty one at the end.
fn cite(parts: &mut Vec<Part>, gathered: &Gathered) {
    let text = parts.iter_mut().rev().find_map(|part| match part {
        Part::Text { text, citations, .. } => Some((text, citations)),
        _ => None,
    });
    match text {
        Some((text, citations)) => *citations = gathered.citations(text),
        None => {
            let citations = gathered.citations("");
            if !citations.is_empty() {
                parts.push(Part::Text { text: String::new(), citations, cache: None });
            }
        }
    }
}

/// The answer to a prompt that Google's filter refused.
pub(super) fn refused_choice(feedback: &Value) -> Option<Choice> {
    let refusal = meta::refusal_of(feedback)?;
    let parts = vec![refusal, meta::opaque(meta::feedback_value(feedback))];
    Some(Choice { index: 0, parts, stop: Some(StopReason::Refusal.into()), logprobs: None })
}

/// Writes an answer.
pub(super) fn encode(reply: &ChatReply, client: &ClientStream) -> Bytes {
    let feedback = reply.choices.iter().flat_map(|choice| &choice.parts).find_map(own_feedback);
    let mut body = Map::new();
    if let Some(feedback) = feedback {
        body.insert("promptFeedback".to_owned(), feedback.clone());
    } else {
        let candidates: Vec<Value> = reply.choices.iter().map(write_candidate).collect();
        body.insert("candidates".to_owned(), Value::Array(candidates));
    }
    let head = Head::new(&reply.id, &reply.model, client);
    head.put(Some(&reply.usage), &mut body);
    Bytes::from(Value::Object(body).to_string())
}

fn own_feedback(part: &Part) -> Option<&Value> {
    match part {
        Part::Opaque { dialect: ID, value } => match Meta::of(value) {
            Some(Meta::Feedback(feedback)) => Some(feedback),
            _ => None,
        },
        _ => None,
    }
}

/// What stands in every answer and chunk beside the candidates.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) id: String,
    pub(super) model: String,
}

impl Head {
    /// Of an answer, as the client shall see it.
    pub(super) fn new(id: &str, model: &str, client: &ClientStream) -> Self {
        let id = if id.is_empty() { &client.fallback_id } else { id };
        let model = if client.model.is_empty() { model } else { &client.model };
        Self { id: id.to_owned(), model: model.to_owned() }
    }

    /// Puts it into a body.
    pub(super) fn put(&self, report: Option<&UsageReport>, body: &mut Map<String, Value>) {
        if let Some(report) = report {
            body.insert("usageMetadata".to_owned(), usage::write(report));
        }
        body.insert("modelVersion".to_owned(), Value::from(self.model.as_str()));
        body.insert("responseId".to_owned(), Value::from(self.id.as_str()));
    }
}

fn write_candidate(choice: &Choice) -> Value {
    let mut wire: Vec<Value> = Vec::new();
    let mut tail = Tail::default();
    for part in &choice.parts {
        write_part(part, &mut wire, &mut tail);
    }
    tail.logprobs = choice.logprobs.as_ref().and_then(meta::write_logprobs);
    let stop = choice.stop.as_ref().map(|stop| &stop.reason);
    let mut candidate = Map::new();
    candidate.insert("content".to_owned(), json!({"parts": wire, "role": "model"}));
    tail.put(stop.unwrap_or(&StopReason::EndTurn), choice.index, &mut candidate);
    Value::Object(candidate)
}

/// What is said at the end of a candidate.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// Fields that only this format has.
    pub(super) fields: Map<String, Value>,
    /// Citations of texts.
    pub(super) citations: Vec<Value>,
    /// `logprobsResult`.
    pub(super) logprobs: Option<Value>,
}

impl Tail {
    /// Puts it into a candidate.
    pub(super) fn put(&self, reason: &StopReason, index: u32, candidate: &mut Map<String, Value>) {
        candidate.insert("finishReason".to_owned(), Value::from(meta::write_reason(reason)));
        candidate.insert("index".to_owned(), Value::from(index));
        // Google's own grounding says more than the citations made of it.
        if let Some(grounding) = meta::grounding_of(&self.citations)
            && !self.fields.contains_key("groundingMetadata")
            && !self.fields.contains_key("citationMetadata")
        {
            candidate.insert("groundingMetadata".to_owned(), grounding);
        }
        if let Some(logprobs) = &self.logprobs {
            candidate.insert("logprobsResult".to_owned(), logprobs.clone());
        }
        for (key, value) in &self.fields {
            candidate.insert(key.clone(), value.clone());
        }
    }
}

/// Writes a part of an answer; parts of other formats have no place here.
fn write_part(part: &Part, wire: &mut Vec<Value>, tail: &mut Tail) {
    match part {
        Part::Text { text, citations, .. } => {
            tail.citations.extend(citations.iter().cloned());
            if !text.is_empty() {
                wire.push(json!({ "text": text }));
            }
        }
        Part::Refusal { text } => wire.push(json!({ "text": text })),
        Part::Thinking { text, signature } => {
            let mut thought = json!({"text": text, "thought": true});
            if let Some(signature) = signature {
                thought["thoughtSignature"] = Value::from(parts::client_signature(signature));
            }
            wire.push(thought);
        }
        Part::RedactedThinking { data } => {
            let text = wire.last_mut().filter(|part| parts::takes_signature(part));
            match (parts::text_signature(data), text) {
                (Some(signature), Some(text)) => {
                    text["thoughtSignature"] = Value::from(signature);
                }
                _ => wire.push(parts::client_sealed(data)),
            }
        }
        Part::ToolCall { id, name, arguments, .. } => {
            wire.push(parts::write_call(id, name, arguments, None));
        }
        Part::Opaque { dialect: ID, value } => match Meta::of(value) {
            Some(Meta::Candidate(fields)) => tail.fields.extend(fields.clone()),
            Some(Meta::Feedback(_)) => {}
            None => wire.push(value.clone()),
        },
        Part::Image { source: gw_core::chat::Source::Base64 { media_type, data }, .. } => {
            wire.push(parts::inline(media_type, data));
        }
        Part::Audio { data, format } => wire.push(parts::audio(data, format)),
        Part::Opaque { value, .. } => wire.extend(parts::write_picture(value)),
        Part::Image { .. } | Part::Document { .. } | Part::ToolResult { .. } => {}
    }
}
