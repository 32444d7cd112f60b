//! `GET|DELETE /v1/conversations/{conversationId}`: what is known of a conversation, and its end.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::record::Subject;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{ConversationView, open, operation, view_example};
use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::Operation;
use crate::respond;

pub(in crate::http) fn door() -> Route {
    Route {
        path: "/v1/conversations/{conversationId}",
        aliases: &[],
        allow: "GET, HEAD, DELETE, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(show).delete(forget) },
        operations,
    }
}

async fn show(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let head = open(&server, &caller, path, true).await?.known()?;
    Ok(respond::json_of(&ConversationView::of(head))?)
}

/// Data that is gone.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Forgotten {
    /// True.
    pub(in crate::http) deleted: bool,
    /// Rows removed or made anonymous, by table.
    #[schema(value_type = Object)]
    pub(in crate::http) rows: Map<String, Value>,
}

impl Forgotten {
    pub(in crate::http) fn of(counts: Vec<(&'static str, u64)>) -> Self {
        let rows = counts.into_iter().map(|(table, rows)| (table.to_owned(), json!(rows)));
        Self { deleted: true, rows: rows.collect() }
    }
}

async fn forget(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let id = open(&server, &caller, path, false).await?.known()?.conversation.id;
    let counts = server.app.personal.forget(&Subject::Conversation(id.clone())).await?;
    server.app.engine.resources().conversations.evict(&[id]).await;
    Ok(respond::json_of(&Forgotten::of(counts))?)
}

fn operations() -> Vec<Operation> {
    let get =
        operation("get", "getConversation", "What is known of a conversation.")
            .answers::<ConversationView>("The conversation, without its messages.", view_example());
    let delete = operation(
        "delete",
        "deleteConversation",
        "Removes a conversation everywhere; what its calls cost stays on the books.",
    )
    .answers::<Forgotten>(
        "It is gone.",
        json!({"deleted": true, "rows": {"conversations": 1, "messages": 52}}),
    );
    vec![get, delete]
}
