//! `GET /v1/key`: what the caller may know of its own key: accounts, budgets and limits.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::Kind;
use serde_json::json;

use crate::admin::OwnKey;
use crate::admin::keys::own;
use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::{DOOR_ERRORS, Operation};
use crate::respond;
use crate::surface::Surface;

pub(super) fn door() -> Route {
    Route {
        path: "/v1/key",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(show) },
        operations,
    }
}

async fn show(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Refusal> {
    let own = own(server.app.governance.as_ref(), &caller.principal).await?;
    Ok(respond::json_of(&own)?)
}

fn operations() -> Vec<Operation> {
    let example = json!({
        "id": "key_0123456789abcdef", "name": "ci", "shown": "gw-0123…wxyz", "expires_at": null,
        "admin": false, "scopes": ["team:research", "key:key_0123456789abcdef"], "max_layer": "L1",
        "budgets": [{"id": "bud_0123456789abcdef0123", "scope": "team:research", "usd": "100",
            "tokens": null, "period": "month", "soft": false, "alerts": [80, 100],
            "max_layer": null, "spent": "0.00075", "reserved": "0", "remaining": "99.99925",
            "resets_at": "2026-12-01T00:00:00.000Z"}],
        "limits": [{"id": "lim_0123456789abcdef0123", "scope": "team:research", "kind": "rpm",
            "max": "60", "remaining": "59", "reset_ms": 1_000}],
    });
    let get = Operation::new("get", "getOwnKey", "Keys", "What the caller's key may still do.")
        .answers::<OwnKey>("The key, the accounts its calls go on, and how those stand.", example)
        .errors(Surface::General, &[Kind::StoreUnavailable])
        .errors(Surface::General, &DOOR_ERRORS);
    vec![get]
}
