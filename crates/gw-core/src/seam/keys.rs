//! The seam to kept keys, and to the organisations, teams, users and projects above them.

use std::sync::Arc;

use async_trait::async_trait;

use crate::Result;
use crate::key::{KeyHash, KeyRecord, KeySecret, ScopeNode};
use crate::principal::Principal;
use crate::scope::Scope;

/// Keeps keys by the hash of their secrets; no secret ever reaches it.
#[async_trait]
pub trait Keys: Send + Sync + 'static {
    /// The key and the secret of this hash; revoked and expired ones as well: the caller judges.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn find_key(&self, hash: &KeyHash) -> Result<Option<(KeyRecord, KeySecret)>>;

    /// Keeps a new key with its first secret.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`]; [`crate::Kind::InvalidRequest`] where the id is taken.
    async fn create_key(&self, key: KeyRecord, hash: KeyHash) -> Result<()>;

    /// All keys, oldest first.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn keys(&self) -> Result<Vec<KeyRecord>>;

    /// All secrets that are not past their time at an instant (milliseconds since 1970).
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn secrets(&self, now_ms: i64) -> Result<Vec<KeySecret>>;

    /// Refuses a key from an instant on, for good; false where there is no such key. The first
    /// revocation stays.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn revoke_key(&self, id: &str, at_ms: i64) -> Result<bool>;

    /// Gives a key a new secret; those it had end at `old_until_ms` at the latest (milliseconds since
    /// 1970). False where there is no such key or it is revoked.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn rotate_key(
        &self,
        id: &str,
        hash: KeyHash,
        shown: &str,
        old_until_ms: i64,
    ) -> Result<bool>;

    /// Notes that a key was used at an instant (milliseconds since 1970).
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn touch_key(&self, id: &str, at_ms: i64) -> Result<()>;

    /// Keeps an organisation, team, user or project, in place of one with the same name.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn put_scope(&self, node: ScopeNode) -> Result<()>;

    /// Removes one; false where there was none.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn remove_scope(&self, scope: &Scope) -> Result<bool>;

    /// All of them, by kind and id.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn scopes(&self) -> Result<Vec<ScopeNode>>;
}

/// Finds the caller behind a presented key.
#[async_trait]
pub trait Authenticator: Send + Sync + 'static {
    /// The caller, ready to be cloned into a call.
    ///
    /// # Errors
    /// [`crate::Kind::Unauthenticated`]: malformed (found without looking anything up), unknown,
    /// revoked or expired. [`crate::Kind::StoreUnavailable`] where only the store could tell.
    async fn authenticate(&self, key: &str) -> Result<Arc<Principal>>;

    /// True for a text that by its form is meant for this gateway, good or not. A gateway that
    /// serves callers without a key refuses such a text when it is not good, and ignores all others.
    fn is_meant(&self, _key: &str) -> bool {
        true
    }
}
