//! The arithmetic of one purse: what is held back, what is spent.
//!
//! Plain values without locks or time; whoever shares an account guards it. A hierarchy of budgets
//! is many accounts that take the same step.

use gw_core::Money;

/// What is held back and what is spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Held back for calls that run.
    pub reserved: Money,
    /// Spent by calls that ended.
    pub spent: Money,
    /// Tokens of calls that ended.
    pub tokens: u64,
    /// Calls that run.
    pub open: u64,
    /// Calls that ended and were booked.
    pub settled: u64,
    /// Calls that gave everything back.
    pub released: u64,
}

impl Totals {
    /// What is spent or may yet be.
    pub fn committed(&self) -> Money {
        self.spent + self.reserved
    }
}

/// One purse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    totals: Totals,
}

impl Account {
    /// What is held back and spent now.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Holds an amount back; an unpriced call holds nothing but counts as open.
    pub fn reserve(&mut self, worst_case: Option<Money>) {
        self.totals.reserved += worst_case.unwrap_or_default();
        self.totals.open = self.totals.open.saturating_add(1);
    }

    /// Holds more back for a call that is open already.
    pub fn extend(&mut self, more: Option<Money>) {
        self.totals.reserved += more.unwrap_or_default();
    }

    /// Books what was spent by a call that gave back what it held before it ended.
    pub fn settle_late(&mut self, spent: Money, tokens: u64) {
        self.totals.spent += spent;
        self.totals.tokens = self.totals.tokens.saturating_add(tokens);
        self.totals.settled = self.totals.settled.saturating_add(1);
    }

    /// Gives back what was held and books what was spent: more than was held, if that is the truth.
    pub fn settle(&mut self, worst_case: Option<Money>, spent: Money, tokens: u64) {
        self.give_back(worst_case);
        self.totals.spent += spent;
        self.totals.tokens = self.totals.tokens.saturating_add(tokens);
        self.totals.settled = self.totals.settled.saturating_add(1);
    }

    /// Gives back what was held.
    pub fn release(&mut self, worst_case: Option<Money>) {
        self.give_back(worst_case);
        self.totals.released = self.totals.released.saturating_add(1);
    }

    fn give_back(&mut self, worst_case: Option<Money>) {
        self.totals.reserved = self.totals.reserved.saturating_sub(worst_case.unwrap_or_default());
        self.totals.open = self.totals.open.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests;
