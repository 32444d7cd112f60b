//! Cohere's `/v2/embed`, and `/v2/rerank` with its older sister `/v1/rerank`.
//!
//! Source: Cohere API reference, v2. Jina, Voyage and vLLM copied the shape of rerank.

use bytes::Bytes;
use gw_core::limits::OPERATION_INPUTS_MAX;
use gw_core::operation::{
    EmbedInput, EmbedRequest, Operation, OperationInput, OperationKind, OperationOutput,
    OperationReply, Purpose, Rank, RawBody, RerankRequest, WireOperation,
};
use gw_core::seam::{OperationFormat, OperationFormatId, Target};
use gw_core::{Error, Kind, Result, UsageReport};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::openai::Encoding;
use super::{JSON, checked, no_words, parse, pass, passed, texts, wire};
use crate::json::{Node, parse_object};

/// Cohere's format.
#[derive(Clone, Copy, Debug)]
pub struct Cohere;

impl OperationFormat for Cohere {
    fn id(&self) -> OperationFormatId {
        OperationFormatId::Cohere
    }

    fn encode(&self, operation: &Operation, target: &Target<'_>) -> Result<WireOperation> {
        let path = match operation.kind {
            OperationKind::Embeddings => "v2/embed",
            OperationKind::Rerank => "v2/rerank",
            kind => return Err(no_words(kind)),
        };
        if let Some(body) = passed(operation, self.id(), target)? {
            return Ok(pass(path, body));
        }
        match &operation.input {
            OperationInput::Embed(request) => Ok(wire(path, &embed(request, target)?, Vec::new())),
            OperationInput::Rerank(request) => {
                Ok(wire(path, &rerank_body(request, target.model), Vec::new()))
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
        if operation.kind == OperationKind::Rerank {
            return decode_rerank(operation, body);
        }
        let meta: Meta = parse(body)?;
        let usage = meta.usage();
        if !wants_output {
            return Ok(OperationReply { usage, ..OperationReply::default() });
        }
        let answer: Answer = parse(body)?;
        let vectors = match answer.embeddings {
            Embeddings::ByType { float } => float,
            Embeddings::Plain(vectors) => vectors,
        };
        Ok(OperationReply {
            output: OperationOutput::Vectors(checked(vectors, operation)?),
            usage,
            model: String::new(),
        })
    }
}

fn embed(request: &EmbedRequest, target: &Target<'_>) -> Result<Value> {
    let input_type = match request.purpose {
        None | Some(Purpose::Document) => "search_document",
        Some(Purpose::Query) => "search_query",
        Some(Purpose::Classification) => "classification",
        Some(Purpose::Clustering | Purpose::Similarity) => "clustering",
    };
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(target.model));
    body.insert("texts".to_owned(), json!(texts(request)?));
    body.insert("input_type".to_owned(), json!(input_type));
    body.insert("embedding_types".to_owned(), json!(["float"]));
    if let Some(dimensions) = request.dimensions {
        body.insert("output_dimension".to_owned(), json!(dimensions));
    }
    if let Some(truncates) = request.truncates {
        body.insert("truncate".to_owned(), json!(if truncates { "END" } else { "NONE" }));
    }
    Ok(Value::Object(body))
}

/// A request for an order, as everybody writes it.
pub(super) fn rerank_body(request: &RerankRequest, model: &str) -> Value {
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    body.insert("query".to_owned(), json!(request.query));
    body.insert("documents".to_owned(), json!(request.documents));
    if let Some(top_n) = request.top_n {
        body.insert("top_n".to_owned(), json!(top_n));
    }
    Value::Object(body)
}

#[derive(Deserialize)]
struct Answer {
    embeddings: Embeddings,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Embeddings {
    ByType {
        #[serde(default)]
        float: Vec<Vec<f32>>,
    },
    /// As version 1 gives them.
    Plain(Vec<Vec<f32>>),
}

/// What of an answer is needed for the bill: Cohere's `meta`, others' `usage`.
#[derive(Deserialize)]
pub(super) struct Meta {
    #[serde(default)]
    meta: Option<Value>,
    #[serde(default)]
    usage: Option<Value>,
    #[serde(default)]
    model: Option<String>,
}

impl Meta {
    pub(super) fn usage(&self) -> Option<UsageReport> {
        let stated = [&self.usage, &self.meta].into_iter().flatten();
        stated.filter(|it| it.is_object()).find_map(|it| Some(crate::usage::decode(it).ok()?.1))
    }
}

#[derive(Deserialize)]
struct Ranked {
    #[serde(default, alias = "data")]
    results: Vec<RankedItem>,
}

#[derive(Deserialize)]
struct RankedItem {
    index: u64,
    #[serde(alias = "score")]
    relevance_score: f64,
}

/// Reads an order of documents, whoever of those who share the shape gave it.
pub(super) fn decode_rerank(operation: &Operation, body: &Bytes) -> Result<OperationReply> {
    let meta: Meta = parse(body)?;
    let ranked: Ranked = parse(body)?;
    let documents = match &operation.input {
        OperationInput::Rerank(request) => request.documents.len() as u64,
        _ => u64::MAX,
    };
    if ranked.results.iter().any(|item| item.index >= documents) {
        return Err(super::malformed("ranks a document that was not sent"));
    }
    let rank = |item: RankedItem| Rank { index: item.index, score: item.relevance_score };
    let ranks = ranked.results.into_iter().map(rank).collect();
    let usage = meta.usage();
    Ok(OperationReply {
        output: OperationOutput::Ranks(ranks),
        usage,
        model: meta.model.unwrap_or_default(),
    })
}

/// How a client of `/v2/embed` wants its vectors: every form it named.
///
/// # Errors
/// [`Kind::InvalidJson`], [`Kind::InvalidRequest`] naming the field, or
/// [`Kind::UnsupportedFeature`] for vectors of bytes or bits.
pub fn read_embed(body: &Bytes) -> Result<(Operation, Vec<Encoding>)> {
    let value = parse_object(body)?;
    let root = Node::root(&value);
    let mut inputs = Vec::new();
    let too_many =
        |node: &Node<'_>| node.invalid(&format!("holds more than {OPERATION_INPUTS_MAX} texts"));
    if let Some(list) = root.get("texts") {
        for item in list.items()? {
            inputs.push(EmbedInput::Text(item.text()?.to_owned()));
        }
        if inputs.len() > OPERATION_INPUTS_MAX {
            return Err(too_many(&list));
        }
    }
    if let Some(list) = root.get("inputs") {
        for item in list.items()? {
            let mut text = String::new();
            let mut is_text = true;
            for part in item.require("content")?.items()? {
                match part.get("text") {
                    Some(words) => text.push_str(words.text()?),
                    None => is_text = false,
                }
            }
            inputs.push(if is_text { EmbedInput::Text(text) } else { EmbedInput::Media });
        }
        if inputs.len() > OPERATION_INPUTS_MAX {
            return Err(too_many(&list));
        }
    }
    if let Some(list) = root.get("images") {
        inputs.extend(list.items()?.take(OPERATION_INPUTS_MAX).map(|_| EmbedInput::Media));
    }
    if inputs.is_empty() {
        return Err(root
            .require("texts")
            .err()
            .unwrap_or_else(|| Error::bad_field("texts", "`texts` must not be empty")));
    }
    let mut encodings = Vec::new();
    if let Some(types) = root.get("embedding_types") {
        for item in types.items()? {
            encodings.push(match item.text()? {
                "float" => Encoding::Float,
                "base64" => Encoding::Base64,
                other => {
                    let message = format!("vectors of type `{other}` are not made here");
                    return Err(Error::new(Kind::UnsupportedFeature, message)
                        .with_field(item.path())
                        .with_hint("ask for `float` or `base64`"));
                }
            });
        }
    }
    if encodings.is_empty() {
        encodings.push(Encoding::Float);
    }
    let purpose = match root.opt_text("input_type")?.as_deref() {
        Some("search_query") => Some(Purpose::Query),
        Some("search_document") => Some(Purpose::Document),
        Some("classification") => Some(Purpose::Classification),
        Some("clustering") => Some(Purpose::Clustering),
        _ => None,
    };
    let request = EmbedRequest {
        inputs,
        dimensions: root.opt_natural("output_dimension")?.filter(|length| *length > 0),
        purpose,
        truncates: root.opt_text("truncate")?.map(|it| !it.eq_ignore_ascii_case("none")),
    };
    let (most, likely) = super::size::embed(&request);
    let operation = Operation {
        kind: OperationKind::Embeddings,
        model: root.opt_text("model")?.unwrap_or_default(),
        user: None,
        input: OperationInput::Embed(request),
        raw: Some(raw(body)),
        is_streaming: false,
        most,
        likely,
    };
    Ok((operation, encodings))
}

fn raw(body: &Bytes) -> RawBody {
    RawBody {
        format: OperationFormatId::Cohere,
        content_type: JSON.to_owned(),
        bytes: body.clone(),
    }
}

/// Reads a client's request for an order, on either version's path.
///
/// # Errors
/// [`Kind::InvalidJson`], or [`Kind::InvalidRequest`] naming the field.
pub fn read_rerank(body: &Bytes) -> Result<Operation> {
    let value = parse_object(body)?;
    let root = Node::root(&value);
    let list = root.require("documents")?;
    let mut documents = Vec::new();
    for item in list.items()? {
        let text = match item.value() {
            Value::String(text) => text.clone(),
            // Version 1 and its copies take objects too, of which the text counts.
            Value::Object(_) => item.require_text("text")?,
            _ => return Err(item.must_be("a text, or an object with a `text`")),
        };
        documents.push(text);
    }
    if documents.is_empty() || documents.len() > OPERATION_INPUTS_MAX {
        let text = format!("must hold between 1 and {OPERATION_INPUTS_MAX} documents");
        return Err(list.invalid(&text));
    }
    let top_n = match root.opt_natural("top_n")? {
        Some(top_n) => Some(top_n),
        None => root.opt_natural("top_k")?,
    };
    let request = RerankRequest {
        query: root.require_text("query")?,
        documents,
        top_n: top_n.filter(|top_n| *top_n > 0),
        wants_documents: root.opt_boolean("return_documents")?.unwrap_or(false),
    };
    let (most, likely) = super::size::rerank(&request);
    Ok(Operation {
        kind: OperationKind::Rerank,
        model: root.opt_text("model")?.unwrap_or_default(),
        user: root.opt_text("user")?,
        input: OperationInput::Rerank(request),
        // Written anew always: whoever answers, the client reads one shape.
        raw: None,
        is_streaming: false,
        most,
        likely,
    })
}

/// Writes the vectors that a client of `/v2/embed` reads.
pub fn write_embed(
    id: &str,
    request: &EmbedRequest,
    vectors: &[Vec<f32>],
    encodings: &[Encoding],
    used: &UsageReport,
) -> Bytes {
    let mut embeddings = Map::new();
    for encoding in encodings {
        match encoding {
            Encoding::Float => embeddings.insert("float".to_owned(), json!(vectors)),
            Encoding::Base64 => {
                let texts: Vec<String> =
                    vectors.iter().map(|vector| super::openai::base64(vector)).collect();
                embeddings.insert("base64".to_owned(), json!(texts))
            }
        };
    }
    let texts = texts(request).unwrap_or_default();
    let answer = json!({
        "id": id, "embeddings": embeddings, "texts": texts, "response_type": "embeddings_by_type",
        "meta": {
            "api_version": {"version": "2"},
            "billed_units": {"input_tokens": used.usage.total_input()},
        },
    });
    Bytes::from(answer.to_string())
}

/// Writes the order that a client reads: Cohere's members and those of its copies together.
pub fn write_rerank(
    id: &str,
    model: &str,
    request: &RerankRequest,
    ranks: &[Rank],
    used: &UsageReport,
) -> Bytes {
    let most = request.top_n.and_then(|top_n| usize::try_from(top_n).ok()).unwrap_or(usize::MAX);
    let results: Vec<Value> = ranks
        .iter()
        .take(most)
        .map(|rank| {
            let mut result = json!({"index": rank.index, "relevance_score": rank.score});
            let document =
                usize::try_from(rank.index).ok().and_then(|at| request.documents.get(at));
            if let Some(text) = document.filter(|_| request.wants_documents) {
                result["document"] = json!({"text": text});
            }
            result
        })
        .collect();
    let answer = json!({
        "id": id, "model": model, "results": results,
        "usage": {"total_tokens": used.usage.total_input()},
        "meta": {
            "api_version": {"version": "2"},
            "billed_units": {"search_units": used.usage.rerank_search},
        },
    });
    Bytes::from(answer.to_string())
}
