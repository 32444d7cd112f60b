//! Keeps a summary that moved on, behind the answer: no client waits for it. Where configuration says
//! so, a model makes it; that is a call of its own, reserved, billed and recorded like any other.

use std::pin::Pin;
use std::sync::Arc;

use gw_context::{Summary, prompt, todo};
use gw_core::chat::ChatRequest;
use gw_core::limits::TURNS_READ_MAX;
use gw_core::principal::Principal;
use gw_core::record::{ConversationRef, TodoItem};
use gw_core::task::{Complexity, TaskType};
use gw_core::{CallId, Layer, Result};

use crate::answer::{Answer, AnswerBody, Failure};
use crate::call::Call;
use crate::context::Summariser;
use crate::engine::Engine;
use crate::events;
use crate::inbound::{CallContext, Door, Inbound};
use crate::recall::{self, Moved};

/// Starts keeping the summary that a call moved on; does not wait for it.
pub(crate) fn refresh(call: &mut Call) {
    let (Some(moved), Some(conversation)) =
        (call.moved.take(), call.inbound.context.conversation.clone())
    else {
        return;
    };
    let engine = Arc::clone(&call.engine);
    let asked =
        Asked { principal: call.inbound.principal.clone(), conversation, parent: Some(call.id) };
    let id = call.id;
    call.engine.tasks.spawn(async move {
        if let Err(error) = keep(&engine, &asked, *moved).await {
            events::summary_not_kept(id, &error);
        }
    });
}

/// For whom and about what the gateway asks a model by itself.
pub(crate) struct Asked {
    pub(crate) principal: Principal,
    pub(crate) conversation: ConversationRef,
    pub(crate) parent: Option<CallId>,
}

async fn keep(engine: &Arc<Engine>, asked: &Asked, moved: Moved) -> Result<u32> {
    let options = engine.snapshot().engine.context;
    let Moved { before, summary, turns } = moved;
    let made = match options.summariser {
        Summariser::Extractive => None,
        Summariser::Free | Summariser::Cheapest => {
            let request = prompt::summary_request(before.as_ref(), &turns);
            let answer = ask(engine, asked, request, options.summariser).await;
            answer.and_then(|(text, model)| {
                prompt::summary_of(&text, &model, &summary, options.compression.bounds)
            })
        }
    };
    put(engine, &asked.conversation, &made.unwrap_or(summary))
        .await
        .map(|version| version.unwrap_or(0))
}

/// Stores a summary unless one that covers as much was stored meanwhile.
pub(crate) async fn put(
    engine: &Engine,
    conversation: &ConversationRef,
    summary: &Summary,
) -> Result<Option<u32>> {
    let store = &engine.resources.conversations;
    let newest = store.summary(&conversation.id).await?;
    let covered = newest.map_or(0, |newest| Summary::of_value(&newest.body).covers_until);
    if covered > 0 && covered >= summary.covers_until {
        return Ok(None);
    }
    let at = instant(engine.resources.clock.unix_ms());
    let body = recall::body_of(summary, conversation, at);
    store.put_summary(conversation.clone(), body).await.map(Some)
}

/// Asks a model on the gateway's own account of the caller; the text and the model's id.
pub(crate) async fn ask(
    engine: &Arc<Engine>,
    asked: &Asked,
    request: ChatRequest,
    by: Summariser,
) -> Option<(String, String)> {
    let is_free = by != Summariser::Cheapest;
    let mut context = CallContext {
        conversation: Some(asked.conversation.clone()),
        complexity: Some(Complexity::Low),
        task: Some(TaskType::General),
        preferred_layer: is_free.then_some(Layer::L0),
        max_layer: Some(if is_free { Layer::L0 } else { Layer::L1 }),
        is_free_only: is_free,
        ..CallContext::default()
    };
    context.metadata.insert("purpose".to_owned(), "summarise".into());
    if let Some(parent) = asked.parent {
        context.metadata.insert("parentCallId".to_owned(), parent.to_string().into());
    }
    let principal = asked.principal.clone();
    let inbound = Inbound { door: Door::Summarise, request, raw: None, principal, context };
    let answer = boxed(engine, inbound).await.ok()?;
    match answer.body {
        AnswerBody::Whole(whole) => Some((whole.reply.text(), answer.head.model_id)),
        AnswerBody::Stream(_) => None,
    }
}

type Asking = Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send>>;

/// A call behind a call: its type is hidden, for a future cannot hold itself.
fn boxed(engine: &Arc<Engine>, inbound: Inbound) -> Asking {
    let engine = Arc::clone(engine);
    Box::pin(async move { engine.run(inbound).await })
}

/// Makes a new version of a summary now, of all turns that the newest one does not cover.
///
/// # Errors
/// [`gw_core::Kind::StoreUnavailable`].
pub(crate) async fn summarise(
    engine: &Arc<Engine>,
    principal: Principal,
    conversation: ConversationRef,
    by: Summariser,
) -> Result<Option<Summary>> {
    let store = &engine.resources.conversations;
    let newest = store.summary(&conversation.id).await?;
    let before = newest.map(|newest| Summary::of_value(&newest.body));
    let covered = before.as_ref().map_or(0, |summary| summary.covers_until);
    let turns = store.turns(&conversation.id, covered, TURNS_READ_MAX).await?;
    let Some(last) = turns.last().map(|turn| turn.place) else { return Ok(before) };
    let turns = recall::messages_of(turns);
    let options = engine.snapshot().engine.context;
    let mut summary = before.clone().unwrap_or_default();
    gw_context::absorb(&mut summary, &turns, options.compression.bounds);
    summary.covers_until = last;
    if by != Summariser::Extractive {
        let asked = Asked { principal, conversation: conversation.clone(), parent: None };
        let request = prompt::summary_request(before.as_ref(), &turns);
        let answer = ask(engine, &asked, request, by).await;
        let bounds = options.compression.bounds;
        let made =
            answer.and_then(|(text, model)| prompt::summary_of(&text, &model, &summary, bounds));
        summary = made.unwrap_or(summary);
    }
    put(engine, &conversation, &summary).await?;
    Ok(Some(summary))
}

/// A list of what is to be done, made by a model where one answers with a list, else from the words of
/// the task.
pub(crate) async fn todo_list(
    engine: &Arc<Engine>,
    principal: Principal,
    conversation: ConversationRef,
    task: &str,
    by: Summariser,
) -> Vec<TodoItem> {
    let made = match by {
        Summariser::Extractive => None,
        Summariser::Free | Summariser::Cheapest => {
            let asked = Asked { principal, conversation, parent: None };
            let answer = ask(engine, &asked, prompt::todo_request(task), by).await;
            answer.and_then(|(text, _)| todo::parse(&text))
        }
    };
    made.unwrap_or_else(|| todo::generate(task))
}

/// An instant as ISO 8601, in milliseconds.
fn instant(unix_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(unix_ms) {
        Ok(instant) => format!("{instant:.3}"),
        Err(_) => String::new(),
    }
}
