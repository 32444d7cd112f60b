//! A model that the caller named: honoured whatever its layer, never silently another.

use std::sync::Arc;

use gw_catalog::{Offering, Resolution};
use gw_core::{Layer, Result};

use crate::plan::draft::{Draft, Why, Words};
use crate::plan::screen::{Bounds, Screen};
use crate::plan::{Plan, Question, Snapshot, refusal, stand_in};

pub(super) fn plan(
    question: &Question<'_>,
    snapshot: &Snapshot<'_>,
    failed: &[Arc<Offering>],
    name: &str,
) -> Result<Plan> {
    let mut draft = Draft::new(Screen { question, snapshot, failed });
    let found = match snapshot.catalog.resolve(name, snapshot.providers) {
        Resolution::Found { candidates, .. } => candidates,
        Resolution::NotFound { nearest } => {
            return Err(refusal::unknown_model(name, &nearest, snapshot));
        }
    };
    let bounds = Bounds { floor: Layer::L0, ceiling: question.max_layer };
    for offering in &found {
        draft.offer_named(offering, bounds);
    }
    if draft.picks.is_empty() {
        return Err(refusal::named_model(&draft, question));
    }
    same_model_elsewhere(&mut draft, &found, bounds);
    let failing = draft.picks[0].offering.provider.clone();
    let stand_ins = stand_in::for_named(&mut draft, &failing);
    stand_in::offer(&mut draft, stand_ins, bounds);
    let summary = if question.is_free_only {
        ("Budget enforcement", ", free tier only")
    } else {
        ("Direct model selection", "")
    };
    let words = Words { summary, reason: format!("model `{name}`") };
    draft.finish(&words).ok_or_else(|| refusal::nothing_left(snapshot))
}

/// The named model at other configured providers. What was free stays free.
fn same_model_elsewhere(draft: &mut Draft<'_>, found: &[Arc<Offering>], bounds: Bounds) {
    let Some(first) = found.first() else { return };
    let snapshot = draft.screen.snapshot;
    let others = match snapshot.catalog.resolve(first.model.as_str(), snapshot.providers) {
        Resolution::Found { candidates, .. } => candidates,
        Resolution::NotFound { .. } => return,
    };
    for other in others {
        let is_same = other.model == first.model && other.provider != first.provider;
        if is_same && (other.is_free || !first.is_free) {
            draft.offer(&other, Why::SameModel, bounds);
        }
    }
}
