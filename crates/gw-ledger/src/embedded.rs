//! Budgets and limits of a gateway that is one process, exact and in memory.
//!
//! One short lock around the [`Book`]: a reservation on every account of a call is one step, so at
//! no instant is more spent and held back than a hard cap allows, and nothing is refused because of
//! a stale count. No wait happens under the lock.
//!
//! What survives a crash: spending is written by the store in the transaction that keeps the call's
//! record, and [`EmbeddedBudgets::load`] reads it back; whatever the client of a call was told of its
//! end is in it. What was only held back is gone with the process: of a call that was cut off, nobody
//! knows what its provider charges, and nothing stays blocked. A call counts in the window in which
//! it began, here and in the store alike.
//!
//! Definitions change here and in the store through [`EmbeddedBudgets::put_budget`] and its kin; one
//! gateway owns them at a time.

use std::sync::Arc;

use async_trait::async_trait;
use gw_core::budget::{Budget, BudgetStatus, Limit, LimitStatus, Room, Spending, Window};
use gw_core::reservation::Claim;
use gw_core::scope::Scope;
use gw_core::seam::{BudgetStore, Budgets, Clock};
use gw_core::{Error, Money, Result, limits};
use parking_lot::Mutex;

use crate::account::Totals;
use crate::book::{Ask, Book, BudgetAlert};
use crate::window::span;

/// The spending of this process reached the alert threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The threshold (`COST_ALERT_THRESHOLD`).
    pub threshold: Money,
    /// What is spent now.
    pub spent: Money,
}

type OnBudget = Box<dyn Fn(BudgetAlert) + Send + Sync>;
type OnTotal = Box<dyn Fn(Alert) + Send + Sync>;

/// Budgets and limits of one process.
pub struct EmbeddedBudgets {
    book: Mutex<Book>,
    clock: Arc<dyn Clock>,
    on_budget: Option<OnBudget>,
    on_total: Option<(Money, OnTotal)>,
}

impl EmbeddedBudgets {
    /// Nothing defined yet: everything is counted, nothing refused.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let book = Mutex::new(Book::new(limits::RESERVATION_LEASE_MS));
        Self { book, clock, on_budget: None, on_total: None }
    }

    /// What the store has defined, with what was spent so far.
    ///
    /// # Errors
    /// [`gw_core::Kind::StoreUnavailable`].
    pub async fn load(store: &dyn Budgets, clock: Arc<dyn Clock>) -> Result<Self> {
        let budgets = Self::new(clock);
        budgets.reload(store).await?;
        Ok(budgets)
    }

    /// Calls `on_alert` when a budget's spending reaches one of its thresholds. It runs on the
    /// thread that settles, outside the lock, and must not block.
    #[must_use]
    pub fn with_alerts(mut self, on_alert: impl Fn(BudgetAlert) + Send + Sync + 'static) -> Self {
        self.on_budget = Some(Box::new(on_alert));
        self
    }

    /// Calls `on_alert` once, when what this process spent in all reaches the threshold
    /// (`COST_ALERT_THRESHOLD`). A threshold of nothing never alerts.
    #[must_use]
    pub fn with_total_alert(
        mut self,
        threshold: Money,
        on_alert: impl Fn(Alert) + Send + Sync + 'static,
    ) -> Self {
        self.on_total =
            (threshold > Money::ZERO).then(|| (threshold, Box::new(on_alert) as OnTotal));
        self
    }

    /// Sums over all calls of this process.
    pub fn totals(&self) -> Totals {
        self.book.lock().totals()
    }

    /// How all budgets stand, by id.
    pub fn budgets(&self) -> Vec<BudgetStatus> {
        let at_ms = self.clock.unix_ms();
        self.book.lock().budgets(at_ms)
    }

    /// How all limits stand, by id.
    pub fn all_limits(&self) -> Vec<LimitStatus> {
        let now_ms = self.clock.monotonic_ms();
        self.book.lock().limits(None, now_ms)
    }

    /// Gives back what reservations hold that outlived their lease; how many there were. Every
    /// reservation does so as well: this is for a process that is idle.
    pub fn expire(&self) -> usize {
        let now_ms = self.clock.monotonic_ms();
        self.book.lock().expire(now_ms)
    }

    /// Takes over what the store defines now: after another program (the command line) changed it.
    /// Budgets that still count the same keep their sums.
    ///
    /// # Errors
    /// [`gw_core::Kind::StoreUnavailable`].
    pub async fn reload(&self, store: &dyn Budgets) -> Result<()> {
        let wanted = store.budgets().await?;
        let known = self.budgets();
        for old in known.iter().map(|status| &status.budget.id) {
            if !wanted.iter().any(|budget| budget.id == *old) {
                self.book.lock().remove_budget(old);
            }
        }
        for budget in &wanted {
            let is_known = known.iter().any(|status| status.budget == *budget);
            if !is_known {
                self.apply_budget(store, budget).await?;
            }
        }
        let wanted = store.limits().await?;
        let known = self.all_limits();
        for old in known.iter().map(|status| &status.limit.id) {
            if !wanted.iter().any(|limit| limit.id == *old) {
                self.book.lock().remove_limit(old);
            }
        }
        for limit in &wanted {
            self.book.lock().put_limit(limit);
        }
        Ok(())
    }

    /// Keeps a budget in the store and lets it hold from now on, with what its scope spent so far in
    /// the window. Check it first: see [`crate::define`].
    ///
    /// # Errors
    /// [`gw_core::Kind::StoreUnavailable`]; nothing has changed then.
    pub async fn put_budget(&self, store: &dyn Budgets, budget: Budget) -> Result<()> {
        store.put_budget(budget.clone()).await?;
        self.apply_budget(store, &budget).await
    }

    /// Removes a budget here and in the store; false where there was none.
    ///
    /// # Errors
    /// [`gw_core::Kind::StoreUnavailable`].
    pub async fn remove_budget(&self, store: &dyn Budgets, id: &str) -> Result<bool> {
        let was_kept = store.remove_budget(id).await?;
        Ok(self.book.lock().remove_budget(id) || was_kept)
    }

    /// Keeps a limit in the store and lets it hold from now on.
    ///
    /// # Errors
    /// [`gw_core::Kind::StoreUnavailable`]; nothing has changed then.
    pub async fn put_limit(&self, store: &dyn Budgets, limit: Limit) -> Result<()> {
        store.put_limit(limit.clone()).await?;
        self.book.lock().put_limit(&limit);
        Ok(())
    }

    /// Removes a limit here and in the store; false where there was none.
    ///
    /// # Errors
    /// [`gw_core::Kind::StoreUnavailable`].
    pub async fn remove_limit(&self, store: &dyn Budgets, id: &str) -> Result<bool> {
        let was_kept = store.remove_limit(id).await?;
        Ok(self.book.lock().remove_limit(id) || was_kept)
    }

    async fn apply_budget(&self, store: &dyn Budgets, budget: &Budget) -> Result<()> {
        if self.book.lock().redefine(budget) {
            return Ok(());
        }
        let now_ms = self.clock.unix_ms();
        let (slots, lifetime) = match budget.window {
            Window::Lifetime => (Vec::new(), store.lifetime_spending(&budget.scope).await?),
            // The window before as well: the clock may be set back over its edge.
            window => {
                let before_ms = span(window, now_ms).from_ms.saturating_sub(1);
                let from_ms = span(window, before_ms).from_ms;
                (store.spending(&budget.scope, from_ms).await?, Spending::default())
            }
        };
        self.book.lock().put_budget(budget, &slots, &lifetime);
        Ok(())
    }
}

