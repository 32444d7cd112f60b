//! The doors of `/admin/v1`: one file a path. What they mean is in [`crate::admin`]; only callers
//! with an admin key reach them.

pub(super) mod account;
pub(super) mod accounts;
pub(super) mod budget;
pub(super) mod budgets;
pub(super) mod key;
pub(super) mod key_revoke;
pub(super) mod key_rotate;
pub(super) mod keys;
pub(super) mod limit;
pub(super) mod limits;

use axum::extract::Request;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::response::Response;
use gw_core::limits::ADMIN_PAGE_MAX;
use gw_core::{Error, Kind};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::admin::{Body, PageQuery, decode};
use crate::app::Server;
use crate::auth::Caller;
use crate::errors::Refusal;
use crate::fields::Fields;
use crate::http::model::wrong_path;
use crate::http::models::wrong_query;
use crate::openapi::{BODY_ERRORS, DOOR_ERRORS, Operation};
use crate::surface::Surface;
use crate::{body, respond};

/// The tag of these doors in the API document.
const TAG: &str = "Administration";

/// Something was removed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Removed {
    /// What.
    id: String,
    /// Always true.
    removed: bool,
}

fn removed(id: String) -> Result<Response, Refusal> {
    Ok(respond::json_of(&Removed { id, removed: true })?)
}

async fn read<T: Body>(server: &Server, request: Request) -> Result<T, Refusal> {
    let bytes = body::read(&server.app.options, request).await?;
    Ok(decode(Fields::parse(&bytes)?.into_object())?)
}

/// The same, where nothing at all is a body without fields.
async fn read_or_nothing<T: Body>(server: &Server, request: Request) -> Result<T, Refusal> {
    let bytes = body::read(&server.app.options, request).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(decode(Map::new())?);
    }
    Ok(decode(Fields::parse(&bytes)?.into_object())?)
}

fn query(query: Result<Query<PageQuery>, QueryRejection>) -> Result<PageQuery, Error> {
    query.map(|Query(query)| query).map_err(|rejection| wrong_query(&rejection))
}

fn id(path: Result<Path<String>, PathRejection>) -> Result<String, Error> {
    path.map(|Path(id)| id).map_err(|rejection| wrong_path(&rejection))
}

/// Who did what stands in the log, without any secret.
fn note(caller: &Caller, did: &str, to: &str) {
    let by = caller.principal.key_id.as_deref().or(caller.principal.user_id.as_deref());
    tracing::info!(by = by.unwrap_or("?"), to, "admin: {did}");
}

/// Adds what the query of a list may say.
fn list_parameters(operation: Operation, can_filter: bool) -> Operation {
    let limit = json!({"type": "integer", "minimum": 1, "maximum": ADMIN_PAGE_MAX, "default": 100});
    let text = json!({"type": "string", "maxLength": 256, "pattern": "^[ -~]*$"});
    let operation = operation.parameter("query", "limit", "Entries at most.", &limit).parameter(
        "query",
        "after",
        "Begin after this entry: `next` of the page before.",
        &text,
    );
    if !can_filter {
        return operation;
    }
    let scope = json!({"type": "string", "example": "team:research",
        "pattern": "^(organisation|team|user|key|project|tag|end_user):[A-Za-z0-9._-]{1,64}$"});
    operation.parameter("query", "scope", "Only those of this scope.", &scope)
}

/// Adds the path parameter and the errors of a door for one thing.
fn one(operation: Operation, name: &str, about: &str, schema: &Value) -> Operation {
    operation
        .parameter("path", name, about, schema)
        .errors(Surface::General, &[Kind::InvalidRequest, Kind::NotFound, Kind::StoreUnavailable])
        .errors(Surface::General, &DOOR_ERRORS)
}

/// Adds the errors of a door that changes something.
fn changing(operation: Operation) -> Operation {
    operation
        .errors(Surface::General, &BODY_ERRORS)
        .errors(Surface::General, &[Kind::NotFound, Kind::Conflict, Kind::StoreUnavailable])
        .errors(Surface::General, &DOOR_ERRORS)
}

fn key_id() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9_-]+$",
        "example": "key_0123456789abcdef"})
}

fn key_example() -> Value {
    json!({
        "id": "key_0123456789abcdef", "name": "ci", "state": "active", "shown": "gw-0123…wxyz",
        "owner": "ada@example.com", "organisation": null, "team": "research", "user": null,
        "project": null, "tags": [], "models": [], "layers": [], "endpoints": [], "tools": [],
        "max_layer": "L1", "admin": false, "created_at": "2026-11-21T12:00:00.000Z",
        "expires_at": null, "revoked_at": null, "last_used_at": null,
        "budgets": [], "limits": [],
    })
}

fn new_key_example() -> Value {
    let mut example = key_example();
    example["key"] = json!("gw-…");
    example
}

fn budget_example() -> Value {
    json!({
        "id": "bud_0123456789abcdef0123", "scope": "team:research", "usd": "100", "tokens": null,
        "period": "month", "soft": false, "alerts": [80, 100], "max_layer": "L2", "spent": "0.00075",
        "reserved": "0", "remaining": "99.99925", "resets_at": "2026-12-01T00:00:00.000Z",
    })
}

fn limit_example() -> Value {
    json!({"id": "lim_0123456789abcdef0123", "scope": "team:research", "kind": "rpm", "max": "60",
        "remaining": "60", "reset_ms": 0})
}

fn account_example() -> Value {
    json!({"scope": "team:research", "parent": "organisation:acme", "name": "Research",
        "models": [], "layers": [], "endpoints": [], "tools": [], "max_layer": "L2"})
}

fn page_example(entry: &Value) -> Value {
    json!({"data": [entry], "has_more": false})
}
