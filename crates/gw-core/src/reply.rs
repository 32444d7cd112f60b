//! The canonical answer.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chat::Part;
use crate::usage::UsageReport;

/// A whole answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatReply {
    /// The provider's id of the answer.
    pub id: String,
    /// The model that answered, in the provider's word.
    pub model: String,
    /// When it was made, in seconds since 1970; `None` where the dialect does not say.
    pub created_s: Option<i64>,
    /// The answers; one unless more were asked for.
    pub choices: Vec<Choice>,
    /// What it consumed.
    pub usage: UsageReport,
}

impl ChatReply {
    /// The text of the first answer, parts joined as they stand.
    pub fn text(&self) -> String {
        let parts = self.choices.first().map_or(&[][..], |choice| &choice.parts);
        parts.iter().filter_map(Part::as_text).collect()
    }
}

/// One answer among those asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Choice {
    /// Its place.
    pub index: u32,
    /// What it says, in order: thinking first where there is any.
    pub parts: Vec<Part>,
    /// Why it ended; `None` only for a stream cut before its end.
    pub stop: Option<Stop>,
    /// Log probabilities as the dialect writes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Value>,
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// The reason.
    pub reason: StopReason,
    /// The stop sequence that was met, where the provider says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
}

impl From<StopReason> for Stop {
    fn from(reason: StopReason) -> Self {
        Self { reason, sequence: None }
    }
}

/// The reasons that all dialects share, and room for those they do not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model was done.
    EndTurn,
    /// A stop sequence was met.
    StopSequence,
    /// The output limit was reached.
    MaxTokens,
    /// A tool is to be called.
    ToolUse,
    /// The model or the provider's filter declined.
    Refusal,
    /// The provider paused a long turn; send it back to go on (Anthropic `pause_turn`).
    PauseTurn,
    /// The context window was full (Anthropic `model_context_window_exceeded`).
    ContextWindow,
    /// Some other word of the provider.
    Other(String),
}
