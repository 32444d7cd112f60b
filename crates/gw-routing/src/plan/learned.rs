//! Who answers by what was learned: within the layers, caps and abilities that bind every plan, the
//! model worth most at the value of a good answer goes first.
//!
//! What the caller or the operator said goes before what was learned: a named model, a layer, a free
//! call and a task's list never come here.

use std::sync::Arc;

use gw_catalog::Offering;
use gw_core::{Layer, Money};

use crate::choose::{Choice, choose_warm, on_hull};
use crate::learned::Expected;
use crate::plan::draft::{Draft, Why};
use crate::plan::scope::Scope;
use crate::plan::screen::standing;

/// One million: all of something in parts per million.
pub const ALL_PPM: u32 = 1_000_000;

/// Weighed models that a plan keeps for its record, at most.
pub const WEIGHED_MAX: usize = 12;

/// What was learned, asked about one request.
#[derive(Clone, Copy)]
pub struct Advice<'a> {
    /// What is expected of an offering; `None`: nothing was learned about it.
    pub expected: &'a dyn Fn(&Offering) -> Option<Expected>,
    /// What a good answer is worth.
    pub value: Money,
    /// The id (`provider/name`) of the model whose prompt cache is warm for this conversation.
    pub warm: Option<&'a str>,
    /// The conversation stays with the warm model unless another is worth so much more.
    pub margin: Money,
    /// How many of a million requests try another model of the hull, so that what is not chosen is
    /// learned about too.
    pub explore_ppm: u32,
    /// This request's draw, below [`ALL_PPM`].
    pub draw_ppm: u32,
}

impl std::fmt::Debug for Advice<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Advice").field("value", &self.value).finish_non_exhaustive()
    }
}

/// How a plan was weighed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighed {
    /// What a good answer was worth.
    pub value: Money,
    /// The models in question, the chosen one first, then by worth.
    pub models: Vec<WeighedModel>,
    /// True where the choice was a trial.
    pub is_trial: bool,
}

/// A model as it was weighed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeighedModel {
    /// `provider/name`.
    pub id: String,
    /// Its layer.
    pub layer: Layer,
    /// What was expected of it.
    pub expected: Expected,
    /// True where it lies on the hull of cost and success.
    pub is_on_hull: bool,
    /// How likely it was to be chosen, in parts per million.
    pub propensity_ppm: u32,
}

struct Entry {
    offering: Arc<Offering>,
    expected: Expected,
    layer: Layer,
}

/// Offers the models that something was learned about, the best first; `None`, with nothing offered,
/// where there are fewer than two of them.
pub(super) fn offer(draft: &mut Draft<'_>, scope: &Scope, advice: &Advice<'_>) -> Option<Weighed> {
    let entries = entries(draft, scope, advice);
    if entries.len() < 2 {
        return None;
    }
    let usual: Vec<Choice> = entries
        .iter()
        .map(|entry| Choice::new(entry.expected.usual_ppm, entry.expected.cost))
        .collect();
    let hull = on_hull(&usual);
    let at_hull: Vec<usize> = (0..entries.len()).filter(|at| hull[*at]).collect();
    let choices: Vec<Choice> = at_hull.iter().map(|at| choice(&entries[*at])).collect();
    let is_warm = |at: &usize| advice.warm == Some(entries[*at].offering.id().as_str());
    let warm = at_hull.iter().position(is_warm);
    let best = choose_warm(advice.value, &choices, warm, advice.margin)?;
    // A conversation that goes on is no place for trials.
    let explore_ppm = if warm.is_some() { 0 } else { advice.explore_ppm.min(ALL_PPM) };
    let trial = trial(advice.draw_ppm, explore_ppm, at_hull.len());
    let chosen = at_hull[trial.unwrap_or(best)];
    let each = explore_ppm / u32::try_from(at_hull.len()).unwrap_or(u32::MAX).max(1);
    let propensity = |at: usize| match hull[at] {
        true if at == at_hull[best] => ALL_PPM - explore_ppm + each,
        true => each,
        false => 0,
    };
    let order = order(&entries, chosen, advice.value);
    let models = order.iter().take(WEIGHED_MAX).map(|&at| WeighedModel {
        id: entries[at].offering.id(),
        layer: entries[at].layer,
        expected: entries[at].expected,
        is_on_hull: hull[at],
        propensity_ppm: propensity(at),
    });
    let weighed = Weighed {
        value: advice.value,
        models: models.collect(),
        is_trial: chosen != at_hull[best],
    };
    for (place, at) in spread(&entries, &order).into_iter().enumerate() {
        let why = if place == 0 && weighed.is_trial { Why::Trial } else { Why::Learned };
        draft.offer(&entries[at].offering, why, scope.wanted);
    }
    Some(weighed)
}

fn entries(draft: &Draft<'_>, scope: &Scope, advice: &Advice<'_>) -> Vec<Entry> {
    let snapshot = draft.screen.snapshot;
    let mut entries: Vec<Entry> = Vec::new();
    for layer in scope.stages(&snapshot.options.layers_enabled)[0].iter().copied() {
        for offering in snapshot.catalog.layer(layer, snapshot.providers) {
            if draft.screen.admits(&offering, scope.wanted).is_err() {
                continue;
            }
            let Some(expected) = (advice.expected)(&offering) else { continue };
            let layer = standing(&offering);
            entries.push(Entry { offering, expected, layer });
        }
    }
    // The same order whatever the layer the search began in.
    entries.sort_by(|one, other| {
        let key = |entry: &Entry| (entry.layer, entry.offering.rank);
        let (a, b) = (&one.offering, &other.offering);
        key(one)
            .cmp(&key(other))
            .then_with(|| a.provider.cmp(&b.provider))
            .then_with(|| a.name.cmp(&b.name))
    });
    entries
}

fn choice(entry: &Entry) -> Choice {
    Choice::new(entry.expected.success_ppm, entry.expected.cost)
}

/// The place that is tried out, where this draw is a trial.
fn trial(draw_ppm: u32, explore_ppm: u32, count: usize) -> Option<usize> {
    if draw_ppm >= explore_ppm {
        return None;
    }
    let place = u64::from(draw_ppm) * (count as u64) / u64::from(explore_ppm.max(1));
    usize::try_from(place).ok().filter(|place| *place < count)
}

/// The chosen one, then the others by worth; among equals the cheaper, then the earlier.
fn order(entries: &[Entry], chosen: usize, value: Money) -> Vec<usize> {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|at| {
        let choice = choice(&entries[*at]);
        (*at != chosen, std::cmp::Reverse(choice.worth(value)), choice.cost, *at)
    });
    order
}

/// The second place goes to another provider if it can: what fails at one fails for all its models.
fn spread(entries: &[Entry], order: &[usize]) -> Vec<usize> {
    let mut order = order.to_vec();
    if let Some(first) = order.first().copied() {
        let provider = &entries[first].offering.provider;
        let apart = order.iter().position(|at| entries[*at].offering.provider != *provider);
        if let Some(apart) = apart {
            order[1..=apart].rotate_right(1);
        }
    }
    order
}
