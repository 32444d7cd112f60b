//! Canonical turns to this format's: results as turns of their own, texts before calls as a plan,
//! documents that are to be cited beside the conversation.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gw_core::Result;
use gw_core::chat::{Message, Part, Role, Source};
use serde_json::{Map, Value, json};

use super::super::ID;
use crate::draft::Draft;
use crate::seal::bare_call_id;

/// What goes to `messages` and to `documents`.
#[derive(Default)]
pub(super) struct Turns {
    pub(super) messages: Vec<Value>,
    pub(super) documents: Vec<Value>,
    /// Pictures of tool results, which go into the user's next turn.
    attachments: Vec<Value>,
}

/// One turn being collected.
#[derive(Default)]
struct Said {
    content: Vec<Value>,
    calls: Vec<Value>,
    citations: Vec<Value>,
}

/// Writes the conversation.
pub(super) fn write(messages: &[Message], draft: &mut Draft) -> Result<Turns> {
    let mut turns = Turns::default();
    for (index, message) in messages.iter().enumerate() {
        turns.message(message, &format!("messages[{index}]"), draft)?;
    }
    turns.flush_attachments();
    Ok(turns)
}

impl Turns {
    fn message(&mut self, message: &Message, path: &str, draft: &mut Draft) -> Result<()> {
        if message.name.is_some() {
            draft.absent(format!("{path}.name"));
        }
        let role = match message.role {
            Role::System | Role::Developer => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let mut said = Said::default();
        for (index, part) in message.parts.iter().enumerate() {
            let path = format!("{path}.parts[{index}]");
            match part {
                Part::ToolResult { .. } => self.result(part, &path, draft)?,
                part => self.part(part, &path, &mut said, draft)?,
            }
        }
        if said.content.is_empty() && said.calls.is_empty() {
            return Ok(());
        }
        if role == "user" {
            said.content.splice(0..0, self.attachments.drain(..));
        } else {
            self.flush_attachments();
        }
        let mut turn = said.into_turn(role);
        match message.extra.for_dialect(ID) {
            Some(fields) => turn.extend(fields.clone()),
            None => {
                for field in message.extra.fields.keys() {
                    draft.absent(format!("{path}.{field}"));
                }
            }
        }
        self.messages.push(Value::Object(turn));
        Ok(())
    }

    fn flush_attachments(&mut self) {
        if !self.attachments.is_empty() {
            let content = std::mem::take(&mut self.attachments);
            self.messages.push(json!({"role": "user", "content": content}));
        }
    }

    fn result(&mut self, part: &Part, path: &str, draft: &mut Draft) -> Result<()> {
        let Part::ToolResult { call_id, parts, is_error, cache } = part else { return Ok(()) };
        if cache.is_some() {
            draft.absent("cache_control");
        }
        if *is_error {
            draft.absent(format!("{path}.is_error"));
        }
        let mut said = Said::default();
        for part in parts {
            self.part(part, path, &mut said, draft)?;
        }
        let id = bare_call_id(call_id);
        let is_text = |block: &Value| block["type"] == "text";
        let (texts, others): (Vec<Value>, Vec<Value>) = said.content.into_iter().partition(is_text);
        if !others.is_empty() {
            let text = format!("Attachments of the result of tool call {id}:");
            self.attachments.push(json!({"type": "text", "text": text}));
            self.attachments.extend(others);
            draft.emulated(path, "attachments of a tool result were put into a user turn");
        }
        let content = plain_or_blocks(texts);
        self.messages.push(json!({"role": "tool", "tool_call_id": id, "content": content}));
        Ok(())
    }

    fn part(&mut self, part: &Part, path: &str, said: &mut Said, draft: &mut Draft) -> Result<()> {
        if cache_of(part) {
            draft.absent("cache_control");
        }
        match part {
            Part::Text { text, citations, .. } => {
                if citations.iter().any(|it| !super::super::response::is_own_citation(it)) {
                    draft.dropped(
                        format!("{path}.citations"),
                        "citations of another format cannot be sent back",
                    );
                }
                said.cite(citations);
                said.text(text);
            }
            Part::Refusal { text } => said.text(text),
            Part::Image { source, detail, .. } => {
                let url = match source {
                    Source::Base64 { media_type, data } => {
                        format!("data:{media_type};base64,{data}")
                    }
                    Source::Url { url } => url.clone(),
                    _ => return Err(draft.unsupported(path, "a picture was uploaded before")),
                };
                let mut image = json!({"url": url});
                if let Some(detail) = detail {
                    image["detail"] = Value::from(detail.as_str());
                }
                said.content.push(json!({"type": "image_url", "image_url": image}));
            }
            Part::Document { .. } => self.document(part, path, said, draft)?,
            Part::Audio { .. } => return Err(draft.unsupported(path, "the request holds audio")),
            Part::Thinking { text, signature } => {
                if signature.is_some() {
                    draft.dropped("thinking.signature", "thoughts have no signatures here");
                }
                if !text.is_empty() {
                    said.content.push(json!({"type": "thinking", "thinking": text}));
                }
            }
            Part::RedactedThinking { .. } => {
                draft.dropped(path, "a sealed thought of another provider cannot be sent");
            }
            Part::ToolCall { id, name, arguments, .. } => {
                let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
                said.calls.push(json!({
                    "id": bare_call_id(id),
                    "type": "function",
                    "function": {"name": name, "arguments": arguments},
                }));
            }
            Part::Opaque { dialect, value } if *dialect == ID => said.content.push(value.clone()),
            Part::Opaque { dialect, .. } => {
                draft.dropped(path, &format!("a part that only {dialect} has cannot be sent"));
            }
            Part::ToolResult { .. } => {}
        }
        Ok(())
    }

    fn document(
        &mut self,
        part: &Part,
        path: &str,
        said: &mut Said,
        draft: &mut Draft,
    ) -> Result<()> {
        let Part::Document { source, title, context, citations, .. } = part else { return Ok(()) };
        let text = text_of(source)
            .ok_or_else(|| draft.unsupported(path, "the request holds a document"))?;
        if context.is_some() {
            draft.absent(format!("{path}.context"));
        }
        if *citations {
            let mut data = Map::new();
            if let Some(title) = title {
                data.insert("title".to_owned(), Value::from(title.as_str()));
            }
            data.insert("text".to_owned(), Value::from(text));
            let id = format!("doc:{}", self.documents.len());
            self.documents.push(json!({"id": id, "data": data}));
            draft.emulated(path, "a document to be cited stands beside the conversation");
            return Ok(());
        }
        said.text(&match title {
            Some(title) => format!("{title}\n\n{text}"),
            None => text,
        });
        Ok(())
    }
}

impl Said {
    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.content.push(json!({"type": "text", "text": text}));
        }
    }

    /// Keeps citations of this format, which name the block they belong to.
    fn cite(&mut self, citations: &[Value]) {
        let place = self.content.len();
        let own = citations.iter().filter(|it| super::super::response::is_own_citation(it));
        self.citations.extend(own.map(|it| super::super::response::placed(it, place)));
    }

    fn into_turn(self, role: &str) -> Map<String, Value> {
        let mut turn = Map::new();
        turn.insert("role".to_owned(), Value::from(role));
        let mut content = self.content;
        if !self.calls.is_empty() {
            let is_text = |block: &Value| block["type"] == "text";
            let (texts, others): (Vec<Value>, Vec<Value>) = content.into_iter().partition(is_text);
            content = others;
            let plan: Vec<&str> = texts.iter().filter_map(|it| it["text"].as_str()).collect();
            if !plan.is_empty() {
                turn.insert("tool_plan".to_owned(), Value::from(plan.join("\n")));
            }
            turn.insert("tool_calls".to_owned(), Value::Array(self.calls));
        }
        if !content.is_empty() {
            turn.insert("content".to_owned(), plain_or_blocks(content));
        }
        if !self.citations.is_empty() {
            turn.insert("citations".to_owned(), Value::Array(self.citations));
        }
        turn
    }
}

