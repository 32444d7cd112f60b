//! `[demo]`: simulated models for a first look.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Simulated models for a first look, when nothing else can answer.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Demo {
    /// When simulated models answer.
    pub enabled: DemoMode,
    /// Where an Ollama is looked for first, when no provider is configured; `off` does
    /// not look.
    pub local_address: String,
}

impl Default for Demo {
    fn default() -> Self {
        Self { enabled: DemoMode::default(), local_address: "http://localhost:11434".to_owned() }
    }
}

/// When simulated models answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DemoMode {
    /// Only when no provider is configured and none is found on this machine.
    #[default]
    Auto,
    /// Never.
    Off,
    /// Always.
    On,
}
