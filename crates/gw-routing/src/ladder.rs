//! The escalation ladder: after each answer stop, ask the next model, or jump to the top, by what
//! each is worth.
//!
//! Worths are in one unit of the caller's (pico-dollars): a good answer's value times the probability
//! of having one, less what is still to be paid.

use gw_core::Layer;

/// What each way on is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worth {
    /// Giving the best answer so far; `None` while there is none.
    pub stop: Option<f64>,
    /// Asking the next model, its price and what follows taken in; `None` where only the top is left.
    pub next: Option<f64>,
    /// Asking the top model, its price taken in.
    pub top: f64,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Give the best answer so far.
    Stop,
    /// Ask the next model.
    Next,
    /// Ask the top model.
    Top,
}

impl Worth {
    /// What the best way on is worth.
    pub fn best(&self) -> f64 {
        [self.stop, self.next].into_iter().flatten().fold(self.top, f64::max)
    }
}

/// The best way on; among equals the one that spends less.
pub fn next_step(worth: &Worth) -> Step {
    let best = worth.best();
    if worth.stop.is_some_and(|stop| stop >= best) {
        Step::Stop
    } else if worth.next.is_some_and(|next| next >= best) {
        Step::Next
    } else {
        Step::Top
    }
}

/// A model further up: how likely it answers well and what that will cost, in the unit of the value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rung {
    /// Probability of a good answer, 0 to 1.
    pub success: f64,
    /// What it will probably cost.
    pub cost: f64,
}

/// How often a wrong answer is noticed by the next check, so that the top can still mend it.
const NOTICED: f64 = 0.5;

/// What each way on is worth where a good answer is worth `value` and the answer so far is good with
/// probability `so_far` (`None`: there is none). The next rung is worth its own chance, and the top's
/// where its own answer is noticed to be wrong.
pub fn worth(value: f64, so_far: Option<f64>, next: Option<Rung>, top: Option<Rung>) -> Worth {
    let straight = |rung: &Rung| value * rung.success - rung.cost;
    let top_worth = top.as_ref().map_or(f64::NEG_INFINITY, straight);
    let after = |rung: &Rung| {
        let mended = (1.0 - rung.success) * NOTICED * top_worth.max(0.0);
        straight(rung) + mended
    };
    Worth {
        stop: so_far.map(|chance| value * chance),
        next: next.as_ref().map(after),
        top: top_worth,
    }
}

/// How likely an answer of a layer is good where nothing else is known: means over public outcome
/// data of models that stand in these layers.
pub const fn usual_success(layer: Layer) -> f64 {
    match layer {
        Layer::L0 => 0.60,
        Layer::L1 => 0.75,
        Layer::L2 => 0.82,
        Layer::L3 => 0.88,
    }
}

/// How likely an answer is good that a model of another family gave too: measured precision of
/// accepted answers.
pub const AGREED_SUCCESS: f64 = 0.95;

/// How likely an answer is good that another answer or a judge contradicts.
pub const DISPUTED_SUCCESS: f64 = 0.45;

/// How likely an answer is good that a hard check refused.
pub const FAULTY_SUCCESS: f64 = 0.0;

/// How many times dearer the top must be than the two that vote, for cross-checking to pay: below
/// it too much is spent on votes that end at the top anyway.
pub const CROSS_CHECK_PRICE_RATIO: u32 = 4;

/// True where checking a cheap answer with a second model can pay: both together cost at most a
/// quarter of the top. Costs in any one unit; a top that costs nothing is simply asked.
pub fn cross_check_pays(first: u64, partner: u64, top: u64) -> bool {
    first.saturating_add(partner).saturating_mul(u64::from(CROSS_CHECK_PRICE_RATIO)) <= top
        && top > 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Rung, Step, Worth, cross_check_pays, next_step, worth};

    #[test]
    fn the_best_way_on_is_taken_and_a_tie_spends_nothing() {
        let worth = |stop, next, top| next_step(&Worth { stop, next, top });
        assert_eq!(worth(None, Some(2.0), 1.0), Step::Next);
        assert_eq!(worth(None, None, 1.0), Step::Top);
        assert_eq!(worth(Some(3.0), Some(2.0), 1.0), Step::Stop);
        assert_eq!(worth(Some(2.0), Some(2.0), 2.0), Step::Stop);
        assert_eq!(worth(Some(1.0), Some(2.0), 2.0), Step::Next);
        assert_eq!(worth(Some(1.0), Some(2.0), 2.5), Step::Top);
    }

    #[test]
    fn cross_checking_pays_only_against_a_much_dearer_top() {
        assert!(cross_check_pays(10, 15, 100));
        assert!(!cross_check_pays(10, 16, 100));
        assert!(!cross_check_pays(0, 0, 0));
        assert!(!cross_check_pays(u64::MAX, 1, u64::MAX - 1));
    }

    #[test]
    fn a_cheap_rung_is_bought_and_a_dear_one_only_for_a_dear_answer() {
        let next = Some(Rung { success: 0.75, cost: 1.0 });
        let top = Some(Rung { success: 0.88, cost: 20.0 });
        let step = |value, so_far| next_step(&worth(value, so_far, next, top));
        assert_eq!(step(1.0, Some(0.45)), Step::Stop);
        assert_eq!(step(50.0, Some(0.45)), Step::Next);
        assert_eq!(step(1_000.0, Some(0.45)), Step::Top);
        assert_eq!(step(1_000.0, Some(0.95)), Step::Stop);
        assert_eq!(step(50.0, None), Step::Next);
        assert_eq!(next_step(&worth(50.0, Some(0.0), None, None)), Step::Stop);
    }

    proptest! {
        #[test]
        fn a_better_answer_so_far_never_makes_it_spend_more(
            value in 0.0..1e6_f64,
            chance in 0.0..1.0_f64,
            more in 0.0..1.0_f64,
            costs in (0.0..1e6_f64, 0.0..1e6_f64),
            chances in (0.0..1.0_f64, 0.0..1.0_f64),
        ) {
            let next = Some(Rung { success: chances.0, cost: costs.0 });
            let top = Some(Rung { success: chances.1, cost: costs.1 });
            let step = |chance| next_step(&worth(value, Some(chance), next, top));
            if step(chance) == Step::Stop {
                prop_assert_eq!(step((chance + more).min(1.0)), Step::Stop);
            }
        }
    }
}
