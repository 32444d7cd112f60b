//! Canonical turns to this format's: system texts apart, roles merged, tool results first, ids in
//! the allowed alphabet, and nothing that the API refuses (empty texts, unsigned thoughts).

use std::collections::{HashMap, HashSet};

use gw_core::Result;
use gw_core::chat::{Message, Notice, NoticeAction, Part, Role, Source};
use serde_json::{Map, Value, json};

use super::super::{ID, blocks};
use super::{reminder, unsupported};
use crate::seal::{bare_call_id, is_foreign};

/// What goes to `system` and to `messages`.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The system blocks.
    pub(super) system: Vec<Value>,
    /// The turns.
    pub(super) messages: Vec<Value>,
    /// True where an uploaded file is named, which wants a beta header.
    pub(super) has_files: bool,
}

/// One turn being collected.
struct Turn {
    role: &'static str,
    results: Vec<Value>,
    others: Vec<Value>,
    extra: Map<String, Value>,
}

/// Writes turns.
struct Writer<'a> {
    notices: &'a mut Vec<Notice>,
    ids: HashMap<String, String>,
    taken: HashSet<String>,
    has_files: bool,
}

/// Writes the conversation.
pub(super) fn write(messages: &[Message], notices: &mut Vec<Notice>) -> Result<Turns> {
    let (ids, taken) = (HashMap::new(), HashSet::new());
    let mut writer = Writer { notices, ids, taken, has_files: false };
    let mut turns: Vec<Turn> = Vec::new();
    let mut system = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let path = format!("messages[{index}]");
        writer.note_lost_fields(message, &path);
        let is_system = matches!(message.role, Role::System | Role::Developer);
        if is_system && turns.is_empty() && message.extra.is_empty() {
            system.extend(writer.parts(&message.parts, &path)?);
            continue;
        }
        let turn = if is_system && message.extra.for_dialect(ID).is_none() {
            writer.reminder(message, &path)
        } else {
            writer.turn(message, &path)?
        };
        push_turn(&mut turns, turn);
    }
    writer.mend_start(&mut turns, &mut system);
    writer.mend_end(&mut turns);
    let messages = turns.into_iter().map(Turn::into_value).collect();
    Ok(Turns { system, messages, has_files: writer.has_files })
}

/// Adds a turn, or joins it to the one before where the same role speaks on.
fn push_turn(turns: &mut Vec<Turn>, turn: Turn) {
    if turn.results.is_empty() && turn.others.is_empty() {
        return;
    }
    match turns.last_mut() {
        Some(last) if last.role == turn.role && last.extra.is_empty() && turn.extra.is_empty() => {
            last.results.extend(turn.results);
            last.others.extend(turn.others);
        }
        _ => turns.push(turn),
    }
}

impl Turn {
    fn into_value(self) -> Value {
        let mut content = self.results;
        content.extend(self.others);
        let mut turn = Map::new();
        turn.insert("role".to_owned(), Value::from(self.role));
        turn.insert("content".to_owned(), content_value(content));
        turn.extend(self.extra);
        Value::Object(turn)
    }
}

/// A lone plain text as a string, the way most clients write it.
pub(super) fn content_value(mut content: Vec<Value>) -> Value {
    let is_plain = content.len() == 1
        && content[0]["type"] == "text"
        && content[0].as_object().is_some_and(|block| block.len() == 2);
    if is_plain { content[0]["text"].take() } else { Value::Array(content) }
}

