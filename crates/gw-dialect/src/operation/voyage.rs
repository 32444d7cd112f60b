//! Voyage's embeddings and reranker: OpenAI's and Jina's shapes with some names of their own.
//!
//! Source: Voyage AI API reference: `output_dimension`, `input_type`, `top_k`, and no word for floats.

use bytes::Bytes;
use gw_core::Result;
use gw_core::operation::{Operation, OperationInput, OperationReply, Purpose, WireOperation};
use gw_core::seam::{OperationFormat, OperationFormatId, Target};
use serde_json::{Map, Value, json};

use super::cohere::{decode_rerank, rerank_body};
use super::openai::OpenAi;
use super::{no_words, texts, wire};

/// Voyage's format.
pub(super) struct Voyage;

impl OperationFormat for Voyage {
    fn id(&self) -> OperationFormatId {
        OperationFormatId::Voyage
    }

    fn encode(&self, operation: &Operation, target: &Target<'_>) -> Result<WireOperation> {
        match &operation.input {
            OperationInput::Embed(request) => {
                let mut body = Map::new();
                body.insert("model".to_owned(), json!(target.model));
                body.insert("input".to_owned(), json!(texts(request)?));
                let input_type = match request.purpose {
                    Some(Purpose::Query) => Some("query"),
                    Some(Purpose::Document) => Some("document"),
                    _ => None,
                };
                if let Some(input_type) = input_type {
                    body.insert("input_type".to_owned(), json!(input_type));
                }
                if let Some(dimensions) = request.dimensions {
                    body.insert("output_dimension".to_owned(), json!(dimensions));
                }
                if let Some(truncates) = request.truncates {
                    body.insert("truncation".to_owned(), json!(truncates));
                }
                Ok(wire("embeddings", &Value::Object(body), Vec::new()))
            }
            OperationInput::Rerank(request) => {
                let mut body = rerank_body(request, target.model);
                if let Some(object) = body.as_object_mut()
                    && let Some(top_n) = object.remove("top_n")
                {
                    object.insert("top_k".to_owned(), top_n);
                }
                Ok(wire("rerank", &body, Vec::new()))
            }
            OperationInput::Raw => Err(no_words(operation.kind)),
        }
    }

    fn decode(
        &self,
        operation: &Operation,
        body: &Bytes,
        wants_output: bool,
    ) -> Result<OperationReply> {
        match operation.input {
            OperationInput::Rerank(_) => decode_rerank(operation, body),
            _ => OpenAi { has_int8_vectors: false }.decode(operation, body, wants_output),
        }
    }
}
