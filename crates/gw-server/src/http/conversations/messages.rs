//! `GET /v1/conversations/{conversationId}/messages`: the messages that are kept, in order.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::limits::ADMIN_PAGE_MAX;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{open, operation};
use crate::app::{Server, iso_instant};
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::http::Route;
use crate::http::models::wrong_query;
use crate::openapi::Operation;
use crate::respond;

/// Messages of a page unless the caller says otherwise.
const PAGE: usize = 100;

pub(in crate::http) fn door() -> Route {
    Route {
        path: "/v1/conversations/{conversationId}/messages",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(list) },
        operations,
    }
}

#[derive(Debug, Default, Deserialize)]
struct Wanted {
    after: Option<u64>,
    limit: Option<usize>,
}

/// A page of messages.
#[derive(Serialize, ToSchema)]
struct Messages {
    /// Oldest first.
    messages: Vec<MessageView>,
    /// What to send as `after` for those after them; null at the end.
    next: Option<u64>,
}

/// A message that is kept.
#[derive(Serialize, ToSchema)]
struct MessageView {
    /// Its place: later ones have larger ones, with gaps.
    place: u64,
    /// `user`, `assistant`, `system` or `tool`.
    role: String,
    /// Its text.
    content: String,
    /// The whole message where it is more than one text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    message: Option<gw_core::chat::Message>,
    /// What the door attached.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// When it was said.
    #[schema(format = "date-time")]
    timestamp: String,
}

async fn list(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = query.map_err(|rejection| wrong_query(&rejection))?;
    let opened = open(&server, &caller, path, false).await?;
    let limit = wanted.limit.unwrap_or(PAGE).clamp(1, ADMIN_PAGE_MAX);
    let store = &server.app.engine.resources().conversations;
    let turns = store.turns(opened.id(), wanted.after.unwrap_or(0), limit).await?;
    let next = turns.last().filter(|_| turns.len() == limit).map(|last| last.place);
    let messages = turns
        .into_iter()
        .map(|turn| MessageView {
            place: turn.place,
            role: turn.role,
            content: turn.content,
            message: turn.message,
            metadata: turn.metadata,
            timestamp: iso_instant(turn.created_at_ms),
        })
        .collect();
    Ok(respond::json_of(&Messages { messages, next })?)
}

fn operations() -> Vec<Operation> {
    let place = json!({"type": "integer", "minimum": 0, "maximum": i64::MAX});
    let example = json!({"messages": [{"place": 7, "role": "user", "content": "Hello",
        "metadata": {}, "timestamp": "2026-11-20T12:00:00.000Z"}], "next": null});
    let number = json!({"type": "integer", "minimum": 1, "maximum": ADMIN_PAGE_MAX});
    let get = operation("get", "listMessages", "The messages of a conversation.")
        .parameter("query", "after", "Only those after this place.", &place)
        .parameter("query", "limit", "Length of a page.", &number)
        .answers::<Messages>("Oldest first.", example);
    vec![get]
}
