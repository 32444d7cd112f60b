//! Training an [`Estimator`] from outcomes.

mod ridge;

use gw_routing::estimate::{
    Calibration, Estimates, Estimator, Guard, Labelled, Linear, Means, Mix, Neighbours,
};
use gw_routing::signal::Signals;

use crate::data::Outcomes;

pub use ridge::{platt, ridge};

/// How to train.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Penalty of the linear residual.
    pub alpha: f32,
    /// Steps of its solver.
    pub steps: usize,
    /// How much of each residual counts.
    pub mix: Mix,
    /// Words in more than this share of prompts do not search neighbours.
    pub common: f32,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            alpha: 4.0,
            steps: 24,
            mix: Mix { linear: 0.5, neighbours: 0.5 },
            common: 0.3,
        }
    }
}

/// Trains on some prompts. `signals` has one entry for each prompt of the outcomes.
pub fn fit(outcomes: &Outcomes, signals: &[Signals], rows: &[usize], recipe: &Recipe) -> Estimator {
    let width = outcomes.width();
    let mut quality = Means::new(prior(outcomes, rows));
    let mut tokens = Means::new(vec![150.0; width]);
    for &row in rows {
        let signals = &signals[row];
        for model in 0..width {
            quality.add(signals.tag, signals.class, model, outcomes.quality_of(row, model));
            let length = outcomes.out_tokens[row * width + model];
            tokens.add(signals.tag, signals.class, model, length as f32);
        }
    }
    let residuals = residuals(outcomes, signals, rows, &mut quality);
    let linear = (recipe.mix.linear > 0.0).then(|| {
        let pieces: Vec<_> = rows.iter().map(|row| &signals[*row].pieces[..]).collect();
        let (weights, offsets) = ridge(&pieces, &residuals, width, recipe.alpha, recipe.steps);
        Linear::new(width, weights, offsets).expect("ridge gives one weight a bucket and model")
    });
    let labelled: Vec<Labelled<'_>> = rows
        .iter()
        .zip(residuals.chunks_exact(width))
        .map(|(row, residual)| Labelled { words: &signals[*row].words, residual })
        .collect();
    let neighbours = Neighbours::new(width, &labelled, recipe.common);
    Estimator {
        models: outcomes.models.iter().map(|model| model.name.clone()).collect(),
        quality,
        tokens,
        linear,
        neighbours: Some(neighbours),
        mix: recipe.mix,
        guard: Guard::OPEN,
        calibration: Vec::new(),
    }
}

fn prior(outcomes: &Outcomes, _rows: &[usize]) -> Vec<f32> {
    vec![0.5; outcomes.width()]
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
        for model in 0..width {
            let value = outcomes.quality_of(row, model);
            quality.add(tag, class, model, value);
            residuals.push(value - means[model]);
        }
    }
    residuals
}

/// Calibration of each model from predictions of an estimator on prompts that it did not see.
pub fn calibrate(pairs: &[(Vec<f32>, Vec<f32>)], width: usize) -> Vec<Calibration> {
    (0..width)
        .map(|model| {
            platt(pairs.iter().map(|(scores, values)| (scores[model], values[model])))
        })
        .collect()
}

/// Predictions for some prompts, prompt-major.
pub fn predict(estimator: &Estimator, signals: &[Signals], rows: &[usize]) -> Vec<Estimates> {
    let mut found = Estimates::default();
    rows.iter()
        .map(|row| {
            estimator.estimate(&signals[*row], &mut found);
            found.clone()
        })
        .collect()
}
