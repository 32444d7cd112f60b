//! `GET /api/tags`: the list of models in Ollama's shape.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use serde_json::json;

use crate::app::Server;
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::listing::{self, Shape};
use crate::http::{Route, models};
use crate::openapi::{DOOR_ERRORS, Operation};
use crate::respond;
use crate::surface::Surface;

pub(super) fn door() -> Route {
    Route {
        path: "/api/tags",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(list) },
        operations,
    }
}

async fn list(State(server): State<Arc<Server>>) -> Result<Response, Refusal> {
    let models = listing::listed(&server.app.engine.snapshot());
    let body = json!({"models": models::entries(&models, Shape::Ollama)});
    Ok(respond::json(body.to_string()))
}

fn operations() -> Vec<Operation> {
    let example = json!({"models": [{"name": "auto", "model": "auto", "size": 0,
        "modified_at": "2026-01-01T00:00:00.000Z", "digest": "0", "details": {"family": "x"}}]});
    let get = Operation::new("get", "ollamaTags", "Ollama", "What can be asked for.")
        .dialect_answer("OllamaTags", "The models, in Ollama's shape.", example)
        .errors(Surface::Ollama, &DOOR_ERRORS);
    vec![get]
}
