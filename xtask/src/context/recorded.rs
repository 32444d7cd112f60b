//! Conversations joined from recorded exchanges: what users asked and models answered, each exchange once,
//! drawn anew for every conversation. Exchanges are split before they are joined, so that nothing of the
//! half that figures are quoted from is in the other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use gw_core::chat::{Message, Role};
use gw_core::seam::DialectId;
use serde_json::Value;

use super::{Row, Said};

/// Conversations that are joined.
const CONVERSATIONS: usize = 120;

/// Longest text of a turn that is taken, in bytes: beyond are data, not talk.
const TEXT_MAX: usize = 6_000;

/// What was asked and answered.
type Pair = (String, String);

/// Joins conversations out of a folder of recordings.
pub(super) fn read(folder: &Path) -> Result<Vec<Row>> {
    let pairs = pairs(folder)?;
    let mut rows = Vec::new();
    for half in [0, 1] {
        let own: Vec<&Pair> = pairs.iter().filter(|pair| hash(&pair.0) % 2 == half).collect();
        for number in 0..CONVERSATIONS / 2 {
            // The id says the half to whoever splits by it.
            let id = format!("{}{number}", if half == 0 { "dev-" } else { "test-" });
            rows.push(joined(&own, id));
        }
    }
    Ok(rows)
}

/// Draws exchanges without putting any back.
fn joined(pairs: &[&Pair], id: String) -> Row {
    let mut state = hash(&id) | 1;
    let mut left: Vec<&Pair> = pairs.to_vec();
    let wanted = 26 + usize::try_from(state % 90).unwrap_or(0);
    let mut messages = Vec::new();
    while !left.is_empty() && messages.len() < wanted * 2 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = usize::try_from(state >> 33).unwrap_or(0) % left.len();
        let (asked, answered) = left.swap_remove(at);
        messages.push(Said { role: "user".to_owned(), content: asked.clone() });
        messages.push(Said { role: "assistant".to_owned(), content: answered.clone() });
    }
    Row { id, messages }
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(14_695_981_039_346_656_037, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(1_099_511_628_211)
    }) >> 7
}

fn pairs(folder: &Path) -> Result<Vec<Pair>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    let mut found = BTreeSet::new();
    for file in files {
        let bytes =
            fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        for line in String::from_utf8_lossy(&bytes).lines() {
            if let Ok(exchange) = serde_json::from_str::<Value>(line) {
                found.extend(pair_of(&exchange));
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// The last question of an exchange in a format that is known, and its answer.
fn pair_of(exchange: &Value) -> Option<Pair> {
    let address = exchange["request"]["uri"].as_str()?;
    let path = address.split('?').next()?;
    let dialect = if path.ends_with("/chat/completions") {
        DialectId::OpenAiChat
    } else if path.ends_with("/messages") {
        DialectId::AnthropicMessages
    } else if path.ends_with("/responses") {
        DialectId::OpenAiResponses
    } else {
        return None;
    };
    let dialect = gw_dialect::dialect(dialect);
    let request = dialect.decode_request(body(&exchange["request"])?.as_bytes()).ok()?;
    let reply = dialect.decode_reply(body(&exchange["response"])?.as_bytes()).ok()?;
    let asked =
        request.messages.iter().rfind(|turn| turn.role == Role::User).map(Message::joined_text)?;
    let answered = reply.text();
    let is_talk = |text: &str| !text.trim().is_empty() && text.len() <= TEXT_MAX;
    (is_talk(&asked) && is_talk(&answered)).then_some((asked, answered))
}

fn body(side: &Value) -> Option<String> {
    match &side["body"] {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other["string"].as_str().map_or_else(|| other.to_string(), str::to_owned)),
    }
}
