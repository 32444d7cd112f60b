//! `GET /health`: what works, for people and for system A's tools. Always 200 while serving.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::{Layer, ProviderId};
use gw_engine::{HealthReport, ProviderState};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::app::{HealthView, Server, iso_instant};
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::http::Route;
use crate::http::listing::is_offered;
use crate::openapi::Operation;
use crate::respond;
use crate::surface::Surface;

pub(super) fn door() -> Route {
    Route {
        path: "/health",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Public,
        mount: || -> MethodRouter<Arc<Server>> { get(health) },
        operations,
    }
}

/// What works. A caller without a needed key sees only the first four fields.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct HealthAnswer {
    /// `ok`, or `degraded` where the store or every provider is out of order.
    #[schema(example = "ok")]
    status: &'static str,
    /// True where Redis is connected.
    redis: bool,
    /// True where the durable store answers.
    database: bool,
    /// When this was found.
    #[schema(format = "date-time")]
    timestamp: String,
    /// The program's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    version: Option<String>,
    /// True while simulated models answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    demo: Option<bool>,
    /// Configured providers; true where well.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    providers: Option<BTreeMap<String, bool>>,
    /// The layers, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    layers: Option<BTreeMap<&'static str, LayerState>>,
    /// Providers that are well.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    healthy_providers: Option<Vec<String>>,
    /// What needs a look, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    alerts: Option<Vec<String>>,
    /// The settings that decide about routing and cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration: Option<HealthView>,
}

/// A layer.
#[derive(Serialize, ToSchema)]
struct LayerState {
    /// True where it is switched on and a well provider offers a model of it.
    enabled: bool,
    /// Its models, best first.
    models: Vec<String>,
    /// Providers of them that are well.
    providers: Vec<String>,
}

async fn health(
    State(server): State<Arc<Server>>,
    caller: Option<Extension<Caller>>,
) -> Result<Response, Refusal> {
    let database = server.app.engine.resources().store.check().await.is_ok();
    let reports = server.app.engine.health();
    let is_any_well = reports.iter().any(|report| report.state == ProviderState::Healthy);
    let is_stopping = server.app.lifecycle.is_stopping();
    let is_trusted = caller.is_some_and(|Extension(caller)| caller.is_trusted);
    let is_ok = database && is_any_well && !is_stopping;
    let mut answer = HealthAnswer {
        status: if is_ok { "ok" } else { "degraded" },
        redis: false,
        database,
        timestamp: iso_instant(server.now_ms()),
        version: None,
        demo: None,
        providers: None,
        layers: None,
        healthy_providers: None,
        alerts: None,
        configuration: None,
    };
    if is_trusted {
        add_details(&mut answer, &server, &reports);
    }
    Ok(respond::json_of(&answer)?)
}

/// Adds what only callers see.
fn add_details(answer: &mut HealthAnswer, server: &Server, reports: &[HealthReport]) {
    let is_well = |report: &&HealthReport| report.state == ProviderState::Healthy;
    let well: Vec<ProviderId> =
        reports.iter().filter(is_well).map(|report| report.provider.clone()).collect();
    let states = reports.iter().map(|report| (report.provider.to_string(), is_well(&report)));
    let layers =
        Layer::ALL.into_iter().map(|layer| (layer.as_str(), layer_state(server, layer, &well)));
    answer.version = Some(server.app.version.clone());
    answer.demo = Some(server.app.is_demo);
    answer.providers = Some(states.collect());
    answer.layers = Some(layers.collect());
    answer.healthy_providers = Some(well.iter().map(ToString::to_string).collect());
    answer.alerts = Some(alerts(server, reports, answer.database));
    answer.configuration = Some(server.app.options.health_view.clone());
}

fn layer_state(server: &Server, layer: Layer, well: &[ProviderId]) -> LayerState {
    let snapshot = server.app.engine.snapshot();
    let configured: Vec<ProviderId> = snapshot.providers.keys().cloned().collect();
    let mut offerings = snapshot.catalog.layer(layer, &configured);
    offerings.retain(|offering| is_offered(&snapshot, offering));
    let mut providers: Vec<String> = offerings
        .iter()
        .filter(|offering| well.contains(&offering.provider))
        .map(|offering| offering.provider.as_str().to_owned())
        .collect();
    providers.sort_unstable();
    providers.dedup();
    LayerState {
        enabled: !providers.is_empty() && server.app.options.health_view.layer_control.is_on(layer),
        models: offerings.iter().map(|offering| offering.id()).collect(),
        providers,
    }
}

fn alerts(server: &Server, reports: &[HealthReport], is_store_well: bool) -> Vec<String> {
    let mut alerts = Vec::new();
    if server.app.is_demo {
        alerts.push("demo: simulated models answer, because no provider is configured".to_owned());
    }
    if server.app.lifecycle.is_stopping() {
        alerts.push("the gateway is stopping".to_owned());
    }
    if !is_store_well {
        alerts.push("the durable store does not answer".to_owned());
    }
    alerts.extend((server.app.alerts)());
    for report in reports {
        match &report.state {
            ProviderState::Healthy => {}
            ProviderState::KeysRefused { reason } => {
                alerts.push(format!("{}: every key was refused: {reason}", report.provider));
            }
            ProviderState::Resting { reason, for_ms } => {
                let seconds = for_ms.div_ceil(1_000);
                alerts.push(format!("{}: resting for {seconds} s: {reason}", report.provider));
            }
        }
        for (model, state) in &report.models {
            let seconds = state.for_ms.div_ceil(1_000);
            alerts.push(format!(
                "{}/{model}: resting for {seconds} s: {}",
                report.provider, state.reason
            ));
        }
    }
    alerts
}

fn operations() -> Vec<Operation> {
    let example = json!({
        "status": "ok", "redis": false, "database": true, "timestamp": "2026-11-20T12:00:00.000Z",
    });
    let get = Operation::new("get", "getHealth", "Probes", "What works.")
        .answers::<HealthAnswer>("Always, while the gateway serves.", example)
        .errors(Surface::General, &[gw_core::Kind::Forbidden, gw_core::Kind::MethodNotAllowed]);
    vec![get]
}
