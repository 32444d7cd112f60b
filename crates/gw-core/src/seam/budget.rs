//! The seam to budgets and limits.

use async_trait::async_trait;

use crate::Result;
use crate::money::Money;
use crate::reservation::Claim;

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

    /// Books `spent` and `tokens` under the ticket and gives the rest back.
    fn settle(&self, ticket: u64, claim: &Claim, spent: Money, tokens: u64);

    /// Gives everything back.
    fn release(&self, ticket: u64, claim: &Claim);
}
