//! The next candidate, the next key, and whose error the client sees.

use gw_core::record::CallStatus;
use gw_core::{Error, Kind};

use crate::fixture::{ask, price, world, world_with};
use crate::script::Act;
use crate::wire::{anthropic_whole, refusal, unreachable, whole};

fn broken() -> Act {
    Act::Fail(Error::new(Kind::ProviderTimeout, "silent"))
}

#[tokio::test(start_paused = true)]
async fn the_next_candidate_answers_and_is_named() {
    let world = world();
    world.script.on("alpha", broken()).on("beta", whole("fine"));
    let answer = world.engine.run(ask("m")).await.expect("answers");
    assert_eq!(answer.head.model_id, "beta/m");
    assert_eq!(answer.head.summary, "Fallback: beta/m (layer L1)");
    assert!(answer.head.reason.starts_with("fallback to beta/m (the same model"), "{answer:?}");
    drop(answer);
    let record = world.record().await;
    assert_eq!((record.model_id.as_str(), record.provider.as_str()), ("beta/m", "beta"));
    assert_eq!(record.route_reason, "Fallback: beta/m (layer L1)");
    assert_eq!(record.attempts.len(), 2);
    assert_eq!(record.attempts[0].provider, "alpha");
    assert_eq!(record.cost.amount(), Some(price(100, 3) + price(10, 4)), "beta's price");
}

#[tokio::test(start_paused = true)]
async fn the_first_candidate_is_named_as_planned() {
    let world = world();
    world.script.on("alpha", whole("fine"));
    let answer = world.engine.run(ask("m")).await.expect("answers");
    assert_eq!(answer.head.summary, "Direct model selection: alpha/m (layer L1)");
    assert_eq!(answer.head.reason, "model `m`; asked for by name");
}

#[tokio::test(start_paused = true)]
async fn a_candidate_of_another_dialect_answers_too() {
    let world = world();
    world.script.on("alpha", broken()).on("beta", broken()).on("gamma", anthropic_whole("fine"));
    let answer = world.engine.run(ask("m")).await.expect("answers");
    assert!(!answer.head.is_pass_through);
    let whole = crate::fixture::whole(answer);
    assert_eq!((whole.reply.text().as_str(), whole.raw), ("fine", None));
    assert_eq!(world.script.seen()[2].json()["max_tokens"], 1_000, "its dialect wants a limit");
    let record = world.record().await;
    assert_eq!(record.cost.amount(), Some(price(33, 5) + price(12, 6)));
}

#[tokio::test(start_paused = true)]
async fn when_all_fail_the_first_ones_error_is_shown() {
    let world = world();
    world.script.on("alpha", broken()).on("beta", unreachable()).on("beta", unreachable());
    world.script.on("gamma", refusal(529, "full")).on("gamma", refusal(529, "full"));
    let error = world.failure(ask("m")).await;
    assert_eq!(error.kind(), Kind::ProviderTimeout);
    assert_eq!(error.provider().expect("is named").as_str(), "alpha");
    let record = world.record().await;
    assert_eq!(record.attempts.len(), 5);
    let status = CallStatus::Failed { code: "provider_timeout".into(), message: "silent".into() };
    assert_eq!(record.status, status);
    assert_eq!((record.model.as_str(), record.layer), ("", None), "none answered");
}

#[tokio::test(start_paused = true)]
async fn a_request_at_fault_is_told_before_a_provider_at_fault() {
    let world = world();
    world.script.on("alpha", broken()).on("beta", refusal(400, "messages[0] is empty"));
    let error = world.failure(ask("m")).await;
    assert_eq!(error.kind(), Kind::ProviderRejected);
    assert_eq!(world.script.asked(), ["alpha", "beta"], "the others would refuse it as well");
    world.record().await;
}

