//! `[[routing.rules]]`, `[[routing.experiments]]` and `[projects.NAME]`: policies as data.

use std::collections::BTreeMap;
use std::fmt;

use gw_core::task::{Complexity, Quality, TaskType};
use gw_core::{Layer, Money};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::units::{self, Usd};

/// A rule that decides about calls. Every rule that fits has its say, in order; the first that sets a
/// thing decides it, and of highest layers the lowest holds. No rule passes a cap of key, budget or
/// request, nor `max_escalation_layer`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Its name, in records.
    #[schemars(extend("x-example" = "careful with sign-in"))]
    pub name: String,
    /// When it fits: everything that is set must be so.
    pub when: When,
    /// The layer that `auto` begins in at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "units::layer_schema", extend("x-example" = "L2"))]
    pub min_layer: Option<Layer>,
    /// The highest layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "units::layer_schema", extend("x-example" = "L2"))]
    pub max_layer: Option<Layer>,
    /// Whether answers are checked by other models.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-example" = true))]
    pub cross_check: Option<bool>,
    /// Whether a higher layer is asked without a question.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-example" = true))]
    pub auto_escalate: Option<bool>,
    /// How good answers have to be, where the request does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quality_schema", extend("x-example" = "critical"))]
    pub quality: Option<Quality>,
    /// What the work is taken for, where the request does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "task_schema", extend("x-example" = "code"))]
    pub task: Option<TaskType>,
    /// Models to take first.
    #[schemars(extend("x-example" = ["gpt-4o-mini"]))]
    pub models: Vec<String>,
    /// Models that are not taken.
    #[schemars(extend("x-example" = ["openai/o1-preview"]))]
    pub deny_models: Vec<String>,
    /// The most that one call may cost at worst, in dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-example" = 0.5))]
    pub max_cost_usd: Option<Usd>,
    /// The most tokens a prompt may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("x-example" = 100_000))]
    pub max_context_tokens: Option<u64>,
    /// Another model or layer that a share of the calls is tried on as well, beside the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-example" = "L2"))]
    pub shadow_model: Option<String>,
    /// That share, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-example" = 0.01))]
    pub shadow_share: f64,
}

/// When a rule fits: everything that is set must be so.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// Kinds of work.
    #[schemars(schema_with = "tasks_schema", extend("x-example" = ["code", "debug"]))]
    pub tasks: Vec<TaskType>,
    /// Difficulties.
    #[schemars(schema_with = "complexities_schema", extend("x-example" = ["low"]))]
    pub complexity: Vec<Complexity>,
    /// Patterns of files that the request names: `*` and `?` stay within a name, `**` passes folders.
    #[schemars(extend("x-example" = ["**/auth/**", "*password*"]))]
    pub files: Vec<String>,
    /// Keys, by id.
    #[schemars(extend("x-example" = ["key_0123"]))]
    pub keys: Vec<String>,
    /// Teams.
    #[schemars(extend("x-example" = ["platform"]))]
    pub teams: Vec<String>,
    /// Users.
    #[schemars(extend("x-example" = ["ada"]))]
    pub users: Vec<String>,
    /// Projects.
    #[schemars(extend("x-example" = ["shop"]))]
    pub projects: Vec<String>,
    /// Doors, by their names in records.
    #[schemars(extend("x-example" = ["route", "chat"]))]
    pub doors: Vec<String>,
    /// A part of the day, which may pass midnight.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-example" = "18:00-08:00"))]
    pub hours: Option<Hours>,
    /// Less than so many dollars are left in some budget of the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-example" = 1))]
    pub budget_below_usd: Option<Usd>,
    /// Prompts of at least so many tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("x-example" = 50_000))]
    pub input_tokens_from: Option<u64>,
}

/// An experiment: a share of the units gets what the treatment decides, always the same ones.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Experiment {
    /// Its name, in records; another name is another draw.
    #[schemars(length(min = 1), extend("x-example" = "check-more"))]
    pub name: String,
    /// The share of units in the treatment, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
    /// The share of units in the experiment at all, 0 to 1: raise it step by step.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub exposure: f64,
    /// What is assigned.
    pub unit: Unit,
    /// Which calls it is about.
    pub when: When,
    /// What the treatment decides; its own `when` asks more.
    pub treatment: Rule,
    /// How much dearer the treatment may surely be before everybody gets the control: 0.5 is half as
    /// dear again. Unset: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0), extend("x-example" = 0.5))]
    pub max_cost_rise: Option<f64>,
}

impl Default for Experiment {
    fn default() -> Self {
        Self {
            name: String::new(),
            share: 0.5,
            exposure: 1.0,
            unit: Unit::User,
            when: When::default(),
            treatment: Rule::default(),
            max_cost_rise: None,
        }
    }
}

/// What an experiment assigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Callers, by key.
    Key,
    /// Users, or keys where no user is named.
    User,
    /// Projects.
    Project,
    /// Conversations.
    Conversation,
}

