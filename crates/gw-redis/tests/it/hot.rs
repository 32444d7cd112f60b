//! The hot store on a real Redis, and conversations at hand in it while Redis is emptied, killed and
//! frozen.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use gw_core::Kind;
use gw_core::record::StoredMessage;
use gw_core::seam::{Clock, Conversations, Entropy, Hot};
use gw_redis::RedisHot;
use gw_redis::testbed::RedisServer;
use gw_store::suite::{self, Ground};
use gw_store::{Store, StoreOptions, TwoTier};

/// A clock that a test moves.
#[derive(Default)]
struct Hands(AtomicU64);

impl Hands {
    fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

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
        static DRAWS: AtomicU64 = AtomicU64::new(0);
        let drawn =
            (DRAWS.fetch_add(1, Ordering::SeqCst) ^ self.0.load(Ordering::SeqCst)).to_be_bytes();
        buffer.iter_mut().zip(drawn.iter().rev().cycle()).for_each(|(to, from)| *to = *from);
    }
}

fn hot(server: &RedisServer, prefix: &str, clock: &Arc<Hands>) -> Arc<dyn Hot> {
    let hot = RedisHot::open(&server.url(), prefix, Arc::<Hands>::clone(clock));
    Arc::new(hot.expect("an address"))
}

fn cold(clock: &Arc<Hands>) -> Arc<dyn Conversations> {
    Arc::new(Store::open(StoreOptions::memory(), Arc::<Hands>::clone(clock)).expect("opened"))
}

fn replica(cold: &Arc<dyn Conversations>, hot: Arc<dyn Hot>, clock: &Arc<Hands>) -> Arc<TwoTier> {
    let entropy = Arc::new(Counter(AtomicU64::new(0)));
    Arc::new(TwoTier::new(Arc::clone(cold), hot, Arc::<Hands>::clone(clock), entropy))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_a_hot_store() {
    let server = RedisServer::start();
    let clock = Arc::new(Hands::default());
    for prefix in ["", "gw[1]*:"] {
        suite::run_hot(async || {
            server.flush();
            hot(&server, prefix, &clock)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prefixes_keep_gateways_apart() {
    let server = RedisServer::start();
    let clock = Arc::new(Hands::default());
    let (one, other) = (hot(&server, "one:", &clock), hot(&server, "", &clock));
    one.put("llm:cache:a", Bytes::from_static(b"1"), 60_000).await.expect("put");
    assert_eq!(other.get("llm:cache:a").await.expect("answers"), None);
    let all = gw_core::glob::Glob::new("*");
    assert_eq!(other.remove_matching("llm:cache:", &all).await.expect("answers"), 0);
    assert_eq!(one.remove_matching("llm:cache:", &all).await.expect("answers"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conversations_at_hand_in_redis_keep_their_promises() {
    let server = RedisServer::start();
    let clock = Arc::new(Hands::default());
    suite::run_conversations(async || {
        server.flush();
        replica(&cold(&clock), hot(&server, "", &clock), &clock)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conversations_at_hand_in_redis_survive_faults() {
    let server = RedisServer::start();
    let clock = Arc::new(Hands::default());
    let fresh = async || {
        server.flush();
        Ground {
            cold: cold(&clock),
            hot: hot(&server, "", &clock),
            clock: Arc::<Hands>::clone(&clock),
        }
    };
    suite::run_tiers(fresh, async || server.flush()).await;
}

async fn say(talks: &TwoTier, text: &str) {
    talks.append(suite::conversation("talk"), vec![suite::turn(text)]).await.expect("appended");
}

async fn heard(talks: &TwoTier) -> Vec<String> {
    let turns = talks.recent(&"talk".into(), 10).await.expect("read");
    turns.into_iter().map(|turn: StoredMessage| turn.content).collect()
}

/// Redis comes back with what it held before the outage, which lacks what was said meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_that_comes_back_with_old_entries_is_not_believed() {
    let mut server = RedisServer::start();
    let clock = Arc::new(Hands::default());
    let cold = cold(&clock);
    let one = replica(&cold, hot(&server, "", &clock), &clock);
    let other = replica(&cold, hot(&server, "", &clock), &clock);
    say(&one, "1").await;
    assert_eq!(heard(&other).await, ["1"]);
    server.save();
    server.kill();
    say(&one, "2").await;
    assert_eq!(heard(&one).await, ["1", "2"]);
    assert_eq!(heard(&other).await, ["1", "2"]);
    assert!(!one.tidy().await, "nothing can be removed yet");
    server.run();
    assert_eq!(heard(&other).await, ["1", "2"], "what came back is old");
    // Redis is asked again, and what the change went past is removed.
    let mut is_tidy = false;
    for _ in 0..200 {
        clock.advance(1_001);
        is_tidy = one.tidy().await;
        if is_tidy {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(is_tidy);
    clock.advance(60_000);
    for replica in [&one, &other] {
        assert_eq!(heard(replica).await, ["1", "2"]);
    }
    say(&other, "3").await;
    for replica in [&one, &other, &one] {
        assert_eq!(heard(replica).await, ["1", "2", "3"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_that_hangs_is_left_alone_for_a_moment() {
    let server = RedisServer::start();
    let clock = Arc::new(Hands::default());
    let store = hot(&server, "", &clock);
    store.put("k", Bytes::from_static(b"1"), 60_000).await.expect("put");
    server.freeze();
    let began = tokio::time::Instant::now();
    for _ in 0..50 {
        let error = store.get("k").await.expect_err("hangs");
        assert_eq!(error.kind(), Kind::StoreUnavailable);
    }
    assert!(began.elapsed().as_secs() < 5, "one wait for all: {:?}", began.elapsed());
    server.thaw();
    clock.advance(1_001);
    let mut found = None;
    for _ in 0..100 {
        found = store.get("k").await.ok().flatten();
        if found.is_some() {
            break;
        }
        clock.advance(1_001);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(found, Some(Bytes::from_static(b"1")));
}
