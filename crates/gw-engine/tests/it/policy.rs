//! Configured rules, experiments and trials beside the answers.

use gw_catalog::Offering;
use gw_core::chat::{ChatRequest, Message, Role};
use gw_core::principal::Principal;
use gw_core::{Kind, Layer, Money};
use gw_engine::{CallContext, Inbound, Policies, Trial, Unit};
use gw_routing::experiment::Experiment;
use gw_routing::policy::{Rule, Shadow, Then, When};

use crate::fixture::{World, bare, offering, world_with};
use crate::wire::whole;

fn world(policies: Policies) -> World {
    world_with(|setup| {
        let of = |offering: Offering, layer| Offering { layer: Some(layer), ..offering };
        let free = Offering { is_free: true, ..offering("alpha", "free", 0, 0) };
        setup.offerings = vec![
            of(free, Layer::L0),
            of(offering("alpha", "one", 1, 2), Layer::L1),
            of(Offering { rank: 1, ..offering("alpha", "one-more", 1, 2) }, Layer::L1),
            of(offering("alpha", "two", 10, 20), Layer::L2),
            of(offering("alpha", "three", 30, 60), Layer::L3),
        ];
        setup.options.policies = policies;
    })
}

fn rules(rules: Vec<(When, Then)>) -> Policies {
    let rule =
        |(at, (when, then)): (usize, (When, Then))| Rule { name: format!("r{at}"), when, then };
    Policies { rules: rules.into_iter().enumerate().map(rule).collect(), ..Policies::default() }
}

fn ask(text: &str) -> Inbound {
    let request = ChatRequest {
        messages: vec![Message::text(Role::User, text)],
        max_output_tokens: Some(100),
        ..ChatRequest::default()
    };
    bare(request, CallContext::default())
}

fn of_project(project: &str, inbound: Inbound) -> Inbound {
    let principal = Principal { project_id: Some(project.into()), ..Principal::default() };
    Inbound { principal, ..inbound }
}

#[tokio::test(start_paused = true)]
async fn a_rule_by_file_raises_the_layer_within_the_caps() {
    let world = world(rules(vec![(
        When { files: vec!["**/auth/**".into()], ..When::default() },
        Then { min_layer: Some(Layer::L3), ..Then::default() },
    )]));
    world
        .script
        .on("alpha", whole("hello"))
        .on("alpha", whole("hello"))
        .on("alpha", whole("hello"));
    let layer = |inbound| async { world.engine.run(inbound).await.expect("answers").head.layer };
    assert_eq!(layer(ask("hi")).await, Layer::L0);
    // MAX_ESCALATION_LAYER is L2.
    assert_eq!(layer(ask("look at src/auth/login.rs")).await, Layer::L2);
    let mut capped = ask("look at src/auth/login.rs");
    capped.context.max_layer = Some(Layer::L1);
    assert_eq!(layer(capped).await, Layer::L1);
    let records = world.records().await;
    assert_eq!(records[1].metadata["policies"], serde_json::json!(["r0"]));
    assert!(!records[0].metadata.contains_key("policies"));
}

#[tokio::test(start_paused = true)]
async fn a_projects_rule_caps_what_is_asked_by_name_and_takes_its_models_first() {
    let then = Then {
        max_layer: Some(Layer::L1),
        min_layer: Some(Layer::L1),
        models: vec!["one-more".into()],
        ..Then::default()
    };
    let world =
        world(rules(vec![(When { projects: vec!["shop".into()], ..When::default() }, then)]));
    world.script.on("alpha", whole("hello"));
    let answer = world.engine.run(of_project("shop", ask("hi"))).await.expect("answers");
    assert_eq!(answer.head.model, "one-more");
    let mut named = of_project("shop", ask("hi"));
    named.request.model = "three".into();
    let error = world.engine.run(named).await.expect_err("is above the cap").error;
    assert_eq!(error.kind(), Kind::Forbidden);
}

