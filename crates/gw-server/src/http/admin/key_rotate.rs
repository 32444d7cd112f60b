//! `POST /admin/v1/keys/{id}/rotate`: a new secret; the old one stays good as long as is asked.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use serde_json::json;

use super::{TAG, changing, id, key_id, new_key_example, note, one, read_or_nothing};
use crate::admin::keys::rotate;
use crate::admin::{NewKeyView, RotateBody};
use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::Operation;
use crate::respond;

pub(in crate::http) fn door() -> Route {
    Route {
        path: "/admin/v1/keys/{id}/rotate",
        aliases: &[],
        allow: "POST, OPTIONS",
        scope: Scope::Admin,
        mount: || -> MethodRouter<Arc<Server>> { post(change) },
        operations,
    }
}

async fn change(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Refusal> {
    let id = id(path)?;
    let body: RotateBody = read_or_nothing(&server, request).await?;
    let made = rotate(server.app.governance.as_ref(), &id, &body, server.now_ms()).await?;
    note(&caller, "key rotated", &id);
    Ok(respond::secret(&made)?)
}

fn operations() -> Vec<Operation> {
    let post = Operation::new("post", "rotateKey", TAG, "A new secret for a key.")
        .body::<RotateBody>(json!({"overlap": "24h"}))
        .answers::<NewKeyView>("The key; its new secret is shown this once.", new_key_example());
    vec![one(changing(post), "id", "The key's public id.", &key_id())]
}
