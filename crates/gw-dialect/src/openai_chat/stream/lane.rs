//! One part of an answer while it comes in. Parts may arrive side by side (calls by index), but the
//! canonical stream has them one after the other: a lane holds back what is not yet its turn.

use gw_core::event::{PartDelta, PartHead};
use gw_core::seam::DialectId;
use serde_json::{Value, json};

use super::arguments::Progress;

/// What a lane carries.
#[derive(Debug)]
pub(super) enum Kind {
    /// Words.
    Text,
    /// Thinking in the clear.
    Thinking {
        /// The `index` of its detail.
        index: Option<u64>,
        /// True once a signature came.
        is_signed: bool,
    },
    /// A refusal.
    Refusal,
    /// A sealed thought.
    Sealed(String),
    /// A tool call.
    Call {
        /// Its id, from the provider or made up.
        id: String,
        /// Its name; empty until it comes.
        name: String,
        /// How far its arguments are.
        progress: Progress,
    },
    /// A call of a custom tool, which comes out whole.
    Custom {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
        /// Its input so far.
        input: String,
    },
    /// Something only this dialect has, whole.
    Whole(Value),
}

/// A part on its way.
#[derive(Debug)]
pub(super) struct Lane {
    /// What it carries.
    pub(super) kind: Kind,
    /// Its slot among the tool calls (`index`), for calls.
    pub(super) slot: Option<u32>,
    /// What came and is not yet said.
    pub(super) waiting: Vec<PartDelta>,
    /// True once its start is said.
    pub(super) is_open: bool,
}

impl Lane {
    /// A lane that nothing was said of yet.
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, slot: None, waiting: Vec::new(), is_open: false }
    }

    /// True where the part may begin: a call needs its name, a custom call all of it.
    pub(super) fn may_open(&self) -> bool {
        match &self.kind {
            Kind::Call { name, .. } => !name.is_empty(),
            Kind::Custom { .. } => false,
            _ => true,
        }
    }

    /// True where the part is over because another has begun. Calls come side by side, so a call is
    /// over only when its arguments are whole.
    pub(super) fn yields(&self) -> bool {
        match &self.kind {
            Kind::Call { progress, .. } => progress.is_whole(),
            Kind::Custom { .. } => false,
            _ => true,
        }
    }

    /// True for calls of either kind.
    pub(super) fn is_call(&self) -> bool {
        matches!(self.kind, Kind::Call { .. } | Kind::Custom { .. })
    }

    /// How the part begins.
    pub(super) fn head(&self) -> PartHead {
        let opaque = |value| PartHead::Opaque { dialect: DialectId::OpenAiChat, value };
        match &self.kind {
            Kind::Text => PartHead::Text,
            Kind::Thinking { .. } => PartHead::Thinking,
            Kind::Refusal => PartHead::Refusal,
            Kind::Sealed(data) => PartHead::RedactedThinking { data: data.clone() },
            Kind::Call { id, name, .. } => {
                PartHead::ToolCall { id: id.clone(), name: name.clone() }
            }
            Kind::Custom { id, name, input } => opaque(json!({
                "id": id,
                "type": "custom",
                "custom": { "name": name, "input": input },
            })),
            Kind::Whole(value) => opaque(value.clone()),
        }
    }
}
