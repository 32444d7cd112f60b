//! `/v1/embeddings`: a client's request, a provider's vectors, and the answer that a client reads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gw_core::limits::OPERATION_INPUTS_MAX;
use gw_core::operation::{
    EmbedInput, EmbedRequest, Operation, OperationInput, OperationKind, OperationOutput,
    OperationReply, Purpose, RawBody,
};
use gw_core::seam::OperationFormatId;
use gw_core::{Result, UsageReport};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{JSON, checked, malformed, parse, size};
use super::Bill;
use crate::json::{Node, parse_object};

/// How a client wants its vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Numbers.
    #[default]
    Float,
    /// The bytes of 32-bit floats, in base64.
    Base64,
}

/// Reads a client's request, and how it wants its vectors.
///
/// # Errors
/// [`gw_core::Kind::InvalidJson`], or [`gw_core::Kind::InvalidRequest`] naming the field.
pub fn read_embeddings(body: &Bytes) -> Result<(Operation, Encoding)> {
    let value = parse_object(body)?;
    let root = Node::root(&value);
    let model = root.opt_text("model")?.unwrap_or_default();
    let encoding = match root.opt_text("encoding_format")?.as_deref() {
        None | Some("float") => Encoding::Float,
        Some("base64") => Encoding::Base64,
        Some(_) => {
            return Err(root.require("encoding_format")?.invalid("must be `float` or `base64`"));
        }
    };
    let inputs = inputs(&root.require("input")?)?;
    // Voyage's and NVIDIA's word, which routers in front of them take too.
    let purpose = match root.opt_text("input_type")?.as_deref() {
        Some("query" | "search_query") => Some(Purpose::Query),
        Some("document" | "passage" | "search_document") => Some(Purpose::Document),
        Some("classification") => Some(Purpose::Classification),
        Some("clustering") => Some(Purpose::Clustering),
        _ => None,
    };
    let dimensions = root.opt_natural("dimensions")?;
    if dimensions == Some(0) {
        return Err(root.require("dimensions")?.invalid("must be at least 1"));
    }
    let request = EmbedRequest { inputs, dimensions, purpose, truncates: None };
    let (most, likely) = size::embed(&request);
    let operation = Operation {
        kind: OperationKind::Embeddings,
        model,
        user: root.opt_text("user")?,
        input: OperationInput::Embed(request),
        raw: Some(RawBody {
            format: OperationFormatId::OpenAi,
            content_type: JSON.to_owned(),
            bytes: body.clone(),
        }),
        is_streaming: false,
        most,
        likely,
    };
    Ok((operation, encoding))
}

/// A text, texts, tokens, or lists of tokens.
fn inputs(node: &Node<'_>) -> Result<Vec<EmbedInput>> {
    if let Some(text) = node.value().as_str() {
        return Ok(vec![EmbedInput::Text(text.to_owned())]);
    }
    let wanted = "a text, a list of texts, a list of tokens, or a list of such lists";
    let items = node.value().as_array().ok_or_else(|| node.must_be(wanted))?;
    if items.is_empty() {
        return Err(node.invalid("must not be empty"));
    }
    if items.iter().all(Value::is_u64) {
        return Ok(vec![EmbedInput::Tokens(tokens(items).unwrap_or_default())]);
    }
    if items.len() > OPERATION_INPUTS_MAX {
        return Err(node.invalid(&format!("holds more than {OPERATION_INPUTS_MAX} texts")));
    }
    node.items()?
        .map(|item| match item.value() {
            Value::String(text) => Ok(EmbedInput::Text(text.clone())),
            Value::Array(list) => {
                tokens(list).map(EmbedInput::Tokens).ok_or_else(|| item.must_be("a list of tokens"))
            }
            _ => Err(item.must_be("a text or a list of tokens")),
        })
        .collect()
}

fn tokens(items: &[Value]) -> Option<Vec<u64>> {
    (!items.is_empty()).then(|| items.iter().map(Value::as_u64).collect())?
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    embedding: Vector,
    #[serde(default)]
    index: Option<usize>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Vector {
    Floats(Vec<f32>),
    Text(String),
}

/// Reads a provider's vectors. They were asked for as numbers: text is signed bytes, the only other
/// form that comes unasked.
pub(super) fn decode(operation: &Operation, body: &Bytes) -> Result<OperationReply> {
    let bill: Bill = parse(body)?;
    bill.check()?;
    let answer: Answer = parse(body)?;
    let mut placed: Vec<(usize, Vec<f32>)> = Vec::with_capacity(answer.data.len());
    for (at, item) in answer.data.into_iter().enumerate() {
        let vector = match item.embedding {
            Vector::Floats(vector) => vector,
            Vector::Text(text) => {
                let bytes = STANDARD.decode(text);
                let bytes = bytes.map_err(|_| malformed("holds a vector that is no base64"))?;
                bytes.into_iter().map(|byte| f32::from(i8::from_ne_bytes([byte]))).collect()
            }
        };
        placed.push((item.index.unwrap_or(at), vector));
    }
    placed.sort_by_key(|(index, _)| *index);
    let vectors = placed.into_iter().map(|(_, vector)| vector).collect();
    Ok(OperationReply {
        output: OperationOutput::Vectors(checked(vectors, operation)?),
        usage: bill.report(),
        model: bill.model.unwrap_or_default(),
    })
}

/// Writes the answer that a client reads.
pub fn write_embeddings(
    vectors: &[Vec<f32>],
    encoding: Encoding,
    model: &str,
    used: &UsageReport,
) -> Bytes {
    let data: Vec<Value> = vectors
        .iter()
        .enumerate()
        .map(|(index, vector)| {
            let embedding = match encoding {
                Encoding::Float => json!(vector),
                Encoding::Base64 => json!(base64(vector)),
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens = used.usage.total_input();
    let answer = json!({
        "object": "list", "data": data, "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    });
    Bytes::from(answer.to_string())
}

/// The bytes of a vector in base64, the least byte of each number first.
pub(in super::super) fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}
