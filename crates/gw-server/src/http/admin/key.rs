//! `GET /admin/v1/keys/{id}`: one key with its own budgets and limits.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};

use super::{TAG, id, key_example, key_id, one};
use crate::admin::KeyDetail;
use crate::admin::keys::show;
use crate::app::Server;
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::Operation;
use crate::respond;

pub(in crate::http) fn door() -> Route {
    Route {
        path: "/admin/v1/keys/{id}",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Admin,
        mount: || -> MethodRouter<Arc<Server>> { get(read) },
        operations,
    }
}

async fn read(
    State(server): State<Arc<Server>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let detail = show(server.app.governance.as_ref(), &id(path)?, server.now_ms()).await?;
    Ok(respond::json_of(&detail)?)
}

fn operations() -> Vec<Operation> {
    let get = Operation::new("get", "getKey", TAG, "One key, without its secret.")
        .answers::<KeyDetail>("The key, its budgets and its limits.", key_example());
    vec![one(get, "id", "The key's public id.", &key_id())]
}
