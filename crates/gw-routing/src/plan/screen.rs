//! Whether one offering may answer one question, and if not, why.

use std::fmt;
use std::sync::Arc;

use gw_catalog::layers::layer_by_price;
use gw_catalog::{Bands, Modality, Offering};
use gw_core::Layer;

use crate::features::Need;
use crate::plan::{Bar, Question, Snapshot};

/// What came of a model that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the candidate of this place, from 1.
    Candidate(usize),
    /// It is the candidate of this place, put back because its breaker is open.
    Resting {
        /// Its place, from 1.
        place: usize,
        /// When the breaker may close, in milliseconds of the caller's clock.
        until_ms: u64,
    },
    /// It could answer; enough others stand before it.
    NoRoom,
    /// Nobody knows this name, or nobody who is configured offers it.
    Unknown,
    /// Its provider has no key or address here.
    NotConfigured,
    /// Configuration switched it off.
    SwitchedOff,
    /// Configuration switched its layer off.
    LayerDisabled,
    /// It stands above this layer, the highest one allowed.
    AboveCap(Layer),
    /// It stands below this layer, the lowest one wanted.
    BelowFloor(Layer),
    /// It stands in another layer than the chosen one.
    OtherLayer,
    /// It may not be used.
    Barred(Bar),
    /// It has failed this question already.
    Failed,
    /// It costs money, and nothing may be spent.
    NotFree,
    /// It does not answer with text.
    NotChat,
    /// It cannot do this, or nobody says that it can.
    Lacks(Need),
    /// The prompt, with the answer asked for, does not fit.
    ContextTooSmall {
        /// Its window, in tokens.
        window: u64,
        /// What is needed, in tokens.
        needed: u64,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Candidate(place) => write!(f, "candidate {place}"),
            Self::Resting { place, .. } => write!(f, "candidate {place}, breaker open"),
            Self::NoRoom => f.write_str("enough candidates before it"),
            Self::Unknown => f.write_str("no configured provider offers it"),
            Self::NotConfigured => f.write_str("its provider is not configured"),
            Self::SwitchedOff => f.write_str("switched off"),
            Self::LayerDisabled => f.write_str("its layer is switched off"),
            Self::AboveCap(layer) => write!(f, "above {layer}, the highest layer allowed"),
            Self::BelowFloor(layer) => write!(f, "below {layer}, the lowest layer wanted"),
            Self::OtherLayer => f.write_str("in another layer than the chosen one"),
            Self::Barred(Bar::Configuration) => f.write_str("not allowed at its provider"),
            Self::Barred(Bar::Key) => f.write_str("not allowed to the caller's key"),
            Self::Failed => f.write_str("failed already"),
            Self::NotFree => f.write_str("not free"),
            Self::NotChat => f.write_str("does not answer with text"),
            Self::Lacks(need) => write!(f, "lacks {need}"),
            Self::ContextTooSmall { window, needed } => {
                write!(f, "context window {window}, about {needed} tokens needed")
            }
        }
    }
}

/// The layer an offering counts as: its own; without one that of its price; without a price L3,
/// since it may cost anything.
pub(super) fn standing(offering: &Offering) -> Layer {
    offering.layer.or_else(|| layer_by_price(offering, &Bands::default())).unwrap_or(Layer::L3)
}

/// The lowest and the highest layer, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) floor: Layer,
    pub(super) ceiling: Layer,
}

impl Bounds {
    pub(super) const fn only(layer: Layer) -> Self {
        Self { floor: layer, ceiling: layer }
    }

    pub(super) fn hold(self, layer: Layer) -> bool {
        self.floor <= layer && layer <= self.ceiling
    }
}

/// Looks at offerings for one question.
#[derive(Clone, Copy)]
pub(super) struct Screen<'a> {
    pub(super) question: &'a Question<'a>,
    pub(super) snapshot: &'a Snapshot<'a>,
    pub(super) failed: &'a [Arc<Offering>],
}

impl Screen<'_> {
    /// What an offering must pass even where it was asked for by name.
    pub(super) fn permits(&self, offering: &Offering, bounds: Bounds) -> Result<(), Verdict> {
        let layer = standing(offering);
        if !offering.is_enabled {
            return Err(Verdict::SwitchedOff);
        }
        if !self.snapshot.providers.contains(&offering.provider) {
            return Err(Verdict::NotConfigured);
        }
        if !self.snapshot.options.is_enabled(layer) {
            return Err(Verdict::LayerDisabled);
        }
        if layer > bounds.ceiling {
            return Err(Verdict::AboveCap(bounds.ceiling));
        }
        if layer < bounds.floor {
            return Err(Verdict::BelowFloor(bounds.floor));
        }
        if let Some(bar) = (self.snapshot.bar)(offering, layer) {
            return Err(Verdict::Barred(bar));
        }
        if self.question.is_free_only && !offering.is_free {
            return Err(Verdict::NotFree);
        }
        if self.has_failed(offering) {
            return Err(Verdict::Failed);
        }
        Ok(())
    }

    /// What an offering must be able to do where routing picks it. What is unknown counts as "no".
    pub(super) fn suits(&self, offering: &Offering) -> Result<(), Verdict> {
        // A model nobody knows anything about may be listed for a task; then it is taken for a
        // chat model.
        let has_output = !offering.capabilities.output.is_empty();
        if has_output && !offering.capabilities.is_chat() {
            return Err(Verdict::NotChat);
        }
        if let Some(need) = self.question.features.needs.list().find(|need| !can(offering, *need)) {
            return Err(Verdict::Lacks(need));
        }
        match self.needed_tokens(offering) {
            Some((window, needed)) if needed > window => {
                Err(Verdict::ContextTooSmall { window, needed })
            }
            _ => Ok(()),
        }
    }

    /// Both.
    pub(super) fn admits(&self, offering: &Offering, bounds: Bounds) -> Result<(), Verdict> {
        self.permits(offering, bounds)?;
        self.suits(offering)
    }

    /// True where even the highest reckoning of the prompt fits.
    pub(super) fn surely_fits(&self, offering: &Offering) -> bool {
        offering.context_window.is_none_or(|window| {
            let features = self.question.features;
            features.input_tokens.saturating_add(self.answer_tokens(offering)) <= window
        })
    }

    pub(super) fn has_failed(&self, offering: &Offering) -> bool {
        self.failed
            .iter()
            .any(|other| other.provider == offering.provider && other.name == offering.name)
    }

    /// Window and tokens needed, where the window is known. The prompt counts as it will probably be:
    /// one that only might be too long is put back, not refused.
    fn needed_tokens(&self, offering: &Offering) -> Option<(u64, u64)> {
        let window = offering.context_window?;
        let answer = self.answer_tokens(offering);
        Some((window, self.question.features.likely_input_tokens.saturating_add(answer)))
    }

    fn answer_tokens(&self, offering: &Offering) -> u64 {
        let asked = self.question.features.max_output_tokens.unwrap_or(0);
        asked.min(offering.max_output_tokens.unwrap_or(u64::MAX))
    }
}

pub(super) fn can(offering: &Offering, need: Need) -> bool {
    let capabilities = &offering.capabilities;
    match need {
        Need::Vision => capabilities.reads(Modality::Image),
        Need::Pdf => capabilities.reads(Modality::Pdf),
        Need::Audio => capabilities.reads(Modality::Audio),
        Need::Tools => capabilities.tools,
        Need::StructuredOutput => capabilities.structured_output,
    }
}
