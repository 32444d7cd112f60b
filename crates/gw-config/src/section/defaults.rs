//! `[defaults]`: what fills fields that a request leaves out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What fills fields that a request leaves out.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Defaults {
    /// The provider that models without a provider's name go to first.
    #[schemars(extend("x-example" = "openai"))]
    pub provider: Option<String>,
    /// The model, where none is named. Without it the router decides.
    #[schemars(extend("x-example" = "gpt-4o-mini"))]
    pub model: Option<String>,
    /// The temperature, 0 to 2.
    #[schemars(range(min = 0.0, max = 2.0), extend("x-example" = 0.7))]
    pub temperature: Option<f64>,
    /// Most tokens of an answer.
    #[schemars(range(min = 1), extend("x-example" = 4096))]
    pub max_tokens: Option<u64>,
    /// The `anthropic-version` header for providers that speak Anthropic messages.
    #[schemars(extend("x-example" = "2023-06-01"))]
    pub anthropic_version: Option<String>,
}
