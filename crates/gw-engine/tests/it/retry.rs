//! The same candidate again: how often, and after how long.

use gw_core::Kind;
use gw_core::record::CallStatus;

use crate::fixture::{ask, world, world_with};
use crate::script::{Act, Step};
use crate::wire::{refusal, text, unreachable, whole};

/// Half the pause is fixed, half random.
fn assert_backoff(waited_ms: u128, full_ms: u128) {
    assert!((full_ms / 2..=full_ms + 1).contains(&waited_ms), "{waited_ms} of {full_ms}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_tried_again_after_a_pause() {
    let world = world();
    world.script.on("alpha", refusal(500, "oops")).on("alpha", whole("fine"));
    assert_eq!(world.reply(ask("solo")).await.text(), "fine");
    assert_backoff(world.script.times()[1], 200);
    let record = world.record().await;
    assert_eq!(record.attempts.len(), 2);
    assert_eq!(record.attempts[0].status.as_str(), "provider_failed");
    assert_eq!(record.attempts[1].status, CallStatus::Ok);
    assert_eq!(record.duration_ms, u64::try_from(world.script.times()[1]).expect("is short"));
}

#[tokio::test(start_paused = true)]
async fn pauses_double() {
    let world = world_with(|setup| {
        setup.options.attempts_per_candidate = 4;
        setup.options.breaker_failures = 9;
    });
    for _ in 0..3 {
        world.script.on("alpha", unreachable());
    }
    world.script.on("alpha", whole("fine"));
    assert_eq!(world.reply(ask("solo")).await.text(), "fine");
    let times = world.script.times();
    for (at, full_ms) in [(1, 200), (2, 400), (3, 800)] {
        assert_backoff(times[at] - times[at - 1], full_ms);
    }
}

#[tokio::test(start_paused = true)]
async fn only_so_many_tries_are_made() {
    let world = world();
    world.script.on("alpha", unreachable()).on("alpha", unreachable());
    let error = world.failure(ask("solo")).await;
    assert_eq!(error.kind(), Kind::ProviderUnreachable);
    assert_eq!(error.provider().expect("is named").as_str(), "alpha");
    assert_eq!(world.record().await.attempts.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_waited_out_exactly() {
    for (name, value, wait_ms) in [("retry-after", "3", 3_000), ("retry-after-ms", "450", 450)] {
        for status in [429, 503, 529] {
            let world = world();
            world.script.on("alpha", refusal(status, "slow down").with(name, value));
            world.script.on("alpha", whole("fine"));
            assert_eq!(world.reply(ask("solo")).await.text(), "fine");
            assert_eq!(world.script.times(), [0, wait_ms], "{status} {name}");
            world.record().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_without_retry_after_is_tried_again_after_the_usual_pause() {
    let world = world();
    world.script.on("alpha", refusal(429, "slow down")).on("alpha", whole("fine"));
    assert_eq!(world.reply(ask("solo")).await.text(), "fine");
    assert_backoff(world.script.times()[1], 200);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_of_nothing_is_no_busy_loop() {
    let world = world();
    let limited = || refusal(429, "slow down").with("retry-after", "0");
    world.script.on("alpha", limited()).on("alpha", limited());
    assert_eq!(world.failure(ask("solo")).await.kind(), Kind::ProviderRateLimited);
    assert_backoff(world.script.times()[1], 200);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_that_is_too_long_is_told_to_the_client() {
    let world = world();
    world.script.on("alpha", refusal(429, "come tomorrow").with("retry-after", "60"));
    let error = world.failure(ask("solo")).await;
    assert_eq!(error.kind(), Kind::ProviderRateLimited);
    assert_eq!(error.retry_after_ms(), Some(60_000));
    assert!(error.message().contains("come tomorrow"), "{error}");
    // Whoever comes next is told the rest of it, without a call.
    tokio::time::sleep(std::time::Duration::from_secs(20)).await;
    let error = world.failure(ask("solo")).await;
    assert_eq!(error.kind(), Kind::ProviderRateLimited);
    assert_eq!(error.retry_after_ms(), Some(40_000));
    assert!(!error.message().contains("tomorrow"), "that was said to somebody else: {error}");
    assert_eq!(world.script.asked().len(), 1);
    world.records().await;
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_that_is_too_long_makes_the_next_candidate_answer() {
    let world = world();
    world.script.on("alpha", refusal(429, "later").with("retry-after", "60"));
    world.script.on("beta", whole("fine"));
    assert_eq!(world.reply(ask("m")).await.text(), "fine");
    assert_eq!(world.script.times(), [0, 0], "at once");
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_waited_for_by_those_who_come_meanwhile_and_then_all_go() {
    let world = world();
    world.script.on("alpha", refusal(429, "slow down").with("retry-after", "2"));
    for _ in 0..4 {
        world.script.on("alpha", whole("fine").after(Step::Wait(1_000)));
    }
    let calls = (0..4).map(|_| world.engine.run(ask("solo")));
    for answer in futures_util::future::join_all(calls).await {
        assert!(answer.is_ok());
    }
    // One was limited; no breaker lets only one through afterwards.
    assert_eq!(world.script.times(), [0, 2_000, 2_000, 2_000, 2_000]);
    world.records().await;
}

#[tokio::test(start_paused = true)]
async fn a_rejected_request_is_not_tried_again_and_says_nothing_about_the_provider() {
    let world = world();
    for _ in 0..9 {
        world.script.on("alpha", refusal(400, "`temperature` must be a number"));
        let error = world.failure(ask("m")).await;
        assert_eq!(error.kind(), Kind::ProviderRejected);
        assert!(error.message().contains("temperature"));
    }
    world.script.on("alpha", whole("fine"));
    assert_eq!(world.reply(ask("m")).await.text(), "fine");
    assert!(world.script.asked().iter().all(|provider| provider == "alpha"));
    assert!(world.engine.health().iter().all(|report| report.models.is_empty()));
    let records = world.records().await;
    assert!(records[0].cost.amount().is_some_and(gw_core::Money::is_zero), "refusals are free");
    assert_eq!(records[0].model, "", "none answered");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_silent_call() {
    let world = world();
    world.script.on("alpha", Act::Hang);
    let error = world.failure(ask("m")).await;
    assert_eq!(error.kind(), Kind::ProviderTimeout);
    let record = world.record().await;
    assert_eq!(record.duration_ms, 60_000);
    assert_eq!(record.attempts.len(), 1, "no time is left for another candidate");
    assert!(record.cost.amount_or_zero().is_zero(), "nothing was answered");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_body_that_never_ends() {
    let world = world();
    world.script.on("alpha", text(200, "application/json", "{\"id\": ").then(Step::Forever));
    let error = world.failure(ask("m")).await;
    assert_eq!(error.kind(), Kind::ProviderTimeout);
    let record = world.record().await;
    assert_eq!(record.duration_ms, 60_000);
    assert!(!record.cost.amount_or_zero().is_zero(), "the prompt was read");
    assert_eq!(world.script.dropped_bodies(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_deadline_is_not_begun() {
    let world = world_with(|setup| setup.options.deadline_ms = 2_000);
    world.script.on("alpha", refusal(429, "slow down").with("retry-after", "3"));
    assert_eq!(world.failure(ask("solo")).await.retry_after_ms(), Some(3_000));
    assert_eq!(world.record().await.duration_ms, 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_once_the_deadline_is_over() {
    let world = world_with(|setup| setup.options.deadline_ms = 1_000);
    let slow = Act::Answer {
        status: 200,
        headers: Vec::new(),
        body: vec![Step::Wait(1_000), Step::Break(crate::wire::timeout())],
    };
    world.script.on("alpha", slow);
    assert_eq!(world.failure(ask("m")).await.kind(), Kind::ProviderTimeout);
    assert_eq!(world.script.asked(), ["alpha"]);
    world.records().await;
}
