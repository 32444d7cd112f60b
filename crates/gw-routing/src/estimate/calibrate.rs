//! From a raw score to a probability: a straight line in the log-odds (Platt), fitted on requests
//! that the score had not seen.

use serde::{Deserialize, Serialize};

/// A Platt line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Slope in the log-odds.
    pub slope: f32,
    /// Shift in the log-odds.
    pub shift: f32,
}

impl Calibration {
    /// The line that changes nothing.
    pub const NONE: Self = Self { slope: 1.0, shift: 0.0 };

    /// The probability for a raw score.
    pub fn of(&self, score: f32) -> f32 {
        probability(self.slope * log_odds(score) + self.shift)
    }
}

/// Log-odds of a score, held inside ±4.6 (1 % and 99 %).
pub(crate) fn log_odds(score: f32) -> f32 {
    let score = score.clamp(0.01, 0.99);
    (score / (1.0 - score)).ln()
}

/// The probability of log-odds.
pub(crate) fn probability(log_odds: f32) -> f32 {
    1.0 / (1.0 + (-log_odds).exp())
}
