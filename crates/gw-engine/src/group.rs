//! Tells the conversations of clients apart that name none: such clients send their whole history
//! each time, so the first question and its answer name the talk, on every replica and after a
//! restart, with nothing kept.

use std::sync::Arc;

use gw_context::chain;
use gw_core::ConversationId;
use gw_core::chat::{Message, Role};
use gw_core::record::{ConversationRef, StoredMessage};
use gw_core::reply::ChatReply;
use serde_json::Value;

use crate::call::Call;
use crate::events;
use crate::inbound::Recall;

/// Stored turns among which a repeated one is looked for.
const LOOKED_AT: usize = 32;

/// Where a stored turn notes the hash of everything up to it.
const CHAIN: &str = "chain";

/// True for a call whose conversation is found by what was said.
fn is_wanted(call: &Call) -> bool {
    let context = &call.inbound.context;
    call.snapshot.engine.context.groups_stateless
        && context.conversation.is_none()
        && context.recall == Recall::Nothing
        && call.inbound.door.is_of_dialect()
}

/// True for a call whose answer is needed to name its conversation, or to keep it.
pub(crate) fn needs_answer(call: &Call) -> bool {
    is_wanted(call) || is_kept(call)
}

/// True for a call of a client that sends its history itself, whose turns are kept all the same.
fn is_kept(call: &Call) -> bool {
    call.snapshot.engine.context.keeps_stateless
        && call.inbound.context.recall == Recall::Nothing
        && call.inbound.door.is_of_dialect()
}

/// Names the conversation of a history that holds an answer already, before anything is changed in
/// it.
pub(crate) fn name_conversation(call: &mut Call) {
    if is_kept(call) {
        call.chain = chain::hashes(&call.inbound.request.messages);
    }
    if is_wanted(call)
        && let Some(name) = chain::name(&owner(call), &call.inbound.request.messages)
    {
        call.inbound.context.conversation = Some(conversation(call, name));
    }
}

/// Names it by its first answer, where it had none before.
pub(crate) fn name_by_answer(call: &mut Call, reply: &ChatReply) {
    if !is_wanted(call) {
        return;
    }
    let Some(choice) = reply.choices.first() else { return };
    let mut messages = call.inbound.request.messages.clone();
    messages.push(answer(&choice.parts));
    if let Some(name) = chain::name(&owner(call), &messages) {
        call.inbound.context.conversation = Some(conversation(call, name));
    }
}

fn answer(parts: &[gw_core::chat::Part]) -> Message {
    Message { parts: parts.to_vec(), ..Message::text(Role::Assistant, "") }
}

/// Callers that share nothing but their words are told apart.
fn owner(call: &Call) -> String {
    let principal = &call.inbound.principal;
    let user = call.inbound.request.user.as_deref().or(principal.user_id.as_deref());
    let parts = [principal.key_id.as_deref(), user, principal.project_id.as_deref()];
    parts.map(Option::unwrap_or_default).join("\u{0}")
}

fn conversation(call: &Call, name: String) -> ConversationRef {
    let principal = &call.inbound.principal;
    ConversationRef {
        id: ConversationId::from(name),
        user_id: principal.user_id.clone(),
        project_id: principal.project_id.clone(),
        owner: principal.key_id.clone(),
    }
}

/// The turns of a client that sends its history itself: all that it sent and the answer, each with
/// the hash of everything up to it. `None` where they are not kept.
pub(crate) fn turns(
    call: &Call,
    reply: &ChatReply,
    stored: impl Fn(Message) -> StoredMessage,
) -> Option<(ConversationRef, Vec<StoredMessage>)> {
    if !is_kept(call) {
        return None;
    }
    let conversation = call.inbound.context.conversation.clone()?;
    let mut messages = call.inbound.request.messages.clone();
    let choice = reply.choices.first()?;
    // A history that was made short has lost what the hashes are of.
    if messages.len() != call.chain.len() {
        return None;
    }
    messages.push(answer(&choice.parts));
    let hashes = chain::hashes(&messages);
    let turns = messages.into_iter().zip(hashes).filter_map(|(message, hash)| {
        if !matches!(message.role, Role::User | Role::Assistant) {
            return None;
        }
        let mut turn = stored(message);
        turn.metadata.insert(CHAIN.to_owned(), Value::String(hash));
        Some(turn)
    });
    Some((conversation, turns.collect()))
}

/// Appends what of the turns is not there yet.
pub(crate) async fn append(
    engine: Arc<crate::engine::Engine>,
    call_id: gw_core::CallId,
    conversation: ConversationRef,
    turns: Vec<StoredMessage>,
) {
    let store = &engine.resources.conversations;
    // The call before this one may still be writing.
    let sum = conversation
        .id
        .as_str()
        .bytes()
        .fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    let _turn = engine.turn_locks[sum % engine.turn_locks.len()].lock().await;
    let known = match store.recent(&conversation.id, LOOKED_AT).await {
        Ok(known) => known,
        Err(error) => return events::turns_not_kept(call_id, &error),
    };
    let hash = |turn: &StoredMessage| turn.metadata.get(CHAIN).cloned();
    let is_known = |turn: &StoredMessage| known.iter().any(|kept| hash(kept) == hash(turn));
    let from = turns.iter().rposition(is_known).map_or(0, |at| at + 1);
    let new: Vec<StoredMessage> = turns.into_iter().skip(from).collect();
    if !new.is_empty()
        && let Err(error) = store.append(conversation, new).await
    {
        events::turns_not_kept(call_id, &error);
    }
}
