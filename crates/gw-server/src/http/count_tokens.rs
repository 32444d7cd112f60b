//! `POST /v1/messages/count_tokens`: Anthropic's shape, with a count that says it is an estimate.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use gw_core::seam::DialectId;
use http::HeaderValue;
use serde_json::json;

use crate::app::Server;
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::{BODY_ERRORS, DOOR_ERRORS, Operation};
use crate::surface::Surface;
use crate::{ask, body, estimate, respond};

pub(super) fn door() -> Route {
    Route {
        path: "/v1/messages/count_tokens",
        aliases: &["/messages/count_tokens"],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(count) },
        operations,
    }
}

async fn count(State(server): State<Arc<Server>>, request: Request) -> Result<Response, Refusal> {
    let dialect = ask::spoken(&server, DialectId::AnthropicMessages)?;
    let bytes = body::read(&server.app.options, request).await?;
    let decoded = dialect.decode_request(&bytes)?;
    let input_tokens = estimate::input_tokens(&decoded);
    let mut response = respond::json_of(&json!({"input_tokens": input_tokens}))?;
    response.headers_mut().insert("x-gateway-estimate", HeaderValue::from_static("true"));
    Ok(response)
}

fn operations() -> Vec<Operation> {
    let request = json!({
        "model": "claude-sonnet-4-5",
        "messages": [{"role": "user", "content": "How long is this?"}],
    });
    let post =
        Operation::new("post", "countTokens", "Anthropic", "An estimate of a prompt's tokens.")
            .dialect_body("CountTokensRequest", request)
            .dialect_answer(
                "TokenCount",
                "The estimate; `x-gateway-estimate: true` says that it is one.",
                json!({"input_tokens": 9}),
            )
            .errors(Surface::Anthropic, &BODY_ERRORS)
            .errors(Surface::Anthropic, &DOOR_ERRORS);
    vec![post]
}
