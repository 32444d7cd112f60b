//! Do two answers say the same? Typed comparison, the check behind cross-checking.
//!
//! Answers of two models are compared by what they commit to (the call, the field, the number, the
//! option), never by how alike their prose is: likeness of texts does not tell right from wrong. Long
//! prose has no typed comparison and gives [`Agreement::Unknown`].

mod answer;
mod code;
mod json;

use gw_core::chat::Part;
use serde_json::Value;

pub use answer::{Committed, committed, same_answer};
pub use code::same_code;
pub use json::{canonical, field_share, same_json};

/// Whether two answers say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// They do.
    Same,
    /// They do not.
    Different,
    /// There is nothing typed to compare: a judge or nothing.
    Unknown,
}

impl From<bool> for Agreement {
    fn from(same: bool) -> Self {
        if same { Self::Same } else { Self::Different }
    }
}

/// Longest answer that is compared as a short text, in characters.
pub const SHORT_ANSWER_CHARS_MAX: usize = 160;

/// Compares two whole answers.
///
/// Tool calls go before everything else: an answer that calls and one that does not differ. Then
/// JSON, code, and what short answers commit to.
pub fn compare(one: &[Part], other: &[Part]) -> Agreement {
    let (calls, other_calls) = (calls_of(one), calls_of(other));
    if !calls.is_empty() || !other_calls.is_empty() {
        return Agreement::from(calls == other_calls);
    }
    compare_texts(&text_of(one), &text_of(other))
}

/// Compares two texts.
pub fn compare_texts(one: &str, other: &str) -> Agreement {
    if let (Some(one), Some(other)) = (json::read(one), json::read(other)) {
        return Agreement::from(same_json(&one, &other));
    }
    if let (Some(one), Some(other)) = (code::block(one), code::block(other)) {
        return Agreement::from(same_code(one, other));
    }
    match (committed(one), committed(other)) {
        (Some(one), Some(other)) => Agreement::from(one == other),
        _ => Agreement::Unknown,
    }
}

/// The calls of an answer in canonical form, sorted: their order does not count.
fn calls_of(parts: &[Part]) -> Vec<String> {
    let mut calls: Vec<String> = parts
        .iter()
        .filter_map(|part| match part {
            Part::ToolCall { name, arguments, .. } => Some(call(name, arguments)),
            _ => None,
        })
        .collect();
    calls.sort_unstable();
    calls
}

/// A tool call in canonical form: names with `.` and `-` as `_`, arguments as canonical JSON.
/// Arguments that are no JSON stand as they are.
pub fn call(name: &str, arguments: &str) -> String {
    let name = name.trim().to_lowercase().replace(['.', '-'], "_");
    let arguments = arguments.trim();
    if arguments.is_empty() {
        return format!("{name}({{}})");
    }
    match serde_json::from_str::<Value>(arguments) {
        Ok(value) => format!("{name}({})", canonical(&value)),
        Err(_) => format!("{name}({arguments})"),
    }
}

fn text_of(parts: &[Part]) -> String {
    let texts: Vec<&str> = parts.iter().filter_map(Part::as_text).collect();
    texts.join("\n")
}

#[cfg(test)]
mod tests;
