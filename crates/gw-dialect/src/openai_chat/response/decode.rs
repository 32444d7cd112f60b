//! A provider's whole answer into canonical form. Lenient: what cannot be read is absent, and only
//! an answer without choices is refused.

use gw_core::chat::Part;
use gw_core::reply::{ChatReply, Choice, Stop, StopReason};
use gw_core::seam::DialectId;
use gw_core::{Error, Kind, Result};
use serde_json::{Map, Value, json};

use crate::openai_chat::value::{index, items, object, text, words};
use crate::openai_chat::{error, reasoning, usage};

/// Reads a body of status 2xx.
pub(in crate::openai_chat) fn decode(body: &[u8]) -> Result<ChatReply> {
    let value: Value = serde_json::from_slice(body).map_err(|cause| {
        Error::new(Kind::ProviderMalformed, "the provider's answer is not JSON").with_source(cause)
    })?;
    let Value::Object(reply) = value else {
        return Err(Error::new(Kind::ProviderMalformed, "the provider's answer is no JSON object"));
    };
    decode_object(&reply)
}

fn decode_object(reply: &Map<String, Value>) -> Result<ChatReply> {
    let wire_choices = items(reply, "choices");
    if wire_choices.is_empty() {
        return Err(match reply.get("error") {
            Some(cause) if !cause.is_null() => error::in_band(reply),
            _ => Error::new(Kind::ProviderMalformed, "the provider's answer has no `choices`"),
        });
    }
    let mut choices = Vec::with_capacity(wire_choices.len());
    for (place, choice) in wire_choices.iter().enumerate() {
        let Some(choice) = choice.as_object() else {
            return Err(Error::new(
                Kind::ProviderMalformed,
                format!("the provider's answer has no object at `choices[{place}]`"),
            ));
        };
        choices.push(decode_choice(choice, place)?);
    }
    if let Some(Part::Text { citations, .. }) = choices
        .first_mut()
        .and_then(|first| first.parts.iter_mut().find(|part| part.as_text().is_some()))
    {
        citations.extend(citations_of_reply(reply));
    }
    let tier = text(reply, "service_tier");
    let report = object(reply, "usage").map(|report| usage::decode(report, tier));
    Ok(ChatReply {
        id: text(reply, "id").unwrap_or_default().to_owned(),
        model: text(reply, "model").unwrap_or_default().to_owned(),
        created_s: reply.get("created").and_then(Value::as_i64),
        choices,
        usage: report.unwrap_or_default(),
    })
}

fn decode_choice(choice: &Map<String, Value>, place: usize) -> Result<Choice> {
    // OpenRouter reports a provider that failed after the headers inside the choice.
    if object(choice, "error").is_some() {
        return Err(error::in_band(choice));
    }
    let number = index(choice, "index").or_else(|| u32::try_from(place).ok()).unwrap_or(0);
    let parts = match object(choice, "message") {
        Some(message) => decode_message(message, number),
        // The legacy completions shape, which some servers still answer with.
        None => words(choice, "text").map(Part::text).into_iter().collect(),
    };
    let has_calls = parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
    Ok(Choice {
        index: number,
        stop: Some(stop_of(choice, has_calls)),
        parts,
        logprobs: choice.get("logprobs").filter(|value| value.is_object()).cloned(),
    })
}

/// The parts of an answer: thinking, then words, then calls.
fn decode_message(message: &Map<String, Value>, choice: u32) -> Vec<Part> {
    let mut parts = reasoning::parts(message);
    decode_content(message.get("content"), &mut parts);
    let audio = object(message, "audio");
    let has_text = parts.iter().any(|part| part.as_text().is_some());
    if let Some(transcript) = audio.and_then(|audio| words(audio, "transcript"))
        && !has_text
    {
        parts.push(Part::text(transcript));
    }
    let annotations = citations_of_annotations(message);
    if !annotations.is_empty()
        && let Some(Part::Text { citations, .. }) =
            parts.iter_mut().rev().find(|part| part.as_text().is_some())
    {
        citations.extend(annotations);
    }
    if let Some(refusal) = words(message, "refusal") {
        parts.push(Part::Refusal { text: refusal.to_owned() });
    }
    if let Some(audio) = audio {
        parts.push(opaque(json!({ "type": "audio", "audio": audio })));
    }
    parts.extend(image_parts(message));
    for (place, call) in items(message, "tool_calls").iter().enumerate() {
        parts.extend(decode_call(call, choice, place));
    }
    if let Some(call) = object(message, "function_call")
        && let Some(name) = words(call, "name")
    {
        parts.push(Part::ToolCall {
            id: tool_call_id(choice, 0),
            name: name.to_owned(),
            arguments: arguments_of(call.get("arguments")),
            cache: None,
        });
    }
    parts
}

/// Content as a string, or as Mistral's array of thinking, text and reference parts. Neighbouring
/// texts become one, as they do in a stream.
fn decode_content(content: Option<&Value>, parts: &mut Vec<Part>) {
    match content {
        Some(Value::String(content)) => push_text(parts, content),
        Some(Value::Array(pieces)) => {
            for piece in pieces {
                decode_piece(piece, parts);
            }
        }
        _ => {}
    }
}

