//! Redis goes away, hangs, forgets: who is open goes on, who is closed is refused in clear words, and
//! nothing is lost.

use gw_core::{Kind, Scope, ScopeKind};

use super::{Durable, OnLoss, RedisServer, Replica, budget, limit, replicas};
use gw_core::budget::LimitKind;
use std::sync::Arc;

fn open_for(team: &str) -> OnLoss {
    let but_scopes = vec![Scope::new(ScopeKind::Team, team)];
    OnLoss { is_open: false, but_kinds: Vec::new(), but_scopes }
}

/// Calls of every replica until Redis is known to be away, then some more: (failed, refused).
async fn calls(all: &[Arc<Replica>], team: &str, count: usize) -> (usize, usize) {
    let (mut served, mut refused) = (0, 0);
    for at in 0..count {
        let replica = &all[at % all.len()];
        match replica.reserve(team, 10, 0).await {
            Ok(reservation) => {
                replica.settle(&reservation, 10, 0);
                served += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), Kind::StoreUnavailable, "{error}");
                assert!(error.retry_after_ms().is_some());
                assert!(error.to_string().contains(&format!("team:{team}")), "{error}");
                refused += 1;
            }
        }
    }
    (served, refused)
}

async fn until_up(all: &[Arc<Replica>], wanted: bool) {
    let waited = tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while all.iter().any(|replica| replica.budgets.is_up() != wanted) {
            tokio::task::yield_now().await;
        }
    });
    assert!(waited.await.is_ok(), "up: {wanted}");
}

async fn goes_on(lose: impl Fn(&mut RedisServer), back: impl Fn(&mut RedisServer)) {
    let mut redis = RedisServer::start();
    let budgets = [budget("b", "open", 100_000), budget("c", "closed", 100_000)];
    let limits = [
        limit("l", "open", LimitKind::RequestsPerMinute, 6_000),
        limit("m", "open", LimitKind::Concurrent, 30),
    ];
    let durable = Durable::with(&budgets, &limits);
    let all = replicas(&redis.url(), &durable, &open_for("open")).await;
    assert_eq!(calls(&all, "open", 60).await, (60, 0));
    assert_eq!(calls(&all, "closed", 60).await, (60, 0));
    all[0].until((600, 0)).await;
    lose(&mut redis);
    until_up(&all, false).await;
    assert_eq!(calls(&all, "open", 3_000).await, (3_000, 0), "open: no call fails");
    let (served, refused) = calls(&all, "closed", 3_000).await;
    assert!(refused > 0, "closed: beyond its lease it is refused, {served} were served");
    back(&mut redis);
    until_up(&all, true).await;
    // All that was spent meanwhile is known to all.
    for replica in &all {
        replica.until((30_600, 0)).await;
    }
    assert_eq!(calls(&all, "closed", 30).await, (30, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_hangs() {
    goes_on(|redis| redis.freeze(), |redis| redis.thaw()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_dies_and_comes_back_empty() {
    goes_on(RedisServer::kill, RedisServer::run).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_comes_back_with_old_data() {
    let mut redis = RedisServer::start();
    let durable = Durable::with(&[budget("b", "t", 1_000)], &[]);
    let all = replicas(&redis.url(), &durable, &OnLoss::default()).await;
    assert_eq!(calls(&all, "t", 30).await, (30, 0));
    all[0].until((300, 0)).await;
    redis.save();
    assert_eq!(calls(&all, "t", 60).await, (60, 0));
    for replica in &all {
        replica.until((900, 0)).await;
    }
    redis.kill();
    redis.run();
    until_up(&all, true).await;
    for replica in &all {
        replica.until((900, 0)).await;
    }
    let last = all[0].reserve("t", 100, 0).await.expect("what is left");
    assert_eq!(
        all[1].reserve("t", 1, 0).await.err().map(|e| e.kind()),
        Some(Kind::BudgetExhausted)
    );
    drop(last);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_in_the_middle_lets_nobody_overspend() {
    let redis = RedisServer::start();
    let durable = Durable::with(&[budget("b", "t", 10_000)], &[]);
    let all = replicas(&redis.url(), &durable, &OnLoss::default()).await;
    assert_eq!(calls(&all, "t", 300).await, (300, 0));
    let held = all[0].reserve("t", 2_000, 0).await.expect("room");
    redis.flush();
    let mut served = 0;
    while let Ok(reservation) = all[1].reserve("t", 10, 0).await {
        all[1].settle(&reservation, 10, 0);
        served += 10;
    }
    assert_eq!(served, 10_000 - 3_000 - 2_000);
    all[0].settle(&held, 2_000, 0);
    all[2].until((10_000, 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_spent_before_redis_knew_is_read_from_the_store() {
    let redis = RedisServer::start();
    let durable = Durable::with(&[budget("b", "t", 1_000)], &[]);
    let before = durable.at("before");
    let scope = [Scope::new(ScopeKind::Team, "t")];
    before.record(&scope, 1_000, gw_core::Money::from_pico(700), 7);
    durable.die("before");
    let all = replicas(&redis.url(), &durable, &OnLoss::default()).await;
    assert!(all[0].reserve("t", 301, 0).await.is_err());
    assert!(all[0].reserve("t", 300, 0).await.is_ok());
    // While the store is away, a counter that Redis never saw is not guessed at.
    all[0].budgets.put_budget(budget("c", "u", 1_000)).await.expect("kept");
    durable.go_away(true);
    let refused = all[0].reserve("u", 1, 0).await.expect_err("closed");
    assert_eq!(refused.kind(), Kind::StoreUnavailable, "{refused}");
    durable.go_away(false);
    let waited = tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while all[0].reserve("u", 1, 0).await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    assert!(waited.await.is_ok());
}
