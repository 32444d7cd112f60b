//! The choice between models whose success and cost are estimated: the largest `V × p` less what the
//! answer costs in money, waiting and free quota.
//!
//! Whole numbers throughout, ties by place: the same estimates always give the same choice. What may
//! not be chosen (caps, budgets, health, abilities) never enters the list.

use gw_core::Money;

/// One million, the unit of [`Choice::success_ppm`].
const PPM: i128 = 1_000_000;

/// A model that may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Probability of a good answer, in parts per million.
    pub success_ppm: u32,
    /// What the answer will probably cost.
    pub cost: Money,
    /// What waiting for it is held to be worth.
    pub latency_price: Money,
    /// What using up free or prepaid quota is held to be worth.
    pub quota_price: Money,
}

impl Choice {
    /// A choice that costs money only.
    pub const fn new(success_ppm: u32, cost: Money) -> Self {
        Self { success_ppm, cost, latency_price: Money::ZERO, quota_price: Money::ZERO }
    }

    /// What the choice is worth where a good answer is worth `value`, in millionths of a
    /// pico-dollar: exact, without a division.
    pub fn worth(&self, value: Money) -> i128 {
        let price = self.cost.saturating_add(self.latency_price).saturating_add(self.quota_price);
        i128::from(value.pico()) * i128::from(self.success_ppm) - i128::from(price.pico()) * PPM
    }
}

/// A probability in parts per million, held between none and all.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held in range")]
pub fn ppm(probability: f32) -> u32 {
    if probability.is_finite() { (probability.clamp(0.0, 1.0) * 1e6).round() as u32 } else { 0 }
}

/// The place of the choice worth most where a good answer is worth `value`; among equals the
/// cheaper, then the earlier. `None` for an empty list.
pub fn choose(value: Money, choices: &[Choice]) -> Option<usize> {
    let mut best: Option<(usize, i128)> = None;
    for (at, choice) in choices.iter().enumerate() {
        let worth = choice.worth(value);
        let is_better = best.is_none_or(|(known, most)| {
            worth > most || (worth == most && choice.cost < choices[known].cost)
        });
        if is_better {
            best = Some((at, worth));
        }
    }
    best.map(|(at, _)| at)
}

/// [`choose`] with a warm model: the conversation stays with `warm` unless another choice is worth
/// `margin` more. Changing models costs the prompt cache, and a conversation should not hop.
pub fn choose_warm(
    value: Money,
    choices: &[Choice],
    warm: Option<usize>,
    margin: Money,
) -> Option<usize> {
    let best = choose(value, choices)?;
    let Some(stay) = warm.filter(|at| *at < choices.len()) else { return Some(best) };
    let lead = choices[best].worth(value) - choices[stay].worth(value);
    Some(if lead > i128::from(margin.pico()) * PPM { best } else { stay })
}

/// The choices on the upper hull of cost and success: those that some value of a good answer makes
/// best. Given means over much traffic, what is off the hull wins only by the noise of an estimate.
pub fn on_hull(choices: &[Choice]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..choices.len()).collect();
    order.sort_by_key(|at| (choices[*at].cost, std::cmp::Reverse(choices[*at].success_ppm), *at));
    let mut hull: Vec<usize> = Vec::new();
    for at in order {
        let success = |at: usize| i128::from(choices[at].success_ppm);
        let cost = |at: usize| i128::from(choices[at].cost.pico());
        if hull.last().is_some_and(|last| success(at) <= success(*last)) {
            continue;
        }
        while let [.., before, last] = hull[..] {
            let rise = (success(last) - success(before)) * (cost(at) - cost(before));
            let reach = (success(at) - success(before)) * (cost(last) - cost(before));
            if rise >= reach {
                break;
            }
            hull.pop();
        }
        hull.push(at);
    }
    (0..choices.len()).map(|at| hull.contains(&at)).collect()
}

/// The value of a good answer, held to a budget: raised while less is spent than allowed, lowered
/// while more is (a dual update of the budget's price).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueOfBudget {
    /// The value in force.
    pub value: Money,
    /// Largest change of one step, in parts per million of the value.
    pub step_ppm: u32,
}

impl ValueOfBudget {
    /// Takes in that `spent` was spent where `allowed` was allowed.
    pub fn observe(&mut self, spent: Money, allowed: Money) {
        let allowed_pico = i128::from(allowed.pico().max(1));
        let over = (i128::from(spent.pico()) - allowed_pico) * PPM / allowed_pico;
        let over = over.clamp(-PPM, PPM);
        let value = i128::from(self.value.pico().max(1));
        let change = value * over / PPM * i128::from(self.step_ppm) / PPM;
        let value = (value - change).clamp(1, i128::from(i64::MAX));
        self.value = Money::from_pico(i64::try_from(value).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests;
