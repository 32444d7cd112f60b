//! Streams: what the client sees, whatever the provider does.

use std::time::Duration;

use futures_util::StreamExt;
use gw_core::Kind;
use gw_core::money::CostSource;
use gw_core::seam::DialectId;
use serde_json::json;

use crate::fixture::{Heard, ask_stream, hear, inbound, price, streamed, world, world_with};
use crate::script::{Act, Step};
use crate::wire::{
    DONE, answer, anthropic_end, anthropic_start, anthropic_text, bytes, chunk, completion, event,
    finish, good_stream, refusal, reset, role, stream, text, timeout, usage,
};

fn error_chunk(message: &str) -> String {
    format!("data: {}\n\n", json!({"error": {"message": message, "type": "server_error"}}))
}

fn assert_one_error(heard: &Heard, kind: Kind) {
    assert_eq!(heard.errors.len(), 1, "{heard:?}");
    assert_eq!(heard.errors[0].kind(), kind);
    assert_eq!(heard.errors[0].provider().expect("is named").as_str(), "alpha");
    assert_eq!(heard.ends, 0, "no end after an error");
    assert_eq!(heard.order.last(), Some(&"end"));
    assert!(heard.receipt.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_carried_recorded_and_billed() {
    let world = world();
    world.script.on("alpha", good_stream(&["Hel", "lo"]).after(Step::Wait(300)));
    let heard = world.hear(ask_stream("solo")).await;
    assert_eq!((heard.text.as_str(), heard.ends), ("Hello", 1));
    assert_eq!(heard.order[heard.order.len() - 2..], ["receipt", "end"]);
    let receipt = heard.receipt.expect("comes");
    assert_eq!((receipt.usage.input, receipt.usage.output), (100, 10));
    assert_eq!(receipt.first_token_ms, Some(300));
    let record = world.record().await;
    assert!(record.stream && record.status.is_ok());
    assert_eq!(record.cost.amount(), Some(price(100, 1) + price(10, 2)));
    assert_eq!((record.model.as_str(), record.first_token_ms), ("solo", Some(300)));
}

#[tokio::test(start_paused = true)]
async fn what_fails_before_its_first_word_is_replaced_unseen() {
    let html = text(200, "text/html", "<html>busy</html>");
    let cases: Vec<(&str, Act)> = vec![
        ("refused", refusal(503, "full")),
        ("ended", stream::<&str>(&[])),
        ("ended after the role", stream(&[role()])),
        ("reset after the role", stream(&[role()]).then(Step::Break(reset()))),
        ("stalled after the role", stream(&[role()]).then(Step::Break(timeout()))),
        ("an error in a frame", stream(&[role(), error_chunk("no")])),
        ("no JSON", stream(&["data: {\"choices\": [\n\n"])),
        ("no events", html),
        ("cut in the middle of a frame", stream(&[&chunk("Hello")[..30]])),
        ("an error in JSON", answer(200, &json!({"error": {"message": "no"}}))),
    ];
    for (what, act) in cases {
        let world = world_with(|setup| setup.options.attempts_per_candidate = 1);
        world.script.on("alpha", act).on("beta", good_stream(&["fine"]));
        let answer = world.engine.run(ask_stream("m")).await.expect(what);
        assert_eq!(answer.head.model_id, "beta/m", "{what}");
        let heard = hear(streamed(answer)).await;
        assert_eq!((heard.text.as_str(), heard.errors.len(), heard.ends), ("fine", 0, 1), "{what}");
        let record = world.record().await;
        assert_eq!(record.attempts.len(), 2, "{what}");
        assert_eq!(record.provider, "beta");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_block_of_anthropics_is_no_word_yet() {
    let world = world();
    let overloaded = event(&json!({"type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded"}}));
    let good = [anthropic_start(), anthropic_text("fine"), anthropic_end()];
    world.script.on("gamma", stream(&[anthropic_start(), overloaded]));
    world.script.on("gamma", stream(&good));
    let heard = world.hear(ask_stream("claude")).await;
    assert_eq!((heard.text.as_str(), heard.errors.len(), heard.ends), ("fine", 0, 1));
    world.record().await;
}

#[tokio::test(start_paused = true)]
async fn what_fails_after_its_first_word_is_one_error_and_nothing_more() {
    let begun = || stream(&[role(), chunk("Hel")]);
    let cases: Vec<(&str, Act, Kind)> = vec![
        ("reset", begun().then(Step::Break(reset())), Kind::ProviderUnreachable),
        (
            "stalled",
            begun().then(Step::Wait(9_000)).then(Step::Break(timeout())),
            Kind::ProviderTimeout,
        ),
        ("broken off", begun(), Kind::ProviderUnreachable),
        (
            "an error in a frame",
            begun().then(bytes(&error_chunk("no"))).then(bytes(&chunk("more"))),
            Kind::ProviderFailed,
        ),
        (
            "no JSON",
            begun().then(bytes("data: {\n\n")).then(bytes(&chunk("more"))),
            Kind::ProviderMalformed,
        ),
    ];
    for (what, act, kind) in cases {
        let world = world();
        world.script.on("alpha", act);
        let heard = world.hear(ask_stream("m")).await;
        assert_eq!(heard.text, "Hel", "{what}");
        assert_one_error(&heard, kind);
        let record = world.record().await;
        assert_eq!(record.status.as_str(), kind.row().code, "{what}");
        assert_eq!(record.model, "m", "it did answer");
        let gw_core::Cost::Priced { amount, source } = record.cost else { panic!("is priced") };
        assert_eq!(source, CostSource::Estimated, "{what}");
        assert!(!amount.is_zero(), "what was delivered is billed");
        assert_eq!(record.usage.output, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_stands_before_a_broken_one_in_the_same_read_is_delivered() {
    let world = world();
    let pieces = [chunk("Hel"), chunk("lo") + "data: {\n\n"];
    world.script.on("alpha", stream(&pieces));
    let heard = world.hear(ask_stream("solo")).await;
    assert_eq!(heard.text, "Hello");
    assert_one_error(&heard, Kind::ProviderMalformed);
}

#[tokio::test(start_paused = true)]
async fn an_error_about_the_gateways_key_does_not_pass_through() {
    let world = world();
    let error = json!({"error": {"type": "authentication_error", "code": "invalid_api_key",
        "message": "Incorrect API key provided: sk-secret"}});
    world.script.on("alpha", stream(&[chunk("Hel"), format!("data: {error}\n\n")]));
    let heard = world.hear(ask_stream("solo")).await;
    assert_one_error(&heard, Kind::ProviderAuth);
    assert!(!String::from_utf8_lossy(&heard.raw).contains("sk-secret"));
    assert!(!heard.errors[0].full_message().contains("sk-secret"));
}

#[tokio::test(start_paused = true)]
async fn a_missing_last_word_is_added() {
    let world = world();
    world.script.on("alpha", stream(&[role(), chunk("fine"), finish()]));
    let heard = world.hear(ask_stream("solo")).await;
    assert!(heard.errors.is_empty(), "{:?}", heard.errors);
    assert_eq!((heard.text.as_str(), heard.ends), ("fine", 1));
    assert!(String::from_utf8_lossy(&heard.raw).ends_with(DONE));
    assert!(world.record().await.status.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_to_a_streaming_request_is_streamed() {
    let world = world();
    world.script.on("alpha", answer(200, &completion("Hello")).with("x-request-id", "r"));
    let answered = world.engine.run(ask_stream("solo")).await.expect("answers");
    assert!(!answered.head.is_pass_through);
    let heard = hear(streamed(answered)).await;
    assert_eq!((heard.text.as_str(), heard.ends), ("Hello", 1));
    let record = world.record().await;
    assert_eq!((record.usage.input, record.usage.output), (100, 10));
}

#[tokio::test(start_paused = true)]
async fn events_with_a_wrong_content_type_are_events() {
    for content_type in ["application/json", "text/plain", "application/octet-stream"] {
        let world = world();
        let events = [role(), chunk("fine"), finish(), usage(100, 10), DONE.to_owned()].concat();
        world.script.on("alpha", text(200, content_type, &events));
        let heard = world.hear(ask_stream("solo")).await;
        assert_eq!((heard.text.as_str(), heard.ends), ("fine", 1), "{content_type}");
        assert_eq!(world.record().await.usage.output, 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_a_word_is_an_answer() {
    let world = world();
    world.script.on("alpha", stream(&[role(), finish(), usage(100, 0), DONE.to_owned()]));
    let heard = world.hear(ask_stream("m")).await;
    assert_eq!((heard.text.as_str(), heard.errors.len(), heard.ends), ("", 0, 1));
    assert_eq!(world.record().await.usage.input, 100);
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_usage_is_reckoned() {
    let world = world();
    world.script.on("alpha", stream(&[role(), chunk("twelve bytes"), finish(), DONE.to_owned()]));
    world.hear(ask_stream("solo")).await;
    let record = world.record().await;
    assert_eq!(record.usage.output, 3);
    assert!(record.usage.input > 0);
    let gw_core::Cost::Priced { source, .. } = record.cost else { panic!("is priced") };
    assert_eq!(source, CostSource::Estimated);
}

#[tokio::test(start_paused = true)]
async fn it_does_not_matter_where_a_stream_is_cut() {
    let whole = [role(), chunk("Hel"), chunk("lo"), finish(), usage(100, 10), DONE.to_owned()];
    let whole = whole.concat();
    let world = world();
    for at in 0..whole.len() {
        world.script.on("alpha", stream(&[&whole[..at], &whole[at..]]));
        let heard = world.hear(ask_stream("solo")).await;
        assert_eq!((heard.text.as_str(), heard.ends), ("Hello", 1), "cut at {at}");
        assert_eq!(heard.raw, whole.as_bytes(), "cut at {at}");
    }
    assert!(world.records().await.iter().all(|record| record.usage.output == 10));
}

#[tokio::test(start_paused = true)]
async fn an_anthropic_stream_cut_short_is_billed_by_its_own_count_of_the_prompt() {
    let world = world();
    let pieces = [anthropic_start(), anthropic_text("twelve bytes")];
    world.script.on("gamma", stream(&pieces).then(Step::Break(reset())));
    let ask = inbound(
        DialectId::AnthropicMessages,
        &json!({"model": "claude", "max_tokens": 50, "stream": true,
            "messages": [{"role": "user", "content": "How are you?"}]}),
    );
    assert_eq!(world.hear(ask).await.errors.len(), 1);
    let record = world.record().await;
    assert_eq!((record.usage.input, record.usage.output), (33, 3));
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_until_the_record_is_durable() {
    let world = world();
    world.log.permits.forget_permits(usize::MAX);
    world.script.on("alpha", good_stream(&["Hel", "lo"]));
    let answer = world.engine.run(ask_stream("solo")).await.expect("answers");
    let mut stream = streamed(answer);
    let mut heard = Heard::default();
    while let Ok(Some(piece)) = tokio::time::timeout(Duration::from_secs(5), stream.next()).await {
        heard.piece(piece);
    }
    assert_eq!(heard.text, "Hello", "the words do not wait");
    assert!(!heard.order.contains(&"receipt") && !heard.order.contains(&"end"), "{heard:?}");
    world.log.permits.add_permits(1);
    while let Some(piece) = stream.next().await {
        heard.piece(piece);
    }
    assert_eq!(heard.order[heard.order.len() - 2..], ["receipt", "end"]);
    world.record().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_does_not_take_the_answer_away() {
    let world = world();
    *world.log.fails.lock() = true;
    world.script.on("alpha", good_stream(&["fine"])).on("alpha", crate::wire::whole("fine"));
    assert_eq!(world.hear(ask_stream("solo")).await.ends, 1);
    assert_eq!(world.reply(crate::fixture::ask("solo")).await.text(), "fine");
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_slows_the_provider() {
    let world = world();
    let mut pieces = vec![role()];
    pieces.extend((0..1_000).map(|_| chunk("x")));
    pieces.extend([finish(), usage(100, 10), DONE.to_owned()]);
    world.script.on("alpha", stream(&pieces));
    let answer = world.engine.run(ask_stream("solo")).await.expect("answers");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let most = gw_core::limits::STREAM_FRAMES_WAITING_MAX + 3;
    assert!(world.script.steps_read() <= most, "{}", world.script.steps_read());
    let heard = hear(streamed(answer)).await;
    assert_eq!((heard.text.len(), heard.ends), (1_000, 1));
    world.record().await;
}

#[tokio::test(start_paused = true)]
async fn one_read_of_thousands_of_frames_arrives_whole() {
    let world = world();
    let mut piece = role();
    (0..5_000).for_each(|_| piece.push_str(&chunk("x")));
    let end = finish() + &usage(100, 10) + DONE;
    world.script.on("alpha", stream(&[piece, end]));
    let heard = world.hear(ask_stream("solo")).await;
    assert_eq!((heard.text.len(), heard.ends), (5_000, 1));
    world.record().await;
}

#[tokio::test(start_paused = true)]
async fn many_signs_of_life_are_not_held_back_for_ever() {
    let world = world();
    let mut pieces = vec![": still working\n\n".to_owned(); 300];
    pieces.extend([chunk("fine"), finish(), DONE.to_owned()]);
    world.script.on("alpha", stream(&pieces));
    let heard = world.hear(ask_stream("solo")).await;
    assert_eq!((heard.text.as_str(), heard.ends), ("fine", 1));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_for_the_first_word_only() {
    let world = world();
    let late = stream(&[role(), chunk("Hel")])
        .then(Step::Wait(200_000))
        .then(bytes(&(chunk("lo") + &finish() + DONE)));
    world.script.on("alpha", late);
    assert_eq!(world.hear(ask_stream("solo")).await.text, "Hello");

    world.script.on("alpha", stream(&[role()]).then(Step::Forever));
    let error = world.engine.run(ask_stream("solo")).await.expect_err("nothing is said").error;
    assert_eq!(error.kind(), Kind::ProviderTimeout);
    assert_eq!(world.script.open_bodies(), 0);
    world.records().await;
}