#[tokio::test(start_paused = true)]
async fn limits_of_a_rule_refuse_what_is_too_long_or_too_dear() {
    let then = Then { input_tokens_max: Some(50), ..Then::default() };
    let world = world(rules(vec![(When::default(), then)]));
    let error = world.engine.run(ask(&"word ".repeat(500))).await.expect_err("is long").error;
    assert_eq!(error.kind(), Kind::ContextTooLong);
    let then = Then { cost_max: Some(Money::from_pico(1)), ..Then::default() };
    let world = self::world(rules(vec![(When::default(), then)]));
    let mut named = ask("hi");
    named.request.model = "three".into();
    let error = world.engine.run(named).await.expect_err("is dear").error;
    assert_eq!(error.kind(), Kind::BudgetExhausted);
    world.script.on("alpha", whole("hello"));
    assert_eq!(world.engine.run(ask("hi")).await.expect("is free").head.layer, Layer::L0);
}

#[tokio::test(start_paused = true)]
async fn models_that_a_rule_denies_are_passed_over() {
    let then = Then { deny_models: vec!["alpha/free".into()], ..Then::default() };
    let world = world(rules(vec![(When::default(), then)]));
    world.script.on("alpha", whole("hello"));
    assert_eq!(world.engine.run(ask("hi")).await.expect("answers").head.layer, Layer::L1);
}

#[tokio::test(start_paused = true)]
async fn an_experiment_keeps_each_unit_in_its_arm_and_records_it() {
    let trial = Trial {
        experiment: Experiment { name: "dearer".into(), treatment_bp: 5_000, exposure_bp: 10_000 },
        unit: Unit::Project,
        when: When::default(),
        then: Then { min_layer: Some(Layer::L1), ..Then::default() },
        cost_rise_max: None,
    };
    let world = world(Policies { trials: vec![trial], ..Policies::default() });
    for project in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        for _ in 0..2 {
            world.script.on("alpha", whole("hello"));
            world.engine.run(of_project(project, ask("hi"))).await.expect("answers");
        }
    }
    let records = world.records().await;
    let arms: Vec<&str> =
        records.iter().filter_map(|it| it.metadata["experiments"]["dearer"].as_str()).collect();
    assert_eq!(arms.len(), 16);
    assert!(arms.chunks(2).all(|pair| pair[0] == pair[1]), "{arms:?}");
    assert!(arms.contains(&"control") && arms.contains(&"treatment"), "{arms:?}");
    for record in &records {
        let is_treated = record.metadata["experiments"]["dearer"] == "treatment";
        assert_eq!(record.layer, Some(if is_treated { Layer::L1 } else { Layer::L0 }));
    }
    let report = &world.engine.trials()[0];
    assert_eq!(report.control + report.treatment, 16);
}

#[tokio::test(start_paused = true)]
async fn an_experiment_that_costs_too_much_gives_everybody_the_control() {
    let trial = Trial {
        experiment: Experiment { name: "dear".into(), treatment_bp: 5_000, exposure_bp: 10_000 },
        unit: Unit::Project,
        when: When::default(),
        then: Then { min_layer: Some(Layer::L2), ..Then::default() },
        cost_rise_max: Some(0.5),
    };
    let floor = Then { min_layer: Some(Layer::L1), ..Then::default() };
    let rule = Rule { name: "floor".into(), when: When::default(), then: floor };
    let policies = Policies { trials: vec![trial], rules: vec![rule], ..Policies::default() };
    let world = world(policies);
    for at in 0..400 {
        world.script.on("alpha", whole("hello"));
        let inbound = of_project(&format!("p{at}"), ask("hi"));
        world.engine.run(inbound).await.expect("answers");
    }
    assert!(world.engine.trials()[0].is_stopped);
    let records = world.records().await;
    let last = records.iter().rev().take(20).map(|it| it.layer);
    assert!(last.clone().all(|layer| layer == Some(Layer::L1)), "{:?}", last.collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_shadow_call_is_a_call_of_its_own() {
    let shadow = Shadow { model: "two".into(), share_bp: 10_000 };
    let then = Then { shadow: Some(shadow), ..Then::default() };
    let world = world(rules(vec![(When::default(), then)]));
    world.script.on("alpha", whole("hello")).on("alpha", whole("shadow"));
    let answer = world.engine.run(ask("hi")).await.expect("answers");
    assert_eq!(answer.head.layer, Layer::L0);
    let mut records = world.records().await;
    records.sort_by_key(|record| record.door == "shadow");
    assert_eq!(records.len(), 2, "a shadow has no shadow");
    assert_eq!(records[1].metadata["shadowOf"], records[0].id.to_string());
    assert_eq!((records[1].model.as_str(), records[1].layer), ("two", Some(Layer::L2)));
}
