//! Limits hold over all replicas; what is refused takes nothing.

use gw_core::Kind;
use gw_core::budget::LimitKind;

use super::{Durable, OnLoss, RedisServer, limit, replicas};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_a_minute_are_counted_over_all_replicas() {
    let redis = RedisServer::start();
    let durable = Durable::with(&[], &[limit("l", "t", LimitKind::RequestsPerMinute, 500)]);
    let all = replicas(&redis.url(), &durable, &OnLoss::default()).await;
    let mut tasks = Vec::new();
    for replica in &all {
        for _ in 0..400 {
            let replica = replica.clone();
            tasks.push(tokio::spawn(async move {
                let reserved = replica.reserve("t", 0, 0).await;
                match reserved {
                    Ok(reservation) => {
                        replica.settle(&reservation, 0, 0);
                        true
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), Kind::RateLimited, "{error}");
                        assert!(error.retry_after_ms().is_some_and(|ms| ms <= 61_000), "{error:?}");
                        false
                    }
                }
            }));
        }
    }
    let mut accepted = 0;
    for task in tasks {
        accepted += u32::from(task.await.expect("no panic"));
    }
    assert_eq!(accepted, 500);
    assert_eq!(all[0].budgets.all_limits()[0].remaining, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_and_dollars_of_a_minute_are_corrected_by_what_was_used() {
    let redis = RedisServer::start();
    let limits = [
        limit("d", "t", LimitKind::DollarsPerMinute, 5_000),
        limit("t", "t", LimitKind::TokensPerMinute, 1_000),
    ];
    let durable = Durable::with(&[], &limits);
    let all = replicas(&redis.url(), &durable, &OnLoss::default()).await;
    let first = all[0].reserve("t", 10, 900).await.expect("room");
    assert!(all[1].reserve("t", 10, 101).await.is_err());
    all[0].settle(&first, 10, 300);
    let second = all[1].reserve("t", 10, 700).await.expect("the rest of the tokens");
    assert!(all[2].reserve("t", 10, 1).await.is_err());
    // A call that was refused or given up took nothing.
    drop(second);
    let third = all[2].reserve("t", 4_990, 700).await.expect("as if nothing had been asked");
    assert!(all[0].reserve("t", 1, 0).await.is_err());
    drop(third);
    let never = all[0].reserve("t", 0, 1_001).await.expect_err("too large for ever");
    assert_eq!(never.retry_after_ms(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_at_one_time_are_counted_over_all_replicas() {
    let redis = RedisServer::start();
    let durable = Durable::with(&[], &[limit("l", "t", LimitKind::Concurrent, 30)]);
    let all = replicas(&redis.url(), &durable, &OnLoss::default()).await;
    for _ in 0..3 {
        let mut running = Vec::new();
        for call in 0..40 {
            if let Ok(reservation) = all[call % 3].reserve("t", 0, 0).await {
                running.push(reservation);
            }
        }
        assert_eq!(running.len(), 30);
        for (at, call) in running.iter().enumerate() {
            if at % 2 == 0 {
                call.settle(gw_core::Money::ZERO, 0);
            }
        }
    }
}

/// It made the caller's task panic: the time of the newest own second was taken where there is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_only_others_used_up_is_shown_without_a_fault() {
    let redis = RedisServer::start();
    let durable = Durable::with(&[], &[limit("l", "t", LimitKind::RequestsPerMinute, 1)]);
    let all = replicas(&redis.url(), &durable, &OnLoss::default()).await;
    let held = all[0].reserve("t", 0, 0).await.expect("room");
    assert!(all[1].reserve("t", 0, 0).await.is_err());
    for status in all[1].budgets.all_limits() {
        assert!(status.remaining == 0 && status.reset_ms <= 62_000, "{status:?}");
    }
    drop(held);
}
