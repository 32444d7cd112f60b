//! `GET /v1beta/models`: the list in Google's shape.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::{Error, Kind};
use serde::Deserialize;
use serde_json::json;

use crate::app::Server;
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::listing::{self, Shape};
use crate::http::{Route, models};
use crate::openapi::{DOOR_ERRORS, Operation};
use crate::respond;
use crate::surface::Surface;

/// Models on one page unless asked otherwise, and at most, as Google's list has it.
const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 1_000;

pub(super) fn door() -> Route {
    Route {
        path: "/v1beta/models",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(list) },
        operations,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    page_size: Option<usize>,
    page_token: Option<String>,
}

async fn list(
    State(server): State<Arc<Server>>,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = query.map_err(|rejection| models::wrong_query(&rejection))?;
    let models = listing::listed(&server.app.engine.snapshot());
    let start = match wanted.page_token.as_deref().filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => token
            .parse()
            .ok()
            .filter(|start| *start <= models.len())
            .ok_or_else(|| Error::bad_field("pageToken", "`pageToken` names no page"))?,
    };
    let size = wanted.page_size.filter(|size| *size > 0).unwrap_or(PAGE_DEFAULT).min(PAGE_MAX);
    let end = models.len().min(start.saturating_add(size));
    let mut body = json!({"models": models::entries(&models[start..end], Shape::Google)});
    if end < models.len() {
        body["nextPageToken"] = json!(end.to_string());
    }
    Ok(respond::json(body.to_string()))
}

fn operations() -> Vec<Operation> {
    let example = json!({"models": [{
        "name": "models/auto", "displayName": "The router's choice",
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }]});
    let size = json!({"type": "integer", "minimum": 1, "maximum": PAGE_MAX});
    let token = json!({"type": "string", "pattern": "^$"});
    let get = Operation::new("get", "listGoogleModels", "Google", "What can be asked for.")
        .parameter("query", "pageSize", "Length of a page.", &size)
        .parameter("query", "pageToken", "The page, as the one before it named it.", &token)
        .dialect_answer("GoogleModelList", "A page of the list.", example)
        .errors(Surface::Gemini, &[Kind::InvalidRequest])
        .errors(Surface::Gemini, &DOOR_ERRORS);
    vec![get]
}
