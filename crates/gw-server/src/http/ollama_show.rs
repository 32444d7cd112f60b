//! `POST /api/show`: what a model can do, in Ollama's shape.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use gw_core::Kind;
use serde_json::json;

use crate::app::Server;
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::fields::Fields;
use crate::http::{Route, listing, model};
use crate::openapi::{BODY_ERRORS, DOOR_ERRORS, Operation};
use crate::surface::Surface;
use crate::{body, respond};

pub(super) fn door() -> Route {
    Route {
        path: "/api/show",
        aliases: &[],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(show) },
        operations,
    }
}

async fn show(State(server): State<Arc<Server>>, request: Request) -> Result<Response, Refusal> {
    let fields = Fields::parse(&body::read(&server.app.options, request).await?)?;
    // Older clients say `name`.
    let asked = match fields.id("model")? {
        Some(model) => model,
        None => {
            let older = fields.id("name")?;
            fields.require(if older.is_some() { &["name"] } else { &["model"] })?;
            older.unwrap_or_default()
        }
    };
    let snapshot = server.app.engine.snapshot();
    let models = listing::listed(&snapshot);
    let bare = asked.strip_suffix(":latest").unwrap_or(asked);
    let found = listing::lookup(&snapshot, &models, asked)
        .or_else(|| listing::lookup(&snapshot, &models, bare));
    let Some(found) = found else { return Err(model::unknown(asked).into()) };
    Ok(respond::json(found.ollama_card().to_string()))
}

fn operations() -> Vec<Operation> {
    let answer = json!({
        "details": {"family": "openai"}, "capabilities": ["completion", "tools"],
        "model_info": {"general.architecture": "openai", "openai.context_length": 400_000},
        "modified_at": "2026-01-01T00:00:00.000Z",
    });
    let post = Operation::new("post", "ollamaShow", "Ollama", "What a model can do.")
        .dialect_body("OllamaShowRequest", json!({"model": "auto"}))
        .dialect_answer("OllamaModel", "The model.", answer)
        .errors(Surface::Ollama, &BODY_ERRORS)
        .errors(Surface::Ollama, &[Kind::ModelNotFound])
        .errors(Surface::Ollama, &DOOR_ERRORS);
    vec![post]
}
