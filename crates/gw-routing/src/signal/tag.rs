//! Who is asking: one number for the application behind a request.
//!
//! Made only of what the application sets (system prompt, tools, key or route, answer format), never
//! of what its user types: nobody steers routing by words in a prompt.

use gw_core::chat::{ChatRequest, ResponseFormat, Role, Tool};

use super::hash::{finish, hash_bytes, hash_words, step};

/// The application behind a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u64);

/// The tag of a request. `caller` is the key's or route's stable id; empty where there is none.
/// `None` where nothing tells applications apart: no instructions, tools, format or caller.
pub fn tag_of(request: &ChatRequest, caller: &str) -> Option<Tag> {
    let mut system = 0_u64;
    let is_system = |role: Role| matches!(role, Role::System | Role::Developer);
    for message in request.messages.iter().filter(|message| is_system(message.role)) {
        for text in message.parts.iter().filter_map(gw_core::chat::Part::as_text) {
            system = step(system, normalised(text));
        }
    }
    let mut tools: Vec<u64> =
        request.tools.iter().map(|tool| hash_bytes(tool_name(tool).as_bytes())).collect();
    tools.sort_unstable();
    let format = match &request.response_format {
        None | Some(ResponseFormat::Text) => 0,
        Some(ResponseFormat::JsonObject) => 1,
        Some(ResponseFormat::JsonSchema { name, .. }) => {
            hash_bytes(name.as_deref().unwrap_or("schema").as_bytes())
        }
    };
    if system == 0 && tools.is_empty() && format == 0 && caller.is_empty() {
        return None;
    }
    let tools = hash_words(&tools);
    Some(Tag(hash_words(&[system, tools, format, hash_bytes(caller.as_bytes())])))
}

/// A tag from a name, for outcome data whose task stands for the application.
pub fn tag_of_words(name: &str) -> Tag {
    Tag(hash_bytes(name.as_bytes()))
}

fn tool_name(tool: &Tool) -> &str {
    match tool {
        Tool::Function { name, .. } => name,
        Tool::Hosted { value, .. } => {
            let name = value.get("name").or_else(|| value.get("type"));
            name.and_then(serde_json::Value::as_str).unwrap_or_default()
        }
    }
}

/// A hash that dates, counters and white space do not change: runs of digits count as one digit and
/// runs of white space as none.
fn normalised(text: &str) -> u64 {
    let (mut hash, mut word, mut filled) = (1_u64, 0_u64, 0_u32);
    let mut before = b' ';
    for &byte in text.as_bytes() {
        if byte.is_ascii_whitespace() {
            before = b' ';
            continue;
        }
        let byte = if byte.is_ascii_digit() { b'0' } else { byte };
        if byte == b'0' && before == b'0' {
            continue;
        }
        before = byte;
        word = (word << 8) | u64::from(byte);
        filled += 1;
        if filled == 8 {
            hash = step(hash, word);
            (word, filled) = (0, 0);
        }
    }
    finish(step(step(hash, word), u64::from(filled)))
}
