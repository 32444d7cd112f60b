//! How likely each model is to answer a request well, and how long its answer will be.
//!
//! `p = calibrated(mean of the tag + guard × residual of the text)`: the mean is nested tag → class →
//! everything; the residual joins a linear model over hashed pieces with the nearest labelled
//! requests, both already shrunk by training; the guard takes text that is unlike everything learned
//! from back to the overall means, where only the hull of single models is left to choose from. Trees
//! over counts (length, digits, options) stand beside it where training found that they carry over to
//! tasks that were left out.
//! Trained by `gw-learn`, only applied here.

mod calibrate;
mod file;
mod guard;
mod linear;
mod means;
mod neighbours;
mod trees;

use crate::signal::{Signals, Tag};

pub use calibrate::Calibration;
pub use guard::Guard;
pub use linear::Linear;
pub use means::{Means, Tally};
pub use neighbours::{Labelled, Neighbours};
pub use trees::{Node, Trees};

/// Models of one estimator at most.
pub const MODELS_MAX: usize = 256;

/// Estimates for a fixed list of models.
#[derive(Clone, Debug)]
pub struct Estimator {
    /// The models, in the order of every array here.
    pub models: Vec<String>,
    /// Models worth choosing from: on the hull of single models or near it.
    pub kept: Vec<bool>,
    /// Success by tag, class and overall.
    pub quality: Means,
    /// Tokens of the answer by tag, class and overall.
    pub tokens: Means,
    /// The text's residual by hashed pieces.
    pub linear: Option<Linear>,
    /// The text's residual by labelled requests.
    pub neighbours: Option<Neighbours>,
    /// What the text's counts add, whether or not its words are known.
    pub trees: Option<Trees>,
    /// When text is too unlike.
    pub guard: Guard,
    /// One for each model; empty for none.
    pub calibration: Vec<Calibration>,
}

/// Buffers of [`Estimator::estimate`], and what it found.
#[derive(Clone, Debug, Default)]
pub struct Estimates {
    /// Probability of a good answer, 0 to 1, by model.
    pub success: Vec<f32>,
    /// The same without the text, by model.
    pub usual: Vec<f32>,
    /// Tokens of the answer, by model.
    pub tokens: Vec<f32>,
    /// How much of the text's residual counted, 0 (unlike anything) to 1.
    pub familiarity: f32,
    /// True where the request's tag had labelled requests of its own.
    pub is_known_tag: bool,
    residual: Vec<f32>,
    counted: Vec<f32>,
    near: neighbours::Scratch,
}

impl Estimator {
    /// Estimates every model for a request, into `found`.
    pub fn estimate(&self, signals: &Signals, found: &mut Estimates) {
        let count = self.models.len();
        self.tokens.write(signals.tag, signals.class, &mut found.tokens);
        found.is_known_tag = self.quality.write(signals.tag, signals.class, &mut found.success);
        found.residual.clear();
        found.residual.resize(count, 0.0);
        found.familiarity = 1.0;
        if let Some(neighbours) = &self.neighbours {
            let likeness =
                neighbours.residual(&signals.words, &mut found.near, &mut found.residual);
            found.familiarity = self.guard.share(likeness);
        }
        if let Some(linear) = &self.linear {
            linear.residual(&signals.pieces, &mut found.residual);
        }
        // A tag that was never learned from says that this is new traffic, however it reads.
        if signals.tag.is_some() && !found.is_known_tag {
            found.familiarity = 0.0;
        }
        found.counted.clear();
        found.counted.resize(count, 0.0);
        if let Some(trees) = &self.trees {
            trees.residual(signals, &mut found.counted);
        }
        let share = found.familiarity;
        found.usual.clear();
        for (at, success) in found.success.iter_mut().enumerate() {
            if !found.is_known_tag {
                *success = share * *success + (1.0 - share) * self.quality.overall(at);
            }
            let score = *success + share * found.residual[at] + found.counted[at];
            let line = self.calibration.get(at);
            let calibrated = |score| line.map_or(score, |line| line.of(score)).clamp(0.0, 1.0);
            found.usual.push(calibrated(*success));
            *success = calibrated(score);
        }
    }

    /// The place of a model.
    pub fn position(&self, model: &str) -> Option<usize> {
        self.models.iter().position(|known| known == model)
    }

    /// True where requests of this tag were learned from.
    pub fn knows(&self, tag: Tag) -> bool {
        self.quality.knows(tag)
    }
}
