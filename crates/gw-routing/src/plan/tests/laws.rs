//! What holds for every catalogue, configuration and question.

use gw_catalog::{Modality, Offering};
use gw_core::task::{Complexity, Quality, TaskType};
use gw_core::{Kind, Layer};
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, proptest,
};
use proptest::sample::select;

use super::{World, model, world};

const PROVIDERS: [&str; 4] = ["openai", "anthropic", "openrouter", "ollama"];

/// Names come from few models, so that providers share them and lists hit them.
fn offering() -> impl Strategy<Value = Offering> {
    (
        select(PROVIDERS.to_vec()),
        0_usize..8,
        proptest::option::weighted(0.9, select(Layer::ALL.to_vec())),
        0_u32..5,
        any::<[bool; 5]>(),
        select(vec![None, Some(1_000), Some(100_000)]),
    )
        .prop_map(
            |(provider, name, layer, rank, [tools, vision, code, enabled, free], window)| {
                let mut offering = model(&format!("{provider}/m{name}"), layer, rank);
                offering.capabilities.tools = tools;
                offering.capabilities.code = code;
                offering.is_enabled = enabled || rank > 0;
                offering.is_free = free && layer == Some(Layer::L0);
                offering.context_window = window;
                if !vision {
                    offering.capabilities.input = vec![Modality::Text];
                }
                offering
            },
        )
}

fn layer() -> impl Strategy<Value = Layer> {
    select(Layer::ALL.to_vec())
}

fn names() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec((0_usize..10).prop_map(|name| format!("m{name}")), 0..4)
}

fn field() -> impl Strategy<Value = String> {
    proptest::prop_oneof![
        Just("auto".to_owned()),
        layer().prop_map(|layer| layer.to_string()),
        (layer(), layer()).prop_map(|(low, high)| format!("auto:{low}-{high}")),
        (0_usize..9).prop_map(|name| format!("m{name}")),
        (select(PROVIDERS.to_vec()), 0_usize..9)
            .prop_map(|(provider, name)| format!("{provider}/m{name}")),
    ]
}

fn any_world() -> impl Strategy<Value = World> {
    let catalogue = (
        proptest::collection::vec(offering(), 0..14),
        proptest::sample::subsequence(PROVIDERS.to_vec(), 0..=4),
        any::<[bool; 4]>(),
        layer(),
        layer(),
        names(),
        names(),
        0_usize..6,
    );
    let question = (
        field(),
        select(Quality::ALL.to_vec()),
        select(Complexity::ALL.to_vec()),
        select(TaskType::ALL.to_vec()),
        proptest::option::weighted(0.2, layer()),
        layer(),
        any::<[bool; 6]>(),
        select(vec![10_u64, 5_000, 200_000]),
    );
    (catalogue, question, any::<u16>()).prop_map(|(catalogue, question, resting)| {
        let (offerings, providers, enabled, default_layer, max_layer, code, chat, room) = catalogue;
        let (field, quality, complexity, task, preferred, cap, flags, tokens) = question;
        let [is_sensitive, vision, tools, is_free_only, auto_escalate, replace] = flags;
        world(&field).with(|w| {
            w.offerings = offerings;
            w.providers = providers;
            w.options.layers_enabled = enabled;
            w.options.default_layer = default_layer;
            w.options.max_escalation_layer = max_layer;
            w.options.enable_auto_escalate = auto_escalate;
            w.options.candidates_max = room;
            w.options.openrouter_replace_openai = replace.then(|| "m3".to_owned());
            w.options.openrouter_fallback_models = replace.then_some(chat.clone());
            w.options.oss_local = replace.then(|| "ollama/m1".to_owned());
            w.options.task_models.code = code;
            w.options.task_models.chat = chat;
            w.quality = Some(quality);
            w.complexity = Some(complexity);
            w.task = Some(task);
            w.preferred_layer = preferred;
            w.max_layer = cap;
            w.is_free_only = is_free_only && tokens == 10;
            w.features.is_sensitive = is_sensitive;
            w.features.needs.vision = vision && tools;
            w.features.needs.tools = tools;
            w.features.likely_input_tokens = tokens;
            w.features.input_tokens = tokens * 2;
            let bits = |at: usize| resting >> at & 1 == 1;
            let ids = ["openai/m0", "openai/m1", "openrouter/m0", "anthropic/m2", "ollama/m1"];
            let some = ids.into_iter().enumerate().filter(|(at, _)| bits(*at));
            w.resting = some.map(|(at, id)| (id, u64::from(resting) + at as u64)).collect();
            w.failed = if bits(9) { vec!["openai/m0", "openrouter/m4"] } else { Vec::new() };
        })
    })
}

fn is_named(world: &World) -> bool {
    world.model.contains('m')
}

