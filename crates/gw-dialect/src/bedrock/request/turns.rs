//! Canonical turns to this format's: system texts apart, roles merged, results first, and nothing
//! that the API refuses (blank texts, addresses of pictures, the same document name twice).

use std::collections::HashSet;

use gw_core::Result;
use gw_core::chat::{Message, Part, Role, Source};
use serde_json::{Map, Value, json};

use super::super::{ID, blocks};
use crate::draft::Draft;
use crate::seal::{bare_call_id, is_foreign};

/// What goes to `system` and to `messages`.
#[derive(Default)]
pub(super) struct Turns {
    pub(super) system: Vec<Value>,
    pub(super) messages: Vec<Value>,
    names: HashSet<String>,
}

/// Writes the conversation.
pub(super) fn write(messages: &[Message], draft: &mut Draft) -> Result<Turns> {
    let mut turns = Turns::default();
    for (index, message) in messages.iter().enumerate() {
        turns.message(message, &format!("messages[{index}]"), draft)?;
    }
    if turns.messages.first().is_none_or(|turn| turn["role"] == "assistant") {
        let blocks = if turns.messages.is_empty() && !turns.system.is_empty() {
            draft.emulated("messages", "the instructions were sent as the user's turn");
            std::mem::take(&mut turns.system)
        } else {
            let detail = "a user turn was put before the assistant's, as the provider wants it";
            draft.emulated("messages", detail);
            vec![json!({"text": "."})]
        };
        turns.messages.insert(0, json!({"role": "user", "content": blocks}));
    }
    Ok(turns)
}

