//! `POST /api/chat`: Ollama's dialect. A request without messages only asks for the model to be made
//! ready, which it always is.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use gw_core::seam::DialectId;
use gw_engine::Door;
use serde_json::{Value, json};

use crate::app::{Server, iso_instant};
use crate::ask::{self, Ask, Manner};
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::{Route, listing, model};
use crate::openapi::{BODY_ERRORS, CALL_ERRORS, DOOR_ERRORS, Operation};
use crate::respond;
use crate::surface::Surface;

/// What both of Ollama's doors are.
pub(super) const MANNER: Manner =
    Manner { door: Door::Ollama, dialect: DialectId::Ollama, surface: Surface::Ollama };

pub(super) fn door() -> Route {
    Route {
        path: "/api/chat",
        aliases: &[],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(chat) },
        operations,
    }
}

async fn chat(State(server): State<Arc<Server>>, request: Request) -> Result<Response, Refusal> {
    let (headers, caller, bytes) = ask::take(&server, request).await?;
    let mut ask = Ask::read(&server, MANNER, &headers, caller, bytes)?;
    named(&server, &mut ask);
    if ask.request.messages.is_empty() {
        return ready(&server, &ask, json!({"message": {"role": "assistant", "content": ""}}));
    }
    ask::answer(&server, ask).await
}

/// Ollama's clients put `:latest` behind names without a tag.
pub(super) fn named(server: &Server, ask: &mut Ask) {
    if let Some(bare) = untagged(server, &ask.request.model) {
        ask.request.model = bare;
    }
}

/// The name without `:latest`, where only that one is known.
pub(super) fn untagged(server: &Server, asked: &str) -> Option<String> {
    let bare = asked.strip_suffix(":latest")?;
    let snapshot = server.app.engine.snapshot();
    let models = listing::listed(&snapshot);
    let is_known = |name: &str| listing::lookup(&snapshot, &models, name).is_some();
    (!is_known(asked) && is_known(bare)).then(|| bare.to_owned())
}

/// The answer to a request that only loads a model, or unloads it with a `keep_alive` of 0.
///
/// # Errors
/// [`gw_core::Kind::ModelNotFound`].
pub(super) fn ready(server: &Server, ask: &Ask, said: Value) -> Result<Response, Refusal> {
    let name = &ask.request.model;
    let snapshot = server.app.engine.snapshot();
    if listing::lookup(&snapshot, &listing::listed(&snapshot), name).is_none() {
        return Err(model::unknown(name).into());
    }
    let keep_alive = ask.request.extra.fields.get("keep_alive");
    let unloads = keep_alive.is_some_and(|wish| *wish == json!(0) || *wish == json!("0"));
    let mut body = json!({"model": name, "created_at": iso_instant(server.now_ms())});
    if let (Value::Object(body), Value::Object(said)) = (&mut body, said) {
        body.extend(said);
    }
    body["done"] = json!(true);
    body["done_reason"] = json!(if unloads { "unload" } else { "load" });
    Ok(respond::json(body.to_string()))
}

fn operations() -> Vec<Operation> {
    let request = json!({
        "model": "auto", "stream": false,
        "messages": [{"role": "user", "content": "Say hello in one word."}],
    });
    let answer = json!({
        "model": "auto", "created_at": "2026-01-01T00:00:00Z",
        "message": {"role": "assistant", "content": "Hello."}, "done": true, "done_reason": "stop",
        "prompt_eval_count": 14, "eval_count": 2,
    });
    let post = Operation::new("post", "ollamaChat", "Ollama", "A completion in Ollama's dialect.")
        .call_headers()
        .dialect_body("OllamaChatRequest", request)
        .dialect_answer(
            "OllamaChatAnswer",
            "The answer, whole or as lines of JSON.",
            answer.clone(),
        )
        .answers_as(
            200,
            "",
            "application/x-ndjson",
            json!({"$ref": "#/components/schemas/OllamaChatAnswer"}),
            answer,
        )
        .with_call_answer_headers()
        .errors(Surface::Ollama, &BODY_ERRORS)
        .errors(Surface::Ollama, &DOOR_ERRORS)
        .errors(Surface::Ollama, &CALL_ERRORS);
    vec![post]
}
