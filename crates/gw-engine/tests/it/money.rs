//! What calls cost, and what is held back for them.

use gw_core::money::CostSource;
use gw_core::{Cost, Kind, Money};
use gw_ledger::Unpriced;
use proptest::prelude::*;
use serde_json::json;

use crate::fixture::{ask, ask_stream, offering, price, world, world_with};
use crate::script::{Act, Step};
use crate::wire::{
    DONE, answer, chunk, completion, finish, good_stream, refusal, reset, role, stream, text,
    timeout, unreachable, usage, whole,
};

#[tokio::test(start_paused = true)]
async fn the_cost_is_the_sum_over_all_attempts() {
    let world = world_with(|setup| setup.options.attempts_per_candidate = 1);
    world.script.on("alpha", text(200, "application/json", "{").then(Step::Break(reset())));
    world.script.on("beta", refusal(500, "oops")).on("gamma", crate::wire::anthropic_whole("fine"));
    let answered = world.engine.run(ask("m")).await.expect("answers");
    let receipt = crate::fixture::whole(answered).receipt;
    let record = world.record().await;
    let costs: Vec<Option<Money>> =
        record.attempts.iter().map(|attempt| attempt.cost.amount()).collect();
    let prompt = price(record.attempts[0].usage.input, 1);
    assert!(!prompt.is_zero());
    let last = price(33, 5) + price(12, 6);
    assert_eq!(costs, [Some(prompt), Some(Money::ZERO), Some(last)]);
    let sum = Cost::Priced { amount: prompt + last, source: CostSource::Estimated };
    assert_eq!((&record.cost, &receipt.cost), (&sum, &sum));
    assert_eq!(receipt.attempts, 3);
    assert_eq!(receipt.usage.output, 12);
    assert_eq!(world.engine.totals().cost, prompt + last);
}

#[tokio::test(start_paused = true)]
async fn more_than_was_held_is_booked_if_it_is_the_truth() {
    let world = world();
    let mut body = completion("fine");
    body["usage"] = json!({"prompt_tokens": 5_000_000, "completion_tokens": 1});
    world.script.on("alpha", answer(200, &body));
    world.reply(ask("solo")).await;
    let record = world.record().await;
    assert_eq!(record.cost.amount(), Some(price(5_000_000, 1) + price(1, 2)));
}

