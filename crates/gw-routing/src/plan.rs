//! The decision: from a question and a snapshot of the world to ordered candidates with reasons.
//!
//! A model asked for by name is [`named`]'s work, everything else [`routed`]'s. Both fill a
//! [`draft::Draft`], which lets nothing in twice, nothing above a cap and nothing switched off. A model
//! whose breaker is open goes to the end of the order instead of vanishing.

mod draft;
mod learned;
mod named;
mod operation;
mod refusal;
mod routed;
mod scope;
mod screen;
mod stand_in;

use std::sync::Arc;

use gw_catalog::{Catalog, Offering};
use gw_core::task::{Complexity, Quality, TaskType};
use gw_core::{Layer, ModelName, ProviderId, Result};

use crate::asked::{ModelField, parse_model_field};
use crate::features::Features;
use crate::options::RoutingOptions;

pub use learned::{ALL_PPM, Advice, WEIGHED_MAX, Weighed, WeighedModel};
pub use operation::plan_operation;
pub use screen::Verdict;

/// Who forbids a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// The list of models of its provider, in the configuration.
    Configuration,
    /// What the caller's key, or anything above the key, may use.
    Key,
}

/// What is asked, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What the request looks like.
    pub features: &'a Features,
    /// The request's `model` field, as it came.
    pub model: &'a str,
    /// How good the answer has to be, where the caller says.
    pub quality: Option<Quality>,
    /// How hard it is, where the caller or the door knows; goes before the guess.
    pub complexity: Option<Complexity>,
    /// What it is for, likewise.
    pub task: Option<TaskType>,
    /// The layer asked for beside the model field; a model or layer named there goes before it.
    pub preferred_layer: Option<Layer>,
    /// The highest layer that this caller may use.
    pub max_layer: Layer,
    /// True where nothing may be spent (system A's budget of 0).
    pub is_free_only: bool,
}

impl Question<'_> {
    fn task(&self) -> TaskType {
        self.task.unwrap_or(self.features.task)
    }

    fn complexity(&self) -> Complexity {
        self.complexity.unwrap_or(self.features.complexity)
    }

    fn quality(&self) -> Quality {
        if self.features.is_sensitive {
            return Quality::Critical;
        }
        self.quality.unwrap_or(Quality::Normal)
    }
}

/// Whether a model may be called now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Yes.
    Well,
    /// It failed before and is being tried again.
    Probing,
    /// Not before this instant, in milliseconds of the caller's clock.
    Resting {
        /// The instant.
        until_ms: u64,
    },
}

/// The world as it is when the question comes.
#[derive(Clone, Copy)]
pub struct Snapshot<'a> {
    /// Models.
    pub catalog: &'a Catalog,
    /// Providers that are configured with what they need, in order of preference.
    pub providers: &'a [ProviderId],
    /// Who may be called now.
    pub health: &'a dyn Fn(&ProviderId, &ModelName) -> Health,
    /// Whether something beside layers and switches forbids a model; it is told the layer that the
    /// model stands in.
    pub bar: &'a dyn Fn(&Offering, Layer) -> Option<Bar>,
    /// What configuration decides.
    pub options: &'a RoutingOptions,
    /// What was learned; `None`: layers decide.
    pub learned: Option<&'a Advice<'a>>,
}

/// Who answers, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// In the order to try them; never empty, no offering twice.
    pub candidates: Vec<Candidate>,
    /// The layer of the first candidate.
    pub layer: Layer,
    /// System A's line: `Single model: <id> (layer L0)`.
    pub summary: String,
    /// One sentence for people.
    pub reason: String,
    /// Every model looked at and what came of it, candidates first; at most
    /// [`gw_core::limits::PLAN_CONSIDERED_MAX`].
    pub considered: Vec<Considered>,
    /// What the question was taken for: the caller's word, or the guess.
    pub task: TaskType,
    /// How hard it was taken to be.
    pub complexity: Complexity,
    /// The quality it is answered with; critical where words of security make it so.
    pub quality: Quality,
    /// True where a second model should review the answer.
    pub wants_cross_check: bool,
    /// How the models were weighed, where what was learned decided.
    pub weighed: Option<Weighed>,
}

/// A model that may be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The model at its provider.
    pub offering: Arc<Offering>,
    /// The layer it stands in; one that stands in none counts by its price, without one as L3.
    pub layer: Layer,
    /// Why it stands where it stands.
    pub why: String,
}

/// A model that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    /// Its catalogue id, or the name that found nothing.
    pub id: String,
    /// Its layer, where it is known.
    pub layer: Option<Layer>,
    /// What came of it.
    pub verdict: Verdict,
}

/// Decides who answers.
///
/// # Errors
/// [`gw_core::Kind::ModelNotFound`] for a name that means nothing here;
/// [`gw_core::Kind::Forbidden`] for a model or layer that is switched off or above the caller's cap;
/// [`gw_core::Kind::UnsupportedFeature`] and [`gw_core::Kind::ContextTooLong`] where no allowed
/// model can do it; [`gw_core::Kind::BudgetExhausted`] for a named model that costs money when
/// nothing may be spent; [`gw_core::Kind::NoCandidate`] where configuration leaves no model.
pub fn plan(question: &Question<'_>, snapshot: &Snapshot<'_>) -> Result<Plan> {
    plan_without(question, snapshot, &[])
}

/// Decides who answers when these have failed already: none of them is a candidate.
///
/// # Errors
/// Those of [`plan()`]; [`gw_core::Kind::NoCandidate`] where only failed models are left.
pub fn plan_without(
    question: &Question<'_>,
    snapshot: &Snapshot<'_>,
    failed: &[Arc<Offering>],
) -> Result<Plan> {
    let text = question.model.trim();
    let field = parse_model_field(snapshot.catalog.alias(text).unwrap_or(text));
    match (field, question.preferred_layer) {
        (ModelField::Named(name), _) => named::plan(question, snapshot, failed, &name),
        (ModelField::Auto, Some(layer)) => {
            routed::plan(question, snapshot, failed, &ModelField::Layer(layer))
        }
        (field, _) => routed::plan(question, snapshot, failed, &field),
    }
}

impl std::fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("providers", &self.providers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
