//! `POST /api/generate`: Ollama's dialect, one prompt in and one text out.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use gw_dialect::ollama::OllamaGenerate;
use serde_json::json;

use crate::app::Server;
use crate::ask::{self, Ask};
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::Route;
use crate::http::ollama_chat::{MANNER, named, ready};
use crate::openapi::{BODY_ERRORS, CALL_ERRORS, DOOR_ERRORS, Operation};
use crate::surface::Surface;

pub(super) fn door() -> Route {
    Route {
        path: "/api/generate",
        aliases: &[],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(generate) },
        operations,
    }
}

async fn generate(
    State(server): State<Arc<Server>>,
    request: Request,
) -> Result<Response, Refusal> {
    let (headers, caller, bytes) = ask::take(&server, request).await?;
    let mut ask = Ask::read(&server, MANNER, &headers, caller, bytes)?;
    ask.dialect = Arc::new(OllamaGenerate);
    named(&server, &mut ask);
    if ask.request.messages.is_empty() {
        return ready(&server, &ask, json!({"response": ""}));
    }
    ask::answer(&server, ask).await
}

fn operations() -> Vec<Operation> {
    let request = json!({"model": "auto", "prompt": "Say hello in one word.", "stream": false});
    let answer = json!({
        "model": "auto", "created_at": "2026-01-01T00:00:00Z", "response": "Hello.",
        "done": true, "done_reason": "stop", "prompt_eval_count": 14, "eval_count": 2,
    });
    let post = Operation::new("post", "ollamaGenerate", "Ollama", "A text for a prompt.")
        .call_headers()
        .dialect_body("OllamaGenerateRequest", request)
        .dialect_answer(
            "OllamaGenerateAnswer",
            "The text, whole or as lines of JSON.",
            answer.clone(),
        )
        .answers_as(
            200,
            "",
            "application/x-ndjson",
            json!({"$ref": "#/components/schemas/OllamaGenerateAnswer"}),
            answer,
        )
        .with_call_answer_headers()
        .errors(Surface::Ollama, &BODY_ERRORS)
        .errors(Surface::Ollama, &DOOR_ERRORS)
        .errors(Surface::Ollama, &CALL_ERRORS);
    vec![post]
}
