//! Canonical turns to contents: system texts apart, roles merged, results first and under the name
//! of their function, seals of other providers left out, and nothing that the API refuses.

use std::collections::HashMap;

use gw_core::Result;
use gw_core::chat::{Message, Notice, NoticeAction, Part, Role, Source};
use serde_json::{Value, json};

use super::super::calls::{orphan_name, wire_id};
use super::super::{ID, meta, parts};
use super::reasoning::is_before_3;
use super::unsupported;
use crate::seal;

/// Why prompt-cache marks are left out.
pub(super) const NO_CACHE_MARKS: &str =
    "Gemini caches prompts by itself and takes no marks of where to";

/// What goes to `systemInstruction` and to `contents`.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The system parts.
    pub(super) system: Vec<Value>,
    /// The contents.
    pub(super) contents: Vec<Value>,
}

/// One content being collected.
#[derive(Debug)]
struct Turn {
    role: &'static str,
    results: Vec<Value>,
    others: Vec<Value>,
}

/// Writes contents.
struct Writer<'a> {
    notices: &'a mut Vec<Notice>,
    model: &'a str,
    /// Names of the functions called, by the id of the call.
    names: HashMap<&'a str, &'a str>,
}

/// Writes the conversation.
pub(super) fn write<'a>(
    messages: &'a [Message],
    model: &'a str,
    notices: &'a mut Vec<Notice>,
) -> Result<Turns> {
    let mut writer = Writer { notices, model, names: HashMap::new() };
    let mut turns: Vec<Turn> = Vec::new();
    let mut system = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let path = format!("messages[{index}]");
        writer.note_lost_fields(message, &path);
        let turn = match message.role {
            Role::System | Role::Developer if turns.is_empty() => {
                system.extend(writer.parts(message, &path)?.others);
                continue;
            }
            Role::System | Role::Developer => writer.reminder(message, &path),
            Role::User | Role::Assistant => writer.parts(message, &path)?,
        };
        push_turn(&mut turns, turn);
    }
    writer.mend_start(&mut turns, &mut system);
    let contents = turns.into_iter().map(Turn::into_value).collect();
    Ok(Turns { system, contents })
}

/// Adds a turn, or joins it to the one before where the same role speaks on.
fn push_turn(turns: &mut Vec<Turn>, turn: Turn) {
    if turn.results.is_empty() && turn.others.is_empty() {
        return;
    }
    match turns.last_mut() {
        Some(last) if last.role == turn.role => {
            last.results.extend(turn.results);
            last.others.extend(turn.others);
        }
        _ => turns.push(turn),
    }
}

impl Turn {
    fn of(role: &'static str) -> Self {
        Self { role, results: Vec::new(), others: Vec::new() }
    }

    fn into_value(self) -> Value {
        let mut parts = self.results;
        parts.extend(self.others);
        json!({"role": self.role, "parts": parts})
    }
}

impl<'a> Writer<'a> {
    fn note(&mut self, feature: &str, action: NoticeAction, detail: &str) {
        if self.notices.iter().all(|notice| notice.feature != feature) {
            let (feature, detail) = (feature.to_owned(), detail.to_owned());
            self.notices.push(Notice { feature, action, detail });
        }
    }

    fn note_lost_fields(&mut self, message: &Message, path: &str) {
        if message.name.is_some() {
            let detail = "turns have no speaker's name in the Gemini format";
            self.note(&format!("{path}.name"), NoticeAction::Dropped, detail);
        }
        for field in message.extra.fields.keys() {
            let detail = "the field is of another format";
            self.note(&format!("{path}.{field}"), NoticeAction::Dropped, detail);
        }
    }

    /// A system turn in the middle, said by the user's side.
    fn reminder(&mut self, message: &Message, path: &str) -> Turn {
        let detail = "a system turn after the start became a marked text in a user turn";
        self.note(&format!("{path}.role"), NoticeAction::Emulated, detail);
        let mut turn = Turn::of("user");
        let text = message.joined_text();
        if !text.trim().is_empty() {
            let text = format!("<system-reminder>\n{text}\n</system-reminder>");
            turn.others.push(json!({ "text": text }));
        }
        turn
    }

    fn parts(&mut self, message: &'a Message, path: &str) -> Result<Turn> {
        let is_model = message.role == Role::Assistant;
        let mut turn = Turn::of(if is_model { "model" } else { "user" });
        let mut has_call = false;
        for (index, part) in message.parts.iter().enumerate() {
            let path = format!("{path}.parts[{index}]");
            match part {
                Part::ToolResult { .. } => self.result(part, &path, &mut turn)?,
                Part::ToolCall { id, name, arguments, cache } => {
                    self.note_cache(cache.is_some());
                    self.names.insert(id, name);
                    // From Gemini 3 on, the first call of a turn must bear a signature.
                    let stand_in = !has_call && !is_before_3(self.model);
                    has_call = true;
                    let stand_in = stand_in.then_some(parts::NO_SIGNATURE);
                    turn.others.push(parts::write_call(id, name, arguments, stand_in));
                }
                Part::RedactedThinking { data } => self.sealed(data, &path, &mut turn.others),
                part => turn.others.extend(self.part(part, &path)?),
            }
        }
        Ok(turn)
    }

