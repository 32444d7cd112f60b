//! Who comes after the first candidate.

use gw_core::Kind;
use gw_core::Layer::{L0, L1, L2};

use super::{list, model, world};
use crate::plan::Verdict;

/// Models that each provider sells alone, and OpenRouter's stand-ins, all in one layer.
fn matrix(first: &str) -> super::World {
    world("auto").with(|w| {
        w.options.default_layer = L1;
        w.options.enable_auto_escalate = false;
        w.offerings = vec![
            model(first, L1, 1),
            model("openrouter/openai/stand-in", L1, 90),
            model("openrouter/anthropic/stand-in", L1, 91),
            model("openrouter/first-list", L1, 92),
            model("openrouter/second-list", L1, 93),
            model("ollama/local", L0, 99),
        ];
        w.options.openrouter_replace_openai = Some("openai/stand-in".to_owned());
        w.options.openrouter_replace_claude = Some("anthropic/stand-in".to_owned());
        w.options.openrouter_fallback_models = Some(list(&["first-list", "second-list"]));
        w.options.oss_local = Some("ollama/local".to_owned());
    })
}

#[test]
fn stand_ins_follow_the_failing_provider() {
    let check = |first: &'static str, expected: &[&str]| {
        // The first choice stands alone in L1, so that nothing but stand-ins comes after it.
        let alone = matrix(first).with(|w| {
            for offering in &mut w.offerings[1..] {
                offering.layer = Some(L0);
            }
        });
        assert_eq!(alone.first(), first);
        assert_eq!(alone.ids()[1..], *expected, "{first}");
    };
    let list = ["openrouter/first-list", "openrouter/second-list", "ollama/local"];
    check("openai/one", &["openrouter/openai/stand-in", "ollama/local"]);
    check("anthropic/one", &["openrouter/anthropic/stand-in", "ollama/local"]);
    check("openrouter/one", &list);
    check("ollama/one", &list);
}

/// The named model has no peers, so its stand-ins are seen alone.
#[test]
fn a_named_model_has_only_the_stand_ins_that_the_operator_wrote_down() {
    let named = |first: &str| matrix(first).with(|w| w.model = "one".to_owned());
    assert_eq!(named("openai/one").ids(), ["openai/one", "openrouter/openai/stand-in"]);
    assert_eq!(named("anthropic/one").ids(), ["anthropic/one", "openrouter/anthropic/stand-in"]);
    let list = ["openrouter/first-list", "openrouter/second-list"];
    assert_eq!(named("openrouter/one").ids()[1..], list);
    assert_eq!(named("ollama/one").ids()[1..], list);
    let why = &named("openai/one").plan().unwrap().candidates[1].why;
    assert_eq!(why, "OPENROUTER_REPLACE_OPENAI: stands in when `openai` fails");
    let silent = named("openai/one").with(|w| w.options.openrouter_replace_openai = None);
    assert_eq!(silent.ids(), ["openai/one"]);
    let no_openrouter = named("openai/one").with(|w| w.providers = vec!["openai", "ollama"]);
    assert_eq!(no_openrouter.ids(), ["openai/one"]);
    let resting = named("openai/one").with(|w| w.resting = vec![("openai/one", 5)]);
    assert_eq!(resting.ids(), ["openrouter/openai/stand-in", "openai/one"]);
    let capped = named("openai/one").with(|w| {
        w.offerings[1].layer = Some(L2);
        w.max_layer = L1;
    });
    assert_eq!(capped.ids(), ["openai/one"]);
}

#[test]
fn system_as_stand_ins_serve_routed_questions_without_any_setting() {
    let defaults = matrix("openai/one").with(|w| {
        w.options.openrouter_replace_openai = None;
        w.options.oss_local = None;
        w.offerings =
            vec![model("openai/one", L0, 1), model("openrouter/openai/gpt-4o-mini", L1, 9)];
        w.options.default_layer = L0;
    });
    assert_eq!(defaults.ids(), ["openai/one", "openrouter/openai/gpt-4o-mini"]);
    let capped = defaults.with(|w| w.options.max_escalation_layer = L0);
    assert_eq!(capped.ids(), ["openai/one"]);
    let retired = matrix("openrouter/one").with(|w| w.options.openrouter_fallback_models = None);
    let plan = retired.plan().unwrap();
    let unknown = plan.considered.iter().find(|found| found.id == "openrouter/x-ai/grok-beta");
    assert_eq!(unknown.unwrap().verdict, Verdict::Unknown);
}

