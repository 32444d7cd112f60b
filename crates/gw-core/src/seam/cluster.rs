//! The seams between replicas: several gateways on one database know of each other through these.
//!
//! A store of one process has neither.

use async_trait::async_trait;

use crate::Result;
use crate::budget::Spending;
use crate::ids::InstanceId;
use crate::scope::Scope;

/// One process of the gateway that writes, or wrote, to the shared store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its id; a process that starts again is another instance.
    pub id: InstanceId,
    /// What people call it: the host's name, or what configuration says.
    pub name: String,
    /// When it started, in milliseconds since 1970 by its own clock.
    pub started_at_ms: i64,
    /// How long ago it gave its last sign of life, in milliseconds by the database's clock, so that
    /// clocks of replicas are never compared. A sign is due every
    /// [`crate::limits::INSTANCE_HEARTBEAT_MS`].
    pub silent_ms: u64,
}

/// Which replicas there are, and what each of them spent.
#[async_trait]
pub trait Instances: Send + Sync + 'static {
    /// The id of this process.
    fn instance(&self) -> &InstanceId;

    /// All that are known, the oldest first; dead ones as well, until they are forgotten.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn instances(&self) -> Result<Vec<Instance>>;

    /// What an instance spent since it started, by account and slot, in the order of accounts and
    /// then slots. These are totals, not changes: each is written in the transaction that keeps the
    /// call's record, so what another ledger holds of a dead instance is brought up to these. Slots
    /// older than [`crate::limits::INSTANCE_SPENDING_KEPT_MS`] are left out.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn instance_spending(&self, id: &InstanceId) -> Result<Vec<(Scope, Spending)>>;

    /// Forgets an instance and its totals, once they are accounted for elsewhere; false where it was
    /// not known. What was spent stays in the sums of its accounts. Records of its that come to light
    /// later make it known again.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn forget_instance(&self, id: &InstanceId) -> Result<bool>;
}

/// Tells that keys, accounts, budgets or limits were changed, by this process or by another one.
#[async_trait]
pub trait Changes: Send + Sync + 'static {
    /// Grows with every change that has been noticed. Take it before the definitions are read.
    fn revision(&self) -> u64;

    /// Waits until the revision is another than `seen`, and gives it. Changes of any replica are
    /// noticed within a second while the store answers; after an outage there is always one. Dropping
    /// the future loses nothing.
    async fn changed(&self, seen: u64) -> u64;
}
