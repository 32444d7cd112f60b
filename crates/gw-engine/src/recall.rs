//! Puts what is remembered of a conversation before the new turns, and makes long histories short.

use std::collections::HashSet;

use gw_context::{Composed, Known, Strategy, Summary, tokens};
use gw_core::chat::{Message, Part, Role};
use gw_core::limits::TURNS_READ_MAX;
use gw_core::record::{ConversationQuery, ConversationRef, StoredMessage};
use gw_core::{Error, Kind, Result};
use serde_json::Value;

use crate::admit::Admitted;
use crate::call::Call;
use crate::context::{self, Stateless};
use crate::inbound::Recall;
use crate::{events, group};

/// Proof that the request holds all it should.
pub(crate) struct Recalled(());

/// Turns beyond the trigger that are read at once, so that one that was added meanwhile is there.
const SLACK: usize = 8;

/// Tokens that an answer is left in a window at least.
const ANSWER_ROOM: u64 = 1_024;

/// A summary that moved on while a call was made ready, to be kept when it has been answered.
pub(crate) struct Moved {
    /// The summary before it.
    pub(crate) before: Option<Summary>,
    /// The summary, as no model made it.
    pub(crate) summary: Summary,
    /// The turns that it took in.
    pub(crate) turns: Vec<Message>,
}

/// Loads the newest summary and the turns that it does not cover, where the door asks for them.
pub(crate) async fn recall(call: &mut Call, _admitted: Admitted) -> Result<Recalled> {
    if call.resumed.as_ref().is_some_and(|resumed| resumed.is_replaced) {
        // The request of the offer holds what was recalled for it, and its turns are kept already.
        call.new_messages = 0;
        return Ok(Recalled(()));
    }
    let context = &call.inbound.context;
    let (Recall::History, Some(conversation)) = (context.recall, context.conversation.clone())
    else {
        group::name_conversation(call);
        if call.snapshot.engine.context.stateless == Stateless::Always {
            shorten(call, None);
        }
        return Ok(Recalled(()));
    };
    let options = call.snapshot.engine.context.compression;
    refuse_foreign(call, &conversation).await?;
    let store = &call.engine.resources.conversations;
    let summary = store.summary(&conversation.id).await?;
    let body = summary.as_ref().map(|summary| Summary::of_value(&summary.body));
    let covered = body.as_ref().map_or(0, |summary| summary.covers_until);
    let turns = uncovered(call, &conversation, covered).await?;
    let older = older(call, &conversation, covered).await?;
    let messages = &call.inbound.request.messages;
    let instructions = messages
        .iter()
        .take_while(|message| matches!(message.role, Role::System | Role::Developer))
        .count();
    call.new_messages = messages.len() - instructions;
    let (places, said): (Vec<u64>, Vec<Message>) =
        turns.into_iter().filter_map(|stored| Some((stored.place, turn(stored)?))).unzip();
    let known = Known {
        summary: body.as_ref(),
        turns: &said,
        older: &older,
        new: &messages[instructions..],
        room: None,
        prices: context::prices(call),
    };
    let made = gw_context::compose(&known, &options);
    note_moved(call, body, &said, &places, &made);
    put_before(call, instructions, made);
    Ok(Recalled(()))
}

/// Remembers a summary that moved on, for the time after the answer.
fn note_moved(
    call: &mut Call,
    before: Option<Summary>,
    said: &[Message],
    places: &[u64],
    made: &Composed,
) {
    if made.absorbed == 0 {
        return;
    }
    if let Some(mut summary) = made.summary.clone() {
        summary.covers_until = places.get(made.absorbed - 1).copied().unwrap_or(0);
        let turns = said[..made.absorbed].to_vec();
        call.moved = Some(Box::new(Moved { before, summary, turns }));
    }
}

fn put_before(call: &mut Call, instructions: usize, made: Composed) {
    events::composed(call, &made);
    let messages = &mut call.inbound.request.messages;
    // The summary and what was looked up stand before the turns that must fit together.
    let led = made
        .messages
        .iter()
        .take_while(|message| matches!(message.role, Role::System | Role::Developer))
        .count();
    let mut before = made.messages;
    let turns = before.split_off(led);
    before.extend(coherent(turns, &messages[instructions..]));
    if !before.is_empty() {
        messages.splice(instructions..instructions, before);
        call.is_edited = true;
    }
}

