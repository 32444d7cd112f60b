//! Google's embeddings: `:embedContent` for one text, `:batchEmbedContents` for several.
//!
//! Source: Gemini API reference, embeddings.

use bytes::Bytes;
use gw_core::limits::OPERATION_INPUTS_MAX;
use gw_core::operation::{
    EmbedInput, EmbedRequest, Operation, OperationInput, OperationKind, OperationOutput,
    OperationReply, Purpose, RawBody, WireOperation,
};
use gw_core::seam::{OperationFormat, OperationFormatId, Target};
use gw_core::{Error, Kind, Result, UsageReport};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{JSON, checked, dropped, no_words, parse, texts, wire};
use crate::json::{Node, parse_object};

/// Google's format.
#[derive(Clone, Copy, Debug)]
pub struct Gemini;

impl OperationFormat for Gemini {
    fn id(&self) -> OperationFormatId {
        OperationFormatId::Gemini
    }

    fn encode(&self, operation: &Operation, target: &Target<'_>) -> Result<WireOperation> {
        let OperationInput::Embed(request) = &operation.input else {
            return Err(no_words(operation.kind));
        };
        let model = target.model;
        if let Some(raw) = operation.raw.as_ref().filter(|it| it.format == self.id()) {
            return Ok(WireOperation { is_pass_through: true, ..renamed(raw, model)? });
        }
        let task = request.purpose.map(|purpose| match purpose {
            Purpose::Document => "RETRIEVAL_DOCUMENT",
            Purpose::Query => "RETRIEVAL_QUERY",
            Purpose::Classification => "CLASSIFICATION",
            Purpose::Clustering => "CLUSTERING",
            Purpose::Similarity => "SEMANTIC_SIMILARITY",
        });
        let requests: Vec<Value> = texts(request)?
            .into_iter()
            .map(|text| {
                let mut each = Map::new();
                each.insert("model".to_owned(), json!(format!("models/{model}")));
                each.insert("content".to_owned(), json!({"parts": [{"text": text}]}));
                if let Some(task) = task {
                    each.insert("taskType".to_owned(), json!(task));
                }
                if let Some(dimensions) = request.dimensions {
                    each.insert("outputDimensionality".to_owned(), json!(dimensions));
                }
                Value::Object(each)
            })
            .collect();
        let mut notices = Vec::new();
        if request.truncates == Some(false) {
            notices.push(dropped("truncate", "this provider cuts texts that are too long"));
        }
        let body = json!({"requests": requests});
        Ok(wire(format!("models/{model}:batchEmbedContents"), &body, notices))
    }

    fn decode(&self, operation: &Operation, body: &Bytes, _: bool) -> Result<OperationReply> {
        let answer: Answer = parse(body)?;
        let vectors = answer.embedding.into_iter().chain(answer.embeddings);
        let vectors = checked(vectors.map(|it| it.values).collect(), operation)?;
        let usage = answer.usage.and_then(|usage| Some(crate::usage::decode(&usage).ok()?.1));
        Ok(OperationReply {
            output: OperationOutput::Vectors(vectors),
            usage,
            model: String::new(),
        })
    }
}

/// The client's own request for one text or several, which names the model within.
fn renamed(raw: &RawBody, model: &str) -> Result<WireOperation> {
    let mut body = parse_object(&raw.bytes)?;
    let name = json!(format!("models/{model}"));
    let method = match body.get_mut("requests").and_then(Value::as_array_mut) {
        Some(requests) => {
            for request in requests.iter_mut().filter_map(Value::as_object_mut) {
                request.insert("model".to_owned(), name.clone());
            }
            "batchEmbedContents"
        }
        None => {
            if let Some(request) = body.as_object_mut() {
                request.insert("model".to_owned(), name);
            }
            "embedContent"
        }
    };
    Ok(wire(format!("models/{model}:{method}"), &body, Vec::new()))
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    embedding: Option<Values>,
    #[serde(default)]
    embeddings: Vec<Values>,
    #[serde(default, rename = "usageMetadata")]
    usage: Option<Value>,
}

#[derive(Deserialize)]
struct Values {
    #[serde(default)]
    values: Vec<f32>,
}

