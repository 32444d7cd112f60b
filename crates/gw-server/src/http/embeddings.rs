//! `POST /v1/embeddings`: vectors in OpenAI's dialect.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use gw_dialect::operation::openai;
use gw_engine::Door;
use serde_json::json;

use crate::app::Server;
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::{BODY_ERRORS, CALL_ERRORS, DOOR_ERRORS, Operation};
use crate::operate;
use crate::surface::Surface;

pub(super) fn door() -> Route {
    Route {
        path: "/v1/embeddings",
        aliases: &["/embeddings"],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(embed) },
        operations,
    }
}

pub(crate) async fn embed(
    State(server): State<Arc<Server>>,
    request: Request,
) -> Result<Response, Refusal> {
    let taken = operate::take(&server, request).await?;
    let (operation, encoding) = openai::read_embeddings(&taken.bytes)?;
    operate::answer(&server, Door::Embeddings, Surface::OpenAi, taken, operation, |whole, head| {
        let vectors = operate::vectors(whole)?;
        Ok(openai::write_embeddings(vectors, encoding, &head.model, &whole.used))
    })
    .await
}

fn operations() -> Vec<Operation> {
    let request = json!({"model": "text-embedding-3-small", "input": "The moon is a stone."});
    let answer = json!({
        "object": "list", "model": "text-embedding-3-small",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.0123, -0.0456]}],
        "usage": {"prompt_tokens": 6, "total_tokens": 6},
    });
    let post = Operation::new("post", "createEmbedding", "OpenAI", "Vectors of texts.")
        .call_headers()
        .dialect_body("EmbeddingRequest", request)
        .dialect_answer("EmbeddingList", "One vector for each text, in order.", answer)
        .with_call_answer_headers()
        .errors(Surface::OpenAi, &BODY_ERRORS)
        .errors(Surface::OpenAi, &DOOR_ERRORS)
        .errors(Surface::OpenAi, &CALL_ERRORS);
    vec![post]
}
