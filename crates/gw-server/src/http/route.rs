//! `POST /v1/route`: system A's main door.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use gw_core::Layer;
use gw_core::task::{Complexity, TaskType};
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
        path: "/v1/route",
        aliases: &[],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(route) },
        operations,
    }
}

/// An answer with how it was routed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RouteAnswer {
    result: RouteResult,
    routing: Routing,
    context: Conversation,
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
struct RouteResult {
    /// The answer.
    response: String,
    /// Catalogue id of the model that answered.
    model: String,
    /// Its provider.
    provider: String,
}

/// How the model was chosen.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Routing {
    /// The choice in system A's words.
    summary: String,
    /// True where no model was called.
    from_cache: bool,
    /// The layer of the model that answered.
    #[schema(value_type = String, example = "L0")]
    layer: Layer,
    /// Why this layer and this model.
    reason: String,
    /// How hard the request looked.
    #[schema(value_type = String, example = "low")]
    complexity: Complexity,
    /// What it was taken for.
    #[schema(value_type = String, example = "general")]
    task_type: TaskType,
}

/// The conversation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Conversation {
    /// Its id.
    conversation_id: String,
}

async fn route(State(server): State<Arc<Server>>, request: Request) -> Result<Response, Refusal> {
    let turn = converse::converse(&server, Door::Route, request).await?;
    let head = &turn.head;
    let answer = RouteAnswer {
        result: RouteResult {
            response: turn.response,
            model: head.model_id.clone(),
            provider: head.provider.clone(),
        },
        routing: Routing {
            summary: head.summary.clone(),
            from_cache: head.cache.is_cached(),
            layer: head.layer,
            reason: head.reason.clone(),
            complexity: head.complexity,
            task_type: head.task,
        },
        context: Conversation { conversation_id: turn.conversation_id },
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
        "result": {"response": "Hello.", "model": "ollama/llama3.2", "provider": "ollama"},
        "routing": {"summary": "Single model: ollama/llama3.2 (layer L0)", "fromCache": false,
            "layer": "L0", "reason": "a short general question starts at L0",
            "complexity": "low", "taskType": "general"},
        "context": {"conversationId": "demo-1"},
        "performance": {"durationMs": 412, "tokens": {"input": 14, "output": 2}, "cost": 0.0,
            "costUsd": "0", "costPicoUsd": 0, "costState": "priced"},
        "callId": "019a9d3e-0000-7000-8000-000000000000", "demo": false,
    });
    let post =
        Operation::new("post", "route", "System A", "An answer from the model the router chooses.")
            .body::<TurnRequest>(converse::example())
            .answers::<RouteAnswer>("The answer and how it was routed.", answer)
            .with_call_answer_headers()
            .errors(Surface::General, &BODY_ERRORS)
            .errors(Surface::General, &DOOR_ERRORS)
            .errors(Surface::General, &CALL_ERRORS);
    vec![post]
}
