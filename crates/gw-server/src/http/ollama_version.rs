//! `GET /api/version`: which of Ollama's versions its clients may take this gateway for.

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

/// Clients switch features on by it: tools, thinking and structured outputs came before this one.
const SPOKEN: &str = "0.13.0";

pub(super) fn door() -> Route {
    Route {
        path: "/api/version",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(version) },
        operations,
    }
}

async fn version() -> Response {
    respond::json(json!({"version": SPOKEN}).to_string())
}

fn operations() -> Vec<Operation> {
    let get = Operation::new("get", "ollamaVersion", "Ollama", "The version of the dialect.")
        .dialect_answer("OllamaVersion", "The version.", json!({"version": SPOKEN}))
        .errors(Surface::Ollama, &DOOR_ERRORS);
    vec![get]
}
