//! OpenRouter's free models, found when nothing else fills layer L0.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use gw_catalog::discover::openrouter_free;
use gw_config::Settings;
use gw_core::limits::RESPONSE_BODY_BYTES_MAX;
use gw_core::seam::OutgoingRequest;
use gw_core::{Layer, ProviderId, Result};
use gw_engine::{Engine, Provider, Snapshot};
use http::Method;
use http::header::{AUTHORIZATION, HeaderValue};
use secrecy::ExposeSecret;

use crate::assemble::Gateway;

/// Free models taken at most, as system A does.
const MODELS_MAX: usize = 5;

/// Pause between two looks while none is found.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

/// Looks once, and waits for the result: for a command that asks one question.
pub(crate) async fn once(gateway: &Gateway, settings: &Settings) {
    if let Some(provider) = wanted(&gateway.engine, settings) {
        look(&gateway.engine, &provider).await;
    }
}

/// Looks in the background until something is found: serving does not wait for it.
pub(crate) async fn until_found(engine: Arc<Engine>, settings: Arc<Settings>) {
    while let Some(provider) = wanted(&engine, &settings) {
        if look(&engine, &provider).await {
            return;
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// The provider to ask, where layer L0 is on but empty.
fn wanted(engine: &Engine, settings: &Settings) -> Option<Arc<Provider>> {
    let snapshot = engine.snapshot();
    let is_on = settings.routing.fallback.discover_free_models && settings.layers.l0.enabled;
    if !is_on || !snapshot.catalog.layer(Layer::L0, &snapshot.provider_ids).is_empty() {
        return None;
    }
    snapshot.providers.get(&ProviderId::from("openrouter")).cloned()
}

async fn look(engine: &Engine, provider: &Provider) -> bool {
    let found = match fetch(provider)
        .await
        .and_then(|body| openrouter_free(&provider.id, &body, MODELS_MAX))
    {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(message = error.message(), "free models could not be looked up");
            return false;
        }
    };
    if found.is_empty() {
        tracing::warn!("OpenRouter lists no free model now; layer L0 stays empty");
        return false;
    }
    let names: Vec<String> = found.iter().map(|offering| offering.id()).collect();
    tracing::info!(models = names.join(", "), "free models found for layer L0");
    let old = engine.snapshot();
    engine.replace_snapshot(Snapshot {
        catalog: Arc::new(old.catalog.with_discovered(found)),
        providers: old.providers.clone(),
        provider_ids: old.provider_ids.clone(),
        routing: old.routing.clone(),
        engine: old.engine.clone(),
    });
    true
}

/// Reads a provider's model list.
pub(crate) async fn fetch(provider: &Provider) -> Result<Vec<u8>> {
    let Some(url) = provider.models_url.clone() else { return Ok(Vec::new()) };
    let mut headers = provider.headers.clone();
    if let Some(key) = provider.credentials.first()
        && let Ok(mut value) =
            HeaderValue::from_str(&format!("{}{}", key.prefix, key.secret.expose_secret()))
    {
        value.set_sensitive(true);
        let name = if key.header == AUTHORIZATION { AUTHORIZATION } else { key.header.clone() };
        headers.insert(name, value);
    }
    let response = provider
        .upstream
        .fetch(OutgoingRequest {
            provider: provider.id.clone(),
            method: Method::GET,
            url,
            headers: headers.clone(),
            body: bytes::Bytes::new(),
            timeouts: provider.timeouts,
            response_bytes_max: RESPONSE_BODY_BYTES_MAX,
        })
        .await?;
    let (status, headers) = (response.status, response.headers);
    let mut body = response.body;
    let mut whole = Vec::new();
    while let Some(piece) = body.next().await {
        whole.extend_from_slice(&piece?);
    }
    if !(200..300).contains(&status) {
        return Err(provider.dialect.decode_error(status, &headers, &whole.into()));
    }
    Ok(whole)
}
