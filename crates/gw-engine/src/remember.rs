//! Keeps what happened: the record, and the turns of a conversation. Durable before the client has
//! the end of its answer.

use std::sync::Arc;

use gw_core::Kind;
use gw_core::chat::{Message, Part, Role};
use gw_core::record::{CallRecord, CallStatus, StoredMessage};
use gw_core::reply::ChatReply;

use crate::answer::{Answer, AnswerBody, Whole};
use crate::attempt::WholeReply;
use crate::call::Call;
use crate::engine::Engine;
use crate::events;
use crate::inbound::Recall;

/// Ends a call that was answered at once.
pub(crate) async fn whole(mut call: Box<Call>, answered: WholeReply) -> Answer {
    let (record, receipt) = call.finish(CallStatus::Ok);
    keep_record(&call.engine, record).await;
    keep_turns(&call, &answered.reply).await;
    let WholeReply { reply, raw, head } = answered;
    Answer { head, body: AnswerBody::Whole(Box::new(Whole { reply, raw, receipt })) }
}

/// Keeps a record. A store that fails does not take the answer from the client: the record goes to
/// the log instead.
pub(crate) async fn keep_record(engine: &Arc<Engine>, record: CallRecord) {
    if let Err(error) = engine.resources.calls.record(record.clone()).await {
        events::record_not_kept(&record, &error);
    }
}

/// Appends the new turns and the answer to the conversation, where the gateway keeps it.
pub(crate) async fn keep_turns(call: &Call, reply: &ChatReply) {
    let context = &call.inbound.context;
    let (Recall::History, Some(conversation)) = (context.recall, &context.conversation) else {
        return;
    };
    let messages = &call.inbound.request.messages;
    let new = &messages[messages.len().saturating_sub(call.new_messages)..];
    let at_ms = call.started_at_ms();
    let mut turns: Vec<StoredMessage> = new
        .iter()
        .filter(|message| matches!(message.role, Role::User | Role::Assistant))
        .map(|message| stored(message.clone(), at_ms, call))
        .collect();
    if let Some(choice) = reply.choices.first() {
        let parts: Vec<Part> = choice
            .parts
            .iter()
            .filter(|part| !matches!(part, Part::Thinking { .. } | Part::RedactedThinking { .. }))
            .cloned()
            .collect();
        let message =
            Message { role: Role::Assistant, parts, name: None, extra: Default::default() };
        turns.push(stored(message, call.engine.resources.clock.unix_ms(), call));
    }
    let store = &call.engine.resources.conversations;
    if let Err(error) = store.append(conversation.clone(), turns).await {
        debug_assert!(error.kind() == Kind::StoreUnavailable, "{error:?}");
        events::turns_not_kept(call.id, &error);
    }
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
    }
}
