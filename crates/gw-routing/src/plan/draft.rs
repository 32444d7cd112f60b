//! A plan in the making: candidates in order, and what came of everything else.

use std::fmt;
use std::sync::Arc;

use gw_catalog::Offering;
use gw_core::limits::{ATTEMPTS_MAX, PLAN_CONSIDERED_MAX};
use gw_core::task::{Complexity, Quality};
use gw_core::{Layer, ProviderId};

use crate::plan::screen::{Bounds, Screen, Verdict, standing};
use crate::plan::{Candidate, Considered, Health, Plan};

/// Why a candidate is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Asked for by name.
    Named,
    /// The named model at another provider.
    SameModel,
    /// An entry (from 1) of a task's list.
    Listed { setting: &'static str, entry: usize },
    /// The first of its layer.
    Ranked(Layer),
    /// Another one of the layer.
    Peer(Layer),
    /// A setting names it as the one to ask when that provider fails.
    StandsIn { setting: &'static str, provider: String },
    /// The local model.
    Local,
    /// A model of the next layer up.
    NextLayer(Layer),
    /// By what was learned.
    Learned,
    /// Tried so that something is learned about it.
    Trial,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named => f.write_str("asked for by name"),
            Self::SameModel => f.write_str("the same model at another provider"),
            Self::Listed { setting, entry } => write!(f, "entry {entry} of {setting}"),
            Self::Ranked(layer) => write!(f, "best ranked of {layer}"),
            Self::Peer(layer) => write!(f, "another model of {layer}"),
            Self::StandsIn { setting, provider } => {
                write!(f, "{setting}: stands in when `{provider}` fails")
            }
            Self::Local => f.write_str("OSS_MODEL_NAME: the local model stands in"),
            Self::NextLayer(layer) => write!(f, "{layer}, the next layer up"),
            Self::Learned => f.write_str("by what was learned"),
            Self::Trial => f.write_str("a trial, to learn about it"),
        }
    }
}

/// A candidate before the order is final.
pub(super) struct Pick {
    pub(super) offering: Arc<Offering>,
    pub(super) why: Why,
    health: Health,
}

/// The head of a plan: what is said about its first candidate.
pub(super) struct Words {
    /// Between these two stands `<id> (layer L0` in system A's summary line.
    pub(super) summary: (&'static str, &'static str),
    /// The reason up to the choice of the model.
    pub(super) reason: String,
}

