//! Clients that leave.

use std::time::Duration;

use futures_util::StreamExt;
use gw_core::money::CostSource;
use gw_core::record::CallStatus;

use crate::fixture::{World, ask, ask_stream, streamed, world};
use crate::script::{Act, Step};
use crate::wire::{chunk, good_stream, refusal, role, stream, text, usage, whole};

/// Runs a call and leaves after a while.
async fn leave_after(world: &World, inbound: gw_engine::Inbound, ms: u64) {
    let call = world.engine.run(inbound);
    assert!(tokio::time::timeout(Duration::from_millis(ms), call).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn leaving_before_an_answer_stops_the_provider_and_is_recorded() {
    for act in [Act::Hang, text(200, "application/json", "{\"id").then(Step::Forever)] {
        let world = world();
        world.script.on("alpha", act);
        leave_after(&world, ask("solo"), 700).await;
        assert_eq!(world.script.open_bodies(), 0);
        let record = world.record().await;
        assert_eq!(record.status, CallStatus::Cancelled);
        assert_eq!(record.attempts[0].status, CallStatus::Cancelled);
        assert_eq!((record.duration_ms, record.attempts[0].duration_ms), (700, 700));
        assert!(record.usage.input > 0, "the prompt was read");
        let gw_core::Cost::Priced { source, .. } = record.cost else { panic!("is priced") };
        assert_eq!(source, CostSource::Estimated);
        assert_eq!(world.engine.totals().failed, 0, "leaving is no failure");
    }
}

#[tokio::test(start_paused = true)]
async fn leaving_between_two_tries_bills_nothing() {
    let world = world();
    world.script.on("alpha", refusal(429, "wait").with("retry-after", "3"));
    leave_after(&world, ask("solo"), 500).await;
    let record = world.record().await;
    assert_eq!(record.status, CallStatus::Cancelled);
    assert_eq!(record.attempts.len(), 1);
    assert!(record.cost.amount_or_zero().is_zero());
}

#[tokio::test(start_paused = true)]
async fn leaving_while_the_record_is_written_loses_no_record() {
    let world = world();
    world.log.permits.forget_permits(usize::MAX);
    world.script.on("alpha", whole("fine")).on("alpha", refusal(400, "no"));
    leave_after(&world, ask("solo"), 100).await;
    leave_after(&world, ask("solo"), 100).await;
    world.log.permits.add_permits(2);
    let records = world.records().await;
    assert_eq!(records.len(), 2);
    assert!(records.iter().any(|record| record.status == CallStatus::Ok));
}

#[tokio::test(start_paused = true)]
async fn leaving_a_stream_stops_the_provider_at_once_and_bills_what_came() {
    let world = world();
    let act = stream(&[role(), chunk("twelve bytes")]).then(Step::Forever);
    world.script.on("alpha", act);
    let answer = world.engine.run(ask_stream("solo")).await.expect("answers");
    let mut stream = streamed(answer);
    stream.next().await.expect("begins");
    stream.next().await.expect("goes on");
    assert_eq!(world.script.open_bodies(), 1);
    // The books wait for the store; the provider does not.
    world.log.permits.forget_permits(usize::MAX);
    drop(stream);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!((world.script.open_bodies(), world.script.dropped_bodies()), (0, 1));
    world.log.permits.add_permits(1);
    let record = world.record().await;
    assert_eq!(record.status, CallStatus::Cancelled);
    assert_eq!((record.model.as_str(), record.usage.output), ("solo", 3));
    assert!(record.usage.input > 0);
    let gw_core::Cost::Priced { source, .. } = record.cost else { panic!("is priced") };
    assert_eq!(source, CostSource::Estimated);
}

#[tokio::test(start_paused = true)]
async fn leaving_before_the_first_word_of_a_stream_is_recorded() {
    let world = world();
    world.script.on("alpha", stream(&[role()]).then(Step::Forever));
    leave_after(&world, ask_stream("solo"), 50).await;
    assert_eq!(world.script.dropped_bodies(), 1);
    assert_eq!(world.record().await.status, CallStatus::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn leaving_after_the_last_count_is_billed_by_it() {
    let world = world();
    let pieces = [role(), chunk("fine"), crate::wire::finish(), usage(100, 10)];
    world.script.on("alpha", stream(&pieces).then(Step::Forever));
    let answer = world.engine.run(ask_stream("solo")).await.expect("answers");
    let mut stream = streamed(answer);
    for _ in 0..4 {
        stream.next().await.expect("goes on");
    }
    drop(stream);
    let record = world.record().await;
    assert_eq!(record.status, CallStatus::Cancelled);
    assert_eq!((record.usage.input, record.usage.output), (100, 10));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_any_more_is_gone_one_day() {
    let world = world();
    let mut pieces = vec![role()];
    pieces.extend((0..1_000).map(|_| chunk("x")));
    world.script.on("alpha", stream(&pieces).then(Step::Forever));
    let answer = world.engine.run(ask_stream("solo")).await.expect("answers");
    let record = world.record().await;
    assert_eq!(record.status, CallStatus::Cancelled);
    assert_eq!(record.duration_ms, gw_core::limits::CLIENT_STALL_MS_MAX);
    drop(answer);
}

#[tokio::test(start_paused = true)]
async fn a_stopping_gateway_lets_streams_end() {
    let world = world();
    let act = stream(&[role(), chunk("Hel")])
        .then(Step::Wait(5_000))
        .then(crate::wire::bytes(&(chunk("lo") + &crate::wire::finish() + crate::wire::DONE)));
    world.script.on("alpha", act);
    let stream = streamed(world.engine.run(ask_stream("solo")).await.expect("answers"));
    let (heard, ()) = tokio::join!(crate::fixture::hear(stream), world.engine.drain());
    assert_eq!((heard.text.as_str(), heard.ends), ("Hello", 1));
    world.record().await;
}

#[test]
fn a_call_dropped_outside_a_runtime_is_settled() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().expect("starts")
    };
    let first = runtime();
    let world = first.block_on(async { world() });
    world.script.on("alpha", Act::Hang);
    let engine = std::sync::Arc::clone(&world.engine);
    let mut call = Box::pin(async move { engine.run(ask("solo")).await });
    first.block_on(async {
        assert!(tokio::time::timeout(Duration::from_millis(5), &mut call).await.is_err());
    });
    drop(call);
    let totals = world.budgets.totals();
    assert_eq!((totals.open, totals.settled), (0, 1));
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn the_connection_is_read_to_its_end_after_the_last_frame() {
    let world = world();
    world.script.on("alpha", good_stream(&["fine"]).then(Step::Wait(20)));
    world.hear(ask_stream("solo")).await;
    world.record().await;
    assert_eq!(world.script.dropped_bodies(), 0, "it can be used again");
    world.script.on("alpha", good_stream(&["fine"]).then(Step::Forever));
}
