//! Whether a call's answer is checked and may climb, and what is remembered of checks: do they pay?

use std::collections::HashMap;

use gw_core::Layer;
use gw_core::limits::CHECKED_TAGS_MAX;
use gw_core::task::Quality;
use gw_routing::signal::{Tag, tag_of};
use gw_routing::{ModelField, parse_model_field};
use parking_lot::Mutex;

use crate::call::Call;
use crate::inbound::Door;
use crate::plan::{Planned, max_layer};

/// Checks of an application before they are judged by what they saved.
const CHECKS_BEFORE_JUDGED: u32 = 20;

/// One in so many requests of an application whose checks do not pay is checked all the same, so that
/// a change is noticed.
const PROBE_EVERY: u32 = 50;

/// What happens where an answer may not stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Climb {
    /// A higher layer is asked.
    Auto,
    /// A higher layer is offered.
    Confirm,
    /// Neither: the caller named the model or the layer.
    Never,
}

/// How a call's answer is watched.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    /// True where other models are to have a say.
    pub(crate) wants_check: bool,
    /// True where that was asked for by the request, a policy or its quality; else it must pay.
    pub(crate) is_forced: bool,
    /// Why, for the report.
    pub(crate) reason: &'static str,
    pub(crate) climb: Climb,
    /// The highest layer that may be asked.
    pub(crate) ceiling: Layer,
    pub(crate) tag: Option<Tag>,
}

/// How the answer is watched; `None`: it goes to the client as it comes.
pub(crate) fn watch(call: &Call, planned: &Planned) -> Option<Watch> {
    let context = &call.inbound.context;
    let door = call.inbound.door;
    if matches!(door, Door::Classify | Door::Shadow) || call.features.answers > 1 {
        return None;
    }
    let is_resumed = call.resumed.is_some();
    let is_routed = is_resumed || is_routed(call);
    let options = &call.snapshot.routing;
    let asked = context.cross_check.or(call.ruling.cross_check);
    let is_of_quality =
        context.quality.or(call.ruling.quality).is_some_and(|quality| quality >= Quality::High);
    let (wants_check, is_forced, reason) = match asked {
        Some(true) => (true, true, "asked for"),
        Some(false) => (false, false, "switched off for this request"),
        None if !options.enable_cross_check => (false, false, "switched off"),
        None if !is_routed => (false, false, "the model was asked for by name"),
        None if is_resumed && !is_of_quality => (false, false, "a confirmed escalation"),
        None if is_of_quality => (true, true, "quality"),
        None if planned.plan.wants_cross_check => (true, false, "a hard question"),
        None if is_typed(call) => (true, false, "an answer that can be compared"),
        None => (false, false, "an ordinary question"),
    };
    let is_stream = call.inbound.request.stream;
    // A stream is only held back where somebody wants that; what is not routed only where it is asked.
    if !is_forced && (is_stream || !is_routed) {
        return None;
    }
    let ceiling = max_layer(call, &planned.room).unwrap_or(Layer::L0).min(if is_resumed {
        Layer::L3
    } else {
        options.ceiling()
    });
    let ceiling = match range(call) {
        Some(high) if is_routed => ceiling.min(high),
        _ => ceiling,
    };
    let climb = climb(call, is_routed);
    let caller = call.inbound.principal.key_id.as_deref().unwrap_or_default();
    let tag = tag_of(&call.inbound.request, caller);
    Some(Watch { wants_check, is_forced, reason, climb, ceiling, tag })
}

fn climb(call: &Call, is_routed: bool) -> Climb {
    let context = &call.inbound.context;
    if context.is_free_only {
        return Climb::Never;
    }
    let asked = context.auto_escalate.or(call.ruling.auto_escalate);
    match (asked, is_routed) {
        (Some(true), _) => Climb::Auto,
        (Some(false), _) => Climb::Confirm,
        (None, false) => Climb::Never,
        (None, true) if call.snapshot.routing.enable_auto_escalate => Climb::Auto,
        (None, true) => Climb::Confirm,
    }
}

