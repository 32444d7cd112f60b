//! Content blocks: each kind read into a canonical part and written back. Used by requests and
//! answers alike; blocks that have no canonical form are carried as they came.

use gw_core::Result;
use gw_core::chat::{CacheMark, Part, Source};
use serde_json::{Map, Value, json};

use super::ID;
use crate::arguments;
use crate::json::Node;

/// Reads the blocks of a turn. A cache point belongs to the part before it.
pub(super) fn read_content(node: &Node<'_>) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for block in node.items()? {
        block.object()?;
        match block.get("cachePoint") {
            Some(point) => mark_last(&mut parts, read_cache(&point)?, block.value()),
            None => parts.push(read_block(&block)?),
        }
    }
    Ok(parts)
}

/// Reads a cache point.
pub(super) fn read_cache(point: &Node<'_>) -> Result<CacheMark> {
    point.object()?;
    Ok(CacheMark { ttl: point.opt_text("ttl")? })
}

fn mark_last(parts: &mut Vec<Part>, mark: CacheMark, block: &Value) {
    match parts.last_mut().and_then(cache_slot) {
        Some(slot) => *slot = Some(mark),
        None => parts.push(Part::Opaque { dialect: ID, value: block.clone() }),
    }
}

fn cache_slot(part: &mut Part) -> Option<&mut Option<CacheMark>> {
    match part {
        Part::Text { cache, .. }
        | Part::Image { cache, .. }
        | Part::Document { cache, .. }
        | Part::ToolCall { cache, .. }
        | Part::ToolResult { cache, .. } => Some(cache),
        _ => None,
    }
}

/// The cache mark of a part.
pub(super) fn cache_of(part: &Part) -> Option<&CacheMark> {
    match part {
        Part::Text { cache, .. }
        | Part::Image { cache, .. }
        | Part::Document { cache, .. }
        | Part::ToolCall { cache, .. }
        | Part::ToolResult { cache, .. } => cache.as_ref(),
        _ => None,
    }
}

/// A cache point.
pub(super) fn write_cache(mark: &CacheMark) -> Value {
    match &mark.ttl {
        Some(ttl) => json!({"cachePoint": {"type": "default", "ttl": ttl}}),
        None => json!({"cachePoint": {"type": "default"}}),
    }
}

fn read_block(block: &Node<'_>) -> Result<Part> {
    if let Some(text) = block.get("text") {
        return Ok(Part::text(text.text()?));
    }
    if let Some(image) = block.get("image") {
        return read_image(&image, block.value());
    }
    if let Some(document) = block.get("document") {
        return read_document(&document, block.value());
    }
    if let Some(call) = block.get("toolUse") {
        return read_call(&call, block.value());
    }
    if let Some(result) = block.get("toolResult") {
        return read_result(&result, block.value());
    }
    if let Some(thought) = block.get("reasoningContent") {
        return read_thought(&thought, block.value());
    }
    if let Some(cited) = block.get("citationsContent") {
        return read_cited(&cited);
    }
    if let Some(value) = block.get("json") {
        return Ok(Part::text(value.value().to_string()));
    }
    Ok(opaque(block.value()))
}

fn opaque(value: &Value) -> Part {
    Part::Opaque { dialect: ID, value: value.clone() }
}

fn read_image(image: &Node<'_>, block: &Value) -> Result<Part> {
    let Some(bytes) = image.require("source")?.opt_text("bytes")? else { return Ok(opaque(block)) };
    let format = image.require_text("format")?;
    let source = Source::Base64 { media_type: format!("image/{format}"), data: bytes };
    Ok(Part::Image { source, detail: None, cache: None })
}

fn read_document(document: &Node<'_>, block: &Value) -> Result<Part> {
    let source = document.require("source")?;
    let format = document.opt_text("format")?.unwrap_or_else(|| "txt".to_owned());
    let source = if let Some(data) = source.opt_text("bytes")? {
        Source::Base64 { media_type: media_type(&format).to_owned(), data }
    } else if let Some(text) = source.opt_text("text")? {
        Source::Text { text }
    } else if let Some(content) = source.get("content") {
        Source::Parts { parts: read_content(&content)? }
    } else {
        return Ok(opaque(block));
    };
    let citations = match document.get("citations") {
        Some(citations) => citations.opt_boolean("enabled")?.unwrap_or(false),
        None => false,
    };
    Ok(Part::Document {
        source,
        title: document.opt_text("name")?,
        context: document.opt_text("context")?,
        citations,
        cache: None,
    })
}

