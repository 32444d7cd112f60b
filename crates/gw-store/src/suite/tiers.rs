//! Promises of conversations at hand, whatever goes wrong between the hot store and the durable one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use gw_core::glob::Glob;
use gw_core::record::{
    ConversationHead, ConversationQuery, ConversationRef, StoredMessage, StoredSummary, TodoItem,
};
use gw_core::seam::hot::{MESSAGES, TODO_LISTS};
use gw_core::seam::{Clock, Conversations, Entropy, Hot, HotSize};
use gw_core::{ConversationId, Result};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::{conversation, turn};
use crate::TwoTier;

/// What a check stands on: an empty durable store, an empty hot one, and their clock.
pub struct Ground {
    /// The durable store.
    pub cold: Arc<dyn Conversations>,
    /// The hot one.
    pub hot: Arc<dyn Hot>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Tokens that differ.
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        static DRAWS: AtomicU64 = AtomicU64::new(0);
        let seed = self.0.fetch_add(1, Ordering::Relaxed) ^ DRAWS.fetch_add(1, Ordering::Relaxed);
        let hash = std::iter::successors(Some(seed), |last| {
            Some(last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1))
        });
        for (byte, value) in buffer.iter_mut().zip(hash.skip(3)) {
            *byte = value.to_be_bytes()[1];
        }
    }
}

impl Ground {
    /// One replica of the gateway.
    fn replica(&self) -> Arc<TwoTier> {
        self.replica_on(Arc::clone(&self.cold), Arc::clone(&self.hot))
    }

    fn replica_on(&self, cold: Arc<dyn Conversations>, hot: Arc<dyn Hot>) -> Arc<TwoTier> {
        let entropy = Arc::new(Counting(AtomicU64::new(0)));
        Arc::new(TwoTier::new(cold, hot, Arc::clone(&self.clock), entropy))
    }
}

async fn say(talks: &dyn Conversations, text: impl Into<String>) {
    talks.append(conversation("talk"), vec![turn(text)]).await.expect("appended");
}

async fn heard(talks: &dyn Conversations, limit: usize) -> Vec<String> {
    let turns = talks.recent(&"talk".into(), limit).await.expect("read");
    turns.into_iter().map(|turn| turn.content).collect()
}

fn name() -> String {
    format!("{MESSAGES}talk")
}

pub(super) async fn a_flush_in_mid_conversation_loses_nothing(
    ground: &Ground,
    flush: &impl AsyncFn(),
) {
    let replica = ground.replica();
    for at in 0..60 {
        say(&*replica, at.to_string()).await;
        if at % 7 == 0 {
            flush().await;
        }
        let expected: Vec<String> = (0..=at).map(|at| at.to_string()).collect();
        let from = expected.len().saturating_sub(10);
        assert_eq!(heard(&*replica, 10).await, expected[from..]);
        if at % 5 == 0 {
            flush().await;
        }
    }
}

pub(super) async fn an_entry_that_ran_out_is_fetched_again(ground: &Ground) {
    let replica = ground.replica();
    say(&*replica, "1").await;
    say(&*replica, "2").await;
    assert_eq!(heard(&*replica, 10).await, ["1", "2"]);
    assert!(ground.hot.remove(&name()).await.expect("answers"), "it stood at hand");
    // System A began anew with an empty list here.
    say(&*replica, "3").await;
    assert_eq!(heard(&*replica, 10).await, ["1", "2", "3"]);
    assert!(ground.hot.get(&name()).await.expect("answers").is_some(), "it stands there again");
}

/// Changes that go past the hot store are not seen, which shows where reads come from.
pub(super) async fn a_value_at_hand_is_served_from_there(ground: &Ground) {
    let replica = ground.replica();
    say(&*replica, "1").await;
    assert_eq!(heard(&*replica, 10).await, ["1"]);
    say(&*ground.cold, "past it").await;
    assert_eq!(heard(&*replica, 10).await, ["1"]);
    say(&*replica, "2").await;
    assert_eq!(heard(&*replica, 10).await, ["1", "2"], "a lone writer needs no second look");
    let id: ConversationId = "talk".into();
    replica.put_todo(conversation("talk"), Vec::new()).await.expect("put");
    assert!(ground.hot.get(&format!("{TODO_LISTS}talk")).await.expect("answers").is_some());
    replica.put_summary(conversation("talk"), json!({"a": 1})).await.expect("put");
    let first = replica.summary(&id).await.expect("read").expect("there");
    ground.cold.put_summary(conversation("talk"), json!({"a": 2})).await.expect("put");
    assert_eq!(replica.summary(&id).await.expect("read").expect("there"), first);
    replica.evict(std::slice::from_ref(&id)).await;
    assert_eq!(replica.summary(&id).await.expect("read").expect("there").version, 2);
    let version = replica.put_summary(conversation("talk"), json!({"a": 3})).await.expect("put");
    let newest = replica.summary(&id).await.expect("read").expect("there");
    assert_eq!((newest.version, version), (3, 3));
}

