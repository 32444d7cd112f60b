//! The canonical request: what any client asks, in no dialect's own words.
//!
//! It holds everything that OpenAI chat completions and Anthropic messages can say. What only one
//! dialect knows stays in `extra` maps and [`Part::Opaque`], which name the dialect they belong to;
//! an encoder for another dialect reports them as [`Notice`]s and never drops them in silence.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::seam::DialectId;

/// A request for a completion.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatRequest {
    /// The model as the client named it; resolving it is the catalogue's work.
    pub model: String,
    /// The conversation, oldest first. System and developer turns stand where the client put them.
    pub messages: Vec<Message>,
    /// Tools the model may call.
    pub tools: Vec<Tool>,
    /// Which of them it must call.
    pub tool_choice: Option<ToolChoice>,
    /// False forbids more than one tool call in an answer.
    pub parallel_tool_calls: Option<bool>,
    /// Most tokens to write, thinking included.
    pub max_output_tokens: Option<u64>,
    /// Sampling controls.
    pub sampling: Sampling,
    /// The shape the answer must have.
    pub response_format: Option<ResponseFormat>,
    /// How much to think first.
    pub reasoning: Option<Reasoning>,
    /// True where the client wants events as they come.
    pub stream: bool,
    /// True where a streaming client asked for a usage event (OpenAI `stream_options.include_usage`).
    pub include_usage: bool,
    /// The service tier asked for, in the client's own word.
    pub service_tier: Option<String>,
    /// The end user on whose behalf the client calls (OpenAI `user`, Anthropic `metadata.user_id`).
    pub user: Option<String>,
    /// Key-value pairs the client attached (OpenAI `metadata`).
    pub metadata: Map<String, Value>,
    /// Fields of the request that only its own dialect knows.
    pub extra: Extra,
}

/// Fields that belong to one dialect and have no canonical meaning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extra {
    /// Whose fields these are; `None` while `fields` is empty.
    pub dialect: Option<DialectId>,
    /// The fields, as they came.
    pub fields: Map<String, Value>,
}

impl Extra {
    /// The fields if they may be written in `dialect`.
    pub fn for_dialect(&self, dialect: DialectId) -> Option<&Map<String, Value>> {
        (self.dialect == Some(dialect)).then_some(&self.fields)
    }

    /// True where nothing is held.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

/// Who speaks in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions of the application.
    System,
    /// Instructions of the application, in OpenAI's newer word.
    Developer,
    /// The person or program asking; tool results are parts of a user turn.
    User,
    /// The model.
    Assistant,
}

/// One turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
    /// The speaker's name, where the dialect has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Fields of the turn that only its own dialect knows.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

impl Message {
    /// A turn of one text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self { role, parts: vec![Part::text(text)], name: None, extra: Extra::default() }
    }

    /// All text of the turn, parts joined by a line break.
    pub fn joined_text(&self) -> String {
        let texts: Vec<&str> = self.parts.iter().filter_map(Part::as_text).collect();
        texts.join("\n")
    }
}

/// A piece of a turn or of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// Words.
    Text {
        /// The words.
        text: String,
        /// Citations as their dialect writes them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        citations: Vec<Value>,
        /// A prompt-cache mark after this part.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cache: Option<CacheMark>,
    },
    /// A picture.
    Image {
        /// Where it is.
        source: Source,
        /// OpenAI's `detail`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
        /// A prompt-cache mark after this part.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cache: Option<CacheMark>,
    },
    /// A document, PDF or text.
    Document {
        /// Where it is.
        source: Source,
        /// File name or title.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// What the application says about it (Anthropic `context`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        context: Option<String>,
        /// True where the model shall cite it.
        #[serde(default)]
        citations: bool,
        /// A prompt-cache mark after this part.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cache: Option<CacheMark>,
    },
    /// Sound.
    Audio {
        /// Base64 data.
        data: String,
        /// `wav`, `mp3`.
        format: String,
    },
    /// Thinking in the clear.
    Thinking {
        /// The thought; empty where the provider shows only its signature.
        text: String,
        /// The provider's proof that it thought so; only that provider accepts it back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
    /// Thinking that only its provider can read.
    RedactedThinking {
        /// The sealed thought.
        data: String,
    },
    /// The model calls a tool.
    ToolCall {
        /// Joins the call to its result.
        id: String,
        /// The tool.
        name: String,
        /// Arguments as the model wrote them: JSON text, not necessarily valid.
        arguments: String,
        /// A prompt-cache mark after this part.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cache: Option<CacheMark>,
    },
    /// What a tool answered.
    ToolResult {
        /// The call it answers.
        call_id: String,
        /// The answer.
        parts: Vec<Part>,
        /// True where the tool failed.
        #[serde(default)]
        is_error: bool,
        /// A prompt-cache mark after this part.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cache: Option<CacheMark>,
    },
    /// The model declines, in words (OpenAI `refusal`).
    Refusal {
        /// The words.
        text: String,
    },
    /// Something only one dialect has: server tools and their results, container uploads.
    Opaque {
        /// Whose it is.
        dialect: DialectId,
        /// As it came.
        value: Value,
    },
}

