//! `POST /v1/responses`: OpenAI's responses. `GET` on the same path opens the WebSocket on which Codex
//! speaks them.

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Extension, body::Body};
use bytes::Bytes;
use gw_core::Kind;
use gw_core::seam::DialectId;
use gw_engine::Door;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::json;

use crate::app::Server;
use crate::ask::{self, Ask, Manner};
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::http::{Route, responses_socket};
use crate::kept::{self, Recent, Turn};
use crate::openapi::{BODY_ERRORS, CALL_ERRORS, DOOR_ERRORS, Operation};
use crate::surface::Surface;

const MANNER: Manner = Manner {
    door: Door::OpenAiResponses,
    dialect: DialectId::OpenAiResponses,
    surface: Surface::OpenAi,
};

pub(super) fn door() -> Route {
    Route {
        path: "/v1/responses",
        aliases: &["/responses"],
        allow: "GET, HEAD, POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(open).post(create) },
        operations,
    }
}

pub(crate) async fn create(
    State(server): State<Arc<Server>>,
    request: Request,
) -> Result<Response, Refusal> {
    let (headers, caller, bytes) = ask::take(&server, request).await?;
    let turn = kept::turn(&server, kept::owner(&caller), bytes, false, None).await?;
    respond(&server, &headers, caller, turn, false).await
}

/// Answers a turn as one on the WebSocket is answered: always as a stream, and remembered there.
///
/// # Errors
/// Whatever keeps it from an answer.
pub(super) async fn on_socket(
    server: &Arc<Server>,
    headers: &HeaderMap,
    caller: Caller,
    body: Bytes,
    recent: Option<&Recent>,
) -> Result<(Response, Turn), Refusal> {
    let mut turn = kept::turn(server, kept::owner(&caller), body, true, recent).await?;
    let all = std::mem::take(&mut turn.all);
    let (previous_id, is_kept) = (turn.previous_id.clone(), turn.is_kept);
    let response = respond(server, headers, caller, turn, true).await?;
    let (body, new) = (Bytes::new(), Vec::new());
    Ok((response, Turn { body, previous_id, new, all, is_kept }))
}

async fn respond(
    server: &Arc<Server>,
    headers: &HeaderMap,
    caller: Caller,
    mut turn: Turn,
    always_streams: bool,
) -> Result<Response, Refusal> {
    let owner = kept::owner(&caller).to_owned();
    let mut ask = Ask::read(server, MANNER, headers, caller, turn.body.clone())?;
    if always_streams && !ask.request.stream {
        ask.request.stream = true;
        ask.request.include_usage = true;
        ask.raw = None;
    }
    ask.names_answers = true;
    ask.echo = kept::echo(&turn);
    ask.at_end = kept::keeper(server, &owner, &mut turn);
    ask::answer(server, ask).await
}

/// Opens the WebSocket. A client that only looks whether the path is there sees that it is, and one
/// that asks for no upgrade is told which one there is: Codex then goes on over HTTP at once.
async fn open(
    State(server): State<Arc<Server>>,
    method: Method,
    headers: HeaderMap,
    caller: Option<Extension<Caller>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if method == Method::HEAD {
        return Response::new(Body::empty());
    }
    let caller = caller.map(|Extension(caller)| caller).unwrap_or_default();
    match upgrade {
        Ok(upgrade) => responses_socket::open(server, headers, caller, upgrade),
        Err(_) => upgrade_required(),
    }
}

fn upgrade_required() -> Response {
    let body = json!({"error": {
        "message": "this path is posted to, or upgraded to a WebSocket",
        "type": "invalid_request_error", "param": null, "code": "upgrade_required",
    }});
    let mut response = (StatusCode::UPGRADE_REQUIRED, axum::Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert("x-should-retry", HeaderValue::from_static("false"));
    response
}

fn operations() -> Vec<Operation> {
    let request = json!({"model": "auto", "input": "Say hello in one word."});
    let answer = json!({
        "id": "resp_1", "object": "response", "created_at": 1_763_000_000, "status": "completed",
        "model": "gpt-5.6", "output": [{"type": "message", "id": "msg_1", "role": "assistant",
            "status": "completed", "content": [{"type": "output_text", "text": "Hello.", "annotations": []}]}],
        "usage": {"input_tokens": 14, "output_tokens": 2, "total_tokens": 16},
    });
    let event = json!({"event": "response.completed", "data": "{\"type\":\"response.completed\"}"});
    let about = "Goes on after `previous_response_id` on any provider: the gateway keeps responses \
        unless `store` is false.";
    let post = Operation::new("post", "createResponse", "OpenAI", about)
        .call_headers()
        .dialect_body("ResponsesRequest", request)
        .dialect_answer("Response", "The answer, whole or as a stream of events.", answer)
        .dialect_events("ResponseEvent", event)
        .with_call_answer_headers()
        .errors(Surface::OpenAi, &BODY_ERRORS)
        .errors(Surface::OpenAi, &DOOR_ERRORS)
        .errors(Surface::OpenAi, &CALL_ERRORS)
        .answers_as(422, "The provider found fault with a field.", "application/json",
            json!({"$ref": "#/components/schemas/OpenAiError"}),
            json!({"error": {"message": "`temperature` is out of range",
                "type": "invalid_request_error", "param": "temperature", "code": "provider_rejected"}}));
    let example = json!({"error": {"message": "this path is posted to, or upgraded to a WebSocket",
        "type": "invalid_request_error", "param": null, "code": "upgrade_required"}});
    let get = Operation::new(
        "get",
        "openResponses",
        "OpenAI",
        "A WebSocket: each `response.create` message is answered by the events of its stream.",
    )
    .answers_as(
        426,
        "No upgrade was asked for.",
        "application/json",
        json!({"$ref": "#/components/schemas/OpenAiError"}),
        example,
    )
    .answers_as(101, "The connection is open.", "application/json", json!({}), json!({}))
    .errors(Surface::OpenAi, &[Kind::InvalidRequest])
    .errors(Surface::OpenAi, &DOOR_ERRORS);
    vec![post, get]
}