/// Whether routing may choose it, said in other words than the plan's own.
fn may_choose(world: &World, offering: &Offering) -> bool {
    let Some(layer) = offering.layer else { return false };
    let range = world.model.strip_prefix("auto:").and_then(|range| range.split_once('-'));
    let bounds = match (range, world.model.parse::<Layer>(), world.preferred_layer) {
        _ if world.is_free_only => (Layer::L0, Layer::L0),
        (Some((a, b)), ..) => {
            let (a, b): (Layer, Layer) = (a.parse().unwrap(), b.parse().unwrap());
            (a.min(b), a.max(b))
        }
        (None, Ok(layer), _) | (None, Err(_), Some(layer)) => (layer, layer),
        _ => (Layer::L0, world.options.max_escalation_layer.max(world.options.default_layer)),
    };
    let features = &world.features;
    let capabilities = &offering.capabilities;
    offering.is_enabled
        && world.providers.contains(&offering.provider.as_str())
        && world.options.layers_enabled[layer.index()]
        && (bounds.0..=bounds.1).contains(&layer)
        && layer <= world.max_layer
        && !world.failed.contains(&offering.id().as_str())
        && (!world.is_free_only || offering.is_free)
        && (!features.needs.tools || capabilities.tools)
        && (!features.needs.vision || capabilities.reads(Modality::Image))
        && offering.context_window.is_none_or(|window| features.likely_input_tokens <= window)
}

fn distinct(offerings: &[Offering]) -> Vec<&Offering> {
    // A later offering with the same id replaces an earlier one.
    let is_last =
        |at: usize| offerings[at + 1..].iter().all(|other| other.id() != offerings[at].id());
    (0..offerings.len()).filter(|at| is_last(*at)).map(|at| &offerings[at]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_keeps_every_promise(world in any_world()) {
        let first = world.plan();
        let again = world.plan();
        match (&first, &again) {
            (Ok(one), Ok(other)) => prop_assert_eq!(one, other, "not deterministic"),
            (Err(one), Err(other)) => prop_assert_eq!(one.full_message(), other.full_message()),
            _ => prop_assert!(false, "not deterministic"),
        }
        let may_answer = distinct(&world.offerings).into_iter().any(|known| may_choose(&world, known));
        let plan = match first {
            Ok(plan) => plan,
            Err(error) => {
                let allowed = [Kind::Forbidden, Kind::NoCandidate, Kind::ModelNotFound,
                    Kind::UnsupportedFeature, Kind::ContextTooLong, Kind::BudgetExhausted];
                prop_assert!(allowed.contains(&error.kind()), "{error}");
                prop_assert!(error.hint().is_some(), "no hint: {error}");
                prop_assert!(is_named(&world) || !may_answer, "refused though a model may answer: {error}");
                return Ok(());
            }
        };
        prop_assert!(!plan.candidates.is_empty());
        prop_assert!(plan.candidates.len() <= world.options.candidates_max.max(1));
        prop_assert_eq!(plan.layer, plan.candidates[0].layer);
        let mut ids: Vec<String> =
            plan.candidates.iter().map(|candidate| candidate.offering.id()).collect();
        let named = format!("{} (layer {}", ids[0], plan.layer);
        prop_assert!(plan.summary.contains(&named), "summary");
        let is_resting = |id: &String| world.resting.iter().any(|(resting, _)| resting == id);
        let places: Vec<bool> = ids.iter().map(is_resting).collect();
        prop_assert!(places.is_sorted(), "resting ones come last: {places:?}");
        ids.sort();
        ids.dedup();
        prop_assert_eq!(ids.len(), plan.candidates.len(), "a candidate twice");
        let cap = world.max_layer;
        for candidate in &plan.candidates {
            let offering = &candidate.offering;
            prop_assert!(candidate.layer <= cap, "above the caller's cap");
            prop_assert!(world.options.layers_enabled[candidate.layer.index()], "disabled layer");
            prop_assert!(offering.is_enabled, "disabled model");
            prop_assert!(world.providers.contains(&offering.provider.as_str()));
            let is_listed = world.offerings.iter().any(|known| known.id() == offering.id());
            let has_failed = is_listed && world.failed.contains(&offering.id().as_str());
            prop_assert!(!has_failed, "has failed");
            prop_assert!(!world.is_free_only || offering.is_free, "costs money");
            if world.model == "auto" && world.preferred_layer.is_none() && !world.is_free_only {
                let ceiling = world.options.max_escalation_layer.max(world.options.default_layer);
                prop_assert!(candidate.layer <= ceiling, "above MAX_ESCALATION_LAYER");
            }
        }
        if !is_named(&world) {
            // Listed models without a layer may answer too, so only one direction is certain.
            let needs = &world.features.needs;
            for candidate in &plan.candidates {
                let capabilities = &candidate.offering.capabilities;
                prop_assert!(!needs.tools || capabilities.tools);
                prop_assert!(!needs.vision || capabilities.reads(Modality::Image));
            }
        }
        prop_assert_eq!(plan.considered.len().min(plan.candidates.len()), plan.candidates.len());
    }
}
