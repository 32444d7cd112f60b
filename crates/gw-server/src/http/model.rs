//! `GET /v1/models/{id}`: one model, by an id that may hold slashes. Google's Python client posts to
//! the same path, with a method behind the name.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::{Error, Kind};
use http::HeaderMap;
use serde_json::json;

use crate::app::Server;
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::listing::{self, Shape};
use crate::http::{Route, generate_content};
use crate::openapi::{BODY_ERRORS, CALL_ERRORS, DOOR_ERRORS, Operation};
use crate::respond;
use crate::surface::Surface;

pub(super) fn door() -> Route {
    Route {
        path: "/v1/models/{*id}",
        aliases: &["/models/{*id}"],
        allow: "GET, HEAD, POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(show).post(generate_content::call) },
        operations,
    }
}

async fn show(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(id) = path.map_err(|rejection| wrong_path(&rejection))?;
    Ok(entry(&server, &id, Shape::wanted(&headers, false))?)
}

/// The model of an id, in a shape.
///
/// # Errors
/// [`Kind::ModelNotFound`].
pub(super) fn entry(server: &Server, id: &str, shape: Shape) -> Result<Response, Error> {
    let snapshot = server.app.engine.snapshot();
    let models = listing::listed(&snapshot);
    let Some(model) = listing::lookup(&snapshot, &models, id) else {
        return Err(unknown(id));
    };
    Ok(respond::json(model.entry(shape, 0).to_string()))
}

/// A model that is not offered.
pub(super) fn unknown(id: &str) -> Error {
    let shown: String = id.chars().take(128).collect();
    Error::new(Kind::ModelNotFound, format!("there is no model `{shown}` here"))
        .with_field("model")
        .with_hint("GET /v1/models lists those there are")
}

/// A path whose parameters cannot be read.
pub(super) fn wrong_path(rejection: &PathRejection) -> Error {
    Error::new(Kind::InvalidRequest, rejection.body_text()).with_field("path")
}

fn operations() -> Vec<Operation> {
    let example = json!({
        "id": "openai/gpt-5.6", "object": "model", "created": 1_763_000_000, "owned_by": "openai",
        "type": "base", "name": "GPT-5.6", "layer": "L2", "context_window": 400_000,
        "max_output_tokens": 128_000,
        "capabilities": {"completion_chat": true, "function_calling": true, "vision": true},
    });
    let id = json!({"type": "string", "minLength": 1, "example": "auto"});
    let get = Operation::new("get", "getModel", "Models", "One model.")
        .parameter(
            "path",
            "id",
            "Catalogue id, a provider's name for a model, a layer, or `auto`.",
            &id,
        )
        .dialect_answer("ModelEntry", "The model, in the shape that the headers ask for.", example)
        .errors(Surface::OpenAi, &[Kind::InvalidRequest, Kind::ModelNotFound])
        .errors(Surface::OpenAi, &DOOR_ERRORS);
    let request = json!({"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]});
    let answer = json!({
        "candidates": [{"index": 0, "finishReason": "STOP",
            "content": {"role": "model", "parts": [{"text": "Hello."}]}}],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11},
    });
    let call = json!({"type": "string", "minLength": 1, "pattern": "^[A-Za-z0-9._/-]+:generateContent$",
        "example": "auto:generateContent"});
    let post =
        Operation::new("post", "generateContentV1", "Google", "A completion in Google's dialect.")
            .parameter("path", "id", "Model and method, as below `/v1beta`.", &call)
            .call_headers()
            .dialect_body("GenerateContentRequest", request)
            .dialect_answer("GenerateContentResponse", "The answer.", answer)
            .with_call_answer_headers()
            .errors(Surface::Gemini, &BODY_ERRORS)
            .errors(Surface::Gemini, &DOOR_ERRORS)
            .errors(Surface::Gemini, &CALL_ERRORS);
    vec![get, post]
}
