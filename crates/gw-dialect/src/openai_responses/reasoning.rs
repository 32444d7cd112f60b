//! Reasoning items as canonical thoughts and back.
//!
//! Every text of the summary (or, where there is none, of the raw thoughts) is one
//! [`Part::Thinking`]; what is encrypted follows as [`Part::RedactedThinking`], marked as this
//! format's and together with the item's id: providers verify both.
//!
//! Thoughts of another provider reach a client in `encrypted_content` as well, the only member that
//! clients of this format give back; they start with a brace, which no real one does.

use gw_core::chat::Part;
use serde_json::{Map, Value, json};

use crate::openai_chat::value::{items, words};
use crate::openai_responses::ID;
use crate::seal;

/// OpenRouter's name for what Anthropic signs.
const ANTHROPIC_FORMAT: &str = "anthropic-claude-v1";

/// The texts of a reasoning item: its summary, else its raw thoughts.
pub(super) fn texts(item: &Map<String, Value>) -> Vec<&str> {
    let read = |key: &str| -> Vec<_> {
        let texts = items(item, key).iter().filter_map(|piece| piece["text"].as_str());
        texts.filter(|text| !text.is_empty()).collect()
    };
    let summary = read("summary");
    if summary.is_empty() { read("content") } else { summary }
}

/// What stands behind the texts.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Proof {
    /// A signature of the last text.
    Signature(String),
    /// A sealed thought: the data of [`Part::RedactedThinking`].
    Sealed(String),
}

/// The proof that a reasoning item carries.
pub(super) fn proof(item: &Map<String, Value>) -> Option<Proof> {
    if let Some(signature) = words(item, "signature") {
        return Some(Proof::Signature(signature.to_owned()));
    }
    let sealed = words(item, "encrypted_content")?;
    if sealed.starts_with('{')
        && let Ok(carried) = serde_json::from_str::<Value>(sealed)
    {
        match (carried["type"].as_str(), &carried["signature"], &carried["data"]) {
            (Some("thinking"), Value::String(signature), _) => {
                return Some(Proof::Signature(signature.clone()));
            }
            (Some("redacted_thinking"), _, Value::String(data)) => {
                return Some(Proof::Sealed(data.clone()));
            }
            _ => {}
        }
    }
    let format = words(item, "format");
    if format == Some(ANTHROPIC_FORMAT) {
        return Some(Proof::Sealed(sealed.to_owned()));
    }
    let mut kept = Map::new();
    for key in ["id", "encrypted_content", "format"] {
        if let Some(value) = words(item, key) {
            kept.insert(key.to_owned(), json!(value));
        }
    }
    Some(Proof::Sealed(seal::mark(ID, &Value::Object(kept).to_string())))
}

/// The parts of a whole item; none where it says nothing at all.
pub(super) fn parts(item: &Map<String, Value>) -> Vec<Part> {
    let thought = |text: &str| Part::Thinking { text: text.to_owned(), signature: None };
    let mut parts: Vec<Part> = texts(item).into_iter().map(thought).collect();
    match proof(item) {
        Some(Proof::Signature(signed)) => match parts.last_mut() {
            Some(Part::Thinking { signature, .. }) => *signature = Some(signed),
            _ => parts.push(Part::Thinking { text: String::new(), signature: Some(signed) }),
        },
        Some(Proof::Sealed(data)) => parts.push(Part::RedactedThinking { data }),
        None => {}
    }
    parts
}

/// The members of an item that a sealed thought of this format holds: `encrypted_content`, `id` and
/// `format` where it had them; `None` for a thought of another format.
pub(super) fn seal(data: &str) -> Option<Map<String, Value>> {
    let kept: Map<String, Value> = serde_json::from_str(seal::own(ID, data)?).ok()?;
    kept.get("encrypted_content").is_some_and(Value::is_string).then_some(kept)
}

/// A signature of another provider as `encrypted_content`.
pub(super) fn carry_signature(signature: &str) -> String {
    json!({ "type": "thinking", "signature": signature }).to_string()
}

/// A sealed thought of another provider as `encrypted_content`.
pub(super) fn carry_sealed(data: &str) -> String {
    json!({ "type": "redacted_thinking", "data": data }).to_string()
}

/// A reasoning item for a provider.
pub(super) fn item(texts: &[&str]) -> Map<String, Value> {
    let summary: Vec<Value> =
        texts.iter().map(|text| json!({ "type": "summary_text", "text": text })).collect();
    let mut item = Map::new();
    item.insert("type".to_owned(), json!("reasoning"));
    item.insert("summary".to_owned(), Value::Array(summary));
    item
}

/// Adds a signature of Anthropic's in OpenRouter's words.
pub(super) fn sign(item: &mut Map<String, Value>, signature: &str) {
    item.insert("signature".to_owned(), json!(signature));
    item.insert("format".to_owned(), json!(ANTHROPIC_FORMAT));
}
