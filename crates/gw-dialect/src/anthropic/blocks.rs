//! Content blocks: each kind read into a canonical part and written back. Used by requests and
//! replies alike; blocks that have no canonical form are carried as they came.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gw_core::Result;
use gw_core::chat::{CacheMark, Part, Source};
use serde_json::{Map, Value, json};

use super::ID;
use crate::json::Node;

pub(super) use crate::arguments::{read as read_arguments, write as write_arguments};

/// Reads what may be a string or an array of blocks.
pub(super) fn read_content(node: &Node<'_>) -> Result<Vec<Part>> {
    if let Some(text) = node.value().as_str() {
        return Ok(vec![Part::text(text)]);
    }
    if !node.value().is_array() {
        return Err(node.must_be("a string or an array of content blocks"));
    }
    node.items()?.map(|block| read_block(&block)).collect()
}

/// Reads one block.
pub(super) fn read_block(block: &Node<'_>) -> Result<Part> {
    block.object()?;
    let cache = read_cache(block)?;
    let part = match block.require("type")?.text()? {
        "text" => Part::Text {
            text: block.require_text("text")?,
            citations: match block.get("citations") {
                Some(citations) => citations.items()?.map(|item| item.value().clone()).collect(),
                None => Vec::new(),
            },
            cache,
        },
        "image" => match read_source(block)? {
            Some(source) => Part::Image { source, detail: None, cache },
            None => opaque(block),
        },
        "document" => match read_source(block)? {
            Some(source) => Part::Document {
                source,
                title: block.opt_text("title")?,
                context: block.opt_text("context")?,
                citations: match block.get("citations") {
                    Some(citations) => citations.opt_boolean("enabled")?.unwrap_or(false),
                    None => false,
                },
                cache,
            },
            None => opaque(block),
        },
        "thinking" => Part::Thinking {
            text: block.opt_text("thinking")?.unwrap_or_default(),
            signature: block.opt_text("signature")?.filter(|signature| !signature.is_empty()),
        },
        "redacted_thinking" => Part::RedactedThinking { data: block.require_text("data")? },
        "tool_use" => Part::ToolCall {
            id: block.require_text("id")?,
            name: block.require_text("name")?,
            arguments: block
                .get("input")
                .map_or_else(|| "{}".to_owned(), |input| read_arguments(input.value())),
            cache,
        },
        "tool_result" => Part::ToolResult {
            call_id: block.require_text("tool_use_id")?,
            parts: match block.get("content") {
                Some(content) => read_content(&content)?,
                None => Vec::new(),
            },
            is_error: block.opt_boolean("is_error")?.unwrap_or(false),
            cache,
        },
        _ => opaque(block),
    };
    Ok(part)
}

/// A block kept as it came.
pub(super) fn opaque(block: &Node<'_>) -> Part {
    Part::Opaque { dialect: ID, value: block.value().clone() }
}

/// The prompt-cache mark of a block or a tool.
pub(super) fn read_cache(node: &Node<'_>) -> Result<Option<CacheMark>> {
    let Some(mark) = node.get("cache_control") else { return Ok(None) };
    mark.object()?;
    Ok(Some(CacheMark { ttl: mark.opt_text("ttl")? }))
}

/// The source of an image or a document; `None` for a form that is not known here.
fn read_source(block: &Node<'_>) -> Result<Option<Source>> {
    let source = block.require("source")?;
    source.object()?;
    Ok(Some(match source.require("type")?.text()? {
        "base64" => Source::Base64 {
            media_type: source.require_text("media_type")?,
            data: source.require_text("data")?,
        },
        "url" => Source::Url { url: source.require_text("url")? },
        "file" => Source::File { id: source.require_text("file_id")? },
        "text" => Source::Text { text: source.require_text("data")? },
        "content" => Source::Parts { parts: read_content(&source.require("content")?)? },
        _ => return Ok(None),
    }))
}

/// A block with its cache mark.
pub(super) fn with_cache(mut block: Value, cache: Option<&CacheMark>) -> Value {
    if let (Some(mark), Some(block)) = (cache, block.as_object_mut()) {
        block.insert("cache_control".to_owned(), write_cache(mark));
    }
    block
}

/// A cache mark.
pub(super) fn write_cache(mark: &CacheMark) -> Value {
    match &mark.ttl {
        Some(ttl) => json!({"type": "ephemeral", "ttl": ttl}),
        None => json!({"type": "ephemeral"}),
    }
}

/// A text block. Citations in another dialect's words are left out.
pub(super) fn write_text(text: &str, citations: &[Value]) -> Value {
    let mut block = Map::new();
    block.insert("type".to_owned(), Value::from("text"));
    block.insert("text".to_owned(), Value::from(text));
    let own: Vec<Value> =
        citations.iter().filter(|value| is_own_citation(value)).cloned().collect();
    if !own.is_empty() {
        block.insert("citations".to_owned(), Value::Array(own));
    }
    Value::Object(block)
}

/// True for a citation of this format: its types are `char_location`, `web_search_result_location`
/// and the like.
pub(super) fn is_own_citation(citation: &Value) -> bool {
    citation["type"].as_str().is_some_and(|kind| kind.ends_with("_location"))
}

/// An image block, or `None` for a source that an image cannot have.
pub(super) fn write_image(source: &Source) -> Option<Value> {
    let source = match source {
        Source::Base64 { media_type, data } => {
            json!({"type": "base64", "media_type": media_type, "data": data})
        }
        Source::Url { url } => match split_data_url(url) {
            Some((media_type, data)) => {
                json!({"type": "base64", "media_type": media_type, "data": data})
            }
            None => json!({"type": "url", "url": url}),
        },
        Source::File { id } => json!({"type": "file", "file_id": id}),
        Source::Text { .. } | Source::Parts { .. } => return None,
    };
    Some(json!({"type": "image", "source": source}))
}

/// The source of a document. Text given as base64 is written as text: the format takes only PDFs
/// as base64. `parts` writes nested parts.
pub(super) fn write_document_source(
    source: &Source,
    parts: impl FnOnce(&[Part]) -> Result<Vec<Value>>,
) -> Result<Value> {
    Ok(match source {
        Source::Base64 { media_type, data } => write_inline_document(media_type, data),
        Source::Url { url } => match split_data_url(url) {
            Some((media_type, data)) => write_inline_document(media_type, data),
            None => json!({"type": "url", "url": url}),
        },
        Source::File { id } => json!({"type": "file", "file_id": id}),
        Source::Text { text } => json!({"type": "text", "media_type": "text/plain", "data": text}),
        Source::Parts { parts: nested } => json!({"type": "content", "content": parts(nested)?}),
    })
}

fn write_inline_document(media_type: &str, data: &str) -> Value {
    let is_text = media_type.starts_with("text/") || media_type == "application/json";
    let text = || String::from_utf8(BASE64.decode(data).ok()?).ok();
    match is_text.then(text).flatten() {
        Some(text) => json!({"type": "text", "media_type": "text/plain", "data": text}),
        None => json!({"type": "base64", "media_type": media_type, "data": data}),
    }
}

/// `data:image/png;base64,AAAA` as media type and data.
fn split_data_url(url: &str) -> Option<(&str, &str)> {
    url.strip_prefix("data:")?.split_once(";base64,")
}

/// An id in the alphabet that `tool_use` ids must keep to: `^[a-zA-Z0-9_-]+$`.
pub(super) fn plain_id(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
    id.chars().map(plain).collect()
}
