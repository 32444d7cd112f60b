//! Conversations at hand: what is read again and again stands in the hot store, in front of the
//! durable one, which alone is the truth.
//!
//! Whoever changes a conversation first puts a mark in place of what is at hand, and takes it away
//! when the durable store has the change. While a mark stands, everybody reads the durable store. A
//! writer that was alone puts the changed value in place of its mark; where two met, the next reader
//! fetches it. A reader fetches under a lease, which any writer takes away. So nothing stands there
//! that the durable store does not have, in whatever order things happen, and a crash leaves a mark
//! that runs out. Where the hot store was away nothing in it is trusted until all who changed
//! something meanwhile had time to say so ([`TwoTier::tidy`]).

mod slot;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use gw_core::glob::Glob;
use gw_core::limits::{HOT_ENTRY_BYTES_MAX, HOT_MESSAGES_MAX};
use gw_core::record::{
    ConversationHead, ConversationQuery, ConversationRef, StoredMessage, StoredSummary, TodoItem,
};
use gw_core::seam::hot::{MESSAGES, SUMMARIES, TODO_LISTS};
use gw_core::seam::{Clock, Conversations, Entropy, Hot};
use gw_core::{ConversationId, Result};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use slot::{Slot, Writers};

/// How long summaries stand, in milliseconds: system A's hour.
const SUMMARY_MS: u64 = 3_600_000;

/// How long turns and TODO lists stand, in milliseconds: system A's half hour.
const TURNS_MS: u64 = 1_800_000;

/// How long a reader may take to fetch, in milliseconds.
const LEASE_MS: u64 = 10_000;

/// How long a writer's mark stands, in milliseconds; a writer that takes longer removes what came
/// after it.
const MARK_MS: u64 = 60_000;

/// How long nothing in the hot store is trusted after it did not answer, in milliseconds.
const DISTRUST_MS: u64 = 5_000;

/// How often [`TwoTier::keep_tidy`] looks whether something is to be made good.
const TIDY_EVERY: Duration = Duration::from_millis(250);

/// Names whose entries are to be removed, held at most; beyond it all entries are.
const OWED_MAX: usize = 10_000;

/// Tries at a slot that others change at the same time.
const TRIES_MAX: usize = 64;

/// The durable store with a hot one in front.
pub struct TwoTier {
    cold: Arc<dyn Conversations>,
    hot: Arc<dyn Hot>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    doubt: Mutex<Doubt>,
}

/// What is not right in the hot store, as far as this process knows.
#[derive(Default)]
struct Doubt {
    /// Entries that changes went past.
    owed: HashSet<String>,
    /// True where they are too many to be named.
    owes_all: bool,
    /// Until when nothing is trusted, on the monotonic clock.
    until_ms: u64,
}

/// The last turns of a conversation.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Talk {
    turns: Vec<StoredMessage>,
    /// True where there are no others.
    is_whole: bool,
}

/// A writer's mark.
struct Mark<T> {
    token: String,
    /// The slot as it stands while nobody else writes.
    alone: Option<Bytes>,
    /// What stood there before.
    base: Option<T>,
}

impl TwoTier {
    /// Puts `hot` in front of `cold`. Every process that writes to `cold` has to do so through the
    /// same hot store.
    pub fn new(
        cold: Arc<dyn Conversations>,
        hot: Arc<dyn Hot>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { cold, hot, clock, entropy, doubt: Mutex::default() }
    }

    /// Removes entries that are wrong, and says whether none is left. Costs nothing while none is.
    pub async fn tidy(&self) -> bool {
        let (owed, owes_all) = {
            let mut doubt = self.doubt.lock();
            (std::mem::take(&mut doubt.owed), std::mem::take(&mut doubt.owes_all))
        };
        if owed.is_empty() && !owes_all {
            return true;
        }
        if self.cold.is_behind() {
            // What the durable store does not show yet must not be fetched from it.
            for name in owed {
                if self.hold(&name).await.is_err() {
                    self.distrust();
                }
                self.owe(&name);
            }
            self.doubt.lock().owes_all |= owes_all;
            return false;
        }
        if owes_all {
            for family in [SUMMARIES, MESSAGES, TODO_LISTS] {
                if self.hot.remove_matching(family, &Glob::new("*")).await.is_err() {
                    self.doubt.lock().owes_all = true;
                    return false;
                }
            }
        }
        for name in owed {
            if !self.invalidate(&name, None).await {
                self.owe(&name);
            }
        }
        let doubt = self.doubt.lock();
        doubt.owed.is_empty() && !doubt.owes_all
    }

    /// Tidies up whenever there is need to; for ever.
    pub async fn keep_tidy(self: Arc<Self>) {
        loop {
            tokio::time::sleep(TIDY_EVERY).await;
            self.tidy().await;
        }
    }

    fn now_ms(&self) -> u64 {
        self.clock.monotonic_ms()
    }

