//! Decides who may answer, in which order, and why.

use std::borrow::Cow;
use std::sync::Arc;

use gw_catalog::{Offering, Resolution};
use gw_core::budget::Room;
use gw_core::layer::Layer;
use gw_core::{Error, Kind, ModelName, ProviderId, Result};
use gw_routing::{
    Bar, Candidate, ModelField, Plan, Question, RoutingOptions, parse_model_field, plan_without,
};

use crate::call::Call;
use crate::health::Gate;
use crate::learning::{self, Advised};
use crate::policy;
use crate::recall::{self, Recalled};

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

impl Planned {
    /// The same plan without these candidates.
    pub(crate) fn without(&self, ids: &[&str]) -> Self {
        let mut plan = self.plan.clone();
        plan.candidates.retain(|candidate| !ids.contains(&candidate.offering.id().as_str()));
        Self { plan, first: Arc::clone(&self.first), is_named: self.is_named, room: self.room }
    }

    /// The candidates that stand after one.
    pub(crate) fn after(&self, id: &str) -> Self {
        let mut left = self.without(&[]);
        let at = left.plan.candidates.iter().position(|candidate| candidate.offering.id() == id);
        left.plan.candidates.drain(..at.map_or(0, |at| at + 1));
        left
    }

    /// A plan of other candidates for the same call. Their head says what this plan's does.
    pub(crate) fn of(&self, candidates: Vec<Candidate>) -> Option<Self> {
        let first = Arc::clone(&candidates.first()?.offering);
        let mut plan = self.plan.clone();
        plan.candidates = candidates;
        Some(Self { plan, first, is_named: false, room: self.room })
    }
}

/// No model on sale has a smaller window; what needs less is not compared with any.
const SMALLEST_WINDOW: u64 = 2_000;

/// Asks routing for a plan; where no window holds the request, the history is made short first.
pub(crate) fn plan_within_window(call: &mut Call, _recalled: Recalled) -> Result<Planned> {
    if call.is_edited {
        call.features = gw_routing::Features::of(&call.inbound.request);
    }
    // Routing leaves it to the provider to refuse a model that was asked for by name.
    if needed(call) > SMALLEST_WINDOW && is_named(call) {
        let (largest, _) = windows(call);
        if largest > 0 && needed(call) > largest {
            shortened(call, largest);
        }
    }
    let refused = match plan(call) {
        Err(error) if error.kind() == Kind::ContextTooLong => error,
        decided => return decided,
    };
    let (largest, smallest) = windows(call);
    for window in [largest, smallest] {
        if window > 0 && shortened(call, window) {
            match plan(call) {
                Err(error) if error.kind() == Kind::ContextTooLong => {}
                decided => return decided,
            }
        }
    }
    Err(refused)
}

fn shortened(call: &mut Call, window: u64) -> bool {
    let is_shorter = recall::make_room(call, window);
    if is_shorter {
        call.features = gw_routing::Features::of(&call.inbound.request);
    }
    is_shorter
}

/// Tokens of the prompt and of the answer that was asked for.
fn needed(call: &Call) -> u64 {
    let answer = call.features.max_output_tokens.unwrap_or(0);
    call.features.likely_input_tokens.saturating_add(answer)
}

fn is_named(call: &Call) -> bool {
    let name = call.inbound.request.model.trim();
    let meant = call.snapshot.catalog.alias(name).unwrap_or(name);
    matches!(parse_model_field(meant), ModelField::Named(_))
}

/// The largest and the smallest window of the models that the request may mean; 0 where none is known.
fn windows(call: &Call) -> (u64, u64) {
    let catalog = &call.snapshot.catalog;
    let providers = &call.snapshot.provider_ids;
    let name = call.inbound.request.model.trim();
    let meant = catalog.alias(name).unwrap_or(name);
    let windows: Vec<u64> = match catalog.resolve(meant, providers) {
        Resolution::Found { candidates, .. } => {
            candidates.iter().filter_map(|offering| offering.context_window).collect()
        }
        Resolution::NotFound { .. } => catalog
            .offerings()
            .iter()
            .filter(|it| it.is_enabled && it.layer.is_some() && providers.contains(&it.provider))
            .filter_map(|offering| offering.context_window)
            .collect(),
    };
    let largest = windows.iter().copied().max().unwrap_or(0);
    (largest, windows.into_iter().min().unwrap_or(0))
}

/// Asks routing for a plan. Candidates are never empty.
fn plan(call: &mut Call) -> Result<Planned> {
    let room = call.engine.resources.budgets.room(&call.scopes, call.started_at_ms());
    policy::decide(call, &room)?;
    let context = &call.inbound.context;
    let max_layer = max_layer(call, &room)?;
    let model = policy::model_field(call, max_layer);
    let question = Question {
        features: &call.features,
        model: &model,
        quality: context.quality.or(call.ruling.quality),
        complexity: context.complexity,
        task: context.task.or(call.ruling.task),
        preferred_layer: context.preferred_layer,
        max_layer,
        is_free_only: context.is_free_only,
    };
    let mut advised = learning::advise(call);
    let mut plan = decide(call, &question, &[], advised.as_ref())?;
    if let Some(resumed) = &call.resumed {
        plan.summary.push_str(&format!(" (escalated from {})", resumed.offer.from));
    }
    let weighed = plan.weighed.clone();
    let first = plan.candidates.first().map(|first| Arc::clone(&first.offering));
    let first = first.ok_or_else(|| Error::internal("a plan without candidates"))?;
    if let Some(advised) = &mut advised {
        advised.weighed = weighed;
    }
    call.advised = advised;
    call.route.summary.clone_from(&plan.summary);
    let is_named = is_named(call);
    Ok(Planned { plan, first, is_named, room })
}

