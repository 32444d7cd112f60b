//! What keys, budgets and limits let through: before a plan, between candidates, and after.

use std::sync::Arc;
use std::time::Duration;

use gw_catalog::Offering;
use gw_core::budget::{Amount, Budget, Limit, LimitKind, Window};
use gw_core::key::Policy;
use gw_core::money::CostSource;
use gw_core::principal::Principal;
use gw_core::{Cost, Kind, Layer, Money, Rate, Scope, ScopeKind};
use gw_engine::{Answer, Inbound};
use gw_ledger::Unpriced;

use crate::fixture::{World, ask, offering, price, world, world_with};
use crate::script::{Act, Step};
use crate::wire::{refusal, reset, text, whole};

/// The same request by the owner of a key.
fn by_key(policy: Policy, inbound: Inbound) -> Inbound {
    let principal = Principal {
        key_id: Some("key_1".into()),
        policies: vec![Arc::new(policy)],
        ..Principal::default()
    };
    Inbound { principal, ..inbound }
}

fn keyed(inbound: Inbound) -> Inbound {
    by_key(Policy::default(), inbound)
}

fn budget(cap: Money) -> Budget {
    Budget {
        id: "b1".into(),
        scope: Scope::new(ScopeKind::Key, "key_1"),
        cap: Amount::Dollars(cap),
        window: Window::Lifetime,
        is_hard: true,
        max_layer: None,
        alerts: Vec::new(),
        when_away: None,
    }
}

async fn define(world: &World, budget: Budget) {
    world.budgets.put_budget(&world.store, budget).await.expect("kept");
}

/// What is held while a call to this model hangs.
async fn held_for(world: &World, inbound: Inbound) -> Money {
    world.script.on("alpha", Act::Hang).on("beta", Act::Hang);
    let mut call = Box::pin(world.engine.run(inbound));
    assert!(tokio::time::timeout(Duration::from_millis(1), &mut call).await.is_err());
    world.budgets.totals().reserved
}

async fn answer(world: &World, inbound: Inbound) -> Answer {
    world.engine.run(inbound).await.expect("answers")
}

#[tokio::test(start_paused = true)]
async fn a_key_uses_its_own_models_only() {
    let world = world();
    let mine =
        || Policy { models: vec!["alpha/solo".into(), "bet*/m".into()], ..Policy::default() };
    let error = world.failure(by_key(mine(), ask("other"))).await;
    assert_eq!((error.kind(), error.field()), (Kind::Forbidden, Some("model")));
    assert!(error.message().contains("alpha/other") && error.hint().is_some(), "{error}");
    assert!(world.script.asked().is_empty(), "nothing was sent");
    world.script.on("beta", whole("fine"));
    let answered = answer(&world, by_key(mine(), ask("m"))).await;
    assert_eq!(answered.head.model_id, "beta/m", "where it is allowed");
    world.script.on("alpha", whole("fine")).on("beta", whole("fine"));
    let head = answer(&world, by_key(mine(), ask("L1"))).await.head;
    assert!(["alpha/solo", "beta/m"].contains(&&*head.model_id), "{head:?}");
    let none = Policy { models: vec!["nobody's".into()], ..Policy::default() };
    let error = world.failure(by_key(none, ask("L1"))).await;
    assert_eq!(error.kind(), Kind::Forbidden, "{error}");
}

