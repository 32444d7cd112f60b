//! Canonical parts as content parts for a provider.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gw_core::chat::{CacheMark, Part, Source};
use gw_core::seam::{DialectId, Quirks};
use gw_core::{Error, Kind, Result};
use serde_json::{Value, json};

use super::notices::Notices;

/// What stands before the words of a tool that failed: the format has no field for it.
const FAILURE: &str = "Error: ";

/// Writes the parts of one turn.
pub(super) struct PartWriter<'a> {
    /// The provider's departures.
    pub(super) quirks: &'a Quirks,
    /// What could not be said.
    pub(super) notices: &'a mut Notices,
    /// The turn's place, for errors and notices.
    pub(super) place: usize,
    /// The part's place in its turn.
    pub(super) part: usize,
}

impl PartWriter<'_> {
    /// Writes all parts.
    pub(super) fn content(&mut self, parts: &[Part]) -> Result<Vec<Value>> {
        let mut wire = Vec::with_capacity(parts.len());
        for (place, part) in parts.iter().enumerate() {
            self.part = place;
            self.push_part(part, &mut wire)?;
        }
        Ok(wire)
    }

    /// Writes a part: one content part, several, or none.
    pub(super) fn push_part(&mut self, part: &Part, wire: &mut Vec<Value>) -> Result<()> {
        match part {
            Part::Text { text, cache, .. } => {
                let piece = json!({ "type": "text", "text": text });
                wire.push(self.marked(piece, cache.as_ref()));
            }
            Part::Image { source, detail, cache } => {
                let piece = self.image(source, detail.as_deref())?;
                wire.push(self.marked(piece, cache.as_ref()));
            }
            Part::Document { source, title, context, citations, cache } => {
                if *citations {
                    self.notices.dropped("citations", "documents cannot be cited here");
                }
                let about = [title.as_deref(), context.as_deref()];
                let before = wire.len();
                self.push_document(source, about, wire)?;
                if let Some(last) = wire.get_mut(before..).and_then(<[Value]>::last_mut) {
                    *last = self.marked(last.take(), cache.as_ref());
                }
            }
            Part::Audio { data, format } => wire.push(
                json!({ "type": "input_audio", "input_audio": { "data": data, "format": format } }),
            ),
            Part::Refusal { text } => wire.push(json!({ "type": "text", "text": text })),
            Part::Opaque { dialect: DialectId::OpenAiChat, value } => wire.push(value.clone()),
            Part::Opaque { value, .. } => wire.extend(self.foreign(value)),
            Part::Thinking { .. } | Part::RedactedThinking { .. } => {
                self.notices.dropped("thinking", "only turns of the assistant hold thoughts");
            }
            Part::ToolCall { .. } | Part::ToolResult { .. } => {
                self.notices.dropped("tool_use", "only turns of their own hold calls and results");
            }
        }
        Ok(())
    }

    /// The content of a tool message, and the parts that have to follow in a user message.
    pub(super) fn result(
        &mut self,
        call_id: &str,
        parts: &[Part],
        is_error: bool,
        cache: Option<&CacheMark>,
    ) -> Result<(Value, Vec<Value>)> {
        let mut pieces = Vec::with_capacity(parts.len());
        for part in parts {
            self.push_part(part, &mut pieces)?;
        }
        let (texts, moved): (Vec<Value>, Vec<Value>) =
            pieces.into_iter().partition(|piece| piece["type"] == "text");
        let texts: Vec<&str> = texts.iter().filter_map(|piece| piece["text"].as_str()).collect();
        let mut text = texts.join("\n");
        let mut following = Vec::new();
        if !moved.is_empty() {
            self.notices.emulated(
                "tool_result",
                "pictures and files of a tool result follow it in a user message",
            );
            if text.is_empty() {
                "See the attachments in the next message.".clone_into(&mut text);
            }
            let heading = format!("Attachments of the result of tool call {call_id}:");
            following.push(json!({ "type": "text", "text": heading }));
            following.extend(moved);
        }
        if is_error {
            let detail = "a result that is an error begins with `Error:`";
            self.notices.emulated("tool_result", detail);
            if !text.starts_with(FAILURE) {
                text.insert_str(0, FAILURE);
            }
        }
        let content = match cache_control(cache, self.quirks, self.notices) {
            Some(mark) => json!([{ "type": "text", "text": text, "cache_control": mark }]),
            None => json!(text),
        };
        Ok((content, following))
    }

    /// A part of another dialect: its words where it has any, else nothing.
    fn foreign(&mut self, value: &Value) -> Option<Value> {
        let place = self.place;
        if let Some(text) = words_of(value) {
            let kind = value["type"].as_str().unwrap_or("part");
            self.notices.emulated(&format!("messages[{place}].{kind}"), "it was written as text");
            return Some(json!({ "type": "text", "text": text }));
        }
        let detail = "only the provider that made this part can read it";
        self.notices.dropped(&format!("messages[{place}].parts[{}]", self.part), detail);
        None
    }

    fn marked(&mut self, mut piece: Value, cache: Option<&CacheMark>) -> Value {
        if let Some(mark) = cache_control(cache, self.quirks, self.notices)
            && let Some(object) = piece.as_object_mut()
        {
            object.insert("cache_control".to_owned(), mark);
        }
        piece
    }

    fn image(&self, source: &Source, detail: Option<&str>) -> Result<Value> {
        let url = match source {
            Source::Base64 { media_type, data } => format!("data:{media_type};base64,{data}"),
            Source::Url { url } => url.clone(),
            Source::File { .. } | Source::Text { .. } | Source::Parts { .. } => {
                return Err(self.unsupported(
                    "is an image that was uploaded to another provider",
                    "Send the image inline or by address",
                ));
            }
        };
        let mut image = json!({ "url": url });
        if let Some(detail) = detail {
            image["detail"] = json!(detail);
        }
        Ok(json!({ "type": "image_url", "image_url": image }))
    }

    fn push_document(
        &mut self,
        source: &Source,
        about: [Option<&str>; 2],
        wire: &mut Vec<Value>,
    ) -> Result<()> {
        let [title, context] = about;
        let is_text = match source {
            Source::Base64 { media_type, .. } => media_type.starts_with("text/"),
            Source::Text { .. } | Source::Parts { .. } => true,
            Source::Url { .. } | Source::File { .. } => false,
        };
        if is_text {
            let feature = format!("messages[{}].document", self.place);
            self.notices
                .emulated(&feature, "a text document was written as text, its title above it");
        }
        match source {
            Source::Base64 { media_type, data } if media_type.starts_with("text/") => {
                let text = STANDARD.decode(data).ok().and_then(|text| String::from_utf8(text).ok());
                let Some(text) = text else {
                    let problem = "is a text document whose base64 data cannot be read";
                    return Err(self.unsupported(problem, "Send the document as plain text"));
                };
                wire.push(text_document(about, &text));
            }
            Source::Base64 { media_type, data } => {
                push_context(context, wire);
                let name = title.unwrap_or("document.pdf");
                let data = format!("data:{media_type};base64,{data}");
                wire.push(
                    json!({ "type": "file", "file": { "filename": name, "file_data": data } }),
                );
            }
            // OpenRouter alone fetches documents for this format.
            Source::Url { url } if self.quirks.reasoning_object => {
                push_context(context, wire);
                let name = title.unwrap_or("document.pdf");
                wire.push(
                    json!({ "type": "file", "file": { "filename": name, "file_data": url } }),
                );
            }
            Source::Url { .. } => {
                return Err(self.unsupported(
                    "is a document by address, which this provider does not fetch",
                    "Send the document inline as base64",
                ));
            }
            Source::File { id } => {
                push_context(context, wire);
                wire.push(json!({ "type": "file", "file": { "file_id": id } }));
            }
            Source::Text { text } => wire.push(text_document(about, text)),
            Source::Parts { parts } => {
                let heading = heading(about);
                if !heading.is_empty() {
                    wire.push(json!({ "type": "text", "text": heading }));
                }
                for part in parts {
                    self.push_part(part, wire)?;
                }
            }
        }
        Ok(())
    }

    fn unsupported(&self, problem: &str, hint: &str) -> Error {
        let field = format!("messages[{}]", self.place);
        Error::new(Kind::UnsupportedFeature, format!("a part of `{field}` {problem}"))
            .with_field(field)
            .with_hint(hint)
    }
}