/// True where the router chose the layer.
fn is_routed(call: &Call) -> bool {
    let field = field(call);
    let has_layer = call.inbound.context.preferred_layer.is_some();
    matches!(field, ModelField::Range(..)) || (matches!(field, ModelField::Auto) && !has_layer)
}

fn range(call: &Call) -> Option<Layer> {
    match field(call) {
        ModelField::Range(_, high) => Some(high),
        _ => None,
    }
}

fn field(call: &Call) -> ModelField {
    let name = call.inbound.request.model.trim();
    parse_model_field(call.snapshot.catalog.alias(name).unwrap_or(name))
}

/// True where answers will commit to something that two of them can be compared by.
pub(crate) fn is_typed(call: &Call) -> bool {
    /// An answer that may be no longer is a word, a number or an option.
    const SHORT_ANSWER_TOKENS: u64 = 64;
    let request = &call.inbound.request;
    let is_short = request.max_output_tokens.is_some_and(|most| most <= SHORT_ANSWER_TOKENS);
    let is_structured = request
        .response_format
        .as_ref()
        .is_some_and(|format| !matches!(format, gw_core::chat::ResponseFormat::Text));
    !request.tools.is_empty() || is_structured || (is_short && !call.filled.max_output_tokens)
}

/// What checks of each application have saved against asking the top layer at once.
#[derive(Debug, Default)]
pub(crate) struct Paying {
    tags: Mutex<HashMap<Option<Tag>, Ledger>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ledger {
    checks: u32,
    /// Pico-dollars, decaying.
    saved: i128,
    asked: u32,
}

impl Paying {
    /// False where checks of this application did not pay so far, but for a probe now and then.
    pub(crate) fn may_check(&self, tag: Option<Tag>) -> bool {
        let mut tags = self.tags.lock();
        let Some(ledger) = tags.get_mut(&tag) else { return true };
        if ledger.checks < CHECKS_BEFORE_JUDGED || ledger.saved > 0 {
            return true;
        }
        ledger.asked = ledger.asked.wrapping_add(1);
        ledger.asked.is_multiple_of(PROBE_EVERY)
    }

    /// Takes in what one check saved, in pico-dollars; less than nothing where it cost more.
    pub(crate) fn observe(&self, tag: Option<Tag>, saved: i64) {
        let mut tags = self.tags.lock();
        if tags.len() >= CHECKED_TAGS_MAX && !tags.contains_key(&tag) {
            // Any one: what is asked often comes back at once.
            let gone = tags.keys().next().copied();
            gone.map(|gone| tags.remove(&gone));
        }
        let ledger = tags.entry(tag).or_default();
        ledger.checks = ledger.checks.saturating_add(1);
        // The last hundred checks or so decide.
        ledger.saved = ledger.saved - ledger.saved / 100 + i128::from(saved);
    }
}

#[cfg(test)]
mod tests {
    use gw_routing::signal::tag_of_words;

    use super::{CHECKS_BEFORE_JUDGED, PROBE_EVERY, Paying};

    #[test]
    fn checks_that_do_not_pay_are_switched_off_by_application_and_probed() {
        let paying = Paying::default();
        let (good, bad) = (Some(tag_of_words("good")), Some(tag_of_words("bad")));
        for _ in 0..CHECKS_BEFORE_JUDGED {
            assert!(paying.may_check(good) && paying.may_check(bad));
            paying.observe(good, 5);
            paying.observe(bad, -5);
        }
        assert!(paying.may_check(good));
        let probes = (0..10 * PROBE_EVERY).filter(|_| paying.may_check(bad)).count();
        assert_eq!(probes, 10);
        for _ in 0..40 {
            paying.observe(bad, 10);
        }
        assert!(paying.may_check(bad), "what pays again is checked again");
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let paying = Paying::default();
        for at in 0..2 * gw_core::limits::CHECKED_TAGS_MAX {
            paying.observe(Some(tag_of_words(&at.to_string())), 1);
        }
        assert_eq!(paying.tags.lock().len(), gw_core::limits::CHECKED_TAGS_MAX);
    }
}
