//! Long conversations: made short before a call, summarised behind it, told apart by what was said.

use std::sync::Arc;

use gw_context::Summary;
use gw_core::chat::{Message, Role};
use gw_core::principal::Principal;
use gw_core::record::{ConversationRef, StoredMessage};
use gw_core::seam::{Conversations, DialectId};
use gw_core::{ConversationId, Kind};
use gw_engine::{CallContext, Inbound, Recall, Stateless, Summariser};
use serde_json::{Value, json};

use crate::fixture::{Setup, World, bare, hear, inbound, offering, streamed, world, world_with};
use crate::wire::{good_stream, whole};

fn conversation() -> ConversationRef {
    ConversationRef {
        id: ConversationId::from("long"),
        user_id: None,
        project_id: None,
        owner: None,
    }
}

fn turn(text: &str) -> Inbound {
    let messages = vec![Message::text(Role::User, text)];
    let request =
        gw_core::chat::ChatRequest { model: "solo".into(), messages, ..Default::default() };
    let context = CallContext {
        conversation: Some(conversation()),
        recall: Recall::History,
        ..CallContext::default()
    };
    bare(request, context)
}

/// Puts a talk of so many turns into the store; turn 3 holds what must not be lost.
async fn talk(world: &World, turns: usize) {
    let stored = (0..turns).map(|at| StoredMessage {
        role: if at % 2 == 0 { "user" } else { "assistant" }.to_owned(),
        content: match at {
            3 => "We decided to use PostgreSQL 16.2 on port 6380, see src/net/pool.rs.".to_owned(),
            _ => format!("This is turn {at} of a long and quiet talk about the rain outside."),
        },
        message: None,
        metadata: serde_json::Map::new(),
        created_at_ms: 1,
        place: 0,
    });
    world.store.append(conversation(), stored.collect()).await.expect("kept");
}

fn sent(world: &World) -> Vec<Value> {
    let body = world.script.seen().last().expect("was asked").json();
    body["messages"].as_array().expect("are there").clone()
}

async fn newest(world: &World) -> Option<Summary> {
    let stored = world.store.summary(&conversation().id).await.expect("answers");
    stored.map(|stored| Summary::of_value(&stored.body))
}

/// The summary that is made behind the answer.
async fn awaited(world: &World) -> Summary {
    for _ in 0..100_000 {
        if let Some(summary) = newest(world).await {
            return summary;
        }
        tokio::task::yield_now().await;
    }
    panic!("no summary came");
}

#[tokio::test]
async fn fifty_turns_are_sent_and_fifty_one_are_summarised() {
    let world = world();
    talk(&world, 50).await;
    world.script.on("alpha", whole("one")).on("alpha", whole("two")).on("alpha", whole("three"));
    world.reply(turn("Go on.")).await;
    assert_eq!(sent(&world).len(), 51, "all of it and the new turn");
    world.reply(turn("And on.")).await;
    let second = sent(&world);
    assert_eq!(second.len(), 1 + 12 + 1, "40 of 52 turns are in the summary");
    let summary = second[0]["content"].as_str().expect("text");
    for kept in ["PostgreSQL 16.2", "6380", "src/net/pool.rs"] {
        assert!(summary.contains(kept), "{kept}: {summary}");
    }
    world.reply(turn("Still.")).await;
    assert_eq!(sent(&world)[..13], second[..13], "the beginning stays, for the provider's cache");
    world.engine.drain().await;
    let kept = newest(&world).await.expect("kept behind the answer");
    assert_eq!((kept.covered_messages, kept.made_by.as_str()), (40, "extractive"));
    assert!(kept.covers_until > 0 && !kept.last_updated.is_empty());
}

#[tokio::test]
async fn a_model_makes_the_summary_where_that_is_wanted_and_is_billed() {
    let world = world_with(|setup| {
        setup.options.context.summariser = Summariser::Cheapest;
        setup.offerings = vec![offering("alpha", "solo", 1, 2)];
    });
    talk(&world, 60).await;
    let notes = json!({"overview": "About rain and a database.", "facts": ["Rain falls"],
        "decisions": ["PostgreSQL 16.2 it is"]});
    world.script.on("alpha", whole("fine")).on("alpha", whole(&notes.to_string()));
    world.reply(turn("Go on.")).await;
    let kept = awaited(&world).await;
    assert_eq!(kept.overview, "About rain and a database.");
    assert_eq!(kept.made_by, "alpha/solo");
    assert!(kept.to_text().contains("6380"), "what the model forgot is still there");
    let records = world.records().await;
    let own = records.iter().find(|record| record.door == "summarise").expect("is recorded");
    assert!(own.cost.amount_or_zero().pico() > 0);
    assert_eq!(own.conversation_id, Some(conversation().id));
}

#[tokio::test]
async fn a_model_that_fails_leaves_the_summary_to_the_rules() {
    let world = world_with(|setup| {
        setup.options.context.summariser = Summariser::Cheapest;
        setup.offerings = vec![offering("alpha", "solo", 1, 2)];
    });
    talk(&world, 60).await;
    world.script.on("alpha", whole("fine")).on("alpha", whole("I would rather not."));
    world.reply(turn("Go on.")).await;
    assert_eq!(awaited(&world).await.made_by, "extractive");
    assert_eq!(world.script.seen().len(), 2, "a model was asked");
}

