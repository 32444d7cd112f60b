//! `POST /v1/rerank` and `/v2/rerank`: documents by their use for a query, in Cohere's words and those
//! of its copies.

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
        path: "/v2/rerank",
        aliases: &["/v1/rerank", "/rerank"],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(rerank) },
        operations,
    }
}

pub(crate) async fn rerank(
    State(server): State<Arc<Server>>,
    request: Request,
) -> Result<Response, Refusal> {
    let taken = operate::take(&server, request).await?;
    let operation = cohere::read_rerank(&taken.bytes)?;
    let input = operation.input.clone();
    operate::answer(&server, Door::Rerank, Surface::Cohere, taken, operation, |whole, head| {
        let ranks = operate::ranks(whole)?;
        let OperationInput::Rerank(asked) = &input else {
            return Err(gw_core::Error::internal("an order of nothing"));
        };
        let id = head.call_id.to_string();
        Ok(cohere::write_rerank(&id, &head.model, asked, ranks, &whole.used))
    })
    .await
}

fn operations() -> Vec<Operation> {
    let request = json!({
        "model": "rerank-v3.5", "query": "What is the moon made of?", "top_n": 1,
        "documents": ["The moon is a stone.", "Cheese is made of milk."],
    });
    let answer = json!({
        "id": "0198", "model": "rerank-v3.5",
        "results": [{"index": 0, "relevance_score": 0.83}],
        "usage": {"total_tokens": 0},
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
    });
    let post = Operation::new("post", "rerank", "Cohere", "Documents by their use for a query.")
        .call_headers()
        .dialect_body("RerankRequest", request)
        .dialect_answer("RerankAnswer", "The best documents first.", answer)
        .with_call_answer_headers()
        .errors(Surface::Cohere, &BODY_ERRORS)
        .errors(Surface::Cohere, &DOOR_ERRORS)
        .errors(Surface::Cohere, &CALL_ERRORS);
    vec![post]
}
