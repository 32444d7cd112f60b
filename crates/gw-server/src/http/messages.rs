//! `POST /v1/messages`: Anthropic's dialect.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use gw_core::seam::DialectId;
use gw_engine::Door;
use serde_json::json;

use crate::app::Server;
use crate::ask::{self, Ask, Manner};
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::{Route, listing};
use crate::openapi::{BODY_ERRORS, CALL_ERRORS, DOOR_ERRORS, Operation};
use crate::surface::Surface;

const MANNER: Manner = Manner {
    door: Door::AnthropicMessages,
    dialect: DialectId::AnthropicMessages,
    surface: Surface::Anthropic,
};

pub(super) fn door() -> Route {
    Route {
        path: "/v1/messages",
        aliases: &["/messages"],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(message) },
        operations,
    }
}

pub(crate) async fn message(
    State(server): State<Arc<Server>>,
    request: Request,
) -> Result<Response, Refusal> {
    let (headers, caller, bytes) = ask::take(&server, request).await?;
    let mut ask = Ask::read(&server, MANNER, &headers, caller, bytes)?;
    let snapshot = server.app.engine.snapshot();
    let model = listing::unaliased(&snapshot, &ask.request.model);
    if model != ask.request.model {
        ask.request.model = model.to_owned();
    }
    ask::answer(&server, ask).await
}

fn operations() -> Vec<Operation> {
    let request = json!({
        "model": "auto",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "Say hello in one word."}],
    });
    let answer = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": "Hello."}],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 14, "output_tokens": 2},
    });
    let event = json!({"event": "message_stop", "data": "{\"type\":\"message_stop\"}"});
    let post = Operation::new(
        "post",
        "createMessage",
        "Anthropic",
        "A completion in Anthropic's dialect.",
    )
    .call_headers()
    .dialect_body("MessagesRequest", request)
    .dialect_answer("Message", "The answer, whole or as a stream of events.", answer)
    .dialect_events("MessageEvent", event)
    .with_call_answer_headers()
    .errors(Surface::Anthropic, &BODY_ERRORS)
    .errors(Surface::Anthropic, &DOOR_ERRORS)
    .errors(Surface::Anthropic, &CALL_ERRORS)
    .answers_as(
        422,
        "The provider found fault with a field.",
        "application/json",
        json!({"$ref": "#/components/schemas/AnthropicError"}),
        json!({"type": "error", "error": {"type": "invalid_request_error",
                "message": "temperature: out of range"}}),
    );
    vec![post]
}
