//! Promises of `Conversations`.

use std::collections::BTreeSet;
use std::sync::Arc;

use gw_core::chat::{Extra, Message, Part, Role};
use gw_core::limits::SUMMARY_VERSIONS_KEPT;
use gw_core::record::{
    ConversationQuery, ConversationRef, DataCursor, StoredMessage, Subject, TodoItem, TodoStatus,
};
use gw_core::seam::{CallLog, Conversations, PersonalData};
use gw_core::{ConversationId, Scope, ScopeKind};
use serde_json::{Map, Value, json};
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
        place: 0,
    };
    let turns = vec![turn("hello"), full];
    talks.append(conversation("talk"), turns.clone()).await.expect("appended");
    let mut kept = talks.recent(&"talk".into(), 10).await.expect("read");
    kept.iter_mut().for_each(|turn| turn.place = 0);
    assert_eq!(kept, turns);
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

pub(super) async fn keeps_a_bounded_number_of_versions(talks: &dyn Conversations) {
    let id = ConversationId::new("talk");
    let last = u32::try_from(SUMMARY_VERSIONS_KEPT).expect("few") + 5;
    for version in 1..=last {
        talks.put_summary(conversation("talk"), json!(version)).await.expect("stored");
    }
    let kept = talks.summaries(&id, usize::MAX).await.expect("read");
    let versions: Vec<u32> = kept.iter().map(|summary| summary.version).collect();
    assert_eq!(versions, (6..=last).rev().collect::<Vec<_>>());
    assert_eq!(talks.summaries(&id, 2).await.expect("read").len(), 2);
}

pub(super) async fn gives_turns_after_a_place(talks: &dyn Conversations) {
    let id = ConversationId::new("talk");
    for number in 0..7 {
        talks.append(conversation("other"), vec![turn("x")]).await.expect("appended");
        let told = talks.append(conversation("talk"), vec![turn(number.to_string())]).await;
        let last = talks.recent(&id, 1).await.expect("read").remove(0);
        assert!(last.place > 0 && [0, last.place].contains(&told.expect("appended")));
    }
    let all = talks.turns(&id, 0, usize::MAX).await.expect("read");
    assert!(all.is_sorted_by_key(|turn| turn.place));
    assert_eq!(all, talks.recent(&id, usize::MAX).await.expect("read"));
    let some = talks.turns(&id, all[2].place, 3).await.expect("read");
    assert_eq!(some, all[3..6]);
    assert!(talks.turns(&id, all[6].place, 3).await.expect("read").is_empty());
}

pub(super) async fn lists_heads(talks: &dyn Conversations) {
    let of = |id: &str, user: Option<&str>, owner: Option<&str>| ConversationRef {
        user_id: user.map(str::to_owned),
        owner: owner.map(str::to_owned),
        ..conversation(id)
    };
    talks.append(of("a", Some("ann"), Some("k1")), vec![turn("1"), turn("2")]).await.expect("kept");
    talks.put_summary(of("a", Some("bob"), Some("k2")), json!({})).await.expect("kept");
    talks.append(of("b", None, Some("k2")), vec![turn("1")]).await.expect("kept");
    let heads = async |query: ConversationQuery| talks.heads(query).await.expect("read");
    let all = ConversationQuery { limit: 10, with_counts: true, ..ConversationQuery::default() };
    assert_eq!(heads(all.clone()).await.len(), 2);
    let of_ann = heads(ConversationQuery { user_id: Some("ann".to_owned()), ..all.clone() }).await;
    assert_eq!(of_ann.len(), 1);
    assert_eq!((of_ann[0].messages, of_ann[0].summary_version), (2, 1));
    assert_eq!(of_ann[0].conversation, of("a", Some("ann"), Some("k1")), "the first owner stays");
    let of_key = heads(ConversationQuery { owner: Some("k2".to_owned()), ..all.clone() }).await;
    assert_eq!(of_key[0].conversation.id, ConversationId::new("b"));
    let named = heads(ConversationQuery { id: Some("a".into()), ..all.clone() }).await;
    assert_eq!(named.len(), 1);
    assert!(heads(ConversationQuery { before_ms: Some(0), ..all }).await.is_empty());
}

pub(super) async fn forgets_and_shows<S>(store: &S)
where
    S: Conversations + CallLog + PersonalData,
{
    let of = |id: &str, user: &str| ConversationRef {
        user_id: Some(user.to_owned()),
        ..conversation(id)
    };
    for (number, (id, user)) in (1_u64..).zip([("a", "ann"), ("b", "ann"), ("c", "bob")]) {
        store.append(of(id, user), vec![turn("secret word")]).await.expect("kept");
        store.put_summary(of(id, user), json!({"facts": ["secret"]})).await.expect("kept");
        store.put_todo(of(id, user), Vec::new()).await.expect("kept");
        let mut call = super::call(number);
        call.conversation_id = Some(id.into());
        call.user_id = Some(user.to_owned());
        call.scopes = vec![Scope::new(ScopeKind::User, user), Scope::new(ScopeKind::Key, "k")];
        call.metadata.insert("tags".to_owned(), json!("secret"));
        store.record(call).await.expect("kept");
    }
    let shown = everything(store, &Subject::User("ann".to_owned())).await;
    for table in ["conversations", "messages", "context_summaries", "todo_lists", "llm_calls"] {
        let rows = shown.iter().filter(|(name, _)| *name == table).count();
        assert_eq!(rows, 2, "{table}");
    }
    let gone = store.forget(&Subject::Conversation("a".into())).await.expect("forgotten");
    assert!(gone.contains(&("messages", 1)) && gone.contains(&("llm_calls", 1)), "{gone:?}");
    assert!(texts(store, "a", 9).await.is_empty());
    assert_eq!(texts(store, "b", 9).await.len(), 1);
    store.forget(&Subject::User("ann".to_owned())).await.expect("forgotten");
    assert!(everything(store, &Subject::User("ann".to_owned())).await.is_empty());
    assert!(texts(store, "b", 9).await.is_empty());
    assert_eq!(texts(store, "c", 9).await.len(), 1, "somebody else's stays");
    let calls = store.recent_calls(9).await.expect("read");
    assert_eq!(calls.len(), 3, "what was paid stays");
    let theirs: Vec<_> = calls.iter().filter(|it| it.user_id.as_deref() != Some("bob")).collect();
    assert_eq!(theirs.len(), 2);
    for call in theirs {
        assert!(call.conversation_id.is_none() && call.metadata.is_empty(), "{call:?}");
        assert_eq!(call.scopes, [Scope::new(ScopeKind::Key, "k")]);
        assert!(call.user_id.as_ref().is_none_or(|user| user.starts_with("forgotten-")));
    }
    assert!(store.forget(&Subject::User("nobody".to_owned())).await.expect("fine").is_empty());
}

async fn everything(
    store: &impl PersonalData,
    subject: &Subject,
) -> Vec<(&'static str, Map<String, Value>)> {
    let mut rows = Vec::new();
    let mut next = Some(DataCursor::default());
    while let Some(from) = next {
        let page = store.gather(subject, from).await.expect("gathered");
        rows.extend(page.rows);
        next = page.next;
    }
    rows
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
