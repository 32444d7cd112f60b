//! Puts what is remembered of a conversation before the new turns.

use gw_core::Result;
use gw_core::chat::{Message, Role};
use gw_core::record::StoredMessage;

use crate::admit::Admitted;
use crate::call::Call;
use crate::inbound::Recall;

/// Proof that the request holds all it should.
pub(crate) struct Recalled(());

/// Loads the newest summary and the recent turns where the door asks for them.
pub(crate) async fn recall(call: &mut Call, _admitted: Admitted) -> Result<Recalled> {
    let context = &call.inbound.context;
    let (Recall::History, Some(conversation)) = (context.recall, &context.conversation) else {
        return Ok(Recalled(()));
    };
    let store = &call.engine.resources.conversations;
    let summary = store.summary(&conversation.id).await?;
    let turns = store.recent(&conversation.id, call.snapshot.engine.recent_messages).await?;
    if summary.is_none() && turns.is_empty() {
        return Ok(Recalled(()));
    }
    let mut before: Vec<Message> = Vec::with_capacity(turns.len() + 1);
    if let Some(summary) = summary {
        let text = format!("Summary of the conversation so far:\n{}", summary.body);
        before.push(Message::text(Role::System, text));
    }
    before.extend(turns.into_iter().filter_map(turn));
    let messages = &mut call.inbound.request.messages;
    let instructions = messages
        .iter()
        .take_while(|message| matches!(message.role, Role::System | Role::Developer))
        .count();
    call.new_messages = messages.len() - instructions;
    messages.splice(instructions..instructions, before);
    call.is_edited = true;
    Ok(Recalled(()))
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