/// What a block such as Anthropic's `search_result` says: title, source and the texts it holds.
fn words_of(value: &Value) -> Option<String> {
    let texts: Vec<&str> =
        value["content"].as_array()?.iter().filter_map(|piece| piece["text"].as_str()).collect();
    if texts.is_empty() {
        return None;
    }
    let heading = heading([value["title"].as_str(), value["source"].as_str()]);
    let text = texts.join("\n");
    Some(if heading.is_empty() { text } else { format!("{heading}\n\n{text}") })
}

fn heading(about: [Option<&str>; 2]) -> String {
    let lines: Vec<&str> = about.into_iter().flatten().filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

fn text_document(about: [Option<&str>; 2], text: &str) -> Value {
    let heading = heading(about);
    let text = if heading.is_empty() { text.to_owned() } else { format!("{heading}\n\n{text}") };
    json!({ "type": "text", "text": text })
}

fn push_context(context: Option<&str>, wire: &mut Vec<Value>) {
    if let Some(context) = context.filter(|context| !context.is_empty()) {
        wire.push(json!({ "type": "text", "text": context }));
    }
}

/// A cache mark as `cache_control`, where the provider knows it.
pub(super) fn cache_control(
    cache: Option<&CacheMark>,
    quirks: &Quirks,
    notices: &mut Notices,
) -> Option<Value> {
    let mark = cache?;
    if !quirks.cache_control {
        notices.dropped("cache_control", "the provider caches by itself or not at all");
        return None;
    }
    Some(match &mark.ttl {
        Some(ttl) => json!({ "type": "ephemeral", "ttl": ttl }),
        None => json!({ "type": "ephemeral" }),
    })
}

/// Content as a string where it is one plain text, else as it is; nothing is the empty string.
pub(super) fn collapse(mut content: Vec<Value>) -> Value {
    let is_plain = |piece: &Value| piece["type"] == "text" && piece.get("cache_control").is_none();
    match content.as_mut_slice() {
        [] => json!(""),
        [only] if is_plain(only) => only["text"].take(),
        _ => Value::Array(content),
    }
}