impl Part {
    /// A plain text part.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), citations: Vec::new(), cache: None }
    }

    /// The words of a text part.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text { text, .. } => Some(text),
            _ => None,
        }
    }
}

/// A mark that the prompt up to here is worth caching.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheMark {
    /// Lifetime in the provider's word (`5m`, `1h`); `None` is its default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
}

/// Where the bytes of an image or a document are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// Inline.
    Base64 {
        /// `image/png`, `application/pdf`.
        media_type: String,
        /// Base64 data.
        data: String,
    },
    /// At an address the provider fetches.
    Url {
        /// The address.
        url: String,
    },
    /// Uploaded before.
    File {
        /// The provider's id.
        id: String,
    },
    /// A document that is plain text.
    Text {
        /// The text.
        text: String,
    },
    /// A document given as parts.
    Parts {
        /// The parts.
        parts: Vec<Part>,
    },
}

/// A tool the model may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Tool {
    /// A function that the client runs.
    Function {
        /// Its name.
        name: String,
        /// What it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// JSON schema of its arguments; `None` where the client gave none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parameters: Option<Value>,
        /// True where arguments must follow the schema exactly.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
        /// A prompt-cache mark after this tool.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cache: Option<CacheMark>,
        /// Fields of the tool that only its own dialect knows.
        #[serde(default, skip_serializing_if = "Extra::is_empty")]
        extra: Extra,
    },
    /// A tool that the provider runs (web search, code execution), or of a form only one dialect has.
    Hosted {
        /// Whose it is.
        dialect: DialectId,
        /// As it came.
        value: Value,
    },
}

/// Which tool the model must call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// None.
    None,
    /// At least one, any.
    Required,
    /// This one.
    Function {
        /// The tool's name.
        name: String,
    },
    /// A form only one dialect has (OpenAI `allowed_tools`).
    Opaque {
        /// Whose it is.
        dialect: DialectId,
        /// As it came.
        value: Value,
    },
}

/// Sampling controls. Absent means the provider's default; zero is sent as zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// Randomness.
    pub temperature: Option<f64>,
    /// Nucleus mass.
    pub top_p: Option<f64>,
    /// Number of tokens considered.
    pub top_k: Option<u64>,
    /// OpenAI `frequency_penalty`.
    pub frequency_penalty: Option<f64>,
    /// OpenAI `presence_penalty`.
    pub presence_penalty: Option<f64>,
    /// Seed for repeatable sampling.
    pub seed: Option<i64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// Number of answers wanted.
    pub n: Option<u32>,
    /// OpenAI `logprobs`.
    pub logprobs: Option<bool>,
    /// OpenAI `top_logprobs`.
    pub top_logprobs: Option<u32>,
    /// OpenAI `logit_bias`.
    pub logit_bias: Option<Value>,
}

/// The shape an answer must have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ResponseFormat {
    /// Any text.
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that follows a schema.
    JsonSchema {
        /// Name of the schema, where the dialect has one.
        name: Option<String>,
        /// What it describes.
        description: Option<String>,
        /// The schema.
        schema: Value,
        /// True where it must be followed exactly.
        strict: Option<bool>,
    },
}

/// How much to think before answering.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reasoning {
    /// False switches thinking off; `None` leaves it to the model.
    pub is_enabled: Option<bool>,
    /// True where the model chooses its budget (Anthropic `adaptive`).
    pub is_adaptive: bool,
    /// `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`.
    pub effort: Option<String>,
    /// Most tokens to think.
    pub budget_tokens: Option<u64>,
    /// How thoughts are shown (Anthropic `display`).
    pub display: Option<String>,
}

/// What an encoder could not say in the target dialect, and what it did about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The feature, by its field: `logit_bias`, `messages[3].parts[0].cache`.
    pub feature: String,
    /// What happened to it.
    pub action: NoticeAction,
    /// One sentence for the caller.
    pub detail: String,
}

/// What happened to a feature that the target lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeAction {
    /// Left out: the answer does not depend on it, or only in quality.
    Dropped,
    /// Reached by other means.
    Emulated,
}
