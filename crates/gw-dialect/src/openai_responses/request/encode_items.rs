//! Canonical turns as input items for a provider. One turn becomes as many items as it has kinds of
//! things in it: thoughts, words, calls and outputs stand apart here, in the order of the parts.

use std::collections::HashSet;

use gw_core::chat::{CacheMark, Message, Part, Role, Source};
use gw_core::seam::Quirks;
use gw_core::{Error, Kind, Result};
use serde_json::{Map, Value, json};

use super::encode::CACHES_BY_ITSELF;
use crate::openai_chat::request::notices::Notices;
use crate::openai_responses::tool_names::{self, ToolNames};
use crate::openai_responses::{ID, citations, reasoning};
use crate::seal::{self, bare_call_id};

/// What stands before the words of a tool that failed: the format has no field for it.
const FAILURE: &str = "Error: ";

/// Writes items.
pub(super) struct ItemWriter<'a> {
    names: &'a ToolNames,
    quirks: &'a Quirks,
    notices: &'a mut Notices,
    items: Vec<Value>,
    /// Calls of custom tools, whose outputs have a type of their own.
    custom_calls: HashSet<String>,
    place: usize,
    part: usize,
}

/// What is collected of a turn before it becomes an item.
#[derive(Default)]
struct Draft<'p> {
    /// Content of a message.
    content: Vec<Value>,
    /// Thoughts: their places and words.
    thoughts: Vec<(usize, &'p str)>,
}

impl<'a> ItemWriter<'a> {
    /// Begins.
    pub(super) fn new(names: &'a ToolNames, quirks: &'a Quirks, notices: &'a mut Notices) -> Self {
        let (items, custom_calls) = (Vec::new(), HashSet::new());
        Self { names, quirks, notices, items, custom_calls, place: 0, part: 0 }
    }

    /// The items.
    pub(super) fn into_items(self) -> Vec<Value> {
        self.items
    }