/// A plan in the making.
pub(super) struct Draft<'a> {
    pub(super) screen: Screen<'a>,
    pub(super) picks: Vec<Pick>,
    passed: Vec<Considered>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(screen: Screen<'a>) -> Self {
        Self { screen, picks: Vec::new(), passed: Vec::new() }
    }

    /// Adds an offering if it may and can answer and is not there yet.
    pub(super) fn offer(&mut self, offering: &Arc<Offering>, why: Why, bounds: Bounds) -> bool {
        let verdict = self.screen.admits(offering, bounds);
        self.take(offering, why, verdict)
    }

    /// Adds an offering that was asked for by name: what it can do is between caller and provider.
    pub(super) fn offer_named(&mut self, offering: &Arc<Offering>, bounds: Bounds) -> bool {
        let verdict = self.screen.permits(offering, bounds);
        let why = if self.picks.is_empty() { Why::Named } else { Why::SameModel };
        self.take(offering, why, verdict)
    }

    /// Notes why something is passed over; a later verdict replaces an earlier one.
    pub(super) fn pass(&mut self, id: String, layer: Option<Layer>, verdict: Verdict) {
        if let Some(known) = self.passed.iter_mut().find(|known| known.id == id) {
            known.verdict = verdict;
        } else if self.passed.len() < PLAN_CONSIDERED_MAX {
            self.passed.push(Considered { id, layer, verdict });
        }
    }

    /// The first thing passed over and why.
    pub(super) fn first_passed(&self) -> Option<&Considered> {
        self.passed.first()
    }

    pub(super) fn holds(&self, offering: &Offering) -> bool {
        self.picks.iter().any(|pick| {
            pick.offering.provider == offering.provider && pick.offering.name == offering.name
        })
    }

    /// True where this provider's offering of the same model is there: a dated snapshot of it
    /// fails when it fails.
    pub(super) fn holds_twin(&self, offering: &Offering) -> bool {
        self.picks.iter().any(|pick| {
            pick.offering.provider == offering.provider && pick.offering.model == offering.model
        })
    }

    /// True where a model of this provider is there.
    pub(super) fn holds_provider(&self, provider: &ProviderId) -> bool {
        self.picks.iter().any(|pick| pick.offering.provider == *provider)
    }

    /// Most candidates of this plan.
    pub(super) fn room(&self) -> usize {
        self.screen.snapshot.options.candidates_max.clamp(1, ATTEMPTS_MAX)
    }

    fn take(&mut self, offering: &Arc<Offering>, why: Why, verdict: Result<(), Verdict>) -> bool {
        if self.holds(offering) {
            return false;
        }
        if let Err(verdict) = verdict {
            self.pass(offering.id(), Some(standing(offering)), verdict);
            return false;
        }
        let health = (self.screen.snapshot.health)(&offering.provider, &offering.name);
        self.picks.push(Pick { offering: Arc::clone(offering), why, health });
        true
    }

    /// Orders, cuts and words the plan; `None` where there is no candidate.
    pub(super) fn finish(mut self, words: &Words) -> Option<Plan> {
        self.picks.sort_by_key(|pick| match pick.health {
            Health::Well | Health::Probing => 0,
            Health::Resting { until_ms } => until_ms.saturating_add(1),
        });
        let room = self.room();
        let first = self.picks.first()?;
        let layer = standing(&first.offering);
        let (before, after) = words.summary;
        let summary = format!("{before}: {} (layer {layer}{after})", first.offering.id());
        let reason = format!("{}; {}", words.reason, choice(first));
        let considered = self.considered(room);
        let candidates = self.picks.iter().take(room).map(|pick| Candidate {
            offering: Arc::clone(&pick.offering),
            layer: standing(&pick.offering),
            why: pick.why.to_string(),
        });
        let question = self.screen.question;
        let (complexity, quality) = (question.complexity(), question.quality());
        let is_hard = complexity == Complexity::High || quality == Quality::Critical;
        Some(Plan {
            candidates: candidates.collect(),
            layer,
            summary,
            reason,
            considered,
            task: question.task(),
            complexity,
            quality,
            wants_cross_check: self.screen.snapshot.options.enable_cross_check && is_hard,
            weighed: None,
        })
    }

    fn considered(&self, room: usize) -> Vec<Considered> {
        let chosen = self.picks.iter().enumerate().map(|(at, pick)| Considered {
            id: pick.offering.id(),
            layer: Some(standing(&pick.offering)),
            verdict: match pick.health {
                _ if at >= room => Verdict::NoRoom,
                Health::Resting { until_ms } => Verdict::Resting { place: at + 1, until_ms },
                Health::Well | Health::Probing => Verdict::Candidate(at + 1),
            },
        });
        let mut considered: Vec<Considered> = chosen.collect();
        for passed in &self.passed {
            if considered.iter().all(|known| known.id != passed.id) {
                considered.push(passed.clone());
            }
        }
        considered.truncate(PLAN_CONSIDERED_MAX);
        considered
    }
}

/// Why the first candidate is the first one.
fn choice(first: &Pick) -> String {
    if matches!(first.health, Health::Resting { .. }) {
        return format!("{}; every breaker is open, this one closes first", first.why);
    }
    match &first.why {
        Why::Listed { setting, entry: 1 } => format!("first of {setting} that is healthy"),
        Why::Listed { setting, entry } => {
            format!("entry {entry} of {setting} is the first that may and can answer")
        }
        Why::Ranked(layer) | Why::Peer(layer) => format!("best ranked of {layer} that is healthy"),
        Why::Named => "asked for by name".to_owned(),
        Why::Learned | Why::Trial => first.why.to_string(),
        other => format!("those before it rest; {other}"),
    }
}
