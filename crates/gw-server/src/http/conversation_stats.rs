//! `GET /v1/stats/conversation/{conversationId}`: sums over one conversation.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::{Error, Kind};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::app::{Server, iso_instant};
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::http::context::conversation_id;
use crate::http::converse::Tokens;
use crate::http::{Route, conversations};
use crate::openapi::{self, DOOR_ERRORS, Operation};
use crate::respond;
use crate::surface::Surface;

pub(super) fn door() -> Route {
    Route {
        path: "/v1/stats/conversation/{conversationId}",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(stats) },
        operations,
    }
}

/// Sums over one conversation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ConversationStatsAnswer {
    /// The conversation.
    conversation_id: String,
    /// Turns kept.
    message_count: u64,
    /// Calls made.
    llm_calls: u64,
    /// Dollars, over the calls with a known price.
    total_cost: f64,
    /// The same in pico-dollars, exactly.
    total_cost_pico_usd: i64,
    /// Calls without a known price, which the cost leaves out.
    unpriced_calls: u64,
    total_tokens: Tokens,
    /// When it began.
    #[schema(format = "date-time")]
    created_at: String,
    /// When it was last added to.
    #[schema(format = "date-time")]
    updated_at: String,
}

async fn stats(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let id = conversation_id(path)?;
    let kept = &*server.app.engine.resources().conversations;
    conversations::check(kept, &caller.principal, &id).await?;
    let stats = server.app.engine.resources().calls.conversation_stats(&id).await?;
    let Some(stats) = stats else {
        return Err(Error::new(Kind::NotFound, "Conversation not found").into());
    };
    let answer = ConversationStatsAnswer {
        conversation_id: id.as_str().to_owned(),
        message_count: stats.messages,
        llm_calls: stats.calls.calls,
        total_cost: stats.calls.cost.as_usd_f64(),
        total_cost_pico_usd: stats.calls.cost.pico(),
        unpriced_calls: stats.calls.unpriced_calls,
        total_tokens: Tokens { input: stats.calls.input_tokens, output: stats.calls.output_tokens },
        created_at: iso_instant(stats.created_at_ms),
        updated_at: iso_instant(stats.updated_at_ms),
    };
    Ok(respond::json_of(&answer)?)
}

fn operations() -> Vec<Operation> {
    let example = json!({
        "conversationId": "demo-1", "messageCount": 2, "llmCalls": 1, "totalCost": 0.00075,
        "totalCostPicoUsd": 750_000_000, "unpricedCalls": 0,
        "totalTokens": {"input": 14, "output": 2},
        "createdAt": "2026-11-20T12:00:00.000Z", "updatedAt": "2026-11-20T12:00:01.000Z",
    });
    let get =
        Operation::new("get", "getConversationStats", "System A", "Sums over one conversation.")
            .parameter("path", "conversationId", "The conversation.", &openapi::client_id())
            .answers::<ConversationStatsAnswer>("The sums.", example)
            .errors(
                Surface::General,
                &[Kind::InvalidRequest, Kind::Forbidden, Kind::NotFound, Kind::StoreUnavailable],
            )
            .errors(Surface::General, &DOOR_ERRORS);
    vec![get]
}
