//! `POST /v1/responses/{id}/cancel`: only responses in the background can be cancelled, and here none
//! runs there. A stream is cancelled by closing it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use gw_core::{Error, Kind};
use serde_json::json;

use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::http::{Route, model, response};
use crate::openapi::{DOOR_ERRORS, Operation};
use crate::surface::Surface;

pub(super) fn door() -> Route {
    Route {
        path: "/v1/responses/{id}/cancel",
        aliases: &["/responses/{id}/cancel"],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(cancel) },
        operations,
    }
}

async fn cancel(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(id) = path.map_err(|rejection| model::wrong_path(&rejection))?;
    response::found(&server, &caller, &id).await?;
    let message = "Cannot cancel a synchronous response.";
    Err(Error::bad_field("id", message)
        .with_hint("close the connection of a stream to cancel it")
        .into())
}

fn operations() -> Vec<Operation> {
    let id = json!({"type": "string", "minLength": 1, "example": "resp_1"});
    let about = "Refused: no response runs in the background.";
    let post = Operation::new("post", "cancelResponse", "OpenAI", about)
        .parameter("path", "id", "The response.", &id)
        .errors(Surface::OpenAi, &[Kind::InvalidRequest, Kind::NotFound, Kind::StoreUnavailable])
        .errors(Surface::OpenAi, &DOOR_ERRORS);
    vec![post]
}
