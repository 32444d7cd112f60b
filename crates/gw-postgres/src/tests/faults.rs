//! Outages: what is open stays open, nothing is lost, nothing counts twice.

use std::time::Duration;

use gw_core::Kind;
use gw_core::record::CallRecord;
use gw_core::seam::{Budgets, CallLog, Clock, Conversations, Keys, StoreHealth, UsageReports};
use gw_store::suite::{call_id, conversation, turn};
use serde_json::json;
use tokio::task::JoinSet;

use super::{Bed, check_sums, recovered, spent, team};
use crate::{JournalOptions, PostgresOptions};

/// Calls begun every 300 ms of the store's clock: ten minutes of load.
const CALLS: u64 = 2_000;
const BETWEEN_MS: i64 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_minutes_without_postgres_lose_no_usage() {
    let bed = Bed::alone().await;
    let store = bed.open().await;
    for number in 0..10 {
        store.record(spent(number)).await.expect("recorded");
    }
    bed.database.server.stop();
    let began_ms = bed.clock.unix_ms();
    for number in 10..10 + CALLS {
        bed.clock.advance(BETWEEN_MS);
        let record = CallRecord {
            started_at_ms: bed.clock.unix_ms(),
            conversation_id: Some("talk".into()),
            ..spent(number)
        };
        store.record(record).await.expect("open");
        if number % 100 == 0 {
            let text = number.to_string();
            store.append(conversation("talk"), vec![turn(text)]).await.expect("open");
        }
    }
    assert_eq!(bed.clock.unix_ms() - began_ms, 600_000);
    store.flush().await.expect("what is journaled is kept");
    let closed = [
        store.recent_calls(1).await.expect_err("closed").kind(),
        store.call(call_id(1)).await.expect_err("closed").kind(),
        store.check().await.expect_err("closed").kind(),
        store.keys().await.expect_err("closed").kind(),
        store.lifetime_spending(&team()).await.expect_err("closed").kind(),
        store.put_summary(conversation("talk"), json!(1)).await.expect_err("closed").kind(),
        store.touch_key("k", 1).await.expect_err("closed").kind(),
    ];
    assert!(closed.iter().all(|kind| *kind == Kind::StoreUnavailable), "{closed:?}");
    assert!(store.journaled() >= CALLS);
    store.ready().await.expect("calls can still be kept");

    bed.database.server.resume_after_stop();
    recovered(&store).await;
    check_sums(&store, 10 + CALLS).await;
    let slots = store.spending(&team(), began_ms).await.expect("asked");
    assert_eq!(slots.iter().map(|slot| slot.calls).sum::<u64>(), 10 + CALLS);
    assert!(slots.len() >= 2, "calls count in the slots in which they began");
    let turns = store.recent(&"talk".into(), usize::MAX).await.expect("read");
    let texts: Vec<u64> = turns.iter().map(|turn| turn.content.parse().expect("ours")).collect();
    assert!(texts.is_sorted() && texts.len() == 20, "{texts:?}");
    store.record(spent(9_999)).await.expect("recorded");
    assert_eq!(store.journaled(), 0, "goes to the database again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn halted_server_is_not_waited_for_and_counts_nothing_twice() {
    let bed = Bed::alone().await;
    let options = PostgresOptions { slow_ms: 300, statement_timeout_ms: 3_000, ..bed.options() };
    let store = bed.open_with(options).await.expect("opened");
    let mut number = 0;
    for _ in 0..4 {
        // Halted in the middle of commits: some of them happen and nobody hears of it.
        let mut writers = JoinSet::new();
        for _ in 0..40 {
            let (store, record) = (store.clone(), spent(number));
            number += 1;
            writers.spawn(async move { store.record(record).await.expect("open") });
            if number % 40 == 20 {
                tokio::task::yield_now().await;
                bed.database.server.halt();
            }
        }
        writers.join_all().await;
        let began = tokio::time::Instant::now();
        for _ in 0..20 {
            store.record(spent(number)).await.expect("open");
            number += 1;
        }
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        bed.database.server.go_on();
        recovered(&store).await;
        check_sums(&store, number).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_held_sends_records_to_the_journal_and_back() {
    let bed = Bed::shared().await;
    let options = PostgresOptions { slow_ms: 200, ..bed.options() };
    let store = bed.open_with(options).await.expect("opened");
    store.record(spent(0)).await.expect("recorded");
    let other = bed.database.connect().await;
    other.batch_execute("BEGIN; LOCK TABLE gateway.spending").await.expect("locked");
    for number in 1..30 {
        store.record(spent(number)).await.expect("open");
    }
    assert!(store.journaled() > 0);
    assert_eq!(store.keys().await.expect("reads of other tables go on").len(), 0);
    other.batch_execute("COMMIT").await.expect("let go");
    recovered(&store).await;
    check_sums(&store, 30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_journal_refuses_and_says_why() {
    let bed = Bed::alone().await;
    let journal = JournalOptions { bytes_max: 4_000, ..bed.options().journal };
    let store = bed.open_with(PostgresOptions { journal, ..bed.options() }).await.expect("opened");
    bed.database.server.stop();
    let mut kept = 0;
    let error = loop {
        match store.record(spent(kept)).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 100);
    };
    assert!(kept > 0);
    assert_eq!(error.kind(), Kind::StoreUnavailable);
    assert!(error.message().contains("full"), "{error}");
    assert!(store.ready().await.is_err());
    bed.database.server.resume_after_stop();
    recovered(&store).await;
    check_sums(&store, kept).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_is_named() {
    let bed = Bed::shared().await;
    let open = async |url: &str| {
        let options = PostgresOptions { url: url.into(), ..bed.options() };
        bed.open_with(options).await.expect_err("refused")
    };
    let error = open("postgres://me:secret@127.0.0.1:1/db").await;
    assert_eq!(error.kind(), Kind::StoreUnavailable);
    let text = format!("{error} {error:?}");
    assert!(text.contains("127.0.0.1:1/db") && !text.contains("secret"), "{text}");
    for bad in ["mysql://x", "postgres://h:port/db", "postgres://h/db?sslmode=never", "h"] {
        assert_eq!(open(bad).await.kind(), Kind::NotConfigured, "{bad}");
    }
    let missing = bed.database.url.replace("/t", "/no_t");
    assert!(open(&missing).await.message().contains("no such database"));
}