impl Writer<'_> {
    fn note(&mut self, feature: String, action: NoticeAction, detail: &str) {
        self.notices.push(Notice { feature, action, detail: detail.to_owned() });
    }

    fn note_lost_fields(&mut self, message: &Message, path: &str) {
        if message.name.is_some() {
            let detail = "turns have no speaker's name in the Anthropic format";
            self.note(format!("{path}.name"), NoticeAction::Dropped, detail);
        }
        if !message.extra.is_empty() && message.extra.for_dialect(ID).is_none() {
            for field in message.extra.fields.keys() {
                let detail = "the field is of another format";
                self.note(format!("{path}.{field}"), NoticeAction::Dropped, detail);
            }
        }
    }

    fn turn(&mut self, message: &Message, path: &str) -> Result<Turn> {
        let role = match message.role {
            Role::Assistant => "assistant",
            Role::User => "user",
            Role::System | Role::Developer => "system",
        };
        let blocks = self.parts(&message.parts, path)?;
        let (results, others) =
            blocks.into_iter().partition(|block| role == "user" && block["type"] == "tool_result");
        let extra = message.extra.for_dialect(ID).cloned().unwrap_or_default();
        Ok(Turn { role, results, others, extra })
    }

    /// A system turn in the middle, said by the user's side: only newer models take it as it is.
    fn reminder(&mut self, message: &Message, path: &str) -> Turn {
        let detail = "a system turn after the start became a marked text in a user turn";
        self.note(format!("{path}.role"), NoticeAction::Emulated, detail);
        let text = message.joined_text();
        let mut others = Vec::new();
        if let (false, Part::Text { text, .. }) = (text.trim().is_empty(), reminder(&text)) {
            others.push(blocks::write_text(&text, &[]));
        }
        Turn { role: "user", results: Vec::new(), others, extra: Map::new() }
    }

    fn parts(&mut self, parts: &[Part], path: &str) -> Result<Vec<Value>> {
        let mut out = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            out.extend(self.part(part, &format!("{path}.parts[{index}]"))?);
        }
        Ok(out)
    }

    fn part(&mut self, part: &Part, path: &str) -> Result<Option<Value>> {
        Ok(match part {
            Part::Text { text, .. } | Part::Refusal { text } if text.trim().is_empty() => {
                if !text.is_empty() {
                    let detail = "a text of white space only is refused by the provider";
                    self.note(path.to_owned(), NoticeAction::Dropped, detail);
                }
                None
            }
            Part::Text { text, citations, cache } => {
                if citations.iter().any(|citation| !blocks::is_own_citation(citation)) {
                    let detail = "citations of another format cannot be sent back";
                    self.note(format!("{path}.citations"), NoticeAction::Dropped, detail);
                }
                Some(blocks::with_cache(blocks::write_text(text, citations), cache.as_ref()))
            }
            Part::Refusal { text } => Some(blocks::write_text(text, &[])),
            Part::Image { source, detail, cache } => {
                if detail.is_some() {
                    let text = "images have no `detail` in the Anthropic format";
                    self.note(format!("{path}.detail"), NoticeAction::Dropped, text);
                }
                self.has_files |= matches!(source, Source::File { .. });
                let image = blocks::write_image(source)
                    .ok_or_else(|| unsupported(path, "an image is given as text"))?;
                Some(blocks::with_cache(image, cache.as_ref()))
            }
            Part::Document { .. } => Some(self.document(part, path)?),
            Part::Audio { .. } => return Err(unsupported(path, "the request holds audio")),
            Part::Thinking { text, signature } => self.thinking(text, signature.as_deref(), path),
            Part::RedactedThinking { data } if is_foreign(ID, data) => {
                let detail = "a sealed thought of another provider cannot be sent";
                self.note(path.to_owned(), NoticeAction::Dropped, detail);
                None
            }
            Part::RedactedThinking { data } => {
                Some(json!({"type": "redacted_thinking", "data": data}))
            }
            Part::ToolCall { id, name, arguments, cache } => {
                let (id, input) = (self.id(id), blocks::write_arguments(arguments));
                let call = json!({"type": "tool_use", "id": id, "name": name, "input": input});
                Some(blocks::with_cache(call, cache.as_ref()))
            }
            Part::ToolResult { .. } => Some(self.result(part, path)?),
            Part::Opaque { dialect, value } if *dialect == ID => Some(value.clone()),
            Part::Opaque { dialect, .. } => {
                let detail = format!("a part that only {dialect} has cannot be sent");
                self.note(path.to_owned(), NoticeAction::Dropped, &detail);
                None
            }
        })
    }

    fn thinking(&mut self, text: &str, signature: Option<&str>, path: &str) -> Option<Value> {
        let own = signature.filter(|it| !it.is_empty() && !is_foreign(ID, it));
        let Some(signature) = own else {
            let detail = "a thought without the provider's own signature is refused by it";
            self.note(path.to_owned(), NoticeAction::Dropped, detail);
            return None;
        };
        Some(json!({"type": "thinking", "thinking": text, "signature": signature}))
    }

    fn document(&mut self, part: &Part, path: &str) -> Result<Value> {
        let Part::Document { source, title, context, citations, cache } = part else {
            return Ok(Value::Null);
        };
        self.has_files |= matches!(source, Source::File { .. });
        let source = blocks::write_document_source(source, |parts| self.parts(parts, path))?;
        let mut document = json!({"type": "document", "source": source});
        if let Some(title) = title {
            document["title"] = Value::from(title.as_str());
        }
        if let Some(context) = context {
            document["context"] = Value::from(context.as_str());
        }
        if *citations {
            document["citations"] = json!({"enabled": true});
        }
        Ok(blocks::with_cache(document, cache.as_ref()))
    }

    fn result(&mut self, part: &Part, path: &str) -> Result<Value> {
        let Part::ToolResult { call_id, parts, is_error, cache } = part else {
            return Ok(Value::Null);
        };
        let mut result = json!({"type": "tool_result", "tool_use_id": self.id(call_id)});
        let content = self.parts(parts, path)?;
        if !content.is_empty() {
            result["content"] = content_value(content);
        }
        if *is_error {
            result["is_error"] = Value::Bool(true);
        }
        Ok(blocks::with_cache(result, cache.as_ref()))
    }

    /// The same id for the same call everywhere, and no two calls under one id.
    fn id(&mut self, id: &str) -> String {
        if let Some(known) = self.ids.get(id) {
            return known.clone();
        }
        let plain = match blocks::plain_id(bare_call_id(id)) {
            plain if plain.is_empty() => "call".to_owned(),
            plain => plain,
        };
        let mut chosen = plain.clone();
        let mut count = 1_u32;
        while !self.taken.insert(chosen.clone()) {
            count += 1;
            chosen = format!("{plain}_{count}");
        }
        self.ids.insert(id.to_owned(), chosen.clone());
        chosen
    }

    /// The API wants at least one turn, and the user's first.
    fn mend_start(&mut self, turns: &mut Vec<Turn>, system: &mut Vec<Value>) {
        let starts_with_user = turns.first().is_some_and(|turn| turn.role != "assistant");
        if starts_with_user {
            return;
        }
        let detail = if turns.is_empty() {
            "the instructions were sent as the user's turn, as there was no other"
        } else {
            "a user turn was put before the assistant's, as the provider wants it first"
        };
        let others = if turns.is_empty() && !system.is_empty() {
            std::mem::take(system)
        } else {
            vec![json!({"type": "text", "text": "."})]
        };
        self.note("messages".to_owned(), NoticeAction::Emulated, detail);
        turns.insert(0, Turn { role: "user", results: Vec::new(), others, extra: Map::new() });
    }

    /// An assistant's last text is the beginning of the answer, and the API refuses it where it
    /// ends in white space.
    fn mend_end(&mut self, turns: &mut [Turn]) {
        let Some(last) = turns.last_mut().filter(|turn| turn.role == "assistant") else { return };
        let Some(text) = last.others.last_mut().and_then(|block| block.get_mut("text")) else {
            return;
        };
        let Some(trimmed) = text.as_str().map(str::trim_end) else { return };
        if trimmed.is_empty() || Some(trimmed) == text.as_str() {
            return;
        }
        *text = Value::from(trimmed);
        let detail = "white space at the end of the begun answer is refused by the provider";
        self.note("messages".to_owned(), NoticeAction::Emulated, detail);
    }
}
