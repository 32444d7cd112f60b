//! A request as a door hands it in.

use bytes::Bytes;
use gw_core::Layer;
use gw_core::chat::ChatRequest;
use gw_core::principal::Principal;
use gw_core::record::ConversationRef;
use gw_core::seam::DialectId;
use gw_core::task::{Complexity, Quality, TaskType};
use http::HeaderMap;
use serde_json::{Map, Value};

use crate::cache::CacheWish;

/// The door a request came through; its name stands in records and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// `/v1/chat/completions`
    OpenAiChat,
    /// `/v1/messages`
    AnthropicMessages,
    /// `/v1/responses`, over HTTP or its WebSocket
    OpenAiResponses,
    /// `/v1beta/models/{model}:generateContent` and its stream
    Gemini,
    /// `/api/chat` and `/api/generate`
    Ollama,
    /// `/v2/chat`
    Cohere,
    /// System A's `/v1/route`
    Route,
    /// System A's `/v1/chat`
    Chat,
    /// `/v1/embeddings` and its like in other dialects
    Embeddings,
    /// `/v1/rerank`, `/v2/rerank`
    Rerank,
    /// `/v1/moderations`
    Moderations,
    /// `/v1/images/…`
    Images,
    /// `/v1/audio/…`
    Audio,
    /// A tool of the gateway, called over MCP.
    Mcp,
    /// The command line, in process.
    Cli,
    /// The gateway's own question how hard a request is.
    Classify,
    /// The gateway's own request for a summary or a list of what is to be done.
    Summarise,
    /// The gateway's own trial of another model on a request that was answered.
    Shadow,
}

impl Door {
    /// The name in records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai-chat",
            Self::AnthropicMessages => "anthropic-messages",
            Self::OpenAiResponses => "openai-responses",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
            Self::Cohere => "cohere",
            Self::Route => "route",
            Self::Chat => "chat",
            Self::Embeddings => "embeddings",
            Self::Rerank => "rerank",
            Self::Moderations => "moderations",
            Self::Images => "images",
            Self::Audio => "audio",
            Self::Mcp => "mcp",
            Self::Cli => "cli",
            Self::Classify => "classify",
            Self::Summarise => "summarise",
            Self::Shadow => "shadow",
        }
    }

    /// True for calls that the gateway makes by itself: they are none of the caller's requests.
    pub const fn is_own(self) -> bool {
        matches!(self, Self::Classify | Self::Summarise)
    }

    /// True for doors of a client's dialect, on which a model is a duty.
    pub const fn is_of_dialect(self) -> bool {
        match self {
            Self::OpenAiChat
            | Self::AnthropicMessages
            | Self::OpenAiResponses
            | Self::Gemini
            | Self::Ollama
            | Self::Cohere
            | Self::Embeddings
            | Self::Rerank
            | Self::Moderations
            | Self::Images
            | Self::Audio => true,
            Self::Route
            | Self::Chat
            | Self::Mcp
            | Self::Cli
            | Self::Classify
            | Self::Summarise
            | Self::Shadow => false,
        }
    }
}

/// A decoded request with everything known about its caller.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// Where it came in.
    pub door: Door,
    /// The request.
    pub request: ChatRequest,
    /// The body it was decoded from, where bytes may pass through to a provider of that dialect.
    pub raw: Option<(DialectId, Bytes)>,
    /// Who calls.
    pub principal: Principal,
    /// What else the caller said.
    pub context: CallContext,
}

/// What a caller may say beside the request itself.
#[derive(Clone, Debug, Default)]
pub struct CallContext {
    /// The conversation it belongs to.
    pub conversation: Option<ConversationRef>,
    /// What of the conversation is put before the request.
    pub recall: Recall,
    /// How good the answer has to be.
    pub quality: Option<Quality>,
    /// What it is for, where the caller knows.
    pub task: Option<TaskType>,
    /// How hard it is, where the caller or the door knows.
    pub complexity: Option<Complexity>,
    /// The layer asked for.
    pub preferred_layer: Option<Layer>,
    /// The highest layer the caller allows for this request.
    pub max_layer: Option<Layer>,
    /// True where nothing may be spent (system A's budget of 0).
    pub is_free_only: bool,
    /// Whether the answer is checked, where the caller says: `Some(true)` holds a stream back for it.
    pub cross_check: Option<bool>,
    /// Whether a higher layer is asked without a question, where the caller says.
    pub auto_escalate: Option<bool>,
    /// The yes to an offered escalation.
    pub confirmation: Option<Confirmation>,
    /// Files that the request is about, as the caller names them.
    pub files: Vec<String>,
    /// Headers that a provider of the same dialect shall see (`anthropic-beta`).
    pub forward_headers: HeaderMap,
    /// What it wants of the response cache.
    pub cache: CacheWish,
    /// Kept with the call's record.
    pub metadata: Map<String, Value>,
}

/// A yes to an offered escalation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// With the token of the offer. The request is what is asked; one without a user's turn stands for
    /// the request that the offer was made for.
    Token(String),
    /// To the newest offer of the conversation.
    Conversation,
}

/// What of a conversation is put before the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recall {
    /// Nothing: the client sends its history itself.
    #[default]
    Nothing,
    /// The newest summary and the recent turns; the new turns are appended afterwards.
    History,
}
