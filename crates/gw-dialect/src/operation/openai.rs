//! OpenAI's calls that are no chats, and those of everybody who copies them.
//!
//! Source: OpenAI API reference, embeddings, moderations, images, audio.

mod embeddings;
mod media;

use bytes::Bytes;
use gw_core::operation::{
    EmbedInput, EmbedRequest, Operation, OperationInput, OperationKind, OperationOutput,
    OperationReply, WireOperation,
};
use gw_core::seam::{DialectId, OperationFormat, OperationFormatId, Target};
use gw_core::{Result, Usage, UsageReport};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

pub(super) use embeddings::base64;
pub use embeddings::{Encoding, read_embeddings, write_embeddings};
pub use media::{read_form, read_images, read_moderations, read_speech};

use super::{dropped, form, no_words, parse, pass, passed, texts, wire};

/// OpenAI's format.
#[derive(Clone, Copy, Debug)]
pub struct OpenAi {
    /// True where vectors come as signed bytes whatever is asked for (Perplexity).
    pub has_int8_vectors: bool,
}

const fn path(kind: OperationKind) -> Option<&'static str> {
    Some(match kind {
        OperationKind::Embeddings => "embeddings",
        OperationKind::Moderations => "moderations",
        OperationKind::Images => "images/generations",
        OperationKind::ImageEdits => "images/edits",
        OperationKind::Speech => "audio/speech",
        OperationKind::Transcriptions => "audio/transcriptions",
        OperationKind::Translations => "audio/translations",
        OperationKind::Rerank => return None,
    })
}

impl OperationFormat for OpenAi {
    fn id(&self) -> OperationFormatId {
        if self.has_int8_vectors {
            OperationFormatId::OpenAiInt8
        } else {
            OperationFormatId::OpenAi
        }
    }

    fn encode(&self, operation: &Operation, target: &Target<'_>) -> Result<WireOperation> {
        let path = path(operation.kind).ok_or_else(|| no_words(operation.kind))?;
        if let Some(body) = passed(operation, self.id(), target)? {
            return Ok(pass(path, body));
        }
        match (&operation.input, &operation.raw) {
            (OperationInput::Embed(request), _) => self.embed(path, request, target),
            (_, Some(raw)) if raw.format == OperationFormatId::OpenAi => {
                let model = target.model;
                Ok(WireOperation {
                    path: path.to_owned(),
                    body: form::with_value(&raw.content_type, &raw.bytes, "model", model)?,
                    content_type: raw.content_type.clone(),
                    notices: Vec::new(),
                    is_pass_through: true,
                })
            }
            _ => Err(no_words(operation.kind)),
        }
    }

    fn decode(
        &self,
        operation: &Operation,
        body: &Bytes,
        wants_output: bool,
    ) -> Result<OperationReply> {
        if let Some(reply) = media::plain_answer(operation, body) {
            return Ok(reply);
        }
        if operation.kind == OperationKind::Embeddings && wants_output {
            return embeddings::decode(operation, body);
        }
        let bill: Bill = parse(body)?;
        bill.check()?;
        let pictures = bill.data.as_ref().map_or(0, |data| data.len() as u64);
        let makes_pictures =
            matches!(operation.kind, OperationKind::Images | OperationKind::ImageEdits);
        let mut usage = bill.report();
        if makes_pictures && usage.as_ref().is_none_or(|it| it.usage == Usage::default()) {
            let report = usage.get_or_insert_default();
            report.usage.image = pictures;
        }
        if let Some(seconds) = bill.duration.filter(|_| usage.is_none()) {
            usage = Some(media::heard(seconds));
        }
        let model = bill.model.unwrap_or_default();
        Ok(OperationReply { output: OperationOutput::Raw, usage, model })
    }

    fn usage_of_event(&self, _: OperationKind, event: &[u8]) -> Option<UsageReport> {
        let bill: Bill = serde_json::from_slice(event).ok()?;
        bill.report()
    }
}

impl OpenAi {
    fn embed(
        self,
        path: &str,
        request: &EmbedRequest,
        target: &Target<'_>,
    ) -> Result<WireOperation> {
        let mut body = Map::new();
        body.insert("model".to_owned(), json!(target.model));
        let inputs: Vec<Value> = request
            .inputs
            .iter()
            .map(|input| match input {
                EmbedInput::Text(text) => Ok(json!(text)),
                EmbedInput::Tokens(tokens) => Ok(json!(tokens)),
                EmbedInput::Media => texts(request).map(|_| Value::Null),
            })
            .collect::<Result<_>>()?;
        body.insert("input".to_owned(), Value::Array(inputs));
        if !self.has_int8_vectors {
            body.insert("encoding_format".to_owned(), json!("float"));
        }
        if let Some(dimensions) = request.dimensions {
            body.insert("dimensions".to_owned(), json!(dimensions));
        }
        let mut notices = Vec::new();
        if request.purpose.is_some() {
            notices.push(dropped("input_type", "this provider's vectors are of one kind"));
        }
        if request.truncates.is_some() {
            notices.push(dropped("truncate", "this provider refuses a text that is too long"));
        }
        let refused = &target.quirks.refused_fields;
        body.retain(|field, _| !refused.contains(field));
        Ok(wire(path, &Value::Object(body), notices))
    }
}

/// What of an answer is needed for the bill.
#[derive(Deserialize)]
struct Bill {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    usage: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    data: Option<Vec<IgnoredAny>>,
    /// Seconds heard (`verbose_json`).
    #[serde(default)]
    duration: Option<f64>,
}

impl Bill {
    /// The error that a 200 body carries.
    fn check(&self) -> Result<()> {
        match &self.error {
            Some(error) if !error.is_null() => {
                let mut answer = Map::new();
                answer.insert("error".to_owned(), error.clone());
                Err(crate::openai_chat::error::in_band_as(DialectId::OpenAiChat, &answer))
            }
            _ => Ok(()),
        }
    }

    fn report(&self) -> Option<UsageReport> {
        let usage = self.usage.as_ref().filter(|usage| usage.is_object())?;
        if let Some(seconds) = usage.get("seconds").and_then(Value::as_f64) {
            return Some(media::heard(seconds));
        }
        let mut usage = usage.clone();
        let total = usage.pointer("/cost/total_cost").cloned();
        if let (Some(total), Some(object)) = (total, usage.as_object_mut()) {
            object.insert("cost".to_owned(), total);
        }
        // Transcriptions say `input_token_details`.
        let heard = ["input_token_details", "input_tokens_details"];
        let heard = heard.iter().find_map(|key| usage.get(*key)?.get("audio_tokens")?.as_u64());
        let mut report = crate::usage::decode(&usage).ok()?.1;
        let missing = heard.unwrap_or(0).saturating_sub(report.usage.input_audio);
        let moved = missing.min(report.usage.input);
        report.usage.input -= moved;
        report.usage.input_audio += moved;
        Some(report)
    }
}
