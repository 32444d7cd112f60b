//! Verdicts, pictures and sound: what clients send is measured and passed on as it is.

use bytes::Bytes;
use gw_core::operation::{
    Operation, OperationInput, OperationKind, OperationOutput, OperationReply, RawBody,
};
use gw_core::seam::OperationFormatId;
use gw_core::{Kind, Result, Usage, UsageReport};
use serde_json::Value;

use super::super::{JSON, form, size};
use crate::json::{Node, parse_object};

/// Pictures of one call at most.
const PICTURES_MAX: u64 = 64;

/// The moderation model that OpenAI takes where none is named.
const MODERATION_MODEL: &str = "omni-moderation-latest";

/// Reads a client's request for verdicts.
///
/// # Errors
/// [`Kind::InvalidJson`], or [`Kind::InvalidRequest`] naming the field; so for all that follow.
pub fn read_moderations(body: &Bytes) -> Result<Operation> {
    let value = parse_object(body)?;
    let root = Node::root(&value);
    let input = root.require("input")?;
    let items: &[Value] = match input.value() {
        Value::String(_) => std::slice::from_ref(input.value()),
        Value::Array(items) if !items.is_empty() => items,
        _ => return Err(input.must_be("a text, or a list of texts or parts")),
    };
    let pictures = items.iter().filter(|item| item["type"] == "image_url").count() as u64;
    let bytes = items
        .iter()
        .map(|item| item.as_str().or_else(|| item["text"].as_str()).map_or(0, str::len))
        .sum();
    let model = root.opt_text("model")?.filter(|model| !model.is_empty());
    let mut operation = operation(OperationKind::Moderations, &root, body.clone(), JSON)?;
    operation.model = model.unwrap_or_else(|| MODERATION_MODEL.to_owned());
    (operation.most, operation.likely) = size::moderation(bytes, pictures);
    Ok(operation)
}

/// Reads a client's request for pictures, in JSON: new ones, or edits of pictures named by address.
///
/// # Errors
/// See [`read_moderations`].
pub fn read_images(kind: OperationKind, body: &Bytes) -> Result<Operation> {
    let value = parse_object(body)?;
    let root = Node::root(&value);
    let prompt = root.require_text("prompt")?;
    let wanted = root.opt_natural("n")?.unwrap_or(1);
    check_count(wanted)?;
    let given = value["images"].as_array().map_or(0, |images| images.len() as u64);
    let mut operation = operation(kind, &root, body.clone(), JSON)?;
    operation.is_streaming = root.opt_boolean("stream")?.unwrap_or(false);
    (operation.most, operation.likely) = size::pictures(&prompt, wanted, given);
    Ok(operation)
}

/// Reads a client's request for speech.
///
/// # Errors
/// See [`read_moderations`].
pub fn read_speech(body: &Bytes) -> Result<Operation> {
    let value = parse_object(body)?;
    let root = Node::root(&value);
    let text = root.require_text("input")?;
    if text.is_empty() {
        return Err(root.require("input")?.invalid("must not be empty"));
    }
    let mut operation = operation(OperationKind::Speech, &root, body.clone(), JSON)?;
    operation.is_streaming = true;
    (operation.most, operation.likely) = size::speech(&text);
    Ok(operation)
}

fn operation(
    kind: OperationKind,
    root: &Node<'_>,
    bytes: Bytes,
    content_type: &str,
) -> Result<Operation> {
    Ok(Operation {
        kind,
        model: root.opt_text("model")?.unwrap_or_default(),
        user: root.opt_text("user")?,
        input: OperationInput::Raw,
        raw: Some(RawBody {
            format: OperationFormatId::OpenAi,
            content_type: content_type.to_owned(),
            bytes,
        }),
        is_streaming: false,
        most: Usage::default(),
        likely: Usage::default(),
    })
}

/// Reads a client's form: a recording to be written down, or pictures to be edited.
///
/// # Errors
/// [`Kind::UnsupportedMediaType`] for a body that is no form, [`Kind::InvalidRequest`] naming the part.
pub fn read_form(kind: OperationKind, content_type: &str, body: &Bytes) -> Result<Operation> {
    let parts = form::parts(content_type, body)?;
    let text = |name: &str| {
        let part = parts.iter().find(|part| part.name == name && part.file_name.is_none());
        part.map(form::Part::text).filter(|text| !text.is_empty())
    };
    let is_file = |part: &&form::Part, name: &str| {
        part.name.strip_suffix("[]").unwrap_or(&part.name) == name && !part.bytes.is_empty()
    };
    let (most, likely) = if kind == OperationKind::ImageEdits {
        let given = parts.iter().filter(|part| is_file(part, "image")).count() as u64;
        if given == 0 {
            return Err(missing("image"));
        }
        let wanted = text("n").map_or(Some(1), |n| n.parse::<u64>().ok());
        let wanted = wanted
            .ok_or_else(|| gw_core::Error::bad_field("n", "`n` must be a whole number from 1"))?;
        check_count(wanted)?;
        size::pictures(text("prompt").ok_or_else(|| missing("prompt"))?, wanted, given)
    } else {
        let file = parts.iter().find(|part| is_file(part, "file"));
        size::sound(&file.ok_or_else(|| missing("file"))?.bytes)
    };
    Ok(Operation {
        kind,
        model: text("model").unwrap_or_default().to_owned(),
        user: text("user").map(str::to_owned),
        input: OperationInput::Raw,
        is_streaming: text("stream") == Some("true"),
        raw: Some(RawBody {
            format: OperationFormatId::OpenAi,
            content_type: content_type.to_owned(),
            bytes: body.clone(),
        }),
        most,
        likely,
    })
}

fn missing(name: &str) -> gw_core::Error {
    gw_core::Error::bad_field(name, format!("`{name}` is required"))
}

fn check_count(wanted: u64) -> Result<()> {
    if (1..=PICTURES_MAX).contains(&wanted) {
        return Ok(());
    }
    let message = format!("`n` must be between 1 and {PICTURES_MAX}");
    Err(gw_core::Error::new(Kind::InvalidRequest, message).with_field("n"))
}

/// Seconds heard, begun ones included.
pub(super) fn heard(seconds: f64) -> UsageReport {
    // A day is longer than any recording that is taken.
    let whole = seconds.clamp(0.0, 86_400.0).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped and rounded above"
    )]
    let second = whole as u64;
    UsageReport { usage: Usage { second, ..Usage::default() }, ..UsageReport::default() }
}

/// An answer that is no JSON: a text, or subtitles, whose last line says how long it was.
pub(super) fn plain_answer(operation: &Operation, body: &Bytes) -> Option<OperationReply> {
    let is_heard =
        matches!(operation.kind, OperationKind::Transcriptions | OperationKind::Translations);
    if !is_heard || body.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let text = String::from_utf8_lossy(body);
    let usage = text.lines().rev().find_map(end_of_subtitle).map(heard);
    Some(OperationReply { output: OperationOutput::Raw, usage, model: String::new() })
}

/// `00:00:01,500 --> 00:00:04,000` in seconds, of its end.
fn end_of_subtitle(line: &str) -> Option<f64> {
    let (_, end) = line.split_once("-->")?;
    let end = end.split_whitespace().next()?.replace(',', ".");
    end.split(':').try_fold(0.0, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))
}