fn decode_piece(piece: &Value, parts: &mut Vec<Part>) {
    let Some(object) = piece.as_object() else {
        return push_text(parts, piece.as_str().unwrap_or_default());
    };
    match text(object, "type") {
        Some("text" | "output_text") | None => {
            push_text(parts, text(object, "text").unwrap_or_default());
        }
        Some("thinking") => {
            let thought = thinking_text(object);
            let signature = words(object, "signature");
            match parts.last_mut() {
                Some(Part::Thinking { text, signature: None }) if signature.is_none() => {
                    text.push_str(&thought);
                }
                _ if thought.is_empty() && signature.is_none() => {}
                _ => parts.push(Part::Thinking {
                    text: thought,
                    signature: signature.map(str::to_owned),
                }),
            }
        }
        Some("refusal") => {
            if let Some(refusal) = words(object, "refusal") {
                parts.push(Part::Refusal { text: refusal.to_owned() });
            }
        }
        Some("reference") => {
            if let Some(Part::Text { citations, .. }) = parts.last_mut() {
                citations.push(piece.clone());
            }
        }
        Some(_) => parts.push(opaque(piece.clone())),
    }
}

/// The words of Mistral's `{"type":"thinking","thinking":[{"type":"text","text":…}]}`.
pub(in crate::openai_chat) fn thinking_text(piece: &Map<String, Value>) -> String {
    match piece.get("thinking") {
        Some(Value::String(thought)) => thought.clone(),
        Some(Value::Array(pieces)) => {
            pieces.iter().filter_map(|piece| piece.get("text").and_then(Value::as_str)).collect()
        }
        _ => String::new(),
    }
}

fn push_text(parts: &mut Vec<Part>, more: &str) {
    if more.is_empty() {
        return;
    }
    match parts.last_mut() {
        Some(Part::Text { text, .. }) => text.push_str(more),
        _ => parts.push(Part::text(more)),
    }
}

fn decode_call(call: &Value, choice: u32, place: usize) -> Option<Part> {
    let object = call.as_object()?;
    if object.get("custom").is_some_and(Value::is_object) {
        return Some(opaque(call.clone()));
    }
    let function = self::object(object, "function")?;
    let id = words(object, "id").map_or_else(|| tool_call_id(choice, place), str::to_owned);
    Some(Part::ToolCall {
        id,
        name: text(function, "name").unwrap_or_default().to_owned(),
        arguments: arguments_of(function.get("arguments")),
        cache: None,
    })
}

/// Arguments as JSON text; some servers send the object itself.
pub(in crate::openai_chat) fn arguments_of(arguments: Option<&Value>) -> String {
    match arguments {
        Some(Value::String(arguments)) => arguments.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

/// The id of a call whose provider gave none: the same whenever the same answer is read.
pub(in crate::openai_chat) fn tool_call_id(choice: u32, place: usize) -> String {
    format!("call_{choice}_{place}")
}

/// OpenRouter's `images` of an answer. A stream can only carry them opaque, so a whole answer does
/// the same.
fn image_parts(message: &Map<String, Value>) -> Vec<Part> {
    let images = items(message, "images").iter().filter(|image| image.is_object());
    images.map(|image| opaque(image.clone())).collect()
}

/// The `annotations` of a message, as they stand.
pub(in crate::openai_chat) fn citations_of_annotations(message: &Map<String, Value>) -> Vec<Value> {
    items(message, "annotations").iter().filter(|value| value.is_object()).cloned().collect()
}

/// Perplexity's sources, which stand beside the choices, as `url_citation` annotations.
pub(in crate::openai_chat) fn citations_of_reply(reply: &Map<String, Value>) -> Vec<Value> {
    let results = items(reply, "search_results");
    let annotation = |url: &str, title: &str| {
        json!({
            "type": "url_citation",
            "url_citation": { "url": url, "title": title, "start_index": 0, "end_index": 0 },
        })
    };
    let title_of = |url: &str| {
        let hit = results.iter().find(|hit| hit["url"].as_str() == Some(url));
        hit.and_then(|hit| hit["title"].as_str()).unwrap_or_default()
    };
    // The order of `citations` is the order of the [1], [2] marks in the text.
    let cited: Vec<&str> = items(reply, "citations").iter().filter_map(Value::as_str).collect();
    if !cited.is_empty() {
        return cited.into_iter().map(|url| annotation(url, title_of(url))).collect();
    }
    let urls = results.iter().filter_map(|hit| hit["url"].as_str());
    urls.map(|url| annotation(url, title_of(url))).collect()
}

/// Why a choice ended. Without a word from the provider, what it holds tells.
pub(in crate::openai_chat) fn stop_of(choice: &Map<String, Value>, has_calls: bool) -> Stop {
    let matched = words(choice, "stop_reason").or_else(|| words(choice, "matched_stop"));
    let reason = match text(choice, "finish_reason") {
        // A forced call of one function ends with `stop` at OpenAI: a call is to be answered
        // whatever the word.
        Some("stop" | "end_turn" | "eos" | "eos_token") | None | Some("") if has_calls => {
            StopReason::ToolUse
        }
        // vLLM and SGLang name the sequence beside `stop`.
        Some("stop") if matched.is_some() => {
            return Stop { reason: StopReason::StopSequence, sequence: matched.map(str::to_owned) };
        }
        Some("stop" | "end_turn" | "eos" | "eos_token") | None | Some("") => StopReason::EndTurn,
        Some("length" | "model_length" | "max_tokens") => StopReason::MaxTokens,
        Some("tool_calls" | "function_call" | "tool_use") => StopReason::ToolUse,
        Some("content_filter" | "refusal" | "safety") => StopReason::Refusal,
        Some("stop_sequence") => StopReason::StopSequence,
        Some(other) => StopReason::Other(other.to_owned()),
    };
    Stop::from(reason)
}

/// A part that only this dialect has.
fn opaque(value: Value) -> Part {
    Part::Opaque { dialect: DialectId::OpenAiChat, value }
}
