//! Decisions of learned routing, and how good the answers were that they led to.

use serde::{Deserialize, Serialize};

use crate::ids::CallId;
use crate::layer::Layer;
use crate::money::Money;

/// How the models of a call were weighed; kept in the metadata of its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// What had been learned, for people: the shipped prior, or a file.
    pub origin: String,
    /// What a good answer was worth, in pico-dollars.
    pub value: Money,
    /// True where the choice was a trial.
    pub is_trial: bool,
    /// The application that asked, in hexadecimal; `None` where nothing told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// True where that application had been learned from.
    pub is_known_tag: bool,
    /// The class of work.
    pub class: String,
    /// The model whose prompt cache was warm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm: Option<String>,
    /// The models, the chosen one first.
    pub models: Vec<DecisionModel>,
    /// The words of the last user turn, where they are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

impl Decision {
    /// Its key in the metadata of a record.
    pub const KEY: &'static str = "learnedRouting";
}

/// A model as it was weighed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecisionModel {
    /// `provider/name`.
    pub model: String,
    /// Its layer.
    pub layer: Layer,
    /// Probability of a good answer, in parts per million.
    pub success_ppm: u32,
    /// What it was expected to cost, in pico-dollars.
    pub cost: Money,
    /// True where it lies on the hull of cost and success.
    pub is_on_hull: bool,
    /// How likely it was to be chosen, in parts per million.
    pub propensity_ppm: u32,
}

/// Who says how good an answer was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeSource {
    /// The same was asked again.
    Retry,
    /// Hard checks of the answer.
    Validator,
    /// A model that judged.
    Judge,
    /// Cross-check, resolved by the top model.
    CrossCheck,
    /// Tests of what was made of the answer.
    Test,
    /// A person, or a program that knows.
    Feedback,
}

impl OutcomeSource {
    /// All, from the least to the most telling: where several speak, the last one counts.
    pub const ALL: [Self; 6] =
        [Self::Retry, Self::Validator, Self::Judge, Self::CrossCheck, Self::Test, Self::Feedback];

    /// Its word in stores and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Validator => "validator",
            Self::Judge => "judge",
            Self::CrossCheck => "cross_check",
            Self::Test => "test",
            Self::Feedback => "feedback",
        }
    }

    /// From its word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == word)
    }
}

/// How good one model's answer to one call was. A later one of the same call, model and source takes
/// an earlier one's place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The call.
    pub call_id: CallId,
    /// The model that answered, `provider/name`.
    pub model: String,
    /// Who says so.
    pub source: OutcomeSource,
    /// How good, 0 to 1.
    pub score: f64,
    /// When it was said, in milliseconds since 1970.
    pub at_ms: i64,
}

/// A call with everything that was said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The call, with its [`Decision`] in its metadata where it was routed by learning.
    pub call: crate::record::CallRecord,
    /// What was said of its answers.
    pub outcomes: Vec<Outcome>,
}
