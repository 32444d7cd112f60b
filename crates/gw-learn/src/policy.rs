//! Replaying the choice: what a list of choices for each prompt costs and delivers, value by value.

use gw_core::Money;
use gw_routing::choose::{Choice, choose, on_hull, ppm};

use crate::data::Outcomes;
use crate::measure::Point;

/// Estimates of success and answer length for some prompts, prompt-major.
#[derive(Clone, Debug, Default)]
pub struct Predictions {
    /// Places of the prompts.
    pub rows: Vec<usize>,
    /// Which fit speaks, for each prompt; all zero where there is only one.
    pub fits: Vec<usize>,
    /// Probability of a good answer.
    pub success: Vec<f32>,
    /// Tokens of the answer.
    pub tokens: Vec<f32>,
}

impl Predictions {
    /// Those of some prompts, by their place here.
    pub fn part(&self, places: &[usize], width: usize) -> Self {
        let mut part = Self::default();
        for &at in places {
            part.rows.push(self.rows[at]);
            part.fits.extend(self.fits.get(at));
            part.success.extend_from_slice(&self.success[at * width..(at + 1) * width]);
            part.tokens.extend_from_slice(&self.tokens[at * width..(at + 1) * width]);
        }
        part
    }

    /// The choices of every prompt, prompt-major; a model that is not `kept` is one nobody chooses.
    pub fn choices(&self, outcomes: &Outcomes, kept: &[bool]) -> Vec<Choice> {
        let width = outcomes.width();
        let mut choices = Vec::with_capacity(self.success.len());
        for (at, &row) in self.rows.iter().enumerate() {
            for (model, is_kept) in kept.iter().enumerate() {
                if !is_kept {
                    choices.push(Choice::new(0, Money::MAX));
                    continue;
                }
                let place = at * width + model;
                // Assumed lengths are known beforehand; measured ones are not.
                let length = if outcomes.is_length_assumed {
                    u64::from(outcomes.out_tokens[row * width + model])
                } else {
                    whole(self.tokens[place])
                };
                let input = u64::from(outcomes.in_tokens[row * width + model]);
                choices.push(Choice::new(
                    ppm(self.success[place]),
                    outcomes.price(model, input, length),
                ));
            }
        }
        choices
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held in range")]
fn whole(tokens: f32) -> u64 {
    tokens.clamp(0.0, 1e7).round() as u64
}

/// Values of a good answer to sweep: nothing, then evenly by ratio around what answers cost, then
/// any price.
pub fn values(outcomes: &Outcomes, rows: &[usize], steps: u32) -> Vec<Money> {
    let dearest = singles(outcomes, rows).iter().map(|point| point.cost).fold(1.0, f64::max);
    let mut values = vec![Money::ZERO];
    for step in 0..steps {
        let power = -3.0 + 6.0 * f64::from(step) / f64::from(steps.max(2) - 1);
        values.push(pico(dearest * 10_f64.powf(power)));
    }
    values.push(Money::from_pico(i64::MAX / 4));
    values
}

#[expect(clippy::cast_possible_truncation, reason = "held in range")]
fn pico(amount: f64) -> Money {
    Money::from_pico(amount.clamp(0.0, 9e17) as i64)
}

/// Mean cost and quality of each model alone.
#[expect(clippy::cast_precision_loss, reason = "statistics")]
pub fn singles(outcomes: &Outcomes, rows: &[usize]) -> Vec<Point> {
    let count = rows.len().max(1) as f64;
    (0..outcomes.width())
        .map(|model| {
            let cost: Money = rows.iter().map(|row| outcomes.cost_of(*row, model)).sum();
            let quality = rows.iter().map(|row| f64::from(outcomes.quality_of(*row, model)));
            Point { cost: cost.pico() as f64 / count, quality: quality.sum::<f64>() / count }
        })
        .collect()
}

/// Models worth choosing from: on the hull of single models or within `slack` below it.
pub fn kept(outcomes: &Outcomes, rows: &[usize], slack: f64) -> Vec<bool> {
    let points = singles(outcomes, rows);
    let hull = crate::measure::Hull::of(&points);
    let choices: Vec<Choice> = points
        .iter()
        .map(|point| Choice::new(ppm(narrow(point.quality)), pico(point.cost)))
        .collect();
    let on = on_hull(&choices);
    let near = |point: &Point| point.quality >= hull.quality_at(point.cost) - slack;
    points.iter().zip(on).map(|(point, on)| on || near(point)).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "a mean of f32 values")]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// Mean cost and quality of the choice at each value.
pub fn sweep(
    outcomes: &Outcomes,
    rows: &[usize],
    choices: &[Choice],
    values: &[Money],
) -> Vec<Point> {
    values.iter().map(|value| replay(outcomes, rows, choices, *value)).collect()
}

/// Mean cost and quality of the choice at one value.
#[expect(clippy::cast_precision_loss, reason = "statistics")]
pub fn replay(outcomes: &Outcomes, rows: &[usize], choices: &[Choice], value: Money) -> Point {
    let (mut cost, mut quality) = (Money::ZERO, 0.0_f64);
    for (row, choices) in rows.iter().zip(choices.chunks_exact(outcomes.width())) {
        let Some(model) = choose(value, choices) else { continue };
        cost += outcomes.cost_of(*row, model);
        quality += f64::from(outcomes.quality_of(*row, model));
    }
    let count = rows.len().max(1) as f64;
    Point { cost: cost.pico() as f64 / count, quality: quality / count }
}
