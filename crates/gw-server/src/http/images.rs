//! `POST /v1/images/generations` and `/v1/images/edits`: pictures in OpenAI's dialect.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use gw_core::operation::OperationKind;
use gw_dialect::operation::{form, openai};
use gw_engine::Door;
use serde_json::{Value, json};

use crate::app::Server;
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::{BODY_ERRORS, CALL_ERRORS, DOOR_ERRORS, Operation};
use crate::operate;
use crate::surface::Surface;

pub(super) fn door() -> Route {
    Route {
        path: "/v1/images/generations",
        aliases: &["/images/generations"],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(generate) },
        operations,
    }
}

pub(super) fn edits_door() -> Route {
    Route {
        path: "/v1/images/edits",
        aliases: &["/images/edits"],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(edit) },
        operations: edit_operations,
    }
}

pub(crate) async fn generate(
    State(server): State<Arc<Server>>,
    request: Request,
) -> Result<Response, Refusal> {
    let taken = operate::take(&server, request).await?;
    let operation = openai::read_images(OperationKind::Images, &taken.bytes)?;
    let (door, surface) = (Door::Images, Surface::OpenAi);
    operate::answer(&server, door, surface, taken, operation, operate::only_raw).await
}

async fn edit(State(server): State<Arc<Server>>, request: Request) -> Result<Response, Refusal> {
    let taken = operate::take_form(&server, request).await?;
    let kind = OperationKind::ImageEdits;
    let content_type = operate::content_type(&taken.headers);
    // A form with pictures in it, or JSON with their addresses.
    let operation = match form::boundary(content_type) {
        Some(_) => openai::read_form(kind, content_type, &taken.bytes)?,
        None => openai::read_images(kind, &taken.bytes)?,
    };
    let (door, surface) = (Door::Images, Surface::OpenAi);
    operate::answer(&server, door, surface, taken, operation, operate::only_raw).await
}

fn example() -> Value {
    json!({
        "created": 1_763_000_000,
        "data": [{"b64_json": "iVBORw0KGgo="}],
        "usage": {"input_tokens": 12, "output_tokens": 1_056, "total_tokens": 1_068,
            "input_tokens_details": {"text_tokens": 12, "image_tokens": 0}},
    })
}

fn operations() -> Vec<Operation> {
    let request = json!({"model": "gpt-image-1.5", "prompt": "A grey stone.", "n": 1});
    let post = Operation::new("post", "createImage", "OpenAI", "Pictures from a text.")
        .call_headers()
        .dialect_body("ImageRequest", request)
        .dialect_answer("ImageList", "The pictures, whole or as a stream of events.", example())
        .with_call_answer_headers();
    vec![with_errors(post)]
}

fn edit_operations() -> Vec<Operation> {
    let text = json!({"type": "string", "minLength": 1});
    let file = json!({"type": "string", "format": "binary"});
    let parts = json!({"model": text, "prompt": text, "image": file, "mask": file,
        "n": {"type": "integer", "minimum": 1, "maximum": 64}, "size": {"type": "string"}});
    let post = Operation::new("post", "editImage", "OpenAI", "Pictures from pictures and a text.")
        .call_headers()
        .form_body(&["model", "prompt", "image"], &parts)
        .dialect_answer("ImageList", "The pictures.", example())
        .with_call_answer_headers();
    vec![with_errors(post)]
}

fn with_errors(operation: Operation) -> Operation {
    operation
        .errors(Surface::OpenAi, &BODY_ERRORS)
        .errors(Surface::OpenAi, &DOOR_ERRORS)
        .errors(Surface::OpenAi, &CALL_ERRORS)
}