    fn token(&self) -> String {
        let mut random = [0_u8; 12];
        self.entropy.fill(&mut random);
        random.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Notes that the hot store is away.
    fn distrust(&self) {
        self.doubt.lock().until_ms = self.now_ms().saturating_add(DISTRUST_MS);
    }

    /// Notes an entry that a change went past.
    fn owe(&self, name: &str) {
        let mut doubt = self.doubt.lock();
        if doubt.owed.len() >= OWED_MAX {
            doubt.owes_all = true;
        } else {
            doubt.owed.insert(name.to_owned());
        }
    }

    fn is_trusted(&self) -> bool {
        let doubt = self.doubt.lock();
        doubt.owed.is_empty() && !doubt.owes_all && self.now_ms() >= doubt.until_ms
    }

    /// What stands at hand, else what `fetch` gives, which stands at hand from then on.
    async fn read<T>(
        &self,
        name: &str,
        ttl_ms: u64,
        fetch: impl Future<Output = Result<T>>,
    ) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
    {
        if !self.is_trusted() {
            return fetch.await;
        }
        let Ok(found) = self.hot.get(name).await else {
            self.distrust();
            return fetch.await;
        };
        match Slot::<T>::read(found.as_ref()) {
            Slot::Kept(value) => return Ok(value),
            Slot::Writing(_) | Slot::Unreadable => return fetch.await,
            Slot::Free => {}
        }
        let lease = slot::lease(&self.token());
        let leased = self.hot.replace(name, found.as_ref(), Some(lease.clone()), LEASE_MS).await;
        if leased.is_err() {
            self.distrust();
        }
        let value = fetch.await?;
        if matches!(leased, Ok(true)) && !self.cold.is_behind() {
            let new = slot::kept(&value).filter(|bytes| bytes.len() <= HOT_ENTRY_BYTES_MAX);
            // Where this fails somebody wrote meanwhile, or the lease runs out by itself.
            let _ = self.hot.replace(name, Some(&lease), new, ttl_ms).await;
        }
        Ok(value)
    }

    /// Makes a change between the putting of a mark and its removal. `after` gives the value that
    /// stands then, from what stood before and what the change gave; it is asked only where nobody else wrote.
    async fn write<T, R>(
        &self,
        name: &str,
        ttl_ms: u64,
        change: impl Future<Output = Result<R>>,
        after: impl FnOnce(Option<T>, &R) -> Option<T>,
    ) -> Result<R>
    where
        T: Serialize + DeserializeOwned,
    {
        let mark = self.mark::<T>(name).await;
        let changed = change.await;
        if changed.is_ok() && self.cold.is_behind() {
            // The mark stays, and is renewed, until the durable store shows the change.
            self.owe(name);
            return changed;
        }
        let new = match &changed {
            Ok(done) => after(mark.base, done).and_then(|value| slot::kept(&value)),
            Err(_) => None,
        };
        if let Some(alone) = &mark.alone {
            let new = new.filter(|bytes| bytes.len() <= HOT_ENTRY_BYTES_MAX);
            if matches!(self.hot.replace(name, Some(alone), new, ttl_ms).await, Ok(true)) {
                return changed;
            }
        }
        if !self.invalidate(name, Some(&mark.token)).await {
            self.owe(name);
        }
        changed
    }

    /// Puts a mark. Where that fails, the entry is removed after the change, or later.
    async fn mark<T: DeserializeOwned>(&self, name: &str) -> Mark<T> {
        let token = self.token();
        let at_ms = self.clock.unix_ms();
        for _ in 0..TRIES_MAX {
            let Ok(found) = self.hot.get(name).await else { break };
            let (mut writers, base) = match Slot::<T>::read(found.as_ref()) {
                Slot::Kept(value) => (Writers::default(), Some(value)),
                Slot::Writing(writers) => (writers.living(at_ms, MARK_MS), None),
                Slot::Free | Slot::Unreadable => (Writers::default(), None),
            };
            let is_alone = writers.is_empty();
            writers.spoil();
            writers.add(&token, at_ms);
            let marked = writers.write();
            let done = self.hot.replace(name, found.as_ref(), Some(marked.clone()), MARK_MS).await;
            match done {
                Ok(true) if is_alone => {
                    let base = base.filter(|_| self.is_trusted());
                    return Mark { token, alone: Some(marked), base };
                }
                Ok(true) => return Mark { token, alone: None, base: None },
                Ok(false) => {}
                Err(_) => break,
            }
        }
        self.distrust();
        Mark { token, alone: None, base: None }
    }

    /// Takes away a writer's mark, or whatever stands there where it has none; other writers' marks
    /// stay, and what they would put there does not. False: it could not be done.
    async fn invalidate(&self, name: &str, token: Option<&str>) -> bool {
        for _ in 0..TRIES_MAX {
            let Ok(found) = self.hot.get(name).await else { break };
            let Some(found) = found else { return true };
            let new = match Slot::<Value>::read(Some(&found)) {
                Slot::Writing(mut writers) => {
                    if let Some(token) = token {
                        writers.remove(token);
                    }
                    writers.spoil();
                    (!writers.is_empty()).then(|| writers.write())
                }
                Slot::Kept(_) | Slot::Free | Slot::Unreadable => None,
            };
            match self.hot.replace(name, Some(&found), new, MARK_MS).await {
                Ok(true) => return true,
                Ok(false) => {}
                Err(_) => break,
            }
        }
        self.distrust();
        false
    }

    /// Puts a mark that nobody takes away, so that all read the durable store.
    async fn hold(&self, name: &str) -> Result<()> {
        let mut writers = Writers::default();
        writers.add(&self.token(), self.clock.unix_ms());
        self.hot.put(name, writers.write(), MARK_MS).await
    }
}

fn of(family: &str, id: &ConversationId) -> String {
    format!("{family}{}", id.as_str())
}

#[async_trait]
impl Conversations for TwoTier {
    async fn append(
        &self,
        conversation: ConversationRef,
        turns: Vec<StoredMessage>,
    ) -> Result<u64> {
        let name = of(MESSAGES, &conversation.id);
        // Turns stand at hand with their places, and only the last one's is told.
        let added = (turns.len() == 1).then(|| turns.last().cloned()).flatten();
        let change = self.cold.append(conversation, turns);
        let after = |base: Option<Talk>, place: &u64| {
            let turn = added.filter(|_| *place > 0)?;
            Some(base?.and(StoredMessage { place: *place, ..turn }))
        };
        self.write(&name, TURNS_MS, change, after).await
    }

