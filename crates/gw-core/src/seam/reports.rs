//! The seam to reports over what calls used and cost.

use async_trait::async_trait;

use crate::Result;
use crate::ids::CallId;
use crate::record::{CallRecord, UsageGroup, UsageQuery};

/// Sums over calls, kept by the hour in the same transaction as the calls, so that they outlive the
/// calls' own rows.
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
