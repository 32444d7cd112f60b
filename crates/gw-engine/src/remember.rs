//! Keeps what happened: the record, and the turns of a conversation. Durable before the client has
//! the end of its answer.

use std::sync::Arc;

use gw_core::chat::{Message, Part, Role};
use gw_core::limits::REMEMBERED_TEXT_BYTES_MAX;
use gw_core::record::{CallRecord, CallStatus, ConversationRef, StoredMessage};
use gw_core::reply::ChatReply;

use crate::answer::{Answer, AnswerBody, Whole};
use crate::cache;
use crate::call::Call;
use crate::engine::Engine;
use crate::exchange::WholeReply;
use crate::inbound::Recall;
use crate::{events, group, refresh};

/// Ends a call that was answered at once.
pub(crate) async fn whole(mut call: Box<Call>, answered: WholeReply) -> Answer {
    group::name_by_answer(&mut call, &answered.reply);
    let (record, receipt) = call.finish(CallStatus::Ok);
    let record = keep_record(&call.engine, record);
    let turns = keep_turns(&call, &answered.reply);
    keep_surely(&call.engine, async {
        tokio::join!(record, turns);
    })
    .await;
    refresh::refresh(&mut call);
    let WholeReply { reply, raw, head } = answered;
    cache::keep(&mut call, &head, &reply).await;
    Answer { head, body: AnswerBody::Whole(Box::new(Whole { reply, raw, receipt })) }
}

/// Sees it through even when the caller leaves meanwhile: the provider has been paid.
pub(crate) async fn keep_surely(
    engine: &Engine,
    keeping: impl Future<Output = ()> + Send + 'static,
) {
    let _ = engine.tasks.spawn(keeping).await;
}

/// Keeps a record. A store that fails does not take the answer from the client: the record goes to
/// the log instead.
pub(crate) fn keep_record(
    engine: &Engine,
    record: CallRecord,
) -> impl Future<Output = ()> + Send + 'static {
    let calls = Arc::clone(&engine.resources.calls);
    async move {
        if let Err(error) = calls.record(record.clone()).await {
            events::record_not_kept(&record, &error);
        }
    }
}

/// Appends the new turns and the answer to the conversation, where the gateway keeps it.
pub(crate) fn keep_turns(
    call: &Call,
    reply: &ChatReply,
) -> impl Future<Output = ()> + Send + 'static {
    let id = call.id;
    let store = Arc::clone(&call.engine.resources.conversations);
    let turns = turns(call, reply);
    let stateless =
        group::turns(call, reply, |message| stored(message, call.started_at_ms(), call));
    if let Some((conversation, turns)) = stateless {
        // The client has the history itself, so it does not wait for this copy.
        let engine = Arc::clone(&call.engine);
        call.engine.tasks.spawn(group::append(engine, id, conversation, turns));
    }
    async move {
        let Some((conversation, turns)) = turns else { return };
        if let Err(error) = store.append(conversation, turns).await {
            events::turns_not_kept(id, &error);
        }
    }
}

fn turns(call: &Call, reply: &ChatReply) -> Option<(ConversationRef, Vec<StoredMessage>)> {
    let context = &call.inbound.context;
    let (Recall::History, Some(conversation)) = (context.recall, &context.conversation) else {
        return None;
    };
    let messages = &call.inbound.request.messages;
    let new = &messages[messages.len().saturating_sub(call.new_messages)..];
    let at_ms = call.started_at_ms();
    let mut turns: Vec<StoredMessage> = new
        .iter()
        .filter(|message| matches!(message.role, Role::User | Role::Assistant))
        .map(|message| stored(message.clone(), at_ms, call))
        .collect();
    let parts = reply.choices.first().map(|choice| said(&choice.parts)).unwrap_or_default();
    // An answer without a word would be refused when it is sent back.
    if !parts.is_empty() {
        let message =
            Message { role: Role::Assistant, parts, name: None, extra: Default::default() };
        // A clock that was set back must not put the answer before its question.
        let now_ms = call.engine.resources.clock.unix_ms().max(at_ms);
        turns.push(stored(message, now_ms, call));
    }
    Some((conversation.clone(), turns))
}

/// What of an answer is said again to the next model: no thoughts, and no more than
/// [`REMEMBERED_TEXT_BYTES_MAX`].
fn said(parts: &[Part]) -> Vec<Part> {
    let mut left = REMEMBERED_TEXT_BYTES_MAX;
    let mut kept = Vec::with_capacity(parts.len());
    for part in parts {
        let mut part = part.clone();
        let bytes = match &mut part {
            Part::Thinking { .. } | Part::RedactedThinking { .. } => continue,
            Part::Text { text, .. } | Part::Refusal { text } => {
                text.truncate(text.floor_char_boundary(left));
                if text.is_empty() {
                    continue;
                }
                text.len()
            }
            Part::ToolCall { id, name, arguments, .. } => id.len() + name.len() + arguments.len(),
            Part::Opaque { value, .. } => value.to_string().len(),
            _ => 0,
        };
        if bytes > left {
            break;
        }
        left -= bytes;
        kept.push(part);
    }
    kept
}

fn stored(message: Message, created_at_ms: i64, call: &Call) -> StoredMessage {
    let role = match message.role {
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::System | Role::Developer => "system",
    };
    let mut metadata = serde_json::Map::new();
    metadata.insert("callId".to_owned(), call.id.to_string().into());
    if message.role == Role::Assistant {
        metadata.insert("modelUsed".to_owned(), call.route.model_id.clone().into());
    }
    let is_plain = matches!(message.parts.as_slice(), [Part::Text { .. }]);
    StoredMessage {
        role: role.to_owned(),
        content: message.joined_text(),
        message: (!is_plain).then_some(message),
        metadata,
        created_at_ms,
        place: 0,
    }
}