    async fn turns(
        &self,
        id: &ConversationId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredMessage>> {
        self.cold.turns(id, after, limit).await
    }

    async fn heads(&self, query: ConversationQuery) -> Result<Vec<ConversationHead>> {
        self.cold.heads(query).await
    }

    async fn summaries(&self, id: &ConversationId, limit: usize) -> Result<Vec<StoredSummary>> {
        self.cold.summaries(id, limit).await
    }

    async fn evict(&self, ids: &[ConversationId]) {
        for id in ids {
            for family in [SUMMARIES, MESSAGES, TODO_LISTS] {
                let name = of(family, id);
                if !self.invalidate(&name, None).await {
                    self.owe(&name);
                }
            }
        }
        self.cold.evict(ids).await;
    }

    async fn recent(&self, id: &ConversationId, limit: usize) -> Result<Vec<StoredMessage>> {
        if limit > HOT_MESSAGES_MAX {
            return self.cold.recent(id, limit).await;
        }
        let fetch = async {
            let turns = self.cold.recent(id, HOT_MESSAGES_MAX).await?;
            Ok(Talk { is_whole: turns.len() < HOT_MESSAGES_MAX, turns })
        };
        let talk = self.read(&of(MESSAGES, id), TURNS_MS, fetch).await?;
        if talk.turns.len() < limit && !talk.is_whole {
            return self.cold.recent(id, limit).await;
        }
        let mut turns = talk.turns;
        Ok(turns.split_off(turns.len().saturating_sub(limit)))
    }

    async fn summary(&self, id: &ConversationId) -> Result<Option<StoredSummary>> {
        self.read(&of(SUMMARIES, id), SUMMARY_MS, self.cold.summary(id)).await
    }

    async fn put_summary(&self, conversation: ConversationRef, body: Value) -> Result<u32> {
        let name = of(SUMMARIES, &conversation.id);
        let change = self.cold.put_summary(conversation, body);
        // The durable store gives it its number and time; the next reader fetches it.
        self.write(&name, SUMMARY_MS, change, |_: Option<Option<StoredSummary>>, _| None).await
    }

    async fn todo(&self, id: &ConversationId) -> Result<Vec<TodoItem>> {
        self.read(&of(TODO_LISTS, id), TURNS_MS, self.cold.todo(id)).await
    }

    async fn put_todo(&self, conversation: ConversationRef, items: Vec<TodoItem>) -> Result<()> {
        let name = of(TODO_LISTS, &conversation.id);
        let new = items.clone();
        let change = self.cold.put_todo(conversation, items);
        self.write(&name, TURNS_MS, change, |_: Option<Vec<TodoItem>>, ()| Some(new)).await
    }

    fn is_behind(&self) -> bool {
        self.cold.is_behind()
    }
}

impl Talk {
    /// With this turn more; what is too much goes at the beginning.
    fn and(mut self, added: StoredMessage) -> Self {
        self.turns.push(added);
        let over = self.turns.len().saturating_sub(HOT_MESSAGES_MAX);
        if over > 0 {
            self.turns.drain(..over);
            self.is_whole = false;
        }
        self
    }
}

impl std::fmt::Debug for TwoTier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TwoTier").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
