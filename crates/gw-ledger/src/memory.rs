//! Budgets of one process, in memory: nothing is refused, everything is counted.
//!
//! One lock around integers, held for a few instructions and never across a wait. A ticket can
//! be settled or released once; what comes later for it is ignored, so no amount is counted twice.

use std::collections::HashMap;

use async_trait::async_trait;
use gw_core::reservation::Claim;
use gw_core::seam::BudgetStore;
use gw_core::{Money, Result};
use parking_lot::Mutex;

use crate::account::{Account, Totals};

/// The spending of this process reached the alert threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The threshold (`COST_ALERT_THRESHOLD`).
    pub threshold: Money,
    /// What is spent now.
    pub spent: Money,
}

type OnAlert = Box<dyn Fn(Alert) + Send + Sync>;

/// Counts what one process holds back and spends.
pub struct MemoryBudgets {
    state: Mutex<State>,
    alert: Option<(Money, OnAlert)>,
}

#[derive(Default)]
struct State {
    account: Account,
    open: HashMap<u64, Option<Money>>,
    last_ticket: u64,
}

impl Default for MemoryBudgets {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryBudgets {
    /// Counts and never alerts.
    pub fn new() -> Self {
        Self { state: Mutex::new(State::default()), alert: None }
    }

    /// Counts, and calls `on_alert` once, when spending reaches the threshold. It runs on the thread
    /// that settles, outside the lock, and must not block. A threshold of nothing never alerts.
    pub fn with_alert(threshold: Money, on_alert: impl Fn(Alert) + Send + Sync + 'static) -> Self {
        let alert = (threshold > Money::ZERO).then(|| (threshold, Box::new(on_alert) as OnAlert));
        Self { state: Mutex::new(State::default()), alert }
    }

    /// What is held back and spent now.
    pub fn totals(&self) -> Totals {
        self.state.lock().account.totals()
    }
}

#[async_trait]
impl BudgetStore for MemoryBudgets {
    async fn reserve(&self, claim: &Claim) -> Result<u64> {
        let mut state = self.state.lock();
        state.last_ticket += 1;
        let ticket = state.last_ticket;
        state.account.reserve(claim.worst_case);
        state.open.insert(ticket, claim.worst_case);
        Ok(ticket)
    }

    fn settle(&self, ticket: u64, _claim: &Claim, spent: Money, tokens: u64) {
        let (before, after) = {
            let mut state = self.state.lock();
            let Some(held) = state.open.remove(&ticket) else { return };
            let before = state.account.totals().spent;
            state.account.settle(held, spent, tokens);
            (before, state.account.totals().spent)
        };
        // Only the settlement that crosses the threshold sees it between its two sums.
        if let Some((threshold, on_alert)) = &self.alert
            && before < *threshold
            && after >= *threshold
        {
            on_alert(Alert { threshold: *threshold, spent: after });
        }
    }

    fn release(&self, ticket: u64, _claim: &Claim) {
        let mut state = self.state.lock();
        if let Some(held) = state.open.remove(&ticket) {
            state.account.release(held);
        }
    }
}

impl std::fmt::Debug for MemoryBudgets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryBudgets").field("totals", &self.totals()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
