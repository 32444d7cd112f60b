//! `GET /v1/stats`: sums over all calls, from the store.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::record::{Stats, StatsFilter, StatsRow};
use gw_core::seam::CallLog;
use gw_core::{Error, Kind};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::app::Server;
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::Route;
use crate::http::converse::Tokens;
use crate::http::models::wrong_query;
use crate::openapi::{self, DOOR_ERRORS, Operation};
use crate::surface::Surface;
use crate::{fields, respond};

pub(super) fn door() -> Route {
    Route {
        path: "/v1/stats",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(stats) },
        operations,
    }
}

/// What `/v1/stats` can be asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Wanted {
    user_id: Option<String>,
    start_date: Option<String>,
    end_date: Option<String>,
    group_by: Option<String>,
}

/// Sums over calls.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatsAnswer {
    /// Calls made.
    total_calls: u64,
    /// Dollars, over the calls with a known price.
    total_cost: f64,
    /// The same in pico-dollars, exactly.
    total_cost_pico_usd: i64,
    /// Calls without a known price, which the cost leaves out.
    unpriced_calls: u64,
    total_tokens: Tokens,
    /// Share of the calls that the gateway's own cache answered, from 0 to 1.
    cache_hit_rate: f64,
    /// By catalogue id, with `groupBy=model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    by_model: Option<Map<String, Value>>,
    /// By layer, with `groupBy=layer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    by_layer: Option<Map<String, Value>>,
}

async fn stats(
    State(server): State<Arc<Server>>,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = query.map_err(|rejection| wrong_query(&rejection))?;
    let calls = &server.app.engine.resources().calls;
    Ok(respond::json_of(&sums(&**calls, &wanted).await?)?)
}

/// The sums that are wanted.
///
/// # Errors
/// [`Kind::InvalidRequest`] naming what is wrong with the wish; [`Kind::StoreUnavailable`].
pub(crate) async fn sums(calls: &dyn CallLog, wanted: &Wanted) -> Result<StatsAnswer, Error> {
    let filter = filter(wanted)?;
    let group = match wanted.group_by.as_deref() {
        None | Some("") => None,
        Some(word @ ("model" | "layer")) => Some(word),
        Some(_) => {
            return Err(Error::bad_field("groupBy", "`groupBy` must be `model` or `layer`"));
        }
    };
    Ok(answer(&calls.stats(filter).await?, group))
}

fn answer(stats: &Stats, group: Option<&str>) -> StatsAnswer {
    let total = &stats.total;
    let by_model = || stats.by_model.iter().map(|(id, row)| (id.clone(), group_of(row))).collect();
    let by_layer = || {
        stats
            .by_layer
            .iter()
            .map(|(layer, row)| (layer.as_str().to_owned(), group_of(row)))
            .collect()
    };
    StatsAnswer {
        total_calls: total.calls,
        total_cost: total.cost.as_usd_f64(),
        total_cost_pico_usd: total.cost.pico(),
        unpriced_calls: total.unpriced_calls,
        total_tokens: Tokens { input: total.input_tokens, output: total.output_tokens },
        cache_hit_rate: share(total.cached_calls, total.calls),
        by_model: (group == Some("model")).then(by_model),
        by_layer: (group == Some("layer")).then(by_layer),
    }
}

fn group_of(row: &StatsRow) -> Value {
    json!({
        "calls": row.calls,
        "cost": row.cost.as_usd_f64(),
        "unpricedCalls": row.unpriced_calls,
        "tokens": {"input": row.input_tokens, "output": row.output_tokens},
    })
}

#[expect(clippy::cast_precision_loss, reason = "a share for display")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn filter(wanted: &Wanted) -> Result<StatsFilter, Error> {
    let user_id = match wanted.user_id.as_deref() {
        None | Some("") => None,
        Some(id) => Some(fields::client_id("userId", id)?.to_owned()),
    };
    Ok(StatsFilter {
        user_id,
        from_ms: wanted.start_date.as_deref().map(|text| instant("startDate", text)).transpose()?,
        until_ms: wanted.end_date.as_deref().map(end_instant).transpose()?,
    })
}

/// The end of a day where only the day is given, else the instant itself.
fn end_instant(text: &str) -> Result<i64, Error> {
    let start_ms = instant("endDate", text)?;
    let is_day = text.trim().parse::<Timestamp>().is_err() && text.trim().len() == 10;
    Ok(if is_day { start_ms.saturating_add(24 * 60 * 60 * 1_000) } else { start_ms })
}

/// Milliseconds since 1970 of `2026-11-20`, `2026-11-20T12:00:00` (UTC) or a full RFC 3339 instant.
fn instant(name: &str, text: &str) -> Result<i64, Error> {
    let text = text.trim();
    let wrong = || {
        Error::bad_field(name, format!("`{name}` is no date"))
            .with_hint("write it as 2026-11-20 or 2026-11-20T12:00:00Z")
    };
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant.as_millisecond());
    }
    let local: DateTime = text.parse().map_err(|_| wrong())?;
    let zoned = local.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
    Ok(zoned.timestamp().as_millisecond())
}

fn operations() -> Vec<Operation> {
    let date = json!({"type": "string", "format": "date", "example": "2026-11-20"});
    let example = json!({
        "totalCalls": 2, "totalCost": 0.00075, "totalCostPicoUsd": 750_000_000, "unpricedCalls": 0,
        "totalTokens": {"input": 28, "output": 4}, "cacheHitRate": 0.0,
    });
    let get = Operation::new("get", "getStats", "System A", "Sums over calls.")
        .parameter("query", "userId", "Only this user's calls.", &openapi::optional_client_id())
        .parameter("query", "startDate", "Only calls from this day or instant on.", &date)
        .parameter(
            "query",
            "endDate",
            "Only calls until the end of this day, or until this instant.",
            &date,
        )
        .parameter(
            "query",
            "groupBy",
            "Adds sums by model or by layer.",
            &json!({"type": "string", "enum": ["model", "layer"]}),
        )
        .answers::<StatsAnswer>("The sums.", example)
        .errors(Surface::General, &[Kind::InvalidRequest, Kind::StoreUnavailable])
        .errors(Surface::General, &DOOR_ERRORS);
    vec![get]
}

#[cfg(test)]
mod tests;