#[tokio::test(start_paused = true)]
async fn the_worst_case_is_held_while_a_call_runs() {
    let world = world();
    world.script.on("alpha", Act::Hang);
    let mut call = Box::pin(world.engine.run(ask("solo")));
    let a_moment = std::time::Duration::from_millis(1);
    assert!(tokio::time::timeout(a_moment, &mut call).await.is_err());
    let held = world.budgets.totals();
    assert_eq!(held.open, 1);
    assert!(held.reserved > price(1_000, 2), "its longest answer and its prompt: {held:?}");
    drop(call);
    let asked = crate::fixture::inbound(
        gw_core::seam::DialectId::OpenAiChat,
        &json!({"model": "solo", "n": 5, "max_tokens": 1_000,
            "messages": [{"role": "user", "content": "How are you?"}]}),
    );
    world.script.on("alpha", Act::Hang);
    let mut call = Box::pin(world.engine.run(asked));
    assert!(tokio::time::timeout(a_moment, &mut call).await.is_err());
    assert!(world.budgets.totals().reserved > price(5_000, 2), "five answers");
    drop(call);
    world.records().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_says_it_charged_comes_first() {
    let world = world();
    let mut body = completion("fine");
    body["usage"]["cost"] = json!(0.000_123);
    world.script.on("alpha", answer(200, &body));
    world.reply(ask("solo")).await;
    let amount = Money::from_usd_decimal("0.000123").expect("is money");
    let cost = Cost::Priced { amount, source: CostSource::Reported };
    assert_eq!(world.record().await.cost, cost);
}

#[tokio::test(start_paused = true)]
async fn the_model_that_answered_is_billed_where_its_price_is_known() {
    let world = world_with(|setup| setup.offerings.push(offering("alpha", "other", 7, 9)));
    let mut body = completion("fine");
    body["model"] = json!("other");
    world.script.on("alpha", answer(200, &body));
    world.reply(ask("solo")).await;
    let record = world.record().await;
    let usage = record.usage;
    let amount = price(usage.input, 7) + price(usage.output, 9);
    assert_eq!(record.cost.amount(), Some(amount));
    assert_eq!(record.model, "solo", "what was asked for stays on record");
}

#[tokio::test(start_paused = true)]
async fn unpriced_is_a_state_and_not_free() {
    let world = world();
    world.script.on("alpha", whole("fine"));
    world.reply(ask("mystery")).await;
    let record = world.record().await;
    assert!(matches!(record.cost, Cost::Unpriced { .. }), "{:?}", record.cost);
    assert_eq!(record.usage.output, 10);
    assert_eq!(world.engine.totals().unpriced, 1);
}

#[tokio::test(start_paused = true)]
async fn unpriced_models_can_be_refused_before_anything_is_sent() {
    let world = world_with(|setup| setup.options.unpriced = Unpriced::Deny);
    let error = world.failure(ask("mystery")).await;
    assert_eq!((error.kind(), error.field()), (Kind::Forbidden, Some("model")));
    assert!(error.message().contains("alpha/mystery"), "{error}");
    assert!(world.script.asked().is_empty());
    assert_eq!(world.budgets.totals().settled, 0);
}

#[tokio::test(start_paused = true)]
async fn where_prices_must_be_known_an_unpriced_stand_in_is_only_left_out() {
    let world = world_with(|setup| {
        setup.options.unpriced = Unpriced::Deny;
        setup.options.attempts_per_candidate = 1;
        setup.offerings[1].prices.clear();
    });
    world.script.on("alpha", unreachable()).on("gamma", crate::wire::anthropic_whole("fine"));
    assert_eq!(world.reply(ask("m")).await.text(), "fine");
    assert_eq!(world.script.asked(), ["alpha", "gamma"]);
    world.record().await;
}

#[tokio::test(start_paused = true)]
async fn an_output_only_price_is_charged() {
    let world = world_with(|setup| setup.offerings[3] = offering("alpha", "solo", 0, 2));
    world.script.on("alpha", whole("fine"));
    world.reply(ask("solo")).await;
    assert_eq!(world.record().await.cost.amount(), Some(price(10, 2)));
}

/// What a provider may do.
fn act() -> impl Strategy<Value = Act> {
    let begun = || stream(&[role(), chunk("Hel")]);
    prop_oneof![
        Just(whole("fine")),
        Just(good_stream(&["a", "b"])),
        Just(begun().then(Step::Break(reset()))),
        Just(begun().then(Step::Forever)),
        Just(stream(&[role(), chunk("x"), finish(), DONE.to_owned()])),
        Just(stream(&[role(), chunk("x"), finish(), usage(7, 7)])),
        Just(stream(&[role()]).then(Step::Break(timeout()))),
        Just(text(200, "text/html", "<html>")),
        Just(text(200, "application/json", "{").then(Step::Forever)),
        Just(unreachable()),
        Just(Act::Hang),
        (200_u16..600).prop_map(|status| refusal(status, "no")),
        (400_u16..600).prop_map(|status| refusal(status, "no").with("retry-after", "1")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    /// Whatever providers and clients do: each call has one record, nothing stays held, what is
    /// spent is what the records say (all checked by `records`), and a stream ends once.
    #[test]
    fn the_books_balance(
        acts in proptest::collection::vec((0_usize..2, act()), 24..30),
        calls in proptest::collection::vec((any::<bool>(), proptest::option::of(1_u64..5_000)), 1..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("starts");
        runtime.block_on(async {
            let world = world();
            // Far more than can be asked for.
            for _ in 0..4 {
                for (at, act) in &acts {
                    world.script.on(["alpha", "beta"][*at], act.clone());
                }
            }
            for provider in ["alpha", "beta", "gamma"] {
                for _ in 0..60 {
                    world.script.on(provider, refusal(500, "over"));
                }
            }
            for (is_stream, leaves_ms) in &calls {
                let inbound = if *is_stream { ask_stream("m") } else { ask("m") };
                let call = async {
                    let Ok(answer) = world.engine.run(inbound).await else { return };
                    if let gw_engine::AnswerBody::Stream(stream) = answer.body {
                        let heard = crate::fixture::hear(stream).await;
                        assert_eq!(heard.ends + heard.errors.len(), 1);
                        assert!(heard.receipt.is_some());
                    }
                };
                let most_ms = leaves_ms.unwrap_or(100_000);
                let _ = tokio::time::timeout(std::time::Duration::from_millis(most_ms), call).await;
            }
            assert_eq!(world.records().await.len(), calls.len());
        });
    }
}
