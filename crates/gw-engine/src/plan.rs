//! Decides who may answer, in which order, and why.

use gw_core::layer::Layer;
use gw_core::{Error, Kind, ModelName, ProviderId, Result};
use gw_routing::{Plan, Question};

use crate::call::Call;
use crate::health::Gate;
use crate::options::Snapshot;
use crate::recall::Recalled;

/// Asks routing for a plan. Candidates are never empty.
pub(crate) fn plan(call: &mut Call, _recalled: Recalled) -> Result<Plan> {
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
    let health = |provider: &ProviderId, model: &ModelName| {
        match call.engine.health.gate(provider, model, now_ms) {
            Gate::Closed => gw_routing::Health::Well,
            Gate::Probe => gw_routing::Health::Probing,
            Gate::Open { until_ms } => gw_routing::Health::Resting { until_ms },
        }
    };
    let snapshot = gw_routing::Snapshot {
        catalog: &call.snapshot.catalog,
        providers: &call.snapshot.provider_ids,
        health: &health,
        options: &call.snapshot.routing,
    };
    let mut plan = gw_routing::plan(&question, &snapshot)?;
    keep_allowed(&mut plan, &call.snapshot)?;
    call.route.summary.clone_from(&plan.summary);
    Ok(plan)
}

/// Takes out what a provider's `models_allow` and `models_deny` forbid.
fn keep_allowed(plan: &mut Plan, snapshot: &Snapshot) -> Result<()> {
    let first = plan.candidates.first().map(|first| first.offering.id()).unwrap_or_default();
    plan.candidates.retain(|candidate| {
        let offering = &candidate.offering;
        let provider = snapshot.providers.get(&offering.provider);
        provider.is_none_or(|provider| provider.allows(offering.name.as_str()))
    });
    if plan.candidates.is_empty() {
        let message = format!("model `{first}` is not allowed at its provider");
        return Err(Error::new(Kind::Forbidden, message).with_field("model").with_hint(
            "See models_allow and models_deny of the provider in gateway.toml.",
        ));
    }
    Ok(())
}
