//! Canonical events as chunks for a client, in the order that OpenAI has them: role, deltas, finish,
//! usage if it was asked for, `[DONE]`. After an error nothing more is written.

use std::collections::BTreeMap;

use gw_core::event::{PartDelta, PartHead, StreamEvent};
use gw_core::seam::{ClientStream, DialectId, StreamEncoder};
use gw_core::usage::UsageReport;
use serde::Serialize;
use serde_json::{Value, json};

use crate::openai_chat::response::{annotations, finish_reason};
use crate::openai_chat::{error, reasoning, usage};
use crate::sse::write_event;

/// Writes a stream.
pub(in crate::openai_chat) struct Encoder {
    client: ClientStream,
    id: String,
    model: String,
    created_s: i64,
    choices: BTreeMap<u32, ChoiceOut>,
    usage: Option<UsageReport>,
    is_over: bool,
}

/// What was written of one answer.
#[derive(Default)]
struct ChoiceOut {
    /// What each part is, by its number, and its place among its kind.
    parts: BTreeMap<u32, Slot>,
    calls: u64,
    thoughts: u64,
}

#[derive(Clone, Copy)]
enum Slot {
    Text,
    Refusal,
    Thinking(u64),
    Call(u64),
    Silent,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    choices: &'a [Value],
    // OpenAI writes null in every chunk before the one that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
}

impl Encoder {
    /// Begins a stream.
    pub(in crate::openai_chat) fn new(client: ClientStream) -> Self {
        Self {
            id: client.fallback_id.clone(),
            model: client.model.clone(),
            created_s: client.created_s,
            client,
            choices: BTreeMap::new(),
            usage: None,
            is_over: false,
        }
    }

    fn write(&self, choices: &[Value], usage: Option<Value>, out: &mut Vec<u8>) {
        let tier = self.usage.as_ref().and_then(|report| report.service_tier.as_deref());
        let chunk = Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created_s,
            model: &self.model,
            service_tier: tier,
            choices,
            usage: usage.or_else(|| self.client.include_usage.then_some(Value::Null)),
        };
        // Values and texts only: there is nothing that cannot be written.
        let text = serde_json::to_string(&chunk).unwrap_or_default();
        write_event("", &text, out);
    }

    fn delta(&self, choice: u32, delta: &Value, out: &mut Vec<u8>) {
        let entry =
            json!({ "index": choice, "delta": delta, "logprobs": null, "finish_reason": null });
        self.write(&[entry], None, out);
    }

    /// The state of an answer; its first mention is the chunk with the role.
    fn begin(&mut self, choice: u32, out: &mut Vec<u8>) -> &mut ChoiceOut {
        if !self.choices.contains_key(&choice) {
            self.delta(
                choice,
                &json!({ "role": "assistant", "content": "", "refusal": null }),
                out,
            );
        }
        self.choices.entry(choice).or_default()
    }

    fn start_part(&mut self, choice: u32, part: u32, head: &PartHead, out: &mut Vec<u8>) {
        let state = self.begin(choice, out);
        let (slot, delta) = match head {
            PartHead::Text => (Slot::Text, None),
            PartHead::Refusal => (Slot::Refusal, None),
            PartHead::Thinking => {
                state.thoughts += 1;
                (Slot::Thinking(state.thoughts - 1), None)
            }
            PartHead::RedactedThinking { data } => {
                state.thoughts += 1;
                let detail = reasoning::sealed_detail(data, state.thoughts - 1);
                (Slot::Silent, Some(json!({ "reasoning_details": [detail] })))
            }
            PartHead::ToolCall { id, name } => {
                state.calls += 1;
                let call = json!({
                    "index": state.calls - 1,
                    "id": id,
                    "type": "function",
                    "function": { "name": name, "arguments": "" },
                });
                (Slot::Call(state.calls - 1), Some(json!({ "tool_calls": [call] })))
            }
            PartHead::Opaque { dialect: DialectId::OpenAiChat, value } => {
                (Slot::Silent, own_delta(state, value))
            }
            PartHead::Opaque { .. } => (Slot::Silent, None),
        };
        state.parts.insert(part, slot);
        if let Some(delta) = delta {
            self.delta(choice, &delta, out);
        }
    }

    fn extend_part(&mut self, choice: u32, part: u32, delta: &PartDelta, out: &mut Vec<u8>) {
        let state = self.choices.get(&choice);
        let Some(slot) = state.and_then(|state| state.parts.get(&part)) else { return };
        let delta = match (slot, delta) {
            (Slot::Refusal, PartDelta::Text(more)) => json!({ "refusal": more }),
            (_, PartDelta::Text(more)) => json!({ "content": more }),
            (Slot::Thinking(index), PartDelta::Thinking(more)) => json!({
                "reasoning_content": more,
                "reasoning_details": [reasoning::clear_detail(more, None, *index)],
            }),
            (Slot::Thinking(index), PartDelta::Signature(more)) => {
                json!({ "reasoning_details": [reasoning::clear_detail("", Some(more), *index)] })
            }
            (Slot::Call(index), PartDelta::Arguments(more)) => {
                json!({ "tool_calls": [{ "index": index, "function": { "arguments": more } }] })
            }
            (_, PartDelta::Citation(citation)) => {
                json!({ "annotations": annotations(std::slice::from_ref(citation)) })
            }
            _ => return,
        };
        self.delta(choice, &delta, out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.is_over = true;
        if self.client.include_usage
            && let Some(report) = &self.usage
        {
            self.write(&[], Some(usage::encode(report)), out);
        }
        write_event("", "[DONE]", out);
    }
}

