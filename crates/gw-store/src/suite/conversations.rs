//! Promises of `Conversations`.

use std::collections::BTreeSet;
use std::sync::Arc;

use gw_core::ConversationId;
use gw_core::chat::{Extra, Message, Part, Role};
use gw_core::record::{StoredMessage, TodoItem, TodoStatus};
use gw_core::seam::Conversations;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{NOW_MS, conversation, turn};

async fn texts(talks: &dyn Conversations, id: &str, limit: usize) -> Vec<String> {
    let turns = talks.recent(&ConversationId::new(id), limit).await.expect("read");
    turns.into_iter().map(|turn| turn.content).collect()
}

pub(super) async fn keeps_every_field_of_a_turn(talks: &dyn Conversations) {
    let message = Message {
        role: Role::Assistant,
        parts: vec![
            Part::Thinking { text: "hm".to_owned(), signature: Some("c2ln".to_owned()) },
            Part::text("done \u{0}"),
            Part::ToolCall {
                id: "call_1".to_owned(),
                name: "look".to_owned(),
                arguments: "{not json".to_owned(),
                cache: None,
            },
        ],
        name: Some("bot".to_owned()),
        extra: Extra::default(),
    };
    let full = StoredMessage {
        role: "assistant".to_owned(),
        content: "done".to_owned(),
        message: Some(message),
        metadata: json!({ "tag": "\u{0}", "n": -1 }).as_object().cloned().unwrap_or_default(),
        created_at_ms: NOW_MS - 5,
    };
    let turns = vec![turn("hello"), full];
    talks.append(conversation("talk"), turns.clone()).await.expect("appended");
    assert_eq!(talks.recent(&"talk".into(), 10).await.expect("read"), turns);
}

pub(super) async fn keeps_any_text(talks: &dyn Conversations) {
    let texts_in = vec![
        String::new(),
        "\u{0}before\u{0}after\u{0}".to_owned(),
        "'; DELETE FROM messages; --".to_owned(),
        "🦀 e\u{301} \u{202e}txet \u{feff}".to_owned(),
        "\r\n\t\u{1b}[31m".to_owned(),
        "long ".repeat(1_000_000),
    ];
    for text in &texts_in {
        talks.append(conversation(text), vec![turn(text.clone())]).await.expect("appended");
        assert_eq!(texts(talks, text, 2).await, std::slice::from_ref(text));
    }
}

pub(super) async fn gives_the_last_turns_oldest_first(talks: &dyn Conversations) {
    assert!(texts(talks, "talk", 5).await.is_empty());
    talks.append(conversation("talk"), Vec::new()).await.expect("appended nothing");
    assert!(texts(talks, "talk", 5).await.is_empty());
    talks.append(conversation("talk"), vec![turn("1"), turn("2")]).await.expect("appended");
    // The order of adding decides, not what the turns say about their time.
    let early = StoredMessage { created_at_ms: 0, ..turn("3") };
    talks.append(conversation("talk"), vec![early]).await.expect("appended");
    assert_eq!(texts(talks, "talk", usize::MAX).await, ["1", "2", "3"]);
    assert_eq!(texts(talks, "talk", 3).await, ["1", "2", "3"]);
    assert_eq!(texts(talks, "talk", 2).await, ["2", "3"]);
    assert!(texts(talks, "talk", 0).await.is_empty());
}

/// JSON parsers stop at some depth, and a turn that cannot be parsed must not hide its conversation.
pub(super) async fn deep_nesting_costs_no_text(talks: &dyn Conversations) {
    let deep = (0..400).fold(Value::Null, |inner, _| json!([inner]));
    let mut nested = turn("nested");
    nested.metadata.insert("deep".to_owned(), deep.clone());
    talks.append(conversation("talk"), vec![turn("1"), nested]).await.expect("appended");
    assert_eq!(texts(talks, "talk", 9).await, ["1", "nested"]);
    if talks.put_summary(conversation("talk"), deep.clone()).await.is_ok() {
        let kept = talks.summary(&"talk".into()).await.expect("read").expect("there");
        assert_eq!(kept.body, deep);
    } else {
        assert_eq!(talks.summary(&"talk".into()).await.expect("read"), None);
    }
}

