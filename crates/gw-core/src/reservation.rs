//! Money held back for a call, and the proof that it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Result;
use crate::ids::CallId;
use crate::money::Money;
use crate::principal::Principal;
use crate::seam::BudgetStore;

/// What a call may cost at worst, and whose money that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The call.
    pub call_id: CallId,
    /// Who pays.
    pub principal: Principal,
    /// The worst case; `None` where the model has no known price.
    pub worst_case: Option<Money>,
    /// The most tokens that may be read and written.
    pub worst_tokens: u64,
}

/// Money held back on every budget that applies.
///
/// [`crate::seam::Upstream::send`] wants one, and [`Reservation::make`] is the only way to get one,
/// so nothing reaches a provider unpaid. Dropped without [`Reservation::settle`], it gives all back.
pub struct Reservation {
    store: Arc<dyn BudgetStore>,
    claim: Claim,
    ticket: u64,
    is_open: AtomicBool,
}

impl Reservation {
    /// Holds the claim on every scope in one atomic step.
    ///
    /// # Errors
    /// [`crate::Kind::BudgetExhausted`] where a hard budget cannot pay;
    /// [`crate::Kind::RateLimited`] where a limit is reached.
    pub async fn make(store: Arc<dyn BudgetStore>, claim: Claim) -> Result<Self> {
        let ticket = store.reserve(&claim).await?;
        Ok(Self { store, claim, ticket, is_open: AtomicBool::new(true) })
    }

    /// The call it pays for.
    pub fn call_id(&self) -> CallId {
        self.claim.call_id
    }

    /// Books what was really spent and gives the rest back. Only the first settlement counts.
    pub fn settle(&self, spent: Money, tokens: u64) {
        if self.is_open.swap(false, Ordering::AcqRel) {
            self.store.settle(self.ticket, &self.claim, spent, tokens);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if *self.is_open.get_mut() {
            self.store.release(self.ticket, &self.claim);
        }
    }
}

impl std::fmt::Debug for Reservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reservation").field("claim", &self.claim).finish_non_exhaustive()
    }
}
