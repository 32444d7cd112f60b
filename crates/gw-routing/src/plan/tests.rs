mod failover;
mod laws;
mod learned;

use std::sync::Arc;

use gw_catalog::{Capabilities, Catalog, Modality, Offering};
use gw_core::chat::{ChatRequest, Message, Role};
use gw_core::task::{Complexity, Quality, TaskType};
use gw_core::{Error, Kind, Layer, ModelName, ProviderId};

use super::{Health, Plan, Question, Snapshot, Verdict, plan_without};
use crate::features::{Features, Needs};
use crate::options::RoutingOptions;
use Layer::{L0, L1, L2, L3};

/// An offering by its catalogue id; everything it can do, a window of 128,000.
fn model(id: &str, layer: impl Into<Option<Layer>>, rank: u32) -> Offering {
    let (provider, name) = id.split_once('/').unwrap();
    let layer = layer.into();
    Offering {
        provider: provider.into(),
        name: name.into(),
        model: name.rsplit('/').next().unwrap().into(),
        display_name: name.to_owned(),
        family: String::new(),
        context_window: Some(128_000),
        max_output_tokens: Some(8_000),
        capabilities: Capabilities {
            input: vec![Modality::Text, Modality::Image],
            output: vec![Modality::Text],
            tools: true,
            structured_output: true,
            reasoning: true,
            code: true,
            ..Capabilities::default()
        },
        prices: Vec::new(),
        is_free: layer == Some(L0),
        layer,
        rank,
        is_enabled: true,
        released: None,
        is_demo: false,
    }
}

fn shelf() -> Vec<Offering> {
    vec![
        model("ollama/llama3:8b", L0, 2),
        model("openrouter/meta/llama-70b:free", L0, 1),
        model("openai/gpt-mini", L1, 1),
        model("openai/gpt-nano", L1, 2),
        model("anthropic/haiku", L1, 3),
        model("openai/gpt", L2, 1),
        model("anthropic/sonnet", L2, 2),
        model("openrouter/anthropic/sonnet", L2, 3),
        model("anthropic/opus", L3, 1),
    ]
}

/// The world and the question, to be changed by each case.
#[derive(Debug)]
struct World {
    offerings: Vec<Offering>,
    providers: Vec<&'static str>,
    options: RoutingOptions,
    resting: Vec<(&'static str, u64)>,
    features: Features,
    model: String,
    quality: Option<Quality>,
    task: Option<TaskType>,
    complexity: Option<Complexity>,
    preferred_layer: Option<Layer>,
    max_layer: Layer,
    is_free_only: bool,
    failed: Vec<&'static str>,
}

fn world(model: &str) -> World {
    let request =
        ChatRequest { messages: vec![Message::text(Role::User, "hi")], ..ChatRequest::default() };
    World {
        offerings: shelf(),
        providers: vec!["openai", "anthropic", "openrouter", "ollama"],
        options: RoutingOptions { candidates_max: 12, ..RoutingOptions::default() },
        resting: Vec::new(),
        features: Features::of(&request),
        model: model.to_owned(),
        quality: None,
        task: None,
        complexity: None,
        preferred_layer: None,
        max_layer: L3,
        is_free_only: false,
        failed: Vec::new(),
    }
}

impl World {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn plan(&self) -> Result<Plan, Error> {
        let catalog = Catalog::from_offerings(self.offerings.clone());
        let providers: Vec<ProviderId> = self.providers.iter().map(|id| (*id).into()).collect();
        let health = |provider: &ProviderId, name: &ModelName| {
            let id = format!("{provider}/{name}");
            let found = self.resting.iter().find(|(resting, _)| *resting == id);
            found.map_or(Health::Well, |(_, until_ms)| Health::Resting { until_ms: *until_ms })
        };
        let failed: Vec<Arc<Offering>> = catalog
            .offerings()
            .iter()
            .filter(|offering| self.failed.contains(&offering.id().as_str()))
            .cloned()
            .collect();
        let question = Question {
            features: &self.features,
            model: &self.model,
            quality: self.quality,
            complexity: self.complexity,
            task: self.task,
            preferred_layer: self.preferred_layer,
            max_layer: self.max_layer,
            is_free_only: self.is_free_only,
        };
        let options = &self.options;
        let snapshot = Snapshot {
            catalog: &catalog,
            providers: &providers,
            health: &health,
            bar: &|_, _| None,
            options,
            learned: None,
        };
        plan_without(&question, &snapshot, &failed)
    }

