//! The seam to wire formats. Pure: bytes in, values out.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Result;
use crate::chat::{ChatRequest, Notice};
use crate::error::Error;
use crate::event::StreamEvent;
use crate::reply::ChatReply;

/// A wire format of LLM calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DialectId {
    /// OpenAI chat completions and everything compatible with it.
    #[serde(rename = "openai-chat")]
    OpenAiChat,
    /// Anthropic messages.
    #[serde(rename = "anthropic-messages")]
    AnthropicMessages,
    /// OpenAI responses.
    #[serde(rename = "openai-responses")]
    OpenAiResponses,
    /// Google's Gemini API (`generateContent`).
    #[serde(rename = "gemini")]
    Gemini,
    /// Ollama's own API (`/api/chat`).
    #[serde(rename = "ollama")]
    Ollama,
    /// Cohere's chat API, version 2 (`/v2/chat`).
    #[serde(rename = "cohere-chat")]
    CohereChat,
    /// Amazon Bedrock's `Converse` and `ConverseStream`.
    #[serde(rename = "bedrock-converse")]
    BedrockConverse,
}

impl DialectId {
    /// Every format.
    pub const ALL: [Self; 7] = [
        Self::OpenAiChat,
        Self::AnthropicMessages,
        Self::OpenAiResponses,
        Self::Gemini,
        Self::Ollama,
        Self::CohereChat,
        Self::BedrockConverse,
    ];

    /// The name in configuration and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai-chat",
            Self::AnthropicMessages => "anthropic-messages",
            Self::OpenAiResponses => "openai-responses",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
            Self::CohereChat => "cohere-chat",
            Self::BedrockConverse => "bedrock-converse",
        }
    }
}