#[tokio::test]
async fn a_streamed_turn_moves_the_summary_too() {
    let world = world();
    talk(&world, 60).await;
    world.script.on("alpha", good_stream(&["fi", "ne"]));
    let mut streaming = turn("Go on.");
    streaming.request.stream = true;
    let heard = hear(streamed(world.engine.run(streaming).await.expect("answers"))).await;
    assert_eq!(heard.text, "fine");
    world.engine.drain().await;
    assert!(newest(&world).await.is_some());
}

fn stateless(world: &World, messages: &[(&str, &str)], model: &str) -> Inbound {
    let _ = world;
    let messages: Vec<Value> =
        messages.iter().map(|(role, text)| json!({"role": role, "content": text})).collect();
    inbound(DialectId::OpenAiChat, &json!({"model": model, "messages": messages}))
}

fn grouping(setup: &mut Setup) {
    setup.options.context.groups_stateless = true;
    setup.options.context.keeps_stateless = true;
}

#[tokio::test]
async fn calls_of_one_talk_are_one_conversation_and_nothing_is_kept_twice() {
    let world = world_with(grouping);
    let script = &world.script;
    script.on("alpha", whole("A mathematician.")).on("alpha", whole("1815."));
    script.on("alpha", whole("In 1815.")).on("alpha", whole("A poet."));
    let first = [("system", "Be brief."), ("user", "Who was Ada?")];
    world.reply(stateless(&world, &first, "solo")).await;
    let second = [&first[..], &[("assistant", "A mathematician. "), ("user", "When?")]].concat();
    world.reply(stateless(&world, &second, "solo")).await;
    // The client did not like the answer and asks again.
    world.reply(stateless(&world, &second, "solo")).await;
    world.reply(stateless(&world, &[("user", "Who was Byron?")], "solo")).await;
    world.engine.drain().await;
    let records = world.records().await;
    let ids: Vec<_> = records.iter().map(|record| record.conversation_id.clone()).collect();
    assert!(ids[0].is_some());
    assert_eq!((&ids[0], &ids[0]), (&ids[1], &ids[2]));
    assert_ne!(ids[0], ids[3], "another question is another talk");
    let id = ids[0].clone().expect("named");
    let kept = world.store.recent(&id, 99).await.expect("answers");
    let mut kept: Vec<String> = kept.into_iter().map(|turn| turn.content).collect();
    kept.sort();
    assert_eq!(kept, ["1815.", "A mathematician.", "In 1815.", "When?", "Who was Ada?"]);
}

#[tokio::test]
async fn a_history_that_fits_no_window_is_made_short() {
    let tiny = |setup: &mut Setup| {
        let mut small = offering("alpha", "tiny", 1, 2);
        small.context_window = Some(4_000);
        setup.offerings = vec![small];
    };
    let long: Vec<(&str, String)> = (0..80)
        .map(|at| {
            let role = if at % 2 == 0 { "user" } else { "assistant" };
            (
                role,
                format!("Turn {at}: {}", "the rain falls on the plain and on the hills ".repeat(6)),
            )
        })
        .chain([("user", "And now?".to_owned())])
        .collect();
    let long: Vec<(&str, &str)> = long.iter().map(|(role, text)| (*role, text.as_str())).collect();
    let world = world_with(tiny);
    world.script.on("alpha", whole("fine"));
    world.reply(stateless(&world, &long, "tiny")).await;
    let seen = sent(&world);
    assert!(seen.len() < 30, "{} messages", seen.len());
    assert_eq!(seen.last().expect("is there")["content"], "And now?");
    let off = world_with(|setup| {
        tiny(setup);
        setup.options.context.stateless = Stateless::Off;
    });
    off.script.on("alpha", whole("fine"));
    off.reply(stateless(&off, &long, "tiny")).await;
    assert_eq!(sent(&off).len(), 81, "the provider may refuse it");
    let failure = off.failure(stateless(&off, &long, "auto")).await;
    assert_eq!(failure.kind(), Kind::ContextTooLong);
}

#[tokio::test]
async fn nobody_continues_the_conversation_of_another_key() {
    let world = world();
    let of = |key: &str| {
        let mut inbound = turn("Hello.");
        inbound.principal = Principal { key_id: Some(key.to_owned()), ..Principal::default() };
        let conversation = inbound.context.conversation.as_mut().expect("named");
        conversation.owner = Some(key.to_owned());
        inbound
    };
    world.script.on("alpha", whole("one")).on("alpha", whole("two"));
    world.reply(of("k1")).await;
    let refused = world.failure(of("k2")).await;
    assert_eq!(refused.kind(), Kind::Forbidden);
    world.reply(of("k1")).await;
    assert_eq!(sent(&world).len(), 3);
}

#[tokio::test]
async fn a_handoff_and_a_summary_are_made_on_request() {
    let world = world();
    talk(&world, 30).await;
    let package = world.engine.handoff(&conversation().id, 400).await.expect("made");
    let text = package.to_text();
    assert!(text.contains("6380") && text.contains("[CURRENT-TASK]\nThis is turn 28"), "{text}");
    let made = Arc::clone(&world.engine)
        .summarise(Principal::default(), conversation(), Summariser::Extractive)
        .await
        .expect("made")
        .expect("there are turns");
    assert_eq!(made.covered_messages, 30);
    assert_eq!(newest(&world).await.expect("kept").covers_until, made.covers_until);
}
