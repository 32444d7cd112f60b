//! Plans that go by what was learned.

use gw_catalog::{Catalog, Offering};
use gw_core::{Layer, Money, ProviderId};
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

use super::{list, shelf, world};
use crate::features::Features;
use crate::learned::Expected;
use crate::options::RoutingOptions;
use crate::plan::{ALL_PPM, Advice, Health, Plan, Question, Snapshot, plan};

/// What is expected of the shelf: success in thousandths and cost, none for what is not listed.
type Known = Vec<(&'static str, u32, i64)>;

fn known() -> Known {
    vec![
        ("openrouter/meta/llama-70b:free", 500, 0),
        ("openai/gpt-nano", 600, 100),
        ("openai/gpt-mini", 700, 200),
        ("anthropic/haiku", 650, 900),
        ("openai/gpt", 900, 4_000),
        ("anthropic/opus", 990, 20_000),
    ]
}

struct Case {
    known: Known,
    value: i64,
    warm: Option<&'static str>,
    explore_ppm: u32,
    draw_ppm: u32,
    model: &'static str,
    max_layer: Layer,
    options: RoutingOptions,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            known: known(),
            value: 10_000,
            warm: None,
            explore_ppm: 0,
            draw_ppm: ALL_PPM,
            model: "auto",
            max_layer: Layer::L3,
            options: RoutingOptions { candidates_max: 12, ..RoutingOptions::default() },
        }
    }
}

impl Case {
    fn plan(&self) -> Plan {
        let catalog = Catalog::from_offerings(shelf());
        let providers: Vec<ProviderId> =
            ["openai", "anthropic", "openrouter", "ollama"].map(ProviderId::from).to_vec();
        let expected = |offering: &Offering| {
            let found = self.known.iter().find(|(id, ..)| *id == offering.id())?;
            let (success_ppm, cost) = (found.1 * 1_000, Money::from_pico(found.2));
            Some(Expected { success_ppm, usual_ppm: success_ppm, cost })
        };
        let value = Money::from_pico(self.value);
        let advice = Advice {
            expected: &expected,
            value,
            warm: self.warm,
            margin: Money::from_pico(self.value / 50),
            explore_ppm: self.explore_ppm,
            draw_ppm: self.draw_ppm,
        };
        let features: Features = world("auto").features;
        let question = Question {
            features: &features,
            model: self.model,
            quality: None,
            complexity: None,
            task: None,
            preferred_layer: None,
            max_layer: self.max_layer,
            is_free_only: false,
        };
        let snapshot = Snapshot {
            catalog: &catalog,
            providers: &providers,
            health: &|_, _| Health::Well,
            bar: &|_, _| None,
            options: &self.options,
            learned: Some(&advice),
        };
        plan(&question, &snapshot).unwrap()
    }

    fn first(&self) -> String {
        self.plan().candidates[0].offering.id()
    }
}

#[test]
fn the_value_of_an_answer_buys_as_much_as_it_is_worth() {
    for (value, wanted) in [
        (0, "openrouter/meta/llama-70b:free"),
        (1_500, "openai/gpt-mini"),
        (100_000, "openai/gpt"),
        (i64::MAX / 4, "openai/gpt"),
    ] {
        assert_eq!(Case { value, ..Case::default() }.first(), wanted, "{value}");
    }
    let plan = Case::default().plan();
    let weighed = plan.weighed.expect("models were weighed");
    assert_eq!(weighed.models[0].id, plan.candidates[0].offering.id());
    assert!(plan.reason.contains("5 models of L0-L2 weighed"), "{}", plan.reason);
    let dominated = weighed.models.iter().find(|model| model.id == "anthropic/haiku");
    assert!(dominated.is_some_and(|model| !model.is_on_hull && model.propensity_ppm == 0));
}

#[test]
fn what_caller_and_operator_said_goes_before_what_was_learned() {
    let named = Case { model: "openai/gpt-nano", ..Case::default() }.plan();
    assert!(named.weighed.is_none());
    assert!(Case { model: "L1", ..Case::default() }.plan().weighed.is_none());
    let mut listed = Case::default();
    listed.options.task_models.chat = list(&["gpt-nano"]);
    assert_eq!(listed.first(), "openai/gpt-nano");
    let lonely = Case { known: vec![("openai/gpt", 900, 4_000)], ..Case::default() }.plan();
    assert!(lonely.weighed.is_none(), "one known model is no choice");
}

#[test]
fn a_conversation_stays_with_its_warm_model_and_is_no_place_for_trials() {
    let warm = Case { value: 4_000, warm: Some("openai/gpt-nano"), ..Case::default() };
    assert_eq!(Case { warm: None, value: 1_100, ..Case::default() }.first(), "openai/gpt-mini");
    let near = Case { value: 1_010, ..warm };
    assert_eq!(near.first(), "openai/gpt-nano", "too little is gained by leaving");
    let trial = Case { explore_ppm: ALL_PPM, draw_ppm: 0, ..near };
    assert_eq!(trial.first(), "openai/gpt-nano");
}

#[test]
fn a_trial_stays_on_the_hull_and_its_probability_is_kept() {
    let mut tried = std::collections::BTreeSet::new();
    for draw in 0..20 {
        let draw_ppm = draw * 1_000;
        let case = Case { explore_ppm: 20_000, draw_ppm, ..Case::default() };
        let weighed = case.plan().weighed.expect("weighed");
        let chosen = &weighed.models[0];
        assert!(chosen.is_on_hull && chosen.propensity_ppm > 0);
        let sum: u32 = weighed.models.iter().map(|model| model.propensity_ppm).sum();
        assert!(sum.abs_diff(ALL_PPM) < 10, "{sum}");
        tried.insert(chosen.id.clone());
    }
    assert_eq!(tried.len(), 4, "{tried:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Never above the cap; more value never buys a worse answer; the same inputs, the same plan.
    #[test]
    fn caps_hold_value_is_monotone_and_plans_repeat(
        numbers in proptest::collection::vec((0_u32..=1_000, 0_i64..50_000), 6),
        low in 0_i64..1_000_000,
        more in 0_i64..1_000_000_000,
        cap in proptest::sample::select(Layer::ALL.to_vec()),
        explore_ppm in proptest::sample::select(vec![0, 30_000]),
        draw_ppm in 0_u32..ALL_PPM,
        default_cap in any::<bool>(),
    ) {
        let known: Known = known()
            .into_iter()
            .zip(&numbers)
            .map(|((id, ..), (success, cost))| (id, *success, *cost))
            .collect();
        let options = RoutingOptions {
            max_escalation_layer: if default_cap { Layer::L2 } else { Layer::L3 },
            ..Case::default().options
        };
        let case = |value, explore_ppm| Case {
            known: known.clone(),
            value,
            explore_ppm,
            draw_ppm,
            max_layer: cap,
            options: options.clone(),
            ..Case::default()
        };
        let tried = case(low, explore_ppm);
        let plan = tried.plan();
        prop_assert!(plan.candidates.iter().all(|candidate| candidate.layer <= cap));
        prop_assert!(plan.candidates.iter().all(|it| it.layer <= options.max_escalation_layer));
        prop_assert_eq!(&plan, &tried.plan());
        let (one, other) = (case(low, 0).plan(), case(low + more, 0).plan());
        if let (Some(one), Some(other)) = (one.weighed, other.weighed) {
            let (one, other) = (one.models[0].expected, other.models[0].expected);
            prop_assert!(other.success_ppm >= one.success_ppm);
        }
    }
}
