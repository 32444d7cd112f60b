//! The seam to reports over what calls used and cost.

use async_trait::async_trait;

use crate::Result;
use crate::ids::CallId;
use crate::record::{CallRecord, UsageGroup, UsageQuery};

/// Sums over calls, kept by the hour in the same transaction as the calls, so that they outlive the
/// calls' own rows.
///
/// A store keeps one row of sums for each combination of hour (UTC), model id, layer, provider, key,
/// team, user, project and set of tags; empty text stands for none, the team is the first scope of
/// that kind. Its sums are the members of [`UsageGroup`]; a call adds to `compared_calls`,
/// `compared_cost` and `baseline` only where both its cost and its baseline are known, so that their
/// difference compares like with like.
///
/// A store that removes rows of calls notes the latest `started_at_ms` among them: what
/// [`super::CallLog::stats`] gives comes from the sums up to the end of that hour (its bounds rounded
/// down to hours there), and from rows after it.
#[async_trait]
pub trait UsageReports: Send + Sync + 'static {
    /// Sums over whole hours, in groups; the order is that of the groups' keys.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn usage(&self, query: UsageQuery) -> Result<Vec<UsageGroup>>;

    /// One call with all its attempts, as long as its row is kept.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn call(&self, id: CallId) -> Result<Option<CallRecord>>;
}
