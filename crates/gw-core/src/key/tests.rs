use proptest::prelude::{prop_assert, proptest};

use super::{Policy, matches};
use crate::layer::Layer;

#[test]
fn stars_stand_for_any_text() {
    for (pattern, text, wanted) in [
        ("gpt-5", "gpt-5", true),
        ("gpt-5", "gpt-50", false),
        ("*", "", true),
        ("gpt-*", "gpt-5", true),
        ("gpt-*", "ogpt-5", false),
        ("*-mini", "gpt-5-mini", true),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-c-b", false),
        ("a*a", "a", false),
        ("ab*ba", "aba", false),
        ("**", "x", true),
        ("openai/*", "openai/gpt-5", true),
        ("", "x", false),
    ] {
        assert_eq!(matches(pattern, text), wanted, "{pattern} {text}");
    }
}

fn policy(models: &[&str], max_layer: Option<Layer>) -> Policy {
    let models = models.iter().map(|model| (*model).to_owned()).collect();
    Policy { models, max_layer, ..Policy::default() }
}

#[test]
fn a_child_may_not_have_more() {
    let parent = policy(&["gpt-*", "acme/small"], Some(Layer::L2));
    let check = |child: Policy| child.exceeds(&parent);
    assert_eq!(check(parent.clone()), None);
    assert_eq!(check(policy(&["gpt-5-*"], Some(Layer::L1))), None);
    assert_eq!(check(policy(&[], Some(Layer::L1))), Some("models"), "an empty list is everything");
    assert_eq!(check(policy(&["*"], Some(Layer::L1))), Some("models"));
    assert_eq!(check(policy(&["gp*"], Some(Layer::L1))), Some("models"));
    assert_eq!(check(policy(&["gpt-5"], None)), Some("layers"));
    let layers = vec![Layer::L0, Layer::L3];
    let child = Policy { layers, ..policy(&["gpt-5"], None) };
    assert_eq!(check(child), Some("layers"));
    assert_eq!(policy(&[], None).exceeds(&Policy::default()), None);
    let endpoints = Policy { endpoints: vec!["/v1/*".into()], ..Policy::default() };
    assert_eq!(Policy::default().exceeds(&endpoints), Some("endpoints"));
    let tools = Policy { tools: vec!["git::*".into()], ..Policy::default() };
    assert_eq!(Policy::default().exceeds(&tools), Some("tools"));
}

#[test]
fn what_is_left_open_is_taken_over() {
    let parent = Policy {
        endpoints: vec!["/v1/*".into()],
        tools: vec!["git::*".into()],
        ..policy(&["gpt-*"], Some(Layer::L1))
    };
    assert_eq!(Policy::default().under(&parent), parent);
    let own = Policy { layers: vec![Layer::L3], ..policy(&["gpt-5"], None) };
    let under = own.under(&parent);
    assert_eq!((&under.models, &under.layers, under.max_layer), (&own.models, &own.layers, None));
    assert_eq!(under.exceeds(&parent), Some("layers"), "what it names is its own");
}

proptest! {
    /// What a child within its parent allows, the parent allows.
    #[test]
    fn within_means_never_more(
        child in proptest::collection::vec("[ab*/]{0,5}", 0..3),
        parent in proptest::collection::vec("[ab*/]{0,5}", 0..3),
        name in "[ab]{0,4}",
    ) {
        let child = Policy { models: child, ..Policy::default() };
        let parent = Policy { models: parent, ..Policy::default() };
        if child.models.is_empty() {
            prop_assert!(child.under(&parent).exceeds(&parent).is_none());
        }
        if child.exceeds(&parent).is_none() && child.allows_model("p", &name) {
            prop_assert!(parent.allows_model("p", &name));
        }
    }
}
