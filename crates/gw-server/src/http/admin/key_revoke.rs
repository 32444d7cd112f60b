//! `POST /admin/v1/keys/{id}/revoke`: the key is refused from now on, for good.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};

use super::{TAG, id, key_example, key_id, note, one};
use crate::admin::KeyView;
use crate::admin::keys::revoke;
use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::Operation;
use crate::respond;

pub(in crate::http) fn door() -> Route {
    Route {
        path: "/admin/v1/keys/{id}/revoke",
        aliases: &[],
        allow: "POST, OPTIONS",
        scope: Scope::Admin,
        mount: || -> MethodRouter<Arc<Server>> { post(end) },
        operations,
    }
}

async fn end(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let id = id(path)?;
    let view = revoke(server.app.governance.as_ref(), &id, server.now_ms()).await?;
    note(&caller, "key revoked", &id);
    Ok(respond::json_of(&view)?)
}

fn operations() -> Vec<Operation> {
    let post = Operation::new("post", "revokeKey", TAG, "Refuses a key from now on, for good.")
        .answers::<KeyView>("The key as it is now.", key_example());
    vec![one(post, "id", "The key's public id.", &key_id())]
}
