//! One fit without any decision about how much of it counts.

use gw_routing::estimate::{
    Calibration, Estimator, Guard, Labelled, Linear, Means, Neighbours, Trees,
};
use gw_routing::signal::Signals;

use super::boost::boost;
use super::{Mix, Recipe, Setting, guard_between, ridge};
use crate::data::Outcomes;

/// Training prompts whose likeness to the others is measured.
const LIKENESSES: usize = 600;

/// Answer length believed before any, in tokens.
const TOKENS_PRIOR: f32 = 150.0;

pub(super) struct Raw {
    pub(super) quality: Means,
    pub(super) tokens: Means,
    pub(super) linear: Linear,
    pub(super) neighbours: Neighbours,
    pub(super) trees: Trees,
    /// How far each model moves when the mean of all moves by one.
    pub(super) scale: Vec<f32>,
    /// Likeness of training prompts to the others, upwards.
    pub(super) likenesses: Vec<f32>,
}

impl Raw {
    pub(super) fn fit(
        outcomes: &Outcomes,
        signals: &[Signals],
        rows: &[usize],
        recipe: &Recipe,
    ) -> Self {
        let width = outcomes.width();
        let mut quality = Means::new(vec![0.5; width]);
        let mut tokens = Means::new(vec![TOKENS_PRIOR; width]);
        for &row in rows {
            let signals = &signals[row];
            for model in 0..width {
                let value = outcomes.quality_of(row, model);
                quality.add(signals.tag, signals.class, model, value);
                let length = outcomes.out_tokens[row * width + model] as f32;
                tokens.add(signals.tag, signals.class, model, length);
            }
        }
        let residuals = residuals(outcomes, signals, rows, &mut quality);
        let pieces: Vec<_> = rows.iter().map(|row| &signals[*row].pieces[..]).collect();
        let (weights, offsets) = ridge(&pieces, &residuals, width, recipe.alpha, recipe.steps);
        let labelled: Vec<Labelled<'_>> = rows
            .iter()
            .zip(residuals.chunks_exact(width))
            .map(|(row, residual)| Labelled { words: &signals[*row].words, residual })
            .collect();
        let neighbours = Neighbours::new(width, &labelled, recipe.common);
        let likenesses = likenesses(&neighbours, signals, rows, width);
        Self {
            quality,
            tokens,
            linear: Linear::new(width, weights, offsets)
                .expect("ridge gives a weight for each bucket and model"),
            neighbours,
            trees: boost(signals, rows, &residuals, width, &recipe.boost),
            scale: scale(&residuals, width),
            likenesses,
        }
    }

    /// The estimator that counts so much of the residuals.
    pub(super) fn estimator(
        mut self,
        outcomes: &Outcomes,
        setting: Setting,
        calibration: Vec<Calibration>,
    ) -> Estimator {
        let mix = setting.mix;
        let guard: Guard = guard_between(&self.likenesses, setting.guard);
        let scale = self.scale;
        self.linear.map_weights(|weights| shrink(weights, &scale, mix));
        self.neighbours.map_residuals(|residuals| shrink(residuals, &scale, mix));
        self.trees.map_leaves(|leaf| leaf.iter_mut().for_each(|value| *value *= setting.trees));
        let is_used = mix.shared > 0.0 || mix.own > 0.0;
        Estimator {
            models: outcomes.models.iter().map(|model| model.name.clone()).collect(),
            kept: vec![true; outcomes.width()],
            quality: self.quality,
            tokens: self.tokens,
            linear: is_used.then_some(self.linear),
            neighbours: Some(self.neighbours),
            trees: (setting.trees > 0.0).then_some(self.trees),
            guard,
            calibration,
        }
    }
}

/// Takes from a residual what counts of it. Linear, so that it may be done to weights beforehand.
pub(super) fn shrink(residual: &mut [f32], scale: &[f32], mix: Mix) {
    let shared = residual.iter().sum::<f32>() / residual.len().max(1) as f32;
    for (value, scale) in residual.iter_mut().zip(scale) {
        *value = mix.own * *value + (mix.shared - mix.own) * shared * scale;
    }
}

/// What each prompt's means do not explain, had they not seen that prompt; prompt-major.
fn residuals(
    outcomes: &Outcomes,
    signals: &[Signals],
    rows: &[usize],
    quality: &mut Means,
) -> Vec<f32> {
    let width = outcomes.width();
    let mut residuals = Vec::with_capacity(rows.len() * width);
    let mut means = Vec::new();
    for &row in rows {
        let (tag, class) = (signals[row].tag, signals[row].class);
        for model in 0..width {
            quality.take(tag, class, model, outcomes.quality_of(row, model));
        }
        quality.write(tag, class, &mut means);
        for (model, mean) in means.iter().enumerate() {
            let value = outcomes.quality_of(row, model);
            quality.add(tag, class, model, value);
            residuals.push(value - mean);
        }
    }
    residuals
}

fn scale(residuals: &[f32], width: usize) -> Vec<f32> {
    let mut products = vec![0.0_f64; width];
    let mut square = 1e-9_f64;
    for row in residuals.chunks_exact(width) {
        let shared = f64::from(row.iter().sum::<f32>()) / width as f64;
        square += shared * shared;
        for (product, value) in products.iter_mut().zip(row) {
            *product += shared * f64::from(*value);
        }
    }
    products.iter().map(|product| (product / square) as f32).collect()
}

fn likenesses(
    neighbours: &Neighbours,
    signals: &[Signals],
    rows: &[usize],
    width: usize,
) -> Vec<f32> {
    let mut scratch = Default::default();
    let mut residual = vec![0.0; width];
    let step = rows.len().div_ceil(LIKENESSES).max(1);
    let mut likenesses: Vec<f32> = (0_u32..)
        .zip(rows)
        .step_by(step)
        .map(|(own, row)| {
            neighbours.residual_without(&signals[*row].words, own, &mut scratch, &mut residual)
        })
        .collect();
    likenesses.sort_by(f32::total_cmp);
    likenesses
}
