//! Breakers seen from outside: who is asked, and who is not.

use std::time::Duration;

use gw_core::Kind;
use gw_engine::ProviderState;

use crate::fixture::{ask, ask_stream, hear, streamed, world_with};
use crate::script::{Act, Step};
use crate::wire::{chunk, good_stream, refusal, reset, role, stream, unreachable, whole};

async fn pass_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// A world whose model `solo` has just opened its breaker, with three requests.
async fn with_open_breaker() -> crate::fixture::World {
    let world = world_with(|setup| setup.options.attempts_per_candidate = 1);
    for _ in 0..3 {
        world.script.on("alpha", refusal(500, "oops"));
        assert_eq!(world.failure(ask("solo")).await.kind(), Kind::ProviderFailed);
    }
    world
}

#[tokio::test(start_paused = true)]
async fn it_opens_after_failures_in_a_row_and_fails_fast() {
    let world = with_open_breaker().await;
    pass_ms(4_000).await;
    let error = world.failure(ask("solo")).await;
    assert_eq!(world.script.asked().len(), 3, "not asked");
    assert_eq!(error.retry_after_ms(), Some(6_000));
    assert!(error.message().contains("alpha/solo"), "{error}");
    world.script.on("alpha", whole("fine"));
    world.reply(ask("other")).await;
    let health = world.engine.health();
    assert_eq!(health[0].state, ProviderState::Healthy);
    assert_eq!(health[0].models.len(), 1);
    assert_eq!(health[0].models[0].1.for_ms, 6_000);
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_between_begins_the_count_anew() {
    let world = world_with(|setup| setup.options.attempts_per_candidate = 1);
    for _ in 0..3 {
        world.script.on("alpha", refusal(500, "")).on("alpha", refusal(500, ""));
        world.script.on("alpha", whole("fine"));
        world.failure(ask("solo")).await;
        world.failure(ask("solo")).await;
        world.reply(ask("solo")).await;
    }
    assert_eq!(world.script.asked().len(), 9);
}

#[tokio::test(start_paused = true)]
async fn one_call_probes_and_its_answer_closes_it() {
    let world = with_open_breaker().await;
    pass_ms(10_000).await;
    world.script.on("alpha", whole("fine").after(Step::Wait(500)));
    let calls = (0..3).map(|_| world.engine.run(ask("solo")));
    let answers = futures_util::future::join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(world.script.asked().len(), 4, "one probe");
    for _ in 0..3 {
        world.script.on("alpha", whole("fine"));
    }
    let calls = (0..3).map(|_| world.engine.run(ask("solo")));
    assert!(futures_util::future::join_all(calls).await.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn a_failed_probe_opens_it_again() {
    let world = with_open_breaker().await;
    pass_ms(10_000).await;
    world.script.on("alpha", refusal(503, "still"));
    assert_eq!(world.failure(ask("solo")).await.kind(), Kind::ProviderOverloaded);
    pass_ms(9_999).await;
    world.failure(ask("solo")).await;
    assert_eq!(world.script.asked().len(), 4);
    pass_ms(1).await;
    world.script.on("alpha", whole("fine"));
    world.reply(ask("solo")).await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_probe_gives_its_place_back() {
    let world = with_open_breaker().await;
    pass_ms(10_000).await;
    world.script.on("alpha", Act::Hang).on("alpha", whole("fine"));
    let probe = world.engine.run(ask("solo"));
    assert!(tokio::time::timeout(Duration::from_millis(50), probe).await.is_err());
    world.reply(ask("solo")).await;
    assert_eq!(world.records().await.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_of_earlier_does_not_give_another_calls_probe_away() {
    let world = world_with(|setup| setup.options.attempts_per_candidate = 1);
    world.script.on("alpha", Act::Hang);
    let mut early = Box::pin(world.engine.run(ask("solo")));
    assert!(tokio::time::timeout(Duration::from_millis(1), &mut early).await.is_err());
    for _ in 0..3 {
        world.script.on("alpha", refusal(500, ""));
        world.failure(ask("solo")).await;
    }
    pass_ms(10_000).await;
    world.script.on("alpha", Act::Hang);
    let mut probe = Box::pin(world.engine.run(ask("solo")));
    assert!(tokio::time::timeout(Duration::from_millis(1), &mut probe).await.is_err());
    drop(early);
    assert_eq!(world.script.asked().len(), 5);
    assert!(world.engine.run(ask("solo")).await.is_err(), "the probe is still under way");
    assert_eq!(world.script.asked().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_opens_during_a_retry_does_not_hide_what_the_provider_said() {
    let world = world_with(|setup| {
        setup.options.attempts_per_candidate = 5;
        setup.options.breaker_failures = 2;
    });
    world.script.on("alpha", refusal(500, "the reason")).on("alpha", refusal(500, "the reason"));
    let error = world.failure(ask("solo")).await;
    assert_eq!((error.kind(), error.message()), (Kind::ProviderFailed, "the reason"));
}

#[tokio::test(start_paused = true)]
async fn a_provider_out_of_reach_rests_whole() {
    let world = world_with(|setup| setup.options.attempts_per_candidate = 1);
    for _ in 0..3 {
        world.script.on("alpha", unreachable());
        world.failure(ask("solo")).await;
    }
    assert_eq!(world.failure(ask("other")).await.kind(), Kind::ProviderUnreachable);
    assert_eq!(world.script.asked().len(), 3);
    assert!(matches!(world.engine.health()[0].state, ProviderState::Resting { .. }));
    world.script.on("beta", whole("fine"));
    world.reply(ask("m")).await;
    pass_ms(10_000).await;
    world.script.on("alpha", whole("fine"));
    world.reply(ask("other")).await;
    assert_eq!(world.engine.health()[0].state, ProviderState::Healthy);
}

#[tokio::test(start_paused = true)]
async fn unknown_models_are_not_a_failing_provider() {
    let world = world_with(|setup| setup.options.attempts_per_candidate = 1);
    for model in ["solo", "other", "third", "alpha/unheard-of"] {
        world.script.on("alpha", refusal(404, "no such model"));
        assert_eq!(world.failure(ask(model)).await.kind(), Kind::ModelNotFound);
        let again = world.failure(ask(model)).await;
        assert_eq!(again.kind(), Kind::ModelNotFound, "not asked again, and said so");
    }
    assert_eq!(world.script.asked().len(), 4);
    world.script.on("alpha", whole("fine"));
    world.reply(ask("m")).await;
}

#[tokio::test(start_paused = true)]
async fn streams_that_always_break_off_open_it() {
    let world = world_with(|setup| setup.options.attempts_per_candidate = 1);
    for _ in 0..3 {
        world.script.on("alpha", stream(&[role(), chunk("Hel")]).then(Step::Break(reset())));
        assert_eq!(world.hear(ask_stream("solo")).await.errors.len(), 1);
    }
    assert!(world.engine.run(ask_stream("solo")).await.is_err());
    assert_eq!(world.script.asked().len(), 3);
    world.script.on("alpha", whole("fine"));
    world.reply(ask("other")).await;
    // The probe's stream opens well: others may go; it breaks off: at once nobody may.
    pass_ms(10_000).await;
    let probe = stream(&[role(), chunk("Hel")]).then(Step::Wait(100)).then(Step::Break(reset()));
    world.script.on("alpha", probe).on("alpha", good_stream(&["fine"]).after(Step::Wait(50)));
    let probe = world.engine.run(ask_stream("solo")).await.expect("opens");
    let other = world.engine.run(ask_stream("solo")).await.expect("may go");
    assert_eq!(hear(streamed(probe)).await.errors.len(), 1);
    assert_eq!(hear(streamed(other)).await.text, "fine");
}
