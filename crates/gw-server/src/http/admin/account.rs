//! `DELETE /admin/v1/accounts/{scope}`: removes an account that nothing belongs to.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{MethodRouter, delete};
use serde_json::json;

use super::{Removed, TAG, changing, id, note, one, removed};
use crate::admin::accounts::remove;
use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::Operation;

pub(in crate::http) fn door() -> Route {
    Route {
        path: "/admin/v1/accounts/{*scope}",
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
    note(&caller, "account removed", &id);
    removed(id)
}

fn operations() -> Vec<Operation> {
    let schema = json!({"type": "string", "example": "team:research",
        "pattern": "^(organisation|team|user|project):[A-Za-z0-9._-]{1,64}$"});
    let delete = Operation::new("delete", "removeAccount", TAG, "Removes a account.")
        .answers::<Removed>("It is gone.", json!({"id": "scope", "removed": true}));
    vec![one(changing(delete), "scope", "Which one, as `kind:id`.", &schema)]
}
