//! Training an [`Estimator`] from outcomes.
//!
//! How much of the text counts, and from which likeness on, is not fixed: it is what does best on
//! parts of the training prompts that a first fit did not see, once parted by chance and once by
//! whole tasks. Data with little to learn from text so ends near its means by itself.

mod boost;
mod folds;
mod raw;
mod ridge;

use std::collections::BTreeSet;

use gw_routing::estimate::{Calibration, Estimates, Estimator, Guard};
use gw_routing::signal::Signals;

use crate::data::Outcomes;
use crate::measure::Hull;
use crate::policy::{self, Predictions};

pub use boost::Boost;
pub use folds::HeldOut;
pub use ridge::{platt, ridge};

/// How to train.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Penalty of the linear residual.
    pub alpha: f32,
    /// Steps of its solver.
    pub steps: usize,
    /// How trees are grown.
    pub boost: Boost,
    /// Words in more than this share of prompts do not search neighbours.
    pub common: f32,
    /// Parts that the training prompts are split into to judge with.
    pub folds: usize,
    /// Seed of those parts.
    pub seed: u64,
}

impl Default for Recipe {
    fn default() -> Self {
        Self { alpha: 16.0, steps: 20, boost: Boost::default(), common: 0.1, folds: 3, seed: 1 }
    }
}

/// How much of the text's residual counts: `shared` of what all models have in common (how hard the
/// prompt is), `own` of what is left for each.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Mix {
    /// Of what models share.
    pub shared: f32,
    /// Of what is a model's own.
    pub own: f32,
}

/// Tried from the most cautious to the least; the first of equals wins.
const MIXES: [Mix; 8] = [
    Mix { shared: 0.0, own: 0.0 },
    Mix { shared: 0.25, own: 0.0 },
    Mix { shared: 0.5, own: 0.0 },
    Mix { shared: 0.25, own: 0.125 },
    Mix { shared: 0.5, own: 0.125 },
    Mix { shared: 0.25, own: 0.25 },
    Mix { shared: 0.5, own: 0.25 },
    Mix { shared: 0.5, own: 0.5 },
];

/// Percentiles of the likeness among training prompts between which trust rises.
const GUARDS: [Option<(f32, f32)>; 3] = [Some((0.05, 0.5)), Some((0.3, 0.7)), None];

/// How far below the hull of single models a model may lie and still be chosen from.
const SLACKS: [f64; 2] = [0.02, 1.0];

/// How much of the trees counts.
const TREES: [f32; 3] = [0.0, 0.5, 1.0];

/// With fewer tasks than this, what happens on a new one cannot be learned: then the first
/// guard and slack are kept.
const TASKS_TO_JUDGE_BY: usize = 5;

/// Settings that differ by less are alike: the first of them, the most cautious, is taken.
const AS_GOOD: f64 = 0.0008;

/// What was decided about how much of the text counts.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Setting {
    /// How much of the residual counts.
    pub mix: Mix,
    /// Percentiles of likeness between which trust rises; `None`: every text is trusted.
    pub guard: Option<(f32, f32)>,
    /// How far below the hull a model may lie.
    pub slack: f64,
    /// How much of the trees over counts counts.
    pub trees: f32,
}

/// What training found.
#[derive(Clone, Debug)]
pub struct Trained {
    /// To apply.
    pub estimator: Estimator,
    /// How much of the text counts.
    pub setting: Setting,
    /// Predictions for training prompts by fits that did not see them, parted by chance.
    pub by_chance: Predictions,
    /// The same parted by whole tasks; empty where there is only one.
    pub by_task: Predictions,
}

/// Trains on some prompts. `signals` and `groups` have one entry for each prompt of the outcomes;
/// groups only part the training prompts, they are no feature.
pub fn train(
    outcomes: &Outcomes,
    signals: &[Signals],
    groups: &[&str],
    rows: &[usize],
    recipe: &Recipe,
) -> Trained {
    let chance = HeldOut::by_chance(outcomes, signals, rows, recipe);
    let tasks = HeldOut::by_task(outcomes, signals, groups, rows, recipe);
    let distinct: BTreeSet<&str> = rows.iter().map(|row| groups[*row]).collect();
    let is_cautious = distinct.len() < TASKS_TO_JUDGE_BY;
    let setting = best_setting(outcomes, &chance, &tasks, rows, is_cautious);
    let calibration = calibration(outcomes, &chance.predictions(setting, &[]));
    let raw = raw::Raw::fit(outcomes, signals, rows, recipe);
    Trained {
        by_chance: chance.predictions(setting, &calibration),
        by_task: tasks.predictions(setting, &calibration),
        estimator: Estimator {
            kept: policy::kept(outcomes, rows, setting.slack),
            ..raw.estimator(outcomes, setting, calibration)
        },
        setting,
    }
}

