//! `[mcp]`: the servers behind the gateway, and how it presents itself and them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// MCP: the servers behind the gateway, and what clients see of them.
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
    /// Whether the gateway's own tools (`chat_completion`, `code_agent`, ...) are offered.
    pub model_tools: ModelTools,
    /// Asks the person behind the client before one of these tools has a paid model answer, where the
    /// client can ask.
    pub confirm_paid: bool,
    /// Text for models on how to use the tools, before that of the servers.
    #[schemars(extend("x-example" = "Prefer the tools of `docs` for our own API."))]
    pub instructions: Option<String>,
    /// How tools and prompts of different servers are named.
    pub names: Names,
    /// What clients see at `/mcp`; `/mcp/all`, `/mcp/search` and `/mcp/{group}` say it themselves.
    pub exposure: Shown,
    /// How the five gateway tools are spelled in lists. Calls understand both.
    pub tool_names: ToolNames,
    /// Tools listed beside the five, as `server::tool`.
    #[schemars(extend("x-example" = ["github::search_code"]))]
    pub favourites: Vec<String>,
    /// Groups of servers, each at `/mcp/{group}`.
    #[schemars(extend("x-example" = { "code": [] }))]
    pub groups: BTreeMap<String, Vec<String>>,
    /// A file of servers in the JSON form of mcp-gateway, comments and trailing commas allowed.
    /// Servers of this file win over those of that one.
    #[schemars(extend("x-example" = "mcp-gateway.json"))]
    pub config_file: Option<PathBuf>,
    /// How long the first list waits for servers that are starting, in milliseconds.
    pub startup_wait_ms: u64,
    /// How long clients may keep lists, in milliseconds.
    pub list_ttl_ms: u64,
    /// Background jobs that run at one time.
    #[schemars(range(min = 1, max = 1000))]
    pub jobs_max: u32,
    /// Signs states that clients send back. Give several gateways behind one address the same.
    #[schemars(extend("x-example" = "{env:MY_GATEWAY_KEY}"))]
    pub state_key: Option<Secret>,
    /// The servers, by name.
    pub servers: BTreeMap<String, McpServer>,
}

impl Default for Mcp {
    fn default() -> Self {
        Self {
            server_name: "ai-mcp-gateway".to_owned(),
            server_version: env!("CARGO_PKG_VERSION").to_owned(),
            tool_description: None,
            model_tools: ModelTools::default(),
            confirm_paid: true,
            instructions: None,
            names: Names::default(),
            exposure: Shown::default(),
            tool_names: ToolNames::default(),
            favourites: Vec::new(),
            groups: BTreeMap::new(),
            config_file: None,
            startup_wait_ms: 5_000,
            list_ttl_ms: 60_000,
            jobs_max: 3,
            state_key: None,
            servers: BTreeMap::new(),
        }
    }
}

/// Whether the gateway's own tools are offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModelTools {
    /// Over HTTP always, on standard input where a provider is configured.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// How tools and prompts of different servers are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Names {
    /// `server__name`: names never change when servers come and go.
    #[default]
    Always,
    /// Prefixed only where several servers have the name.
    Collision,
    /// Never prefixed; the server first in the alphabet wins.
    Never,
    /// Never prefixed; the server with the highest `priority` wins.
    Priority,
}

/// What clients see at `/mcp`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// All tools for clients that search by themselves, the five gateway tools for others.
    #[default]
    Auto,
    /// All tools.
    All,
    /// The five gateway tools and the favourites.
    Search,
}

/// How the five gateway tools are spelled in lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToolNames {
    /// `gateway.search`
    #[default]
    Dots,
    /// `gateway_search`
    Underscores,
}

/// Which protocol is spoken with a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Era {
    /// Found out by asking.
    #[default]
    Auto,
    /// Revision 2026-07-28.
    Modern,
    /// A revision with `initialize`.
    Legacy,
}

/// How a server with a URL is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Streamable HTTP, or HTTP+SSE where the server turns out to be that old.
    #[default]
    Http,
    /// HTTP+SSE of revision 2024-11-05.
    Sse,
}

/// An MCP server behind the gateway: a command or a URL.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct McpServer {
    /// False keeps it configured and unused.
    pub enabled: bool,
    /// Program and arguments of a server that runs here; never through a shell.
    #[schemars(extend("x-example" = ["npx", "-y", "@modelcontextprotocol/server-filesystem", "."]))]
    pub command: Vec<String>,
    /// Environment of the command, beside the harmless part of the gateway's own.
    #[schemars(extend("x-example" = { "TOKEN": "{env:MY_GATEWAY_KEY}" }))]
    pub environment: BTreeMap<String, Secret>,
    /// Where the command runs; the gateway's own folder unless set.
    #[schemars(extend("x-example" = "/srv/project"))]
    pub cwd: Option<PathBuf>,
    /// Address of a server that runs elsewhere.
    #[schemars(extend("x-example" = "https://mcp.example/mcp"))]
    pub url: Option<String>,
    /// How the address is spoken to.
    pub transport: Transport,
    /// Headers of every request to it.
    #[schemars(extend("x-example" = { "authorization": "Bearer {env:MY_GATEWAY_KEY}" }))]
    pub headers: BTreeMap<String, Secret>,
    /// Which protocol is spoken.
    pub era: Era,
    /// How long a call may take, in milliseconds.
    #[schemars(range(min = 1))]
    pub timeout_ms: u64,
    /// How long starting may take, in milliseconds.
    #[schemars(range(min = 1))]
    pub start_timeout_ms: u64,
    /// Requests to it at one time.
    #[schemars(range(min = 1, max = 100000))]
    pub concurrency_max: u32,
    /// A command that is unused for so long is stopped until it is needed, in milliseconds; 0 never.
    pub idle_ms: u64,
    /// Who wins a name that several servers have, with `names = "priority"`.
    pub priority: i64,
    /// Only these tools; `*` at the end stands for anything. Empty allows all.
    #[schemars(extend("x-example" = ["read_*"]))]
    pub tools_allow: Vec<String>,
    /// Not these tools; `*` at the end stands for anything.
    #[schemars(extend("x-example" = ["delete_*"]))]
    pub tools_deny: Vec<String>,
    /// Gives every client a process or session of its own.
    pub per_client: bool,
}

impl Default for McpServer {
    fn default() -> Self {
        Self {
            enabled: true,
            command: Vec::new(),
            environment: BTreeMap::new(),
            cwd: None,
            url: None,
            transport: Transport::default(),
            headers: BTreeMap::new(),
            era: Era::default(),
            timeout_ms: 300_000,
            start_timeout_ms: 30_000,
            concurrency_max: 64,
            idle_ms: 7_200_000,
            priority: 0,
            tools_allow: Vec::new(),
            tools_deny: Vec::new(),
            per_client: false,
        }
    }
}
