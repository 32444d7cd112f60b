//! Whole answers that are not what they should be.

use gw_core::Kind;
use gw_core::money::CostSource;
use gw_core::reply::StopReason;
use serde_json::json;

use crate::fixture::{ask, whole, world, world_with};
use crate::script::{Act, Step};
use crate::wire::{DONE, answer, chunk, completion, finish, reset, role, text, usage};

/// Each of these: the next candidate answers; without one, one clear error.
fn malformed() -> Vec<(&'static str, Act, Kind)> {
    vec![
        (
            "cut JSON",
            text(200, "application/json", "{\"id\": \"x\", \"choi"),
            Kind::ProviderMalformed,
        ),
        ("HTML", text(200, "text/html", "<html>Welcome</html>"), Kind::ProviderMalformed),
        ("nothing", text(204, "text/plain", ""), Kind::ProviderMalformed),
        ("no object", answer(200, &json!([1, 2])), Kind::ProviderMalformed),
        ("no choices", answer(200, &json!({"id": "x"})), Kind::ProviderMalformed),
        (
            "an error",
            answer(200, &json!({"error": {"message": "no", "type": "server_error"}})),
            Kind::ProviderFailed,
        ),
        (
            "broken off",
            text(200, "application/json", "{\"id\": ").then(Step::Break(reset())),
            Kind::ProviderUnreachable,
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_malformed_answer_is_replaced_by_the_next_candidates() {
    for (what, act, kind) in malformed() {
        let world = world_with(|setup| setup.options.attempts_per_candidate = 1);
        world.script.on("alpha", act).on("beta", crate::wire::whole("fine"));
        assert_eq!(world.reply(ask("m")).await.text(), "fine", "{what}");
        let record = world.record().await;
        assert_eq!(record.attempts[0].status.as_str(), kind.row().code, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_malformed_answer_alone_is_one_error() {
    for (what, act, kind) in malformed() {
        let world = world_with(|setup| setup.options.attempts_per_candidate = 1);
        world.script.on("alpha", act);
        assert_eq!(world.failure(ask("solo")).await.kind(), kind, "{what}");
        let record = world.record().await;
        let is_free = record.cost.amount_or_zero().is_zero();
        assert_eq!(is_free, kind == Kind::ProviderFailed, "what began to answer has cost: {what}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_usage_is_reckoned_and_not_free() {
    let world = world();
    let mut body = completion("twelve bytes");
    body.as_object_mut().expect("is one").remove("usage");
    world.script.on("alpha", answer(200, &body));
    let whole = whole(world.engine.run(ask("solo")).await.expect("answers"));
    assert_eq!(whole.receipt.usage.output, 3);
    assert!(whole.receipt.usage.input > 0);
    let record = world.record().await;
    let gw_core::Cost::Priced { amount, source } = record.cost else { panic!("is priced") };
    assert_eq!(source, CostSource::Estimated);
    assert!(!amount.is_zero());
}

#[tokio::test(start_paused = true)]
async fn events_in_place_of_an_answer_are_added_up() {
    let world = world();
    let events = [role(), chunk("Hel"), chunk("lo"), finish(), usage(100, 10), DONE.to_owned()];
    world.script.on("alpha", text(200, "text/event-stream", &events.concat()));
    let answer = world.engine.run(ask("solo")).await.expect("answers");
    assert!(!answer.head.is_pass_through);
    let whole = whole(answer);
    assert_eq!((whole.reply.text().as_str(), whole.raw), ("Hello", None));
    assert_eq!(whole.receipt.usage.output, 10);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_word_is_an_answer() {
    let world = world();
    world.script.on("alpha", crate::wire::whole(""));
    let reply = world.reply(ask("solo")).await;
    assert_eq!(reply.text(), "", "and never words of ours");
    assert_eq!(reply.choices[0].stop.as_ref().map(|stop| &stop.reason), Some(&StopReason::EndTurn));
}

#[tokio::test(start_paused = true)]
async fn pieces_are_joined() {
    let world = world();
    let body = completion("fine").to_string();
    let (left, right) = body.split_at(40);
    let act =
        text(200, "application/json", left).then(Step::Wait(100)).then(crate::wire::bytes(right));
    world.script.on("alpha", act);
    assert_eq!(world.reply(ask("solo")).await.text(), "fine");
}

#[tokio::test(start_paused = true)]
async fn a_huge_refusal_is_read_only_as_far_as_needed() {
    let world = world();
    let mut act = text(400, "text/plain", &"x".repeat(50_000));
    for _ in 0..100 {
        act = act.then(crate::wire::bytes(&"x".repeat(50_000)));
    }
    world.script.on("alpha", act);
    world.failure(ask("solo")).await;
    assert_eq!(world.script.steps_read(), 2);
    world.record().await;
}

#[tokio::test(start_paused = true)]
async fn a_stopping_gateway_takes_no_calls() {
    let world = world();
    world.engine.drain().await;
    assert_eq!(world.failure(ask("solo")).await.kind(), Kind::ShuttingDown);
}
