//! `DELETE /admin/v1/limits/{id}`: removes a limit.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{MethodRouter, delete};
use serde_json::json;

use super::{Removed, TAG, changing, id, note, one, removed};
use crate::admin::limits::remove;
use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::Operation;

pub(in crate::http) fn door() -> Route {
    Route {
        path: "/admin/v1/limits/{id}",
        aliases: &[],
        allow: "DELETE, OPTIONS",
        scope: Scope::Admin,
        mount: || -> MethodRouter<Arc<Server>> { delete(end) },
        operations,
    }
}

async fn end(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let id = id(path)?;
    remove(server.app.governance.as_ref(), &id).await?;
    note(&caller, "limit removed", &id);
    removed(id)
}

fn operations() -> Vec<Operation> {
    let schema = json!({"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9_-]+$",
        "example": "lim_0123456789abcdef0123"});
    let delete = Operation::new("delete", "removeLimit", TAG, "Removes a limit.")
        .answers::<Removed>("It is gone.", json!({"id": "id", "removed": true}));
    vec![one(changing(delete), "id", "Its id.", &schema)]
}
