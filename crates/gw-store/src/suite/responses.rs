//! Promises of `Responses`.

use gw_core::limits::{RESPONSE_THREAD_MAX, STORED_RESPONSES_KEPT_MS};
use gw_core::record::StoredResponse;
use gw_core::seam::Responses;
use serde_json::json;

use super::NOW_MS;

fn response(id: &str, previous: Option<&str>) -> StoredResponse {
    StoredResponse {
        id: id.to_owned(),
        owner: "key-1".to_owned(),
        previous_id: previous.map(str::to_owned),
        input: vec![json!({"type": "message", "role": "user", "content": format!("to {id}")})],
        response: json!({"id": id, "output": []}),
        created_at_ms: NOW_MS,
    }
}

async fn ids(store: &dyn Responses, owner: &str, id: &str, turns_max: usize) -> Vec<String> {
    let thread = store.response_thread(owner, id, turns_max).await.expect("read");
    thread.into_iter().map(|response| response.id).collect()
}

pub(super) async fn keeps_every_field(store: &dyn Responses) {
    let full = StoredResponse {
        previous_id: Some("resp_0".to_owned()),
        input: vec![json!({"deep": [[[null, 1.5, "\u{0}🦀"]]]}), json!("text")],
        response: json!({"id": "resp_1", "output": [{"type": "message"}], "usage": {"a": 1}}),
        ..response("resp_1", None)
    };
    store.keep_response(full.clone()).await.expect("kept");
    assert_eq!(store.response_thread("key-1", "resp_1", 9).await.expect("read"), [full]);
    assert!(store.response_thread("key-1", "resp_2", 9).await.expect("read").is_empty());
}

pub(super) async fn gives_a_thread_oldest_first(store: &dyn Responses) {
    for (id, previous) in [("a", None), ("b", Some("a")), ("c", Some("b")), ("b2", Some("a"))] {
        store.keep_response(response(id, previous)).await.expect("kept");
    }
    assert_eq!(ids(store, "key-1", "c", RESPONSE_THREAD_MAX).await, ["a", "b", "c"]);
    assert_eq!(ids(store, "key-1", "b2", RESPONSE_THREAD_MAX).await, ["a", "b2"]);
    assert_eq!(ids(store, "key-1", "c", 2).await, ["b", "c"]);
    assert_eq!(ids(store, "key-1", "c", 1).await, ["c"]);
}

pub(super) async fn keeps_owners_apart(store: &dyn Responses) {
    let other = StoredResponse { owner: "key-2".to_owned(), ..response("a", None) };
    store.keep_response(response("a", None)).await.expect("kept");
    store.keep_response(StoredResponse { input: Vec::new(), ..other }).await.expect("kept");
    assert!(ids(store, "", "a", 9).await.is_empty());
    let mine = store.response_thread("key-1", "a", 9).await.expect("read");
    assert_eq!(mine, [response("a", None)]);
    assert!(store.forget_response("key-2", "a").await.expect("removed"));
    assert_eq!(ids(store, "key-1", "a", 9).await, ["a"]);
}

pub(super) async fn replaces_and_forgets(store: &dyn Responses) {
    store.keep_response(response("a", None)).await.expect("kept");
    let newer = StoredResponse { response: json!({"id": "a", "n": 2}), ..response("a", None) };
    store.keep_response(newer.clone()).await.expect("kept");
    assert_eq!(store.response_thread("key-1", "a", 9).await.expect("read"), [newer]);
    assert!(store.forget_response("key-1", "a").await.expect("removed"));
    assert!(!store.forget_response("key-1", "a").await.expect("nothing to remove"));
    assert!(ids(store, "key-1", "a", 9).await.is_empty());
}

pub(super) async fn finds_the_response_of_an_item(store: &dyn Responses) {
    let given = |id: &str, item: &str| StoredResponse {
        response: json!({"id": id, "output": [{"id": item, "type": "message"}, {"type": "x"}]}),
        ..response(id, None)
    };
    store.keep_response(given("a", "msg_1")).await.expect("kept");
    store.keep_response(given("b", "msg_2")).await.expect("kept");
    let of = async |owner: &str, item: &str| {
        let found = store.response_of_item(owner, item).await.expect("read");
        found.map(|response| response.id)
    };
    assert_eq!(of("key-1", "msg_1").await.as_deref(), Some("a"));
    assert_eq!(of("key-1", "msg_2").await.as_deref(), Some("b"));
    assert_eq!(of("key-2", "msg_1").await, None);
    assert!(store.forget_response("key-1", "a").await.expect("removed"));
    assert_eq!(of("key-1", "msg_1").await, None);
}

pub(super) async fn a_thread_that_bites_its_tail_ends(store: &dyn Responses) {
    store.keep_response(response("a", Some("b"))).await.expect("kept");
    store.keep_response(response("b", Some("a"))).await.expect("kept");
    let found = ids(store, "key-1", "b", 5).await;
    assert!(found.len() <= 5, "{found:?}");
}

pub(super) async fn removes_what_is_too_old(store: &dyn Responses) {
    store.keep_response(response("old", None)).await.expect("kept");
    let late = NOW_MS + STORED_RESPONSES_KEPT_MS + 1;
    let newer = StoredResponse { created_at_ms: late, ..response("new", Some("old")) };
    store.keep_response(newer).await.expect("kept");
    assert_eq!(ids(store, "key-1", "new", 9).await, ["new"]);
}
