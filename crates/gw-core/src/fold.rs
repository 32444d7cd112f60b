//! Adds a stream up to the answer it amounts to.

use serde_json::Value;

use crate::chat::Part;
use crate::event::{PartDelta, PartHead, StreamEvent};
use crate::reply::{ChatReply, Choice};

/// The sum of a stream's events so far.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    reply: ChatReply,
    has_ended: bool,
}

impl Fold {
    /// Adds one event. Deltas for a part that never began are ignored: a decoder cannot make them.
    pub fn push(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::Start { id, model, created_s } => {
                self.reply.id.clone_from(id);
                self.reply.model.clone_from(model);
                self.reply.created_s = *created_s;
            }
            StreamEvent::PartStart { choice, part, head } => self.start_part(*choice, *part, head),
            StreamEvent::PartDelta { choice, part, delta } => {
                let slot = self.choice(*choice).parts.get_mut(*part as usize);
                if let Some(slot) = slot {
                    extend(slot, delta);
                }
            }
            StreamEvent::Stop { choice, stop } => self.choice(*choice).stop = Some(stop.clone()),
            StreamEvent::Logprobs { choice, value } => {
                merge_logprobs(&mut self.choice(*choice).logprobs, value);
            }
            StreamEvent::Usage(report) => self.reply.usage = report.clone(),
            StreamEvent::End => self.has_ended = true,
            StreamEvent::PartStop { .. } | StreamEvent::Ping | StreamEvent::Error(_) => {}
        }
    }

    /// True once the provider said that it was done.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The answer so far.
    pub fn reply(&self) -> &ChatReply {
        &self.reply
    }

    /// The answer.
    pub fn into_reply(self) -> ChatReply {
        self.reply
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        let at = match self.reply.choices.iter().position(|choice| choice.index == index) {
            Some(at) => at,
            None => {
                let at = self.reply.choices.partition_point(|choice| choice.index < index);
                self.reply.choices.insert(at, Choice { index, ..Choice::default() });
                at
            }
        };
        &mut self.reply.choices[at]
    }

    fn start_part(&mut self, choice: u32, part: u32, head: &PartHead) {
        let parts = &mut self.choice(choice).parts;
        if parts.len() != part as usize {
            return;
        }
        parts.push(match head {
            PartHead::Text => Part::text(""),
            PartHead::Thinking => Part::Thinking { text: String::new(), signature: None },
            PartHead::RedactedThinking { data } => Part::RedactedThinking { data: data.clone() },
            PartHead::ToolCall { id, name } => Part::ToolCall {
                id: id.clone(),
                name: name.clone(),
                arguments: String::new(),
                cache: None,
            },
            PartHead::Refusal => Part::Refusal { text: String::new() },
            PartHead::Opaque { dialect, value } => {
                Part::Opaque { dialect: *dialect, value: value.clone() }
            }
        });
    }
}

fn extend(part: &mut Part, delta: &PartDelta) {
    match (part, delta) {
        (Part::Text { text, .. } | Part::Refusal { text }, PartDelta::Text(more))
        | (Part::Thinking { text, .. }, PartDelta::Thinking(more)) => text.push_str(more),
        (Part::Thinking { signature, .. }, PartDelta::Signature(more)) => {
            signature.get_or_insert_default().push_str(more);
        }
        (Part::ToolCall { arguments, .. }, PartDelta::Arguments(more)) => arguments.push_str(more),
        (Part::Text { citations, .. }, PartDelta::Citation(citation)) => {
            citations.push(citation.clone());
        }
        (Part::Opaque { value, .. }, PartDelta::Opaque(more)) => extend_opaque(value, more),
        _ => {}
    }
}

/// Server tool calls of the Anthropic format stream their `input` as JSON text.
fn extend_opaque(value: &mut Value, more: &Value) {
    let Some(text) = more.get("partial_json").and_then(Value::as_str) else { return };
    let Some(object) = value.as_object_mut() else { return };
    let so_far = match object.get("input") {
        Some(Value::String(so_far)) => so_far.as_str(),
        _ => "",
    };
    let joined = format!("{so_far}{text}");
    object.insert("input".to_owned(), Value::String(joined));
}

fn merge_logprobs(sum: &mut Option<Value>, more: &Value) {
    let Some(sum) = sum else {
        *sum = Some(more.clone());
        return;
    };
    let (Some(sum), Some(more)) = (sum.as_object_mut(), more.as_object()) else { return };
    for (key, value) in more {
        match (sum.get_mut(key), value) {
            (Some(Value::Array(have)), Value::Array(add)) => have.extend(add.iter().cloned()),
            _ => {
                sum.insert(key.clone(), value.clone());
            }
        }
    }
}
