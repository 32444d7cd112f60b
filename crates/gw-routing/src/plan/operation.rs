//! Who answers a call that is no chat: the model that was named, at whoever sells it and has such
//! calls. Never another model: vectors of two models do not compare.

use gw_catalog::Offering;
use gw_core::operation::OperationKind;
use gw_core::{Error, Kind, Layer, Result};

use crate::asked::{ModelField, parse_model_field};
use crate::plan::draft::{Draft, Words};
use crate::plan::screen::{Bounds, Screen};
use crate::plan::{Plan, Question, Snapshot, named, refusal};

/// Decides who answers an operation; `can` says whether a provider has such calls.
///
/// # Errors
/// [`Kind::InvalidRequest`] without a named model; [`Kind::UnsupportedFeature`] where nobody who sells
/// it has such calls; otherwise those of [`crate::plan()`] for a named model.
pub fn plan_operation(
    kind: OperationKind,
    question: &Question<'_>,
    snapshot: &Snapshot<'_>,
    can: &dyn Fn(&Offering) -> bool,
) -> Result<Plan> {
    let text = question.model.trim();
    let meant = snapshot.catalog.alias(text).unwrap_or(text);
    let ModelField::Named(name) = parse_model_field(meant) else {
        let message = format!("{kind} need a model by name; `{text}` stands for chat models");
        return Err(Error::bad_field("model", message)
            .with_hint("name one of /v1/models, or give an alias in the configuration"));
    };
    let mut found = named::resolve(snapshot, &name)?;
    let first = found.first().map(|offering| (offering.id(), offering.model.clone()));
    if let Some((_, model)) = &first {
        for other in snapshot.catalog.by_identity(model.as_str(), snapshot.providers) {
            let is_known = found.iter().any(|known| known.provider == other.provider);
            if other.model == *model && !is_known {
                found.push(other);
            }
        }
    }
    // What was free stays free.
    let is_free = found.first().is_some_and(|offering| offering.is_free);
    found.retain(|offering| can(offering) && (offering.is_free || !is_free));
    if found.is_empty() {
        let id = first.map_or_else(|| name.clone(), |(id, _)| id);
        let message = format!("nobody who offers `{id}` here has {kind}");
        return Err(Error::new(Kind::UnsupportedFeature, message)
            .with_field("model")
            .with_hint("name a model made for it, at a provider that has such calls"));
    }
    let mut draft = Draft::new(Screen { question, snapshot, failed: &[] });
    let bounds = Bounds { floor: Layer::L0, ceiling: question.max_layer };
    for offering in &found {
        draft.offer_named(offering, bounds);
    }
    if draft.picks.is_empty() {
        return Err(refusal::named_model(&draft, question));
    }
    let words = Words {
        summary: ("Direct model selection", ""),
        reason: format!("model `{name}` for {kind}"),
    };
    draft.finish(&words).ok_or_else(|| refusal::nothing_left(snapshot))
}