#[async_trait]
impl BudgetStore for EmbeddedBudgets {
    async fn reserve(&self, claim: &Claim) -> Result<u64> {
        if claim.scopes.len() > limits::CLAIM_SCOPES_MAX {
            let message = format!("a call has {} accounts at most", limits::CLAIM_SCOPES_MAX);
            return Err(Error::bad_field("tags", message));
        }
        let ask = Ask {
            scopes: &claim.scopes,
            at_ms: claim.at_ms,
            worst_case: claim.worst_case,
            worst_tokens: claim.worst_tokens,
            requests: claim.requests,
        };
        let now_ms = self.clock.monotonic_ms();
        let reserved = self.book.lock().reserve(&ask, now_ms);
        reserved.map_err(|refusal| Error::from(*refusal))
    }

    async fn extend(
        &self,
        ticket: u64,
        claim: &Claim,
        more: Option<Money>,
        more_tokens: u64,
    ) -> Result<()> {
        let now_ms = self.clock.monotonic_ms();
        let extended = self.book.lock().extend(ticket, &claim.scopes, more, more_tokens, now_ms);
        extended.map_err(|refusal| Error::from(*refusal))
    }

    fn settle(&self, ticket: u64, claim: &Claim, spent: Money, tokens: u64) {
        let mut alerts = Vec::new();
        let (before, after) = {
            let mut book = self.book.lock();
            let before = book.totals().spent;
            book.settle(ticket, &claim.scopes, spent, tokens, &mut alerts);
            (before, book.totals().spent)
        };
        if let Some(on_alert) = &self.on_budget {
            alerts.into_iter().for_each(on_alert);
        }
        // Only the settlement that crosses the threshold sees it between its two sums.
        if let Some((threshold, on_alert)) = &self.on_total
            && before < *threshold
            && after >= *threshold
        {
            on_alert(Alert { threshold: *threshold, spent: after });
        }
    }

    fn release(&self, ticket: u64, _claim: &Claim) {
        self.book.lock().release(ticket);
    }

    fn room(&self, scopes: &[Scope], at_ms: i64) -> Room {
        self.book.lock().room(scopes, at_ms)
    }

    fn limits(&self, scopes: &[Scope]) -> Vec<LimitStatus> {
        let now_ms = self.clock.monotonic_ms();
        self.book.lock().limits(Some(scopes), now_ms)
    }
}

impl std::fmt::Debug for EmbeddedBudgets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedBudgets").field("totals", &self.totals()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
