//! `GET /admin/v1/limits`: limits and how they stand. `PUT`: sets those of an account.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::Kind;
use serde_json::json;

use super::{TAG, changing, limit_example, list_parameters, note, page_example, read};
use crate::admin::limits::{list, set};
use crate::admin::{LimitBody, LimitView, PageQuery};
use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::{DOOR_ERRORS, Operation};
use crate::respond;
use crate::surface::Surface;

pub(in crate::http) fn door() -> Route {
    Route {
        path: "/admin/v1/limits",
        aliases: &[],
        allow: "GET, HEAD, PUT, OPTIONS",
        scope: Scope::Admin,
        mount: || -> MethodRouter<Arc<Server>> { get(all).put(put) },
        operations,
    }
}

async fn all(
    State(server): State<Arc<Server>>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let page = list(server.app.governance.as_ref(), &super::query(query)?).await?;
    Ok(respond::json_of(&page)?)
}

async fn put(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Refusal> {
    let body: LimitBody = read(&server, request).await?;
    let set = set(server.app.governance.as_ref(), body).await?;
    let to = set.data.first().map(|entry| entry.scope.clone()).unwrap_or_default();
    note(&caller, "limit set", &to);
    Ok(respond::json_of(&set)?)
}

fn operations() -> Vec<Operation> {
    let get = Operation::new("get", "listLimits", TAG, "Limits and how they stand.");
    let get = list_parameters(get, true)
        .answers_page::<LimitView>("The limits.", page_example(&limit_example()))
        .errors(Surface::General, &[Kind::InvalidRequest, Kind::StoreUnavailable])
        .errors(Surface::General, &DOOR_ERRORS);
    let put = Operation::new("put", "setLimit", TAG, "Gives an account limits.")
        .body::<LimitBody>(json!({"scope": "team:research", "rpm": 60, "concurrent": 8}))
        .needs_one_of(&["rpm", "tpm", "dollars_per_minute", "concurrent"])
        .answers_page::<LimitView>("As it stands then.", page_example(&limit_example()));
    vec![get, changing(put)]
}
