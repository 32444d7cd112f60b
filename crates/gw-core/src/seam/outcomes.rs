//! The seam to outcomes: what was said of answers, kept for learning.

use async_trait::async_trait;

use crate::Result;
use crate::ids::CallId;
use crate::outcome::{Judged, Outcome};

/// Keeps what is said of answers.
#[async_trait]
pub trait Outcomes: Send + Sync + 'static {
    /// Keeps an outcome, in place of one of the same call, model and source. When it returns, it
    /// survives the death of the process.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn keep_outcome(&self, outcome: Outcome) -> Result<()>;

    /// Calls that something was said of, oldest first, from after `after` on; at most `limit`. An
    /// outcome whose call is no longer kept is left out.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn judged_calls(&self, after: Option<CallId>, limit: usize) -> Result<Vec<Judged>>;
}