/// Formats of documents and their media types.
const FORMATS: [(&str, &str); 9] = [
    ("pdf", "application/pdf"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
];

fn media_type(format: &str) -> &str {
    FORMATS.iter().find(|(known, _)| *known == format).map_or("text/plain", |(_, kind)| kind)
}

/// The format of a media type; `None` for one that the API does not take.
pub(super) fn format_of(media_type: &str) -> Option<&'static str> {
    let plain = media_type.split(';').next().unwrap_or_default().trim();
    let known = FORMATS.iter().find(|(_, kind)| *kind == plain).map(|(format, _)| *format);
    let is_text = plain.starts_with("text/") || plain == "application/json";
    known.or(is_text.then_some("txt"))
}

fn read_call(call: &Node<'_>, block: &Value) -> Result<Part> {
    // What the provider runs itself is no call for the client.
    if call.value()["type"] == "server_tool_use" {
        return Ok(opaque(block));
    }
    let input = call.get("input");
    Ok(Part::ToolCall {
        id: call.require_text("toolUseId")?,
        name: call.require_text("name")?,
        arguments: input.map_or_else(|| "{}".to_owned(), |input| arguments::read(input.value())),
        cache: None,
    })
}

fn read_result(result: &Node<'_>, block: &Value) -> Result<Part> {
    if result.get("type").is_some() {
        return Ok(opaque(block));
    }
    let parts = result.get("content").map(|content| read_content(&content)).transpose()?;
    Ok(Part::ToolResult {
        call_id: result.require_text("toolUseId")?,
        parts: parts.unwrap_or_default(),
        is_error: result.opt_text("status")?.as_deref() == Some("error"),
        cache: None,
    })
}

fn read_thought(thought: &Node<'_>, block: &Value) -> Result<Part> {
    if let Some(text) = thought.get("reasoningText") {
        return Ok(Part::Thinking {
            text: text.opt_text("text")?.unwrap_or_default(),
            signature: text.opt_text("signature")?.filter(|it| !it.is_empty()),
        });
    }
    let sealed = thought.opt_text("redactedContent")?;
    Ok(sealed.map_or_else(|| opaque(block), |data| Part::RedactedThinking { data }))
}

fn read_cited(cited: &Node<'_>) -> Result<Part> {
    let mut text = String::new();
    if let Some(content) = cited.get("content") {
        for piece in content.items()? {
            text.push_str(&piece.opt_text("text")?.unwrap_or_default());
        }
    }
    let citations = match cited.get("citations") {
        Some(citations) => citations.items()?.map(|it| it.value().clone()).collect(),
        None => Vec::new(),
    };
    Ok(Part::Text { text, citations, cache: None })
}

/// True for a citation of this format.
pub(super) fn is_own_citation(citation: &Value) -> bool {
    citation["location"].is_object() && citation["type"].is_null()
}

/// A text, with its citations in this format.
pub(super) fn write_text(text: &str, citations: &[Value]) -> Value {
    let own: Vec<Value> = citations.iter().filter_map(write_citation).collect();
    if own.is_empty() {
        return json!({ "text": text });
    }
    json!({"citationsContent": {"content": [{"text": text}], "citations": own}})
}

/// A citation in this format's shape; `None` for one that it has no shape for.
pub(super) fn write_citation(citation: &Value) -> Option<Value> {
    if is_own_citation(citation) {
        return Some(citation.clone());
    }
    let web = crate::citations::web(citation)?;
    Some(json!({"title": web["title"], "location": {"web": {"url": web["url"]}}}))
}

/// A call.
pub(super) fn write_call(id: &str, name: &str, arguments: &str) -> Value {
    json!({"toolUse": {"toolUseId": id, "name": name, "input": arguments::write(arguments)}})
}

/// A thought.
pub(super) fn write_thought(text: &str, signature: Option<&str>) -> Value {
    let mut thought = Map::new();
    thought.insert("text".to_owned(), Value::from(text));
    if let Some(signature) = signature {
        thought.insert("signature".to_owned(), Value::from(signature));
    }
    json!({"reasoningContent": {"reasoningText": thought}})
}

/// The name of a document as the API takes it: letters, digits, single blanks, `-`, `(`, `)`, `[`,
/// `]`.
pub(super) fn document_name(title: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-()[]".contains(c) { c } else { ' ' };
    let name: String = title.chars().map(plain).collect();
    let name = name.split_whitespace().collect::<Vec<&str>>().join(" ");
    if name.is_empty() { "document".to_owned() } else { name }
}
