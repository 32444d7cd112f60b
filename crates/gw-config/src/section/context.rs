//! `[context]`: how long conversations are made short, and which are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long conversations are made short, and which are kept.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Context {
    /// Last messages of a conversation that are always sent whole; `/v1/context` shows as many.
    #[schemars(range(min = 1, max = 1000))]
    pub recent_messages: usize,
    /// What of the older messages is sent.
    pub strategy: Strategy,
    /// More messages than these, and the older ones are summarised.
    #[schemars(range(min = 1, max = 2000))]
    pub compress_after_messages: usize,
    /// More tokens of history than these do so too; 0 never.
    pub compress_after_tokens: u64,
    /// Messages by which a summary moves on at a time. A prompt that begins as the last one did is
    /// cheaper at providers with a prompt cache.
    #[schemars(range(min = 1, max = 1000))]
    pub refresh_every: usize,
    /// Most tokens of a summary; it also stays within a fifth of what it covers.
    #[schemars(range(min = 100, max = 100000))]
    pub summary_tokens: u64,
    /// Who makes summaries. Models see the conversation, and cost what they cost.
    pub summariser: Summariser,
    /// Older parts of the conversation that a question brings back with `span-retrieval`.
    #[schemars(range(min = 0, max = 50))]
    pub span_count: usize,
    /// What happens to a long history that a client sends itself.
    pub stateless: Stateless,
    /// Tells the conversations of clients apart that name none, by what was said.
    pub group_stateless: bool,
    /// Keeps the messages of clients that send their history themselves, too.
    pub keep_stateless: bool,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            recent_messages: 10,
            strategy: Strategy::default(),
            compress_after_messages: 50,
            compress_after_tokens: 0,
            refresh_every: 12,
            summary_tokens: 1_500,
            summariser: Summariser::default(),
            span_count: 5,
            stateless: Stateless::default(),
            group_stateless: true,
            keep_stateless: false,
        }
    }
}

/// What of the older messages is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Strategy {
    /// All of them.
    #[serde(rename = "full")]
    Full,
    /// None.
    #[serde(rename = "last-n")]
    LastN,
    /// A summary.
    #[default]
    #[serde(rename = "summary+recent")]
    SummaryRecent,
    /// A summary, and the older messages that the question is about.
    #[serde(rename = "span-retrieval")]
    SpanRetrieval,
}

/// Who makes summaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Summariser {
    /// No model: rules pick out names, numbers, decisions, files and errors.
    #[default]
    Extractive,
    /// A free model (L0), with those rules where it fails.
    Free,
    /// The cheapest model up to L1, with those rules where it fails.
    Cheapest,
}

/// What happens to a long history that a client sends itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stateless {
    /// It is sent as it came, and refused where it fits no model.
    Off,
    /// It is made short where it fits no model.
    #[default]
    Overflow,
    /// It is made short like any other.
    Always,
}
