//! Experiments between two ways of routing: who is in which arm, and when the difference is decided.
//!
//! Assignment is sticky: a hash of the experiment and the unit (user, key, conversation), no state.
//! The statistics may be looked at after every outcome: a mixture sequential probability ratio test
//! keeps its error rate however often it is read, unlike a fixed-size test that is peeked at.

use crate::signal::{hash_bytes, hash_words};

/// The arms of an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// What is done anyway.
    Control,
    /// What is tried.
    Treatment,
}

/// Who is in which arm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Experiment {
    /// Its name; another name is another draw.
    pub name: String,
    /// Share of units in the treatment, in parts per ten thousand.
    pub treatment_bp: u32,
    /// Share of units in the experiment at all, in parts per ten thousand: raised step by step in a
    /// gradual roll-out without moving anyone between arms.
    pub exposure_bp: u32,
}

impl Experiment {
    /// The arm of a unit; `None` where it is outside the experiment.
    pub fn arm(&self, unit: &str) -> Option<Arm> {
        let name = hash_bytes(self.name.as_bytes());
        let draw = |purpose: u64| {
            let hash = hash_words(&[name, purpose, hash_bytes(unit.as_bytes())]);
            // The high half is spread best; ten thousand equal parts.
            u32::try_from(((hash >> 32) * 10_000) >> 32).unwrap_or_default()
        };
        if draw(1) >= self.exposure_bp {
            return None;
        }
        Some(if draw(2) < self.treatment_bp { Arm::Treatment } else { Arm::Control })
    }
}

/// What an arm delivered, kept as running sums.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Delivered {
    /// Outcomes.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    squares: f64,
}

impl Delivered {
    /// Takes in an outcome. Numbers that are none are left out.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    pub fn observe(&mut self, outcome: f64) {
        if !outcome.is_finite() {
            return;
        }
        self.count += 1;
        let before = outcome - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (outcome - self.mean);
    }

    /// Variance of an outcome.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    pub fn variance(&self) -> f64 {
        if self.count < 2 { 0.0 } else { self.squares / (self.count - 1) as f64 }
    }
}

/// What can be said of an experiment so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Not enough is known.
    Undecided,
    /// The treatment delivers more.
    Better,
    /// The treatment delivers less.
    Worse,
}

/// The rules of an experiment's decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Highest share of experiments without a difference that may be decided, over their whole life.
    pub error_rate: f64,
    /// The difference that is looked for: the test is quickest for differences of about this size.
    pub difference: f64,
    /// Outcomes of each arm before anything is decided.
    pub least: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self { error_rate: 0.05, difference: 0.03, least: 100 }
    }
}

/// The state of an experiment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// What can be said.
    pub verdict: Verdict,
    /// Treatment less control.
    pub difference: f64,
    /// Half the width of an interval that covers the true difference at every look, in all but
    /// `error_rate` of experiments.
    pub margin: f64,
}

impl Rules {
    /// Reads an experiment. May be called after every outcome.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    pub fn read(&self, control: &Delivered, treatment: &Delivered) -> Reading {
        let difference = treatment.mean - control.mean;
        let undecided = Reading { verdict: Verdict::Undecided, difference, margin: f64::INFINITY };
        if control.count < self.least.max(2) || treatment.count < self.least.max(2) {
            return undecided;
        }
        // The variance of the difference of means, with a floor: an arm without variance so far may
        // just have been lucky.
        let share = |arm: &Delivered| {
            let count = arm.count as f64;
            arm.variance().max(1.0 / count).max(1e-6) / count
        };
        let variance = share(control) + share(treatment);
        let prior = (self.difference * self.difference).max(1e-12);
        // Mixture over normal differences: the ratio passes 1/error_rate where the difference passes
        // this margin.
        let total = variance + prior;
        let bound = (total / variance).ln() + 2.0 * (1.0 / self.error_rate.clamp(1e-9, 1.0)).ln();
        let margin = (variance * total / prior * bound).sqrt();
        let verdict = if difference > margin {
            Verdict::Better
        } else if difference < -margin {
            Verdict::Worse
        } else {
            Verdict::Undecided
        };
        Reading { verdict, difference, margin }
    }
}

/// Bounds whose breach ends an experiment for its treatment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuardRail {
    /// The quantity must not rise by more than this share above the control's mean.
    pub rise_max: f64,
    /// The decision's rules.
    pub rules: Rules,
}

impl GuardRail {
    /// True where the treatment is surely above the bound (cost, latency, errors: less is better).
    pub fn is_breached(&self, control: &Delivered, treatment: &Delivered) -> bool {
        let reading = self.rules.read(control, treatment);
        let allowed = control.mean.abs() * self.rise_max;
        reading.margin.is_finite() && reading.difference - reading.margin > allowed
    }
}

#[cfg(test)]
mod tests;
