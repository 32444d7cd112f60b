//! The escalation ladder: after each answer stop, ask the next model, or jump to the top, by what
//! each is worth.
//!
//! Worths are in one unit of the caller's (pico-dollars): a good answer's value times the probability
//! of having one, less what is still to be paid.

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
    use super::{Step, Worth, cross_check_pays, next_step};

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
}
