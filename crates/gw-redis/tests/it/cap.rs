//! Caps hold at every instant, and nothing that fits is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use gw_core::Kind;
use gw_core::budget::Window;

use super::{Durable, OnLoss, RedisServer, Replica, USD, budget, replicas};

#[derive(Default)]
struct Seen {
    held: AtomicI64,
    most: AtomicI64,
    served: AtomicU64,
}

impl Seen {
    fn hold(&self, amount: i64) {
        let now = self.held.fetch_add(amount, Ordering::SeqCst) + amount;
        self.most.fetch_max(now, Ordering::SeqCst);
        self.served.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_a_replica_share_one_cap_to_the_last_call() {
    let redis = RedisServer::start();
    // Far above what a Lua number holds exactly.
    let cap = 1_000_000 * USD;
    let durable = Durable::with(&[budget("b", "t", cap)], &[]);
    let cost = cap / 1_700;
    let all = replicas(&redis.url(), &durable, &OnLoss::default()).await;
    let seen = Arc::new(Seen::default());
    let mut tasks = Vec::new();
    for replica in &all {
        for call in 0..1_000_u64 {
            let (replica, seen) = (replica.clone(), seen.clone());
            tasks.push(tokio::spawn(async move {
                match replica.reserve("t", cost, 10).await {
                    Ok(reservation) => {
                        seen.hold(cost);
                        for _ in 0..call % 5 {
                            tokio::task::yield_now().await;
                        }
                        replica.settle(&reservation, cost, 10);
                    }
                    Err(error) => assert_eq!(error.kind(), Kind::BudgetExhausted, "{error}"),
                }
            }));
        }
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    assert_eq!(seen.served.load(Ordering::SeqCst), 1_700, "every call that fits, and no other");
    assert!(seen.most.load(Ordering::SeqCst) <= cap);
    for replica in &all {
        replica.until((i128::from(cost) * 1_700, 0)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_held_too_much_serves_the_next_and_all_comes_back() {
    let redis = RedisServer::start();
    let cap = 100_000;
    let mut sliding = budget("b2", "t", cap);
    sliding.window = Window::Sliding(3_600_000);
    let mut day = budget("b1", "t", cap);
    day.window = Window::Day;
    let durable = Durable::with(&[day, sliding], &[]);
    let all = replicas(&redis.url(), &durable, &OnLoss::default()).await;
    let seen = Arc::new(Seen::default());
    let mut tasks = Vec::new();
    // Each holds a thousand and spends a hundred: a thousand of them fit, never more at one time
    // than the cap.
    for replica in &all {
        for _ in 0..8 {
            let (replica, seen) = (replica.clone(), seen.clone());
            tasks.push(tokio::spawn(async move {
                let mut spent = 0;
                loop {
                    let Ok(reservation) = replica.reserve("t", 1_000, 0).await else { break spent };
                    seen.hold(1_000);
                    tokio::task::yield_now().await;
                    seen.held.fetch_sub(900, Ordering::SeqCst);
                    replica.settle(&reservation, 100, 0);
                    spent += 100;
                }
            }));
        }
    }
    let mut spent = 0;
    for task in tasks {
        spent += task.await.expect("no panic");
    }
    assert!(seen.most.load(Ordering::SeqCst) <= cap, "{:?}", seen.most);
    // With all at rest, exactly what is left can be spent, by one replica alone.
    let rest = cap - spent;
    assert!(rest < 24 * 1_000, "refused with {rest} left");
    all[0].until((i128::from(spent), 0)).await;
    let last = all[1].reserve("t", rest, 0).await.expect("the rest fits");
    assert_eq!(
        all[2].reserve("t", 1, 0).await.err().map(|e| e.kind()),
        Some(Kind::BudgetExhausted)
    );
    drop(last);
    for replica in &all {
        replica.until((i128::from(spent), 0)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unused_lease_elsewhere_is_called_back() {
    let redis = RedisServer::start();
    let durable = Durable::with(&[budget("b", "t", 1_000)], &[]);
    let all = replicas(&redis.url(), &durable, &OnLoss::default()).await;
    for replica in &all {
        // Each takes a lease larger than what it uses.
        drop(replica.reserve("t", 10, 0).await.expect("room"));
    }
    let whole = all[2].reserve("t", 1_000, 0).await.expect("nothing is spent");
    let refused = all[0].reserve("t", 1, 0).await.expect_err("all is held");
    assert_eq!(refused.kind(), Kind::BudgetExhausted, "{refused}");
    all[2].settle(&whole, 400, 0);
    assert!(all[0].reserve("t", 601, 0).await.is_err());
    assert!(all[0].reserve("t", 600, 0).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_holds_all_its_accounts_or_none() {
    let redis = RedisServer::start();
    let durable = Durable::with(&[budget("a", "a", 1_000), budget("b", "b", 500)], &[]);
    let all = replicas(&redis.url(), &durable, &OnLoss::default()).await;
    let first = all[0].reserve_all(&["a", "b"], 500).await.expect("room on both");
    assert!(all[1].reserve_all(&["a", "b"], 1).await.is_err());
    // Nothing of the refused call stays on `a`.
    let second = all[2].reserve_all(&["a"], 500).await.expect("room on a");
    assert!(all[0].reserve_all(&["a"], 1).await.is_err());
    drop(first);
    drop(second);
    assert!(all[1].reserve_all(&["b", "a", "b"], 500).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crossing_claims_for_the_last_of_two_accounts_serve_one() {
    let redis = RedisServer::start();
    let durable = Durable::with(&[budget("a", "a", 100), budget("b", "b", 100)], &[]);
    let all = replicas(&redis.url(), &durable, &OnLoss::default()).await;
    for _ in 0..20 {
        let (one, two) = tokio::join!(
            all[0].reserve_all(&["a", "b"], 100),
            all[1].reserve_all(&["b", "a"], 100)
        );
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn extensions_and_late_definitions_count() {
    let redis = RedisServer::start();
    let durable = Durable::with(&[budget("b", "t", 1_000)], &[]);
    let all = replicas(&redis.url(), &durable, &OnLoss::default()).await;
    let call = all[0].reserve("t", 600, 0).await.expect("room");
    assert!(call.extend(Some(gw_core::Money::from_pico(401)), 0).await.is_err());
    call.extend(Some(gw_core::Money::from_pico(400)), 0).await.expect("room for more");
    assert!(all[1].reserve("t", 1, 0).await.is_err());
    // A budget that is laid on the account while the call runs counts it when it ends.
    all[0].budgets.put_budget(budget("c", "t", 2_000)).await.expect("kept");
    all[1].budgets.reload().await.expect("read");
    all[0].settle(&call, 1_000, 0);
    let status = |replica: Arc<Replica>| async move {
        let all = replica.budgets.budgets_now().await;
        all.iter().map(|status| status.spent.number()).collect::<Vec<_>>()
    };
    let mut seen = Vec::new();
    for _ in 0..200 {
        seen = status(all[1].clone()).await;
        if seen == [1_000, 1_000] {
            break;
        }
    }
    assert_eq!(seen, [1_000, 1_000]);
}
