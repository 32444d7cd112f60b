//! `GET /livez`: the process answers.

use std::sync::Arc;

use axum::response::Response;
use axum::routing::{MethodRouter, get};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::app::Server;
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::Operation;
use crate::respond;
use crate::surface::Surface;

pub(super) fn door() -> Route {
    Route {
        path: "/livez",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Public,
        mount: || -> MethodRouter<Arc<Server>> { get(alive) },
        operations,
    }
}

/// The answer to a probe.
#[derive(Serialize, ToSchema)]
pub(super) struct ProbeAnswer {
    /// `ok`
    pub(super) status: &'static str,
}

async fn alive() -> Result<Response, Refusal> {
    let answer = ProbeAnswer { status: "ok" };
    Ok(respond::json_of(&answer)?)
}

fn operations() -> Vec<Operation> {
    let get = Operation::new("get", "getLivez", "Probes", "Whether the process answers.")
        .answers::<ProbeAnswer>("It does.", json!({"status": "ok"}))
        .errors(Surface::General, &[gw_core::Kind::Forbidden, gw_core::Kind::MethodNotAllowed]);
    vec![get]
}
