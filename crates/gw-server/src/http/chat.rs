//! `POST /v1/chat`: system A's conversation door; a turn sees those before it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use gw_core::Layer;
use gw_engine::Door;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::app::Server;
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::escalation::{Checked, Offered};
use crate::http::Route;
use crate::http::converse::{self, Performance, TurnRequest};
use crate::openapi::{BODY_ERRORS, CALL_ERRORS, DOOR_ERRORS, Operation};
use crate::respond;
use crate::surface::Surface;

pub(super) fn door() -> Route {
    Route {
        path: "/v1/chat",
        aliases: &[],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(chat) },
        operations,
    }
}

/// An answer in a conversation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ChatAnswer {
    result: ChatResult,
    performance: Performance,
    /// The call, under which it is recorded.
    call_id: String,
    /// True where a simulated model answered.
    demo: bool,
    /// How the answer was checked, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    cross_check: Option<Checked>,
    /// The offer of a higher layer, where one is made: `requiresEscalationConfirm`,
    /// `suggestedLayer`, `escalationReason`, `optimizedPrompt`, `expectedGain`, `expectedCostUsd`,
    /// `escalationToken`, and all of it under `escalation`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    offered: Option<Offered>,
}

/// What was answered, and by whom.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ChatResult {
    /// The answer.
    response: String,
    /// Catalogue id of the model that answered.
    model: String,
    /// Its provider.
    provider: String,
    /// Its layer.
    #[schema(value_type = String, example = "L0")]
    layer: Layer,
    /// Why this layer and this model.
    reason: String,
}

async fn chat(State(server): State<Arc<Server>>, request: Request) -> Result<Response, Refusal> {
    let turn = converse::converse(&server, Door::Chat, request).await?;
    let head = &turn.head;
    let answer = ChatAnswer {
        result: ChatResult {
            response: turn.response,
            model: head.model_id.clone(),
            provider: head.provider.clone(),
            layer: head.layer,
            reason: head.reason.clone(),
        },
        performance: turn.performance,
        call_id: head.call_id.to_string(),
        demo: head.is_demo,
        cross_check: Checked::of(head),
        offered: Offered::of(head),
    };
    let mut response = respond::json_of(&answer)?;
    respond::write_head(head, Surface::General, response.headers_mut());
    respond::write_receipt(&turn.receipt, response.headers_mut());
    Ok(response)
}

fn operations() -> Vec<Operation> {
    let answer = json!({
        "result": {"response": "Hello.", "model": "ollama/llama3.2", "provider": "ollama",
            "layer": "L0", "reason": "a short general question starts at L0"},
        "performance": {"durationMs": 412, "tokens": {"input": 14, "output": 2}, "cost": 0.0,
            "costUsd": "0", "costPicoUsd": 0, "costState": "priced"},
        "callId": "019a9d3e-0000-7000-8000-000000000000", "demo": false,
    });
    let post = Operation::new("post", "chat", "System A", "The next answer of a conversation.")
        .body::<TurnRequest>(converse::example())
        .answers::<ChatAnswer>("The answer.", answer)
        .with_call_answer_headers()
        .errors(Surface::General, &BODY_ERRORS)
        .errors(Surface::General, &DOOR_ERRORS)
        .errors(Surface::General, &CALL_ERRORS);
    vec![post]
}
