//! Fits that did not see part of the training prompts, and what they say of that part.

use gw_routing::estimate::{Calibration, Guard};
use gw_routing::signal::Signals;

use super::raw::{Raw, shrink};
use super::{Recipe, Setting, guard_between};
use crate::data::Outcomes;
use crate::dice::Dice;
use crate::policy::Predictions;

/// What fits say of prompts that they did not see, with everything left open that is still to be
/// decided.
#[derive(Clone, Debug, Default)]
pub struct HeldOut {
    prompts: Vec<Held>,
    fits: Vec<Fit>,
}

#[derive(Clone, Debug)]
struct Held {
    row: usize,
    fit: usize,
    is_known_tag: bool,
    is_new_tag: bool,
    likeness: f32,
    means: Vec<f32>,
    tokens: Vec<f32>,
    residual: Vec<f32>,
    counted: Vec<f32>,
}

#[derive(Clone, Debug)]
struct Fit {
    overall: Vec<f32>,
    scale: Vec<f32>,
    likenesses: Vec<f32>,
}

impl HeldOut {
    pub(super) fn by_chance(
        outcomes: &Outcomes,
        signals: &[Signals],
        rows: &[usize],
        recipe: &Recipe,
    ) -> Self {
        let mut order = rows.to_vec();
        Dice::new(recipe.seed).shuffle(&mut order);
        let parts = recipe.folds.max(2);
        let folds: Vec<Vec<usize>> = (0..parts)
            .map(|part| order.iter().copied().skip(part).step_by(parts).collect())
            .collect();
        Self::of(outcomes, signals, rows, &folds, recipe)
    }

    pub(super) fn by_task(
        outcomes: &Outcomes,
        signals: &[Signals],
        groups: &[&str],
        rows: &[usize],
        recipe: &Recipe,
    ) -> Self {
        let mut names: Vec<&str> = rows.iter().map(|row| groups[*row]).collect();
        names.sort_unstable();
        names.dedup();
        if names.len() < 2 {
            return Self::default();
        }
        Dice::new(recipe.seed).shuffle(&mut names);
        let parts = recipe.folds.max(2).min(names.len());
        let part_of = |row: &usize| {
            names.iter().position(|name| *name == groups[*row]).unwrap_or_default() % parts
        };
        let folds: Vec<Vec<usize>> = (0..parts)
            .map(|part| rows.iter().copied().filter(|row| part_of(row) == part).collect())
            .collect();
        Self::of(outcomes, signals, rows, &folds, recipe)
    }

    fn of(
        outcomes: &Outcomes,
        signals: &[Signals],
        rows: &[usize],
        folds: &[Vec<usize>],
        recipe: &Recipe,
    ) -> Self {
        let width = outcomes.width();
        let mut held = Self::default();
        let mut is_held = vec![false; outcomes.prompts.len()];
        for (fit, fold) in folds.iter().enumerate() {
            for row in fold {
                is_held[*row] = true;
            }
            let seen: Vec<usize> = rows.iter().copied().filter(|row| !is_held[*row]).collect();
            let raw = Raw::fit(outcomes, signals, &seen, recipe);
            let mut scratch = Default::default();
            for &row in fold {
                is_held[row] = false;
                let signals = &signals[row];
                let (mut means, mut tokens) = (Vec::new(), Vec::new());
                let is_known_tag = raw.quality.write(signals.tag, signals.class, &mut means);
                raw.tokens.write(signals.tag, signals.class, &mut tokens);
                let mut residual = vec![0.0; width];
                let likeness = raw.neighbours.residual(&signals.words, &mut scratch, &mut residual);
                raw.linear.residual(&signals.pieces, &mut residual);
                let mut counted = vec![0.0; width];
                raw.trees.residual(signals, &mut counted);
                held.prompts.push(Held {
                    row,
                    fit,
                    is_known_tag,
                    is_new_tag: signals.tag.is_some() && !is_known_tag,
                    likeness,
                    means,
                    tokens,
                    residual,
                    counted,
                });
            }
            held.fits.push(Fit {
                overall: (0..width).map(|model| raw.quality.overall(model)).collect(),
                scale: raw.scale,
                likenesses: raw.likenesses,
            });
        }
        held
    }

    /// The predictions under a setting; no calibration where it is empty.
    pub(super) fn predictions(&self, setting: Setting, calibration: &[Calibration]) -> Predictions {
        let Setting { mix, guard, .. } = setting;
        let guards: Vec<Guard> =
            self.fits.iter().map(|fit| guard_between(&fit.likenesses, guard)).collect();
        let mut predictions = Predictions::default();
        for held in &self.prompts {
            let fit = &self.fits[held.fit];
            let share = if held.is_new_tag { 0.0 } else { guards[held.fit].share(held.likeness) };
            let mut residual = held.residual.clone();
            shrink(&mut residual, &fit.scale, mix);
            predictions.rows.push(held.row);
            predictions.fits.push(held.fit);
            predictions.tokens.extend_from_slice(&held.tokens);
            for (model, residual) in residual.into_iter().enumerate() {
                let mean = held.means[model];
                let mean = if held.is_known_tag {
                    mean
                } else {
                    share * mean + (1.0 - share) * fit.overall[model]
                };
                let score = mean + share * residual + setting.trees * held.counted[model];
                let success = calibration.get(model).map_or(score, |line| line.of(score));
                predictions.success.push(success.clamp(0.0, 1.0));
            }
        }
        predictions
    }
}
