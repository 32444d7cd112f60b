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
    let found = resolve(snapshot, name)?;
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

/// What the name means: at the default provider first, where there is one. A name that the
/// catalogue does not know is taken for one of that provider's own.
pub(super) fn resolve(snapshot: &Snapshot<'_>, name: &str) -> Result<Vec<Arc<Offering>>> {
    let default = snapshot.options.default_provider.as_ref();
    match (snapshot.catalog.resolve(name, snapshot.providers), default) {
        (Resolution::Found { mut candidates, .. }, Some(default)) => {
            candidates.sort_by_key(|offering| offering.provider != *default);
            Ok(candidates)
        }
        (Resolution::Found { candidates, .. }, None) => Ok(candidates),
        (Resolution::NotFound { .. }, Some(default)) if snapshot.providers.contains(default) => {
            Ok(vec![snapshot.catalog.or_unlisted(default, name)])
        }
        (Resolution::NotFound { nearest }, _) => {
            Err(refusal::unknown_model(name, &nearest, snapshot))
        }
    }
}

/// The named model at other configured providers. What was free stays free.
fn same_model_elsewhere(draft: &mut Draft<'_>, found: &[Arc<Offering>], bounds: Bounds) {
    let Some(first) = found.first() else { return };
    let snapshot = draft.screen.snapshot;
    for other in snapshot.catalog.by_identity(first.model.as_str(), snapshot.providers) {
        let is_same = other.model == first.model && other.provider != first.provider;
        if is_same && (other.is_free || !first.is_free) {
            draft.offer(&other, Why::SameModel, bounds);
        }
    }
}
