//! A budget at work: what is spent and held back, window by window.
//!
//! A call counts in the window in which it began, from its reservation to its settlement, however
//! long it runs: so what was held and what it came to always meet in one sum. Sums are wide integers
//! and cannot overflow.

use std::collections::BTreeMap;

use gw_core::budget::{Amount, Budget, BudgetStatus, SPEND_SLOT_MS, Spending, Window, slot_of};

use crate::window::{Span, resets_at_ms, span};

/// Windows of a budget that are kept although nothing is held in them: more than a clock that is
/// set back and forth can visit.
const WINDOWS_KEPT: usize = 64;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    spent: i128,
    reserved: i128,
}

/// One budget and its sums.
#[derive(Clone, Debug)]
pub(crate) struct Purse {
    pub(crate) uid: u64,
    pub(crate) budget: Budget,
    cap: i128,
    windows: Windows,
}

#[derive(Clone, Debug)]
enum Windows {
    /// By start of the window; the one that holds now is remembered.
    Calendar { all: Vec<(i64, Sums)>, now: Span },
    /// By slot; the sum of those that count now is carried along.
    Sliding { slots: BTreeMap<i64, Sums>, now: Span, sum: Sums },
}

impl Purse {
    /// A budget with what its scope spent so far.
    pub(crate) fn new(uid: u64, budget: Budget, slots: &[Spending], lifetime: &Spending) -> Self {
        let empty = Span { from_ms: 0, until_ms: 0 };
        let windows = match budget.window {
            Window::Sliding(_) => {
                Windows::Sliding { slots: BTreeMap::new(), now: empty, sum: Sums::default() }
            }
            _ => Windows::Calendar { all: Vec::with_capacity(1), now: empty },
        };
        let mut purse = Self { uid, cap: budget.cap.number(), budget, windows };
        if purse.budget.window == Window::Lifetime {
            purse.book(0, purse.spent_of(lifetime));
        } else {
            for slot in slots {
                purse.book(slot.slot_ms, purse.spent_of(slot));
            }
        }
        purse
    }

    fn spent_of(&self, spending: &Spending) -> i128 {
        match self.budget.cap {
            Amount::Dollars(_) => i128::from(spending.spent.pico()),
            Amount::Tokens(_) => i128::from(spending.tokens),
        }
    }

    /// Takes a new cap and new rules, keeping its sums; false where it counts something else.
    pub(crate) fn redefine(&mut self, budget: &Budget) -> bool {
        let is_dollars = |amount| matches!(amount, Amount::Dollars(_));
        let is_same = self.budget.scope == budget.scope
            && self.budget.window == budget.window
            && is_dollars(self.budget.cap) == is_dollars(budget.cap);
        if is_same {
            self.cap = budget.cap.number();
            self.budget = budget.clone();
        }
        is_same
    }

    /// What a call asks of it.
    pub(crate) fn asked(&self, pico: i128, tokens: i128) -> i128 {
        match self.budget.cap {
            Amount::Dollars(_) => pico,
            Amount::Tokens(_) => tokens,
        }
    }

    /// True where the amount can be held. A call for nothing always can: a spent budget still lets
    /// free models answer.
    pub(crate) fn fits(&mut self, at_ms: i64, amount: i128) -> bool {
        if amount <= 0 || !self.budget.is_hard {
            return true;
        }
        let sums = self.sums(at_ms);
        sums.spent + sums.reserved + amount <= self.cap
    }

    /// Spent and held back in the window of an instant.
    #[cfg(test)]
    pub(crate) fn used(&mut self, at_ms: i64) -> (i128, i128) {
        let sums = self.sums(at_ms);
        (sums.spent, sums.reserved)
    }

    pub(crate) fn hold(&mut self, at_ms: i64, amount: i128) {
        self.change(at_ms, Sums { spent: 0, reserved: amount });
    }

    pub(crate) fn give_back(&mut self, at_ms: i64, held: i128) {
        self.change(at_ms, Sums { spent: 0, reserved: -held });
    }

