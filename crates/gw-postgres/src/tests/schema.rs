//! What is refused untouched, and what PostgreSQL alone could trip over.

use gw_core::record::CallRecord;
use gw_core::seam::{CallLog, StoreHealth, UsageReports};
use gw_core::{Kind, Scope, ScopeKind};
use gw_store::suite::call;

use super::Bed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_schema_is_refused() {
    let bed = Bed::shared().await;
    drop(bed.open().await);
    let client = bed.database.connect().await;
    let newer = "INSERT INTO gateway.schema_migrations VALUES (99, 'later', 0)";
    client.batch_execute(newer).await.expect("written");
    let error = bed.open_with(bed.options()).await.expect_err("refused");
    assert_eq!(error.kind(), Kind::StoreUnavailable);
    assert!(error.message().contains("newer"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_programs_schema_is_refused_and_an_empty_one_taken() {
    let bed = Bed::shared().await;
    let client = bed.database.connect().await;
    let foreign = "CREATE SCHEMA gateway; CREATE TABLE gateway.mine (id int)";
    client.batch_execute(foreign).await.expect("made");
    let error = bed.open_with(bed.options()).await.expect_err("refused");
    assert!(error.message().contains("another program"), "{error}");
    client.batch_execute("DROP TABLE gateway.mine").await.expect("dropped");
    bed.open().await.check().await.expect("alive");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_programs_tables_in_public_are_left_alone() {
    let bed = Bed::shared().await;
    let client = bed.database.connect().await;
    client
        .batch_execute("CREATE TABLE conversations (id int); CREATE TABLE llm_calls (id int)")
        .await
        .expect("made");
    let store = bed.open().await;
    store.record(call(1)).await.expect("recorded");
    assert_eq!(store.recent_calls(9).await.expect("listed"), [call(1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_too_long_for_an_index_cost_no_record() {
    let bed = Bed::shared().await;
    let store = bed.open().await;
    let long = "ü\0".repeat(20_000);
    let record = CallRecord {
        user_id: Some(long.clone()),
        project_id: Some(long.clone()),
        conversation_id: Some(long.clone().into()),
        scopes: vec![
            Scope::new(ScopeKind::Tag, long.as_str()),
            Scope::new(ScopeKind::User, long.as_str()),
        ],
        ..call(1)
    };
    store.record(record.clone()).await.expect("recorded");
    assert_eq!(store.call(record.id).await.expect("asked"), Some(record));
    let stats = store.conversation_stats(&long.into()).await.expect("asked").expect("known");
    assert_eq!(stats.calls.calls, 1);
}