    /// Writes one turn.
    pub(super) fn message(&mut self, place: usize, message: &Message) -> Result<()> {
        self.place = place;
        if message.name.is_some() {
            let feature = format!("messages[{place}].name");
            self.notices.dropped(&feature, "turns have no speaker's name here");
        }
        let role = match message.role {
            Role::System => "system",
            Role::Developer if self.quirks.developer_as_system => "system",
            Role::Developer => "developer",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let begin = self.items.len();
        let mut draft = Draft::default();
        for (place, part) in message.parts.iter().enumerate() {
            self.part = place;
            self.part(role, part, &mut draft)?;
        }
        self.flush(role, &mut draft, None);
        self.put_extra(message, begin);
        Ok(())
    }

    /// The dialect's own fields of the turn go to its message.
    fn put_extra(&mut self, message: &Message, begin: usize) {
        if message.extra.is_empty() {
            return;
        }
        let Some(own) = message.extra.for_dialect(ID) else {
            for key in message.extra.fields.keys() {
                let feature = format!("messages[].{key}");
                self.notices.dropped(&feature, "the field has no counterpart here");
            }
            return;
        };
        let home = self.items[begin..].iter_mut().find(|item| item["type"] == "message");
        if let Some(home) = home.and_then(Value::as_object_mut) {
            for (key, value) in own {
                home.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
    }

    fn part<'p>(&mut self, role: &str, part: &'p Part, draft: &mut Draft<'p>) -> Result<()> {
        match part {
            Part::Thinking { text, signature } => {
                self.flush_content(role, draft);
                draft.thoughts.push((self.part, text));
                if let Some(signature) = signature {
                    self.flush_thoughts(draft, Some(&Proven::Signed(signature)));
                }
            }
            Part::RedactedThinking { data } => {
                self.flush_content(role, draft);
                match reasoning::seal(data) {
                    Some(seal) => self.flush_thoughts(draft, Some(&Proven::Sealed(seal))),
                    None => {
                        self.flush_thoughts(draft, None);
                        self.foreign_seal(data);
                    }
                }
            }
            Part::ToolCall { id, name, arguments, cache } => {
                self.flush(role, draft, cache.as_ref());
                self.call(bare_call_id(id), name, arguments);
            }
            Part::ToolResult { call_id, parts, is_error, cache } => {
                self.flush(role, draft, cache.as_ref());
                self.result(bare_call_id(call_id), parts, *is_error)?;
            }
            Part::Opaque { dialect: ID, value } => {
                self.flush(role, draft, None);
                self.items.push(value.clone());
            }
            part => {
                self.flush_thoughts(draft, None);
                self.content(role, part, &mut draft.content)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, role: &str, draft: &mut Draft<'_>, cache: Option<&CacheMark>) {
        self.unmarked(cache);
        self.flush_thoughts(draft, None);
        self.flush_content(role, draft);
    }

    fn flush_content(&mut self, role: &str, draft: &mut Draft<'_>) {
        let mut content = std::mem::take(&mut draft.content);
        let content = match content.as_mut_slice() {
            [] => return,
            // The way most clients write it, and every server reads it.
            [only] if only["type"] == "input_text" => only["text"].take(),
            _ => Value::Array(content),
        };
        self.items.push(json!({ "type": "message", "role": role, "content": content }));
    }

    /// Collected thoughts as one item, if the provider takes them back.
    fn flush_thoughts(&mut self, draft: &mut Draft<'_>, proof: Option<&Proven<'_>>) {
        let thoughts = std::mem::take(&mut draft.thoughts);
        let texts: Vec<&str> =
            thoughts.iter().map(|(_, text)| *text).filter(|text| !text.is_empty()).collect();
        let mut item = reasoning::item(&texts);
        let takes_back = match proof {
            Some(Proven::Sealed(seal)) => {
                item.extend(seal.clone());
                true
            }
            Some(Proven::Signed(signature))
                if self.quirks.reasoning_details && !seal::is_foreign(ID, signature) =>
            {
                reasoning::sign(&mut item, signature);
                true
            }
            Some(Proven::Signed(_)) => false,
            None if texts.is_empty() => return,
            None => self.quirks.reasoning_details || !self.quirks.reasoning_field.is_empty(),
        };
        if takes_back {
            self.items.push(Value::Object(item));
            return;
        }
        for (part, _) in thoughts {
            let feature = format!("messages[{}].parts[{part}]", self.place);
            self.notices.dropped(&feature, "the provider takes back only thoughts of its own");
        }
    }

    /// A sealed thought of another provider.
    fn foreign_seal(&mut self, data: &str) {
        if self.quirks.reasoning_details && !seal::is_foreign(ID, data) {
            let mut item = reasoning::item(&[]);
            item.insert("encrypted_content".to_owned(), json!(data));
            item.insert("format".to_owned(), json!("anthropic-claude-v1"));
            self.items.push(Value::Object(item));
            return;
        }
        let feature = format!("messages[{}].parts[{}]", self.place, self.part);
        self.notices.dropped(&feature, "only the provider that made this thought can read it");
    }

    fn call(&mut self, id: &str, name: &str, arguments: &str) {
        let mut item = Map::new();
        if self.names.is_custom(name) {
            self.custom_calls.insert(id.to_owned());
            item.insert("type".to_owned(), json!("custom_tool_call"));
            item.insert("call_id".to_owned(), json!(id));
            item.insert("name".to_owned(), json!(name));
            item.insert("input".to_owned(), json!(tool_names::input_of_arguments(arguments)));
        } else {
            // Providers parse the text; a call without arguments has none.
            let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
            item.insert("type".to_owned(), json!("function_call"));
            item.insert("call_id".to_owned(), json!(id));
            self.names.put(name, &mut item);
            item.insert("arguments".to_owned(), json!(arguments));
        }
        self.items.push(Value::Object(item));
    }

    fn result(&mut self, call_id: &str, parts: &[Part], is_error: bool) -> Result<()> {
        let mut pieces = Vec::with_capacity(parts.len());
        for part in parts {
            self.content("user", part, &mut pieces)?;
        }
        if is_error {
            let detail = "a result that is an error begins with `Error:`";
            self.notices.emulated("tool_result", detail);
            fail(&mut pieces);
        }
        let output = match pieces.as_mut_slice() {
            [] => json!(""),
            [only] if only["type"] == "input_text" => only["text"].take(),
            _ => Value::Array(pieces),
        };
        let is_custom = self.custom_calls.contains(call_id);
        let kind = if is_custom { "custom_tool_call_output" } else { "function_call_output" };
        self.items.push(json!({ "type": kind, "call_id": call_id, "output": output }));
        Ok(())
    }

    /// Writes a part as content of a message or an output.
    fn content(&mut self, role: &str, part: &Part, wire: &mut Vec<Value>) -> Result<()> {
        let is_said = role == "assistant";
        match part {
            Part::Text { text, citations, cache } => {
                self.unmarked(cache.as_ref());
                if is_said && !text.is_empty() {
                    let notes: Vec<Value> =
                        citations.iter().filter_map(citations::encode).collect();
                    if notes.len() < citations.len() {
                        let feature =
                            format!("messages[{}].parts[{}].citations", self.place, self.part);
                        let detail = "citations of another format cannot be sent back";
                        self.notices.dropped(&feature, detail);
                    }
                    wire.push(json!({ "type": "output_text", "text": text, "annotations": notes }));
                } else if !is_said {
                    wire.push(json!({ "type": "input_text", "text": text }));
                }
            }
            Part::Refusal { text } if is_said => {
                wire.push(json!({ "type": "refusal", "refusal": text }));
            }
            Part::Refusal { text } => wire.push(json!({ "type": "input_text", "text": text })),
            Part::Image { source, detail, cache } => {
                self.unmarked(cache.as_ref());
                wire.push(self.image(source, detail.as_deref())?);
            }
            Part::Document { source, title, context, citations, cache } => {
                self.unmarked(cache.as_ref());
                if *citations {
                    self.notices.dropped("citations", "documents cannot be cited here");
                }
                self.document(source, [title.as_deref(), context.as_deref()], wire)?;
            }
            Part::Audio { data, format } => wire.push(
                json!({ "type": "input_audio", "input_audio": { "data": data, "format": format } }),
            ),
            Part::Opaque { dialect: ID, value } => {
                // Content of its own kind, kept as a message: within an output it stands alone.
                wire.extend(value["content"].as_array().into_iter().flatten().cloned());
            }
            Part::Opaque { value, .. } => wire.extend(self.foreign(value, is_said)),
            Part::Thinking { .. } | Part::RedactedThinking { .. } => {
                self.notices.dropped("thinking", "outputs of tools hold no thoughts");
            }
            Part::ToolCall { .. } | Part::ToolResult { .. } => {
                self.notices.dropped("tool_use", "outputs of tools hold no calls and outputs");
            }
        }
        Ok(())
    }

    fn unmarked(&mut self, cache: Option<&CacheMark>) {
        if cache.is_some() {
            self.notices.dropped("cache_control", CACHES_BY_ITSELF);
        }
    }

    fn image(&self, source: &Source, detail: Option<&str>) -> Result<Value> {
        let mut image = json!({ "type": "input_image" });
        match source {
            Source::Base64 { media_type, data } => {
                image["image_url"] = json!(format!("data:{media_type};base64,{data}"));
            }
            Source::Url { url } => image["image_url"] = json!(url),
            Source::File { id } => image["file_id"] = json!(id),
            Source::Text { .. } | Source::Parts { .. } => {
                let field = format!("messages[{}]", self.place);
                let text = format!("a part of `{field}` is an image given as text");
                return Err(Error::new(Kind::UnsupportedFeature, text).with_field(field));
            }
        }
        if let Some(detail) = detail {
            image["detail"] = json!(detail);
        }
        Ok(image)
    }

    fn document(
        &mut self,
        source: &Source,
        about: [Option<&str>; 2],
        wire: &mut Vec<Value>,
    ) -> Result<()> {
        let [title, context] = about;
        let input_text = |text: String| json!({ "type": "input_text", "text": text });
        if matches!(source, Source::Text { .. } | Source::Parts { .. }) {
            let feature = format!("messages[{}].document", self.place);
            let detail = "a text document was written as text, its title above it";
            self.notices.emulated(&feature, detail);
            let heading = heading(about);
            match source {
                Source::Text { text } if heading.is_empty() => wire.push(input_text(text.clone())),
                Source::Text { text } => wire.push(input_text(format!("{heading}\n\n{text}"))),
                Source::Parts { parts } => {
                    if !heading.is_empty() {
                        wire.push(input_text(heading));
                    }
                    for part in parts {
                        self.content("user", part, wire)?;
                    }
                }
                _ => {}
            }
            return Ok(());
        }
        if let Some(context) = context.filter(|context| !context.is_empty()) {
            wire.push(input_text(context.to_owned()));
        }
        let mut file = Map::new();
        file.insert("type".to_owned(), json!("input_file"));
        match source {
            Source::Base64 { media_type, data } => {
                let name = title.unwrap_or("document.pdf");
                file.insert("filename".to_owned(), json!(name));
                let data = format!("data:{media_type};base64,{data}");
                file.insert("file_data".to_owned(), json!(data));
            }
            Source::Url { url } => {
                file.insert("file_url".to_owned(), json!(url));
            }
            Source::File { id } => {
                file.insert("file_id".to_owned(), json!(id));
            }
            Source::Text { .. } | Source::Parts { .. } => {}
        }
        wire.push(Value::Object(file));
        Ok(())
    }

    /// A part of another dialect: its words where it has any, else nothing.
    fn foreign(&mut self, value: &Value, is_said: bool) -> Option<Value> {
        let place = self.place;
        let texts: Vec<&str> = value["content"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|piece| piece["text"].as_str())
            .collect();
        if texts.is_empty() || is_said {
            let detail = "only the provider that made this part can read it";
            self.notices.dropped(&format!("messages[{place}].parts[{}]", self.part), detail);
            return None;
        }
        let kind = value["type"].as_str().unwrap_or("part");
        self.notices.emulated(&format!("messages[{place}].{kind}"), "it was written as text");
        let heading = heading([value["title"].as_str(), value["source"].as_str()]);
        let text = texts.join("\n");
        let text = if heading.is_empty() { text } else { format!("{heading}\n\n{text}") };
        Some(json!({ "type": "input_text", "text": text }))
    }
}

/// What stands behind collected thoughts.
enum Proven<'a> {
    /// A signature of Anthropic's.
    Signed(&'a str),
    /// What a provider of this format encrypted.
    Sealed(Map<String, Value>),
}

/// Puts the failure before the first words of an output.
fn fail(pieces: &mut Vec<Value>) {
    match pieces.iter_mut().find(|piece| piece["type"] == "input_text") {
        Some(piece) => {
            let text = piece["text"].as_str().unwrap_or_default();
            if !text.starts_with(FAILURE) {
                let text = format!("{FAILURE}{text}");
                piece["text"] = json!(text);
            }
        }
        None => pieces.insert(0, json!({ "type": "input_text", "text": FAILURE })),
    }
}

fn heading(about: [Option<&str>; 2]) -> String {
    let lines: Vec<&str> = about.into_iter().flatten().filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}
