//! The content of one message: a string or an array of parts.

use gw_core::chat::{CacheMark, Part, Source};
use gw_core::seam::DialectId;
use gw_core::{Error, Result};

use crate::json::Node;
use crate::openai_chat::response::thinking_text;

/// Reads content; an empty string is no part at all.
pub(super) fn decode_content(content: &Node<'_>) -> Result<Vec<Part>> {
    if let Some(text) = content.value().as_str() {
        return Ok(if text.is_empty() { Vec::new() } else { vec![Part::text(text)] });
    }
    if !content.value().is_array() {
        return Err(content.must_be("a string or an array of parts"));
    }
    content.items()?.map(|part| decode_part(&part)).collect()
}

fn decode_part(part: &Node<'_>) -> Result<Part> {
    part.object()?;
    match part.require("type")?.text()? {
        "text" => Ok(Part::Text {
            text: part.require_text("text")?,
            citations: Vec::new(),
            cache: cache_mark(part)?,
        }),
        "image_url" => decode_image(part),
        "input_audio" => {
            let audio = part.require("input_audio")?;
            audio.object()?;
            Ok(Part::Audio {
                data: audio.require_text("data")?,
                format: audio.require_text("format")?,
            })
        }
        "file" => decode_file(part),
        "refusal" => Ok(Part::Refusal { text: part.require_text("refusal")? }),
        "thinking" => Ok(Part::Thinking {
            text: thinking_text(part.object()?),
            signature: part.opt_text("signature")?,
        }),
        // Servers have parts of their own (`video_url`, `document_url`, `file_url`): theirs to judge.
        _ => Ok(Part::Opaque { dialect: DialectId::OpenAiChat, value: part.value().clone() }),
    }
}

fn decode_image(part: &Node<'_>) -> Result<Part> {
    let image = part.require("image_url")?;
    // Mistral takes the address itself in place of the object.
    let (source, detail) = if image.value().is_string() {
        (image_source(&image)?, None)
    } else if image.value().is_object() {
        (image_source(&image.require("url")?)?, image.opt_text("detail")?)
    } else {
        return Err(image.must_be("an object with a `url`"));
    };
    Ok(Part::Image { source, detail, cache: cache_mark(part)? })
}

pub(crate) fn image_source(url: &Node<'_>) -> Result<Source> {
    let text = url.text()?;
    if text.is_empty() {
        return Err(url.invalid("must not be empty"));
    }
    match data_url(text) {
        Some(Some((media_type, data))) => Ok(Source::Base64 { media_type, data }),
        Some(None) => Err(not_base64(url)),
        None => Ok(Source::Url { url: text.to_owned() }),
    }
}

pub(crate) fn not_base64(node: &Node<'_>) -> Error {
    node.invalid("is a data URL without base64 data")
        .with_hint("Write it as `data:image/png;base64,…` or give an https address")
}

fn decode_file(part: &Node<'_>) -> Result<Part> {
    let file = part.require("file")?;
    file.object()?;
    let title = file.opt_text("filename")?;
    let source = if let Some(data) = file.get("file_data") {
        let text = data.text()?;
        match data_url(text) {
            Some(Some((media_type, data))) => Source::Base64 { media_type, data },
            Some(None) => return Err(not_base64(&data)),
            None if text.contains("://") => Source::Url { url: text.to_owned() },
            None => Source::Base64 {
                media_type: media_type_of(title.as_deref()).to_owned(),
                data: text.to_owned(),
            },
        }
    } else if let Some(id) = file.opt_text("file_id")? {
        Source::File { id }
    } else {
        return Err(file.invalid("must hold `file_data` or `file_id`"));
    };
    let cache = cache_mark(part)?;
    Ok(Part::Document { source, title, context: None, citations: false, cache })
}

/// The type that a bare base64 file has by its name; PDF is what the field is for.
pub(crate) fn media_type_of(name: Option<&str>) -> &'static str {
    let ending = name.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
    match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("txt") => "text/plain",
        Some("md") => "text/markdown",
        Some("csv") => "text/csv",
        Some("html") => "text/html",
        Some("json") => "application/json",
        _ => "application/pdf",
    }
}

/// Media type and data of a data URL (RFC 2397): `None` for other addresses, `Some(None)` for one
/// that is not base64.
pub(crate) fn data_url(url: &str) -> Option<Option<(String, String)>> {
    let scheme = url.get(..5)?;
    if !scheme.eq_ignore_ascii_case("data:") {
        return None;
    }
    let Some((head, data)) = url[5..].split_once(',') else { return Some(None) };
    let Some(media) = head.strip_suffix(";base64") else { return Some(None) };
    let media_type = media.split(';').next().filter(|media| !media.is_empty());
    let media_type = media_type.unwrap_or("application/octet-stream");
    Some(Some((media_type.to_owned(), data.to_owned())))
}

/// `cache_control`, as OpenRouter takes it over from Anthropic.
pub(super) fn cache_mark(node: &Node<'_>) -> Result<Option<CacheMark>> {
    let Some(mark) = node.get("cache_control") else { return Ok(None) };
    mark.object()?;
    Ok(Some(CacheMark { ttl: mark.opt_text("ttl")? }))
}
