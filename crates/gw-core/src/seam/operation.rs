//! The seam to the wire formats of calls that are no chats. Pure: bytes in, values out.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::operation::{Operation, OperationKind, OperationReply, WireOperation};
use crate::seam::Target;
use crate::usage::UsageReport;

/// A wire format of calls that are no chats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationFormatId {
    /// OpenAI's `/embeddings`, `/moderations`, `/images/…` and `/audio/…`, and everybody who copies
    /// them.
    #[serde(rename = "openai")]
    OpenAi,
    /// OpenAI's embeddings with vectors of signed bytes (Perplexity).
    #[serde(rename = "openai-int8")]
    OpenAiInt8,
    /// Google's `:batchEmbedContents`.
    Gemini,
    /// Ollama's `/api/embed`.
    Ollama,
    /// Cohere's `/v2/embed` and `/v2/rerank`.
    Cohere,
    /// Jina's `/rerank`, which vLLM, OpenRouter, Together and llama.cpp copy.
    Jina,
    /// Voyage's embeddings and `/rerank`.
    Voyage,
}

/// How one API speaks of calls that are no chats. One implementation a wire format, without state.
pub trait OperationFormat: Send + Sync + 'static {
    /// Which format.
    fn id(&self) -> OperationFormatId;

    /// Writes an operation for a provider: the client's own bytes with the model named anew, where
    /// they are of this format.
    ///
    /// # Errors
    /// [`crate::Kind::UnsupportedFeature`] naming the field, for what this format has no words for.
    fn encode(&self, operation: &Operation, target: &Target<'_>) -> Result<WireOperation>;

    /// Reads a whole answer of status 2xx. Without `wants_output` only what is needed for the bill is
    /// read.
    ///
    /// # Errors
    /// [`crate::Kind::ProviderMalformed`], or the error that a 200 body carries.
    fn decode(
        &self,
        operation: &Operation,
        body: &Bytes,
        wants_output: bool,
    ) -> Result<OperationReply>;

    /// Reads what was used from one event of a stream of this format; `None` where it does not say.
    fn usage_of_event(&self, kind: OperationKind, event: &[u8]) -> Option<UsageReport> {
        let _ = (kind, event);
        None
    }
}
