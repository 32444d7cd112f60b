//! What configuration decides for routing. Names in the docs are the environment's.

use gw_core::task::TaskGroup;
use gw_core::{Layer, ProviderId};

/// What configuration decides for routing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingOptions {
    /// `DEFAULT_LAYER`: where an ordinary question begins.
    pub default_layer: Layer,
    /// `MAX_ESCALATION_LAYER`: the highest layer that routing enters by itself. A higher
    /// `default_layer` raises it; a layer or model that a caller asks for is not bound by it.
    pub max_escalation_layer: Layer,
    /// `LAYER_L0_ENABLED` to `LAYER_L3_ENABLED`.
    pub layers_enabled: [bool; 4],
    /// Models that a kind of work is given to first.
    pub task_models: TaskModels,
    /// `ENABLE_CROSS_CHECK`
    pub enable_cross_check: bool,
    /// `ENABLE_AUTO_ESCALATE`: false keeps routing from climbing when the models of a layer fail.
    pub enable_auto_escalate: bool,
    /// Most candidates of a plan; at least 1 and at most [`gw_core::limits::ATTEMPTS_MAX`] count.
    pub candidates_max: usize,
    /// `OPENROUTER_FALLBACK_MODELS`; `None` where the operator said nothing: then system A's list
    /// stands in, but never for a model that was asked for by name.
    pub openrouter_fallback_models: Option<Vec<String>>,
    /// `OPENROUTER_REPLACE_OPENAI`, likewise.
    pub openrouter_replace_openai: Option<String>,
    /// `OPENROUTER_REPLACE_CLAUDE`, likewise.
    pub openrouter_replace_claude: Option<String>,
    /// The provider that a model without a provider's name goes to first (`defaults.provider`,
    /// system B's `API_KEY`). It also takes names that the catalogue does not know.
    pub default_provider: Option<ProviderId>,
    /// The local model of `OSS_MODEL_NAME`, where `OSS_MODEL_ENABLED` says so: `ollama/llama3:8b`.
    pub oss_local: Option<String>,
}

impl Default for RoutingOptions {
    fn default() -> Self {
        Self {
            default_layer: Layer::L0,
            max_escalation_layer: Layer::L2,
            layers_enabled: [true; 4],
            task_models: TaskModels::default(),
            enable_cross_check: true,
            enable_auto_escalate: true,
            candidates_max: 4,
            openrouter_fallback_models: None,
            openrouter_replace_openai: None,
            openrouter_replace_claude: None,
            default_provider: None,
            oss_local: None,
        }
    }
}

impl RoutingOptions {
    /// True where the layer is switched on.
    pub fn is_enabled(&self, layer: Layer) -> bool {
        self.layers_enabled[layer.index()]
    }

    /// The highest layer that routing enters by itself.
    pub fn ceiling(&self) -> Layer {
        self.max_escalation_layer.max(self.default_layer)
    }
}

/// The task lists, in order of preference: a provider's name for a model, `provider/model`, or an
/// alias. An empty list decides nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskModels {
    /// `CHAT_MODELS`
    pub chat: Vec<String>,
    /// `CODE_MODELS`
    pub code: Vec<String>,
    /// `ANALYZE_MODELS`
    pub analyze: Vec<String>,
    /// `CREATE_PROJECT_MODELS`
    pub create_project: Vec<String>,
}

impl TaskModels {
    /// The list of a group.
    pub fn of(&self, group: TaskGroup) -> &[String] {
        match group {
            TaskGroup::Chat => &self.chat,
            TaskGroup::Code => &self.code,
            TaskGroup::Analyze => &self.analyze,
            TaskGroup::CreateProject => &self.create_project,
        }
    }

    /// Puts another list in the place of a group's.
    pub fn set(&mut self, group: TaskGroup, models: Vec<String>) {
        *match group {
            TaskGroup::Chat => &mut self.chat,
            TaskGroup::Code => &mut self.code,
            TaskGroup::Analyze => &mut self.analyze,
            TaskGroup::CreateProject => &mut self.create_project,
        } = models;
    }

    /// The list's name in the environment.
    pub const fn setting(group: TaskGroup) -> &'static str {
        match group {
            TaskGroup::Chat => "CHAT_MODELS",
            TaskGroup::Code => "CODE_MODELS",
            TaskGroup::Analyze => "ANALYZE_MODELS",
            TaskGroup::CreateProject => "CREATE_PROJECT_MODELS",
        }
    }
}
