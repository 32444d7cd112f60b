//! `[demo]`: simulated models for a first look.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Simulated models for a first look, when nothing else can answer.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Demo {
    /// When simulated models answer.
    pub enabled: DemoMode,
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
