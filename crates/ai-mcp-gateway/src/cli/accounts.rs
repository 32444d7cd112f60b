//! What can be said to `accounts`, `budgets` and `limits`.

use clap::{Args, Subcommand};
use gw_core::Layer;
use gw_server::admin::{AccountBody, BudgetBody, LimitBody, Usd};

use crate::cli::keys::usd;

/// `accounts`.
#[derive(Debug, Subcommand)]
pub(crate) enum AccountsCommand {
    /// Define an organisation, team, user or project, in place of one with the same name
    #[command(after_help = "Examples:\n  \
        ai-mcp-gateway accounts set organisation:acme --max-layer L2\n  \
        ai-mcp-gateway accounts set team:research --parent organisation:acme\n\n\
        A team belongs to an organisation, a user or project to a team or organisation. What an \
        account leaves open it takes over from its parent, and it never has more.")]
    Set(AccountArgs),
    /// List them as a tree
    List,
    /// Remove one that nothing belongs to
    Remove {
        /// Which one, such as team:research
        scope: String,
    },
}

/// `accounts set`.
#[derive(Debug, Args)]
pub(crate) struct AccountArgs {
    /// Which one: organisation:ID, team:ID, user:ID or project:ID
    scope: String,
    /// What it belongs to, such as organisation:acme
    #[arg(long, value_name = "SCOPE")]
    parent: Option<String>,
    /// Name for people
    #[arg(short, long)]
    name: Option<String>,
    /// A model that everything in it may use at most [default: all]
    #[arg(long = "model", value_delimiter = ',')]
    models: Vec<String>,
    /// A layer that everything in it may use at most [default: all]
    #[arg(long = "layer", value_delimiter = ',')]
    layers: Vec<Layer>,
    /// The highest layer that everything in it may use
    #[arg(long, value_name = "LAYER")]
    max_layer: Option<Layer>,
    /// A path that everything in it may use at most [default: all]
    #[arg(long = "path", value_delimiter = ',')]
    endpoints: Vec<String>,
    /// A tool that everything in it may use at most, as server::tool [default: all]
    #[arg(long = "tool", value_delimiter = ',')]
    tools: Vec<String>,
}

impl From<AccountArgs> for AccountBody {
    fn from(args: AccountArgs) -> Self {
        Self {
            scope: Some(args.scope),
            parent: args.parent,
            name: args.name,
            models: args.models,
            layers: args.layers,
            endpoints: args.endpoints,
            tools: args.tools,
            max_layer: args.max_layer,
        }
    }
}

/// `budgets`.
#[derive(Debug, Subcommand)]
pub(crate) enum BudgetsCommand {
    /// Give an account a budget, in place of the one in the same unit over the same period
    #[command(after_help = "Examples:\n  \
        ai-mcp-gateway budgets set team:research --usd 100 --period month --alert 80,100\n  \
        ai-mcp-gateway budgets set user:ada --tokens 2000000 --period sliding:24h\n  \
        ai-mcp-gateway budgets set tag:nightly --usd 5 --period day --soft --max-layer L1\n\n\
        What was spent in the period before counts, and setting it again keeps it.")]
    Set(BudgetArgs),
    /// List budgets and how they stand
    List {
        /// Only those of this account, such as team:research
        scope: Option<String>,
    },
    /// Show one budget, or those of one account
    Show {
        /// Its id, or an account such as team:research
        budget: String,
    },
    /// Remove a budget
    Remove {
        /// Its id, or an account that has no other
        budget: String,
        /// All budgets of the account
        #[arg(long)]
        all: bool,
    },
}

/// `budgets set`.
#[derive(Debug, Args)]
pub(crate) struct BudgetArgs {
    /// Whose: organisation, team, user, key, project, conversation, tag or end_user, as KIND:ID
    scope: String,
    /// Dollars a period
    #[arg(long, value_parser = usd, required_unless_present = "tokens")]
    usd: Option<Usd>,
    /// Tokens a period
    #[arg(long, value_name = "N")]
    tokens: Option<u64>,
    /// Over which time it counts: lifetime, day, week, month, sliding:24h [default: lifetime]
    #[arg(long)]
    period: Option<String>,
    /// Per cent at which an alert goes out; repeat it, or separate by commas
    #[arg(long = "alert", value_name = "PERCENT", value_delimiter = ',')]
    alerts: Vec<u16>,
    /// Let calls beyond it through, with an alert
    #[arg(long)]
    soft: bool,
    /// The highest layer that calls of this account may use
    #[arg(long, value_name = "LAYER")]
    max_layer: Option<Layer>,
    /// While the Redis that gateways share is away: open lets calls go on, closed refuses them
    /// [default: as store.redis_loss says]
    #[arg(long, value_name = "open|closed")]
    redis_loss: Option<String>,
}

impl From<BudgetArgs> for BudgetBody {
    fn from(args: BudgetArgs) -> Self {
        Self {
            scope: Some(args.scope),
            usd: args.usd,
            tokens: args.tokens,
            period: args.period,
            soft: args.soft,
            alerts: args.alerts,
            max_layer: args.max_layer,
            redis_loss: args.redis_loss,
        }
    }
}

/// `limits`.
#[derive(Debug, Subcommand)]
pub(crate) enum LimitsCommand {
    /// Give an account limits; those that are not named stay as they are
    #[command(after_help = "Examples:\n  \
        ai-mcp-gateway limits set team:research --rpm 600 --tpm 200000\n  \
        ai-mcp-gateway limits set key:key_0123456789abcdef --concurrent 4")]
    Set(LimitArgs),
    /// List limits
    List {
        /// Only those of this account, such as team:research
        scope: Option<String>,
    },
    /// Remove a limit
    Remove {
        /// Its id, or an account that has no other
        limit: String,
        /// All limits of the account
        #[arg(long)]
        all: bool,
    },
}

/// `limits set`.
#[derive(Debug, Args)]
#[group(id = "any_limit", required = true, multiple = true,
    args = ["rpm", "tpm", "dollars_per_minute", "concurrent"])]
pub(crate) struct LimitArgs {
    /// Whose: organisation, team, user, key, project, conversation, tag or end_user, as KIND:ID
    scope: String,
    /// Calls a minute
    #[arg(long, value_name = "N")]
    rpm: Option<u64>,
    /// Tokens a minute
    #[arg(long, value_name = "N")]
    tpm: Option<u64>,
    /// Dollars a minute
    #[arg(long, value_name = "USD", value_parser = usd)]
    dollars_per_minute: Option<Usd>,
    /// Calls at one time
    #[arg(long, value_name = "N")]
    concurrent: Option<u64>,
    /// Milliseconds that a call which does not fit waits for room before it is refused [default: 0]
    #[arg(long, value_name = "MS")]
    wait_ms: Option<u64>,
    /// While the Redis that gateways share is away: open lets calls go on, closed refuses them
    /// [default: as store.redis_loss says]
    #[arg(long, value_name = "open|closed")]
    redis_loss: Option<String>,
}

impl From<LimitArgs> for LimitBody {
    fn from(args: LimitArgs) -> Self {
        Self {
            scope: Some(args.scope),
            rpm: args.rpm,
            tpm: args.tpm,
            dollars_per_minute: args.dollars_per_minute,
            concurrent: args.concurrent,
            wait_ms: args.wait_ms,
            redis_loss: args.redis_loss,
        }
    }
}