    fn note_cache(&mut self, is_marked: bool) {
        if is_marked {
            self.note("cache_control", NoticeAction::Dropped, NO_CACHE_MARKS);
        }
    }

    /// Writes any part but calls, results and sealed thoughts.
    fn part(&mut self, part: &Part, path: &str) -> Result<Option<Value>> {
        Ok(match part {
            Part::Text { text, cache, citations } => {
                self.note_cache(cache.is_some());
                if !citations.is_empty() {
                    let detail = "citations are not sent back";
                    self.note(&format!("{path}.citations"), NoticeAction::Dropped, detail);
                }
                (!text.is_empty()).then(|| json!({ "text": text }))
            }
            Part::Refusal { text } => (!text.is_empty()).then(|| json!({ "text": text })),
            Part::Thinking { text, signature } => self.thinking(text, signature.as_deref(), path),
            Part::Image { source, detail, cache } => {
                self.note_cache(cache.is_some());
                if detail.is_some() {
                    let text = "images have no `detail` in the Gemini format";
                    self.note(&format!("{path}.detail"), NoticeAction::Dropped, text);
                }
                Some(media(source, None, "image/jpeg", path)?)
            }
            Part::Document { .. } => self.document(part, path)?,
            Part::Audio { data, format } => Some(parts::audio(data, format)),
            Part::Opaque { dialect, value } if *dialect == ID => {
                meta::Meta::of(value).is_none().then(|| value.clone())
            }
            Part::Opaque { dialect, value } => {
                let picture = parts::write_picture(value);
                if picture.is_none() {
                    let detail = format!("a part that only {dialect} has cannot be sent");
                    self.note(path, NoticeAction::Dropped, &detail);
                }
                picture
            }
            Part::ToolCall { .. } | Part::ToolResult { .. } | Part::RedactedThinking { .. } => None,
        })
    }

    fn thinking(&mut self, text: &str, signature: Option<&str>, path: &str) -> Option<Value> {
        let own = signature.and_then(|signature| seal::own(ID, signature));
        if signature.is_some() && own.is_none() {
            let detail = "a thought that another provider signed cannot be sent";
            self.note(path, NoticeAction::Dropped, detail);
            return None;
        }
        let mut part = json!({"text": text, "thought": true});
        if let Some(signature) = own {
            part["thoughtSignature"] = Value::from(signature);
        }
        (!text.is_empty() || own.is_some()).then_some(part)
    }

    /// A signature of a text goes to that text.
    fn sealed(&mut self, data: &str, path: &str, out: &mut Vec<Value>) {
        let Some(signature) = parts::text_signature(data) else {
            let detail = "a sealed thought of another provider cannot be sent";
            return self.note(path, NoticeAction::Dropped, detail);
        };
        let text = out.last_mut().filter(|part| parts::takes_signature(part));
        match text {
            Some(text) => text["thoughtSignature"] = Value::from(signature),
            None => out.push(json!({"text": "", "thoughtSignature": signature})),
        }
    }

    fn document(&mut self, part: &Part, path: &str) -> Result<Option<Value>> {
        let Part::Document { source, title, context, citations, cache } = part else {
            return Ok(None);
        };
        self.note_cache(cache.is_some());
        if *citations {
            let detail = "the Gemini format cites no documents of the request";
            self.note(&format!("{path}.citations"), NoticeAction::Dropped, detail);
        }
        if context.is_some() {
            let detail = "documents have no context in the Gemini format";
            self.note(&format!("{path}.context"), NoticeAction::Dropped, detail);
        }
        let titled = |text: &str| match title {
            Some(title) => json!({"text": format!("{title}\n\n{text}")}),
            None => json!({ "text": text }),
        };
        Ok(match source {
            Source::Text { text } => Some(titled(text)),
            Source::Parts { parts } => {
                let texts: Vec<&str> = parts.iter().filter_map(Part::as_text).collect();
                if texts.len() < parts.len() {
                    return Err(unsupported(path, "a document holds more than text"));
                }
                Some(titled(&texts.join("\n\n")))
            }
            source => {
                if title.is_some() {
                    let detail = "documents have no title in the Gemini format";
                    self.note(&format!("{path}.title"), NoticeAction::Dropped, detail);
                }
                Some(media(source, title.as_deref(), "application/pdf", path)?)
            }
        })
    }

