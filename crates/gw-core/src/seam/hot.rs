//! The seam to the hot store: bytes under names, each with a time to live. Everything in it can be
//! lost at any time, and its users must be right without it.

use async_trait::async_trait;
use bytes::Bytes;

use crate::Result;
use crate::glob::Glob;

/// Names of kept answers: `llm:cache:{model}:{hash}`.
pub const ANSWERS: &str = "llm:cache:";

/// Names of the locks under which one replica asks for an answer that all want.
pub const ANSWER_LOCKS: &str = "llm:lock:";

/// Names of the newest summaries of conversations.
pub const SUMMARIES: &str = "conv:summary:";

/// Names of the last turns of conversations.
pub const MESSAGES: &str = "conv:messages:";

/// Names of TODO lists of conversations.
pub const TODO_LISTS: &str = "todo:list:";

/// The families of names that may be cleared by pattern. Locks are no cache.
pub const FAMILIES: [&str; 4] = [ANSWERS, SUMMARIES, MESSAGES, TODO_LISTS];

/// How much stands in a family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HotSize {
    /// Entries.
    pub entries: u64,
    /// Bytes of their names and values, about.
    pub bytes: u64,
}

/// Keeps bytes for a while.
///
/// Every step on one name is atomic, and a later one sees it, on every process that shares the store.
#[async_trait]
pub trait Hot: Send + Sync + 'static {
    /// What stands under a name and has not expired.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn get(&self, key: &str) -> Result<Option<Bytes>>;

    /// Puts a value for `ttl_ms` milliseconds, in place of what stands there. A store may drop it
    /// sooner, or not take it at all, where it has no room.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`]; then nobody knows what stands there.
    async fn put(&self, key: &str, value: Bytes, ttl_ms: u64) -> Result<()>;

    /// Puts `new` (`None`: nothing) only where `old` stands (`None`: nothing). False: something else
    /// stands there, and stays.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`]; then nobody knows what stands there.
    async fn replace(
        &self,
        key: &str,
        old: Option<&Bytes>,
        new: Option<Bytes>,
        ttl_ms: u64,
    ) -> Result<bool>;

    /// Removes what stands under a name; false where nothing did.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn remove(&self, key: &str) -> Result<bool>;

    /// Removes every entry of a family whose name matches, and says how many there were. Does not
    /// keep others waiting, however many there are.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`]; some may be removed then.
    async fn remove_matching(&self, family: &str, pattern: &Glob) -> Result<u64>;

    /// How much a family holds.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn size(&self, family: &str) -> Result<HotSize>;

    /// True where other processes see the same entries.
    fn is_shared(&self) -> bool;

    /// `memory`, `redis`: for people.
    fn name(&self) -> &'static str;
}
