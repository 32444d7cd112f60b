//! From empty, again, and from versions and files that are not ours.

use gw_core::record::UsageQuery;
use gw_core::seam::{Budgets, CallLog, Conversations, UsageReports};
use gw_core::{Kind, Money, Scope, ScopeKind};

use super::{folder, open, open_file, raw};
use crate::StoreOptions;
use crate::suite;

#[tokio::test]
async fn empty_file_gets_the_seed_tables_and_keeps_its_data() {
    let (_folder, path) = folder();
    for round in 1..=3_u64 {
        let store = open_file(&path);
        store.record(suite::call(round)).await.expect("recorded");
        store.append(suite::conversation("talk"), vec![suite::turn("1")]).await.expect("appended");
        let kept = store.recent_calls(9).await.expect("listed").len();
        assert_eq!(kept, usize::try_from(round).expect("small"));
        drop(store);
    }
    let connection = raw(&path);
    let applied: Vec<(i64, String, i64)> = connection
        .prepare("SELECT version, name, applied_at FROM schema_migrations")
        .expect("prepared")
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .expect("asked")
        .collect::<Result<_, _>>()
        .expect("read");
    let wanted = [
        (1, "init"),
        (2, "money"),
        (3, "savings"),
        (4, "responses"),
        (5, "jobs"),
        (6, "context"),
        (7, "response_cache"),
        (8, "outcomes"),
        (9, "batches"),
        (11, "summed"),
    ];
    assert_eq!(applied, wanted.map(|(at, name)| (at, name.to_owned(), suite::NOW_MS)));
    for sql in [
        "SELECT id, user_id, project_id, created_at, updated_at, metadata FROM conversations",
        "SELECT id, conversation_id, role, content, metadata, created_at FROM messages",
        "SELECT id, conversation_id, summary, version, created_at, metadata FROM context_summaries",
        "SELECT id, conversation_id, model_id, layer, input_tokens, output_tokens, estimated_cost,
                duration_ms, success, created_at, metadata FROM llm_calls",
        "SELECT conversation_id, todo_data, created_at, updated_at FROM todo_lists",
    ] {
        assert!(connection.prepare(sql).is_ok(), "{sql}");
    }
    let found: String =
        connection.query_one("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
    assert_eq!(found, "ok");
}

#[test]
fn closing_folds_the_log_into_the_database() {
    let (_folder, path) = folder();
    drop(open_file(&path));
    let beside: Vec<_> = std::fs::read_dir(path.parent().expect("a folder"))
        .expect("listed")
        .map(|entry| entry.expect("read").file_name())
        .collect();
    assert_eq!(beside, ["gateway.db"]);
}

#[test]
fn newer_database_is_refused_untouched() {
    let (_folder, path) = folder();
    drop(open_file(&path));
    raw(&path)
        .execute("INSERT INTO schema_migrations VALUES (99, 'from_the_future', 0)", [])
        .expect("inserted");
    let before = std::fs::read(&path).expect("read");
    let error = open(StoreOptions::file(&path)).expect_err("refused");
    assert_eq!(error.kind(), Kind::StoreUnavailable);
    assert!(error.message().contains("newer gateway"), "{error}");
    assert!(error.message().contains("99"), "{error}");
    assert_eq!(std::fs::read(&path).expect("read"), before);
}

#[test]
fn database_of_another_program_is_refused_untouched() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("other.db");
    raw(&path).execute_batch("CREATE TABLE conversations (id INTEGER)").expect("made");
    let before = std::fs::read(&path).expect("read");
    let error = open(StoreOptions::file(&path)).expect_err("refused");
    assert_eq!(error.kind(), Kind::StoreUnavailable);
    assert!(error.message().contains("another program"), "{error}");
    assert_eq!(std::fs::read(&path).expect("read"), before);
}

#[test]
fn failed_migration_leaves_nothing_behind() {
    let mut connection = rusqlite::Connection::open_in_memory().expect("opened");
    connection.pragma_update(None, "max_page_count", 6).expect("set");
    let place = super::super::fault::Place::memory();
    let error = super::super::migrate::migrate(&mut connection, &place, 0).expect_err("no room");
    assert_eq!(error.kind(), Kind::StoreUnavailable);
    let objects: i64 = connection
        .query_one("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .expect("counted");
    assert_eq!(objects, 0);
    connection.pragma_update(None, "max_page_count", 1_000_000).expect("set");
    super::super::migrate::migrate(&mut connection, &place, 0).expect("migrated");
}

#[test]
fn two_stores_open_one_new_file_at_once() {
    let (_folder, path) = folder();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| drop(open_file(&path)));
        }
    });
    let versions: i64 = raw(&path)
        .query_one("SELECT count(*) FROM schema_migrations", [], |row| row.get(0))
        .expect("counted");
    assert_eq!(versions, 10);
}

/// A file of the first version, with calls in it: their sums are made when it is opened.
#[tokio::test]
async fn calls_of_the_first_version_get_their_sums() {
    let (_folder, path) = folder();
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    let connection = raw(&path);
    connection
        .execute_batch(include_str!("../../../migrations/sqlite/0001_init.sql"))
        .expect("made");
    connection
        .execute_batch(
            "CREATE TABLE schema_migrations (
                 version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL
             ) STRICT;
             INSERT INTO schema_migrations VALUES (1, 'init', 0);
             PRAGMA application_id = 1095321431;",
        )
        .expect("marked");
    for (number, pico) in [(1, "5"), (2, "9223372036854775807"), (3, "NULL")] {
        let key = if number == 3 { "'k'" } else { "NULL" };
        connection
            .execute_batch(&format!(
                "INSERT INTO llm_calls (
                     id, model_id, input_tokens, output_tokens, duration_ms, success, created_at,
                     cost_pico, cost_state, cached, demo, stream, project_id, key_id, door, provider,
                     model, requested_model, task, complexity, status, route_reason, usage, attempts
                 ) VALUES (
                     '01900000-0000-7000-8000-00000000000{number}', 'acme/m', 3, 4, 1, 1, -1, {pico},
                     'catalogue', 0, 0, 0, 'p', {key}, 'd', 'acme', 'm', 'm', 'general', 'low', 'ok',
                     '', '{{}}', '[]'
                 )"
            ))
            .expect("inserted");
    }
    drop(connection);
    let store = open_file(&path);
    let sums = store.usage(UsageQuery::default()).await.expect("asked");
    assert_eq!((sums[0].calls, sums[0].unpriced_calls, sums[0].input_tokens), (3, 1, 9));
    // Absurd sums stand near the end of the range rather than fail.
    assert!(sums[0].cost >= Money::from_pico(9_000_000_000_000_000_000));
    let project = Scope::new(ScopeKind::Project, "p");
    let spent = store.lifetime_spending(&project).await.expect("asked");
    assert_eq!((spent.tokens, spent.calls), (21, 3));
    let key = Scope::new(ScopeKind::Key, "k");
    let slots = store.spending(&key, -1).await.expect("asked");
    assert_eq!((slots.len(), slots[0].slot_ms, slots[0].tokens), (1, -300_000, 7));
    assert_eq!(store.recent_calls(9).await.expect("listed").len(), 3);
}