pub(super) async fn a_crash_between_hot_and_cold_shows_the_truth(ground: &Ground) {
    let survivor = ground.replica();
    say(&*survivor, "1").await;
    assert_eq!(heard(&*survivor, 10).await, ["1"]);
    for (at, has_committed) in [(2, true), (3, false)] {
        let gate = Gate::around(&ground.cold, has_committed);
        let dying = ground.replica_on(gate.clone(), Arc::clone(&ground.hot));
        let task = tokio::spawn(async move { say(&*dying, at.to_string()).await });
        gate.reached().await;
        task.abort();
        assert!(task.await.is_err());
        let expected: Vec<String> = if has_committed {
            vec!["1".into(), "2".into()]
        } else {
            heard(&*ground.cold, 10).await
        };
        assert_eq!(heard(&*survivor, 10).await, expected, "committed: {has_committed}");
    }
    say(&*survivor, "4").await;
    assert_eq!(heard(&*survivor, 10).await, ["1", "2", "4"]);
}

pub(super) async fn a_reader_that_was_overtaken_leaves_nothing_old(ground: &Ground) {
    let replica = ground.replica();
    say(&*replica, "1").await;
    ground.hot.remove(&name()).await.expect("answers");
    let gate = Gate::around(&ground.cold, true);
    let slow = ground.replica_on(gate.clone(), Arc::clone(&ground.hot));
    let reading = tokio::spawn(async move { heard(&*slow, 10).await });
    gate.reached().await;
    say(&*replica, "2").await;
    gate.open.add_permits(10);
    assert_eq!(reading.await.expect("reads"), ["1"], "read before the second was said");
    assert_eq!(heard(&*replica, 10).await, ["1", "2"]);
}

pub(super) async fn foreign_entries_are_no_conversation(ground: &Ground) {
    let replica = ground.replica();
    say(&*ground.cold, "1").await;
    for foreign in
        ["[{\"role\":\"user\",\"content\":\"system A's\"}]", "", "{\"gateway\":99,\"kept\":{}}"]
    {
        ground.hot.put(&name(), Bytes::from(foreign), 60_000).await.expect("put");
        assert_eq!(heard(&*replica, 10).await, ["1"], "{foreign}");
    }
    say(&*replica, "2").await;
    assert_eq!(heard(&*replica, 10).await, ["1", "2"]);
}

