//! `GET /admin/v1/accounts`: organisations, teams, users and projects. `PUT`: defines one.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::Kind;
use serde_json::json;

use super::{TAG, account_example, changing, list_parameters, note, page_example, read};
use crate::admin::accounts::{list, set};
use crate::admin::{AccountBody, AccountView, PageQuery};
use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::{DOOR_ERRORS, Operation};
use crate::respond;
use crate::surface::Surface;

pub(in crate::http) fn door() -> Route {
    Route {
        path: "/admin/v1/accounts",
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
    let body: AccountBody = read(&server, request).await?;
    let set = set(server.app.governance.as_ref(), body).await?;
    note(&caller, "account set", &set.scope);
    Ok(respond::json_of(&set)?)
}

fn operations() -> Vec<Operation> {
    let get =
        Operation::new("get", "listAccounts", TAG, "Organisations, teams, users and projects.");
    let get = list_parameters(get, true)
        .answers_page::<AccountView>("The accounts.", page_example(&account_example()))
        .errors(Surface::General, &[Kind::InvalidRequest, Kind::StoreUnavailable])
        .errors(Surface::General, &DOOR_ERRORS);
    let put = Operation::new(
        "put",
        "setAccount",
        TAG,
        "Defines an account, in place of one with the same name.",
    )
    .body::<AccountBody>(json!({"scope": "team:research", "name": "Research", "max_layer": "L2"}))
    .answers::<AccountView>("As it stands then.", account_example());
    vec![get, changing(put)]
}
