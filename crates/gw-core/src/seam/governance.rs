//! The seam to governing: who holds a key, who belongs to whom, and what each may spend.
//!
//! The command line, the HTTP surface and whatever comes later ask here and nowhere else, so that a
//! check cannot be made by one of them and forgotten by another.

use async_trait::async_trait;

use crate::Result;
use crate::budget::{Budget, BudgetStatus, BudgetTerms, Limit, LimitStatus, LimitTerms};
use crate::key::{KeyOrder, KeyRecord, NewKey, ScopeNode};
use crate::scope::Scope;
use crate::seam::Budgets;

/// Governs keys, accounts, budgets and limits. Every change is checked whole before any of it is
/// kept, holds at once where it is made, and within two seconds in other processes on the same store.
#[async_trait]
pub trait Governance: Send + Sync + 'static {
    /// All keys, revoked and expired ones included, oldest first.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn keys(&self) -> Result<Vec<KeyRecord>>;

    /// One key by its public id.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn key(&self, id: &str) -> Result<Option<KeyRecord>>;

    /// Makes a key with its budgets and limits, or nothing at all. The key opens nothing before all
    /// that binds it is kept.
    ///
    /// # Errors
    /// [`crate::Kind::InvalidRequest`] where something of it makes no sense, [`crate::Kind::Conflict`]
    /// where it is more than what stands above it has, both naming the field;
    /// [`crate::Kind::StoreUnavailable`].
    async fn create_key(&self, order: KeyOrder) -> Result<NewKey>;

    /// Gives a key a new secret; the one it has stays good for `overlap_ms` more.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] where there is no such key or it is revoked;
    /// [`crate::Kind::StoreUnavailable`].
    async fn rotate_key(&self, id: &str, overlap_ms: u64) -> Result<NewKey>;

    /// Refuses a key from now on, for good. What it spent, and its budgets, stay to be seen.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`], [`crate::Kind::StoreUnavailable`].
    async fn revoke_key(&self, id: &str) -> Result<KeyRecord>;

    /// All organisations, teams, users and projects that are defined, by kind and id.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn accounts(&self) -> Result<Vec<ScopeNode>>;

    /// Defines an account, in place of one with the same name.
    ///
    /// # Errors
    /// [`crate::Kind::InvalidRequest`]; [`crate::Kind::Conflict`] where it does not fit to what is above
    /// or below it;
    /// [`crate::Kind::StoreUnavailable`].
    async fn put_account(&self, node: ScopeNode) -> Result<()>;

    /// Removes an account; false where there was none.
    ///
    /// # Errors
    /// [`crate::Kind::Conflict`] where accounts or usable keys belong to it;
    /// [`crate::Kind::StoreUnavailable`].
    async fn remove_account(&self, scope: &Scope) -> Result<bool>;

    /// How budgets stand, by id: all, or those of these scopes.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn budgets(&self, scopes: Option<&[Scope]>) -> Result<Vec<BudgetStatus>>;

    /// Gives an account a budget, in place of the one it has in the same unit over the same window.
    ///
    /// # Errors
    /// [`crate::Kind::InvalidRequest`] and [`crate::Kind::Conflict`], naming the field;
    /// [`crate::Kind::NotFound`] for a key that is not there; [`crate::Kind::StoreUnavailable`].
    async fn put_budget(&self, scope: Scope, terms: BudgetTerms) -> Result<BudgetStatus>;

    /// Removes a budget; false where there was none.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn remove_budget(&self, id: &str) -> Result<bool>;

    /// How limits stand, by id: all, or those of these scopes.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn limits(&self, scopes: Option<&[Scope]>) -> Result<Vec<LimitStatus>>;

    /// Gives an account a limit, in place of the one it has of the same kind.
    ///
    /// # Errors
    /// [`crate::Kind::InvalidRequest`] and [`crate::Kind::Conflict`], naming the field;
    /// [`crate::Kind::NotFound`] for a key that is not there; [`crate::Kind::StoreUnavailable`].
    async fn put_limit(&self, scope: Scope, terms: LimitTerms) -> Result<LimitStatus>;

    /// Removes a limit; false where there was none.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn remove_limit(&self, id: &str) -> Result<bool>;
}

/// Counters of budgets and limits whose definitions can be changed while calls run, wherever they
/// are counted: in this process, or shared by several.
///
/// Nothing is checked here; [`Governance`] does that first.
#[async_trait]
pub trait ManagedBudgets: Send + Sync + 'static {
    /// Keeps a budget in the store and lets it hold from now on, with what its scope spent so far in
    /// the window.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`]; it may be kept then and not yet hold.
    async fn put_budget(&self, store: &dyn Budgets, budget: Budget) -> Result<()>;

    /// Removes a budget here and in the store; false where there was none.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn remove_budget(&self, store: &dyn Budgets, id: &str) -> Result<bool>;

    /// Keeps a limit in the store and lets it hold from now on.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn put_limit(&self, store: &dyn Budgets, limit: Limit) -> Result<()>;

    /// Removes a limit here and in the store; false where there was none.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn remove_limit(&self, store: &dyn Budgets, id: &str) -> Result<bool>;

    /// How budgets stand, by id: all, or those of these scopes.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`] where the counters are elsewhere and do not answer.
    async fn budget_statuses(&self, scopes: Option<&[Scope]>) -> Result<Vec<BudgetStatus>>;

    /// How limits stand, by id: all, or those of these scopes.
    ///
    /// # Errors
    /// As [`ManagedBudgets::budget_statuses`].
    async fn limit_statuses(&self, scopes: Option<&[Scope]>) -> Result<Vec<LimitStatus>>;
}
