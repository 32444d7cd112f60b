//! `POST /v1/moderations`: verdicts in OpenAI's dialect.

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
        path: "/v1/moderations",
        aliases: &["/moderations"],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(moderate) },
        operations,
    }
}

pub(crate) async fn moderate(
    State(server): State<Arc<Server>>,
    request: Request,
) -> Result<Response, Refusal> {
    let taken = operate::take(&server, request).await?;
    let operation = openai::read_moderations(&taken.bytes)?;
    let (door, surface) = (Door::Moderations, Surface::OpenAi);
    operate::answer(&server, door, surface, taken, operation, operate::only_raw).await
}

fn operations() -> Vec<Operation> {
    let request = json!({"model": "omni-moderation-latest", "input": "The moon is a stone."});
    let answer = json!({
        "id": "modr-1", "model": "omni-moderation-latest",
        "results": [{"flagged": false, "categories": {"violence": false},
            "category_scores": {"violence": 0.0001}}],
    });
    let post = Operation::new("post", "createModeration", "OpenAI", "Verdicts about texts.")
        .call_headers()
        .dialect_body("ModerationRequest", request)
        .dialect_answer("Moderation", "One verdict for each text.", answer)
        .with_call_answer_headers()
        .errors(Surface::OpenAi, &BODY_ERRORS)
        .errors(Surface::OpenAi, &DOOR_ERRORS)
        .errors(Surface::OpenAi, &CALL_ERRORS);
    vec![post]
}
