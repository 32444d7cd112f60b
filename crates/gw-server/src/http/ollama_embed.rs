//! `POST /api/embed`, and `/api/embeddings` of older clients: vectors in Ollama's dialect.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use gw_dialect::operation::ollama;
use gw_engine::Door;
use serde_json::json;

use crate::app::Server;
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::Route;
use crate::http::ollama_chat::untagged;
use crate::openapi::{BODY_ERRORS, CALL_ERRORS, DOOR_ERRORS, Operation};
use crate::operate;
use crate::surface::Surface;

pub(super) fn door() -> Route {
    Route {
        path: "/api/embed",
        aliases: &[],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(embed) },
        operations,
    }
}

pub(super) fn legacy_door() -> Route {
    Route {
        path: "/api/embeddings",
        aliases: &[],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(embed_one) },
        operations: legacy_operations,
    }
}

async fn embed(server: State<Arc<Server>>, request: Request) -> Result<Response, Refusal> {
    answer(server, request, false).await
}

async fn embed_one(server: State<Arc<Server>>, request: Request) -> Result<Response, Refusal> {
    answer(server, request, true).await
}

async fn answer(
    State(server): State<Arc<Server>>,
    request: Request,
    is_legacy: bool,
) -> Result<Response, Refusal> {
    let taken = operate::take(&server, request).await?;
    let mut operation = ollama::read_embed(is_legacy, &taken.bytes)?;
    let asked = operation.model.clone();
    if let Some(bare) = untagged(&server, &asked) {
        operation.model = bare;
    }
    operate::answer(&server, Door::Embeddings, Surface::Ollama, taken, operation, |whole, _| {
        let vectors = operate::vectors(whole)?;
        let took_ms = whole.receipt.duration_ms;
        Ok(ollama::write_embed(vectors, is_legacy, &asked, &whole.used, took_ms))
    })
    .await
}

fn operations() -> Vec<Operation> {
    let request = json!({"model": "nomic-embed-text", "input": ["The moon is a stone."]});
    let answer = json!({"model": "nomic-embed-text", "embeddings": [[0.0123, -0.0456]],
        "total_duration": 14_143_917, "load_duration": 0, "prompt_eval_count": 6});
    described("ollamaEmbed", "OllamaEmbedRequest", request, "OllamaEmbeddings", answer)
}

fn legacy_operations() -> Vec<Operation> {
    let request = json!({"model": "nomic-embed-text", "prompt": "The moon is a stone."});
    let answer = json!({"embedding": [0.0123, -0.0456]});
    described("ollamaEmbedOne", "OllamaEmbedOneRequest", request, "OllamaEmbedding", answer)
}

fn described(
    id: &str,
    body: &str,
    request: serde_json::Value,
    result: &str,
    answer: serde_json::Value,
) -> Vec<Operation> {
    let post = Operation::new("post", id, "Ollama", "Vectors of texts.")
        .call_headers()
        .dialect_body(body, request)
        .dialect_answer(result, "The vectors.", answer)
        .with_call_answer_headers()
        .errors(Surface::Ollama, &BODY_ERRORS)
        .errors(Surface::Ollama, &DOOR_ERRORS)
        .errors(Surface::Ollama, &CALL_ERRORS);
    vec![post]
}