/// Ten thousand appends by two replicas.
pub(super) async fn two_replicas_appending_at_once_lose_nothing(ground: &Ground) {
    const WRITERS: usize = 8;
    const EACH: usize = 1_250;
    let replicas = [ground.replica(), ground.replica()];
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let replica = Arc::clone(&replicas[writer % 2]);
        writers.spawn(async move {
            for number in 0..EACH {
                let text = format!("{writer}/{number:04}");
                say(&*replica, text.clone()).await;
                if number % 50 == 0 {
                    // Others may have said more than the last ones hold.
                    let last = heard(&*replica, WRITERS * EACH).await;
                    assert!(last.contains(&text), "own turn not seen");
                }
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.expect("a writer broke off");
    }
    let kept = heard(&*ground.cold, usize::MAX).await;
    assert_eq!(kept.len(), WRITERS * EACH);
    for writer in 0..WRITERS {
        let prefix = format!("{writer}/");
        let own: Vec<&String> = kept.iter().filter(|text| text.starts_with(&prefix)).collect();
        assert!(own.len() == EACH && own.is_sorted(), "order of one writer lost");
    }
    for replica in replicas {
        assert_eq!(heard(&*replica, 50).await, kept[kept.len() - 50..], "at hand is what is kept");
        assert_eq!(heard(&*replica, 50).await, kept[kept.len() - 50..]);
    }
}

/// Two replicas, many schedules: whoever reads sees all that had been appended before.
pub(super) async fn what_was_appended_is_seen_whatever_the_order_of_steps(ground: &Ground) {
    for round in 0..40_u64 {
        let id: &'static str = Box::leak(format!("round {round}").into_boxed_str());
        let appended = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for task in 0..6_u64 {
            let seed = round * 31 + task;
            let hot =
                Arc::new(Uneven { inner: Arc::clone(&ground.hot), state: AtomicU64::new(seed) });
            let replica = ground.replica_on(Arc::clone(&ground.cold), hot);
            let appended = Arc::clone(&appended);
            tasks.spawn(async move {
                for number in 0..6 {
                    if (task + number) % 3 == 0 {
                        let before = appended.load(Ordering::SeqCst);
                        let seen = replica.recent(&id.into(), 50).await.expect("read").len();
                        assert!(seen >= before, "{id}: {seen} turns seen after {before}");
                    } else {
                        let said = vec![turn(format!("{task}/{number}"))];
                        replica.append(conversation(id), said).await.expect("appended");
                        appended.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.expect("runs");
        }
        let texts = |turns: Vec<StoredMessage>| -> Vec<String> {
            turns.into_iter().map(|turn| turn.content).collect()
        };
        let kept = texts(ground.cold.recent(&id.into(), 50).await.expect("read"));
        let at_hand = texts(ground.replica().recent(&id.into(), 50).await.expect("read"));
        assert_eq!(at_hand, kept, "{id}");
    }
}

/// A hot store whose steps take unevenly long.
struct Uneven {
    inner: Arc<dyn Hot>,
    state: AtomicU64,
}

impl Uneven {
    async fn pause(&self) {
        let drawn = self.state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (drawn ^ (drawn >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        for _ in 0..(mixed >> 61) {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Hot for Uneven {
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.pause().await;
        let found = self.inner.get(key).await;
        self.pause().await;
        found
    }

    async fn put(&self, key: &str, value: Bytes, ttl_ms: u64) -> Result<()> {
        self.inner.put(key, value, ttl_ms).await
    }

    async fn replace(
        &self,
        key: &str,
        old: Option<&Bytes>,
        new: Option<Bytes>,
        ttl_ms: u64,
    ) -> Result<bool> {
        self.pause().await;
        let done = self.inner.replace(key, old, new, ttl_ms).await;
        self.pause().await;
        done
    }

    async fn remove(&self, key: &str) -> Result<bool> {
        self.inner.remove(key).await
    }

    async fn remove_matching(&self, family: &str, pattern: &Glob) -> Result<u64> {
        self.inner.remove_matching(family, pattern).await
    }

    async fn size(&self, family: &str) -> Result<HotSize> {
        self.inner.size(family).await
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    fn name(&self) -> &'static str {
        "uneven"
    }
}

/// A durable store that stops at its first step, before or after it is done, until it is let go on.
struct Gate {
    inner: Arc<dyn Conversations>,
    is_after: bool,
    reached: watch::Sender<bool>,
    open: Semaphore,
}

impl Gate {
    fn around(inner: &Arc<dyn Conversations>, is_after: bool) -> Arc<Self> {
        let reached = watch::channel(false).0;
        Arc::new(Self { inner: Arc::clone(inner), is_after, reached, open: Semaphore::new(0) })
    }

    async fn reached(&self) {
        self.reached.subscribe().wait_for(|reached| *reached).await.expect("lives");
    }

    async fn stop(&self) {
        self.reached.send_replace(true);
        self.open.acquire().await.expect("lives").forget();
    }

    async fn pass<T>(&self, step: impl Future<Output = T>) -> T {
        if !self.is_after {
            self.stop().await;
        }
        let done = step.await;
        if self.is_after {
            self.stop().await;
        }
        done
    }
}

#[async_trait]
impl Conversations for Gate {
    async fn append(
        &self,
        conversation: ConversationRef,
        turns: Vec<StoredMessage>,
    ) -> Result<u64> {
        self.pass(self.inner.append(conversation, turns)).await
    }

    async fn turns(
        &self,
        id: &ConversationId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredMessage>> {
        self.inner.turns(id, after, limit).await
    }

    async fn heads(&self, query: ConversationQuery) -> Result<Vec<ConversationHead>> {
        self.inner.heads(query).await
    }

    async fn summaries(&self, id: &ConversationId, limit: usize) -> Result<Vec<StoredSummary>> {
        self.inner.summaries(id, limit).await
    }

    async fn recent(&self, id: &ConversationId, limit: usize) -> Result<Vec<StoredMessage>> {
        self.pass(self.inner.recent(id, limit)).await
    }

    async fn summary(&self, id: &ConversationId) -> Result<Option<StoredSummary>> {
        self.pass(self.inner.summary(id)).await
    }

    async fn put_summary(&self, conversation: ConversationRef, body: Value) -> Result<u32> {
        self.pass(self.inner.put_summary(conversation, body)).await
    }

    async fn todo(&self, id: &ConversationId) -> Result<Vec<TodoItem>> {
        self.pass(self.inner.todo(id)).await
    }

    async fn put_todo(&self, conversation: ConversationRef, items: Vec<TodoItem>) -> Result<()> {
        self.pass(self.inner.put_todo(conversation, items)).await
    }
}
