//! `GET /admin/v1/keys`: all keys. `POST`: a new one, with its own budgets and limits.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::Kind;
use serde_json::json;

use super::{
    TAG, changing, key_example, list_parameters, new_key_example, note, page_example, read,
};
use crate::admin::keys::{create, list};
use crate::admin::{KeyBody, KeyView, NewKeyView, PageQuery};
use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::{DOOR_ERRORS, Operation};
use crate::respond;
use crate::surface::Surface;

pub(in crate::http) fn door() -> Route {
    Route {
        path: "/admin/v1/keys",
        aliases: &[],
        allow: "GET, HEAD, POST, OPTIONS",
        scope: Scope::Admin,
        mount: || -> MethodRouter<Arc<Server>> { get(all).post(make) },
        operations,
    }
}

async fn all(
    State(server): State<Arc<Server>>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let query = super::query(query)?;
    let page = list(server.app.governance.as_ref(), &query, server.now_ms()).await?;
    Ok(respond::json_of(&page)?)
}

async fn make(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Refusal> {
    let body: KeyBody = read(&server, request).await?;
    let made = create(server.app.governance.as_ref(), body, server.now_ms()).await?;
    note(&caller, "key created", &made.detail.key.id);
    Ok(respond::secret(&made)?)
}

fn operations() -> Vec<Operation> {
    let body = json!({"name": "ci", "team": "research", "budget_usd": "25", "period": "month",
        "rpm": 60, "max_layer": "L1", "expires": "90d"});
    let get =
        Operation::new("get", "listKeys", TAG, "All keys, oldest first, without their secrets.");
    let get = list_parameters(get, false)
        .answers_page::<KeyView>("The keys.", page_example(&key_example()))
        .errors(Surface::General, &[Kind::InvalidRequest, Kind::NotFound, Kind::StoreUnavailable])
        .errors(Surface::General, &DOOR_ERRORS);
    let post = Operation::new("post", "createKey", TAG, "A new key, with its budgets and limits.")
        .body::<KeyBody>(body)
        .answers::<NewKeyView>("The key; its secret is shown this once.", new_key_example());
    vec![get, changing(post)]
}