/// A lone text as a string, the way most clients write it.
fn plain_or_blocks(mut content: Vec<Value>) -> Value {
    match content.len() {
        0 => Value::from(""),
        1 if content[0]["type"] == "text" => content[0]["text"].take(),
        _ => Value::Array(content),
    }
}

fn cache_of(part: &Part) -> bool {
    match part {
        Part::Text { cache, .. }
        | Part::Image { cache, .. }
        | Part::Document { cache, .. }
        | Part::ToolCall { cache, .. } => cache.is_some(),
        _ => false,
    }
}

/// The text of a document; `None` where it has none.
fn text_of(source: &Source) -> Option<String> {
    let decoded = |media_type: &str, data: &str| {
        let is_text = media_type.starts_with("text/") || media_type == "application/json";
        is_text.then(|| String::from_utf8(STANDARD.decode(data).ok()?).ok()).flatten()
    };
    match source {
        Source::Text { text } => Some(text.clone()),
        Source::Base64 { media_type, data } => decoded(media_type, data),
        Source::Url { url } => {
            let (media_type, data) = url.strip_prefix("data:")?.split_once(";base64,")?;
            decoded(media_type, data)
        }
        Source::Parts { parts } => {
            let texts: Option<Vec<&str>> = parts.iter().map(Part::as_text).collect();
            Some(texts?.join("\n\n"))
        }
        Source::File { .. } => None,
    }
}