    /// Writes a result. Models before Gemini 3 take pictures only beside it.
    fn result(&mut self, part: &Part, path: &str, turn: &mut Turn) -> Result<()> {
        let Part::ToolResult { call_id, parts: inner, is_error, cache } = part else {
            return Ok(());
        };
        self.note_cache(cache.is_some());
        let name = self.names.get(call_id.as_str()).copied();
        let name = name.or_else(|| orphan_name(call_id)).unwrap_or("unknown_function");
        let mut texts = Vec::new();
        let mut attached = Vec::new();
        for (index, part) in inner.iter().enumerate() {
            match part {
                Part::Text { text, cache, .. } => {
                    self.note_cache(cache.is_some());
                    texts.push(text.as_str());
                }
                Part::Image { .. } | Part::Document { .. } | Part::Audio { .. } => {
                    attached.extend(self.part(part, &format!("{path}.parts[{index}]"))?);
                }
                Part::Opaque { dialect, .. } if *dialect == ID => {
                    attached.extend(self.part(part, path)?);
                }
                Part::Opaque { value, dialect } => {
                    let kind = value["type"].as_str().unwrap_or("part");
                    let detail = format!("a part that only {dialect} has cannot be sent");
                    self.note(&format!("messages[].{kind}"), NoticeAction::Dropped, &detail);
                }
                _ => {}
            }
        }
        let response = parts::write_response(&texts.join("\n"), *is_error);
        let mut result = json!({"name": name, "response": response});
        if let Some(id) = wire_id(call_id) {
            result["id"] = Value::from(id);
        }
        if !attached.is_empty() {
            if is_before_3(self.model) {
                let text = format!("Attachments of the result of tool call {name}:");
                turn.others.push(json!({ "text": text }));
                turn.others.append(&mut attached);
            } else {
                result["parts"] = Value::Array(attached);
            }
        }
        turn.results.push(json!({ "functionResponse": result }));
        Ok(())
    }

    /// The API wants at least one content, and no call of a function as the first.
    fn mend_start(&mut self, turns: &mut Vec<Turn>, system: &mut Vec<Value>) {
        let first_calls = turns.first().is_some_and(|turn| {
            turn.role == "model" && turn.others.iter().any(|it| it["functionCall"].is_object())
        });
        if !turns.is_empty() && !first_calls {
            return;
        }
        let detail = if turns.is_empty() {
            "the instructions were sent as the user's turn, as there was no other"
        } else {
            "a user turn was put before the call of a function, as the provider wants it"
        };
        self.note("messages", NoticeAction::Emulated, detail);
        let mut turn = Turn::of("user");
        turn.others = if turns.is_empty() && !system.is_empty() {
            std::mem::take(system)
        } else {
            vec![json!({"text": "."})]
        };
        turns.insert(0, turn);
    }
}

/// Writes an image or a document that is not plain text.
fn media(source: &Source, title: Option<&str>, usual: &str, path: &str) -> Result<Value> {
    Ok(match source {
        Source::Base64 { media_type, data } => parts::inline(media_type, data),
        Source::Url { url } => match split_data_url(url) {
            Some((media_type, data)) => parts::inline(media_type, data),
            None => json!({"fileData": {"mimeType": type_of(title, url, usual), "fileUri": url}}),
        },
        Source::File { id } if id.contains("://") => {
            json!({"fileData": {"mimeType": type_of(title, id, usual), "fileUri": id}})
        }
        Source::File { .. } => {
            return Err(unsupported(path, "a file uploaded to another provider is named"));
        }
        Source::Text { .. } | Source::Parts { .. } => {
            return Err(unsupported(path, "a picture is given as text"));
        }
    })
}

/// `data:image/png;base64,AAAA` as media type and data.
fn split_data_url(url: &str) -> Option<(&str, &str)> {
    url.strip_prefix("data:")?.split_once(";base64,")
}

/// The media type that a name or an address tells by its ending.
fn type_of<'a>(title: Option<&str>, url: &str, usual: &'a str) -> &'a str {
    let place = url.split(['?', '#']).next().unwrap_or_default();
    let ending = |name: &str| Some(name.rsplit_once('.')?.1.to_ascii_lowercase());
    let found = [title.and_then(ending), ending(place)].into_iter().flatten().find_map(|it| {
        Some(match it.as_str() {
            "png" => "image/png",
            "jpg" | "jpeg" => "image/jpeg",
            "webp" => "image/webp",
            "gif" => "image/gif",
            "heic" => "image/heic",
            "heif" => "image/heif",
            "pdf" => "application/pdf",
            "txt" => "text/plain",
            "md" => "text/markdown",
            "html" | "htm" => "text/html",
            "csv" => "text/csv",
            _ => return None,
        })
    });
    found.unwrap_or(usual)
}
