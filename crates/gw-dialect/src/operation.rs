//! Calls that are no chats: how each API asks for vectors, orders, verdicts, pictures and sound.
//!
//! One module a wire format: what its clients send ([`openai::read_embeddings`] and its like, for
//! doors) and what its providers are sent ([`gw_core::seam::OperationFormat`]). A body of the
//! provider's own format passes through with the model named anew. Knows no engine and no server.

pub mod cohere;
pub mod form;
pub mod gemini;
pub mod ollama;
pub mod openai;

mod jina;
mod size;
mod voyage;

use std::sync::Arc;

use bytes::Bytes;
use gw_core::chat::{Notice, NoticeAction};
use gw_core::operation::{EmbedInput, EmbedRequest, Operation, WireOperation};
use gw_core::seam::{DialectId, OperationFormat, OperationFormatId, Target};
use gw_core::{Error, Kind, Result};
use serde_json::{Value, json};

use crate::json::splice;

/// Content type of every body that is no form.
pub const JSON: &str = "application/json";

/// The implementation of a format.
pub fn format(id: OperationFormatId) -> Arc<dyn OperationFormat> {
    match id {
        OperationFormatId::OpenAi => Arc::new(openai::OpenAi { has_int8_vectors: false }),
        OperationFormatId::OpenAiInt8 => Arc::new(openai::OpenAi { has_int8_vectors: true }),
        OperationFormatId::Gemini => Arc::new(gemini::Gemini),
        OperationFormatId::Ollama => Arc::new(ollama::Ollama),
        OperationFormatId::Cohere => Arc::new(cohere::Cohere),
        OperationFormatId::Jina => Arc::new(jina::Jina),
        OperationFormatId::Voyage => Arc::new(voyage::Voyage),
    }
}

/// The formats that a provider of this dialect speaks where nothing else is said of it.
pub fn usual(dialect: DialectId) -> Operations {
    let openai = Some(OperationFormatId::OpenAi);
    match dialect {
        DialectId::OpenAiChat | DialectId::OpenAiResponses => Operations {
            embeddings: openai,
            rerank: Some(OperationFormatId::Jina),
            moderations: openai,
            images: openai,
            audio: openai,
        },
        DialectId::Gemini => {
            Operations { embeddings: Some(OperationFormatId::Gemini), ..Operations::default() }
        }
        DialectId::Ollama => {
            Operations { embeddings: Some(OperationFormatId::Ollama), ..Operations::default() }
        }
        DialectId::CohereChat => Operations {
            embeddings: Some(OperationFormatId::Cohere),
            rerank: Some(OperationFormatId::Cohere),
            ..Operations::default()
        },
        DialectId::AnthropicMessages | DialectId::BedrockConverse => Operations::default(),
    }
}

/// Which format a provider speaks for which operations; `None`: it has no such calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Operations {
    /// Texts to vectors.
    pub embeddings: Option<OperationFormatId>,
    /// Documents to an order.
    pub rerank: Option<OperationFormatId>,
    /// Verdicts.
    pub moderations: Option<OperationFormatId>,
    /// Pictures, made and edited.
    pub images: Option<OperationFormatId>,
    /// Speech, transcriptions, translations.
    pub audio: Option<OperationFormatId>,
}

/// The client's own JSON with the model named anew and without what the provider refuses; `None`
/// where it is of another format or no JSON.
fn passed(
    operation: &Operation,
    format: OperationFormatId,
    target: &Target<'_>,
) -> Result<Option<Bytes>> {
    let Some(raw) = operation.raw.as_ref().filter(|raw| raw.format == format) else {
        return Ok(None);
    };
    if form::boundary(&raw.content_type).is_some() {
        return Ok(None);
    }
    let mut edits: Vec<(&str, Option<Value>)> = vec![("model", Some(json!(target.model)))];
    let refused = target.quirks.refused_fields.iter().map(|field| (field.as_str(), None));
    edits.extend(refused.filter(|(field, _)| *field != "model"));
    splice(&raw.bytes, &edits).map(Some)
}

/// A JSON body made here.
fn wire(path: impl Into<String>, body: &Value, notices: Vec<Notice>) -> WireOperation {
    WireOperation {
        path: path.into(),
        content_type: JSON.to_owned(),
        body: Bytes::from(body.to_string()),
        notices,
        is_pass_through: false,
    }
}

/// The client's own JSON.
fn pass(path: impl Into<String>, body: Bytes) -> WireOperation {
    WireOperation {
        path: path.into(),
        content_type: JSON.to_owned(),
        body,
        notices: Vec::new(),
        is_pass_through: true,
    }
}

/// The texts, for a format that has no words for tokens.
fn texts(request: &EmbedRequest) -> Result<Vec<&str>> {
    let text = |input: &'_ EmbedInput| {
        let message = match input {
            EmbedInput::Text(_) => return Ok(()),
            EmbedInput::Tokens(_) => "this provider takes texts, not the tokens of another model",
            EmbedInput::Media => "only texts can be said in this provider's format",
        };
        Err(Error::new(Kind::UnsupportedFeature, message)
            .with_field("input")
            .with_hint("send a text, or use a model of a provider whose format this is"))
    };
    request.inputs.iter().try_for_each(text)?;
    let words = request.inputs.iter().filter_map(|input| match input {
        EmbedInput::Text(text) => Some(text.as_str()),
        EmbedInput::Tokens(_) | EmbedInput::Media => None,
    });
    Ok(words.collect())
}

/// Says that a format has no words for something.
fn no_words(kind: gw_core::operation::OperationKind) -> Error {
    Error::new(Kind::UnsupportedFeature, format!("this provider has no {kind} of this form"))
        .with_field("model")
        .with_hint("name a model of a provider that has them")
}

fn dropped(feature: &str, detail: &str) -> Notice {
    Notice { feature: feature.to_owned(), action: NoticeAction::Dropped, detail: detail.to_owned() }
}

fn malformed(what: &str) -> Error {
    Error::new(Kind::ProviderMalformed, format!("the provider's answer {what}"))
}

/// Reads a provider's answer; what it holds besides is not looked at.
fn parse<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| {
        malformed(&format!("cannot be read at line {} column {}", error.line(), error.column()))
            .with_source(error)
    })
}

/// One vector for each text, or the answer is not one.
fn checked(vectors: Vec<Vec<f32>>, operation: &Operation) -> Result<Vec<Vec<f32>>> {
    let wanted = match &operation.input {
        gw_core::operation::OperationInput::Embed(request) => request.inputs.len(),
        _ => return Ok(vectors),
    };
    if vectors.len() == wanted {
        return Ok(vectors);
    }
    let given = vectors.len();
    Err(malformed(&format!("holds {given} vectors where {wanted} were asked for")))
}

#[cfg(test)]
mod tests;
