//! Ollama's embeddings: `/api/embed`, and the older `/api/embeddings` of one text.
//!
//! Source: Ollama API documentation, "Generate embeddings".

use bytes::Bytes;
use gw_core::limits::OPERATION_INPUTS_MAX;
use gw_core::operation::{
    EmbedInput, EmbedRequest, Operation, OperationInput, OperationKind, OperationOutput,
    OperationReply, RawBody, WireOperation,
};
use gw_core::seam::{OperationFormat, OperationFormatId, Target};
use gw_core::{Result, Usage, UsageReport};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{JSON, checked, dropped, no_words, parse, pass, passed, texts, wire};
use crate::json::{Node, parse_object};

/// Ollama's format.
#[derive(Clone, Copy, Debug)]
pub struct Ollama;

const PATH: &str = "api/embed";

impl OperationFormat for Ollama {
    fn id(&self) -> OperationFormatId {
        OperationFormatId::Ollama
    }

    fn encode(&self, operation: &Operation, target: &Target<'_>) -> Result<WireOperation> {
        if let Some(body) = passed(operation, self.id(), target)? {
            return Ok(pass(PATH, body));
        }
        let OperationInput::Embed(request) = &operation.input else {
            return Err(no_words(operation.kind));
        };
        let mut body = Map::new();
        body.insert("model".to_owned(), json!(target.model));
        body.insert("input".to_owned(), json!(texts(request)?));
        if let Some(dimensions) = request.dimensions {
            body.insert("dimensions".to_owned(), json!(dimensions));
        }
        if let Some(truncates) = request.truncates {
            body.insert("truncate".to_owned(), json!(truncates));
        }
        let mut notices = Vec::new();
        if request.purpose.is_some() {
            notices.push(dropped("input_type", "this provider's vectors are of one kind"));
        }
        Ok(wire(PATH, &Value::Object(body), notices))
    }

    fn decode(&self, operation: &Operation, body: &Bytes, _: bool) -> Result<OperationReply> {
        let answer: Answer = parse(body)?;
        let usage = answer.prompt_eval_count.map(|input| UsageReport {
            usage: Usage { input, ..Usage::default() },
            ..UsageReport::default()
        });
        Ok(OperationReply {
            output: OperationOutput::Vectors(checked(answer.embeddings, operation)?),
            usage,
            model: answer.model,
        })
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    model: String,
    #[serde(default)]
    embeddings: Vec<Vec<f32>>,
    #[serde(default)]
    prompt_eval_count: Option<u64>,
}

/// Reads a client's request; `is_legacy` for the older path, whose text is a `prompt`.
///
/// # Errors
/// [`gw_core::Kind::InvalidJson`], or [`gw_core::Kind::InvalidRequest`] naming the field.
pub fn read_embed(is_legacy: bool, body: &Bytes) -> Result<Operation> {
    let value = parse_object(body)?;
    let root = Node::root(&value);
    let input = root.require(if is_legacy { "prompt" } else { "input" })?;
    let inputs: Vec<EmbedInput> = match input.value() {
        Value::String(text) => vec![EmbedInput::Text(text.clone())],
        Value::Array(items) if !is_legacy && items.len() <= OPERATION_INPUTS_MAX => input
            .items()?
            .map(|item| item.text().map(|text| EmbedInput::Text(text.to_owned())))
            .collect::<Result<_>>()?,
        _ if is_legacy => return Err(input.must_be("a text")),
        _ => {
            return Err(input.must_be(&format!("a text, or at most {OPERATION_INPUTS_MAX} texts")));
        }
    };
    let model = match root.opt_text("model")? {
        Some(model) => model,
        // Older clients.
        None => root.opt_text("name")?.unwrap_or_default(),
    };
    let request = EmbedRequest {
        inputs,
        dimensions: root.opt_natural("dimensions")?.filter(|length| *length > 0),
        purpose: None,
        truncates: root.opt_boolean("truncate")?,
    };
    let (most, likely) = super::size::embed(&request);
    let raw = RawBody {
        format: OperationFormatId::Ollama,
        content_type: JSON.to_owned(),
        bytes: body.clone(),
    };
    Ok(Operation {
        kind: OperationKind::Embeddings,
        model,
        user: None,
        input: OperationInput::Embed(request),
        raw: (!is_legacy).then_some(raw),
        is_streaming: false,
        most,
        likely,
    })
}

/// Writes the answer that a client reads.
pub fn write_embed(
    vectors: &[Vec<f32>],
    is_legacy: bool,
    model: &str,
    used: &UsageReport,
    took_ms: u64,
) -> Bytes {
    let answer = if is_legacy {
        json!({"embedding": vectors.first()})
    } else {
        json!({
            "model": model, "embeddings": vectors, "total_duration": took_ms.saturating_mul(1_000_000),
            "load_duration": 0, "prompt_eval_count": used.usage.total_input(),
        })
    };
    Bytes::from(answer.to_string())
}
