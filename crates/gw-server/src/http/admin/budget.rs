//! `GET /admin/v1/budgets/{id}`: one budget as it stands. `DELETE`: removes it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use serde_json::json;

use super::{Removed, TAG, budget_example, changing, id, note, one, removed};
use crate::admin::BudgetView;
use crate::admin::budgets::{remove, show};
use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::Operation;
use crate::respond;

pub(in crate::http) fn door() -> Route {
    Route {
        path: "/admin/v1/budgets/{id}",
        aliases: &[],
        allow: "GET, HEAD, DELETE, OPTIONS",
        scope: Scope::Admin,
        mount: || -> MethodRouter<Arc<Server>> { get(read).delete(end) },
        operations,
    }
}

async fn read(
    State(server): State<Arc<Server>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let view = show(server.app.governance.as_ref(), &id(path)?).await?;
    Ok(respond::json_of(&view)?)
}

async fn end(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let id = id(path)?;
    remove(server.app.governance.as_ref(), &id).await?;
    note(&caller, "budget removed", &id);
    removed(id)
}

fn operations() -> Vec<Operation> {
    let schema = json!({"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9_-]+$",
        "example": "bud_0123456789abcdef0123"});
    let get = Operation::new("get", "getBudget", TAG, "One budget, as it stands.")
        .answers::<BudgetView>("The budget.", budget_example());
    let delete = Operation::new("delete", "removeBudget", TAG, "Removes a budget.")
        .answers::<Removed>("It is gone.", json!({"id": "id", "removed": true}));
    vec![one(get, "id", "Its id.", &schema), one(changing(delete), "id", "Its id.", &schema)]
}
