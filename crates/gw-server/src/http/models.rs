//! `GET /v1/models`: one path, four shapes.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::{Error, Kind};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::Server;
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::Route;
use crate::http::listing::{self, Listed, Shape};
use crate::openapi::{DOOR_ERRORS, Operation};
use crate::respond;
use crate::surface::Surface;

/// Models on one page of Anthropic's list unless asked otherwise, as theirs has it.
const PAGE_DEFAULT: usize = 20;

/// Most models on one page of Anthropic's list.
const PAGE_MAX: usize = 1_000;

pub(super) fn door() -> Route {
    Route {
        path: "/v1/models",
        aliases: &["/models"],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(list) },
        operations,
    }
}

#[derive(Debug, Default, Deserialize)]
struct Wanted {
    client_version: Option<String>,
    limit: Option<usize>,
    after_id: Option<String>,
    before_id: Option<String>,
}

async fn list(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = query.map_err(|rejection| wrong_query(&rejection))?;
    if !(1..=PAGE_MAX).contains(&wanted.limit.unwrap_or(PAGE_DEFAULT)) {
        let message = format!("`limit` must be between 1 and {PAGE_MAX}");
        return Err(Error::bad_field("limit", message).into());
    }
    let models = listing::listed(&server.app.engine.snapshot());
    let shape = Shape::wanted(&headers, wanted.client_version.is_some());
    let body = match shape {
        Shape::OpenAi => json!({"object": "list", "data": entries(&models, shape)}),
        Shape::Google | Shape::Codex | Shape::Ollama => json!({"models": entries(&models, shape)}),
        Shape::Anthropic => page(&listing::aliased(models), &wanted)?,
    };
    Ok(respond::json(body.to_string()))
}

/// A query string that cannot be read.
pub(super) fn wrong_query(rejection: &QueryRejection) -> Error {
    Error::new(Kind::InvalidRequest, rejection.body_text()).with_field("query")
}

/// The entries of a list, in order.
pub(super) fn entries(models: &[Listed], shape: Shape) -> Vec<Value> {
    models.iter().enumerate().map(|(place, model)| model.entry(shape, place)).collect()
}

fn page(models: &[Listed], wanted: &Wanted) -> Result<Value, Error> {
    let limit = wanted.limit.unwrap_or(PAGE_DEFAULT);
    let place = |name: &str, id: &str| {
        models
            .iter()
            .position(|model| model.id == id)
            .ok_or_else(|| Error::bad_field(name, format!("`{name}` names no model of this list")))
    };
    let (start, end) = match (&wanted.after_id, &wanted.before_id) {
        (Some(id), _) => {
            let start = place("after_id", id)? + 1;
            (start, models.len().min(start + limit))
        }
        (None, Some(id)) => {
            let end = place("before_id", id)?;
            (end.saturating_sub(limit), end)
        }
        (None, None) => (0, models.len().min(limit)),
    };
    let shown = &models[start..end];
    let is_backwards = wanted.after_id.is_none() && wanted.before_id.is_some();
    Ok(json!({
        "data": entries(shown, Shape::Anthropic),
        "has_more": if is_backwards { start > 0 } else { end < models.len() },
        "first_id": shown.first().map(|model| &model.id),
        "last_id": shown.last().map(|model| &model.id),
    }))
}

fn operations() -> Vec<Operation> {
    let example = json!({"object": "list", "data": [{
        "id": "openai/gpt-5.6", "object": "model", "created": 1_763_000_000, "owned_by": "openai",
        "type": "base", "name": "GPT-5.6", "layer": "L2", "context_window": 400_000,
        "max_output_tokens": 128_000,
        "capabilities": {"completion_chat": true, "function_calling": true, "vision": true},
    }]});
    let about = "The models of configured providers, the layers and `auto`. Anthropic's shape with \
        an `anthropic-version` header, Google's with an `x-goog-api-key` header, Codex's with \
        `client_version`.";
    let number = json!({"type": "integer", "minimum": 1, "maximum": PAGE_MAX});
    let text = json!({"type": "string"});
    let get = Operation::new("get", "listModels", "Models", "What can be asked for.")
        .parameter("query", "limit", "Length of a page in Anthropic's shape.", &number)
        .parameter("query", "after_id", "Begin after this model, in Anthropic's shape.", &text)
        .parameter("query", "before_id", "End before this model, in Anthropic's shape.", &text)
        .parameter("query", "client_version", "Asks for Codex's shape.", &text)
        .dialect_answer("ModelList", about, example)
        .errors(Surface::OpenAi, &[Kind::InvalidRequest])
        .errors(Surface::OpenAi, &DOOR_ERRORS);
    vec![get]
}
