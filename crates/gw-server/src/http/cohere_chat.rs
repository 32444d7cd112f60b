//! `POST /v2/chat`: Cohere's dialect.

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
use crate::http::Route;
use crate::openapi::{BODY_ERRORS, CALL_ERRORS, DOOR_ERRORS, Operation};
use crate::surface::Surface;

const MANNER: Manner =
    Manner { door: Door::Cohere, dialect: DialectId::CohereChat, surface: Surface::Cohere };

pub(super) fn door() -> Route {
    Route {
        path: "/v2/chat",
        aliases: &[],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(chat) },
        operations,
    }
}

async fn chat(State(server): State<Arc<Server>>, request: Request) -> Result<Response, Refusal> {
    let (headers, caller, bytes) = ask::take(&server, request).await?;
    let ask = Ask::read(&server, MANNER, &headers, caller, bytes)?;
    ask::answer(&server, ask).await
}

fn operations() -> Vec<Operation> {
    let request = json!({
        "model": "auto", "messages": [{"role": "user", "content": "Say hello in one word."}],
    });
    let answer = json!({
        "id": "0198", "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]},
        "usage": {"billed_units": {"input_tokens": 14, "output_tokens": 2},
            "tokens": {"input_tokens": 14, "output_tokens": 2}},
    });
    let event = json!({"data": "{\"type\":\"message-end\"}"});
    let post = Operation::new("post", "cohereChat", "Cohere", "A completion in Cohere's dialect.")
        .call_headers()
        .dialect_body("CohereChatRequest", request)
        .dialect_answer("CohereChatAnswer", "The answer, whole or as a stream of events.", answer)
        .dialect_events("ChatCompletionEvent", event)
        .with_call_answer_headers()
        .errors(Surface::Cohere, &BODY_ERRORS)
        .errors(Surface::Cohere, &DOOR_ERRORS)
        .errors(Surface::Cohere, &CALL_ERRORS);
    vec![post]
}
