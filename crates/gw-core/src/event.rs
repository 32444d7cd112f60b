//! The canonical stream: an answer in pieces.
//!
//! Order within a choice: `PartStart(n)`, its deltas, `PartStop(n)`, then the next part; then `Stop`.
//! `Start` comes first, `End` last and only once, after it nothing. `Usage` may come more than once:
//! the last one counts.

use serde_json::Value;

use crate::error::Error;
use crate::reply::Stop;
use crate::usage::UsageReport;

/// One event.
#[derive(Clone, Debug)]
pub enum StreamEvent {
    /// The provider has begun.
    Start {
        /// The provider's id of the answer.
        id: String,
        /// The model that answers, in the provider's word.
        model: String,
        /// Seconds since 1970, where the dialect says.
        created_s: Option<i64>,
    },
    /// A new part begins.
    PartStart {
        /// Which answer.
        choice: u32,
        /// Its place among the parts of that answer, from 0 without gaps.
        part: u32,
        /// What it will be.
        head: PartHead,
    },
    /// More of a part.
    PartDelta {
        /// Which answer.
        choice: u32,
        /// Which part.
        part: u32,
        /// What is added.
        delta: PartDelta,
    },
    /// A part is whole.
    PartStop {
        /// Which answer.
        choice: u32,
        /// Which part.
        part: u32,
    },
    /// An answer ended.
    Stop {
        /// Which answer.
        choice: u32,
        /// Why.
        stop: Stop,
    },
    /// More log probabilities of an answer, as the dialect writes them.
    Logprobs {
        /// Which answer.
        choice: u32,
        /// An object whose arrays are appended to those before.
        value: Value,
    },
    /// Consumption so far; replaces what was said before.
    Usage(UsageReport),
    /// Nothing but a sign of life.
    Ping,
    /// The provider broke off. No `End` follows.
    Error(Box<Error>),
    /// The provider is done, properly.
    End,
}

/// What a part will be.
#[derive(Clone, Debug, PartialEq)]
pub enum PartHead {
    /// Words.
    Text,
    /// Thinking in the clear.
    Thinking,
    /// Thinking that only its provider can read; comes whole.
    RedactedThinking {
        /// The sealed thought.
        data: String,
    },
    /// A tool call; arguments follow.
    ToolCall {
        /// Joins the call to its result.
        id: String,
        /// The tool.
        name: String,
    },
    /// A refusal in words.
    Refusal,
    /// Something only one dialect has; comes whole, or grows by [`PartDelta::Opaque`].
    Opaque {
        /// Whose it is.
        dialect: crate::seam::DialectId,
        /// As it came.
        value: Value,
    },
}

/// What is added to a part.
#[derive(Clone, Debug, PartialEq)]
pub enum PartDelta {
    /// Words of a text or a refusal.
    Text(String),
    /// More of a thought.
    Thinking(String),
    /// The signature of a thought, or more of it.
    Signature(String),
    /// More of a tool call's arguments (JSON text).
    Arguments(String),
    /// A citation of a text.
    Citation(Value),
    /// A delta only one dialect knows.
    Opaque(Value),
}
