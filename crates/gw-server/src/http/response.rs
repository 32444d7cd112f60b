//! `GET` and `DELETE /v1/responses/{id}`: a kept response.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::record::StoredResponse;
use gw_core::seam::{ClientStream, DialectId};
use gw_core::unfold::unfold;
use gw_core::{Error, Kind};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::json;

use crate::app::Server;
use crate::ask;
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::http::{Route, model, models};
use crate::kept;
use crate::openapi::{DOOR_ERRORS, Operation};
use crate::respond;
use crate::surface::Surface;

pub(super) fn door() -> Route {
    Route {
        path: "/v1/responses/{id}",
        aliases: &["/responses/{id}"],
        allow: "GET, HEAD, DELETE, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(show).delete(forget) },
        operations,
    }
}

#[derive(Debug, Default, Deserialize)]
struct Wanted {
    stream: Option<bool>,
}

async fn show(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = query.map_err(|rejection| models::wrong_query(&rejection))?;
    let Path(id) = path.map_err(|rejection| model::wrong_path(&rejection))?;
    let kept = found(&server, &caller, &id).await?;
    if wanted.stream == Some(true) {
        return Ok(streamed(&server, &kept)?);
    }
    Ok(respond::json(kept.response.to_string()))
}

/// The response as the stream that it was, or could have been.
fn streamed(server: &Server, kept: &StoredResponse) -> Result<Response, Error> {
    let dialect = ask::spoken(server, DialectId::OpenAiResponses)?;
    let reply = dialect.decode_reply(kept.response.to_string().as_bytes())?;
    let echo = kept.response.as_object().cloned().unwrap_or_default();
    let mut encoder = dialect.stream_encoder(ClientStream {
        include_usage: true,
        fallback_id: kept.id.clone(),
        echo: echo.into_iter().filter(|(key, _)| !OWN.contains(&key.as_str())).collect(),
        ..ClientStream::default()
    });
    let mut out = Vec::new();
    for event in unfold(&reply) {
        encoder.push(&event, &mut out);
    }
    let mut response = respond::json(out);
    let events = HeaderValue::from_static(dialect.stream_content_type());
    response.headers_mut().insert(CONTENT_TYPE, events);
    Ok(response)
}

/// Members that the encoder writes from the answer itself.
const OWN: [&str; 8] =
    ["id", "object", "created_at", "status", "output", "usage", "error", "incomplete_details"];

/// A kept response of the caller.
///
/// # Errors
/// [`Kind::NotFound`] for one that is not known, or another's.
pub(super) async fn found(
    server: &Server,
    caller: &Caller,
    id: &str,
) -> Result<StoredResponse, Error> {
    let thread = server.app.responses.response_thread(kept::owner(caller), id, 1).await?;
    thread.into_iter().next_back().ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> Error {
    let shown: String = id.chars().take(128).collect();
    Error::new(Kind::NotFound, format!("Response with id '{shown}' not found."))
        .with_field("id")
        .with_hint("responses are kept for 30 days, unless they say `store: false`")
}

async fn forget(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(id) = path.map_err(|rejection| model::wrong_path(&rejection))?;
    if !server.app.responses.forget_response(kept::owner(&caller), &id).await? {
        return Err(unknown(&id).into());
    }
    Ok(respond::json(json!({"id": id, "object": "response", "deleted": true}).to_string()))
}

fn operations() -> Vec<Operation> {
    let id = json!({"type": "string", "minLength": 1, "example": "resp_1"});
    let example =
        json!({"id": "resp_1", "object": "response", "status": "completed", "output": []});
    let event = json!({"event": "response.completed", "data": "{\"type\":\"response.completed\"}"});
    let errors = [Kind::InvalidRequest, Kind::NotFound, Kind::StoreUnavailable];
    let get = Operation::new("get", "getResponse", "OpenAI", "A kept response.")
        .parameter("path", "id", "The response.", &id)
        .parameter("query", "stream", "True gives it as a stream.", &json!({"type": "boolean"}))
        .dialect_answer("Response", "The response, whole or as a stream of events.", example)
        .dialect_events("ResponseEvent", event)
        .errors(Surface::OpenAi, &errors)
        .errors(Surface::OpenAi, &DOOR_ERRORS);
    let gone = json!({"id": "resp_1", "object": "response", "deleted": true});
    let delete = Operation::new("delete", "deleteResponse", "OpenAI", "Forgets a kept response.")
        .parameter("path", "id", "The response.", &id)
        .dialect_answer("Deleted", "It is gone.", gone)
        .errors(Surface::OpenAi, &errors)
        .errors(Surface::OpenAi, &DOOR_ERRORS);
    vec![get, delete]
}
