use gw_core::Money;
use gw_routing::estimate::Estimates;
use gw_routing::signal::Signals;

use super::Prior;
use crate::data::{LeftOut, Model, Outcomes, Prompt};

/// A set of one class whose models are right for the first so many of a hundred prompts.
fn set(name: &str, models: &[(&str, usize)]) -> Outcomes {
    let prompts = (0..100).map(|row| Prompt {
        id: row.to_string(),
        task: "t".to_owned(),
        sub: String::new(),
        text: format!("who wrote the play called {name} {row} of them"),
        tag: None,
        at_ms: None,
    });
    let priced = models.iter().map(|(model, _)| Model {
        name: (*model).to_owned(),
        price: Some((1, Money::from_pico(1).pico().unsigned_abs())),
    });
    let scores = (0..100)
        .flat_map(|row| models.iter().map(move |(_, right)| if row < *right { 1.0 } else { 0.0 }));
    let cells = 100 * models.len();
    Outcomes {
        name: name.to_owned(),
        models: priced.collect(),
        prompts: prompts.collect(),
        quality: scores.collect(),
        in_tokens: vec![10; cells],
        out_tokens: vec![40; cells],
        is_length_assumed: false,
        answers: Vec::new(),
        left_out: LeftOut::default(),
    }
}

#[test]
fn a_model_seen_in_a_hard_set_is_not_taken_for_a_worse_one() {
    let easy = set("easy", &[("bridge", 80), ("strong", 90)]);
    let hard = set("hard", &[("bridge", 40), ("weak", 50)]);
    let estimator = Prior::fit(&[&easy, &hard]).estimator();
    let mean = |model: &str| estimator.quality.overall(estimator.position(model).expect("known"));
    assert!(mean("weak") > mean("bridge"), "{} {}", mean("weak"), mean("bridge"));
    assert!(mean("strong") > mean("bridge"));
    let gap = (mean("strong") - mean("weak")).abs();
    // Plain means lie .4 apart.
    assert!(gap < 0.25, "both beat the model that stands in both sets: {gap}");
}

#[test]
fn the_same_data_give_the_same_bytes() {
    let (one, other) = (set("a", &[("x", 10), ("y", 60)]), set("b", &[("x", 50), ("z", 70)]));
    let bytes = Prior::fit(&[&one, &other]).estimator().to_bytes();
    assert_eq!(bytes, Prior::fit(&[&one, &other]).estimator().to_bytes());
}

#[test]
fn brought_to_a_new_set_it_keeps_that_sets_means() {
    let prior = Prior::fit(&[&set("a", &[("x", 10), ("y", 60)])]);
    let new = set("c", &[("p", 30), ("q", 70)]);
    let rows: Vec<usize> = (0..100).collect();
    let estimator = prior.onto(&new, &rows);
    let mut found = Estimates::default();
    estimator.estimate(&Signals::of("who wrote it", None), &mut found);
    assert!((found.success[0] - 0.3).abs() < 0.02, "{:?}", found.success);
    assert!((found.success[1] - 0.7).abs() < 0.02, "{:?}", found.success);
}
