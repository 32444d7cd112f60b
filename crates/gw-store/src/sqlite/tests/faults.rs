//! Files that cannot be used, and faults while the store runs: one clear error, and on it goes.

use std::path::Path;
use std::sync::Arc;

use gw_core::seam::{CallLog, Conversations, StoreHealth};
use gw_core::{Error, Kind};
use rusqlite::{Connection, OpenFlags};

use super::{Still, folder, open, open_file, raw};
use crate::suite::{call, conversation, turn};
use crate::{Store, StoreOptions};

fn check(error: &Error, path: &Path, word: &str) {
    assert_eq!(error.kind(), Kind::StoreUnavailable);
    assert!(error.message().contains(word), "{error}");
    let hint = error.hint().expect("a hint");
    assert!(hint.contains(&path.display().to_string()), "{hint}");
}

#[test]
fn garbage_is_not_a_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gateway.db");
    let garbage = "this is a letter, not a database. ".repeat(1_000);
    std::fs::write(&path, &garbage).expect("written");
    check(&open(StoreOptions::file(&path)).expect_err("refused"), &path, "damaged");
    assert_eq!(std::fs::read_to_string(&path).expect("read"), garbage);
}

#[test]
fn folder_in_the_file_s_place_cannot_be_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = open(StoreOptions::file(folder.path())).expect_err("refused");
    check(&error, folder.path(), "cannot be opened");
}

#[test]
fn file_in_the_folder_s_place_cannot_be_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("file"), "x").expect("written");
    let path = folder.path().join("file/gateway.db");
    check(&open(StoreOptions::file(&path)).expect_err("refused"), &path, "cannot be opened");
    assert!(open(StoreOptions::file("")).is_err());
}

/// A store whose writer may only read. Rights of files do not hold back root, so it is made here.
#[tokio::test]
async fn read_only_file_refuses_writes_and_still_reads() {
    let (_folder, path) = folder();
    let first = open_file(&path);
    first.record(call(1)).await.expect("recorded");
    let connection =
        Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("opened");
    let place = super::super::fault::Place::file(&path);
    let store = Store::assemble(connection, None, 1, place, Arc::new(Still)).expect("assembled");
    check(&store.record(call(2)).await.expect_err("refused"), &path, "may not be written");
    check(&store.check().await.expect_err("not alive"), &path, "may not be written");
    assert_eq!(store.recent_calls(9).await.expect("listed"), [call(1)]);
}

#[tokio::test]
async fn lock_of_another_program_is_an_error_while_it_lasts() {
    let (_folder, path) = folder();
    let store =
        open(StoreOptions { busy_timeout_ms: 0, ..StoreOptions::file(&path) }).expect("opened");
    let other = raw(&path);
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let (one, two) = tokio::join!(store.record(call(1)), store.record(call(2)));
    check(&one.expect_err("locked out"), &path, "another program");
    check(&two.expect_err("locked out"), &path, "another program");
    check(&store.check().await.expect_err("locked out"), &path, "another program");
    assert_eq!(store.recent_calls(9).await.expect("reads go on"), []);
    other.execute_batch("ROLLBACK").expect("unlocked");
    store.check().await.expect("alive again");
    store.record(call(3)).await.expect("recorded");
    assert_eq!(store.recent_calls(9).await.expect("listed"), [call(3)]);
}

#[tokio::test]
async fn bad_write_harms_no_neighbour() {
    let (_folder, path) = folder();
    let store = open_file(&path);
    raw(&path)
        .execute_batch(
            "CREATE TRIGGER poison BEFORE INSERT ON messages WHEN new.content = 'poison'
             BEGIN SELECT raise(ABORT, 'poisoned'); END",
        )
        .expect("made");
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..100 {
        let store = store.clone();
        writers.spawn(async move {
            let text = if number % 10 == 0 { "poison".to_owned() } else { format!("{number:02}") };
            let both = vec![turn("before"), turn(text)];
            (number, store.append(conversation(&format!("{number}")), both).await)
        });
    }
    for (number, result) in writers.join_all().await {
        let kept = store.recent(&format!("{number}").into(), 9).await.expect("read").len();
        let expected = if number % 10 == 0 { (false, 0) } else { (true, 2) };
        assert_eq!((result.is_ok(), kept), expected, "{number}");
    }
}

#[tokio::test]
async fn full_disk_is_an_error_until_there_is_room() {
    let (_folder, path) = folder();
    drop(open_file(&path));
    let connection = Connection::open(&path).expect("opened");
    connection.pragma_update(None, "max_page_count", 60).expect("set");
    let place = super::super::fault::Place::file(&path);
    let store = Store::assemble(connection, None, 1, place, Arc::new(Still)).expect("assembled");
    let large = || vec![turn("x".repeat(1_000_000))];
    store.append(conversation("small"), vec![turn("1")]).await.expect("appended");
    let (large, small) = tokio::join!(
        store.append(conversation("large"), large()),
        store.append(conversation("small"), vec![turn("2")]),
    );
    check(&large.expect_err("no room"), &path, "no room left");
    small.expect("a small one fits");
    store.append(conversation("small"), vec![turn("3")]).await.expect("appended");
    assert_eq!(store.recent(&"small".into(), 9).await.expect("read").len(), 3);
    assert_eq!(store.recent(&"large".into(), 9).await.expect("read").len(), 0);
    store.check().await.expect("alive");
}

#[tokio::test]
async fn damage_while_running_is_an_error() {
    let (_folder, path) = folder();
    let store = open_file(&path);
    store.append(conversation("talk"), vec![turn("x".repeat(100_000))]).await.expect("appended");
    store.flush().await.expect("flushed");
    drop(store);
    let mut bytes = std::fs::read(&path).expect("read");
    bytes[4_096..].fill(0xa5);
    std::fs::write(&path, bytes).expect("written");
    // The header is whole: the damage is found at opening or at the first use, never by a panic.
    match open(StoreOptions::file(&path)) {
        Err(error) => check(&error, &path, "damaged"),
        Ok(store) => {
            check(&store.recent(&"talk".into(), 9).await.expect_err("damaged"), &path, "damaged");
            check(&store.record(call(1)).await.expect_err("damaged"), &path, "damaged");
        }
    }
}

#[tokio::test]
async fn deleted_file_is_noticed() {
    let (_folder, path) = folder();
    let store = open_file(&path);
    store.check().await.expect("alive");
    std::fs::remove_file(&path).expect("removed");
    let error = store.check().await.expect_err("gone");
    assert_eq!(error.kind(), Kind::StoreUnavailable);
    assert!(error.message().contains("gone"), "{error}");
}

#[tokio::test]
async fn damaged_row_names_no_content() {
    let (_folder, path) = folder();
    let store = open_file(&path);
    store.record(call(1)).await.expect("recorded");
    raw(&path).execute("UPDATE llm_calls SET task = 'secret'", []).expect("changed");
    let error = store.recent_calls(1).await.expect_err("unreadable");
    assert_eq!(error.kind(), Kind::StoreUnavailable);
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn dropping_the_store_writes_what_is_queued() {
    let (_folder, path) = folder();
    let store = open_file(&path);
    for number in 0..50 {
        let mut write = Box::pin(store.record(call(number)));
        // Polled once, the write is in the queue; its waiter then leaves.
        let first =
            std::future::poll_fn(|context| std::task::Poll::Ready(write.as_mut().poll(context)));
        let _ = first.await;
    }
    drop(store);
    assert_eq!(open_file(&path).recent_calls(100).await.expect("listed").len(), 50);
}
