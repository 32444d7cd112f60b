//! `POST /v1/chat/completions`: OpenAI's dialect.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use gw_core::seam::DialectId;
use gw_engine::Door;
use serde_json::json;

use crate::app::Server;
use crate::ask::{self, Manner};
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::{BODY_ERRORS, CALL_ERRORS, DOOR_ERRORS, Operation};
use crate::surface::Surface;

const MANNER: Manner =
    Manner { door: Door::OpenAiChat, dialect: DialectId::OpenAiChat, surface: Surface::OpenAi };

pub(super) fn door() -> Route {
    Route {
        path: "/v1/chat/completions",
        aliases: &["/chat/completions"],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(complete) },
        operations,
    }
}

async fn complete(
    State(server): State<Arc<Server>>,
    request: Request,
) -> Result<Response, Refusal> {
    ask::ask(&server, MANNER, request).await
}

fn operations() -> Vec<Operation> {
    let request = json!({
        "model": "auto",
        "messages": [{"role": "user", "content": "Say hello in one word."}],
        "max_completion_tokens": 64,
    });
    let answer = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_763_000_000, "model": "gpt-5.6",
        "choices": [{"index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Hello."}}],
        "usage": {"prompt_tokens": 14, "completion_tokens": 2, "total_tokens": 16},
    });
    let event = json!({"data": "[DONE]"});
    let post = Operation::new("post", "createChatCompletion", "OpenAI", "A completion in OpenAI's dialect.")
        .call_headers()
        .dialect_body("ChatCompletionRequest", request)
        .dialect_answer("ChatCompletion", "The answer, whole or as a stream of events.", answer)
        .dialect_events("ChatCompletionEvent", event)
        .with_call_answer_headers()
        .errors(Surface::OpenAi, &BODY_ERRORS)
        .errors(Surface::OpenAi, &DOOR_ERRORS)
        .errors(Surface::OpenAi, &CALL_ERRORS)
        .answers_as(422, "The provider found fault with a field.", "application/json",
            json!({"$ref": "#/components/schemas/OpenAiError"}),
            json!({"error": {"message": "`temperature` is out of range",
                "type": "invalid_request_error", "param": "temperature", "code": "provider_rejected"}}));
    vec![post]
}
