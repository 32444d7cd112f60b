//! An answer as it is kept.

use gw_core::chat::Notice;
use gw_core::layer::Layer;
use gw_core::reply::{ChatReply, StopReason};
use gw_core::unfold;
use gw_core::{Money, Usage};
use serde::{Deserialize, Serialize};

use crate::answer::Head;
use crate::call::Call;

/// The form of entries; those of another form are not read.
const VERSION: u32 = 1;

/// An answer, with what is told about where it came from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    version: u32,
    pub(super) reply: ChatReply,
    pub(super) model_id: String,
    pub(super) model: String,
    pub(super) provider: String,
    pub(super) layer: Layer,
    pub(super) summary: String,
    pub(super) reason: String,
    pub(super) is_demo: bool,
    #[serde(default)]
    pub(super) notices: Vec<Notice>,
    /// What it took when a model gave it.
    pub(super) usage: Usage,
    /// What that cost; `None`: no known price.
    pub(super) cost: Option<Money>,
    /// When that was, in milliseconds since 1970.
    pub(super) made_at_ms: i64,
}

impl Kept {
    pub(super) fn of(call: &Call, head: &Head, reply: &ChatReply) -> Self {
        let answered = || call.attempts.iter().filter(|attempt| attempt.status.is_ok());
        Self {
            version: VERSION,
            reply: reply.clone(),
            model_id: head.model_id.clone(),
            model: head.model.clone(),
            provider: head.provider.clone(),
            layer: head.layer,
            summary: head.summary.clone(),
            reason: head.reason.clone(),
            is_demo: head.is_demo,
            notices: head.notices.clone(),
            usage: answered().fold(Usage::default(), |sum, attempt| sum.plus(&attempt.usage)),
            cost: answered().map(|attempt| attempt.cost.amount()).sum(),
            made_at_ms: call.engine.resources.clock.unix_ms(),
        }
    }

    pub(super) fn write(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok()
    }

    /// `None` for bytes that are no entry of this form: another version's, or another program's.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|kept: &Self| kept.version == VERSION)
    }
}

/// True for an answer that is whole, says something, and can be given as a stream as well.
pub(super) fn is_worth_keeping(call: &Call, reply: &ChatReply) -> bool {
    let has_limit =
        call.inbound.request.max_output_tokens.is_some() && !call.filled.max_output_tokens;
    !reply.choices.is_empty()
        && reply.choices.iter().all(|choice| {
            let has_ended = choice.stop.as_ref().is_some_and(|stop| match stop.reason {
                StopReason::EndTurn | StopReason::StopSequence | StopReason::ToolUse => true,
                // The client's own limit cuts every answer alike; a model's limit is bad luck.
                StopReason::MaxTokens => has_limit,
                StopReason::Refusal
                | StopReason::PauseTurn
                | StopReason::ContextWindow
                | StopReason::Other(_) => false,
            });
            let says_something = choice
                .parts
                .iter()
                .any(|part| part.as_text().is_none_or(|text| !text.trim().is_empty()));
            has_ended
                && says_something
                && choice.parts.iter().all(|part| unfold::head(part).is_some())
        })
}
