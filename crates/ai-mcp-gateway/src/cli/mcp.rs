//! Flags of `mcp` and `connect`.

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum McpCommand {
    /// Put a server into the configuration
    Add(McpAddArgs),
    /// Take a server out of the configuration
    Remove {
        /// Its name
        name: String,
    },
    /// List the servers of the configuration, without connecting to them
    List,
    /// Connect to one server, or to all, and say whether each answers
    Test {
        /// Its name; all where absent
        name: Option<String>,
    },
    /// Connect to every server and say how it is
    Servers,
    /// List the tools of all servers, or search them
    Tools {
        /// A few words of what is needed
        query: Vec<String>,
    },
    /// Call a tool
    Call {
        /// server::tool
        id: String,
        /// Its arguments, as a JSON object
        #[arg(default_value = "{}")]
        args: String,
        /// Longest wait, in milliseconds
        #[arg(long, default_value_t = 60_000)]
        timeout_ms: u64,
    },
}

#[derive(Debug, Args)]
pub(crate) struct McpAddArgs {
    /// Its name: letters, digits, `-` and `_`
    pub(crate) name: String,

    /// Address of a server that runs elsewhere
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: Option<String>,

    /// Program and arguments of a server that runs here, after `--`
    #[arg(last = true, required_unless_present = "address", conflicts_with = "address")]
    pub(crate) command: Vec<String>,

    /// The address speaks HTTP+SSE of 2024-11-05
    #[arg(long, requires = "address")]
    pub(crate) sse: bool,

    /// A header of every request; `{env:NAME}` stands for a variable
    #[arg(long, value_name = "NAME=VALUE", requires = "address")]
    pub(crate) header: Vec<String>,

    /// A variable of its environment; `{env:NAME}` stands for a variable of the gateway's
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "address")]
    pub(crate) env: Vec<String>,

    /// Where it runs
    #[arg(long, value_name = "FOLDER", conflicts_with = "address")]
    pub(crate) cwd: Option<String>,

    /// Replace a server that has the name
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ConnectArgs {
    /// claude-desktop, claude-code, cursor, vscode, opencode, codex, zed, gemini-cli, windsurf; without
    /// one they are listed
    #[arg(value_name = "CLIENT")]
    pub(crate) clients: Vec<String>,

    /// Every client that is set up here
    #[arg(long, conflicts_with = "clients")]
    pub(crate) all: bool,

    /// Show what would be written, and write nothing
    #[arg(long, conflicts_with = "undo")]
    pub(crate) print: bool,

    /// Put back what was there before
    #[arg(long)]
    pub(crate) undo: bool,

    /// Write only this: its MCP servers, or which models it asks
    #[arg(long, value_enum)]
    pub(crate) only: Option<OnlyChoice>,

    /// Leave the client's own servers alone
    #[arg(long)]
    pub(crate) no_import: bool,

    /// Take servers that the gateway took over out of the client
    #[arg(long = "move", conflicts_with = "no_import")]
    pub(crate) take_out: bool,

    /// Let the client start a gateway on standard input, in place of an address
    #[arg(long)]
    pub(crate) stdio: bool,

    /// The variable in which the client finds the gateway's key
    #[arg(long, value_name = "NAME")]
    pub(crate) key_env: Option<String>,

    /// A model for clients that keep a list; the first is the usual one [default: auto]
    #[arg(long = "model", value_name = "MODEL")]
    pub(crate) models: Vec<String>,
}

/// One half of a client's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnlyChoice {
    /// MCP servers
    Servers,
    /// Models
    Models,
}
