//! Plans as the engine asks for them: what is allowed, what rests, what defaults fill in.

use gw_core::Kind;
use gw_core::chat::{ChatRequest, Message, Role, Sampling};
use gw_engine::CallContext;
use gw_engine::options::RequestDefaults;
use serde_json::{Value, json};

use crate::fixture::{World, ask, bare, inbound, world, world_with};
use crate::wire::{anthropic_whole, refusal, whole};

fn last_body(world: &World) -> Value {
    world.script.seen().last().expect("was asked").json()
}

fn question(temperature: Option<f64>) -> ChatRequest {
    ChatRequest {
        model: "solo".into(),
        messages: vec![Message::text(Role::User, "How are you?")],
        sampling: Sampling { temperature, ..Sampling::default() },
        ..ChatRequest::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_temperature_of_zero_stays_zero() {
    let world = world_with(|setup| setup.options.defaults.temperature = Some(0.7));
    world.script.on("alpha", whole("fine"));
    world.reply(bare(question(Some(0.0)), CallContext::default())).await;
    assert_eq!(last_body(&world)["temperature"], json!(0.0));
}

#[tokio::test(start_paused = true)]
async fn defaults_fill_in_what_the_client_left_out() {
    let world = world_with(|setup| {
        setup.options.defaults = RequestDefaults {
            model: Some("solo".into()),
            temperature: Some(0.3),
            max_tokens: Some(77),
        };
    });
    world.script.on("alpha", whole("fine")).on("alpha", whole("fine"));
    let mut empty = question(None);
    empty.model.clear();
    world.reply(bare(empty, CallContext::default())).await;
    let sent = last_body(&world);
    assert_eq!(sent["model"], "solo");
    assert_eq!(sent["temperature"], json!(0.3));
    let limit = sent.get("max_completion_tokens").or(sent.get("max_tokens"));
    assert_eq!(limit, Some(&json!(77)));
    let own = inbound(
        gw_core::seam::DialectId::OpenAiChat,
        &json!({"model": "other", "temperature": 0, "max_tokens": 5,
            "messages": [{"role": "user", "content": "Hi."}]}),
    );
    world.reply(own).await;
    let sent = last_body(&world);
    assert_eq!((&sent["model"], &sent["max_tokens"]), (&json!("other"), &json!(5)));
    assert_eq!(sent["temperature"], json!(0), "the client's bytes passed through");
    assert_eq!(world.records().await[0].requested_model, "solo");
}

#[tokio::test(start_paused = true)]
async fn defaults_give_way_where_a_model_does_not_take_them() {
    let world = world_with(|setup| {
        setup.options.defaults =
            RequestDefaults { model: None, temperature: Some(0.3), max_tokens: Some(9_999) };
        setup.offerings[3].capabilities.temperature = Some(false);
    });
    world.script.on("alpha", whole("fine")).on("alpha", whole("fine"));
    world.reply(bare(question(None), CallContext::default())).await;
    let sent = last_body(&world);
    assert_eq!(sent.get("temperature"), None);
    let limit = sent.get("max_completion_tokens").or(sent.get("max_tokens"));
    assert_eq!(limit, Some(&json!(1_000)), "the model's own limit");
    world.reply(bare(question(Some(1.0)), CallContext::default())).await;
    assert_eq!(last_body(&world)["temperature"], json!(1.0), "the client's own word stays");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_is_not_allowed_is_refused_by_name() {
    let world = world_with(|setup| setup.alpha_allows = vec!["other"]);
    let error = world.failure(ask("solo")).await;
    assert_eq!((error.kind(), error.field()), (Kind::Forbidden, Some("model")));
    assert!(error.message().contains("alpha/solo"), "{error}");
    world.script.on("beta", whole("fine"));
    let answer = world.engine.run(ask("m")).await.expect("answers");
    assert_eq!(answer.head.summary, "Direct model selection: beta/m (layer L1)");
}

#[tokio::test(start_paused = true)]
async fn the_router_never_picks_what_is_not_allowed() {
    let world = world_with(|setup| {
        setup.alpha_allows = vec!["third"];
        for offering in &mut setup.offerings {
            offering.rank = u32::from(offering.provider.as_str() != "alpha");
        }
    });
    world.script.on("alpha", whole("fine"));
    let answer = world.engine.run(ask("L1")).await.expect("answers");
    assert_eq!(answer.head.model_id, "alpha/third");
    assert!(answer.head.summary.contains(&answer.head.model_id), "{}", answer.head.summary);
}

#[tokio::test(start_paused = true)]
async fn what_rests_is_asked_last_and_what_answers_is_named() {
    let world = world_with(|setup| setup.alpha_keys = vec!["one"]);
    world
        .script
        .on("alpha", refusal(401, "no"))
        .on("beta", whole("fine"))
        .on("beta", whole("fine"));
    world.reply(ask("m")).await;
    let answer = world.engine.run(ask("m")).await.expect("answers");
    assert_eq!(world.script.asked(), ["alpha", "beta", "beta"]);
    assert!(answer.head.summary.contains("beta/m"), "{}", answer.head.summary);
    assert!(!answer.head.summary.contains("Fallback"), "it was planned: {}", answer.head.summary);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_model_is_an_error_with_its_field_and_is_recorded() {
    let world = world();
    let error = world.failure(ask("no-such-model")).await;
    assert_eq!((error.kind(), error.field()), (Kind::ModelNotFound, Some("model")));
    let record = world.record().await;
    assert_eq!(record.requested_model, "no-such-model");
    assert!(record.attempts.is_empty() && record.cost.amount_or_zero().is_zero());
}

#[tokio::test(start_paused = true)]
async fn what_a_dialect_cannot_say_is_noted() {
    let world = world();
    world.script.on("gamma", anthropic_whole("fine"));
    let ask = inbound(
        gw_core::seam::DialectId::OpenAiChat,
        &json!({"model": "claude", "seed": 7, "messages": [{"role": "user", "content": "Hi."}]}),
    );
    let answer = world.engine.run(ask).await.expect("answers");
    assert!(answer.head.notices.iter().any(|notice| notice.feature.contains("seed")), "{answer:?}");
}
