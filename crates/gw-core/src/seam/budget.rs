//! The seams to budgets and limits: spending, and defining what may be spent.

use async_trait::async_trait;

use crate::Result;
use crate::budget::{Budget, Limit, LimitStatus, Room, Spending};
use crate::money::Money;
use crate::reservation::Claim;
use crate::scope::Scope;

/// Holds, books and returns money. Used only through [`crate::reservation::Reservation`].
///
/// `settle` and `release` must not block and must not fail: what they cannot write at once they
/// queue.
#[async_trait]
pub trait BudgetStore: Send + Sync + 'static {
    /// Holds the claim on every scope that applies, all or nothing; gives a ticket.
    ///
    /// # Errors
    /// [`crate::Kind::BudgetExhausted`] or [`crate::Kind::RateLimited`], naming the scope.
    async fn reserve(&self, claim: &Claim) -> Result<u64>;

    /// Holds more under the ticket, all or nothing; counts no further request. A store that refuses
    /// nothing has nothing to do.
    ///
    /// # Errors
    /// As [`BudgetStore::reserve`].
    async fn extend(
        &self,
        _ticket: u64,
        _claim: &Claim,
        _more: Option<Money>,
        _more_tokens: u64,
    ) -> Result<()> {
        Ok(())
    }

    /// Books `spent` and `tokens` under the ticket and gives the rest back.
    fn settle(&self, ticket: u64, claim: &Claim, spent: Money, tokens: u64);

    /// Gives everything back.
    fn release(&self, ticket: u64, claim: &Claim);

    /// What these scopes have left at an instant (milliseconds since 1970), for planning; the
    /// reservation decides.
    fn room(&self, _scopes: &[Scope], _at_ms: i64) -> Room {
        Room::default()
    }

    /// How the limits of these scopes stand, for `x-ratelimit-*`.
    fn limits(&self, _scopes: &[Scope]) -> Vec<LimitStatus> {
        Vec::new()
    }
}

/// Keeps the definitions of budgets and limits, and tells what was spent.
///
/// Spending is written with the call's record, in one transaction: what a kept record cost is in
/// these sums, and nothing else is.
#[async_trait]
pub trait Budgets: Send + Sync + 'static {
    /// Keeps a budget, in place of one with the same id.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn put_budget(&self, budget: Budget) -> Result<()>;

    /// Removes a budget; false where there was none.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn remove_budget(&self, id: &str) -> Result<bool>;

    /// All budgets, by id.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn budgets(&self) -> Result<Vec<Budget>>;

    /// Keeps a limit, in place of one with the same id.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn put_limit(&self, limit: Limit) -> Result<()>;

    /// Removes a limit; false where there was none.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn remove_limit(&self, id: &str) -> Result<bool>;

    /// All limits, by id.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn limits(&self) -> Result<Vec<Limit>>;

    /// What a scope spent, slot by slot, from the slot of `from_ms` on (milliseconds since 1970).
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn spending(&self, scope: &Scope, from_ms: i64) -> Result<Vec<Spending>>;

    /// What a scope spent in all its life; slots that are no longer kept are in it. Its `slot_ms` is
    /// zero.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn lifetime_spending(&self, scope: &Scope) -> Result<Spending>;
}
