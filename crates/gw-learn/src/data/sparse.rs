//! Outcomes of a gateway's own log: most prompts were answered by one model only, chosen with a known
//! probability.
//!
//! Cells that nobody measured are filled with what the application's other prompts say of the model,
//! and measured ones correct that by their inverse probability (the doubly robust estimate): means over
//! prompts are then right where the probabilities are, even if the filled-in values are not. Single
//! cells may lie outside 0 to 1.

use std::collections::HashMap;

use super::Outcomes;

/// Least probability that a cell is weighed by: rarer choices would drown all others.
const PROPENSITY_MIN: f32 = 0.05;
/// Prompts that the wider mean counts for beside an application's own.
const TAG_PRIOR: f32 = 10.0;
const ALL_PRIOR: f32 = 2.0;

/// Measured prompts that a model needs to be chosen from.
pub(super) const MEASURED_MIN: usize = 20;

/// What was measured of a cell: how good the answer was, and how likely the model was to be asked.
pub(super) type Measured = Option<(f32, f32)>;

/// Sums of one model.
#[derive(Clone, Copy, Default)]
struct Sum {
    value: f32,
    count: f32,
}

impl Sum {
    /// The mean without one's own measurement, drawn to a wider one.
    fn without(self, own: Option<f32>, prior: f32, wider: f32) -> f32 {
        let (value, count) = match own {
            Some(own) => (self.value - own, self.count - 1.0),
            None => (self.value, self.count),
        };
        (value + prior * wider) / (count + prior)
    }
}

/// Fills the quality of every cell from the measured ones, row-major as the outcomes are.
pub(super) fn fill(outcomes: &mut Outcomes, measured: &[Measured]) {
    let width = outcomes.width();
    let mut grand = Sum::default();
    let mut all = vec![Sum::default(); width];
    let mut tags: HashMap<&str, Vec<Sum>> = HashMap::new();
    for (prompt, row) in outcomes.prompts.iter().zip(measured.chunks_exact(width)) {
        let tag = tags.entry(&prompt.task).or_insert_with(|| vec![Sum::default(); width]);
        for (model, cell) in row.iter().enumerate() {
            let Some((value, _)) = cell else { continue };
            for sum in [&mut grand, &mut all[model], &mut tag[model]] {
                sum.value += value;
                sum.count += 1.0;
            }
        }
    }
    let grand = grand.value / grand.count.max(1.0);
    let mut quality = Vec::with_capacity(measured.len());
    for (prompt, row) in outcomes.prompts.iter().zip(measured.chunks_exact(width)) {
        let tag = &tags[prompt.task.as_str()];
        for (model, cell) in row.iter().enumerate() {
            let own = cell.map(|(value, _)| value);
            let wide = all[model].without(own, ALL_PRIOR, grand);
            let guess = tag[model].without(own, TAG_PRIOR, wide);
            quality.push(cell.map_or(guess, |(value, propensity)| {
                guess + (value - guess) / propensity.clamp(PROPENSITY_MIN, 1.0)
            }));
        }
    }
    outcomes.quality = quality;
}
