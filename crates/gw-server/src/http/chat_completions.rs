//! `POST /v1/chat/completions`: OpenAI's dialect.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use gw_core::Error;
use gw_core::chat::ChatRequest;
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

/// Most models that a request may name besides the first.
const ALTERNATIVES_MAX: usize = 8;

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

pub(crate) async fn complete(
    State(server): State<Arc<Server>>,
    request: Request,
) -> Result<Response, Refusal> {
    let (headers, caller, bytes) = ask::take(&server, request).await?;
    let mut ask = Ask::read(&server, MANNER, &headers, caller, bytes)?;
    ask.alternatives = alternatives(&ask.request)?;
    ask::answer(&server, ask).await
}

/// OpenRouter's `models`: what to ask where the model of the request gives no answer. The model itself
/// may stand at its head.
fn alternatives(request: &ChatRequest) -> Result<Vec<String>, Error> {
    let Some(list) = request.extra.fields.get("models").filter(|list| !list.is_null()) else {
        return Ok(Vec::new());
    };
    let wrong = || Error::bad_field("models", "`models` must be a list of names of models");
    let names = list.as_array().ok_or_else(wrong)?;
    if names.len() > ALTERNATIVES_MAX {
        let message = format!("`models` holds more than {ALTERNATIVES_MAX} models");
        return Err(Error::bad_field("models", message));
    }
    let mut alternatives = Vec::with_capacity(names.len());
    for name in names {
        let name = name.as_str().filter(|name| !name.is_empty()).ok_or_else(wrong)?;
        if name != request.model {
            alternatives.push(name.to_owned());
        }
    }
    Ok(alternatives)
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
