//! The suites on the hot store in memory, in front of SQLite, and how it keeps within its bounds.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use gw_core::seam::{Clock, Conversations, Entropy, Hot};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::TwoTier;
use crate::suite::{self, Ground};
use crate::{LastingHot, MemoryHot, Store, StoreOptions};

/// A clock that a test moves.
#[derive(Default)]
struct Hands(AtomicU64);

impl Clock for Hands {
    fn unix_ms(&self) -> i64 {
        suite::NOW_MS
    }

    fn monotonic_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        let drawn = self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        buffer.iter_mut().zip(drawn.iter().rev().cycle()).for_each(|(to, from)| *to = *from);
    }
}

fn memory(clock: &Arc<Hands>) -> Arc<MemoryHot> {
    Arc::new(MemoryHot::new(Arc::<Hands>::clone(clock), 64 << 20))
}

fn cold(clock: &Arc<Hands>) -> Arc<Store> {
    Arc::new(Store::open(StoreOptions::memory(), Arc::<Hands>::clone(clock)).expect("opened"))
}

#[tokio::test]
async fn memory_is_a_hot_store() {
    let clock = Arc::new(Hands::default());
    suite::run_hot(async || memory(&clock) as Arc<dyn Hot>).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conversations_at_hand_keep_their_promises() {
    let clock = Arc::new(Hands::default());
    suite::run_conversations(async || {
        let entropy = Arc::new(Counter(AtomicU64::new(0)));
        let clock = Arc::clone(&clock);
        Arc::new(TwoTier::new(cold(&clock), memory(&clock), clock, entropy))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conversations_at_hand_survive_faults() {
    let clock = Arc::new(Hands::default());
    let last: RefCell<Option<Arc<MemoryHot>>> = RefCell::default();
    let fresh = async || {
        let hot = memory(&clock);
        last.replace(Some(Arc::clone(&hot)));
        let clock = Arc::clone(&clock);
        Ground { cold: cold(&clock) as Arc<dyn Conversations>, hot, clock }
    };
    let flush = async || last.borrow().iter().for_each(|hot| hot.clear());
    suite::run_tiers(fresh, flush).await;
}

fn lasting(clock: &Arc<Hands>, path: &std::path::Path) -> LastingHot {
    let memory = MemoryHot::new(Arc::<Hands>::clone(clock), 64 << 20);
    let file = Store::open(StoreOptions::file(path), Arc::<Hands>::clone(clock)).expect("opened");
    LastingHot::new(memory, file, Arc::<Hands>::clone(clock), 40_000)
}

#[tokio::test]
async fn memory_before_a_file_is_a_hot_store() {
    let clock = Arc::new(Hands::default());
    suite::run_hot(async || {
        let memory = MemoryHot::new(Arc::<Hands>::clone(&clock), 64 << 20);
        let file = (*cold(&clock)).clone();
        let clock = Arc::<Hands>::clone(&clock);
        Arc::new(LastingHot::new(memory, file, clock, 1 << 30)) as Arc<dyn Hot>
    })
    .await;
}

#[tokio::test]
async fn answers_outlive_the_process_within_their_bound() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gateway.sqlite");
    let clock = Arc::new(Hands::default());
    let hot = lasting(&clock, &path);
    hot.put("llm:cache:a", Bytes::from_static(b"1"), 60_000).await.expect("put");
    hot.put("llm:cache:short", Bytes::from_static(b"1"), 1).await.expect("put");
    hot.put("conv:summary:a", Bytes::from_static(b"1"), 60_000).await.expect("put");
    drop(hot);
    let hot = lasting(&clock, &path);
    let found = hot.get("llm:cache:a").await.expect("answers");
    assert_eq!(found, Some(Bytes::from_static(b"1")));
    let of_conversation = hot.get("conv:summary:a").await.expect("answers");
    assert_eq!(of_conversation, None, "the durable store has it");
    let large = Bytes::from(vec![7; 1_000]);
    for at in 0..200 {
        hot.put(&format!("llm:cache:{at}"), large.clone(), 60_000).await.expect("put");
    }
    drop(hot);
    let size = lasting(&clock, &path).size("llm:cache:").await.expect("answers");
    assert!(size.bytes <= 42_000 && size.entries > 0, "{size:?}");
}

#[tokio::test]
async fn entries_run_out() {
    let clock = Arc::new(Hands::default());
    let hot = memory(&clock);
    hot.put("k", Bytes::from_static(b"v"), 1_000).await.expect("put");
    clock.0.store(999, Ordering::SeqCst);
    assert!(hot.get("k").await.expect("answers").is_some());
    clock.0.store(1_000, Ordering::SeqCst);
    assert_eq!(hot.get("k").await.expect("answers"), None);
    assert_eq!(hot.bytes(), 0, "what ran out takes no room once it was met");
    assert!(hot.replace("k", None, Some(Bytes::new()), 1_000).await.expect("answers"));
}

#[tokio::test]
async fn what_was_used_longest_ago_goes_first() {
    let clock = Arc::new(Hands::default());
    let hot = MemoryHot::new(clock, 3 * 1_200);
    let value = Bytes::from(vec![0; 1_000]);
    for key in ["a", "b", "c"] {
        hot.put(key, value.clone(), 1_000).await.expect("put");
    }
    hot.get("a").await.expect("answers");
    hot.put("d", value.clone(), 1_000).await.expect("put");
    let mut there = Vec::new();
    for key in ["a", "b", "c", "d"] {
        there.push(hot.get(key).await.expect("answers").is_some());
    }
    assert_eq!(there, [true, false, true, true]);
    hot.put("huge", Bytes::from(vec![0; 4_000]), 1_000).await.expect("put");
    assert!(hot.get("huge").await.expect("answers").is_none(), "does not drive the others out");
    assert!(hot.get("d").await.expect("answers").is_some());
}

proptest! {
    /// Whatever is done, the bound holds, the sum of bytes is right, and what is found was put.
    #[test]
    fn the_bound_holds(steps in proptest::collection::vec(any::<(u8, u16, u8)>(), 0..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let clock = Arc::new(Hands::default());
        let hot = MemoryHot::new(Arc::<Hands>::clone(&clock), 20_000);
        for (key, size, what) in steps {
            let name = format!("k{}", key % 16);
            let value = Bytes::from(vec![key; usize::from(size % 8_000)]);
            match what % 4 {
                0 | 1 => runtime.block_on(hot.put(&name, value, u64::from(size))).expect("put"),
                2 => drop(runtime.block_on(hot.remove(&name))),
                _ => {
                    clock.0.fetch_add(u64::from(size / 8), Ordering::SeqCst);
                    let found = runtime.block_on(hot.get(&name)).expect("answers");
                    let is_own = |bytes: Bytes| bytes.iter().all(|byte| byte % 16 == key % 16);
                    prop_assert!(found.is_none_or(is_own));
                }
            }
            prop_assert!(hot.bytes() <= 20_000);
        }
        hot.clear();
        prop_assert_eq!(hot.bytes(), 0);
    }
}
