//! `mode`, `[mcp]` and `[client]`: how the gateway presents itself over MCP, and where the
//! command line finds a running one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// What starting without a command means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Serve HTTP.
    Api,
    /// Speak MCP on standard input and output. Not in this version.
    #[default]
    Mcp,
}

/// How the gateway presents itself over MCP. Taken; the MCP server is not in this version.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mcp {
    /// Name of the server.
    #[schemars(length(min = 1))]
    pub server_name: String,
    /// Version of the server.
    #[schemars(length(min = 1))]
    pub server_version: String,
    /// Text added to the description of the `chat_completion` tool.
    #[schemars(extend("x-example" = "Use for questions about our own code."))]
    pub tool_description: Option<String>,
}

impl Default for Mcp {
    fn default() -> Self {
        Self {
            server_name: "ai-mcp-gateway".to_owned(),
            server_version: env!("CARGO_PKG_VERSION").to_owned(),
            tool_description: None,
        }
    }
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