/// Asks routing who answers a call that is no chat.
pub(crate) fn plan_operation(call: &mut Call) -> Result<Planned> {
    let operation = call.operation.clone();
    let operation = operation.ok_or_else(|| Error::internal("a plan for no operation"))?;
    let room = call.engine.resources.budgets.room(&call.scopes, call.started_at_ms());
    let question = Question {
        features: &call.features,
        model: &call.inbound.request.model,
        quality: None,
        complexity: None,
        task: None,
        preferred_layer: None,
        max_layer: max_layer(call, &room)?,
        is_free_only: call.inbound.context.is_free_only,
    };
    let now_ms = call.engine.resources.clock.monotonic_ms();
    let health = |provider: &ProviderId, model: &ModelName| {
        health(call, provider, &call.health_name(model), now_ms)
    };
    let bar = |offering: &Offering, layer: Layer| bar(call, offering, layer);
    let snapshot = gw_routing::Snapshot {
        catalog: &call.snapshot.catalog,
        providers: &call.snapshot.provider_ids,
        health: &health,
        bar: &bar,
        options: &call.snapshot.routing,
        learned: None,
    };
    let can = |offering: &Offering| {
        let provider = call.snapshot.providers.get(&offering.provider);
        provider.is_some_and(|it| it.operations.format(operation.kind).is_some())
    };
    let plan = gw_routing::plan_operation(operation.kind, &question, &snapshot, &can)?;
    let first = plan.candidates.first().map(|first| Arc::clone(&first.offering));
    let first = first.ok_or_else(|| Error::internal("a plan without candidates"))?;
    call.route.summary.clone_from(&plan.summary);
    Ok(Planned { plan, first, is_named: true, room })
}

/// The models of one layer that may answer the call too, best first; none of `asked`, and no other
/// offering of their models.
pub(crate) fn peers(
    call: &Call,
    room: &Room,
    layer: Layer,
    asked: &[Arc<Offering>],
) -> Vec<Candidate> {
    let context = &call.inbound.context;
    let Ok(max_layer) = max_layer(call, room) else { return Vec::new() };
    let question = Question {
        features: &call.features,
        model: "",
        quality: context.quality.or(call.ruling.quality),
        complexity: context.complexity,
        task: context.task.or(call.ruling.task),
        preferred_layer: Some(layer),
        max_layer,
        is_free_only: context.is_free_only,
    };
    let Ok(plan) = decide(call, &question, asked, None) else { return Vec::new() };
    let is_another = |candidate: &Candidate| {
        let model = &candidate.offering.model;
        candidate.layer == layer && !asked.iter().any(|known| known.model == *model)
    };
    plan.candidates.into_iter().filter(is_another).collect()
}

/// Asks routing who may answer, without those that were asked already.
fn decide(
    call: &Call,
    question: &Question<'_>,
    asked: &[Arc<Offering>],
    advised: Option<&Advised>,
) -> Result<Plan> {
    let now_ms = call.engine.resources.clock.monotonic_ms();
    let health = |provider: &ProviderId, model: &ModelName| health(call, provider, model, now_ms);
    let bar = |offering: &Offering, layer: Layer| bar(call, offering, layer);
    let expected = |offering: &Offering| advised?.expected(call, offering);
    let learning = &call.snapshot.engine.learning;
    let advice = advised.map(|advised| advised.advice(&expected, learning));
    let options = options(call, question);
    let snapshot = gw_routing::Snapshot {
        catalog: &call.snapshot.catalog,
        providers: &call.snapshot.provider_ids,
        health: &health,
        bar: &bar,
        options: &options,
        learned: advice.as_ref(),
    };
    plan_without(question, &snapshot, asked)
}

/// The options of routing, with the models that policies take first.
fn options<'a>(call: &'a Call, question: &Question<'_>) -> Cow<'a, RoutingOptions> {
    let options = &call.snapshot.routing;
    if call.ruling.models.is_empty() {
        return Cow::Borrowed(options);
    }
    let mut options = options.clone();
    let group = question.task.unwrap_or(call.features.task).group();
    options.task_models.set(group, call.ruling.models.clone());
    Cow::Owned(options)
}

/// The highest layer that the request, the key with everything above it, policies and every budget
/// allow.
pub(crate) fn max_layer(call: &Call, room: &Room) -> Result<Layer> {
    let of_key = call.inbound.principal.max_layer().ok_or_else(|| {
        Error::new(Kind::Forbidden, "this key may use no layer of models")
            .with_hint("Its policy and those above it have no layer in common; use another key.")
    })?;
    let asked = call.inbound.context.max_layer.unwrap_or(Layer::L3);
    let of_policy = call.ruling.max_layer.unwrap_or(Layer::L3);
    Ok(asked.min(of_key).min(of_policy).min(room.max_layer.unwrap_or(Layer::L3)))
}

/// Who forbids a model: the lists of its provider, or what the caller may use.
fn bar(call: &Call, offering: &Offering, layer: Layer) -> Option<Bar> {
    let provider = call.snapshot.providers.get(&offering.provider);
    if provider.is_some_and(|provider| !provider.allows(offering.name.as_str())) {
        return Some(Bar::Configuration);
    }
    let is_meant = |name: &String| *name == offering.id() || name == offering.name.as_str();
    if call.ruling.deny_models.iter().any(is_meant) {
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
