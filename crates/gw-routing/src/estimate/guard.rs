//! The novelty guard: how much a text's residual may count, by how near its nearest neighbours are.

use serde::{Deserialize, Serialize};

/// Between two likenesses the share rises from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    /// At this mean likeness or below nothing of the text counts.
    pub strange: f32,
    /// At this mean likeness or above all of it counts.
    pub familiar: f32,
}

impl Guard {
    /// Trusts every text.
    pub const OPEN: Self = Self { strange: -1.0, familiar: 0.0 };

    /// The share for a mean likeness.
    pub fn share(&self, likeness: f32) -> f32 {
        let width = (self.familiar - self.strange).max(f32::EPSILON);
        ((likeness - self.strange) / width).clamp(0.0, 1.0)
    }
}
