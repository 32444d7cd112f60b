//! `GET /api/ps`: the models in memory, of which a gateway has none.

use std::sync::Arc;

use axum::response::Response;
use axum::routing::{MethodRouter, get};
use serde_json::json;

use crate::app::Server;
use crate::auth::Scope;
use crate::http::Route;
use crate::openapi::{DOOR_ERRORS, Operation};
use crate::respond;
use crate::surface::Surface;

pub(super) fn door() -> Route {
    Route {
        path: "/api/ps",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(list) },
        operations,
    }
}

async fn list() -> Response {
    respond::json(json!({"models": []}).to_string())
}

fn operations() -> Vec<Operation> {
    let get = Operation::new("get", "ollamaPs", "Ollama", "The models in memory: none.")
        .dialect_answer("OllamaTags", "An empty list.", json!({"models": []}))
        .errors(Surface::Ollama, &DOOR_ERRORS);
    vec![get]
}