    fn ids(&self) -> Vec<String> {
        let plan = self.plan().unwrap();
        plan.candidates.iter().map(|candidate| candidate.offering.id()).collect()
    }

    fn first(&self) -> String {
        self.ids().remove(0)
    }

    fn error(&self) -> (Kind, String) {
        let error = self.plan().unwrap_err();
        (error.kind(), error.full_message())
    }
}

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn an_easy_question_begins_in_the_default_layer() {
    let plan = world("auto").plan().unwrap();
    assert_eq!(plan.summary, "Single model: openrouter/meta/llama-70b:free (layer L0)");
    assert_eq!(
        plan.reason,
        "auto: task general, complexity low, quality normal => L0; best ranked of L0 that is healthy"
    );
    assert_eq!(plan.layer, L0);
    assert_eq!(plan.considered[0].verdict, Verdict::Candidate(1));
    assert!(!plan.wants_cross_check);
    let raised = world("").with(|w| w.options.default_layer = L3).plan().unwrap();
    assert_eq!(raised.layer, L3, "DEFAULT_LAYER above MAX_ESCALATION_LAYER has its effect");
}

#[test]
fn quality_and_complexity_decide_the_first_layer() {
    let check = |quality, complexity, expected| {
        let world = world("auto").with(|w| {
            w.quality = Some(quality);
            w.complexity = Some(complexity);
        });
        assert_eq!(world.plan().unwrap().layer, expected, "{quality} {complexity}");
    };
    check(Quality::Normal, Complexity::High, L0);
    check(Quality::High, Complexity::Medium, L0);
    check(Quality::High, Complexity::High, L1);
    check(Quality::Critical, Complexity::Low, L2);
}

#[test]
fn words_of_security_ask_for_l2_within_the_caps() {
    let sensitive = |max: Layer, key_max: Layer| {
        world("auto").with(|w| {
            w.features.is_sensitive = true;
            w.options.max_escalation_layer = max;
            w.max_layer = key_max;
        })
    };
    let plan = sensitive(L2, L3).plan().unwrap();
    assert_eq!((plan.layer, plan.quality), (L2, Quality::Critical));
    assert!(plan.wants_cross_check);
    assert!(plan.reason.contains("words of security"), "{}", plan.reason);
    assert_eq!(sensitive(L1, L3).plan().unwrap().layer, L1);
    assert_eq!(sensitive(L2, L0).plan().unwrap().layer, L0);
    // Rather an answer of a lower layer than none.
    let only_free = sensitive(L2, L3).with(|w| w.providers = vec!["ollama"]);
    let plan = only_free.plan().unwrap();
    assert_eq!(plan.layer, L0);
    assert!(plan.reason.contains("no usable model in L2, down to L0"), "{}", plan.reason);
}

#[test]
fn an_empty_or_switched_off_layer_is_skipped_upwards() {
    let empty = world("auto").with(|w| w.providers = vec!["openai", "anthropic"]);
    let plan = empty.plan().unwrap();
    assert_eq!(plan.layer, L1);
    assert!(plan.reason.contains("no usable model in L0, up to L1"), "{}", plan.reason);
    assert_eq!(plan.summary, "Single model: openai/gpt-mini (layer L1)");
    let off = world("auto").with(|w| w.options.layers_enabled = [false, false, true, true]);
    let plan = off.plan().unwrap();
    assert_eq!(plan.layer, L2);
    assert!(plan.reason.contains("L0 is switched off, up to L2"), "{}", plan.reason);
}

#[test]
fn when_settings_leave_no_model_the_error_names_them() {
    let (kind, text) = world("auto").with(|w| w.providers.clear()).error();
    assert_eq!(kind, Kind::NoCandidate);
    assert!(text.contains("OPENAI_API_KEY"), "{text}");
    let capped = |w: &mut World| {
        w.providers = vec!["openai"];
        w.options.max_escalation_layer = L0;
    };
    let (kind, text) = world("auto").with(capped).error();
    assert_eq!(kind, Kind::NoCandidate);
    assert!(text.contains("MAX_ESCALATION_LAYER=L1"), "{text}");
    let off = world("auto").with(|w| {
        w.providers = vec!["openai"];
        w.options.layers_enabled = [true, false, false, true];
    });
    let (kind, text) = off.error();
    assert_eq!(kind, Kind::NoCandidate);
    assert!(text.contains("LAYER_L1_ENABLED=true"), "{text}");
    let key = world("auto").with(|w| {
        w.providers = vec!["openai"];
        w.max_layer = L0;
    });
    let (kind, text) = key.error();
    assert_eq!(kind, Kind::Forbidden);
    assert!(text.contains("L1") && text.contains("L0"), "{text}");
}

#[test]
fn a_layer_is_honoured_up_to_the_callers_cap() {
    let plan = world("L3").plan().unwrap();
    assert_eq!(plan.summary, "Direct layer selection: anthropic/opus (layer L3)");
    let preferred = world("auto").with(|w| w.preferred_layer = Some(L2)).plan().unwrap();
    assert_eq!(preferred.summary, "Direct layer selection: openai/gpt (layer L2)");
    let (kind, text) = world("L3").with(|w| w.max_layer = L1).error();
    assert_eq!(kind, Kind::Forbidden);
    assert!(text.contains("L3 is above L1"), "{text}");
    let (kind, text) = world("L2").with(|w| w.options.layers_enabled[2] = false).error();
    assert_eq!(kind, Kind::Forbidden);
    assert!(text.contains("LAYER_L2_ENABLED"), "{text}");
    let (kind, text) = world("L0").with(|w| w.providers = vec!["openai"]).error();
    assert_eq!(kind, Kind::NoCandidate);
    assert!(text.starts_with("No model available for layer L0"), "{text}");
    let all_l1 = world("L1").ids();
    assert_eq!(all_l1, ["openai/gpt-mini", "anthropic/haiku", "openai/gpt-nano"]);
}

#[test]
fn a_range_bounds_the_router_on_both_sides() {
    let range = |low, high| world(&format!("auto:{low}-{high}"));
    assert_eq!(range(L1, L3).plan().unwrap().layer, L1);
    let critical = range(L0, L1).with(|w| w.quality = Some(Quality::Critical));
    assert_eq!(critical.plan().unwrap().layer, L1);
    let above_max = range(L3, L3).plan().unwrap();
    assert_eq!(above_max.layer, L3, "what a caller asks for is not bound by MAX_ESCALATION_LAYER");
    let none_below = range(L1, L2).with(|w| w.providers = vec!["ollama"]);
    assert_eq!(none_below.error().0, Kind::NoCandidate);
    assert_eq!(range(L2, L3).with(|w| w.max_layer = L1).error().0, Kind::Forbidden);
    let cut = range(L0, L3).with(|w| w.max_layer = L1).plan().unwrap();
    assert!(cut.candidates.iter().all(|candidate| candidate.layer <= L1));
}

#[test]
fn code_models_change_the_chosen_model() {
    let code = |models: &[&str]| {
        world("auto").with(|w| {
            w.task = Some(TaskType::Code);
            w.options.task_models.code = list(models);
        })
    };
    assert_eq!(code(&[]).first(), "openrouter/meta/llama-70b:free");
    let listed = code(&["llama3:8b"]);
    assert_eq!(listed.first(), "ollama/llama3:8b");
    let reason = listed.plan().unwrap().reason;
    assert!(reason.ends_with("=> L0; first of CODE_MODELS that is healthy"), "{reason}");
    // The list keeps its order, whatever the rank, and comes before the other models of the layer.
    let two = code(&["gpt-nano", "gpt-mini"]).with(|w| w.options.default_layer = L1);
    assert_eq!(two.ids()[..3], ["openai/gpt-nano", "openai/gpt-mini", "anthropic/haiku"]);
    // No listed model in L0: the nearest layer above, with the reason.
    let above = code(&["sonnet", "haiku"]);
    assert_eq!(above.first(), "anthropic/haiku");
    let reason = above.plan().unwrap().reason;
    assert!(reason.contains("no usable model of CODE_MODELS in L0, up to L1"), "{reason}");
    // Else below.
    let below = code(&["llama3:8b"]).with(|w| w.options.default_layer = L1);
    let plan = below.plan().unwrap();
    assert_eq!(plan.layer, L0);
    assert!(plan.reason.contains("down to L0"), "{}", plan.reason);
    // Never above the cap: then the ordinary choice, and both reasons are said.
    let capped = code(&["opus", "unheard-of"]);
    let plan = capped.plan().unwrap();
    assert_eq!(plan.layer, L0);
    assert!(plan.reason.contains("CODE_MODELS names no usable model"), "{}", plan.reason);
    let verdict = |id: &str| {
        let found = plan.considered.iter().find(|considered| considered.id == id);
        found.map(|considered| considered.verdict.clone())
    };
    assert_eq!(verdict("anthropic/opus"), Some(Verdict::AboveCap(L2)));
    assert_eq!(verdict("unheard-of"), Some(Verdict::Unknown));
    // Another task has another list.
    let chat = code(&["llama3:8b"]).with(|w| w.task = Some(TaskType::General));
    assert_eq!(chat.first(), "openrouter/meta/llama-70b:free");
    // A layer that was asked for stays that layer.
    let fixed = code(&["haiku"]).with(|w| w.model = "L2".to_owned());
    assert_eq!(fixed.plan().unwrap().layer, L2);
}

#[test]
fn every_task_has_its_list() {
    for (task, set) in [
        (TaskType::General, 0),
        (TaskType::Debug, 1),
        (TaskType::Test, 1),
        (TaskType::Refactor, 1),
        (TaskType::Analyze, 2),
        (TaskType::Reasoning, 2),
        (TaskType::CreateProject, 3),
    ] {
        let world = world("auto").with(|w| {
            w.task = Some(task);
            let models = &mut w.options.task_models;
            let lists = [
                &mut models.chat,
                &mut models.code,
                &mut models.analyze,
                &mut models.create_project,
            ];
            for (at, one) in lists.into_iter().enumerate() {
                *one = list(&[if at == set { "ollama/llama3:8b" } else { "gpt-nano" }]);
            }
        });
        assert_eq!(world.first(), "ollama/llama3:8b", "{task}");
    }
}

#[test]
fn code_goes_to_models_that_are_good_at_it() {
    let code = world("L1").with(|w| {
        w.task = Some(TaskType::Code);
        w.offerings[2].capabilities.code = false;
    });
    assert_eq!(code.ids(), ["openai/gpt-nano", "anthropic/haiku", "openai/gpt-mini"]);
}

#[test]
fn what_a_model_lacks_rules_it_out_and_the_layer_climbs() {
    let vision = world("auto").with(|w| {
        w.features.needs.vision = true;
        for offering in &mut w.offerings[..2] {
            offering.capabilities.input = vec![Modality::Text];
        }
    });
    let plan = vision.plan().unwrap();
    assert_eq!(plan.layer, L1);
    let lacks = plan.considered.iter().any(|considered| {
        considered.verdict == Verdict::Lacks(crate::Need::Vision)
            && considered.id == "ollama/llama3:8b"
    });
    assert!(lacks, "{:?}", plan.considered);
    let needs = Needs { pdf: true, tools: true, ..Needs::default() };
    let (kind, text) = world("auto").with(|w| w.features.needs = needs).error();
    assert_eq!(kind, Kind::UnsupportedFeature);
    assert!(text.starts_with("no model of layer L0 to L2 offers PDF input."), "{text}");
    // A layer that was asked for is not left.
    let fixed = world("L0").with(|w| {
        w.features.needs.audio = true;
    });
    assert_eq!(fixed.error().0, Kind::UnsupportedFeature);
    // A model asked for by name is asked: the provider knows what it can do.
    assert_eq!(world("gpt").with(|w| w.features.needs = needs).first(), "openai/gpt");
}

#[test]
fn a_prompt_goes_where_it_fits() {
    let long = |likely: u64, most: u64| {
        world("auto").with(|w| {
            w.features.likely_input_tokens = likely;
            w.features.input_tokens = most;
            w.features.max_output_tokens = Some(50_000);
            w.offerings[0].context_window = Some(64_000);
            w.offerings[5].context_window = Some(400_000);
        })
    };
    // Answers are cut at what a model writes at most: 8,000.
    assert!(long(56_000, 56_000).ids().contains(&"ollama/llama3:8b".to_owned()));
    assert!(!long(56_001, 60_000).ids().contains(&"ollama/llama3:8b".to_owned()));
    assert_eq!(long(120_001, 130_000).first(), "openai/gpt");
    let (kind, text) = long(500_000, 600_000).error();
    assert_eq!(kind, Kind::ContextTooLong);
    assert!(text.contains("500000") && text.contains("400000"), "{text}");
    // What only might be too long goes behind what surely fits.
    let tight = long(100_000, 150_000).with(|w| w.model = "L2".to_owned());
    assert_eq!(tight.ids()[0], "openai/gpt");
}

#[test]
fn nothing_is_spent_where_nothing_may_be() {
    let free = |model: &str| world(model).with(|w| w.is_free_only = true);
    let plan = free("L3").plan().unwrap();
    let expected = "Budget enforcement: openrouter/meta/llama-70b:free (layer L0, free tier only)";
    assert_eq!(plan.summary, expected);
    assert!(plan.candidates.iter().all(|candidate| candidate.offering.is_free));
    let unfree = free("auto").with(|w| {
        for offering in &mut w.offerings {
            offering.is_free = false;
        }
    });
    let (kind, text) = unfree.error();
    assert_eq!(kind, Kind::BudgetExhausted);
    assert!(text.contains("OSS_MODEL_ENABLED"), "{text}");
    assert_eq!(free("opus").error().0, Kind::BudgetExhausted);
    let named = free("llama3:8b").plan().unwrap();
    assert_eq!(named.summary, "Budget enforcement: ollama/llama3:8b (layer L0, free tier only)");
    let off = free("auto").with(|w| w.options.layers_enabled[0] = false);
    assert_eq!(off.error().0, Kind::Forbidden);
}

#[test]
fn a_default_provider_takes_names_first_and_those_nobody_knows() {
    let ask =
        |model: &str| world(model).with(|w| w.options.default_provider = Some("openrouter".into()));
    assert_eq!(ask("brand-new").first(), "openrouter/brand-new");
    assert_eq!(ask("openai/gpt").first(), "openai/gpt", "a provider's name goes before");
    assert_eq!(world("brand-new").error().0, Kind::ModelNotFound);
}

#[test]
fn a_named_model_is_honoured_whatever_its_layer() {
    let plan = world("opus").with(|w| w.options.max_escalation_layer = L0).plan().unwrap();
    assert_eq!(plan.summary, "Direct model selection: anthropic/opus (layer L3)");
    assert_eq!(plan.candidates.len(), 1, "nothing else stands in for it");
    assert_eq!(plan.reason, "model `opus`; asked for by name");
    let (kind, text) = world("opus").with(|w| w.max_layer = L2).error();
    assert_eq!(kind, Kind::Forbidden);
    assert!(
        text.contains("anthropic/opus") && text.contains("L3") && text.contains("L2"),
        "{text}"
    );
    let (kind, text) = world("opus").with(|w| w.options.layers_enabled[3] = false).error();
    assert_eq!(kind, Kind::Forbidden);
    assert!(text.contains("LAYER_L3_ENABLED"), "{text}");
    let (kind, text) = world("opus").with(|w| w.offerings[8].is_enabled = false).error();
    assert_eq!(kind, Kind::Forbidden);
    assert!(text.contains("switched off"), "{text}");
    let (kind, text) = world("opus").with(|w| w.providers = vec!["openai"]).error();
    assert_eq!(kind, Kind::ModelNotFound);
    assert!(text.contains("`anthropic` offers it"), "{text}");
    let (kind, text) = world("opsu").error();
    assert_eq!(kind, Kind::ModelNotFound);
    assert!(text.contains("Did you mean `opus`"), "{text}");
    let twice = world("L2").with(|w| w.preferred_layer = Some(L3)).plan().unwrap();
    assert_eq!(twice.layer, L2, "the model field goes before the preferred layer");
    assert_eq!(world("gpt").with(|w| w.preferred_layer = Some(L3)).first(), "openai/gpt");
}

#[test]
fn a_model_without_layer_or_price_counts_as_l3() {
    let unpriced = world("mystery").with(|w| w.offerings.push(model("openai/mystery", None, 0)));
    assert_eq!(unpriced.plan().unwrap().layer, L3);
    assert_eq!(unpriced.with(|w| w.max_layer = L2).error().0, Kind::Forbidden);
}

#[test]
fn plans_are_bounded_and_explain_themselves() {
    let many = world("auto").with(|w| {
        w.offerings = (0..200)
            .map(|at| model(&format!("openai/m{at}"), if at < 100 { L0 } else { L1 }, at))
            .collect();
        w.options.candidates_max = 3;
    });
    let plan = many.plan().unwrap();
    assert_eq!(plan.candidates.len(), 3);
    assert_eq!(plan.considered.len(), gw_core::limits::PLAN_CONSIDERED_MAX);
    assert!(plan.considered.iter().any(|considered| considered.verdict == Verdict::NoRoom));
    let none = many.with(|w| w.options.candidates_max = 0);
    assert_eq!(none.plan().unwrap().candidates.len(), 1);
}