/// Reads a client's request, for one text or several.
///
/// # Errors
/// [`Kind::InvalidJson`], [`Kind::InvalidRequest`] naming the field, or
/// [`Kind::UnsupportedFeature`] for texts that want different vectors.
pub fn read_embed(model: &str, is_batch: bool, body: &Bytes) -> Result<Operation> {
    let value = parse_object(body)?;
    let root = Node::root(&value);
    let mut request = EmbedRequest::default();
    if is_batch {
        let list = root.require("requests")?;
        let mut first = None;
        for item in list.items()? {
            let read = read_one(&item, &mut request.inputs)?;
            if *first.get_or_insert(read) != read {
                let message = "texts of one batch must want vectors of one kind and length";
                return Err(Error::new(Kind::UnsupportedFeature, message)
                    .with_field(item.path())
                    .with_hint("send them in two batches"));
            }
            if request.inputs.len() > OPERATION_INPUTS_MAX {
                return Err(list.invalid(&format!("holds more than {OPERATION_INPUTS_MAX} texts")));
            }
        }
        let Some((purpose, dimensions)) = first else {
            return Err(list.invalid("must not be empty"));
        };
        (request.purpose, request.dimensions) = (purpose, dimensions);
    } else {
        (request.purpose, request.dimensions) = read_one(&root, &mut request.inputs)?;
    }
    let (most, likely) = super::size::embed(&request);
    Ok(Operation {
        kind: OperationKind::Embeddings,
        model: model.to_owned(),
        user: None,
        input: OperationInput::Embed(request),
        raw: Some(RawBody {
            format: OperationFormatId::Gemini,
            content_type: JSON.to_owned(),
            bytes: body.clone(),
        }),
        is_streaming: false,
        most,
        likely,
    })
}

type Wishes = (Option<Purpose>, Option<u64>);

fn read_one(node: &Node<'_>, inputs: &mut Vec<EmbedInput>) -> Result<Wishes> {
    let content = node.require("content")?;
    let mut text = String::new();
    let mut is_text = true;
    if let Some(plain) = content.value().as_str() {
        text.push_str(plain);
    } else {
        for part in content.require("parts")?.items()? {
            match part.get("text") {
                Some(words) => text.push_str(words.text()?),
                None => is_text = false,
            }
        }
    }
    inputs.push(if is_text { EmbedInput::Text(text) } else { EmbedInput::Media });
    // Its newer clients keep these in an object of their own.
    let config = node.get("embedContentConfig");
    let place = config.as_ref().unwrap_or(node);
    let either = |camel: &str, snake: &str| {
        [place, node].into_iter().find_map(|it| it.value().get(camel).or(it.value().get(snake)))
    };
    let purpose = either("taskType", "task_type").and_then(Value::as_str).and_then(|task| {
        Some(match task {
            "RETRIEVAL_DOCUMENT" | "FACT_VERIFICATION" => Purpose::Document,
            "RETRIEVAL_QUERY" | "QUESTION_ANSWERING" | "CODE_RETRIEVAL_QUERY" => Purpose::Query,
            "CLASSIFICATION" => Purpose::Classification,
            "CLUSTERING" => Purpose::Clustering,
            "SEMANTIC_SIMILARITY" => Purpose::Similarity,
            _ => return None,
        })
    });
    let dimensions = either("outputDimensionality", "output_dimensionality");
    let dimensions = dimensions.and_then(crate::json::natural).filter(|length| *length > 0);
    Ok((purpose, dimensions))
}

/// Writes the answer that a client reads.
pub fn write_embed(vectors: &[Vec<f32>], is_batch: bool, used: &UsageReport) -> Bytes {
    let mut all: Vec<Value> = vectors.iter().map(|vector| json!({"values": vector})).collect();
    let tokens = used.usage.total_input();
    let usage = json!({"promptTokenCount": tokens, "totalTokenCount": tokens});
    let answer = if is_batch {
        json!({"embeddings": all, "usageMetadata": usage})
    } else {
        json!({"embedding": all.pop().unwrap_or_default(), "usageMetadata": usage})
    };
    Bytes::from(answer.to_string())
}