/// A project's own policy.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Project {
    /// How its calls are routed.
    pub routing: ProjectRouting,
    /// What is switched on or off for it.
    pub features: ProjectFeatures,
}

/// How a project's calls are routed.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProjectRouting {
    /// The layer that `auto` begins in at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "units::layer_schema", extend("x-example" = "L1"))]
    pub default_layer: Option<Layer>,
    /// The highest layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "units::layer_schema", extend("x-example" = "L2"))]
    pub max_layer: Option<Layer>,
    /// The most that one call may cost at worst, in dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-example" = 0.5))]
    pub max_cost_per_request: Option<Usd>,
    /// The most tokens a prompt may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("x-example" = 100_000))]
    pub max_context_tokens: Option<u64>,
    /// By pattern of the files that a request names.
    pub file_patterns: BTreeMap<String, FilePattern>,
    /// By kind of work.
    pub task_overrides: BTreeMap<String, TaskOverride>,
}

/// What holds for requests about files of a pattern.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FilePattern {
    /// Models to take first.
    #[schemars(extend("x-example" = ["gpt-4o-mini"]))]
    pub preferred_models: Vec<String>,
    /// The highest layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "units::layer_schema", extend("x-example" = "L1"))]
    pub max_layer: Option<Layer>,
    /// What the work is taken for, where the request does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "task_schema", extend("x-example" = "test"))]
    pub task_type: Option<TaskType>,
}

/// What holds for a kind of work.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TaskOverride {
    /// The highest layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "units::layer_schema", extend("x-example" = "L1"))]
    pub max_layer: Option<Layer>,
    /// Whether answers are checked by other models.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-example" = true))]
    pub cross_check: Option<bool>,
}

/// What is switched on or off for a project.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProjectFeatures {
    /// Whether answers are checked by other models.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-example" = true))]
    pub enable_cross_check: Option<bool>,
    /// Whether a higher layer is asked without a question.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-example" = false))]
    pub enable_auto_escalate: Option<bool>,
}

/// A part of the day, `18:00-08:00`, in minutes since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Its first minute.
    pub from: u16,
    /// The minute after its last.
    pub until: u16,
}

impl Hours {
    fn read(text: &str) -> Option<Self> {
        let (from, until) = text.trim().split_once('-')?;
        Some(Self { from: minute(from)?, until: minute(until)? })
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60 || (hours, minutes) == (24, 0)).then_some(hours * 60 + minutes)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, until } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60)
    }
}

impl Serialize for Hours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text).ok_or_else(|| {
            D::Error::custom(format!("`{text}` is no part of a day; write `18:00-08:00`"))
        })
    }
}

impl JsonSchema for Hours {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Hours".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1,
            "pattern": "^ *[0-9]{1,2}:[0-9]{2} *- *[0-9]{1,2}:[0-9]{2} *$" })
    }
}

/// Parts per ten thousand of a share from 0 to 1.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held in range")]
pub fn basis_points(share: f64) -> u32 {
    if share.is_finite() { (share.clamp(0.0, 1.0) * 10_000.0).round() as u32 } else { 0 }
}

/// Dollars of a limit.
pub fn dollars(limit: Option<Usd>) -> Option<Money> {
    limit.map(|limit| limit.0)
}

fn quality_schema(_: &mut SchemaGenerator) -> Schema {
    let words: Vec<&str> = Quality::ALL.iter().map(|word| word.as_str()).collect();
    json_schema!({ "type": "string", "enum": words })
}

fn task_schema(_: &mut SchemaGenerator) -> Schema {
    let words: Vec<&str> = TaskType::ALL.iter().map(|word| word.as_str()).collect();
    json_schema!({ "type": "string", "enum": words })
}

fn tasks_schema(generator: &mut SchemaGenerator) -> Schema {
    let item = task_schema(generator);
    json_schema!({ "type": "array", "items": item })
}

fn complexities_schema(_: &mut SchemaGenerator) -> Schema {
    let words: Vec<&str> = Complexity::ALL.iter().map(|word| word.as_str()).collect();
    json_schema!({ "type": "array", "items": { "type": "string", "enum": words } })
}

#[cfg(test)]
mod tests {
    use super::{Hours, basis_points};

    #[test]
    fn parts_of_a_day_are_read_and_written_alike() {
        let read = |text: &str| Hours::read(text).map(|hours| hours.to_string());
        assert_eq!(read("18:00-08:00").as_deref(), Some("18:00-08:00"));
        assert_eq!(read(" 9:05 - 24:00 ").as_deref(), Some("09:05-24:00"));
        for wrong in ["", "18:00", "25:00-08:00", "18:60-08:00", "a-b", "18-8"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn shares_are_parts_of_ten_thousand() {
        let shares = [0.0, 0.015, 1.0, 7.0, f64::NAN].map(basis_points);
        assert_eq!(shares, [0, 150, 10_000, 10_000, 0]);
    }
}