/// The delta of a part that only this dialect has.
fn own_delta(state: &mut ChoiceOut, value: &Value) -> Option<Value> {
    if value["custom"].is_object() {
        let mut call = value.clone();
        call["index"] = json!(state.calls);
        state.calls += 1;
        return Some(json!({ "tool_calls": [call] }));
    }
    match value["type"].as_str() {
        Some("audio") => Some(json!({ "audio": value["audio"] })),
        Some("image_url") => Some(json!({ "images": [value] })),
        _ => None,
    }
}

impl StreamEncoder for Encoder {
    fn push(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        match event {
            StreamEvent::Start { id, model, created_s } => {
                if !id.is_empty() {
                    self.id.clone_from(id);
                }
                if self.client.model.is_empty() {
                    self.model.clone_from(model);
                }
                self.created_s = created_s.unwrap_or(self.created_s);
                self.begin(0, out);
            }
            StreamEvent::PartStart { choice, part, head } => {
                self.start_part(*choice, *part, head, out);
            }
            StreamEvent::PartDelta { choice, part, delta } => {
                self.extend_part(*choice, *part, delta, out);
            }
            StreamEvent::PartStop { .. } => {}
            StreamEvent::Stop { choice, stop } => {
                self.begin(*choice, out);
                let reason = finish_reason(&stop.reason);
                let entry = json!({
                    "index": choice,
                    "delta": {},
                    "logprobs": null,
                    "finish_reason": reason,
                });
                self.write(&[entry], None, out);
            }
            StreamEvent::Logprobs { choice, value } => {
                self.begin(*choice, out);
                let entry = json!({
                    "index": choice,
                    "delta": {},
                    "logprobs": value,
                    "finish_reason": null,
                });
                self.write(&[entry], None, out);
            }
            StreamEvent::Usage(report) => self.usage = Some(report.clone()),
            StreamEvent::Ping => out.extend_from_slice(b": keep-alive\n\n"),
            StreamEvent::Error(cause) => {
                self.is_over = true;
                write_event("", &error::encode_line(cause), out);
            }
            StreamEvent::End => self.end(out),
        }
    }
}