    /// Books what was spent; gives what was spent before and after, in the window of that instant.
    pub(crate) fn book(&mut self, at_ms: i64, spent: i128) -> (i128, i128) {
        self.change(at_ms, Sums { spent, reserved: 0 })
    }

    /// The thresholds between two sums, in per cent.
    pub(crate) fn crossed(&self, before: i128, after: i128) -> Option<u16> {
        let reached = |percent: &&u16| {
            let threshold = self.cap * i128::from(**percent);
            before * 100 < threshold && after * 100 >= threshold
        };
        self.budget.alerts.iter().filter(reached).max().copied()
    }

    pub(crate) fn status(&mut self, at_ms: i64) -> BudgetStatus {
        let sums = self.sums(at_ms);
        BudgetStatus {
            spent: self.budget.cap.with_number(sums.spent),
            reserved: self.budget.cap.with_number(sums.reserved),
            resets_at_ms: resets_at_ms(self.budget.window, at_ms),
            budget: self.budget.clone(),
        }
    }

    fn sums(&mut self, at_ms: i64) -> Sums {
        let window = self.budget.window;
        match &mut self.windows {
            Windows::Calendar { all, now } => {
                if !now.contains(at_ms) {
                    *now = span(window, at_ms);
                }
                all.iter()
                    .find(|(from, _)| *from == now.from_ms)
                    .map_or_else(Sums::default, |w| w.1)
            }
            Windows::Sliding { slots, now, sum } => {
                let wanted = span(window, at_ms);
                if wanted != *now {
                    *sum = Sums::default();
                    for sums in slots.range(wanted.from_ms..wanted.until_ms).map(|(_, sums)| sums) {
                        sum.spent += sums.spent;
                        sum.reserved += sums.reserved;
                    }
                    *now = wanted;
                }
                *sum
            }
        }
    }

    fn change(&mut self, at_ms: i64, by: Sums) -> (i128, i128) {
        let window = self.budget.window;
        match &mut self.windows {
            Windows::Calendar { all, now } => {
                if !now.contains(at_ms) {
                    *now = span(window, at_ms);
                }
                let at = match all.iter().position(|(from, _)| *from == now.from_ms) {
                    Some(at) => at,
                    None => {
                        if all.len() >= WINDOWS_KEPT
                            && let Some(idle) = all.iter().position(|(_, sums)| sums.reserved == 0)
                        {
                            all.remove(idle);
                        }
                        all.push((now.from_ms, Sums::default()));
                        all.len() - 1
                    }
                };
                let sums = &mut all[at].1;
                let before = sums.spent;
                sums.spent += by.spent;
                sums.reserved += by.reserved;
                (before, sums.spent)
            }
            Windows::Sliding { slots, now, sum } => {
                let slot = slot_of(at_ms);
                let sums = slots.entry(slot).or_default();
                sums.spent += by.spent;
                sums.reserved += by.reserved;
                if *sums == Sums::default() {
                    slots.remove(&slot);
                }
                let before = sum.spent;
                if now.contains(slot) {
                    sum.spent += by.spent;
                    sum.reserved += by.reserved;
                }
                let after = sum.spent;
                if slots.len() > WINDOWS_KEPT {
                    self.forget_old();
                }
                (before, after)
            }
        }
    }

    /// Drops the oldest slots once there are more than a clock within a few lengths of the window can
    /// reach. Counting them, rather than asking the clock, keeps a jump ahead from emptying the purse.
    fn forget_old(&mut self) {
        let Window::Sliding(length_ms) = self.budget.window else { return };
        let Windows::Sliding { slots, .. } = &mut self.windows else { return };
        let kept = usize::try_from(length_ms / SPEND_SLOT_MS).unwrap_or(0).saturating_mul(4);
        while slots.len() > kept.saturating_add(WINDOWS_KEPT)
            && let Some(first) = slots.first_entry()
            && first.get().reserved == 0
        {
            first.remove();
        }
    }
}

#[cfg(test)]
mod tests;
