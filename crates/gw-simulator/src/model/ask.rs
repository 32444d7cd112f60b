//! What a request asks, whichever format it came in.

use serde_json::Value;

/// A request, reduced to what the simulated model reacts to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    pub(crate) model: String,
    pub(crate) is_streaming: bool,
    pub(crate) wants_usage: bool,
    /// Text of the last user message.
    pub(crate) question: String,
    /// Results of tools that stand after the last assistant message.
    pub(crate) tool_results: Vec<String>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) choice: Choice,
    pub(crate) may_call_many: bool,
    pub(crate) output: Output,
    pub(crate) images: u64,
    pub(crate) documents: u64,
    pub(crate) wants_thinking: bool,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) stops: Vec<String>,
    /// How many answers are wanted.
    pub(crate) answers: u64,
    /// Characters of the prompt, tools included.
    pub(crate) prompt_chars: u64,
    pub(crate) messages: u64,
    /// Tells one request from another; the same request has the same.
    pub(crate) stamp: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) schema: Value,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    #[default]
    Auto,
    Nothing,
    Any,
    Named(String),
}

#[derive(Clone, Debug, Default)]
pub(crate) enum Output {
    #[default]
    Text,
    Json,
    Schema(Value),
}

impl Ask {
    /// Tokens of the prompt, at about four characters each.
    pub(crate) fn input_tokens(&self) -> u64 {
        tokens(self.prompt_chars) + 3 * self.messages + 85 * self.images + 250 * self.documents
    }
}

/// Tokens of so many characters.
pub(crate) fn tokens(chars: u64) -> u64 {
    chars.div_ceil(4)
}

pub(crate) fn chars(text: &str) -> u64 {
    text.chars().count() as u64
}

/// Characters of all strings and numbers in a value, long base64 left out.
pub(crate) fn chars_within(value: &Value) -> u64 {
    match value {
        Value::String(text) if text.starts_with("data:") => 0,
        Value::String(text) if text.len() > 2_000 && !text.contains(' ') => 0,
        Value::String(text) => chars(text),
        Value::Array(items) => items.iter().map(chars_within).sum(),
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| chars(name) + chars_within(field)).sum()
        }
        Value::Number(_) | Value::Bool(_) => 4,
        Value::Null => 0,
    }
}

/// A number that depends on the bytes and the seed only (FNV-1a).
pub(crate) fn stamp(seed: u64, bytes: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The text of a content that is a string or a list of parts with `text`.
pub(crate) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<&str> =
                parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect();
            texts.join("\n")
        }
        Value::Object(_) => {
            content.get("text").and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        _ => String::new(),
    }
}

/// Strings of a field that is one string or a list of them.
pub(crate) fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => {
            items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}
