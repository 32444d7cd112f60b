//! `GET|POST /v1/context/{conversationId}`: what is remembered of a conversation, and its summary.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::ConversationId;
use gw_core::Kind;
use gw_core::record::{ConversationRef, StoredMessage};
use gw_core::seam::Conversations;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::app::{Server, iso_instant};
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::http::model::wrong_path;
use crate::http::{Route, conversations};
use crate::openapi::{self, BODY_ERRORS, DOOR_ERRORS, Operation};
use crate::surface::Surface;
use crate::{body, fields, fields::Fields, respond};

/// Turns shown, as system A shows them.
const RECENT_MESSAGES: usize = 10;

pub(super) fn door() -> Route {
    Route {
        path: "/v1/context/{conversationId}",
        aliases: &[],
        allow: "GET, HEAD, POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(show).post(summarise) },
        operations,
    }
}

/// What is remembered of a conversation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContextAnswer {
    /// Its id.
    conversation_id: String,
    /// Its newest summary; null where there is none.
    #[schema(required = true, value_type = Option<Object>)]
    summary: Option<Value>,
    /// Its last turns, oldest first.
    recent_messages: Vec<Turn>,
}

/// A turn.
#[derive(Serialize, ToSchema)]
struct Turn {
    /// `user`, `assistant`, `system` or `tool`.
    role: String,
    /// Its text.
    content: String,
    /// What the door attached.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// When it was said.
    #[schema(format = "date-time")]
    timestamp: String,
}

impl Turn {
    fn of(message: StoredMessage) -> Self {
        Self {
            role: message.role,
            content: message.content,
            metadata: message.metadata,
            timestamp: iso_instant(message.created_at_ms),
        }
    }
}

async fn show(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let id = conversation_id(path)?;
    let kept = &*server.app.engine.resources().conversations;
    conversations::check(kept, &caller.principal, &id).await?;
    Ok(respond::json_of(&remembered(&*server.app.engine.resources().conversations, &id).await?)?)
}

/// What is remembered of a conversation; empty for one that is not known.
///
/// # Errors
/// [`Kind::StoreUnavailable`].
pub(crate) async fn remembered(
    conversations: &dyn Conversations,
    id: &ConversationId,
) -> Result<ContextAnswer, gw_core::Error> {
    let summary = conversations.summary(id).await?;
    let recent = conversations.recent(id, RECENT_MESSAGES).await?;
    Ok(ContextAnswer {
        conversation_id: id.as_str().to_owned(),
        summary: summary.map(|summary| summary.body),
        recent_messages: recent.into_iter().map(Turn::of).collect(),
    })
}

/// A summary to keep.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body; Fields reads it")]
struct SummaryRequest {
    /// The summary, in any form.
    #[schema(value_type = Object)]
    summary: Map<String, Value>,
}

/// A summary was kept.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SummaryAnswer {
    /// True.
    success: bool,
    /// The conversation.
    conversation_id: String,
    /// Its number among the summaries of this conversation, from 1.
    version: u32,
}

async fn summarise(
    State(server): State<Arc<Server>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Refusal> {
    let id = conversation_id(path)?;
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    let kept = &*server.app.engine.resources().conversations;
    conversations::check(kept, &caller.principal, &id).await?;
    let bytes = body::read(&server.app.options, request).await?;
    let fields = Fields::parse(&bytes)?;
    fields.require(&["summary"])?;
    let mut summary = fields.object("summary")?.cloned().unwrap_or_default();
    summary.insert("conversationId".to_owned(), json!(id.as_str()));
    summary.insert("lastUpdated".to_owned(), json!(iso_instant(server.now_ms())));
    let conversation = ConversationRef {
        id: id.clone(),
        user_id: caller.principal.user_id,
        project_id: caller.principal.project_id,
        owner: caller.principal.key_id,
    };
    let conversations = &server.app.engine.resources().conversations;
    let version = conversations.put_summary(conversation, Value::Object(summary)).await?;
    let conversation_id = id.as_str().to_owned();
    Ok(respond::json_of(&SummaryAnswer { success: true, conversation_id, version })?)
}

/// The conversation that the path names.
///
/// # Errors
/// [`Kind::InvalidRequest`] for an id that no conversation can have.
pub(super) fn conversation_id(
    path: Result<Path<String>, PathRejection>,
) -> Result<ConversationId, gw_core::Error> {
    let Path(id) = path.map_err(|rejection| wrong_path(&rejection))?;
    fields::client_id("conversationId", &id).map(ConversationId::from)
}

fn operations() -> Vec<Operation> {
    let id = openapi::client_id();
    let shown = json!({
        "conversationId": "demo-1", "summary": null,
        "recentMessages": [{"role": "user", "content": "Say hello in one word.", "metadata": {},
            "timestamp": "2026-11-20T12:00:00.000Z"}],
    });
    let get =
        Operation::new("get", "getContext", "System A", "What is remembered of a conversation.")
            .parameter("path", "conversationId", "The conversation.", &id)
            .answers::<ContextAnswer>("Empty for a conversation that is not known.", shown)
            .errors(
                Surface::General,
                &[Kind::InvalidRequest, Kind::Forbidden, Kind::StoreUnavailable],
            )
            .errors(Surface::General, &DOOR_ERRORS);
    let post =
        Operation::new("post", "putContext", "System A", "Stores a summary of a conversation.")
            .parameter("path", "conversationId", "The conversation.", &id)
            .body::<SummaryRequest>(json!({"summary": {"currentTask": "greeting"}}))
            .answers::<SummaryAnswer>(
                "The summary is stored.",
                json!({"success": true, "conversationId": "demo-1", "version": 1}),
            )
            .errors(Surface::General, &BODY_ERRORS)
            .errors(Surface::General, &[Kind::Forbidden, Kind::StoreUnavailable])
            .errors(Surface::General, &DOOR_ERRORS);
    vec![get, post]
}
