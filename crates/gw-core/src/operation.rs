//! Calls that are no chats: embeddings, reranking, moderation, pictures, speech, transcription.
//!
//! What doors decode and provider formats encode. An operation keeps the bytes it was read from, so
//! that they pass through to a provider of the same format. Knows no wire format.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::chat::Notice;
use crate::seam::OperationFormatId;
use crate::usage::{Usage, UsageReport};

/// What is asked of a model beside chats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Texts to vectors.
    Embeddings,
    /// Documents by their use for a query.
    Rerank,
    /// Verdicts about texts and pictures.
    Moderations,
    /// Pictures from a text.
    Images,
    /// Pictures from pictures and a text.
    ImageEdits,
    /// Sound from a text.
    Speech,
    /// Text from sound.
    Transcriptions,
    /// English text from sound.
    Translations,
}

impl OperationKind {
    /// The word in configuration, in records and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Embeddings => "embeddings",
            Self::Rerank => "rerank",
            Self::Moderations => "moderations",
            Self::Images => "images",
            Self::ImageEdits => "image_edits",
            Self::Speech => "speech",
            Self::Transcriptions => "transcriptions",
            Self::Translations => "translations",
        }
    }
}

impl std::fmt::Display for OperationKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A call that is no chat.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What is asked.
    pub kind: OperationKind,
    /// The model, as the client named it.
    pub model: String,
    /// The end user, where the client names one.
    pub user: Option<String>,
    /// What it is asked with.
    pub input: OperationInput,
    /// The client's bytes, where they may pass through.
    pub raw: Option<RawBody>,
    /// True where the answer is passed on while it arrives.
    pub is_streaming: bool,
    /// The most that it can use, in every class that a model may be paid by: money is held for it.
    pub most: Usage,
    /// What it will probably use, likewise: what is billed where the provider does not say.
    pub likely: Usage,
}

/// A body as a client sent it.
#[derive(Clone, Debug)]
pub struct RawBody {
    /// Its format.
    pub format: OperationFormatId,
    /// Its content type, with the boundary of a form.
    pub content_type: String,
    /// The bytes.
    pub bytes: Bytes,
}

/// What an operation is asked with.
#[derive(Clone, Debug, PartialEq)]
pub enum OperationInput {
    /// Texts to vectors.
    Embed(EmbedRequest),
    /// Documents to an order.
    Rerank(RerankRequest),
    /// Said in the raw body alone: no other format can say it.
    Raw,
}

/// Texts that vectors are wanted of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbedRequest {
    /// The texts, in the order of the vectors.
    pub inputs: Vec<EmbedInput>,
    /// Length of each vector, where the client says.
    pub dimensions: Option<u64>,
    /// What the vectors are for.
    pub purpose: Option<Purpose>,
    /// False where a text that is too long shall be refused rather than cut.
    pub truncates: Option<bool>,
}

/// One text, or what else a vector is wanted of.
#[derive(Clone, Debug, PartialEq)]
pub enum EmbedInput {
    /// In words.
    Text(String),
    /// In tokens of the model's own vocabulary.
    Tokens(Vec<u64>),
    /// A picture, sound, or several parts together: said in the raw body alone.
    Media,
}

/// What vectors are for; models that know the difference put queries and documents elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A document to be found.
    Document,
    /// A query to find documents with.
    Query,
    /// Input of a classifier.
    Classification,
    /// Input of a clustering.
    Clustering,
    /// Texts to be compared with each other.
    Similarity,
}

/// Documents to be ordered by their use for a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RerankRequest {
    /// The query.
    pub query: String,
    /// The texts of the documents.
    pub documents: Vec<String>,
    /// How many of the best are wanted; `None`: all.
    pub top_n: Option<u64>,
    /// True where the answer shall repeat the documents.
    pub wants_documents: bool,
}

/// The answer to an operation.
#[derive(Clone, Debug, Default)]
pub struct OperationReply {
    /// What came out; [`OperationOutput::Raw`] where nobody needs it in neutral form.
    pub output: OperationOutput,
    /// What the provider says was used; `None` where it says nothing.
    pub usage: Option<UsageReport>,
    /// The model that the provider says it answered with; empty where it says nothing.
    pub model: String,
}

/// What came out of an operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum OperationOutput {
    /// One vector for each text.
    Vectors(Vec<Vec<f32>>),
    /// The best documents first.
    Ranks(Vec<Rank>),
    /// In the provider's body alone.
    #[default]
    Raw,
}

/// A document and its use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rank {
    /// Its place in the request, from 0.
    pub index: u64,
    /// Its use, as the model reckons it.
    pub score: f64,
}

/// An operation as it goes to a provider.
#[derive(Clone, Debug)]
pub struct WireOperation {
    /// Path below the provider's base address, without a leading slash.
    pub path: String,
    /// Content type of the body.
    pub content_type: String,
    /// The body.
    pub body: Bytes,
    /// What could not be said.
    pub notices: Vec<Notice>,
    /// True where the client's own bytes go there but for the name of the model, so that the
    /// provider's bytes are what the client reads.
    pub is_pass_through: bool,
}
