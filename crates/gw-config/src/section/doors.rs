//! `mode` and `[client]`: what a bare start means, and where the command line finds a running
//! gateway.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// What starting without a command means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Serve HTTP.
    Api,
    /// Speak MCP on standard input and output.
    #[default]
    Mcp,
}

/// Where the command line finds a running gateway.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Client {
    /// Address of a running gateway. Without it commands run in their own process.
    #[schemars(extend("x-example" = "http://localhost:3000"))]
    pub endpoint: Option<String>,
    /// Key for it.
    #[schemars(extend("x-example" = "{env:MY_GATEWAY_KEY}"))]
    pub api_key: Option<Secret>,
}