#[tokio::test(start_paused = true)]
async fn a_smaller_window_of_a_stand_in_is_not_the_clients_fault() {
    let world = world();
    let too_long = || refusal(400, "maximum context length is 10 tokens");
    world.script.on("alpha", broken()).on("beta", too_long()).on("gamma", broken());
    assert_eq!(world.failure(ask("m")).await.kind(), Kind::ProviderTimeout);
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_rests_says_less_than_one_that_was_tried() {
    let world = world();
    world.script.on("alpha", refusal(404, "no such model")).on("beta", broken());
    world.script.on("gamma", broken());
    world.failure(ask("m")).await;
    // Now alpha rests: it comes last in the plan, and is not asked.
    world.script.on("beta", broken()).on("gamma", broken());
    let error = world.failure(ask("m")).await;
    assert_eq!(error.provider().expect("is named").as_str(), "beta");
    assert_eq!(world.script.asked().len(), 5);
    world.records().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_is_replaced_by_the_next_one_at_once() {
    for status in [401, 402, 403, 429] {
        let world = world_with(|setup| setup.alpha_keys = vec!["one", "two"]);
        world.script.on("alpha", refusal(status, "no")).on("alpha", whole("fine"));
        assert_eq!(world.reply(ask("m")).await.text(), "fine", "{status}");
        // The refused one is not asked again while it rests.
        world.script.on("alpha", whole("fine"));
        world.reply(ask("m")).await;
        let keys: Vec<String> =
            world.script.seen().iter().map(|seen| seen.key().to_owned()).collect();
        assert_eq!(keys, ["Bearer one", "Bearer two", "Bearer two"], "{status}");
        assert_eq!(world.script.times(), [0, 0, 0]);
        assert_eq!(world.records().await[0].attempts.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn when_every_key_is_refused_the_next_candidate_answers() {
    let world = world_with(|setup| setup.alpha_keys = vec!["one", "two"]);
    world.script.on("alpha", refusal(401, "no")).on("alpha", refusal(401, "no"));
    world.script.on("beta", whole("fine")).on("beta", whole("fine"));
    world.reply(ask("m")).await;
    world.reply(ask("m")).await;
    assert_eq!(world.script.asked(), ["alpha", "alpha", "beta", "beta"]);
    let error = world.failure(ask("solo")).await;
    assert_eq!(error.kind(), Kind::ProviderAuth);
    assert!(error.message().contains("every key"), "{error}");
    let health = world.engine.health();
    assert!(matches!(health[0].state, gw_engine::ProviderState::KeysRefused { .. }), "{health:?}");
    assert_eq!(health[1].state, gw_engine::ProviderState::Healthy);
    world.records().await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_may_not_use_one_model_may_use_others() {
    let world = world_with(|setup| setup.alpha_keys = vec!["one"]);
    world.script.on("alpha", refusal(403, "not your model")).on("alpha", whole("fine"));
    assert_eq!(world.failure(ask("solo")).await.kind(), Kind::ProviderAuth);
    assert_eq!(world.reply(ask("other")).await.text(), "fine");
    assert_eq!(world.failure(ask("solo")).await.kind(), Kind::ProviderAuth);
    assert_eq!(world.script.asked().len(), 2, "the third was not sent");
    let health = world.engine.health();
    assert_eq!(health[0].state, gw_engine::ProviderState::Healthy);
    assert_eq!(health[0].models[0].0.as_str(), "solo");
    world.records().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_secret_under_an_old_name_is_tried_at_once() {
    let world = world_with(|setup| setup.alpha_keys = vec!["one"]);
    world.script.on("alpha", refusal(401, "no"));
    world.failure(ask("solo")).await;
    let same = crate::fixture::Setup { alpha_keys: vec!["one"], ..Default::default() };
    world.engine.replace_snapshot(same.snapshot(&world.script));
    assert_eq!(world.failure(ask("solo")).await.kind(), Kind::ProviderAuth);
    assert_eq!(world.script.asked().len(), 1, "the same secret still rests");

    let mut new = same.snapshot(&world.script);
    let alpha = new.providers.get_mut(&"alpha".into()).expect("is there");
    let alpha = std::sync::Arc::get_mut(alpha).expect("is not shared yet");
    alpha.credentials[0].secret = "rotated".to_owned().into();
    world.engine.replace_snapshot(new);
    world.script.on("alpha", whole("fine"));
    assert_eq!(world.reply(ask("solo")).await.text(), "fine");
    assert_eq!(world.script.seen()[1].key(), "Bearer rotated");
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_not_followed() {
    let world = world();
    let redirect = refusal(302, "").with("location", "http://elsewhere.invalid");
    world.script.on("alpha", redirect).on("beta", whole("fine"));
    assert_eq!(world.reply(ask("m")).await.text(), "fine");
    world.script.on("alpha", refusal(307, ""));
    let error = world.failure(ask("solo")).await;
    assert!(error.message().contains("redirect"), "{error}");
    assert!(error.hint().expect("helps").contains("base_url"));
    world.records().await;
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded_over_all_candidates() {
    let world = world_with(|setup| {
        setup.options.attempts_per_candidate = 50;
        setup.options.breaker_failures = 500;
        setup.options.backoff_ms = 1;
    });
    for _ in 0..50 {
        world.script.on("alpha", unreachable());
    }
    world.failure(ask("m")).await;
    assert_eq!(world.record().await.attempts.len(), gw_core::limits::ATTEMPTS_MAX);
}