fn best_setting(
    outcomes: &Outcomes,
    chance: &HeldOut,
    tasks: &HeldOut,
    rows: &[usize],
    is_cautious: bool,
) -> Setting {
    let values = policy::values(outcomes, rows, 40);
    let area = |held: &HeldOut, setting: &Setting| {
        let predictions = held.predictions(*setting, &[]);
        if predictions.rows.is_empty() {
            return 0.0;
        }
        let kept = policy::kept(outcomes, rows, setting.slack);
        let choices = predictions.choices(outcomes, &kept);
        let points = policy::sweep(outcomes, &predictions.rows, &choices, &values);
        let (low, high) = span(&policy::singles(outcomes, &predictions.rows));
        Hull::of(&points).area(low, high)
    };
    let mut tried = Vec::new();
    for slack in SLACKS.into_iter().take(if is_cautious { 1 } else { SLACKS.len() }) {
        for guard in GUARDS.into_iter().take(if is_cautious { 1 } else { GUARDS.len() }) {
            for trees in TREES {
                // Trees need neither the guard between nor the widest choice: that would be tried
                // for long and never taken.
                if trees > 0.0 && (guard == GUARDS[1] || slack > SLACKS[0]) {
                    continue;
                }
                for mix in MIXES {
                    let setting = Setting { mix, guard, slack, trees };
                    let by_task = if is_cautious { 0.0 } else { area(tasks, &setting) };
                    tried.push((area(chance, &setting) + by_task, setting));
                }
            }
        }
    }
    let best = tried.iter().map(|(area, _)| *area).fold(f64::MIN, f64::max);
    let is_as_good = |(area, _): &&(f64, Setting)| *area >= best - AS_GOOD;
    let cautious = Setting { mix: MIXES[0], guard: GUARDS[0], slack: SLACKS[0], trees: TREES[0] };
    tried.iter().find(is_as_good).map_or(cautious, |(_, setting)| *setting)
}

/// From the cost of the cheapest model to that of the best.
pub fn span(singles: &[crate::measure::Point]) -> (f64, f64) {
    let low = singles.iter().map(|point| point.cost).fold(f64::INFINITY, f64::min);
    let best = singles.iter().copied().reduce(|one, other| {
        let is_better =
            other.quality > one.quality || (other.quality >= one.quality && other.cost < one.cost);
        if is_better { other } else { one }
    });
    (low, best.map_or(low, |best| best.cost))
}

fn calibration(outcomes: &Outcomes, predictions: &Predictions) -> Vec<Calibration> {
    let width = outcomes.width();
    (0..width)
        .map(|model| {
            platt(predictions.rows.iter().enumerate().map(|(at, row)| {
                (predictions.success[at * width + model], outcomes.quality_of(*row, model))
            }))
        })
        .collect()
}

/// Predictions of an estimator for some prompts.
pub fn predict(estimator: &Estimator, signals: &[Signals], rows: &[usize]) -> Predictions {
    let mut found = Estimates::default();
    let mut predictions =
        Predictions { rows: rows.to_vec(), fits: vec![0; rows.len()], ..Predictions::default() };
    for row in rows {
        estimator.estimate(&signals[*row], &mut found);
        predictions.success.extend_from_slice(&found.success);
        predictions.tokens.extend_from_slice(&found.tokens);
    }
    predictions
}

/// The guard between two percentiles of some likenesses, sorted upwards.
fn guard_between(likenesses: &[f32], percentiles: Option<(f32, f32)>) -> Guard {
    let Some((low, high)) = percentiles else { return Guard::OPEN };
    let at = |share: f32| {
        let place = (likenesses.len().saturating_sub(1)) as f32 * share;
        likenesses.get(place as usize).copied().unwrap_or_default()
    };
    Guard { strange: at(low), familiar: at(high) }
}
