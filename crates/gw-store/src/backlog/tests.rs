use std::path::Path;
use std::sync::Arc;

use gw_core::budget::Spending;
use gw_core::record::CallRecord;
use gw_core::seam::{Budgets, CallLog, Clock};
use gw_core::{Kind, Scope, ScopeKind};

use super::Backlog;
use crate::suite::{self, call};
use crate::{Store, StoreOptions};

struct Still;

impl Clock for Still {
    fn unix_ms(&self) -> i64 {
        suite::NOW_MS
    }
    fn monotonic_ms(&self) -> u64 {
        0
    }
}

fn open(path: &Path) -> (Store, Backlog) {
    let options = StoreOptions { busy_timeout_ms: 0, ..StoreOptions::file(path) };
    let store = Store::open(options, Arc::new(Still)).expect("opened");
    let beside = Backlog::path_beside(path);
    let backlog = Backlog::open(Arc::new(store.clone()), Some(&beside)).expect("opened");
    (store, backlog)
}

fn lock(path: &Path) -> rusqlite::Connection {
    let other = rusqlite::Connection::open(path).expect("opened beside the store");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    other
}

fn account() -> Scope {
    Scope::new(ScopeKind::Key, "key_1")
}

fn paid(number: u64) -> CallRecord {
    CallRecord { scopes: vec![account()], ..call(number) }
}

async fn spent(store: &Store) -> Spending {
    store.lifetime_spending(&account()).await.expect("read")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_locked_store_refuses_is_in_it_afterwards_once_and_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gateway.db");
    let (store, backlog) = open(&path);
    backlog.record(call(1)).await.expect("stored");
    let other = lock(&path);
    backlog.record(call(2)).await.expect("put aside");
    backlog.record(call(3)).await.expect("put aside");
    backlog.record(call(2)).await.expect("put aside again");
    assert_eq!((backlog.len().await, backlog.is_empty()), (3, false));
    assert_eq!(backlog.hand_over().await.expect_err("locked").kind(), Kind::StoreUnavailable);
    other.execute_batch("ROLLBACK").expect("unlocked");
    backlog.hand_over().await.expect("taken");
    assert!(backlog.is_empty());
    let calls = store.recent_calls(9).await.expect("listed");
    assert_eq!(calls.len(), 3);
    assert_eq!(std::fs::metadata(Backlog::path_beside(&path)).expect("there").len(), 0);
    backlog.record(call(4)).await.expect("stored at once");
    assert!(backlog.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_when_the_process_died_is_handed_over_by_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gateway.db");
    {
        let (_store, backlog) = open(&path);
        let _other = lock(&path);
        backlog.record(paid(5)).await.expect("put aside");
    }
    // A record whose line was cut off in the middle.
    let beside = Backlog::path_beside(&path);
    let mut text = std::fs::read_to_string(&beside).expect("there");
    text.push_str("{\"id\":");
    std::fs::write(&beside, text).expect("written");
    let (store, backlog) = open(&path);
    assert_eq!(backlog.len().await, 1);
    assert_eq!(spent(&store).await.calls, 0);
    backlog.hand_over().await.expect("taken");
    assert_eq!(store.recent_calls(9).await.expect("listed"), [paid(5)]);
    assert_eq!(spent(&store).await.calls, 1, "its spending came with it");
}