pub(super) async fn keeps_conversations_apart(talks: &dyn Conversations) {
    for id in ["a", "A", "a ", "a\u{0}", "a\u{0}b", "%", "_", ""] {
        talks.append(conversation(id), vec![turn(id)]).await.expect("appended");
        talks.put_summary(conversation(id), json!(id)).await.expect("stored");
    }
    for id in ["a", "A", "a ", "a\u{0}", "a\u{0}b", "%", "_", ""] {
        assert_eq!(texts(talks, id, 9).await, [id]);
        let summary = talks.summary(&id.into()).await.expect("read").expect("there");
        assert_eq!((summary.version, summary.body), (1, json!(id)));
    }
}

pub(super) async fn counts_summary_versions(talks: &dyn Conversations) {
    let id = ConversationId::new("talk");
    assert_eq!(talks.summary(&id).await.expect("read"), None);
    let bodies = [json!("plain text"), json!({ "goal": "\u{0}", "n": 1 }), json!(null), json!([1])];
    for (version, body) in (1..).zip(bodies) {
        let stored = talks.put_summary(conversation("talk"), body.clone()).await.expect("stored");
        assert_eq!(stored, version);
        let newest = talks.summary(&id).await.expect("read").expect("there");
        assert_eq!((newest.version, newest.body), (version, body));
        assert!(newest.created_at_ms >= NOW_MS);
    }
}

pub(super) async fn replaces_the_todo_list(talks: &dyn Conversations) {
    let id = ConversationId::new("talk");
    assert_eq!(talks.todo(&id).await.expect("read"), []);
    let item = |id, status| TodoItem {
        id,
        title: format!("step {id}"),
        description: "with \"care\" \u{0}".to_owned(),
        status,
    };
    let lists = [
        vec![item(1, TodoStatus::Completed), item(2, TodoStatus::InProgress)],
        vec![item(3, TodoStatus::NotStarted)],
        Vec::new(),
    ];
    for list in lists {
        talks.put_todo(conversation("talk"), list.clone()).await.expect("stored");
        assert_eq!(talks.todo(&id).await.expect("read"), list);
    }
}

pub(super) async fn concurrent_appends_lose_nothing<S: Conversations>(talks: Arc<S>) {
    const WRITERS: usize = 16;
    const EACH: usize = 20;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let talks = Arc::clone(&talks);
        writers.spawn(async move {
            for number in 0..EACH {
                let pair = ["a", "b"].map(|half| turn(format!("{writer}/{number:03}{half}")));
                talks.append(conversation("talk"), pair.into()).await.expect("appended");
                let seen = texts(&*talks, "talk", usize::MAX).await;
                assert!(seen.contains(&format!("{writer}/{number:03}b")), "own write not seen");
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.expect("a writer broke off");
    }
    let kept = texts(&*talks, "talk", usize::MAX).await;
    assert_eq!(kept.len(), WRITERS * EACH * 2);
    for pair in kept.chunks(2) {
        assert_eq!(pair[0].trim_end_matches('a'), pair[1].trim_end_matches('b'), "torn append");
    }
    for writer in 0..WRITERS {
        let prefix = format!("{writer}/");
        let own: Vec<&String> = kept.iter().filter(|text| text.starts_with(&prefix)).collect();
        assert!(own.is_sorted(), "order of one writer lost");
        assert_eq!(own.len(), EACH * 2);
    }
}

pub(super) async fn concurrent_summaries_get_versions_of_their_own<S: Conversations>(
    talks: Arc<S>,
) {
    const WRITERS: u32 = 32;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let talks = Arc::clone(&talks);
        writers.spawn(async move {
            talks.put_summary(conversation("talk"), json!(writer)).await.expect("stored")
        });
    }
    let versions: BTreeSet<u32> = writers.join_all().await.into_iter().collect();
    assert_eq!(versions, (1..=WRITERS).collect());
    let newest = talks.summary(&"talk".into()).await.expect("read").expect("there");
    assert_eq!(newest.version, WRITERS);
}
