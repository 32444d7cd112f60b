//! A free model judges how hard a request is, where configuration wants that.

use gw_catalog::Offering;
use gw_core::Layer;
use gw_core::chat::{ChatRequest, Message, Role};
use gw_core::task::Complexity;
use gw_engine::CallContext;

use crate::fixture::{World, bare, offering, world_with};
use crate::wire::{refusal, whole};

fn judged() -> World {
    world_with(|setup| {
        setup.options.classify_by_model = true;
        setup.options.attempts_per_candidate = 1;
        let free = offering("alpha", "free", 0, 0);
        setup.offerings.push(Offering { is_free: true, layer: Some(Layer::L0), ..free });
    })
}

fn question(model: &str) -> ChatRequest {
    ChatRequest {
        model: model.into(),
        messages: vec![Message::text(Role::User, "hi")],
        ..ChatRequest::default()
    }
}

#[tokio::test(start_paused = true)]
async fn the_word_of_the_model_counts_and_is_a_call_of_its_own() {
    let world = judged();
    world.script.on("alpha", whole("High.")).on("alpha", whole("hello"));
    world.reply(bare(question("auto"), CallContext::default())).await;
    let asked = world.script.seen()[0].json();
    assert_eq!((&asked["model"], &asked["temperature"]), (&"free".into(), &0.0.into()));
    let records = world.records().await;
    let seen: Vec<(&str, Complexity)> =
        records.iter().map(|record| (record.door.as_str(), record.complexity)).collect();
    assert_eq!(seen, [("classify", Complexity::Low), ("chat", Complexity::High)]);
    assert_eq!(records[0].metadata["parentCallId"], records[1].id.to_string());
}

#[tokio::test(start_paused = true)]
async fn a_model_that_fails_or_chats_leaves_it_to_the_rules() {
    for first in [refusal(500, "no"), whole("It is rather high, I would say")] {
        let world = judged();
        world.script.on("alpha", first).on("alpha", whole("hello"));
        world.reply(bare(question("auto"), CallContext::default())).await;
        assert_eq!(world.records().await[1].complexity, Complexity::Low);
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_asked_for_by_name_needs_no_judgement() {
    let world = judged();
    world.script.on("alpha", whole("hello"));
    world.reply(bare(question("solo"), CallContext::default())).await;
    assert_eq!(world.records().await.len(), 1);
}
