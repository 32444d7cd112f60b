//! What was learned, brought to one call: expectations of models for the plan, the value of a good
//! answer in force, the model whose prompt cache is warm, and what is kept of the decision.
//!
//! Everything that decides is read once and kept with the call, so that its record explains it: the
//! same record always gives the same decision.

mod pace;
mod warm;

use std::sync::Arc;

use gw_catalog::Offering;
use gw_core::outcome::{Decision, DecisionModel};
use gw_core::record::{CallRecord, CallStatus};
use gw_core::task::Quality;
use gw_core::{CallId, Money};
use gw_routing::learned::{Expected, Heard, Learned, opening_of, thread_of};
use gw_routing::plan::ALL_PPM;
use gw_routing::{Advice, Weighed};

use crate::call::Call;
use crate::inbound::Door;

pub(crate) use pace::Pace;
pub(crate) use warm::Warm;

/// How what was learned is used.
#[derive(Clone, Debug)]
pub struct Learning {
    /// What was learned; `None`: layers decide.
    pub learned: Option<Arc<Learned>>,
    /// What a good answer is worth at ordinary quality.
    pub answer_value: Money,
    /// What calls that are routed by learning may cost an hour: the value of an answer follows it.
    /// `None`: the value stays.
    pub spend_per_hour: Option<Money>,
    /// How many of a million requests try another model.
    pub explore_ppm: u32,
    /// Keeps the words that a decision was made for, so that estimates can be trained on them.
    pub keeps_prompts: bool,
}

impl Default for Learning {
    fn default() -> Self {
        Self {
            learned: None,
            answer_value: Money::from_pico(10_000_000_000),
            spend_per_hour: None,
            explore_ppm: 0,
            keeps_prompts: false,
        }
    }
}

impl Learning {
    /// What an answer of a quality is worth where nothing bounds the spending.
    pub fn value_at(&self, quality: Quality) -> Money {
        times(self.answer_value, quality)
    }

    /// What another model must be worth more, for a conversation to leave its warm one.
    pub fn margin(value: Money) -> Money {
        let pico = i128::from(value.pico()) * i128::from(STAY_PPM) / 1_000_000;
        Money::from_pico(i64::try_from(pico).unwrap_or(i64::MAX))
    }
}

/// A conversation stays with its warm model unless another raises the chance of a good answer by so
/// much, in parts per million of the answer's value.
const STAY_PPM: i64 = 20_000;

/// What was learned, asked about one call.
#[derive(Debug)]
pub(crate) struct Advised {
    learned: Arc<Learned>,
    heard: Heard,
    caller: String,
    value: Money,
    warm: Option<String>,
    draw_ppm: u32,
    at_ms: i64,
    /// How the plan's models were weighed.
    pub(crate) weighed: Option<Weighed>,
}

/// Reads a call for a plan; `None` where layers decide.
pub(crate) fn advise(call: &Call) -> Option<Advised> {
    let options = &call.snapshot.engine.learning;
    let learned = Arc::clone(options.learned.as_ref()?);
    if call.inbound.door == Door::Classify {
        return None;
    }
    let request = &call.inbound.request;
    let caller = call.inbound.principal.key_id.clone().unwrap_or_default();
    let now_ms = call.engine.resources.clock.monotonic_ms();
    let thread = thread_of(request, &caller);
    Some(Advised {
        heard: learned.hear(request, &caller),
        learned,
        value: value(call),
        warm: thread.and_then(|thread| call.engine.warm.model(thread, now_ms)),
        caller,
        draw_ppm: draw(call.id),
        at_ms: call.started_at_ms(),
        weighed: None,
    })
}

/// The value of a good answer: that of configuration, or what a budget made of it; more where the
/// caller wants better answers.
fn value(call: &Call) -> Money {
    let options = &call.snapshot.engine.learning;
    let base = match options.spend_per_hour {
        Some(_) => call.engine.pace.value(options.answer_value),
        None => options.answer_value,
    };
    times(base, call.inbound.context.quality.unwrap_or(Quality::Normal))
}

/// How much more a better answer is worth.
fn times(value: Money, quality: Quality) -> Money {
    let factor = match quality {
        Quality::Normal => 1,
        Quality::High => 4,
        Quality::Critical => 16,
    };
    Money::from_pico(value.pico().saturating_mul(factor))
}

/// A number below a million that the call's id decides.
fn draw(id: CallId) -> u32 {
    let hash = gw_routing::signal::hash_bytes(id.to_string().as_bytes());
    u32::try_from(hash % u64::from(ALL_PPM)).unwrap_or_default()
}

impl Advised {
    /// What is expected of an offering for the call.
    pub(crate) fn expected(&self, call: &Call, offering: &Offering) -> Option<Expected> {
        let features = &call.features;
        let input = features.likely_input_tokens;
        let is_warm = || self.warm.as_deref() == Some(offering.id().as_str());
        let fresh = u64::try_from(self.heard.said.len() / 4).unwrap_or(u64::MAX);
        let warm = if self.warm.is_some() && is_warm() { input.saturating_sub(fresh) } else { 0 };
        let most = features.max_output_tokens;
        self.learned.expected(&self.heard, offering, input, most, warm, self.at_ms)
    }

    /// The advice for the plan.
    pub(crate) fn advice<'a>(
        &'a self,
        expected: &'a dyn Fn(&Offering) -> Option<Expected>,
        options: &Learning,
    ) -> Advice<'a> {
        Advice {
            expected,
            value: self.value,
            warm: self.warm.as_deref(),
            margin: Learning::margin(self.value),
            explore_ppm: options.explore_ppm,
            draw_ppm: self.draw_ppm,
        }
    }

    /// What is kept of the decision.
    fn decision(&self, weighed: &Weighed, keeps_prompts: bool) -> Decision {
        let models = weighed.models.iter().map(|model| DecisionModel {
            model: model.id.clone(),
            layer: model.layer,
            success_ppm: model.expected.success_ppm,
            cost: model.expected.cost,
            is_on_hull: model.is_on_hull,
            propensity_ppm: model.propensity_ppm,
        });
        Decision {
            origin: self.learned.origin().to_owned(),
            value: weighed.value,
            is_trial: weighed.is_trial,
            tag: self.heard.signals.tag.map(|tag| format!("{:016x}", tag.0)),
            is_known_tag: self.heard.found.is_known_tag,
            class: self.heard.signals.class.as_str().to_owned(),
            warm: self.warm.clone(),
            models: models.collect(),
            said: keeps_prompts.then(|| self.heard.said.clone()),
        }
    }
}

/// Takes a call that ended into account, and writes its decision into its record.
pub(crate) fn ended(call: &Call, record: &mut CallRecord) {
    let Some(advised) = &call.advised else { return };
    let engine = &call.engine;
    let options = &call.snapshot.engine.learning;
    let now_ms = engine.resources.clock.monotonic_ms();
    let Some(weighed) = &advised.weighed else { return };
    if matches!(record.status, CallStatus::Ok) {
        let opening = opening_of(&call.inbound.request, &advised.caller);
        engine.warm.note(opening, &record.model_id, now_ms);
    }
    if let Some(allowed) = options.spend_per_hour {
        let spent = record.cost.amount_or_zero();
        engine.pace.spent(options.answer_value, allowed, spent, now_ms);
    }
    let decision = advised.decision(weighed, options.keeps_prompts);
    if let Ok(value) = serde_json::to_value(&decision) {
        record.metadata.insert(Decision::KEY.to_owned(), value);
    }
}
