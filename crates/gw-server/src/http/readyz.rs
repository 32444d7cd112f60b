//! `GET /readyz`: whether new calls should be sent here.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::{Error, Kind};
use serde_json::json;

use crate::app::Server;
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::Route;
use crate::http::livez::ProbeAnswer;
use crate::openapi::Operation;
use crate::respond;
use crate::surface::Surface;

/// How long the store may take to answer a probe.
const STORE_WAIT: Duration = Duration::from_secs(2);

pub(super) fn door() -> Route {
    Route {
        path: "/readyz",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Public,
        mount: || -> MethodRouter<Arc<Server>> { get(ready) },
        operations,
    }
}

async fn ready(State(server): State<Arc<Server>>) -> Result<Response, Refusal> {
    if server.app.lifecycle.is_stopping() {
        return Err(Error::new(Kind::ShuttingDown, "the gateway is stopping").into());
    }
    let store = &server.app.engine.resources().store;
    match tokio::time::timeout(STORE_WAIT, store.ready()).await {
        Ok(Ok(())) => Ok(respond::json_of(&ProbeAnswer { status: "ok" })?),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => {
            Err(Error::new(Kind::StoreUnavailable, "the store did not answer in time").into())
        }
    }
}

fn operations() -> Vec<Operation> {
    let get =
        Operation::new("get", "getReadyz", "Probes", "Whether new calls should be sent here.")
            .answers::<ProbeAnswer>("They should.", json!({"status": "ok"}))
            .errors(
                Surface::General,
                &[Kind::StoreUnavailable, Kind::Forbidden, Kind::MethodNotAllowed],
            );
    vec![get]
}
