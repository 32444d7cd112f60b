//! The suite on both forms of the SQLite store, and what only SQLite promises.

mod faults;
mod kill;
mod laws;
mod load;
mod migrations;
mod money;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gw_core::seam::{Clock, Conversations};
use tempfile::TempDir;

use crate::suite;
use crate::{Durability, Store, StoreOptions};

/// A clock that stands still.
struct Still;

impl Clock for Still {
    fn unix_ms(&self) -> i64 {
        suite::NOW_MS
    }

    fn monotonic_ms(&self) -> u64 {
        0
    }
}

fn open(options: StoreOptions) -> gw_core::Result<Store> {
    Store::open(options, Arc::new(Still))
}

fn open_file(path: &Path) -> Store {
    open(StoreOptions::file(path)).expect("opened")
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/er/gateway.db");
    (folder, path)
}

fn raw(path: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(path).expect("opened beside the store")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_passes_the_suite() {
    suite::run(async || Arc::new(open(StoreOptions::memory()).expect("opened"))).await;
    suite::run_jobs(&open(StoreOptions::memory()).expect("opened")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_passes_the_suite() {
    let folder = tempfile::tempdir().expect("a folder");
    let number = std::cell::Cell::new(0);
    suite::run(async || {
        number.set(number.get() + 1);
        Arc::new(open_file(&folder.path().join(format!("{}.db", number.get()))))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn synced_file_with_one_reader_passes_the_suite() {
    let folder = tempfile::tempdir().expect("a folder");
    let number = std::cell::Cell::new(0);
    suite::run(async || {
        number.set(number.get() + 1);
        let options = StoreOptions {
            durability: Durability::Fsync,
            readers: 0,
            ..StoreOptions::file(folder.path().join(format!("{}.db", number.get())))
        };
        Arc::new(open(options).expect("opened"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_responses_pass_the_suite() {
    suite::run_responses(async || Arc::new(open(StoreOptions::memory()).expect("opened"))).await;
    suite::run_personal(async || Arc::new(open(StoreOptions::memory()).expect("opened"))).await;
    let folder = tempfile::tempdir().expect("a folder");
    let number = std::cell::Cell::new(0);
    suite::run_responses(async || {
        number.set(number.get() + 1);
        Arc::new(open_file(&folder.path().join(format!("{}.db", number.get()))))
    })
    .await;
}

#[tokio::test]
async fn colon_memory_makes_no_file() {
    let store = open(StoreOptions::file(":memory:")).expect("opened");
    assert_eq!(store.path(), None);
    store.append(suite::conversation("talk"), vec![suite::turn("1")]).await.expect("appended");
    assert_eq!(store.recent(&"talk".into(), 9).await.expect("read").len(), 1);
    assert!(!Path::new(":memory:").exists());
}

#[tokio::test]
async fn first_known_owner_of_a_conversation_stays() {
    let (_folder, path) = folder();
    let store = open_file(&path);
    for user in [None, Some("ada"), Some("bob")] {
        let mut talk = suite::conversation("talk");
        talk.user_id = user.map(str::to_owned);
        store.append(talk, vec![suite::turn("1")]).await.expect("appended");
    }
    let owner: Option<String> = raw(&path)
        .query_one("SELECT user_id FROM conversations", [], |row| row.get(0))
        .expect("read");
    assert_eq!(owner.as_deref(), Some("ada"));
}

#[cfg(unix)]
#[tokio::test]
async fn file_and_log_are_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = folder();
    let store = open_file(&path);
    store.append(suite::conversation("talk"), vec![suite::turn("1")]).await.expect("appended");
    for ending in ["", "-wal", "-shm"] {
        let file = PathBuf::from(format!("{}{ending}", path.display()));
        let rights = file.metadata().expect("there").permissions().mode();
        assert_eq!(rights & 0o777, 0o600, "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_changes_of_others_count_as_foreign() {
    use gw_core::seam::StoreHealth as _;

    let (_folder, path) = folder();
    let store = open_file(&path);
    let before = store.foreign_changes().await.expect("seen");
    let conversation = suite::conversation("own");
    store.append(conversation.clone(), vec![suite::turn("hi")]).await.expect("kept");
    store.flush().await.expect("flushed");
    assert_eq!(store.foreign_changes().await.expect("seen"), before, "its own write");
    let other = open_file(&path);
    other.append(conversation, vec![suite::turn("ho")]).await.expect("kept");
    let after = store.foreign_changes().await.expect("seen");
    assert_ne!(after, before, "another's write");
    assert_eq!(store.foreign_changes().await.expect("seen"), after);
}
