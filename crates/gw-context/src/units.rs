//! Turns that belong together: a tool call, its results and everything between stand or go as one.

use std::collections::HashSet;

use gw_core::chat::{Message, Part, Role};

/// Where the messages may be cut: ascending places, 0 and the length among them. Before each of them
/// every tool call that was made is answered, or never will be.
pub(crate) fn boundaries(messages: &[Message]) -> Vec<usize> {
    let answered: HashSet<&str> =
        messages.iter().flat_map(|it| &it.parts).filter_map(answer).collect();
    let mut open: HashSet<&str> = HashSet::new();
    let mut found = vec![0];
    for (at, message) in messages.iter().enumerate() {
        for part in &message.parts {
            match part {
                Part::ToolCall { id, .. } if answered.contains(id.as_str()) => {
                    open.insert(id);
                }
                Part::ToolResult { call_id, .. } => {
                    open.remove(call_id.as_str());
                }
                _ => {}
            }
        }
        if open.is_empty() {
            found.push(at + 1);
        }
    }
    if found.last() != Some(&messages.len()) {
        found.push(messages.len());
    }
    found
}

/// How far back a cut looks for a turn of the user.
const LOOK_BACK: usize = 8;

/// The last place at or before `wanted` where the messages may be cut: before a turn of the user where
/// one is near, for some providers take no other first turn.
pub(crate) fn cut_before(messages: &[Message], wanted: usize) -> usize {
    let places = boundaries(messages);
    let near = |at: &&usize| **at <= wanted && **at + LOOK_BACK >= wanted;
    let is_user =
        |at: &&usize| **at == 0 || messages.get(**at).is_none_or(|turn| turn.role == Role::User);
    let found = places.iter().rev().filter(near).find(is_user);
    let any = places.iter().rev().find(|at| **at <= wanted);
    found.or(any).copied().unwrap_or(0)
}

fn answer(part: &Part) -> Option<&str> {
    match part {
        Part::ToolResult { call_id, .. } => Some(call_id),
        _ => None,
    }
}
