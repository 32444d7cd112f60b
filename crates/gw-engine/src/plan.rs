//! Decides who may answer, in which order, and why.

use std::sync::Arc;

use gw_catalog::Offering;
use gw_core::layer::Layer;
use gw_core::{Error, Kind, ModelName, ProviderId, Result};
use gw_routing::{Plan, Question};

use crate::call::Call;
use crate::health::Gate;
use crate::options::Snapshot;
use crate::recall::Recalled;

/// A plan, and whom it was made for.
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    /// The candidate that the plan's summary and reason speak of; steps after this one may take it
    /// out.
    pub(crate) first: Arc<Offering>,
}

/// Asks routing for a plan. Candidates are never empty.
pub(crate) fn plan(call: &mut Call, _recalled: Recalled) -> Result<Planned> {
    if call.is_edited {
        call.features = gw_routing::Features::of(&call.inbound.request);
    }
    let context = &call.inbound.context;
    let question = Question {
        features: &call.features,
        model: &call.inbound.request.model,
        quality: context.quality,
        complexity: context.complexity,
        task: context.task,
        preferred_layer: context.preferred_layer,
        max_layer: context.max_layer.unwrap_or(Layer::L3),
        is_free_only: context.is_free_only,
    };
    let now_ms = call.engine.resources.clock.monotonic_ms();
    let health = |provider: &ProviderId, model: &ModelName| health(call, provider, model, now_ms);
    let snapshot = gw_routing::Snapshot {
        catalog: &call.snapshot.catalog,
        providers: &call.snapshot.provider_ids,
        health: &health,
        options: &call.snapshot.routing,
    };
    let mut plan = gw_routing::plan(&question, &snapshot)?;
    let first = plan.candidates.first().map(|first| Arc::clone(&first.offering));
    if let Some(first) = first
        && !is_allowed(&first, &call.snapshot)
    {
        // Routing looks once more, without what is forbidden.
        let forbidden = forbidden(&call.snapshot, &first);
        plan = gw_routing::plan_without(&question, &snapshot, &forbidden)
            .map_err(|_| not_allowed(&first))?;
    }
    plan.candidates.retain(|candidate| is_allowed(&candidate.offering, &call.snapshot));
    let first = plan.candidates.first().map(|first| Arc::clone(&first.offering));
    let first = first.ok_or_else(|| {
        Error::new(Kind::NoCandidate, "configuration allows none of the models that fit")
            .with_hint("See models_allow and models_deny of the providers in gateway.toml.")
    })?;
    call.route.summary.clone_from(&plan.summary);
    Ok(Planned { plan, first })
}

/// Whether a model may be called now: by its breakers and pauses, and by the keys it can be called
/// with.
fn health(
    call: &Call,
    provider: &ProviderId,
    model: &ModelName,
    now_ms: u64,
) -> gw_routing::Health {
    let health = &call.engine.health;
    let open_ms = match health.gate(provider, model, now_ms) {
        Gate::Open(rest) => Some(rest.until_ms),
        Gate::Closed | Gate::Probe => None,
    };
    let keys = call.snapshot.providers.get(provider).map_or(&[][..], |known| &known.credentials);
    let rests = keys.iter().map(|key| health.key_rest(provider, model, &key.name, now_ms));
    let keys_ms = rests
        .map(|rest| rest.map(|rest| rest.until_ms))
        .collect::<Option<Vec<u64>>>()
        .and_then(|untils| untils.into_iter().min());
    match open_ms.max(keys_ms) {
        Some(until_ms) => gw_routing::Health::Resting { until_ms },
        None if health.gate(provider, model, now_ms) == Gate::Probe => gw_routing::Health::Probing,
        None => gw_routing::Health::Well,
    }
}

/// What `models_allow` and `models_deny` of a provider say.
fn is_allowed(offering: &Offering, snapshot: &Snapshot) -> bool {
    let provider = snapshot.providers.get(&offering.provider);
    provider.is_none_or(|provider| provider.allows(offering.name.as_str()))
}

/// All models of the catalogue that are not allowed, and this one, which it may not list.
fn forbidden(snapshot: &Snapshot, also: &Arc<Offering>) -> Vec<Arc<Offering>> {
    let listed = snapshot.catalog.offerings().iter();
    let listed = listed.filter(|offering| {
        snapshot.provider_ids.contains(&offering.provider) && !is_allowed(offering, snapshot)
    });
    listed.chain([also]).cloned().collect()
}

fn not_allowed(offering: &Offering) -> Error {
    let message = format!("model `{}` is not allowed at its provider", offering.id());
    Error::new(Kind::Forbidden, message)
        .with_field("model")
        .with_hint("See models_allow and models_deny of the provider in gateway.toml.")
}
