//! The content of a message or of a tool's output: a string or an array of parts.

use gw_core::Result;
use gw_core::chat::{Part, Source};
use serde_json::json;

use crate::json::Node;
use crate::openai_chat::request::content::{data_url, image_source, media_type_of, not_base64};
use crate::openai_responses::{ID, citations};

/// Reads content; an empty string is no part at all. `role` is the speaker, for parts that only this
/// format has: they are kept as a message of their own.
pub(super) fn decode_content(content: &Node<'_>, role: &str) -> Result<Vec<Part>> {
    if let Some(text) = content.value().as_str() {
        return Ok(if text.is_empty() { Vec::new() } else { vec![Part::text(text)] });
    }
    if !content.value().is_array() {
        return Err(content.must_be("a string or an array of parts"));
    }
    content.items()?.map(|part| decode_part(&part, role)).collect()
}

fn decode_part(part: &Node<'_>, role: &str) -> Result<Part> {
    part.object()?;
    match part.require("type")?.text()? {
        "input_text" | "output_text" | "text" => decode_text(part),
        "input_image" => decode_image(part),
        "input_file" => decode_file(part),
        "input_audio" => {
            let audio = part.require("input_audio")?;
            audio.object()?;
            Ok(Part::Audio {
                data: audio.require_text("data")?,
                format: audio.require_text("format")?,
            })
        }
        "refusal" => Ok(Part::Refusal { text: part.require_text("refusal")? }),
        _ => {
            let value = json!({ "type": "message", "role": role, "content": [part.value()] });
            Ok(Part::Opaque { dialect: ID, value })
        }
    }
}

fn decode_text(part: &Node<'_>) -> Result<Part> {
    let citations = match part.get("annotations") {
        Some(list) => list.items()?.filter_map(|item| citations::decode(item.value())).collect(),
        None => Vec::new(),
    };
    Ok(Part::Text { text: part.require_text("text")?, citations, cache: None })
}

fn decode_image(part: &Node<'_>) -> Result<Part> {
    let source = match (part.get("image_url"), part.opt_text("file_id")?) {
        // Chat clients' objects are let through: the address is what is meant.
        (Some(url), _) if url.value().is_object() => image_source(&url.require("url")?)?,
        (Some(url), _) => image_source(&url)?,
        (None, Some(id)) => Source::File { id },
        (None, None) => return Err(part.invalid("must hold `image_url` or `file_id`")),
    };
    Ok(Part::Image { source, detail: part.opt_text("detail")?, cache: None })
}

fn decode_file(part: &Node<'_>) -> Result<Part> {
    let title = part.opt_text("filename")?;
    let source = if let Some(data) = part.get("file_data") {
        let text = data.text()?;
        match data_url(text) {
            Some(Some((media_type, data))) => Source::Base64 { media_type, data },
            Some(None) => return Err(not_base64(&data)),
            None => Source::Base64 {
                media_type: media_type_of(title.as_deref()).to_owned(),
                data: text.to_owned(),
            },
        }
    } else if let Some(url) = part.opt_text("file_url")? {
        Source::Url { url }
    } else if let Some(id) = part.opt_text("file_id")? {
        Source::File { id }
    } else {
        return Err(part.invalid("must hold `file_data`, `file_url` or `file_id`"));
    };
    Ok(Part::Document { source, title, context: None, citations: false, cache: None })
}
