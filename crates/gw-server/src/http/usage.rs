//! `GET /admin/v1/usage` and `GET /v1/usage`: what was used and what it cost, in groups; and one call
//! with all its attempts.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_catalog::price_text::instant_to_ms;
use gw_core::record::{UsageBy, UsageQuery};
use gw_core::usage_report;
use gw_core::{CallId, Error, Kind};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::http::Route;
use crate::http::models::wrong_query;
use crate::openapi::{self, DOOR_ERRORS, Operation};
use crate::respond;
use crate::surface::Surface;

const DAY_MS: i64 = 86_400_000;

/// Everybody's, for administrators.
pub(super) fn door() -> Route {
    Route {
        path: "/admin/v1/usage",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Admin,
        mount: || -> MethodRouter<Arc<Server>> { get(everybodys) },
        operations: || vec![described("getUsage", "What all calls used and cost.")],
    }
}

/// The caller's own key's.
pub(super) fn own_door() -> Route {
    Route {
        path: "/v1/usage",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(own) },
        operations: || vec![described("getOwnUsage", "What the calls of this key used and cost.")],
    }
}

/// One call.
pub(super) fn call_door() -> Route {
    Route {
        path: "/admin/v1/usage/calls/{callId}",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Admin,
        mount: || -> MethodRouter<Arc<Server>> { get(one_call) },
        operations: call_operations,
    }
}

#[derive(Debug, Default, Deserialize)]
struct Wanted {
    by: Option<String>,
    from: Option<String>,
    to: Option<String>,
    model: Option<String>,
    layer: Option<String>,
    provider: Option<String>,
    key: Option<String>,
    team: Option<String>,
    user: Option<String>,
    project: Option<String>,
    tag: Option<String>,
    format: Option<String>,
}

async fn everybodys(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = query.map_err(|rejection| wrong_query(&rejection))?;
    report(&server, &wanted, asked(&wanted)?, &headers).await
}

async fn own(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = query.map_err(|rejection| wrong_query(&rejection))?;
    // Callers without a key see what was called without one.
    let key_id = Some(caller.principal.key_id.unwrap_or_default());
    let query = UsageQuery { key_id, ..asked(&wanted)? };
    report(&server, &wanted, query, &headers).await
}

async fn one_call(
    State(server): State<Arc<Server>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let unknown = || Error::new(Kind::NotFound, "no call of that id is kept");
    let Path(id) = path.map_err(|_| unknown())?;
    let id = CallId::parse(&id).ok_or_else(unknown)?;
    let call = server.app.reports.call(id).await?.ok_or_else(unknown)?;
    Ok(respond::json_of(&call)?)
}

async fn report(
    server: &Server,
    wanted: &Wanted,
    query: UsageQuery,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let by = query.by.clone();
    let whole = UsageQuery { by: Vec::new(), ..query.clone() };
    let (from_ms, until_ms) = (query.from_ms, query.until_ms);
    let groups = server.app.reports.usage(query).await?;
    if wants_csv(wanted, headers)? {
        let mut response = respond::json(usage_report::to_csv(&by, &groups));
        let kind = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        return Ok(response);
    }
    // Groups by tag overlap, so they do not sum to the whole.
    let total = server.app.reports.usage(whole).await?;
    let total = total.first().cloned().unwrap_or_default();
    let by_words: Vec<&str> = by.iter().map(|by| by.as_str()).collect();
    let answer = json!({
        "by": by_words,
        "from_ms": from_ms,
        "until_ms": until_ms,
        "groups": usage_report::to_json(&by, &groups),
        "total": usage_report::object(&[], &total),
    });
    Ok(respond::json(answer.to_string()))
}

fn wants_csv(wanted: &Wanted, headers: &HeaderMap) -> Result<bool, Error> {
    match wanted.format.as_deref() {
        Some("csv") => Ok(true),
        Some("json") => Ok(false),
        Some(_) => Err(Error::bad_field("format", "`format` must be `json` or `csv`")),
        None => Ok(headers
            .get(ACCEPT)
            .and_then(|accept| accept.to_str().ok())
            .is_some_and(|accept| accept.trim_start().starts_with("text/csv"))),
    }
}

