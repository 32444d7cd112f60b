//! Promises of `Hot`.

use std::sync::Arc;

use bytes::Bytes;
use gw_core::glob::Glob;
use gw_core::seam::Hot;
use gw_core::seam::hot::{ANSWERS, SUMMARIES};
use tokio::task::JoinSet;

const LONG_MS: u64 = 3_600_000;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

async fn get(hot: &dyn Hot, key: &str) -> Option<Bytes> {
    hot.get(key).await.expect("answers")
}

pub(super) async fn keeps_and_removes(hot: &dyn Hot) {
    assert_eq!(get(hot, "llm:cache:a").await, None);
    hot.put("llm:cache:a", bytes("1"), LONG_MS).await.expect("put");
    hot.put("llm:cache:a", bytes("2"), LONG_MS).await.expect("put");
    assert_eq!(get(hot, "llm:cache:a").await, Some(bytes("2")));
    assert!(hot.remove("llm:cache:a").await.expect("removed"));
    assert!(!hot.remove("llm:cache:a").await.expect("asked"));
    assert_eq!(get(hot, "llm:cache:a").await, None);
    hot.put("llm:cache:a", bytes("3"), LONG_MS).await.expect("put");
    hot.put("llm:cache:a", bytes("4"), 0).await.expect("put");
    assert_eq!(get(hot, "llm:cache:a").await, None, "kept for no time at all");
}

pub(super) async fn replaces_what_is_expected_only(hot: &dyn Hot) {
    let replace = async |old: Option<&str>, new: Option<&str>| {
        let (old, new) = (old.map(bytes), new.map(bytes));
        hot.replace("k", old.as_ref(), new, LONG_MS).await.expect("answers")
    };
    assert!(!replace(Some("1"), Some("2")).await);
    assert!(!replace(Some(""), Some("2")).await, "nothing is not an empty value");
    assert!(replace(None, Some("")).await);
    assert!(!replace(None, Some("2")).await, "an empty value is not nothing");
    assert!(replace(Some(""), Some("2")).await);
    assert!(!replace(Some("1"), None).await);
    assert_eq!(get(hot, "k").await, Some(bytes("2")));
    assert!(replace(Some("2"), None).await);
    assert_eq!(get(hot, "k").await, None);
    assert!(replace(None, None).await, "nothing stands in place of nothing");
}

pub(super) async fn keeps_any_bytes(hot: &dyn Hot) {
    let all: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    for key in ["k", "größe \u{0} *?[", "a b\r\n"] {
        let value = Bytes::from(all.clone());
        hot.put(key, value.clone(), LONG_MS).await.expect("put");
        assert_eq!(get(hot, key).await.as_ref(), Some(&value), "{key:?}");
        assert!(hot.replace(key, Some(&value), Some(bytes("x")), LONG_MS).await.expect("answers"));
    }
}

pub(super) async fn removes_by_pattern_within_a_family(hot: &dyn Hot) {
    let keys = ["llm:cache:gpt:1", "llm:cache:gpt:2", "llm:cache:claude:1", "conv:summary:gpt:1"];
    for key in keys {
        hot.put(key, bytes("1"), LONG_MS).await.expect("put");
    }
    // Somebody else's, and not to be touched by any pattern.
    hot.put("elsewhere", bytes("1"), LONG_MS).await.expect("put");
    let size = hot.size(ANSWERS).await.expect("answers");
    assert_eq!(size.entries, 3);
    assert!(size.bytes > 0);
    let remove = async |family: &str, pattern: &str| {
        hot.remove_matching(family, &Glob::new(pattern)).await.expect("answers")
    };
    assert_eq!(remove(ANSWERS, "llm:cache:gpt:*").await, 2);
    assert_eq!(remove(ANSWERS, "conv:*").await, 0);
    assert_eq!(get(hot, "llm:cache:claude:1").await, Some(bytes("1")));
    assert_eq!(remove(ANSWERS, "*").await, 1);
    assert_eq!(remove(SUMMARIES, "*").await, 1);
    assert_eq!(get(hot, "elsewhere").await, Some(bytes("1")));
    for at in 0..2_500 {
        hot.put(&format!("llm:cache:{at}"), bytes("1"), LONG_MS).await.expect("put");
    }
    assert_eq!(remove(ANSWERS, "*").await, 2_500);
    assert_eq!(hot.size(ANSWERS).await.expect("answers").entries, 0);
}

pub(super) async fn one_of_many_gets_there_first(hot: Arc<dyn Hot>) {
    let mut tries = JoinSet::new();
    for at in 0..64 {
        let hot = Arc::clone(&hot);
        tries.spawn(async move {
            hot.replace("lock", None, Some(bytes(&at.to_string())), LONG_MS).await.expect("answers")
        });
    }
    let won = tries.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
}
