//! Jina's `/rerank`, as vLLM, llama.cpp, OpenRouter, Together and others have it.
//!
//! Source: Jina reranker API; vLLM, "Re-rank API".

use bytes::Bytes;
use gw_core::Result;
use gw_core::operation::{Operation, OperationInput, OperationReply, WireOperation};
use gw_core::seam::{OperationFormat, OperationFormatId, Target};

use super::cohere::{decode_rerank, rerank_body};
use super::{no_words, wire};

/// Jina's format.
pub(super) struct Jina;

impl OperationFormat for Jina {
    fn id(&self) -> OperationFormatId {
        OperationFormatId::Jina
    }

    fn encode(&self, operation: &Operation, target: &Target<'_>) -> Result<WireOperation> {
        match &operation.input {
            OperationInput::Rerank(request) => {
                Ok(wire("rerank", &rerank_body(request, target.model), Vec::new()))
            }
            _ => Err(no_words(operation.kind)),
        }
    }

    fn decode(&self, operation: &Operation, body: &Bytes, _: bool) -> Result<OperationReply> {
        decode_rerank(operation, body)
    }
}
