//! `POST /v2/embed`: vectors in Cohere's dialect.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use gw_core::operation::OperationInput;
use gw_dialect::operation::cohere;
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
        path: "/v2/embed",
        aliases: &[],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(embed) },
        operations,
    }
}

async fn embed(State(server): State<Arc<Server>>, request: Request) -> Result<Response, Refusal> {
    let taken = operate::take(&server, request).await?;
    let (operation, encodings) = cohere::read_embed(&taken.bytes)?;
    let input = operation.input.clone();
    operate::answer(&server, Door::Embeddings, Surface::Cohere, taken, operation, |whole, head| {
        let vectors = operate::vectors(whole)?;
        let OperationInput::Embed(asked) = &input else {
            return Err(gw_core::Error::internal("vectors of nothing"));
        };
        let id = head.call_id.to_string();
        Ok(cohere::write_embed(&id, asked, vectors, &encodings, &whole.used))
    })
    .await
}

fn operations() -> Vec<Operation> {
    let request = json!({
        "model": "embed-v4.0", "texts": ["The moon is a stone."], "input_type": "search_document",
        "embedding_types": ["float"],
    });
    let answer = json!({
        "id": "0198", "texts": ["The moon is a stone."], "response_type": "embeddings_by_type",
        "embeddings": {"float": [[0.0123, -0.0456]]},
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 6}},
    });
    let post = Operation::new("post", "cohereEmbed", "Cohere", "Vectors of texts.")
        .call_headers()
        .dialect_body("CohereEmbedRequest", request)
        .dialect_answer("CohereEmbeddings", "One vector for each text, in order.", answer)
        .with_call_answer_headers()
        .errors(Surface::Cohere, &BODY_ERRORS)
        .errors(Surface::Cohere, &DOOR_ERRORS)
        .errors(Surface::Cohere, &CALL_ERRORS);
    vec![post]
}
