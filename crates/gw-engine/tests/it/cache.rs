//! The response cache: who gets an answer that was paid for, and what that costs.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use gw_core::budget::{Amount, Budget, Limit, LimitKind, Window};
use gw_core::key::Policy;
use gw_core::principal::Principal;
use gw_core::record::CallStatus;
use gw_core::seam::DialectId;
use gw_core::{Error, Kind, Money, Scope, ScopeKind};
use gw_engine::{AnswerBody, CacheMode, CacheOptions, CacheShare, CacheState, CacheWish, Inbound};
use serde_json::{Value, json};

use crate::fixture::{
    World, ask, ask_stream, hear, inbound, price, streamed, whole as read_whole, world_with,
};
use crate::script::{Act, Step};
use crate::wire::{chunk, good_stream, refusal, role, stream, text, whole};

fn on() -> CacheOptions {
    CacheOptions { mode: CacheMode::On, ..CacheOptions::default() }
}

fn cached() -> World {
    cached_with(on())
}

fn cached_with(options: CacheOptions) -> World {
    world_with(|setup| setup.options.cache = options)
}

fn by(key: &str, inbound: Inbound) -> Inbound {
    let principal = Principal { key_id: Some(key.to_owned()), ..Principal::default() };
    Inbound { principal, ..inbound }
}

fn wishing(header: &str, mut inbound: Inbound) -> Inbound {
    inbound.context.cache = CacheWish::from_header(header).expect("reads");
    inbound
}

/// The text of an answer and what the cache had to do with it.
async fn said(world: &World, inbound: Inbound) -> (String, CacheState) {
    let answer = world.engine.run(inbound).await.expect("answers");
    let state = answer.head.cache;
    let text = match answer.body {
        AnswerBody::Whole(whole) => whole.reply.text(),
        AnswerBody::Stream(stream) => hear(stream).await.text,
    };
    (text, state)
}

const HIT: CacheState = CacheState::Hit { age_s: 0 };

fn expect(text: &str, state: CacheState) -> (String, CacheState) {
    (text.to_owned(), state)
}

#[tokio::test(start_paused = true)]
async fn it_is_off_unless_configured() {
    let world = world_with(|_| {});
    world.script.on("alpha", whole("one")).on("alpha", whole("two"));
    assert_eq!(said(&world, ask("solo")).await, expect("one", CacheState::Bypass));
    assert_eq!(said(&world, ask("solo")).await, expect("two", CacheState::Bypass));
}

