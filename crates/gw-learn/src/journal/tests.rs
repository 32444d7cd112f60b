use gw_core::layer::Layer;
use gw_core::money::CostSource;
use gw_core::outcome::{Decision, DecisionModel, Judged, Outcome, OutcomeSource};
use gw_core::record::{CallRecord, CallStatus, Savings};
use gw_core::task::{Complexity, TaskType};
use gw_core::{CallId, Cost, Money, Usage};

use super::{drift, write};
use crate::data::load;

/// A call that chose one of two models, with the score of its answer.
fn judged(at: u32, model: &str, score: f64, propensity_ppm: u32) -> Judged {
    let id = CallId::parse(&format!("0197f0a0-0000-7000-8000-{at:012x}")).expect("an id");
    let weighed = |name: &str, success_ppm| DecisionModel {
        model: name.to_owned(),
        layer: Layer::L1,
        success_ppm,
        cost: Money::from_pico(1_000),
        is_on_hull: true,
        propensity_ppm,
    };
    let decision = Decision {
        origin: "test".to_owned(),
        value: Money::from_pico(1),
        is_trial: false,
        tag: Some(format!("{:016x}", at % 3)),
        is_known_tag: false,
        class: "prose".to_owned(),
        warm: None,
        models: vec![weighed("a/one", 800_000), weighed("b/two", 900_000)],
        said: Some(format!("question {at} of many")),
    };
    let mut metadata = serde_json::Map::new();
    let value = serde_json::to_value(decision).expect("plain values");
    metadata.insert(Decision::KEY.to_owned(), value);
    let call = CallRecord {
        id,
        started_at_ms: i64::from(at),
        conversation_id: None,
        user_id: None,
        project_id: None,
        key_id: None,
        scopes: Vec::new(),
        door: "chat".to_owned(),
        requested_model: "auto".to_owned(),
        model: model.to_owned(),
        model_id: model.to_owned(),
        provider: "a".to_owned(),
        layer: Some(Layer::L1),
        route_reason: String::new(),
        task: TaskType::General,
        complexity: Complexity::Low,
        stream: false,
        status: CallStatus::Ok,
        attempts: Vec::new(),
        usage: Usage { input: 20, output: 30, ..Usage::default() },
        cost: Cost::Priced { amount: Money::from_pico(5), source: CostSource::Catalogue },
        duration_ms: 5,
        first_token_ms: None,
        cached: false,
        demo: false,
        savings: Savings::default(),
        metadata,
    };
    let outcome = |source, score| Outcome {
        call_id: id,
        model: model.to_owned(),
        source,
        score,
        at_ms: i64::from(at),
    };
    // What tells less is overruled.
    let outcomes =
        vec![outcome(OutcomeSource::Feedback, score), outcome(OutcomeSource::Retry, 1.0 - score)];
    Judged { call, outcomes }
}

fn price(_: &str) -> Option<(String, String)> {
    Some(("0.15".to_owned(), "0.6".to_owned()))
}

#[test]
fn a_log_is_written_and_read_back_with_its_means_unbiased() {
    // One is right three times of four and asked nine times of ten; two is always right.
    let log: Vec<Judged> = (0..2_000)
        .map(|at| match at % 10 {
            9 => judged(at, "b/two", 1.0, 100_000),
            _ => judged(at, "a/one", f64::from(u8::from(at % 4 != 0)), 900_000),
        })
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let exported = write(folder.path(), &log, &price).expect("written");
    assert_eq!((exported.calls, exported.models), (2_000, 2));
    let outcomes = load(folder.path(), &[]).expect("of the documented shape");
    assert_eq!(outcomes.prompts.len(), 2_000);
    assert!(outcomes.prompts.iter().all(|prompt| prompt.tag.is_some() && prompt.at_ms.is_some()));
    let mean = |name: &str| {
        let model = outcomes.find(name).expect("in the pool");
        let sum: f32 = (0..2_000).map(|row| outcomes.quality_of(row, model)).sum();
        sum / 2_000.0
    };
    assert!((mean("a/one") - 0.75).abs() < 0.03, "{}", mean("a/one"));
    assert!((mean("b/two") - 1.0).abs() < 0.03, "{}", mean("b/two"));
}

#[test]
fn too_few_judged_calls_are_a_clear_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let log: Vec<Judged> = (0..10).map(|at| judged(at, "a/one", 1.0, 1_000_000)).collect();
    write(folder.path(), &log, &price).expect("written");
    let error = load(folder.path(), &[]).expect_err("too few");
    assert!(error.message().contains("fewer than two priced models"), "{}", error.message());
}

#[test]
fn drift_is_told_from_chance() {
    let kept: Vec<Judged> =
        (0..400).map(|at| judged(at, "a/one", f64::from(u8::from(at % 5 != 0)), 900_000)).collect();
    let found = drift(&kept).expect("enough calls");
    assert!(!found.is_alarming && found.deviation.abs() < 1.0, "{found:?}");
    let broken: Vec<Judged> =
        (0..400).map(|at| judged(at, "a/one", f64::from(u8::from(at % 5 > 1)), 900_000)).collect();
    assert!(drift(&broken).expect("enough calls").is_alarming);
    assert_eq!(drift(&broken[..20]), None);
}