impl Turns {
    fn message(&mut self, message: &Message, path: &str, draft: &mut Draft) -> Result<()> {
        if message.name.is_some() {
            draft.absent(format!("{path}.name"));
        }
        let (mut results, mut others) = (Vec::new(), Vec::new());
        for (index, part) in message.parts.iter().enumerate() {
            let path = format!("{path}.parts[{index}]");
            let is_result = matches!(part, Part::ToolResult { .. });
            let out = if is_result { &mut results } else { &mut others };
            self.part(part, &path, draft, out)?;
        }
        let role = match message.role {
            Role::System | Role::Developer if self.messages.is_empty() => {
                self.system.append(&mut others);
                return Ok(());
            }
            Role::System | Role::Developer => {
                let detail = "a system turn after the start became a marked text in a user turn";
                draft.emulated(format!("{path}.role"), detail);
                for block in &mut others {
                    if let Some(text) = block["text"].as_str() {
                        let marked = format!("<system-reminder>\n{text}\n</system-reminder>");
                        block["text"] = Value::from(marked);
                    }
                }
                "user"
            }
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let fields = match message.extra.for_dialect(ID) {
            Some(fields) => fields.clone(),
            None => {
                for field in message.extra.fields.keys() {
                    draft.absent(format!("{path}.{field}"));
                }
                Map::new()
            }
        };
        results.append(&mut others);
        self.push(role, results, fields);
        Ok(())
    }

    /// Adds a turn, or joins it to the one before where the same role speaks on.
    fn push(&mut self, role: &str, content: Vec<Value>, fields: Map<String, Value>) {
        if content.is_empty() {
            return;
        }
        if let Some(last) = self.messages.last_mut()
            && last["role"] == role
            && fields.is_empty()
            && let Some(blocks) = last["content"].as_array_mut()
        {
            blocks.extend(content);
            return;
        }
        let mut turn = Map::new();
        turn.insert("role".to_owned(), Value::from(role));
        turn.insert("content".to_owned(), Value::Array(content));
        turn.extend(fields);
        self.messages.push(Value::Object(turn));
    }

    fn part(
        &mut self,
        part: &Part,
        path: &str,
        draft: &mut Draft,
        out: &mut Vec<Value>,
    ) -> Result<()> {
        match part {
            Part::Text { text, .. } | Part::Refusal { text } if text.trim().is_empty() => {}
            Part::Text { text, citations, .. } => {
                if citations.iter().any(|it| !blocks::is_own_citation(it)) {
                    let detail = "citations of another format cannot be sent back";
                    draft.dropped(format!("{path}.citations"), detail);
                }
                let own: Vec<Value> =
                    citations.iter().filter(|it| blocks::is_own_citation(it)).cloned().collect();
                out.push(blocks::write_text(text, &own));
            }
            Part::Refusal { text } => out.push(json!({ "text": text })),
            Part::Image { source, detail, .. } => {
                if detail.is_some() {
                    draft.absent(format!("{path}.detail"));
                }
                out.push(image(source, path, draft)?);
            }
            Part::Document { .. } => out.push(self.document(part, path, draft)?),
            Part::Audio { .. } => return Err(draft.unsupported(path, "the request holds audio")),
            Part::Thinking { text, signature } => {
                let own = signature.as_deref().filter(|it| !it.is_empty() && !is_foreign(ID, it));
                match own {
                    Some(signature) => out.push(blocks::write_thought(text, Some(signature))),
                    None => draft.dropped(
                        path,
                        "a thought without the provider's own signature is refused by it",
                    ),
                }
            }
            Part::RedactedThinking { data } if is_foreign(ID, data) => {
                draft.dropped(path, "a sealed thought of another provider cannot be sent");
            }
            Part::RedactedThinking { data } => {
                out.push(json!({"reasoningContent": {"redactedContent": data}}));
            }
            Part::ToolCall { id, name, arguments, .. } => {
                out.push(blocks::write_call(&call_id(id), name, arguments));
            }
            Part::ToolResult { call_id: id, parts, is_error, .. } => {
                let mut content = Vec::new();
                for part in parts {
                    self.part(part, path, draft, &mut content)?;
                }
                let mut result = json!({"toolUseId": call_id(id), "content": content});
                if *is_error {
                    result["status"] = Value::from("error");
                }
                out.push(json!({ "toolResult": result }));
            }
            Part::Opaque { dialect, value } if *dialect == ID => out.push(value.clone()),
            Part::Opaque { dialect, .. } => {
                draft.dropped(path, &format!("a part that only {dialect} has cannot be sent"));
            }
        }
        if let Some(mark) = blocks::cache_of(part)
            && !out.is_empty()
        {
            out.push(blocks::write_cache(mark));
        }
        Ok(())
    }

    fn document(&mut self, part: &Part, path: &str, draft: &mut Draft) -> Result<Value> {
        let Part::Document { source, title, context, citations, .. } = part else {
            return Ok(Value::Null);
        };
        let (format, source) = match source {
            Source::Text { text } => ("txt", json!({ "text": text })),
            Source::Parts { parts } => {
                let mut content = Vec::new();
                for part in parts {
                    self.part(part, path, draft, &mut content)?;
                }
                ("txt", json!({ "content": content }))
            }
            source => {
                let inline = inline(source).and_then(|(kind, data)| {
                    Some((blocks::format_of(kind)?, json!({ "bytes": data })))
                });
                inline.ok_or_else(|| {
                    draft.unsupported(path, "a document is not given as base64 of a known kind")
                })?
            }
        };
        let name = self.name(title.as_deref().unwrap_or("document"));
        if title.as_ref() != Some(&name) {
            draft.emulated(format!("{path}.title"), "was written in the letters the API takes");
        }
        let mut document = json!({"format": format, "name": name, "source": source});
        if let Some(context) = context {
            document["context"] = Value::from(context.as_str());
        }
        if *citations {
            document["citations"] = json!({"enabled": true});
        }
        Ok(json!({ "document": document }))
    }

    /// A name that no other document of the request has.
    fn name(&mut self, title: &str) -> String {
        let plain = blocks::document_name(title);
        let mut chosen = plain.clone();
        let mut count = 1_u32;
        while !self.names.insert(chosen.clone()) {
            count += 1;
            chosen = format!("{plain} {count}");
        }
        chosen
    }
}

/// The alphabet of ids: letters, digits, `_`, `-`, `.` and `:`, 64 at most.
fn call_id(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_-.:".contains(c) { c } else { '_' };
    bare_call_id(id).chars().map(plain).take(64).collect()
}

fn image(source: &Source, path: &str, draft: &Draft) -> Result<Value> {
    let found = inline(source).and_then(|(kind, data)| {
        let format = kind.strip_prefix("image/")?;
        let format = if format == "jpg" { "jpeg" } else { format };
        Some(json!({"image": {"format": format, "source": {"bytes": data}}}))
    });
    found.ok_or_else(|| draft.unsupported(path, "a picture is not given as base64"))
}

/// Media type and base64 data; `None` for other sources.
fn inline(source: &Source) -> Option<(&str, &str)> {
    match source {
        Source::Base64 { media_type, data } => Some((media_type, data)),
        Source::Url { url } => url.strip_prefix("data:")?.split_once(";base64,"),
        _ => None,
    }
}