#[tokio::test(start_paused = true)]
async fn a_stream_and_a_whole_answer_share_an_entry_both_ways() {
    for (first, act) in
        [(ask("solo"), whole("Hello")), (ask_stream("solo"), good_stream(&["Hel", "lo"]))]
    {
        let world = cached();
        world.script.on("alpha", act);
        assert_eq!(said(&world, first).await, expect("Hello", CacheState::Miss));
        assert_eq!(said(&world, ask("solo")).await, expect("Hello", HIT));
        assert_eq!(said(&world, ask_stream("solo")).await, expect("Hello", HIT));
        let records = world.records().await;
        let cached: Vec<bool> = records.iter().map(|record| record.cached).collect();
        assert_eq!(cached, [false, true, true]);
        for hit in &records[1..] {
            assert_eq!(hit.status, CallStatus::Ok);
            assert!(hit.cost.amount_or_zero().is_zero() && hit.attempts.is_empty());
            assert_eq!(hit.usage.total_input() + hit.usage.total_output(), 0, "nothing consumed");
            let paid = price(100, 1) + price(10, 2);
            assert_eq!(hit.savings.response_cache, Some(paid));
            assert!(hit.savings.baseline.is_some_and(|baseline| baseline >= paid));
            assert_eq!(hit.model_id, "alpha/solo");
        }
        let report = world.engine.cache().await;
        assert_eq!((report.hits, report.misses, report.stored), (2, 1, 1));
        let each = records[1].savings.response_cache.unwrap_or_default();
        assert_eq!(report.saved, each + each);
        assert_eq!(report.size.map(|size| size.entries), Some(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_replayed_stream_is_a_proper_stream_with_its_usage() {
    let world = cached();
    world.script.on("alpha", whole("Hello"));
    world.reply(ask("solo")).await;
    let heard = world.hear(ask_stream("solo")).await;
    assert_eq!((heard.text.as_str(), heard.ends, heard.errors.len()), ("Hello", 1, 0));
    assert_eq!(heard.order.last(), Some(&"end"));
    let receipt = heard.receipt.expect("comes before the end");
    assert!(receipt.cost.amount_or_zero().is_zero());
}

#[tokio::test(start_paused = true)]
async fn dialects_share_an_entry() {
    let world = cached();
    world.script.on("alpha", whole("Hello"));
    let body = |extra: Value| {
        let mut body = json!({"model": "solo", "max_tokens": 50,
            "messages": [{"role": "user", "content": "How are you?"}]});
        body.as_object_mut()
            .expect("is one")
            .extend(extra.as_object().cloned().unwrap_or_default());
        body
    };
    let openai = inbound(DialectId::OpenAiChat, &body(json!({"user": "u1"})));
    assert_eq!(said(&world, openai).await.1, CacheState::Miss);
    let anthropic = body(json!({"metadata": {"user_id": "u2"}, "stream": true}));
    let anthropic = inbound(DialectId::AnthropicMessages, &anthropic);
    assert_eq!(said(&world, anthropic).await, expect("Hello", HIT));
}

#[tokio::test(start_paused = true)]
async fn no_entry_crosses_keys_unless_it_is_shared() {
    let of = |key: &str, organisation: &str| {
        let mut inbound = by(key, ask("solo"));
        inbound.principal.organisation = Some(organisation.to_owned());
        inbound
    };
    let cases = [
        (CacheShare::Key, [CacheState::Miss, CacheState::Miss]),
        (CacheShare::Organisation, [HIT, CacheState::Miss]),
        (CacheShare::All, [HIT, HIT]),
    ];
    for (share, expected) in cases {
        let world = cached_with(CacheOptions { share, ..on() });
        for _ in 0..4 {
            world.script.on("alpha", whole("Hello"));
        }
        assert_eq!(said(&world, of("a", "o")).await.1, CacheState::Miss);
        let others = [said(&world, of("b", "o")).await.1, said(&world, of("c", "p")).await.1];
        assert_eq!(others, expected, "{share:?}");
        assert_eq!(said(&world, of("a", "o")).await.1, HIT);
        // A key without an organisation has its own answers.
        if share != CacheShare::All {
            assert_eq!(said(&world, by("d", ask("solo"))).await.1, CacheState::Miss);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_equal_requests_at_once_are_one_call() {
    let world = cached();
    world.script.on("alpha", whole("Hello").after(Step::Wait(300)));
    let calls = (0..100).map(|at| {
        let inbound = if at % 2 == 0 { ask("solo") } else { ask_stream("solo") };
        said(&world, inbound)
    });
    let answers = join_all(calls).await;
    assert!(answers.iter().all(|(text, _)| text == "Hello"));
    let shared = answers.iter().filter(|(_, state)| *state == CacheState::Shared).count();
    assert_eq!((shared, world.script.asked().len()), (99, 1));
    let records = world.records().await;
    assert_eq!(records.iter().filter(|record| record.cached).count(), 99);
}

#[tokio::test(start_paused = true)]
async fn followers_of_a_leader_that_fails_try_for_themselves() {
    let world = cached();
    world.script.on("alpha", refusal(400, "no").after(Step::Wait(100)));
    world.script.on("alpha", whole("two")).on("alpha", whole("three"));
    let calls = join_all((0..3).map(|_| world.engine.run(ask("solo")))).await;
    let failed = calls.iter().filter(|call| call.is_err()).count();
    assert_eq!((failed, world.script.asked().len()), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_client_leaves_does_not_fail_its_followers() {
    let slow = [role(), chunk("Hel"), chunk("lo")];
    let end = good_stream(&[]);
    let Act::Answer { body: end, .. } = end else { unreachable!() };
    let act = || {
        end.iter()
            .skip(1)
            .cloned()
            .fold(stream(&slow).then(Step::Wait(1_000)), |act, step| act.then(step))
    };
    for is_stream in [false, true] {
        let world = cached();
        match is_stream {
            true => world.script.on("alpha", act()),
            false => world.script.on("alpha", whole("Hello").after(Step::Wait(1_000))),
        };
        let asked = move || if is_stream { ask_stream("solo") } else { ask("solo") };
        let engine = Arc::clone(&world.engine);
        let leader = tokio::spawn(async move {
            let answer = engine.run(asked()).await;
            // A stream that nobody reads any more.
            tokio::time::sleep(Duration::from_millis(200)).await;
            drop(answer);
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        let engine = Arc::clone(&world.engine);
        let follower = tokio::spawn(async move { engine.run(ask("solo")).await });
        tokio::time::sleep(Duration::from_millis(50)).await;
        leader.abort();
        let answer = follower.await.expect("runs").expect("answers");
        assert_eq!(answer.head.cache, CacheState::Shared, "stream: {is_stream}");
        assert_eq!(read_whole(answer).reply.text(), "Hello");
        assert_eq!(world.script.asked().len(), 1);
        assert_eq!(said(&world, ask("solo")).await, expect("Hello", HIT));
        let records = world.records().await;
        assert!(records.iter().all(|record| record.status == CallStatus::Ok));
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_nobody_follows_is_stopped_with_its_client() {
    let world = cached();
    world.script.on("alpha", text(200, "application/json", "{").then(Step::Forever));
    let call = world.engine.run(ask("solo"));
    assert!(tokio::time::timeout(Duration::from_millis(100), call).await.is_err());
    world.script.on("alpha", whole("Hello"));
    assert_eq!(said(&world, ask("solo")).await, expect("Hello", CacheState::Miss));
    let records = world.records().await;
    assert_eq!(records[0].status, CallStatus::Cancelled);
    assert_eq!(world.script.dropped_bodies(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_is_not_kept() {
    let world = cached();
    let broken = stream(&[role(), chunk("Hel")]).then(Step::Break(crate::wire::reset()));
    world.script.on("alpha", broken);
    let heard = hear(streamed(world.engine.run(ask_stream("solo")).await.expect("begins"))).await;
    assert_eq!(heard.errors.len(), 1);
    world.script.on("alpha", whole("Hello"));
    assert_eq!(said(&world, ask("solo")).await, expect("Hello", CacheState::Miss));
}

#[tokio::test(start_paused = true)]
async fn answers_live_as_long_as_they_may() {
    let world = cached_with(CacheOptions { ttl_ms: 10_000, ..on() });
    world.script.on("alpha", whole("one")).on("alpha", whole("two")).on("alpha", whole("three"));
    assert_eq!(said(&world, ask("solo")).await.1, CacheState::Miss);
    tokio::time::advance(Duration::from_millis(9_999)).await;
    let aged = CacheState::Hit { age_s: 9 };
    assert_eq!(said(&world, ask("solo")).await, expect("one", aged));
    let young = wishing("max-age=5", ask("solo"));
    assert_eq!(said(&world, young).await, expect("two", CacheState::Miss));
    tokio::time::advance(Duration::from_millis(10_000)).await;
    assert_eq!(said(&world, ask("solo")).await, expect("three", CacheState::Miss));
}

#[tokio::test(start_paused = true)]
async fn clients_direct_the_cache() {
    let world = cached();
    let only = || wishing("only-if-cached", ask("solo"));
    let error = world.failure(only()).await;
    assert_eq!((error.kind(), error.field()), (Kind::NotCached, Some("cache-control")));
    assert_eq!(error.kind().row().status, 504, "RFC 9111, section 5.2.1.7");
    for text in ["one", "two", "three"] {
        world.script.on("alpha", whole(text));
    }
    let unkept = wishing("no-store", ask("solo"));
    assert_eq!(said(&world, unkept).await, expect("one", CacheState::Miss));
    assert_eq!(world.failure(only()).await.kind(), Kind::NotCached);
    assert_eq!(said(&world, ask("solo")).await, expect("two", CacheState::Miss));
    assert_eq!(said(&world, only()).await, expect("two", HIT));
    let anew = wishing("no-cache", ask("solo"));
    assert_eq!(said(&world, anew).await, expect("three", CacheState::Miss));
    assert_eq!(said(&world, ask("solo")).await, expect("three", HIT));
}

#[tokio::test(start_paused = true)]
async fn the_cache_object_of_litellm_is_obeyed_and_goes_no_further() {
    let asking = |cache: Value| {
        inbound(
            DialectId::OpenAiChat,
            &json!({"model": "solo", "cache": cache,
                "messages": [{"role": "user", "content": "How are you?"}]}),
        )
    };
    let world = cached_with(CacheOptions { mode: CacheMode::OptIn, ..on() });
    world.script.on("alpha", whole("one")).on("alpha", whole("two")).on("alpha", whole("three"));
    assert_eq!(said(&world, ask("solo")).await.1, CacheState::Bypass);
    let wanted = || asking(json!({"use-cache": true, "ttl": 60}));
    assert_eq!(said(&world, wanted()).await, expect("two", CacheState::Miss));
    assert_eq!(said(&world, wanted()).await, expect("two", HIT));
    let elsewhere = asking(json!({"use-cache": true, "namespace": "other"}));
    assert_eq!(said(&world, elsewhere).await, expect("three", CacheState::Miss));
    assert!(world.script.seen().iter().all(|seen| seen.json().get("cache").is_none()));
    tokio::time::advance(Duration::from_secs(61)).await;
    world.script.on("alpha", whole("four"));
    assert_eq!(said(&world, wanted()).await, expect("four", CacheState::Miss));
}

#[tokio::test(start_paused = true)]
async fn some_requests_are_never_answered_from_it() {
    let cases = [
        json!({"temperature": 1.5}),
        json!({"store": true}),
        json!({"web_search_options": {}}),
        json!({"model": "solo:online"}),
    ];
    for extra in cases {
        let world = cached();
        let mut body = json!({"model": "solo",
            "messages": [{"role": "user", "content": "How are you?"}]});
        body.as_object_mut().expect("is one").extend(extra.as_object().cloned().expect("is one"));
        for text in ["one", "two"] {
            world.script.on("alpha", whole(text));
            let answer = world.engine.run(inbound(DialectId::OpenAiChat, &body)).await;
            // No provider sells the model that looks things up.
            if let Ok(answer) = answer {
                assert_eq!(answer.head.cache, CacheState::Bypass, "{extra}");
                assert_eq!(read_whole(answer).reply.text(), text);
            }
        }
        assert_eq!(world.engine.cache().await.bypassed, 2, "{extra}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_did_not_end_well_are_not_kept() {
    let ended = |reason: &str, text: &str| {
        let mut body = crate::wire::completion(text);
        body["choices"][0]["finish_reason"] = json!(reason);
        crate::wire::answer(200, &body)
    };
    for (reason, text) in [("length", "Hel"), ("content_filter", "Hel"), ("stop", ""), ("odd", "x")]
    {
        let world = cached();
        world.script.on("alpha", ended(reason, text)).on("alpha", whole("Hello"));
        assert_eq!(said(&world, ask("solo")).await.1, CacheState::Miss);
        assert_eq!(said(&world, ask("solo")).await, expect("Hello", CacheState::Miss), "{reason}");
    }
    // The client's own limit cuts every answer alike.
    let world = cached();
    world.script.on("alpha", ended("length", "Hel"));
    let cut = json!({"model": "solo", "max_tokens": 1,
        "messages": [{"role": "user", "content": "How are you?"}]});
    let cut = || inbound(DialectId::OpenAiChat, &cut);
    assert_eq!(said(&world, cut()).await.1, CacheState::Miss);
    assert_eq!(said(&world, cut()).await, expect("Hel", HIT));
}

#[tokio::test(start_paused = true)]
async fn hits_count_for_limits_and_not_for_budgets() {
    let world = cached();
    let scope = Scope::new(ScopeKind::Key, "key_1");
    let budget = Budget {
        id: "b1".into(),
        scope: scope.clone(),
        cap: Amount::Dollars(Money::from_pico(1_000_000_000_000)),
        window: Window::Lifetime,
        is_hard: true,
        max_layer: None,
        alerts: Vec::new(),
        when_away: None,
    };
    world.budgets.put_budget(&world.store, budget.clone()).await.expect("kept");
    world.script.on("alpha", whole("Hello"));
    assert_eq!(said(&world, by("key_1", ask("solo"))).await.1, CacheState::Miss);
    // Nothing is left now.
    let spent = Budget { cap: Amount::Dollars(Money::from_pico(1)), ..budget };
    world.budgets.put_budget(&world.store, spent).await.expect("kept");
    assert_eq!(said(&world, by("key_1", ask("solo"))).await, expect("Hello", HIT));
    let limit = Limit {
        id: "l1".into(),
        scope,
        kind: LimitKind::RequestsPerMinute,
        max: 3,
        when_away: None,
        wait_ms: None,
    };
    world.budgets.put_limit(&world.store, limit).await.expect("kept");
    for _ in 0..3 {
        assert_eq!(said(&world, by("key_1", ask("solo"))).await.1, HIT);
    }
    let error: Error = world.failure(by("key_1", ask("solo"))).await;
    assert_eq!(error.kind(), Kind::RateLimited);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_may_not_use_the_model_does_not_get_its_answer() {
    let world = cached_with(CacheOptions { share: CacheShare::All, ..on() });
    world.script.on("alpha", whole("Hello"));
    assert_eq!(said(&world, ask("solo")).await.1, CacheState::Miss);
    let policy = Policy { models: vec!["alpha/other".into()], ..Policy::default() };
    let mut barred = by("key_2", ask("solo"));
    barred.principal.policies = vec![Arc::new(policy)];
    let error = world.failure(barred).await;
    assert!(matches!(error.kind(), Kind::Forbidden | Kind::ModelNotFound), "{error}");
}

#[tokio::test(start_paused = true)]
async fn whatever_differs_in_what_is_asked_is_another_entry() {
    let world = cached();
    let base = json!({"model": "solo", "messages": [{"role": "user", "content": "How are you?"}]});
    let mut bodies = vec![base.clone()];
    for (name, value) in [
        ("temperature", json!(0.1)),
        ("max_tokens", json!(5)),
        ("seed", json!(7)),
        ("n", json!(2)),
        ("stop", json!(["x"])),
        ("model", json!("other")),
        ("response_format", json!({"type": "json_object"})),
        ("tools", json!([{"type": "function", "function": {"name": "f"}}])),
        ("messages", json!([{"role": "user", "content": "How are you!"}])),
        ("unheard_of", json!(1)),
    ] {
        let mut body = base.clone();
        body[name] = value;
        bodies.push(body);
    }
    for body in &bodies {
        world.script.on("alpha", whole("Hello"));
        let state = said(&world, inbound(DialectId::OpenAiChat, body)).await.1;
        assert_eq!(state, CacheState::Miss, "{body}");
    }
    for body in &bodies {
        assert_eq!(said(&world, inbound(DialectId::OpenAiChat, body)).await.1, HIT, "{body}");
    }
}
