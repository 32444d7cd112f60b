//! A canonical answer as a chat completion for a client.

use bytes::Bytes;
use gw_core::chat::Part;
use gw_core::reply::{ChatReply, Choice, StopReason};
use gw_core::seam::{ClientStream, DialectId};
use serde_json::{Map, Value, json};

use crate::openai_chat::{reasoning, usage};

/// Writes the body.
pub(in crate::openai_chat) fn encode(reply: &ChatReply, client: &ClientStream) -> Bytes {
    let id = if reply.id.is_empty() { &client.fallback_id } else { &reply.id };
    let model = if client.model.is_empty() { &reply.model } else { &client.model };
    let choices: Vec<Value> = reply.choices.iter().map(encode_choice).collect();
    let mut body = json!({
        "id": id,
        "object": "chat.completion",
        "created": reply.created_s.unwrap_or(client.created_s),
        "model": model,
        "choices": choices,
        "usage": usage::encode(&reply.usage),
    });
    if let Some(tier) = &reply.usage.service_tier {
        body["service_tier"] = json!(tier);
    }
    Bytes::from(body.to_string())
}

fn encode_choice(choice: &Choice) -> Value {
    let reason = choice.stop.as_ref().map(|stop| finish_reason(&stop.reason));
    json!({
        "index": choice.index,
        "message": encode_message(&choice.parts),
        "logprobs": choice.logprobs,
        "finish_reason": reason.unwrap_or("stop"),
    })
}

fn encode_message(parts: &[Part]) -> Value {
    let mut message = Map::new();
    message.insert("role".to_owned(), json!("assistant"));
    message.insert("content".to_owned(), json!(spoken(parts)));
    message.insert("refusal".to_owned(), json!(refusal(parts)));
    if let Some(thought) = reasoning::joined_text(parts) {
        message.insert("reasoning_content".to_owned(), json!(thought));
    }
    let mut put = |key: &str, values: Vec<Value>| {
        if !values.is_empty() {
            message.insert(key.to_owned(), Value::Array(values));
        }
    };
    put("reasoning_details", reasoning::needed_details(parts));
    put("annotations", parts.iter().flat_map(annotations_of_part).collect());
    put("tool_calls", parts.iter().filter_map(encode_call).collect());
    put(
        "images",
        own_values(parts).filter(|value| value["type"] == "image_url").cloned().collect(),
    );
    if let Some(audio) = audio(parts) {
        message.insert("audio".to_owned(), audio.clone());
    }
    Value::Object(message)
}

/// The text of the answer; `None` where there is none, or where it is only what the audio says.
fn spoken(parts: &[Part]) -> Option<String> {
    let mut texts = parts.iter().filter_map(Part::as_text).peekable();
    texts.peek()?;
    let text: String = texts.collect();
    let transcript = audio(parts).and_then(|audio| audio["transcript"].as_str());
    (transcript != Some(text.as_str())).then_some(text)
}

fn refusal(parts: &[Part]) -> Option<String> {
    let words = parts.iter().filter_map(|part| match part {
        Part::Refusal { text } => Some(text.as_str()),
        _ => None,
    });
    let all: String = words.collect();
    (!all.is_empty()).then_some(all)
}

fn own_values(parts: &[Part]) -> impl Iterator<Item = &Value> {
    parts.iter().filter_map(|part| match part {
        Part::Opaque { dialect: DialectId::OpenAiChat, value } => Some(value),
        _ => None,
    })
}

fn audio(parts: &[Part]) -> Option<&Value> {
    own_values(parts).find(|value| value["type"] == "audio").map(|value| &value["audio"])
}

fn encode_call(part: &Part) -> Option<Value> {
    match part {
        Part::ToolCall { id, name, arguments, .. } => Some(json!({
            "id": id,
            "type": "function",
            "function": { "name": name, "arguments": arguments },
        })),
        Part::Opaque { dialect: DialectId::OpenAiChat, value } if value["custom"].is_object() => {
            Some(value.clone())
        }
        _ => None,
    }
}

fn annotations_of_part(part: &Part) -> Vec<Value> {
    match part {
        Part::Text { citations, .. } => annotations(citations),
        _ => Vec::new(),
    }
}

/// Citations as annotations. Web citations of the Anthropic format take this format's own shape;
/// the rest keep theirs, and clients tell them apart by `type`.
pub(in crate::openai_chat) fn annotations(citations: &[Value]) -> Vec<Value> {
    let annotation = |citation: &Value| match (citation["type"].as_str(), citation["url"].as_str())
    {
        (Some("web_search_result_location"), Some(url)) => json!({
            "type": "url_citation",
            "url_citation": {
                "url": url,
                "title": citation["title"].as_str().unwrap_or_default(),
                "start_index": 0,
                "end_index": 0,
            },
        }),
        (Some("url_citation"), _) => citation.clone(),
        _ => match crate::citations::web(citation).filter(|it| it["url"] != citation["url"]) {
            Some(web) => json!({ "type": "url_citation", "url_citation": web }),
            None => citation.clone(),
        },
    };
    citations.iter().map(annotation).collect()
}

/// The word for a reason. Clients know five, so what has no word of its own is `stop`.
pub(in crate::openai_chat) fn finish_reason(reason: &StopReason) -> &'static str {
    match reason {
        StopReason::MaxTokens | StopReason::ContextWindow => "length",
        StopReason::ToolUse => "tool_calls",
        StopReason::Refusal => "content_filter",
        StopReason::EndTurn
        | StopReason::StopSequence
        | StopReason::PauseTurn
        | StopReason::Other(_) => "stop",
    }
}