#[test]
fn each_health_of_each_provider_has_its_order() {
    // Peers apart: the first choice alone in L1, stand-ins in L0.
    let spread = |resting: &[(&'static str, u64)]| {
        matrix("openai/one").with(|w| {
            for offering in &mut w.offerings[1..] {
                offering.layer = Some(L0);
            }
            w.resting = resting.to_vec();
        })
    };
    let (openai, openrouter, local) = ("openai/one", "openrouter/openai/stand-in", "ollama/local");
    assert_eq!(spread(&[]).ids(), [openai, openrouter, local]);
    assert_eq!(spread(&[(openai, 9)]).ids(), [openrouter, local, openai]);
    assert_eq!(spread(&[(openrouter, 9)]).ids(), [openai, local, openrouter]);
    assert_eq!(spread(&[(local, 9)]).ids(), [openai, openrouter, local]);
    assert_eq!(spread(&[(openai, 9), (openrouter, 8)]).ids(), [local, openrouter, openai]);
    assert_eq!(spread(&[(openai, 9), (local, 8)]).ids(), [openrouter, local, openai]);
    assert_eq!(spread(&[(openrouter, 9), (local, 8)]).ids(), [openai, local, openrouter]);
    let all = spread(&[(openai, 9), (openrouter, 7), (local, 8)]);
    assert_eq!(all.ids(), [openrouter, local, openai]);
    let plan = all.plan().unwrap();
    assert_eq!(plan.considered[0].verdict, Verdict::Resting { place: 1, until_ms: 7 });
    assert!(plan.reason.contains("every breaker is open"), "{}", plan.reason);
    assert_eq!(plan.layer, L0, "the layer reported is the layer of the first candidate");
}

#[test]
fn the_second_candidate_comes_from_another_provider() {
    let ids = world("auto").with(|w| w.options.default_layer = L1).ids();
    assert_eq!(ids[..3], ["openai/gpt-mini", "anthropic/haiku", "openai/gpt-nano"]);
}

#[test]
fn the_same_model_elsewhere_follows_a_named_one() {
    assert_eq!(world("sonnet").ids(), ["anthropic/sonnet", "openrouter/anthropic/sonnet"]);
    let pinned = world("openrouter/anthropic/sonnet");
    assert_eq!(pinned.ids(), ["openrouter/anthropic/sonnet", "anthropic/sonnet"]);
    assert_eq!(pinned.plan().unwrap().candidates[1].why, "the same model at another provider");
    // A free one never becomes one that costs money.
    let free = world("meta/llama-70b:free").with(|w| {
        w.offerings[1].model = "llama-70b".into();
        w.offerings.push(model("openai/llama-70b", L1, 1));
    });
    assert_eq!(free.ids(), ["openrouter/meta/llama-70b:free"]);
}

#[test]
fn a_layer_that_rests_as_a_whole_is_left_only_where_climbing_is_allowed() {
    let resting = vec![("ollama/llama3:8b", 5), ("openrouter/meta/llama-70b:free", 6)];
    let up = world("auto").with(|w| w.resting = resting.clone());
    assert_eq!(up.ids()[..2], ["openai/gpt-mini", "ollama/llama3:8b"]);
    assert!(up.plan().unwrap().reason.contains("the next layer up"));
    let ask_first = world("auto").with(|w| {
        w.resting = resting.clone();
        w.options.enable_auto_escalate = false;
    });
    assert_eq!(ask_first.plan().unwrap().layer, L0);
    let asked = world("L0").with(|w| w.resting = resting.clone());
    assert_eq!(asked.plan().unwrap().layer, L0);
}

#[test]
fn what_has_failed_is_not_tried_again() {
    let once = world("L1").with(|w| w.failed = vec!["openai/gpt-mini"]);
    assert_eq!(once.ids(), ["openai/gpt-nano", "anthropic/haiku"]);
    let all = world("L1")
        .with(|w| w.failed = vec!["openai/gpt-mini", "openai/gpt-nano", "anthropic/haiku"]);
    assert_eq!(all.error().0, Kind::NoCandidate);
    let named = world("opus").with(|w| w.failed = vec!["anthropic/opus"]);
    assert_eq!(named.error().0, Kind::NoCandidate);
}

#[test]
fn one_providers_outage_leaves_someone_to_ask() {
    let free_at_openrouter = world("auto").with(|w| {
        w.providers = vec!["openrouter", "openai"];
        w.options.candidates_max = 4;
        let free = (0..9).map(|at| model(&format!("openrouter/f{at}:free"), L0, at));
        w.offerings.extend(free);
    });
    let ids = free_at_openrouter.ids();
    assert_eq!(ids.len(), 4);
    assert!(ids.contains(&"openai/gpt-mini".to_owned()), "{ids:?}");
}

#[test]
fn a_snapshot_of_the_first_choice_is_no_second_choice() {
    let twins = world("L1").with(|w| {
        let mut twin = model("openai/gpt-mini-2026-01-01", L1, 1);
        twin.model = "gpt-mini".into();
        w.offerings.push(twin);
        w.providers = vec!["openai"];
    });
    assert_eq!(twins.ids(), ["openai/gpt-mini", "openai/gpt-nano", "openai/gpt-mini-2026-01-01"]);
}
