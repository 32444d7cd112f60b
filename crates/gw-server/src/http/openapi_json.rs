//! `GET /openapi.json`: the description of this API, made once from the routes.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use serde_json::json;

use crate::app::Server;
use crate::auth::Scope;
use crate::http::Route;
use crate::openapi::Operation;
use crate::respond;
use crate::surface::Surface;

pub(super) fn door() -> Route {
    Route {
        path: "/openapi.json",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Public,
        mount: || -> MethodRouter<Arc<Server>> { get(document) },
        operations,
    }
}

async fn document(State(server): State<Arc<Server>>) -> Response {
    respond::json(server.openapi.clone())
}

fn operations() -> Vec<Operation> {
    let get = Operation::new("get", "getOpenApi", "Probes", "This document.")
        .answers_as(
            200,
            "OpenAPI 3.1.",
            "application/json",
            json!({"type": "object"}),
            json!({"openapi": "3.1.0"}),
        )
        .errors(Surface::General, &[gw_core::Kind::Forbidden, gw_core::Kind::MethodNotAllowed]);
    vec![get]
}
