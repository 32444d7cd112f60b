//! Turns that are remembered, with the real store. Time is not paused: the store's writer is a thread.

use gw_core::ConversationId;
use gw_core::chat::{ChatRequest, Message, Part, Role};
use gw_core::record::ConversationRef;
use gw_core::seam::Conversations;
use gw_engine::{CallContext, Inbound, Recall};
use serde_json::{Value, json};

use crate::fixture::{World, bare, hear, streamed, world, world_with};
use crate::wire::{answer, good_stream, refusal, whole};

fn conversation() -> ConversationRef {
    ConversationRef {
        id: ConversationId::from("c-1"),
        user_id: None,
        project_id: None,
        owner: None,
    }
}

fn turn_of(messages: Vec<Message>) -> Inbound {
    let request = ChatRequest { model: "solo".into(), messages, ..ChatRequest::default() };
    let context = CallContext {
        conversation: Some(conversation()),
        recall: Recall::History,
        ..CallContext::default()
    };
    bare(request, context)
}

fn turn(text: &str) -> Inbound {
    turn_of(vec![Message::text(Role::User, text)])
}

/// Roles and texts of the last request.
fn sent(world: &World) -> Vec<(String, String)> {
    let body = world.script.seen().last().expect("was asked").json();
    let messages = body["messages"].as_array().expect("are there").clone();
    messages
        .into_iter()
        .map(|message| {
            let content = match &message["content"] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (message["role"].as_str().expect("is text").to_owned(), content)
        })
        .collect()
}

fn said(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(role, text)| ((*role).to_owned(), (*text).to_owned())).collect()
}

#[tokio::test]
async fn the_second_turn_sees_the_first() {
    let world = world();
    world.script.on("alpha", whole("Ann, noted.")).on("alpha", whole("Ann."));
    world.reply(turn("I am Ann.")).await;
    world.reply(turn("Who am I?")).await;
    let expected = [("user", "I am Ann."), ("assistant", "Ann, noted."), ("user", "Who am I?")];
    assert_eq!(sent(&world), said(&expected));
    let kept = world.store.recent(&conversation().id, 10).await.expect("answers");
    let kept: Vec<(String, String)> =
        kept.into_iter().map(|turn| (turn.role, turn.content)).collect();
    let all = [&expected[..], &[("assistant", "Ann.")]].concat();
    assert_eq!(kept, said(&all));
    let records = world.records().await;
    assert_eq!(records[0].conversation_id, Some(conversation().id));
}

#[tokio::test]
async fn streamed_turns_are_remembered_before_the_last_frame() {
    let world = world();
    world.script.on("alpha", good_stream(&["Hel", "lo"])).on("alpha", whole("fine"));
    let mut first = turn("Hi.");
    first.request.stream = true;
    let heard = hear(streamed(world.engine.run(first).await.expect("answers"))).await;
    assert_eq!(heard.ends, 1);
    world.reply(turn("Again.")).await;
    assert_eq!(sent(&world), said(&[("user", "Hi."), ("assistant", "Hello"), ("user", "Again.")]));
}

#[tokio::test]
async fn the_summary_stands_before_the_turns_and_after_the_instructions() {
    let world = world();
    world.script.on("alpha", whole("one")).on("alpha", whole("two"));
    world.reply(turn("First.")).await;
    world.store.put_summary(conversation(), json!({"goal": "greet"})).await.expect("is kept");
    let instructions = Message::text(Role::System, "Be brief.");
    world.reply(turn_of(vec![instructions, Message::text(Role::User, "Second.")])).await;
    let summary = "Summary of the conversation so far:\n**Goal:** greet";
    let sent = sent(&world);
    assert_eq!(sent[0], ("system".to_owned(), "Be brief.".to_owned()));
    assert_eq!(sent[1], ("system".to_owned(), summary.to_owned()));
    assert_eq!(sent[2..], said(&[("user", "First."), ("assistant", "one"), ("user", "Second.")]));
    let kept = world.store.recent(&conversation().id, 10).await.expect("answers");
    assert_eq!(kept.len(), 4, "instructions are not part of the conversation");
}

#[tokio::test]
async fn only_so_many_turns_are_recalled() {
    let world = world_with(|setup| {
        setup.options.context.compression.strategy = gw_context::Strategy::LastN;
    });
    for n in 0..8 {
        world.script.on("alpha", whole(&format!("answer {n}")));
        world.reply(turn(&format!("question {n}"))).await;
    }
    let sent = sent(&world);
    assert_eq!(sent.len(), 11, "ten and the new one");
    assert_eq!(sent[0].1, "question 2");
    assert_eq!(sent[10].1, "question 7");
}

#[tokio::test]
async fn tool_turns_are_remembered_whole_and_in_order() {
    let world = world();
    let call = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": null,
            "tool_calls": [{"id": "t1", "type": "function",
                "function": {"name": "look", "arguments": "{\"at\": 1}"}}]}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10},
    });
    world.script.on("alpha", answer(200, &call)).on("alpha", whole("42")).on("alpha", whole("yes"));
    world.reply(turn("Look.")).await;
    let result = Part::ToolResult {
        call_id: "t1".into(),
        parts: vec![Part::text("it says 42")],
        is_error: false,
        cache: None,
    };
    let result = Message { parts: vec![result], ..Message::text(Role::User, "") };
    world.reply(turn_of(vec![result])).await;
    world.reply(turn("Sure?")).await;
    let body = world.script.seen().last().expect("was asked").json();
    let roles: Vec<&str> = body["messages"]
        .as_array()
        .expect("are there")
        .iter()
        .map(|message| message["role"].as_str().expect("is text"))
        .collect();
    assert_eq!(roles, ["user", "assistant", "tool", "assistant", "user"]);
    assert_eq!(body["messages"][1]["tool_calls"][0]["id"], "t1");
    assert_eq!(body["messages"][2]["tool_call_id"], "t1");
}

#[tokio::test]
async fn a_failed_turn_is_not_remembered() {
    let world = world();
    world.script.on("alpha", refusal(400, "no")).on("alpha", whole("fine"));
    world.failure(turn("Bad.")).await;
    world.reply(turn("Good.")).await;
    assert_eq!(sent(&world), said(&[("user", "Good.")]));
}

#[tokio::test]
async fn an_answer_without_a_word_is_not_sent_back() {
    let world = world();
    world.script.on("alpha", whole("")).on("alpha", whole("fine"));
    world.reply(turn("Hm?")).await;
    world.reply(turn("Again.")).await;
    assert_eq!(sent(&world), said(&[("user", "Hm?"), ("user", "Again.")]));
}

#[tokio::test]
async fn a_client_that_sends_its_history_itself_gets_no_other() {
    let world = world();
    world.script.on("alpha", whole("one")).on("alpha", whole("two"));
    world.reply(turn("First.")).await;
    let mut own = turn("Second.");
    own.context.recall = Recall::Nothing;
    world.reply(own).await;
    assert_eq!(sent(&world), said(&[("user", "Second.")]));
    assert_eq!(world.store.recent(&conversation().id, 10).await.expect("answers").len(), 2);
}