/// A conversation that another key began is nobody else's to read.
async fn refuse_foreign(call: &Call, conversation: &ConversationRef) -> Result<()> {
    let principal = &call.inbound.principal;
    if principal.key_id.is_none() || principal.is_admin {
        return Ok(());
    }
    let query = ConversationQuery {
        id: Some(conversation.id.clone()),
        limit: 1,
        ..ConversationQuery::default()
    };
    let heads = call.engine.resources.conversations.heads(query).await?;
    match heads.first() {
        Some(head) if !head.conversation.is_open_to(principal) => {
            let message = format!("conversation `{}` was begun with another key", conversation.id);
            Err(Error::new(Kind::Forbidden, message)
                .with_field("conversationId")
                .with_hint("Use the key that began it, or another id for a new conversation."))
        }
        _ => Ok(()),
    }
}

/// The turns after a place, oldest first. Usually the newest few hold them all.
async fn uncovered(
    call: &Call,
    conversation: &ConversationRef,
    covered: u64,
) -> Result<Vec<StoredMessage>> {
    let options = &call.snapshot.engine.context.compression;
    let store = &call.engine.resources.conversations;
    let wanted = match options.strategy {
        Strategy::Full => TURNS_READ_MAX,
        Strategy::LastN => options.keep_recent + SLACK,
        Strategy::SummaryRecent | Strategy::SpanRetrieval => {
            options.trigger_messages.max(options.keep_recent + options.refresh_every) + SLACK
        }
    };
    let mut turns = store.recent(&conversation.id, wanted).await?;
    let is_partial = turns.len() >= wanted
        && turns.first().is_some_and(|first| first.place > covered)
        && !matches!(options.strategy, Strategy::Full | Strategy::LastN);
    if is_partial {
        // Many turns came while nothing was summarised.
        turns = store.turns(&conversation.id, covered, TURNS_READ_MAX).await?;
    }
    turns.retain(|turn| covered == 0 || turn.place > covered);
    Ok(turns)
}

/// Turns that a summary covers, where spans are looked for in them.
async fn older(call: &Call, conversation: &ConversationRef, covered: u64) -> Result<Vec<Message>> {
    let options = &call.snapshot.engine.context.compression;
    if options.strategy != Strategy::SpanRetrieval || covered == 0 {
        return Ok(Vec::new());
    }
    let store = &call.engine.resources.conversations;
    let turns = store.recent(&conversation.id, TURNS_READ_MAX).await?;
    Ok(turns.into_iter().filter(|turn| turn.place <= covered).filter_map(turn).collect())
}

/// Makes the history of a request short: what the client sent, or what was put before it.
/// `room` are the tokens that all messages may take. False: it cannot be made shorter.
pub(crate) fn shorten(call: &mut Call, room: Option<u64>) -> bool {
    let options = call.snapshot.engine.context.compression;
    let messages = &call.inbound.request.messages;
    let instructions = messages
        .iter()
        .take_while(|message| matches!(message.role, Role::System | Role::Developer))
        .count();
    let fixed = tokens::of_messages(&messages[..instructions]);
    let room = room.map(|room| room.saturating_sub(fixed));
    let Some(made) = gw_context::shorten(&messages[instructions..], room, &options) else {
        return false;
    };
    if made.tokens_after >= made.tokens_before {
        return false;
    }
    events::composed(call, &made);
    let kept = made.messages.len().saturating_sub(1);
    let messages = &mut call.inbound.request.messages;
    messages.splice(instructions.., made.messages);
    call.new_messages = call.new_messages.min(kept);
    call.is_edited = true;
    true
}

/// Makes room where no window holds the request, if configuration allows that. `window` is the
/// largest one that may be used.
pub(crate) fn make_room(call: &mut Call, window: u64) -> bool {
    if call.snapshot.engine.context.stateless == Stateless::Off
        && call.inbound.context.recall != Recall::History
    {
        return false;
    }
    let request = &call.inbound.request;
    let answer = request.max_output_tokens.unwrap_or(ANSWER_ROOM).max(ANSWER_ROOM);
    // Tools and the frame of the request are not the history's to take.
    let messages = tokens::of_messages(&request.messages);
    let other = call.features.likely_input_tokens.saturating_sub(messages);
    let room = window.saturating_sub(answer).saturating_sub(other);
    // Estimates differ from one model to the next.
    room > 0 && shorten(call, Some(room - room / 8))
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

/// Stored turns as messages; for those who compose without a call.
pub fn messages_of(stored: Vec<StoredMessage>) -> Vec<Message> {
    stored.into_iter().filter_map(turn).collect()
}

/// A summary's body as it is stored, with when it was made.
pub(crate) fn body_of(summary: &Summary, conversation: &ConversationRef, at: String) -> Value {
    let mut summary = summary.clone();
    conversation.id.as_str().clone_into(&mut summary.conversation_id);
    summary.last_updated = at;
    summary.to_value()
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
