//! Money held back for a call, and the proof that it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Result;
use crate::ids::{CallId, ConversationId};
use crate::money::Money;
use crate::principal::Principal;
use crate::scope::Scope;
use crate::seam::BudgetStore;

/// What a call may cost at worst, and whose money that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The call.
    pub call_id: CallId,
    /// Who pays.
    pub principal: Principal,
    /// When the call began, in milliseconds since 1970: the same instant as in its record. It
    /// decides the window in which the call counts, however long it runs.
    pub at_ms: i64,
    /// Every account it goes on, each once: see [`Principal::scopes`].
    pub scopes: Vec<Scope>,
    /// The conversation it belongs to.
    pub conversation: Option<ConversationId>,
    /// The worst case; `None` where the model has no known price.
    pub worst_case: Option<Money>,
    /// The most tokens that may be read and written.
    pub worst_tokens: u64,
    /// Calls that it counts as, for limits of requests.
    pub requests: u64,
}

impl Claim {
    /// A claim of one call on all accounts of its caller, for nothing yet.
    pub fn new(call_id: CallId, principal: Principal, at_ms: i64) -> Self {
        Self {
            call_id,
            scopes: principal.scopes(None),
            principal,
            at_ms,
            conversation: None,
            worst_case: Some(Money::ZERO),
            worst_tokens: 0,
            requests: 1,
        }
    }

    /// Puts the call on the account of its conversation as well.
    #[must_use]
    pub fn with_conversation(mut self, conversation: Option<ConversationId>) -> Self {
        self.scopes = self.principal.scopes(conversation.as_ref());
        self.conversation = conversation;
        self
    }
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

    /// What was claimed at first; what [`Reservation::extend`] added is not in it.
    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    /// Holds more for the same call: a dearer layer, another opinion. What is held stays held where
    /// the rest is refused.
    ///
    /// # Errors
    /// As [`Reservation::make`]; [`crate::Kind::Internal`] for a reservation that was settled.
    pub async fn extend(&self, more: Option<Money>, more_tokens: u64) -> Result<()> {
        if !self.is_open.load(Ordering::Acquire) {
            return Err(crate::Error::internal("a settled reservation cannot be extended"));
        }
        self.store.extend(self.ticket, &self.claim, more, more_tokens).await
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
