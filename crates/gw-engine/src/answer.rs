//! What a call gives back to its door.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use gw_core::chat::Notice;
use gw_core::event::StreamEvent;
use gw_core::reply::ChatReply;
use gw_core::seam::FrameKind;
use gw_core::task::{Complexity, TaskType};
use gw_core::{CallId, Cost, Error, Layer, Money, Usage};
use http::HeaderMap;
use serde::Serialize;
use tokio::sync::mpsc;

/// An answer, whole or about to stream.
#[derive(Debug)]
pub struct Answer {
    /// What is known before the first byte.
    pub head: Head,
    /// The answer itself.
    pub body: AnswerBody,
}

/// What is known of an answer before its first byte.
#[derive(Clone, Debug)]
pub struct Head {
    /// The call.
    pub call_id: CallId,
    /// Catalogue id of the model that answers: `provider/model`.
    pub model_id: String,
    /// The model in the provider's word.
    pub model: String,
    /// The provider.
    pub provider: String,
    /// The model's layer.
    pub layer: Layer,
    /// The seed's routing summary: `Single model: <id> (layer L0)`.
    pub summary: String,
    /// Why this layer and this model, in one sentence.
    pub reason: String,
    /// What the request was taken for.
    pub task: TaskType,
    /// How hard it looked.
    pub complexity: Complexity,
    /// True where the provider's bytes go to the client as they are.
    pub is_pass_through: bool,
    /// True where a simulated model answers.
    pub is_demo: bool,
    /// Whether a model answers at all.
    pub cache: CacheState,
    /// How the answer was checked, where it was.
    pub check: Option<Box<CheckReport>>,
    /// The offer to ask a higher layer, where one is made.
    pub escalation: Option<Box<Escalation>>,
    /// What could not be said in the provider's dialect.
    pub notices: Vec<Notice>,
    /// The provider's request id and rate-limit headers.
    pub upstream_headers: HeaderMap,
}

/// What the response cache had to do with an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheState {
    /// It was not asked: it is off, or such requests are not kept.
    #[default]
    Bypass,
    /// It had no answer; a model gives it.
    Miss,
    /// The answer came from it.
    Hit {
        /// How long it had been there, in seconds.
        age_s: u64,
    },
    /// The answer is that of an equal request which was under way.
    Shared,
}

impl CacheState {
    /// The word in `x-gateway-cache`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Miss => "miss",
            Self::Hit { .. } => "hit",
            Self::Shared => "shared",
        }
    }

    /// True where no model was asked.
    pub const fn is_cached(self) -> bool {
        matches!(self, Self::Hit { .. } | Self::Shared)
    }
}

/// How an answer was checked and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// True where another model had a say.
    pub performed: bool,
    /// `agreement`, `judge` or `validators`.
    pub method: &'static str,
    /// Why the answer was checked, or was not.
    pub reason: String,
    /// Catalogue ids of the models whose answers and verdicts counted, the first answer's first.
    pub models: Vec<String>,
    /// Whether the answer that is given was confirmed; `None` where nobody could say.
    pub agreed: Option<bool>,
    /// What was found wrong, at any layer.
    pub conflicts: Vec<String>,
    /// True where a third model decided.
    pub arbitrated: bool,
    /// The layer that the call began in, where the answer is of a higher one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalated_from: Option<Layer>,
}

/// The offer to ask a higher layer. A yes with the token runs there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalation {
    /// The layer of the answer so far.
    pub current_layer: Layer,
    /// The layer that is offered.
    pub suggested_layer: Layer,
    /// Why.
    pub reason: String,
    /// The request with what is known so far, for asking by hand.
    pub optimized_prompt: String,
    /// How much likelier a good answer is there, in parts per million.
    pub expected_gain_ppm: u32,
    /// What it will probably cost; `None` where no price is known.
    pub expected_cost: Option<Money>,
    /// The token of the yes: bound to the caller and the conversation, good once.
    pub token: String,
    /// When it ends to be good, in milliseconds since 1970.
    pub expires_at_ms: i64,
}

/// The answer itself.
#[derive(Debug)]
pub enum AnswerBody {
    /// All at once.
    Whole(Box<Whole>),
    /// As it comes.
    Stream(AnswerStream),
}

/// An answer all at once. Its record is durable already.
#[derive(Debug)]
pub struct Whole {
    /// The answer.
    pub reply: ChatReply,
    /// The provider's body, where it passes through.
    pub raw: Option<Bytes>,
    /// What it took.
    pub receipt: Receipt,
}

/// What a call consumed and cost, over all its attempts.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Units consumed.
    pub usage: Usage,
    /// What they cost.
    pub cost: Cost,
    /// From request to last byte, in milliseconds.
    pub duration_ms: u64,
    /// From request to first content, in milliseconds.
    pub first_token_ms: Option<u64>,
    /// Number of attempts made.
    pub attempts: usize,
}

/// One piece of a streamed answer.
#[derive(Debug)]
pub enum Piece {
    /// A frame of the stream.
    Frame {
        /// The provider's bytes, where they pass through.
        raw: Option<Bytes>,
        /// What a relay does with them.
        kind: FrameKind,
        /// What they mean.
        events: Vec<StreamEvent>,
    },
    /// What it all took. Comes once, when the record is durable, just before the last frame.
    Receipt(Box<Receipt>),
}

/// A streamed answer. Dropping it cancels the provider; what was delivered is billed.
#[derive(Debug)]
pub struct AnswerStream {
    pub(crate) pieces: mpsc::Receiver<Piece>,
}

impl Stream for AnswerStream {
    type Item = Piece;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        self.pieces.poll_recv(cx)
    }
}

/// A call that gave no answer.
#[derive(Debug)]
pub struct Failure {
    /// The call, recorded under this id.
    pub call_id: CallId,
    /// Why.
    pub error: Error,
}
