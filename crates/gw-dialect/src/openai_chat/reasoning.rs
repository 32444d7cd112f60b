//! Thinking on the wire: `reasoning_details` (OpenRouter), `reasoning_content` (DeepSeek, vLLM) and
//! `reasoning` (OpenRouter, Ollama, Groq).
//!
//! The same thoughts often stand in two of them at once; the first that says something counts, in
//! that order, because only the details carry signatures.

use gw_core::chat::Part;
use serde_json::{Map, Value, json};

use super::value::{items, text, words};

/// The format that OpenRouter names for signatures of Anthropic's models, and the one it assumes.
const ANTHROPIC_FORMAT: &str = "anthropic-claude-v1";

/// A piece of thinking.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Thought {
    /// In the clear: words, a signature, or both.
    Clear {
        /// The words; may be empty.
        text: String,
        /// The signature.
        signature: Option<String>,
        /// The `index` of the detail: equal ones belong together.
        index: Option<u64>,
    },
    /// Sealed.
    Sealed {
        /// What [`Part::RedactedThinking`] holds.
        data: String,
    },
}

/// The thoughts that a message or a delta carries, pieces of one thought not yet joined.
pub(super) fn thoughts(message: &Map<String, Value>) -> Vec<Thought> {
    let details: Vec<Thought> =
        items(message, "reasoning_details").iter().filter_map(from_detail).collect();
    let is_clear = |thought: &Thought| matches!(thought, Thought::Clear { .. });
    if details.iter().any(is_clear) {
        return details;
    }
    let plain = words(message, "reasoning_content").or_else(|| words(message, "reasoning"));
    let plain =
        plain.map(|text| Thought::Clear { text: text.to_owned(), signature: None, index: None });
    plain.into_iter().chain(details).collect()
}

fn from_detail(detail: &Value) -> Option<Thought> {
    let detail = detail.as_object()?;
    let words = words(detail, "text").or_else(|| words(detail, "summary"));
    let signature = self::words(detail, "signature");
    if words.is_some() || signature.is_some() {
        return Some(Thought::Clear {
            text: words.unwrap_or_default().to_owned(),
            signature: signature.map(str::to_owned),
            index: detail.get("index").and_then(Value::as_u64),
        });
    }
    let data = self::words(detail, "data")?;
    let data = match text(detail, "format") {
        None | Some(ANTHROPIC_FORMAT) => data.to_owned(),
        // Other formats are accepted back only with their id and format: the whole detail is kept
        // as the sealed text, and `to_details` recognises it.
        Some(_) => {
            let mut kept = detail.clone();
            kept.remove("index");
            Value::Object(kept).to_string()
        }
    };
    Some(Thought::Sealed { data })
}

/// The thoughts of a whole message as parts: pieces with the same index joined.
pub(super) fn parts(message: &Map<String, Value>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut open: Option<u64> = None;
    for thought in thoughts(message) {
        match thought {
            Thought::Sealed { data } => {
                open = None;
                parts.push(Part::RedactedThinking { data });
            }
            Thought::Clear { text, signature, index } => {
                let joins = open.is_some() && open == index;
                open = index;
                match parts.last_mut() {
                    Some(Part::Thinking { text: so_far, signature: signed }) if joins => {
                        so_far.push_str(&text);
                        if let Some(signature) = signature {
                            signed.get_or_insert_default().push_str(&signature);
                        }
                    }
                    _ => parts.push(Part::Thinking { text, signature }),
                }
            }
        }
    }
    parts
}

/// All clear thoughts as one text; `None` where there are none.
pub(super) fn joined_text(parts: &[Part]) -> Option<String> {
    let mut thoughts = parts.iter().filter_map(|part| match part {
        Part::Thinking { text, .. } => Some(text.as_str()),
        _ => None,
    });
    let first = thoughts.next()?;
    Some(thoughts.fold(first.to_owned(), |all, text| all + text))
}

/// `reasoning_details` for these parts; empty where a plain text says it all.
pub(super) fn needed_details(parts: &[Part]) -> Vec<Value> {
    let details = to_details(parts);
    let says_more = |part: &Part| {
        matches!(part, Part::Thinking { signature: Some(_), .. } | Part::RedactedThinking { .. })
    };
    if details.len() > 1 || parts.iter().any(says_more) { details } else { Vec::new() }
}

/// Every thought among the parts as a `reasoning_details` entry.
pub(super) fn to_details(parts: &[Part]) -> Vec<Value> {
    let mut details = Vec::new();
    for part in parts {
        let index = details.len() as u64;
        match part {
            Part::Thinking { text, signature } => {
                details.push(clear_detail(text, signature.as_deref(), index));
            }
            Part::RedactedThinking { data } => details.push(sealed_detail(data, index)),
            _ => {}
        }
    }
    details
}

/// A `reasoning.text` entry, or a piece of one.
pub(super) fn clear_detail(text: &str, signature: Option<&str>, index: u64) -> Value {
    let mut detail = json!({ "type": "reasoning.text", "text": text, "index": index });
    if let Some(signature) = signature {
        detail["signature"] = json!(signature);
        detail["format"] = json!(ANTHROPIC_FORMAT);
    }
    detail
}

/// A `reasoning.encrypted` entry.
pub(super) fn sealed_detail(data: &str, index: u64) -> Value {
    let kept = data.starts_with('{').then(|| serde_json::from_str::<Value>(data).ok()).flatten();
    let kept =
        kept.filter(|kept| kept["type"] == "reasoning.encrypted" && kept["data"].is_string());
    let mut detail = kept.unwrap_or_else(
        || json!({ "type": "reasoning.encrypted", "data": data, "format": ANTHROPIC_FORMAT }),
    );
    detail["index"] = json!(index);
    detail
}