impl fmt::Display for DialectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a provider departs from its dialect. All data, from `providers.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// The field that limits output (`max_tokens` or `max_completion_tokens`); empty: the
    /// dialect's own.
    pub max_tokens_field: String,
    /// True where `stream_options.include_usage` is refused or unknown.
    pub refuses_stream_options: bool,
    /// True where a `developer` role must be written as `system`.
    pub developer_as_system: bool,
    /// Top-level request fields that the provider refuses.
    pub refused_fields: Vec<String>,
    /// The field that carries thoughts of earlier turns (`reasoning_content`, `reasoning`); empty
    /// where the provider takes none back.
    pub reasoning_field: String,
    /// True where thoughts with signatures are taken back as OpenRouter's `reasoning_details`.
    pub reasoning_details: bool,
    /// True where a request for thinking is OpenRouter's `reasoning` object rather than
    /// `reasoning_effort`.
    pub reasoning_object: bool,
    /// True where prompt-cache marks (`cache_control`) are understood in content parts.
    pub cache_control: bool,
    /// True for Anthropic's format at Vertex AI: the model stands in the address, the version in the
    /// body.
    pub anthropic_vertex: bool,
}

/// What an encoder must know of the model it writes for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The model in the provider's word.
    pub model: &'a str,
    /// The provider's departures.
    pub quirks: &'a Quirks,
    /// Most tokens the model can write, where known; Anthropic wants a limit in every request.
    pub max_output_tokens: Option<u64>,
}

/// A request ready to be sent.
#[derive(Clone, Debug)]
pub struct WireRequest {
    /// Path below the provider's base address, with its leading slash. Formats that name the model in
    /// the address (Gemini) write it here, a query included.
    pub path: Cow<'static, str>,
    /// Headers that belong to the format (versions, betas); credentials are added later.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
    /// What could not be said.
    pub notices: Vec<Notice>,
}

/// The few changes that pass-through makes to a body of the same dialect.
#[derive(Clone, Debug)]
pub struct Edits<'a> {
    /// The model to name.
    pub target: Target<'a>,
    /// True for a streaming call whose usage must be reported, whether or not the client asked.
    pub wants_usage: bool,
    /// True for a streaming call; formats that say so in the address (Gemini) need to be told.
    pub is_stream: bool,
}

/// What the client of a stream is owed.
#[derive(Clone, Debug, Default)]
pub struct ClientStream {
    /// The model name to show; empty: the provider's.
    pub model: String,
    /// True where the client asked for a usage event.
    pub include_usage: bool,
    /// The gateway's count of the prompt, for formats that state it before the provider does.
    pub input_tokens_estimate: u64,
    /// Seconds since 1970, for formats that date their answers.
    pub created_s: i64,
    /// An id for the answer where the provider gives none.
    pub fallback_id: String,
    /// Members of the request that the format repeats in its answers ([`Dialect::echo`]).
    pub echo: Map<String, Value>,
}

/// What a frame of a stream is to a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Goes to the client as it is.
    Data,
    /// Says only what was consumed: withheld from a client that did not ask (OpenAI's last chunk
    /// with empty `choices`).
    UsageOnly,
    /// A comment or ping.
    KeepAlive,
    /// The last of the stream (`[DONE]`, `message_stop`).
    End,
}

/// One frame of a provider's stream: its bytes, delimiter included, and what they mean.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The bytes as they came.
    pub raw: Bytes,
    /// What a relay does with them.
    pub kind: FrameKind,
    /// What they mean, in order.
    pub events: Vec<StreamEvent>,
}

/// How one LLM API speaks. One implementation a wire format, without state.
pub trait Dialect: Send + Sync + 'static {
    /// Which format.
    fn id(&self) -> DialectId;

    /// Reads a client's request. Where the format names the model and the wish for a stream in the
    /// address and not in the body (Gemini), both are left unset: the door sets them.
    ///
    /// # Errors
    /// [`crate::Kind::InvalidJson`], or [`crate::Kind::InvalidRequest`] naming the field.
    fn decode_request(&self, body: &[u8]) -> Result<ChatRequest>;

    /// Writes a request for a provider.
    ///
    /// # Errors
    /// [`crate::Kind::UnsupportedFeature`] naming the field, where the request cannot be said
    /// without changing its meaning.
    fn encode_request(&self, request: &ChatRequest, target: &Target<'_>) -> Result<WireRequest>;

    /// Edits a request body of this same dialect in place of encoding it; every byte that need not
    /// change stays. The body has been through [`Dialect::decode_request`].
    ///
    /// # Errors
    /// [`crate::Kind::InvalidJson`].
    fn pass_request(&self, body: &Bytes, edits: &Edits<'_>) -> Result<WireRequest>;

    /// Reads a provider's whole answer of status 2xx.
    ///
    /// # Errors
    /// [`crate::Kind::ProviderMalformed`], or the error that a 200 body carries.
    fn decode_reply(&self, body: &[u8]) -> Result<ChatReply>;

    /// The members of a request that answers in this format repeat. OpenAI responses name the tools
    /// as the client knows them: the encoders read from it which calls to dress how.
    fn echo(&self, request: &ChatRequest) -> Map<String, Value> {
        let _ = request;
        Map::new()
    }

    /// Writes a whole answer for a client.
    fn encode_reply(&self, reply: &ChatReply, client: &ClientStream) -> Bytes;

    /// Begins to read a provider's stream.
    fn stream_decoder(&self) -> Box<dyn StreamDecoder>;

    /// Begins to write a stream for a client.
    fn stream_encoder(&self, client: ClientStream) -> Box<dyn StreamEncoder>;

    /// Reads a provider's refusal: status 4xx or 5xx. Never fails: a body that is not of the format
    /// (HTML, empty) is judged by its status.
    fn decode_error(&self, status: u16, headers: &HeaderMap, body: &Bytes) -> Error;

    /// Writes an error body for a client. A provider's own words in the same dialect are kept.
    fn encode_error(&self, error: &Error) -> Bytes;

    /// The content type of this format's streams.
    fn stream_content_type(&self) -> &'static str {
        "text/event-stream"
    }
}

/// Reads a provider's stream, however it is cut.
pub trait StreamDecoder: Send {
    /// Takes the next bytes and gives every frame that is now whole. The frames do not depend on
    /// where the bytes were cut.
    ///
    /// # Errors
    /// [`crate::Kind::ProviderMalformed`] for bytes that are not of the format,
    /// [`crate::Kind::ProviderTooLarge`] for a frame over
    /// [`crate::limits::STREAM_EVENT_BYTES_MAX`].
    fn push(&mut self, bytes: &[u8], frames: &mut Vec<Frame>) -> Result<()>;

    /// Says that no more bytes come.
    ///
    /// # Errors
    /// [`crate::Kind::ProviderUnreachable`] where the stream broke off before its proper end.
    fn finish(&mut self, frames: &mut Vec<Frame>) -> Result<()>;
}

/// Writes a stream for a client. After an event that ends the stream nothing more is written.
pub trait StreamEncoder: Send {
    /// Writes what the event becomes: nothing, one frame or several.
    fn push(&mut self, event: &StreamEvent, out: &mut Vec<u8>);
}
