//! What can be said to `keys`.

use clap::{Args, Subcommand};
use gw_core::Layer;
use gw_server::admin::{KeyBody, Usd, words};

/// `keys`.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key and print it; it is shown this once
    #[command(after_help = "Examples:\n  \
        ai-mcp-gateway keys create --name ci --budget-usd 25 --period month --rpm 60\n  \
        ai-mcp-gateway keys create --name ada --team research --max-layer L1 --expires 90d\n  \
        KEY=$(ai-mcp-gateway keys create --name laptop)   # the key alone is on standard output\n  \
        ai-mcp-gateway keys create --name ci --json       # an object with `id` and `key`")]
    Create(Box<CreateArgs>),
    /// List keys, without their secrets
    List {
        /// Also those that are revoked or expired
        #[arg(short, long)]
        all: bool,
    },
    /// Show one key with its budgets and limits; without a name, the key this command was given
    #[command(after_help = "Examples:\n  \
        ai-mcp-gateway keys show ci\n  \
        ai-mcp-gateway keys show --url http://127.0.0.1:3000 --api-key $KEY   # what is left for it")]
    Show {
        /// Its id, or its name where only one key has it
        key: Option<String>,
    },
    /// Give a key a new secret and print it; it is shown this once
    #[command(after_help = "Example:\n  \
        ai-mcp-gateway keys rotate ci --overlap 24h   # both secrets work for a day")]
    Rotate {
        /// Its id, or its name where only one key has it
        key: String,
        /// How long the old secret stays good: 30m, 24h, 7d [default: it ends at once]
        #[arg(long, value_name = "TIME")]
        overlap: Option<String>,
    },
    /// Refuse a key from now on, for good
    Revoke {
        /// Its id, or its name where only one key has it
        key: String,
    },
}

/// `keys create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Name for people
    #[arg(short, long)]
    name: String,
    /// Who answers for it
    #[arg(long)]
    owner: Option<String>,
    /// Its organisation; filled in where the team, user or project belongs to one
    #[arg(long = "org", visible_alias = "organisation", value_name = "ID")]
    organisation: Option<String>,
    /// Its team
    #[arg(long, value_name = "ID")]
    team: Option<String>,
    /// Its user
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Its project
    #[arg(long, value_name = "ID")]
    project: Option<String>,
    /// A label on whose account its calls go as well; repeat it, or separate by commas
    #[arg(long = "tag", value_delimiter = ',')]
    tags: Vec<String>,
    /// A model it may use, by name or provider/name, `*` for any text [default: all]
    #[arg(long = "model", value_delimiter = ',')]
    models: Vec<String>,
    /// A layer it may use [default: all]
    #[arg(long = "layer", value_delimiter = ',')]
    layers: Vec<Layer>,
    /// The highest layer it may use
    #[arg(long, value_name = "LAYER")]
    max_layer: Option<Layer>,
    /// A path of the gateway it may use, such as /v1/messages or /v1/*  [default: all]
    #[arg(long = "path", value_delimiter = ',')]
    endpoints: Vec<String>,
    /// A tool it may use, as server::tool [default: all]
    #[arg(long = "tool", value_delimiter = ',')]
    tools: Vec<String>,
    /// When it ends: a day, an instant, or a time from now such as 30d
    #[arg(long, value_name = "DATE|TIME")]
    expires: Option<String>,
    /// Dollars it may spend a period
    #[arg(long, value_name = "USD", value_parser = usd)]
    budget_usd: Option<Usd>,
    /// Tokens it may use a period
    #[arg(long, value_name = "N")]
    budget_tokens: Option<u64>,
    /// Over which time the budget counts: lifetime, day, week, month, sliding:24h
    /// [default: lifetime]
    #[arg(long)]
    period: Option<String>,
    /// Let calls beyond the budget through, with an alert
    #[arg(long)]
    soft: bool,
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
    /// Let it open the admin doors
    #[arg(long)]
    admin: bool,
}

impl From<CreateArgs> for KeyBody {
    fn from(args: CreateArgs) -> Self {
        Self {
            name: Some(args.name),
            owner: args.owner,
            organisation: args.organisation,
            team: args.team,
            user: args.user,
            project: args.project,
            tags: args.tags,
            models: args.models,
            layers: args.layers,
            endpoints: args.endpoints,
            tools: args.tools,
            max_layer: args.max_layer,
            admin: args.admin,
            expires: args.expires,
            budget_usd: args.budget_usd,
            budget_tokens: args.budget_tokens,
            period: args.period,
            soft: args.soft,
            rpm: args.rpm,
            tpm: args.tpm,
            dollars_per_minute: args.dollars_per_minute,
            concurrent: args.concurrent,
        }
    }
}

/// Reads dollars.
pub(crate) fn usd(text: &str) -> Result<Usd, String> {
    let text = text.strip_prefix('$').unwrap_or(text);
    words::dollars(text)
        .map(Usd)
        .ok_or_else(|| "dollars are a decimal number such as 25 or 0.50".to_owned())
}