fn asked(wanted: &Wanted) -> Result<UsageQuery, Error> {
    let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let by = some(&wanted.by).unwrap_or_else(|| "day".to_owned());
    let by: Vec<UsageBy> =
        by.split(',').map(|word| word.trim().parse()).collect::<Result<_, _>>()?;
    let layer = some(&wanted.layer)
        .map(|text| text.parse().map_err(|_| Error::bad_field("layer", "must be L0 to L3")))
        .transpose()?;
    Ok(UsageQuery {
        by,
        from_ms: some(&wanted.from).map(|text| instant("from", &text)).transpose()?,
        until_ms: some(&wanted.to).map(|text| end("to", &text)).transpose()?,
        model_id: some(&wanted.model),
        layer,
        provider: some(&wanted.provider),
        key_id: some(&wanted.key),
        team_id: some(&wanted.team),
        user_id: some(&wanted.user),
        project_id: some(&wanted.project),
        tag: some(&wanted.tag),
    })
}

fn instant(name: &str, text: &str) -> Result<i64, Error> {
    instant_to_ms(text).ok_or_else(|| {
        Error::bad_field(name, format!("`{text}` is no date"))
            .with_hint("write it as 2026-11-20 or 2026-11-20T12:00:00Z")
    })
}

/// The end of a day where only the day is given.
fn end(name: &str, text: &str) -> Result<i64, Error> {
    let start_ms = instant(name, text)?;
    Ok(if text.trim().len() == 10 { start_ms.saturating_add(DAY_MS) } else { start_ms })
}

fn described(id: &str, summary: &str) -> Operation {
    let date = json!({"type": "string", "format": "date", "example": "2026-11-20"});
    let group = UsageBy::ALL.map(UsageBy::as_str).join("|");
    let pattern = format!("^({group})(,({group}))*$");
    let by = json!({"type": "string", "pattern": pattern, "example": "day,model"});
    let example = json!({
        "by": ["day"], "from_ms": null, "until_ms": null,
        "groups": [{"day": "2026-11-20", "calls": 2, "cost_pico_usd": 750_000_000, "cost_usd": "0.00075"}],
        "total": {"calls": 2, "cost_pico_usd": 750_000_000, "cost_usd": "0.00075"},
    });
    let text = openapi::optional_client_id();
    let mut get = Operation::new("get", id, "Money", summary)
        .parameter(
            "query",
            "by",
            "Groups, parted by commas: day, hour, model, layer, provider, key, \
            team, user, project, tag.",
            &by,
        )
        .parameter("query", "from", "Only calls from this day or hour on (UTC).", &date)
        .parameter(
            "query",
            "to",
            "Only calls until the end of this day, or before this hour.",
            &date,
        )
        .parameter(
            "query",
            "format",
            "`csv` answers with a table; so does `Accept: text/csv`.",
            &json!({"type": "string", "enum": ["json", "csv"]}),
        );
    for name in ["model", "provider", "key", "team", "user", "project", "tag"] {
        get = get.parameter("query", name, &format!("Only this {name}."), &text);
    }
    let layers = json!({"type": "string", "enum": ["L0", "L1", "L2", "L3"]});
    get.parameter("query", "layer", "Only this layer.", &layers)
        .answers_as(200, "Sums in groups.", "application/json", json!({"type": "object"}), example)
        .answers_as(200, "", "text/csv", json!({"type": "string"}), Value::from("day,calls\r\n"))
        .errors(Surface::General, &[Kind::InvalidRequest, Kind::StoreUnavailable])
        .errors(Surface::General, &DOOR_ERRORS)
}

fn call_operations() -> Vec<Operation> {
    let id = json!({"type": "string", "format": "uuid"});
    let example = json!({"id": "01900000-0000-7000-8000-000000000001", "attempts": []});
    let get = Operation::new("get", "getCall", "Money", "One call with all its attempts.")
        .parameter("path", "callId", "The call: `x-gateway-call-id` of its answer.", &id)
        .answers_as(200, "The call.", "application/json", json!({"type": "object"}), example)
        .errors(Surface::General, &[Kind::NotFound, Kind::StoreUnavailable])
        .errors(Surface::General, &DOOR_ERRORS);
    vec![get]
}
