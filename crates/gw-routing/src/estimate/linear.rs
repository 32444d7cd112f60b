//! One weight for each bucket and model, bucket by bucket, so that one pass over a request's pieces
//! serves all models from neighbouring memory.

use crate::signal::{BUCKETS, Piece};

/// A linear model over hashed pieces for several models at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    models: usize,
    weights: Vec<f32>,
    offsets: Vec<f32>,
}

impl Linear {
    /// From weights, bucket-major, and one offset for each model. `None` where the sizes do not fit.
    pub fn new(models: usize, weights: Vec<f32>, offsets: Vec<f32>) -> Option<Self> {
        let fits = weights.len() == BUCKETS * models && offsets.len() == models;
        fits.then_some(Self { models, weights, offsets })
    }

    /// Adds the residual of a request to `residual`, one for each model.
    pub fn residual(&self, pieces: &[Piece], residual: &mut [f32]) {
        for (sum, offset) in residual.iter_mut().zip(&self.offsets) {
            *sum += offset;
        }
        for piece in pieces {
            let from = piece.bucket as usize * self.models;
            let weights = &self.weights[from..from + self.models];
            for (sum, weight) in residual.iter_mut().zip(weights) {
                *sum += piece.weight * weight;
            }
        }
    }

    /// Replaces the weights of every bucket, and the offsets.
    pub fn map_weights(&mut self, mut change: impl FnMut(&mut [f32])) {
        for weights in self.weights.chunks_exact_mut(self.models.max(1)) {
            change(weights);
        }
        change(&mut self.offsets);
    }

    /// Number of models.
    pub fn models(&self) -> usize {
        self.models
    }

    /// The weights, bucket-major.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The offsets.
    pub fn offsets(&self) -> &[f32] {
        &self.offsets
    }
}
