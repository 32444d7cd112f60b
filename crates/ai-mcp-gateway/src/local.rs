//! Looks for a model server on this machine before simulated models are offered instead.

use std::time::Duration;

use futures_util::StreamExt;
use gw_config::section::demo::DemoMode;
use gw_config::{Loaded, Settings};
use gw_core::seam::{OutgoingRequest, Timeouts, Upstream};
use gw_dialect::providers::{endpoint, spec};
use gw_net::Client;
use http::Method;
use serde::Deserialize;

/// The server that is looked for.
const PROVIDER: &str = "ollama";

/// Longest the look may take: a server on this machine answers at once or is not there.
const PATIENCE: Duration = Duration::from_millis(500);

/// Most bytes of its model list.
const LIST_BYTES_MAX: usize = 1024 * 1024;

#[derive(Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

/// The settings that use a local Ollama, where one runs with a model, nothing else is configured
/// and configuration lets it be looked for.
pub(crate) async fn found(loaded: &Loaded, client: &Client) -> Option<Vec<(&'static str, String)>> {
    let settings = &*loaded.settings;
    let is_wanted = settings.demo.enabled == DemoMode::Auto
        && settings.demo.local_address != "off"
        && settings.enabled_providers().next().is_none();
    if !is_wanted {
        return None;
    }
    let model = tokio::time::timeout(PATIENCE, first_model(settings, client)).await.ok()??;
    Some(vec![
        ("providers.ollama.enabled", "true".to_owned()),
        ("providers.ollama.base_url", settings.demo.local_address.clone()),
        ("providers.ollama.default_model", model),
    ])
}

async fn first_model(settings: &Settings, client: &Client) -> Option<String> {
    // Somebody who configured it and switched it off wants it left alone.
    if settings.providers.contains_key(PROVIDER) {
        return None;
    }
    let spec = spec(PROVIDER)?;
    let path = spec.models_path.as_deref()?;
    let wait_ms = u64::try_from(PATIENCE.as_millis()).ok()?;
    let response = client
        .fetch(OutgoingRequest {
            provider: PROVIDER.into(),
            method: Method::GET,
            url: endpoint(
                spec.dialect,
                &spec.complete_base_url(&settings.demo.local_address),
                path,
            ),
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::new(),
            timeouts: Timeouts {
                connect_ms: wait_ms,
                first_byte_ms: wait_ms,
                ..Timeouts::default()
            },
            response_bytes_max: LIST_BYTES_MAX,
        })
        .await
        .ok()?;
    if response.status != 200 {
        return None;
    }
    let mut body = response.body;
    let mut list = Vec::new();
    while let Some(piece) = body.next().await {
        list.extend_from_slice(&piece.ok()?);
    }
    let models: Models = serde_json::from_slice(&list).ok()?;
    models.data.into_iter().next().map(|model| model.id)
}
