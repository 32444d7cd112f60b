//! `[routing]`: who should answer, and what happens when it fails.

use std::path::PathBuf;

use gw_core::{Layer, Money};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::section::policy::{Experiment, Rule};
use crate::units::{self, Usd, usd};

/// Who should answer, and what happens when it fails.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Routing {
    /// Who decides for `auto` and layer ranges: layers, or what was learned about models.
    pub policy: Policy,
    /// The layer to begin with when nothing asks for more.
    #[schemars(schema_with = "units::layer_schema")]
    pub default_layer: Layer,
    /// The highest layer to climb to.
    #[schemars(schema_with = "units::layer_schema")]
    pub max_escalation_layer: Layer,
    /// Lets other models check answers where that pays: free or cheap ones of another family, for hard
    /// questions and for answers that can be compared, and always where quality is asked for.
    pub enable_cross_check: bool,
    /// Climbs to the next layer by itself: when the models of a layer fail, and when an answer may not
    /// stand. False offers the higher layer instead, and a yes runs there.
    pub enable_auto_escalate: bool,
    /// How the difficulty of a request is judged: by rules, or by asking a free model first.
    pub classify: Classify,
    /// Models for each kind of task, best first; `provider/name`, or a provider's own name. Empty
    /// leaves the choice to the router.
    pub task_models: TaskModels,
    /// How often to try.
    pub retries: Retries,
    /// When to leave a failing provider alone.
    pub breaker: Breaker,
    /// Who answers when the chosen one cannot.
    pub fallback: Fallback,
    /// What a good answer is worth in dollars, by the quality asked for; a higher layer is asked where
    /// it promises more than it costs.
    pub escalation_value_usd: AnswerValue,
    /// How routing by what was learned chooses.
    pub learned: Learned,
    /// Where the day of rules begins, in minutes before UTC's: 60 in winter in Berlin.
    #[schemars(range(min = -840, max = 840))]
    pub utc_offset_minutes: i32,
    /// Rules that decide about calls, in order.
    pub rules: Vec<Rule>,
    /// Experiments between two ways of routing.
    pub experiments: Vec<Experiment>,
}

/// What a good answer is worth in dollars, by the quality asked for.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AnswerValue {
    /// Where nothing is said.
    pub normal: Usd,
    /// For high quality.
    pub high: Usd,
    /// For critical quality.
    pub critical: Usd,
}

impl Default for AnswerValue {
    fn default() -> Self {
        let usd = |milli: i64| Usd(Money::from_pico(milli * 1_000_000_000));
        Self { normal: usd(250), high: usd(1_000), critical: usd(5_000) }
    }
}

impl Default for Routing {
    fn default() -> Self {
        Self {
            policy: Policy::Layers,
            default_layer: Layer::L0,
            max_escalation_layer: Layer::L2,
            enable_cross_check: true,
            enable_auto_escalate: false,
            classify: Classify::Heuristic,
            task_models: TaskModels::default(),
            retries: Retries::default(),
            breaker: Breaker::default(),
            fallback: Fallback::default(),
            escalation_value_usd: AnswerValue::default(),
            utc_offset_minutes: 0,
            rules: Vec::new(),
            experiments: Vec::new(),
            learned: Learned::default(),
        }
    }
}

/// Who decides for `auto` and layer ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Layers, task lists and ranks.
    Layers,
    /// The model worth most by what was learned; layers where nothing was.
    Learned,
}

/// How routing by what was learned chooses.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Learned {
    /// What `route learn` wrote. Without it the prior that comes with the program is used, for the
    /// models it knows.
    #[schemars(extend("x-example" = "learned.bin"))]
    pub file: Option<PathBuf>,
    /// What a good answer is worth at ordinary quality, in US dollars; four times that at high
    /// quality, sixteen times at critical.
    #[serde(with = "usd")]
    #[schemars(schema_with = "usd::schema", extend("x-not-negative" = true))]
    pub answer_value_usd: Money,
    /// What may be spent an hour, in US dollars: the value of an answer falls while more is spent
    /// and rises again. 0 for no such bound.
    #[serde(with = "usd")]
    #[schemars(schema_with = "usd::schema", extend("x-not-negative" = true))]
    pub spend_usd_per_hour: Money,
    /// How many of a thousand requests try another promising model, to learn about it.
    #[schemars(range(min = 0, max = 200))]
    pub explore_per_thousand: u32,
    /// Keeps the last user turn with the call, so that estimates can be trained on its words.
    pub keep_prompts: bool,
}

impl Default for Learned {
    fn default() -> Self {
        Self {
            file: None,
            answer_value_usd: Money::from_pico(gw_core::money::PICO_PER_USD / 100),
            spend_usd_per_hour: Money::ZERO,
            explore_per_thousand: 10,
            keep_prompts: false,
        }
    }
}

/// How the kind and difficulty of a request are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Classify {
    /// By rules over the text, at no cost.
    Heuristic,
    /// By asking a model of the lowest layer.
    Model,
}

/// Models for each kind of task.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TaskModels {
    /// For conversation.
    #[schemars(extend("x-example" = ["gpt-4o-mini"]))]
    pub chat: Vec<String>,
    /// For code.
    #[schemars(extend("x-example" = ["qwen/qwen-2.5-coder-32b-instruct"]))]
    pub code: Vec<String>,
    /// For analysis.
    #[schemars(extend("x-example" = ["claude-sonnet-4-5"]))]
    pub analyze: Vec<String>,
    /// For laying out projects.
    #[schemars(extend("x-example" = ["claude-sonnet-4-5"]))]
    pub create_project: Vec<String>,
}

/// How often to try.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retries {
    /// Attempts with one model before the next is tried.
    #[schemars(range(min = 1, max = 12))]
    pub attempts_per_candidate: u32,
    /// Models to try for one call.
    #[schemars(range(min = 1, max = 12))]
    pub candidates_max: u32,
}

impl Default for Retries {
    fn default() -> Self {
        Self { attempts_per_candidate: 2, candidates_max: 4 }
    }
}

/// When to leave a failing provider alone.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Breaker {
    /// Failures in a row that open the breaker.
    #[schemars(range(min = 1))]
    pub failures: u32,
    /// How long it stays open, in milliseconds.
    #[schemars(range(min = 1))]
    pub open_ms: u64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 5, open_ms: 30_000 }
    }
}

/// Who answers when the chosen provider cannot.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Fallback {
    /// OpenRouter models that stand in for a failed provider, in order.
    pub openrouter_fallback_models: Vec<String>,
    /// The OpenRouter model that stands in for OpenAI.
    pub openrouter_replace_openai: String,
    /// The OpenRouter model that stands in for Anthropic.
    pub openrouter_replace_claude: String,
    /// Looks for free models at OpenRouter when layer L0 is empty.
    pub discover_free_models: bool,
}

impl Default for Fallback {
    fn default() -> Self {
        let models = [
            "x-ai/grok-beta",
            "qwen/qwen-2.5-coder-32b-instruct",
            "meta-llama/llama-3.1-8b-instruct:free",
        ];
        Self {
            openrouter_fallback_models: models.map(str::to_owned).to_vec(),
            openrouter_replace_openai: "openai/gpt-4o-mini".to_owned(),
            openrouter_replace_claude: "anthropic/claude-3.5-sonnet".to_owned(),
            discover_free_models: true,
        }
    }
}
