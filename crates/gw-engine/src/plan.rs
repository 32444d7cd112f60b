//! Decides who may answer, in which order, and why.

use std::sync::Arc;

use gw_catalog::Offering;
use gw_core::budget::Room;
use gw_core::layer::Layer;
use gw_core::{Error, Kind, ModelName, ProviderId, Result};
use gw_routing::{Bar, ModelField, Plan, Question, parse_model_field};

use crate::call::Call;
use crate::health::Gate;
use crate::learning;
use crate::recall::Recalled;

/// A plan, and whom it was made for.
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    /// The candidate that the plan's summary and reason speak of; steps after this one may take it
    /// out.
    pub(crate) first: Arc<Offering>,
    /// True where the request named a model.
    pub(crate) is_named: bool,
    /// What budgets had left when it was made.
    pub(crate) room: Room,
}

/// Asks routing for a plan. Candidates are never empty.
pub(crate) fn plan(call: &mut Call, _recalled: Recalled) -> Result<Planned> {
    if call.is_edited {
        call.features = gw_routing::Features::of(&call.inbound.request);
    }
    let room = call.engine.resources.budgets.room(&call.scopes, call.started_at_ms());
    let context = &call.inbound.context;
    let question = Question {
        features: &call.features,
        model: &call.inbound.request.model,
        quality: context.quality,
        complexity: context.complexity,
        task: context.task,
        preferred_layer: context.preferred_layer,
        max_layer: max_layer(call, &room)?,
        is_free_only: context.is_free_only,
    };
    let now_ms = call.engine.resources.clock.monotonic_ms();
    let health = |provider: &ProviderId, model: &ModelName| health(call, provider, model, now_ms);
    let bar = |offering: &Offering, layer: Layer| bar(call, offering, layer);
    let mut advised = learning::advise(call);
    let expected = |offering: &Offering| advised.as_ref()?.expected(call, offering);
    let learning = &call.snapshot.engine.learning;
    let advice = advised.as_ref().map(|advised| advised.advice(&expected, learning));
    let snapshot = gw_routing::Snapshot {
        catalog: &call.snapshot.catalog,
        providers: &call.snapshot.provider_ids,
        health: &health,
        bar: &bar,
        options: &call.snapshot.routing,
        learned: advice.as_ref(),
    };
    let plan = gw_routing::plan(&question, &snapshot)?;
    let weighed = plan.weighed.clone();
    let first = plan.candidates.first().map(|first| Arc::clone(&first.offering));
    let first = first.ok_or_else(|| Error::internal("a plan without candidates"))?;
    if let Some(advised) = &mut advised {
        advised.weighed = weighed;
    }
    call.advised = advised;
    call.route.summary.clone_from(&plan.summary);
    let name = call.inbound.request.model.trim();
    let meant = call.snapshot.catalog.alias(name).unwrap_or(name);
    let is_named = matches!(parse_model_field(meant), ModelField::Named(_));
    Ok(Planned { plan, first, is_named, room })
}

/// The highest layer that the request, the key with everything above it, and every budget allow.
fn max_layer(call: &Call, room: &Room) -> Result<Layer> {
    let of_key = call.inbound.principal.max_layer().ok_or_else(|| {
        Error::new(Kind::Forbidden, "this key may use no layer of models")
            .with_hint("Its policy and those above it have no layer in common; use another key.")
    })?;
    let asked = call.inbound.context.max_layer.unwrap_or(Layer::L3);
    Ok(asked.min(of_key).min(room.max_layer.unwrap_or(Layer::L3)))
}

/// Who forbids a model: the lists of its provider, or what the caller may use.
fn bar(call: &Call, offering: &Offering, layer: Layer) -> Option<Bar> {
    let provider = call.snapshot.providers.get(&offering.provider);
    if provider.is_some_and(|provider| !provider.allows(offering.name.as_str())) {
        return Some(Bar::Configuration);
    }
    let principal = &call.inbound.principal;
    let is_allowed = principal.allows_layer(layer)
        && principal.allows_model(offering.provider.as_str(), offering.name.as_str());
    (!is_allowed).then_some(Bar::Key)
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
