//! `conversations`: what can be said about conversations that are kept.

use clap::{Args, Subcommand, ValueEnum};

/// Look at conversations that are kept, their summaries and to-do lists; export them, delete them
#[derive(Debug, Subcommand)]
pub(crate) enum ConversationsCommand {
    /// List them, the last added to first
    List {
        /// Only those of this user
        #[arg(long)]
        user: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show the summary and the last messages
    Show {
        /// The conversation
        id: String,
        /// Messages shown
        #[arg(long, default_value_t = 10)]
        messages: usize,
    },
    /// List the versions of the summary
    Summaries {
        /// The conversation
        id: String,
    },
    /// Make a new version of the summary
    Summarise {
        /// The conversation
        id: String,
        /// Who makes it; a model needs a running gateway (--endpoint)
        #[arg(long, value_enum, default_value_t = By::Extractive)]
        by: By,
    },
    /// Print what a higher model needs to know instead of the whole conversation
    Handoff {
        /// The conversation
        id: String,
        /// Most tokens
        #[arg(long, default_value_t = 2_000)]
        max_tokens: u64,
    },
    /// Show or change the to-do list
    Todo(TodoArgs),
    /// Print everything kept of a conversation or of a user, one JSON object a line
    Export(SubjectArgs),
    /// Delete a conversation, or everything kept of a user; what was paid stays under a random name
    Delete(DeleteArgs),
}

/// Who makes a summary or a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// No model
    Extractive,
    /// A free model
    Free,
    /// The cheapest model up to L1
    Cheapest,
}

impl By {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Extractive => "extractive",
            Self::Free => "free",
            Self::Cheapest => "cheapest",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct TodoArgs {
    /// The conversation
    pub(crate) id: String,
    /// Add an item
    #[arg(long, value_name = "TITLE")]
    pub(crate) add: Option<String>,
    /// Mark an item as begun
    #[arg(long, value_name = "NUMBER")]
    pub(crate) start: Option<u32>,
    /// Mark an item as done
    #[arg(long, value_name = "NUMBER")]
    pub(crate) done: Option<u32>,
    /// Remove an item
    #[arg(long, value_name = "NUMBER")]
    pub(crate) remove: Option<u32>,
    /// Add the steps of a task
    #[arg(long, value_name = "TASK")]
    pub(crate) generate: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct SubjectArgs {
    /// The conversation
    pub(crate) id: Option<String>,
    /// The user
    #[arg(long)]
    pub(crate) user: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    pub(crate) subject: SubjectArgs,
    /// Do not ask first
    #[arg(short, long)]
    pub(crate) yes: bool,
}
