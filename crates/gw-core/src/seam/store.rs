//! The seams to the durable store.
//!
//! Writes are journaled: when `record` or `append` returns, the data survives the death of the
//! process (kill -9), and every later read of the same store sees it.

use async_trait::async_trait;
use serde_json::Value;

use crate::Result;
use crate::ids::ConversationId;
use crate::record::{
    CallRecord, ConversationHead, ConversationQuery, ConversationRef, ConversationStats,
    DataCursor, DataPage, Stats, StatsFilter, StoredMessage, StoredSummary, Subject, TodoItem,
};

/// What is remembered of calls.
#[async_trait]
pub trait CallLog: Send + Sync + 'static {
    /// Keeps a call. A record with the id of an earlier one is ignored.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`] where the journal cannot be written.
    async fn record(&self, call: CallRecord) -> Result<()>;

    /// False where so many records wait for the store that no new call may begin.
    fn has_room(&self) -> bool {
        true
    }

    /// Sums over calls.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn stats(&self, filter: StatsFilter) -> Result<Stats>;

    /// Sums over one conversation; `None` where it is not known.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn conversation_stats(&self, id: &ConversationId) -> Result<Option<ConversationStats>>;

    /// The newest calls first, at most `limit`.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn recent_calls(&self, limit: usize) -> Result<Vec<CallRecord>>;
}

/// Conversations: turns, summaries, TODO lists.
#[async_trait]
pub trait Conversations: Send + Sync + 'static {
    /// Adds turns, in order, making the conversation where it is new. Concurrent appends keep all.
    /// Gives the place of the last one where the store knows it at once, else 0.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn append(&self, conversation: ConversationRef, turns: Vec<StoredMessage>)
    -> Result<u64>;

    /// The last `limit` turns, oldest first; empty where the conversation is not known.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn recent(&self, id: &ConversationId, limit: usize) -> Result<Vec<StoredMessage>>;

    /// Turns after a place, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn turns(
        &self,
        id: &ConversationId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredMessage>>;

    /// What is known of conversations beside their turns, the last added to first.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn heads(&self, query: ConversationQuery) -> Result<Vec<ConversationHead>>;

    /// The versions of the summary that are kept, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn summaries(&self, id: &ConversationId, limit: usize) -> Result<Vec<StoredSummary>>;

    /// Drops copies that are held in front of the durable store, because that changed behind them.
    async fn evict(&self, _ids: &[ConversationId]) {}

    /// The newest summary.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn summary(&self, id: &ConversationId) -> Result<Option<StoredSummary>>;

    /// Stores a new version of the summary and gives its number.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn put_summary(&self, conversation: ConversationRef, body: Value) -> Result<u32>;

    /// The TODO list; empty where there is none.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn todo(&self, id: &ConversationId) -> Result<Vec<TodoItem>>;

    /// Replaces the TODO list.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn put_todo(&self, conversation: ConversationRef, items: Vec<TodoItem>) -> Result<()>;

    /// True while something that was appended waits elsewhere and reads do not show it.
    fn is_behind(&self) -> bool {
        false
    }
}

/// A conversation's or a user's data, wherever the store keeps it.
#[async_trait]
pub trait PersonalData: Send + Sync + 'static {
    /// Some of the rows that hold it, from a place on. What is written meanwhile may be missing.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn gather(&self, subject: &Subject, from: DataCursor) -> Result<DataPage>;

    /// Removes it, in one transaction: texts are deleted; what was paid stays on the books under a
    /// random name that nothing joins to the subject. Gives the number of rows by table.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn forget(&self, subject: &Subject) -> Result<Vec<(&'static str, u64)>>;
}

/// Whether a store answers.
#[async_trait]
pub trait StoreHealth: Send + Sync + 'static {
    /// Asks the store for a sign of life.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn check(&self) -> Result<()>;

    /// Whether calls can be kept from now on: a store that bridges an outage says yes where
    /// [`StoreHealth::check`] says no.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn ready(&self) -> Result<()> {
        self.check().await
    }

    /// Writes out everything queued; called before the process ends.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn flush(&self) -> Result<()>;
}
