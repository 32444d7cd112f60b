//! Puts what is remembered of a conversation before the new turns.

use std::collections::HashSet;

use gw_core::Result;
use gw_core::chat::{Message, Part, Role};
use gw_core::record::{StoredMessage, StoredSummary};

use crate::admit::Admitted;
use crate::call::Call;
use crate::inbound::Recall;

/// Proof that the request holds all it should.
pub(crate) struct Recalled(());

/// Loads the newest summary and the recent turns where the door asks for them.
pub(crate) async fn recall(call: &mut Call, _admitted: Admitted) -> Result<Recalled> {
    if call.resumed.as_ref().is_some_and(|resumed| resumed.is_replaced) {
        // The request of the offer holds what was recalled for it, and its turns are kept already.
        call.new_messages = 0;
        return Ok(Recalled(()));
    }
    let context = &call.inbound.context;
    let (Recall::History, Some(conversation)) = (context.recall, &context.conversation) else {
        return Ok(Recalled(()));
    };
    let store = &call.engine.resources.conversations;
    let summary = store.summary(&conversation.id).await?;
    let turns = store.recent(&conversation.id, call.snapshot.engine.recent_messages).await?;
    let messages = &mut call.inbound.request.messages;
    let instructions = messages
        .iter()
        .take_while(|message| matches!(message.role, Role::System | Role::Developer))
        .count();
    call.new_messages = messages.len() - instructions;
    let mut before: Vec<Message> = summary.as_ref().map(told).into_iter().collect();
    let turns = turns.into_iter().filter_map(turn).collect();
    before.extend(coherent(turns, &messages[instructions..]));
    if !before.is_empty() {
        messages.splice(instructions..instructions, before);
        call.is_edited = true;
    }
    Ok(Recalled(()))
}

fn told(summary: &StoredSummary) -> Message {
    let body = match summary.body.as_str() {
        Some(text) => text.to_owned(),
        None => summary.body.to_string(),
    };
    Message::text(Role::System, format!("Summary of the conversation so far:\n{body}"))
}

fn turn(stored: StoredMessage) -> Option<Message> {
    let role = match stored.role.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return stored.message,
    };
    Some(stored.message.unwrap_or_else(|| Message::text(role, stored.content)))
}

/// Old turns that every provider takes: the window may begin between a tool call and its result, and
/// a call may never have been answered; both halves stand together or not at all. The first turn
/// is the user's.
fn coherent(turns: Vec<Message>, new: &[Message]) -> Vec<Message> {
    let answered: HashSet<String> =
        turns.iter().chain(new).flat_map(|turn| &turn.parts).filter_map(answer_to).collect();
    let mut called: HashSet<String> = HashSet::new();
    let mut kept: Vec<Message> = Vec::with_capacity(turns.len());
    for mut turn in turns {
        turn.parts.retain(|part| match part {
            Part::ToolCall { id, .. } => answered.contains(id) && called.insert(id.clone()),
            Part::ToolResult { call_id, .. } => called.contains(call_id),
            Part::Text { text, .. } => !text.is_empty(),
            _ => true,
        });
        let may_begin = !kept.is_empty() || turn.role != Role::Assistant;
        if may_begin && !turn.parts.is_empty() {
            kept.push(turn);
        } else {
            // Its calls are gone, so are their results.
            for part in &turn.parts {
                if let Part::ToolCall { id, .. } = part {
                    called.remove(id);
                }
            }
        }
    }
    kept
}

fn answer_to(part: &Part) -> Option<String> {
    match part {
        Part::ToolResult { call_id, .. } => Some(call_id.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
