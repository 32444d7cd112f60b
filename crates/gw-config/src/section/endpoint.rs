//! `[endpoint]`: one provider in the manner of system B (`API_FORMAT`, `API_KEY`,
//! `API_ENDPOINT`). Checking turns it into an entry of `providers`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// One provider in the manner of mcp-ai-gateway. `[providers]` says the same and more.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Endpoint {
    /// What it speaks.
    pub format: EndpointFormat,
    /// Its key; without one there is no such provider.
    #[schemars(extend("x-example" = "{env:MY_PROVIDER_KEY}"))]
    pub api_key: Option<Secret>,
    /// Its address, up to or including the path of the call.
    #[schemars(extend("x-example" = "https://llm.example/v1/chat/completions"))]
    pub url: Option<String>,
}

/// What an endpoint speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EndpointFormat {
    /// OpenAI chat completions.
    #[default]
    Openai,
    /// Anthropic messages.
    Anthropic,
}
