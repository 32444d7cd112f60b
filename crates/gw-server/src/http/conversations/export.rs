//! `GET /v1/conversations/{conversationId}/export`, and `GET|DELETE /admin/v1/users/{id}/data`: all that
//! is kept of a conversation or of a user, one row a line, and the end of it.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::limits::ADMIN_PAGE_MAX;
use gw_core::record::{ConversationQuery, DataCursor, Subject};
use gw_core::seam::PersonalData;
use gw_core::{ConversationId, Error, Kind};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::one::Forgotten;
use super::{TAG, open, operation};
use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::fields;
use crate::http::Route;
use crate::http::model::wrong_path;
use crate::openapi::{self, DOOR_ERRORS, Operation};
use crate::respond;
use crate::surface::Surface;

pub(in crate::http) fn door() -> Route {
    Route {
        path: "/v1/conversations/{conversationId}/export",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(export) },
        operations,
    }
}

pub(in crate::http) fn user_door() -> Route {
    Route {
        path: "/admin/v1/users/{id}/data",
        aliases: &[],
        allow: "GET, HEAD, DELETE, OPTIONS",
        scope: Scope::Admin,
        mount: || -> MethodRouter<Arc<Server>> { get(export_user).delete(forget_user) },
        operations: user_operations,
    }
}

async fn export(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let id = open(&server, &caller, path, false).await?.known()?.conversation.id;
    lines(&server, Subject::Conversation(id)).await
}

async fn export_user(
    State(server): State<Arc<Server>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    lines(&server, Subject::User(user(path)?)).await
}

async fn forget_user(
    State(server): State<Arc<Server>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let user = user(path)?;
    let conversations = &server.app.engine.resources().conversations;
    let mut ids: Vec<ConversationId> = Vec::new();
    let mut before_ms = None;
    loop {
        let query = ConversationQuery {
            user_id: Some(user.clone()),
            before_ms,
            limit: ADMIN_PAGE_MAX,
            ..ConversationQuery::default()
        };
        let heads = conversations.heads(query).await?;
        before_ms = heads.last().map(|head| head.updated_at_ms);
        let is_last = heads.len() < ADMIN_PAGE_MAX;
        ids.extend(heads.into_iter().map(|head| head.conversation.id));
        if is_last {
            break;
        }
    }
    let counts = server.app.personal.forget(&Subject::User(user)).await?;
    conversations.evict(&ids).await;
    Ok(respond::json_of(&Forgotten::of(counts))?)
}

fn user(path: Result<Path<String>, PathRejection>) -> Result<String, Error> {
    let Path(id) = path.map_err(|rejection| wrong_path(&rejection))?;
    fields::client_id("id", &id).map(str::to_owned)
}

/// All rows, one a line, read from the store as the client takes them.
async fn lines(server: &Server, subject: Subject) -> Result<Response, Refusal> {
    let personal = Arc::clone(&server.app.personal);
    // The first page before the status, so that a store that is away is an error and no empty file.
    let first = personal.gather(&subject, DataCursor::default()).await?;
    let text = written(&first.rows);
    let rest = futures_util::stream::try_unfold(
        (personal, subject, first.next),
        |(personal, subject, next): (Arc<dyn PersonalData>, Subject, Option<DataCursor>)| async move {
            let Some(from) = next else { return Ok(None) };
            let page = personal.gather(&subject, from).await.map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(Some((written(&page.rows), (personal, subject, page.next))))
        },
    );
    let all = futures_util::StreamExt::chain(futures_util::stream::iter([Ok(text)]), rest);
    let mut response = Response::new(Body::from_stream(all));
    let kind = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

fn written(rows: &[(&'static str, serde_json::Map<String, Value>)]) -> String {
    let mut text = String::new();
    for (table, row) in rows {
        text.push_str(&json!({"table": table, "row": row}).to_string());
        text.push('\n');
    }
    text
}

fn with_lines(operation: Operation) -> Operation {
    let schema = json!({"type": "string", "description": "JSON objects, one a line: table, row."});
    let example = "{\"table\":\"messages\",\"row\":{\"role\":\"user\",\"content\":\"Hello\"}}\n";
    operation.answers_as(200, "Every row.", "application/x-ndjson", schema, json!(example))
}

fn operations() -> Vec<Operation> {
    let get = operation("get", "exportConversation", "Everything kept of a conversation.");
    vec![with_lines(get)]
}

fn user_operations() -> Vec<Operation> {
    let about = |method, id: &str, summary: &str| {
        Operation::new(method, id, TAG, summary)
            .parameter("path", "id", "The user.", &openapi::client_id())
            .errors(Surface::General, &[Kind::InvalidRequest, Kind::StoreUnavailable])
            .errors(Surface::General, &DOOR_ERRORS)
    };
    let get = with_lines(about("get", "exportUser", "Everything kept of a user."));
    let delete = about(
        "delete",
        "deleteUserData",
        "Removes a user's conversations, responses and jobs; what was paid stays under a random name.",
    )
    .answers::<Forgotten>(
        "It is gone.",
        json!({"deleted": true, "rows": {"conversations": 3, "messages": 104}}),
    );
    vec![get, delete]
}