#[tokio::test(start_paused = true)]
async fn no_call_goes_above_the_layer_of_its_key_or_its_budget() {
    let world = world();
    let low = Policy { max_layer: Some(Layer::L0), ..Policy::default() };
    let error = world.failure(by_key(low, ask("solo"))).await;
    assert_eq!(error.kind(), Kind::Forbidden, "{error}");
    let none = Policy { layers: vec![Layer::L3], max_layer: Some(Layer::L0), ..Policy::default() };
    let error = world.failure(by_key(none, ask("solo"))).await;
    assert_eq!(error.kind(), Kind::Forbidden, "{error}");
    let capped = Budget { max_layer: Some(Layer::L0), ..budget(price(1_000_000, 1)) };
    define(&world, capped).await;
    let error = world.failure(keyed(ask("solo"))).await;
    assert_eq!(error.kind(), Kind::Forbidden, "{error}");
    assert!(world.script.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_the_budget_cannot_pay_is_refused_and_consumes_nothing() {
    let world = world();
    let limit = Limit {
        id: "l1".into(),
        scope: Scope::new(ScopeKind::Key, "key_1"),
        kind: LimitKind::RequestsPerMinute,
        max: 1,
        when_away: None,
        wait_ms: None,
    };
    world.budgets.put_limit(&world.store, limit).await.expect("kept");
    define(&world, budget(price(1, 1))).await;
    for _ in 0..3 {
        let error = world.failure(keyed(ask("solo"))).await;
        assert_eq!(error.kind(), Kind::BudgetExhausted);
        assert!(error.message().contains("key:key_1"), "{error}");
    }
    assert!(world.script.asked().is_empty());
    define(&world, budget(price(1_000_000, 1))).await;
    world.script.on("alpha", whole("fine"));
    answer(&world, keyed(ask("solo"))).await;
    let error = world.failure(keyed(ask("solo"))).await;
    assert_eq!(error.kind(), Kind::RateLimited, "refused calls took no place, this one did");
    assert!(error.retry_after_ms().is_some());
    assert_eq!(world.records().await.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_free_model_answers_when_the_budget_is_spent() {
    let world = world_with(|setup| setup.offerings[3].is_free = true);
    define(&world, budget(Money::ZERO)).await;
    world.script.on("alpha", whole("fine"));
    answer(&world, keyed(ask("solo"))).await;
    assert_eq!(world.record().await.cost.amount(), Some(Money::ZERO));
}

#[tokio::test(start_paused = true)]
async fn candidates_that_cannot_be_paid_for_are_left_out_and_named() {
    let world = world_with(|setup| setup.options.attempts_per_candidate = 1);
    // A thousand tokens of answer: alpha takes 0.2 cents, beta 0.4, gamma 0.6.
    define(&world, budget(price(1_000, 3))).await;
    world.script.on("alpha", refusal(500, "oops"));
    let error = world.failure(keyed(ask("m"))).await;
    assert_eq!(error.kind(), Kind::ProviderFailed);
    assert_eq!(world.script.asked(), ["alpha"]);
    world.script.on("alpha", whole("fine"));
    let head = answer(&world, keyed(ask("m"))).await.head;
    assert!(head.reason.contains("beta/m, gamma/m"), "{}", head.reason);
    world.records().await;
}

#[tokio::test(start_paused = true)]
async fn a_named_model_that_cannot_be_paid_for_is_not_replaced() {
    let cheap = Offering { layer: Some(Layer::L0), ..offering("alpha", "cheap", 0, 0) };
    let world = world_with(|setup| setup.offerings.push(cheap));
    define(&world, budget(price(1, 1))).await;
    let error = world.failure(keyed(ask("claude"))).await;
    assert_eq!(error.kind(), Kind::BudgetExhausted);
    assert!(world.script.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dearer_candidate_is_held_before_it_is_asked() {
    let world = world_with(|setup| setup.options.attempts_per_candidate = 1);
    world.script.on("alpha", refusal(500, "oops"));
    let held = held_for(&world, keyed(ask("m"))).await;
    assert!(held > price(1_000, 4), "beta's price: {held}");
    assert_eq!(world.script.asked(), ["alpha", "beta"]);
}

#[tokio::test(start_paused = true)]
async fn a_further_try_is_held_on_top_of_what_was_billed() {
    let once = held_for(&world(), keyed(ask("solo"))).await;
    let broken = || text(200, "application/json", "{").then(Step::Break(reset()));
    let twice = world();
    twice.script.on("alpha", broken()).on("alpha", Act::Hang);
    let mut call = Box::pin(twice.engine.run(keyed(ask("solo"))));
    assert!(tokio::time::timeout(Duration::from_secs(2), &mut call).await.is_err());
    assert_eq!(twice.script.asked(), ["alpha", "alpha"]);
    let held = twice.budgets.totals().reserved;
    drop(call);
    let billed = twice.record().await.attempts[0].cost.amount_or_zero();
    assert!(!billed.is_zero());
    assert_eq!(held, once + billed);
    // A budget that pays for one try and not for what comes on top of a billed one.
    let world = world();
    define(&world, budget(once)).await;
    world.script.on("alpha", broken());
    let error = world.failure(keyed(ask("solo"))).await;
    assert_eq!(world.script.asked(), ["alpha"], "the second try is not paid for");
    assert_eq!(error.kind(), Kind::ProviderUnreachable, "what the provider said says more");
    world.record().await;
}

#[tokio::test(start_paused = true)]
async fn an_unpriced_model_can_be_reckoned_at_a_ceiling() {
    let rate = Rate::from_pico_per_unit(1_000);
    let world = world_with(|setup| setup.options.unpriced = Unpriced::Ceiling(rate));
    world.script.on("alpha", whole("fine"));
    answer(&world, keyed(ask("mystery"))).await;
    let record = world.record().await;
    let tokens = record.usage.total_input() + record.usage.total_output();
    let cost = Cost::Priced { amount: rate.times(tokens), source: CostSource::Estimated };
    assert_eq!(record.cost, cost);
    let poor = world_with(|setup| setup.options.unpriced = Unpriced::Ceiling(rate));
    define(&poor, budget(rate.times(1))).await;
    assert_eq!(poor.failure(keyed(ask("mystery"))).await.kind(), Kind::BudgetExhausted);
}
