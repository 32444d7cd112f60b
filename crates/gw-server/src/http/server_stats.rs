//! `GET /v1/server-stats`: this process since it began. Every figure is measured.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_engine::ProviderState;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::app::{Server, iso_instant};
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::{DOOR_ERRORS, Operation};
use crate::respond;
use crate::surface::Surface;

pub(super) fn door() -> Route {
    Route {
        path: "/v1/server-stats",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(stats) },
        operations,
    }
}

/// This process since it began.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ServerStats {
    uptime: Uptime,
    requests: Requests,
    llm: Llm,
    memory: Memory,
    /// True for a provider that is configured and well; the four of system A always stand here.
    providers: BTreeMap<String, bool>,
    cache: CacheState,
    database: DatabaseState,
    /// When this was measured.
    #[schema(format = "date-time")]
    timestamp: String,
}

/// How long the process runs.
#[derive(Serialize, ToSchema)]
struct Uptime {
    /// Whole seconds.
    seconds: u64,
    /// `1d 1h 1m 1s`, zero parts left out.
    formatted: String,
}

/// HTTP requests, without probes and preflights.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Requests {
    /// How many.
    total: u64,
    /// Mean time to the last byte, in milliseconds.
    average_duration: u64,
}

/// Model calls.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Llm {
    /// How many ended.
    total_calls: u64,
    /// How many of them failed.
    failed_calls: u64,
    tokens: TokenSums,
    cost: CostSum,
}

/// Tokens over all calls.
#[derive(Serialize, ToSchema)]
struct TokenSums {
    /// Read.
    input: u64,
    /// Written.
    output: u64,
    /// Both.
    total: u64,
}

/// Cost over all calls.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CostSum {
    /// Dollars, over the calls with a known price.
    total: f64,
    /// The same in pico-dollars, exactly.
    total_pico_usd: i64,
    /// Calls without a known price, which the total leaves out.
    unpriced_calls: u64,
    /// `USD`
    currency: &'static str,
}

/// Memory of the process, as the kernel counts it; null where it does not say.
#[derive(Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Memory {
    /// Anonymous memory in use: heap and stacks (`RssAnon`).
    #[schema(required = true)]
    heap_used: Option<f64>,
    /// Address space set aside for it (`VmData`).
    #[schema(required = true)]
    heap_total: Option<f64>,
    /// All memory in use (`VmRSS`).
    #[schema(required = true)]
    rss: Option<f64>,
    /// Memory of files in use, the program itself included (`RssFile`).
    #[schema(required = true)]
    external: Option<f64>,
    /// `MB`
    unit: &'static str,
}

/// Whether a hot store beyond the process is connected.
#[derive(Serialize, ToSchema)]
struct CacheState {
    /// Redis.
    redis: bool,
}

/// Which durable store answers.
#[derive(Serialize, ToSchema)]
struct DatabaseState {
    /// PostgreSQL.
    postgres: bool,
    /// The embedded store.
    sqlite: bool,
}

async fn stats(State(server): State<Arc<Server>>) -> Result<Response, Refusal> {
    let seconds = server.monotonic_ms().saturating_sub(server.app.started_at_ms) / 1_000;
    let totals = server.app.engine.totals();
    let is_store_well = server.app.engine.resources().store.check().await.is_ok();
    let is = |name: &str| is_store_well && server.app.store_name == name;
    let answer = ServerStats {
        uptime: Uptime { seconds, formatted: uptime(seconds) },
        requests: Requests {
            total: server.traffic.requests(),
            average_duration: server.traffic.average_ms(),
        },
        llm: Llm {
            total_calls: totals.calls,
            failed_calls: totals.failed,
            tokens: TokenSums {
                input: totals.input_tokens,
                output: totals.output_tokens,
                total: totals.input_tokens.saturating_add(totals.output_tokens),
            },
            cost: CostSum {
                total: totals.cost.as_usd_f64(),
                total_pico_usd: totals.cost.pico(),
                unpriced_calls: totals.unpriced,
                currency: "USD",
            },
        },
        memory: memory(&tokio::fs::read_to_string("/proc/self/status").await.unwrap_or_default()),
        providers: providers(&server),
        cache: CacheState { redis: false },
        database: DatabaseState { postgres: is("postgres"), sqlite: is("sqlite") },
        timestamp: iso_instant(server.now_ms()),
    };
    Ok(respond::json_of(&answer)?)
}

fn providers(server: &Server) -> BTreeMap<String, bool> {
    let mut states: BTreeMap<String, bool> = ["openai", "anthropic", "openrouter", "ossLocal"]
        .map(|name| (name.to_owned(), false))
        .into();
    let snapshot = server.app.engine.snapshot();
    for report in server.app.engine.health() {
        let is_well = report.state == ProviderState::Healthy;
        if snapshot.providers.get(&report.provider).is_some_and(|provider| provider.is_local) {
            *states.entry("ossLocal".to_owned()).or_default() |= is_well;
        }
        states.insert(report.provider.as_str().to_owned(), is_well);
    }
    states
}

/// Days, hours, minutes and seconds, without those that are zero.
fn uptime(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let shown: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if shown.is_empty() { "0s".to_owned() } else { shown.join(" ") }
}

/// Reads the kernel's status page of the process.
fn memory(status: &str) -> Memory {
    let megabytes = |name: &str| -> Option<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kilobytes: u32 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some((f64::from(kilobytes) / 1_024.0 * 100.0).round() / 100.0)
    };
    Memory {
        heap_used: megabytes("RssAnon"),
        heap_total: megabytes("VmData"),
        rss: megabytes("VmRSS"),
        external: megabytes("RssFile"),
        unit: "MB",
    }
}

fn operations() -> Vec<Operation> {
    let example = json!({
        "uptime": {"seconds": 3600, "formatted": "1h"},
        "requests": {"total": 12, "averageDuration": 431},
        "llm": {"totalCalls": 10, "failedCalls": 0,
            "tokens": {"input": 140, "output": 20, "total": 160},
            "cost": {"total": 0.0075, "totalPicoUsd": 7_500_000_000_u64, "unpricedCalls": 0, "currency": "USD"}},
        "memory": {"heapUsed": 12.5, "heapTotal": 40.0, "rss": 31.2, "external": 18.7, "unit": "MB"},
        "providers": {"anthropic": false, "openai": true, "openrouter": false, "ossLocal": false},
        "cache": {"redis": false}, "database": {"postgres": false, "sqlite": true},
        "timestamp": "2026-11-20T12:00:00.000Z",
    });
    let get = Operation::new("get", "getServerStats", "System A", "This process since it began.")
        .answers::<ServerStats>("The figures.", example)
        .errors(Surface::General, &DOOR_ERRORS);
    vec![get]
}

#[cfg(test)]
mod tests;
