//! What this room can be told, as plain values.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;

use crate::meta::Identity;

/// Everything this room is told.
#[derive(Clone, Debug)]
pub struct McpOptions {
    /// Who the gateway says it is.
    pub identity: Identity,
    /// Text for models on how to use the gateway; the servers' own follow it.
    pub instructions: Option<String>,
    /// How names of different servers are kept apart.
    pub names: NameMode,
    /// What clients see at `/mcp`.
    pub exposure: Exposure,
    /// Tools shown beside the five in search mode, as `server::tool`.
    pub favourites: Vec<String>,
    /// Groups of servers, each at `/mcp/{group}`.
    pub groups: BTreeMap<String, Vec<String>>,
    /// Names of the five tools.
    pub tool_names: ToolNames,
    /// Upstream servers by name.
    pub servers: BTreeMap<String, ServerOptions>,
    /// How long the first list waits for servers that are starting, in milliseconds.
    pub startup_wait_ms: u64,
    /// How long clients may keep lists, in milliseconds.
    pub list_ttl_ms: u64,
    /// Signs states that travel through clients; random for each process where not given.
    pub state_key: Option<SecretString>,
    /// Jobs running at one time.
    pub jobs_max: usize,
    /// Environment that children may inherit: what of it is harmless stands in this room.
    pub environment: BTreeMap<String, String>,
    /// A program and its arguments put before every child's command; it must replace itself with the
    /// command. The binary uses it to make children die with the gateway.
    pub launcher: Vec<String>,
}

impl Default for McpOptions {
    fn default() -> Self {
        Self {
            identity: Identity {
                name: "ai-mcp-gateway".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            instructions: None,
            names: NameMode::Always,
            exposure: Exposure::Auto,
            favourites: Vec::new(),
            groups: BTreeMap::new(),
            tool_names: ToolNames::Dots,
            servers: BTreeMap::new(),
            startup_wait_ms: 5_000,
            list_ttl_ms: 60_000,
            state_key: None,
            jobs_max: 3,
            environment: BTreeMap::new(),
            launcher: Vec::new(),
        }
    }
}

/// How names of different servers are kept apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameMode {
    /// `server__name`, whether or not another has the name: nothing changes when servers come and go.
    #[default]
    Always,
    /// Only names that several servers have are prefixed.
    OnCollision,
    /// Never; of several with one name the server first in the alphabet is shown.
    Never,
    /// Never; the server with the highest priority is shown.
    Priority,
}

/// What a client sees of the tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Exposure {
    /// All for clients that search by themselves, the five for others.
    #[default]
    Auto,
    /// Every tool of every server.
    All,
    /// The five tools and the favourites.
    Search,
    /// Every tool of the group's servers.
    Group(String),
}

/// How the five tools are called in lists. Both are understood in calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToolNames {
    /// `gateway.search`
    #[default]
    Dots,
    /// `gateway_search`
    Underscores,
}

/// An upstream server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// How it is reached.
    pub transport: TransportOptions,
    /// False for a server that is configured and not to be used.
    pub is_enabled: bool,
    /// Which protocol to speak.
    pub era: EraChoice,
    /// How long a call may take, in milliseconds; progress does not extend it.
    pub timeout_ms: u64,
    /// How long starting and the handshake may take, in milliseconds.
    pub start_timeout_ms: u64,
    /// Requests at one time.
    pub concurrency_max: usize,
    /// Unused for so long, it is stopped until it is needed again, in milliseconds; 0 for never.
    pub idle_ms: u64,
    /// Who wins a name that several have; higher first.
    pub priority: i64,
    /// Only these tools; `*` at the end stands for anything. Empty for all.
    pub tools_allow: Vec<String>,
    /// Never these tools.
    pub tools_deny: Vec<String>,
    /// True where every client has connections (or a process) of its own.
    pub is_per_client: bool,
}

impl ServerOptions {
    /// A server with the usual limits.
    pub fn new(transport: TransportOptions) -> Self {
        Self {
            transport,
            is_enabled: true,
            era: EraChoice::Auto,
            timeout_ms: 300_000,
            start_timeout_ms: 30_000,
            concurrency_max: 64,
            idle_ms: 7_200_000,
            priority: 0,
            tools_allow: Vec::new(),
            tools_deny: Vec::new(),
            is_per_client: false,
        }
    }

    /// True where the tool may be used.
    pub fn allows(&self, tool: &str) -> bool {
        let listed = |list: &[String]| list.iter().any(|pattern| matches(pattern, tool));
        (self.tools_allow.is_empty() || listed(&self.tools_allow)) && !listed(&self.tools_deny)
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

/// How a server is reached. Secrets stand in environment and headers only.
#[derive(Clone)]
pub enum TransportOptions {
    /// A child process that speaks on its standard input and output.
    Stdio {
        /// Program and arguments; never through a shell.
        command: Vec<String>,
        /// Environment beside the harmless part of the gateway's own.
        environment: BTreeMap<String, SecretString>,
        /// Where it runs; the gateway's own folder where not given.
        cwd: Option<PathBuf>,
    },
    /// Streamable HTTP, or HTTP+SSE where the server is found to be that old.
    Http {
        /// The endpoint.
        url: String,
        /// Headers of every request.
        headers: BTreeMap<String, SecretString>,
    },
    /// HTTP+SSE of revision 2024-11-05.
    Sse {
        /// The address of the stream.
        url: String,
        /// Headers of every request.
        headers: BTreeMap<String, SecretString>,
    },
}

impl std::fmt::Debug for TransportOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdio { command, cwd, environment } => f
                .debug_struct("Stdio")
                .field("command", command)
                .field("cwd", cwd)
                .field("environment", &environment.keys().collect::<Vec<_>>())
                .finish(),
            Self::Http { url, headers } | Self::Sse { url, headers } => f
                .debug_struct("Http")
                .field("url", url)
                .field("headers", &headers.keys().collect::<Vec<_>>())
                .finish(),
        }
    }
}

impl PartialEq for TransportOptions {
    fn eq(&self, other: &Self) -> bool {
        use secrecy::ExposeSecret as _;
        let same = |a: &BTreeMap<String, SecretString>, b: &BTreeMap<String, SecretString>| {
            a.len() == b.len()
                && a.iter().zip(b).all(|((name, value), (other_name, other))| {
                    name == other_name && value.expose_secret() == other.expose_secret()
                })
        };
        match (self, other) {
            (
                Self::Stdio { command, environment, cwd },
                Self::Stdio { command: c, environment: e, cwd: d },
            ) => command == c && cwd == d && same(environment, e),
            (Self::Http { url, headers }, Self::Http { url: u, headers: h })
            | (Self::Sse { url, headers }, Self::Sse { url: u, headers: h }) => {
                url == u && same(headers, h)
            }
            _ => false,
        }
    }
}

impl PartialEq for ServerOptions {
    fn eq(&self, other: &Self) -> bool {
        let rest = |it: &Self| {
            (
                (it.is_enabled, it.era, it.timeout_ms, it.start_timeout_ms, it.concurrency_max),
                (it.idle_ms, it.priority, it.is_per_client),
                (it.tools_allow.clone(), it.tools_deny.clone()),
            )
        };
        self.transport == other.transport && rest(self) == rest(other)
    }
}

/// Which protocol to speak with a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EraChoice {
    /// Find out.
    #[default]
    Auto,
    /// Revision 2026-07-28.
    Modern,
    /// With `initialize`.
    Legacy,
}
