//! The command line: what can be said, and nothing about how it is done.

mod accounts;
mod conversations;
mod keys;
mod mcp;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use gw_core::task::Quality;
use gw_core::{Layer, Money};

pub(crate) use accounts::{AccountsCommand, BudgetsCommand, LimitsCommand};
pub(crate) use conversations::{By, ConversationsCommand, DeleteArgs, SubjectArgs, TodoArgs};
pub(crate) use keys::KeysCommand;
pub(crate) use mcp::{ConnectArgs, McpAddArgs, McpCommand, OnlyChoice};

/// One gateway between AI clients and every model they call.
#[derive(Debug, Parser)]
#[command(
    name = "ai-mcp-gateway",
    version,
    about = "One gateway between AI clients and every model they call: cheapest layer that answers \
             well, exact costs, one URL.",
    after_help = "Start here:  ai-mcp-gateway serve\n             \
                  ai-mcp-gateway chat \"why is the sky blue?\"\n             \
                  ai-mcp-gateway doctor\n\n\
                  Exit codes: 0 ok, 1 fault, 2 bad input, 3 not configured, 4 key refused, \
                  5 budget, 6 provider or network, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Flags that every command understands.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Configuration file, in place of the usual places
    #[arg(long, global = true, value_name = "FILE", env = "GATEWAY_CONFIG")]
    pub(crate) config: Option<PathBuf>,

    /// A running gateway to talk to, in place of working in this process; also GATEWAY_URL
    #[arg(
        short = 'e',
        long,
        visible_alias = "url",
        global = true,
        value_name = "URL",
        env = "MCP_ENDPOINT"
    )]
    pub(crate) endpoint: Option<String>,

    /// Key for that gateway; also GATEWAY_KEY
    #[arg(
        short = 'k',
        long,
        global = true,
        value_name = "KEY",
        env = "MCP_API_KEY",
        hide_env_values = true
    )]
    pub(crate) api_key: Option<String>,

    /// Print one JSON document in place of text
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto)]
    pub(crate) color: ColorChoice,

    /// Simulated models: on without any provider, never, or always
    #[arg(long, global = true, value_enum)]
    pub(crate) demo: Option<DemoChoice>,

    /// Refuse to start simulated models
    #[arg(long, global = true, conflicts_with = "demo")]
    pub(crate) no_demo: bool,
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// When simulated models answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DemoChoice {
    /// When no provider is configured
    Auto,
    /// Never
    Off,
    /// Always, beside the configured providers
    On,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the HTTP gateway
    Serve(ServeArgs),
    /// Speak MCP on standard input and output, with every configured server behind
    Stdio(StdioArgs),
    /// The MCP servers behind the gateway and their tools
    #[command(subcommand)]
    Mcp(McpCommand),
    /// Put the gateway into Claude Code, Codex, Cursor and others, and take their servers over
    Connect(ConnectArgs),
    /// Becomes another program that ends with the gateway
    #[command(name = "__child", hide = true)]
    Child {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Ask a model; reads standard input, keeps a conversation with -i or -c
    Chat(ChatArgs),
    /// The model catalogue
    #[command(subcommand)]
    Models(ModelsCommand),
    /// What was used and what it cost, and what routing and caching saved
    Usage(Box<UsageArgs>),
    /// Keys: hand them out, look at them, replace them, take them back
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Budgets of accounts and keys, and how they stand
    #[command(subcommand)]
    Budgets(BudgetsCommand),
    /// Limits of accounts and keys: calls, tokens and dollars a minute, calls at one time
    #[command(subcommand)]
    Limits(LimitsCommand),
    /// Conversations that are kept: summaries, to-do lists, handoff, export, deletion
    #[command(subcommand)]
    Conversations(ConversationsCommand),
    /// Organisations, teams, users and projects
    #[command(subcommand)]
    Accounts(AccountsCommand),
    /// The response cache of a running gateway: how it does, and forgetting what it keeps
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Routing: judge it on outcome data, learn from such data, explain a decision
    #[command(subcommand)]
    Route(RouteCommand),
    /// Check keys, reachability, store and port, and say what to do
    Doctor,
    /// The configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell
    Completions {
        /// bash, zsh, fish, powershell or elvish
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Default, Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on [default: 127.0.0.1]
    #[arg(long)]
    pub(crate) host: Option<String>,

    /// Port to listen on; 0 takes a free one [default: 3000]
    #[arg(short, long)]
    pub(crate) port: Option<u16>,

    /// Serve callers without a key: whoever reaches the address spends your money
    #[arg(long)]
    pub(crate) open: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Hits, misses, what is kept and what it saved
    Stats,
    /// Forget answers, or what is at hand of a conversation
    Clear {
        /// Names to forget, as Redis matches them [default: llm:cache:*]
        pattern: Option<String>,
        /// What is at hand of this conversation; the store keeps it all the same
        #[arg(short, long, value_name = "ID", conflicts_with = "pattern")]
        conversation: Option<String>,
    },
}

#[derive(Debug, Default, Args)]
pub(crate) struct StdioArgs {
    /// What to show of the tools: all, search, or a group or server [default: mcp.exposure]
    #[arg(long, value_name = "WHAT")]
    pub(crate) show: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// The message; `-` or nothing reads standard input, and piped input is added to a message
    pub(crate) message: Vec<String>,

    /// Keep talking
    #[arg(short, long)]
    pub(crate) interactive: bool,

    /// Model: a name, provider/model, L0..L3, auto, or auto:L0-L2
    #[arg(short, long, default_value = "auto")]
    pub(crate) model: String,

    /// Instructions before the message
    #[arg(short, long)]
    pub(crate) system: Option<String>,

    /// Continue (or begin) the conversation with this id
    #[arg(short, long, value_name = "ID")]
    pub(crate) conversation: Option<String>,

    /// Ask this layer
    #[arg(long)]
    pub(crate) layer: Option<Layer>,

    /// Never go above this layer
    #[arg(long)]
    pub(crate) max_layer: Option<Layer>,

    /// How good the answer has to be: normal, high, critical
    #[arg(short, long)]
    pub(crate) quality: Option<Quality>,

    /// Have the answer checked by other models, or not
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) cross_check: Option<bool>,

    /// Ask a higher layer without a question where an answer may not stand
    #[arg(short, long)]
    pub(crate) yes: bool,

    /// Take up an escalation that was offered, by its token; no message is needed
    #[arg(long, value_name = "TOKEN", conflicts_with = "message")]
    pub(crate) escalate: Option<String>,

    /// Most tokens to answer
    #[arg(long)]
    pub(crate) max_tokens: Option<u64>,

    /// Randomness
    #[arg(long)]
    pub(crate) temperature: Option<f64>,

    /// Wait for the whole answer
    #[arg(long)]
    pub(crate) no_stream: bool,

    /// Leave out the line with model, tokens and cost
    #[arg(long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List models: those of configured providers, or all
    List {
        /// Part of a name
        search: Option<String>,
        /// Only this provider
        #[arg(long)]
        provider: Option<String>,
        /// Only this layer
        #[arg(long)]
        layer: Option<Layer>,
        /// Also of providers that are not configured
        #[arg(long)]
        all: bool,
    },
    /// Everything known of one model
    Show {
        /// A name, provider/model or alias
        model: String,
        /// Prices as they were at this date (YYYY-MM-DD)
        #[arg(long)]
        at: Option<String>,
    },
    /// What the configuration changes of the embedded catalogue
    Diff,
    /// What a provider's usage object costs, class by class
    Price(PriceArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PriceArgs {
    /// The provider: openai, anthropic, gemini, bedrock, ...
    #[arg(long)]
    pub(crate) provider: String,

    /// The model in the provider's word
    #[arg(long)]
    pub(crate) model: String,

    /// File with the usage object, or with a whole answer that holds one; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) usage: String,

    /// Prices as they were then (2026-11-21 or 2026-11-21T18:30:00Z) [default: now]
    #[arg(long, value_name = "DATE")]
    pub(crate) at: Option<String>,

    /// Service tier that served the call, in place of what the usage says: batch, flex, priority
    #[arg(long, value_name = "TIER")]
    pub(crate) service_tier: Option<String>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct UsageArgs {
    #[command(subcommand)]
    pub(crate) command: Option<UsageCommand>,

    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Groups: day, hour, model, layer, provider, key, team, user, project, tag
    #[arg(long, value_name = "GROUP", value_delimiter = ',', default_value = "day")]
    pub(crate) by: Vec<String>,

    /// From this day or hour on (UTC)
    #[arg(long, value_name = "DATE")]
    pub(crate) from: Option<String>,

    /// Until the end of this day, or before this hour
    #[arg(long, value_name = "DATE")]
    pub(crate) to: Option<String>,

    /// Only this model (provider/name)
    #[arg(long)]
    pub(crate) model: Option<String>,

    /// Only this layer
    #[arg(long)]
    pub(crate) layer: Option<Layer>,

    /// Only this provider
    #[arg(long)]
    pub(crate) provider: Option<String>,

    /// Only this key, by its id
    #[arg(long, value_name = "ID")]
    pub(crate) key: Option<String>,

    /// Only this team
    #[arg(long)]
    pub(crate) team: Option<String>,

    /// Only this user
    #[arg(long)]
    pub(crate) user: Option<String>,

    /// Only this project
    #[arg(long)]
    pub(crate) project: Option<String>,

    /// Only calls with this tag
    #[arg(long)]
    pub(crate) tag: Option<String>,

    /// Print a CSV table
    #[arg(long)]
    pub(crate) csv: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UsageCommand {
    /// One call with all its attempts, accounts and costs
    Call {
        /// x-gateway-call-id of its answer
        id: String,
    },
    /// Compare with a provider's usage export; ends with 1 where they differ
    Reconcile(ReconcileArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ReconcileArgs {
    /// The provider, by its id here
    #[arg(long)]
    pub(crate) provider: String,

    /// Its export: JSON of OpenAI's or Anthropic's usage or cost API, OpenRouter's activity, or CSV
    #[arg(long)]
    pub(crate) file: PathBuf,

    /// Difference that may pass, in per cent of the provider's figure
    #[arg(long, value_name = "PERCENT", default_value = "0.5")]
    pub(crate) tolerance: String,

    #[command(flatten)]
    pub(crate) columns: ColumnArgs,
}

/// Columns of an export, where they go by names of their own.
#[derive(Debug, Default, Args)]
pub(crate) struct ColumnArgs {
    /// Column of the day or instant (UTC)
    #[arg(long, value_name = "NAME")]
    pub(crate) day_column: Option<String>,

    /// Column of the model
    #[arg(long, value_name = "NAME")]
    pub(crate) model_column: Option<String>,

    /// Column of the number of requests
    #[arg(long, value_name = "NAME")]
    pub(crate) requests_column: Option<String>,

    /// Column of all tokens read
    #[arg(long, value_name = "NAME")]
    pub(crate) input_column: Option<String>,

    /// Column of tokens written
    #[arg(long, value_name = "NAME")]
    pub(crate) output_column: Option<String>,

    /// Column of the cost in dollars
    #[arg(long, value_name = "NAME")]
    pub(crate) cost_column: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RouteCommand {
    /// Replay outcome data through the router: train on 60 %, judge on the rest
    Eval(RouteEvalArgs),
    /// Learn from outcome data; writes nothing unless the gain holds on both kinds of split
    Learn(RouteLearnArgs),
    /// Show who would answer and why, without calling anyone
    Explain(RouteExplainArgs),
    /// Say how good the answer of a call was
    Feedback(RouteFeedbackArgs),
    /// Write the judged calls of this gateway as outcome data
    Export(RouteExportArgs),
    /// Compare what was promised with what judged calls delivered; fails where they differ by more
    /// than chance
    Drift,
}

/// Which outcomes to read.
#[derive(Debug, Args)]
pub(crate) struct OutcomeData {
    /// Folder of outcome data: prompts.jsonl, quality.csv, models.json, perhaps in_tokens.csv,
    /// out_tokens.csv, answers.csv, each also as .gz (docs/routing-data.md)
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,

    /// Models to choose from, by name or a part of it that fits one [default: all that are priced
    /// and answered nearly every prompt]
    #[arg(long, value_name = "MODEL,...", value_delimiter = ',')]
    pub(crate) models: Vec<String>,

    /// Use the prompts of this task only
    #[arg(long, value_name = "TASK")]
    pub(crate) only: Option<String>,

    /// Number of splits
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub(crate) seeds: u64,
}

#[derive(Debug, Args)]
pub(crate) struct RouteEvalArgs {
    #[command(flatten)]
    pub(crate) data: OutcomeData,

    /// Judge on prompts left out by chance, or on whole tasks
    #[arg(long, value_enum, default_value_t = SplitChoice::Random)]
    pub(crate) split: SplitChoice,

    /// Also replay a cascade: cheap models in the order in which they are asked, the top last
    #[arg(long, value_name = "MODEL,MODEL,...", value_delimiter = ',')]
    pub(crate) cascade: Vec<String>,

    /// Other folders of outcome data: also judge a prior made of these alone
    #[arg(long, value_name = "DIR")]
    pub(crate) train: Vec<PathBuf>,

    /// Say what is saved against always asking the best model, how it was found and what speaks
    /// against it
    #[arg(long)]
    pub(crate) savings: bool,

    /// Write the curves of the first split as an SVG picture
    #[arg(long, value_name = "FILE")]
    pub(crate) chart: Option<PathBuf>,
}

/// How prompts are split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SplitChoice {
    /// Prompts by chance
    Random,
    /// Whole tasks
    Task,
    /// The newest prompts, where the data has their times
    Time,
}

#[derive(Debug, Args)]
pub(crate) struct RouteFeedbackArgs {
    /// The call, as its x-gateway-call-id header had it
    pub(crate) call: String,

    #[command(flatten)]
    pub(crate) said: RouteScore,
}

/// How good an answer was.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct RouteScore {
    /// It was good
    #[arg(long)]
    pub(crate) good: bool,

    /// It was bad
    #[arg(long)]
    pub(crate) bad: bool,

    /// It was worth this, 0 to 1
    #[arg(long, value_name = "SCORE")]
    pub(crate) score: Option<f64>,
}

#[derive(Debug, Args)]
pub(crate) struct RouteExportArgs {
    /// The folder to write; its files are replaced
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RouteLearnArgs {
    /// Learn from the judged calls of this gateway; they are written to --data first
    #[arg(long)]
    pub(crate) from_store: bool,

    #[command(flatten)]
    pub(crate) data: OutcomeData,

    /// Where to write what was learned
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

/// An amount of dollars, not below nothing.
fn usd(text: &str) -> Result<Money, String> {
    let amount = Money::from_usd_decimal(text).filter(|amount| *amount >= Money::ZERO);
    amount.ok_or_else(|| format!("`{text}` is no amount of dollars"))
}

#[derive(Debug, Args)]
pub(crate) struct RouteExplainArgs {
    /// The message
    pub(crate) message: Vec<String>,

    /// Model: a name, provider/model, L0..L3, auto, or auto:L0-L2
    #[arg(short, long, default_value = "auto")]
    pub(crate) model: String,

    /// Instructions before the message
    #[arg(short, long)]
    pub(crate) system: Option<String>,

    /// How good the answer has to be: normal, high, critical
    #[arg(short, long)]
    pub(crate) quality: Option<Quality>,

    /// Never go above this layer
    #[arg(long)]
    pub(crate) max_layer: Option<Layer>,

    /// Go by what was learned: a file of `route learn`, or `prior` for what comes with the program
    /// [default: as `routing.policy` says]
    #[arg(long, value_name = "FILE")]
    pub(crate) learned: Option<PathBuf>,

    /// What a good answer is worth, in dollars [default: routing.learned.answer_value_usd]
    #[arg(long, value_name = "USD", value_parser = usd)]
    pub(crate) value: Option<Money>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Write a commented gateway.toml
    Init {
        /// Where to [default: ./gateway.toml]
        path: Option<PathBuf>,
        /// Replace a file that is there
        #[arg(long)]
        force: bool,
    },
    /// Check the configuration and say what is wrong
    Check,
    /// Print the configuration in force, secrets hidden, and where each value comes from
    Show,
    /// Print the JSON Schema of gateway.toml
    Schema,
}
