//! `GET /` and `HEAD /api/hello`: what clients knock at before they begin (Claude Code does).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::app::Server;
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::Operation;
use crate::respond;
use crate::surface::Surface;

pub(super) fn door() -> Route {
    Route {
        path: "/",
        aliases: &["/api/hello"],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Public,
        mount: || -> MethodRouter<Arc<Server>> { get(hello) },
        operations,
    }
}

/// Who answers here, and where to read on.
#[derive(Serialize, ToSchema)]
struct HelloAnswer {
    /// `ai-mcp-gateway`
    name: &'static str,
    /// Where the API is described.
    openapi: &'static str,
    /// Where it says what works.
    health: &'static str,
    /// True while simulated models answer.
    demo: bool,
}

async fn hello(State(server): State<Arc<Server>>) -> Result<Response, Refusal> {
    let demo = server.app.is_demo;
    let answer =
        HelloAnswer { name: "ai-mcp-gateway", openapi: "/openapi.json", health: "/health", demo };
    Ok(respond::json_of(&answer)?)
}

fn operations() -> Vec<Operation> {
    let example = json!({
        "name": "ai-mcp-gateway", "openapi": "/openapi.json", "health": "/health", "demo": false,
    });
    let get = Operation::new("get", "getHello", "Probes", "Who answers here.")
        .answers::<HelloAnswer>("This gateway.", example)
        .errors(Surface::General, &[gw_core::Kind::Forbidden, gw_core::Kind::MethodNotAllowed]);
    vec![get]
}
