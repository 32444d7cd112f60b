//! Writes a stream: each piece an answer that says more, the last one with the reason and the usage.
//!
//! Calls come whole, so their arguments are gathered. Nothing is written that is not an answer:
//! clients of this format break on comments.

use std::collections::BTreeMap;

use gw_core::event::{PartDelta, PartHead, StreamEvent};
use gw_core::reply::{Stop, StopReason};
use gw_core::seam::{ClientStream, StreamEncoder};
use gw_core::{Error, UsageReport};
use serde_json::{Map, Value, json};

use super::super::meta::{self, Meta};
use super::super::response::{Head, Tail};
use super::super::{ID, error, parts};
use crate::sse::write_event;

/// A part that is being written.
#[derive(Debug)]
enum Slot {
    Text,
    Thinking { signature: String },
    Call { id: String, name: String, arguments: String },
    Silent,
}

/// What was written of one candidate.
#[derive(Debug, Default)]
struct Candidate {
    slots: BTreeMap<u32, Slot>,
    tail: Tail,
    stop: Option<Stop>,
    has_calls: bool,
}

/// Writes a stream for a client.
#[derive(Debug)]
pub(in super::super) struct Encoder {
    client: ClientStream,
    head: Head,
    candidates: BTreeMap<u32, Candidate>,
    usage: Option<UsageReport>,
    feedback: Option<Value>,
    is_array: bool,
    has_written: bool,
    is_over: bool,
}

impl Encoder {
    /// As server-sent events.
    pub(in super::super) fn events(client: ClientStream) -> Self {
        Self::new(client, false)
    }

    /// As one JSON array.
    pub(in super::super) fn array(client: ClientStream) -> Self {
        Self::new(client, true)
    }

    fn new(client: ClientStream, is_array: bool) -> Self {
        Self {
            head: Head::new("", "", &client),
            client,
            candidates: BTreeMap::new(),
            usage: None,
            feedback: None,
            is_array,
            has_written: false,
            is_over: false,
        }
    }
}

impl StreamEncoder for Encoder {
    fn push(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        match event {
            StreamEvent::Start { id, model, .. } => {
                self.head = Head::new(id, model, &self.client);
            }
            StreamEvent::PartStart { choice, part, head } => {
                self.start_part(*choice, *part, head, out);
            }
            StreamEvent::PartDelta { choice, part, delta } => {
                self.extend(*choice, *part, delta, out);
            }
            StreamEvent::PartStop { choice, part } => self.stop_part(*choice, *part, out),
            StreamEvent::Stop { choice, stop } => {
                self.candidate(*choice).stop = Some(stop.clone());
            }
            StreamEvent::Logprobs { choice, value } => {
                if let Some(value) = meta::write_logprobs(value) {
                    add_logprobs(&mut self.candidate(*choice).tail.logprobs, value);
                }
            }
            StreamEvent::Usage(report) => self.usage = Some(report.clone()),
            StreamEvent::Ping => {}
            StreamEvent::Error(error) => self.fail(error, out),
            StreamEvent::End => self.end(out),
        }
    }
}

/// The lists of both grow side by side.
fn add_logprobs(sum: &mut Option<Value>, more: Value) {
    let Some(sum) = sum else {
        *sum = Some(more);
        return;
    };
    for key in ["topCandidates", "chosenCandidates"] {
        if let (Some(have), Some(add)) = (sum[key].as_array_mut(), more[key].as_array()) {
            have.extend(add.iter().cloned());
        }
    }
}

impl Encoder {
    fn candidate(&mut self, choice: u32) -> &mut Candidate {
        self.candidates.entry(choice).or_default()
    }

    fn write(&mut self, body: &Value, out: &mut Vec<u8>) {
        let text = body.to_string();
        if !self.is_array {
            write_event("", &text, out);
            return;
        }
        out.extend_from_slice(if self.has_written { b",\n" } else { b"[" });
        out.extend_from_slice(text.as_bytes());
        self.has_written = true;
    }

    fn chunk(&mut self, candidate: &Map<String, Value>, out: &mut Vec<u8>) {
        let mut body = Map::new();
        body.insert("candidates".to_owned(), json!([candidate]));
        self.head.put(self.usage.as_ref(), &mut body);
        self.write(&Value::Object(body), out);
    }

    /// Writes one part.
    fn part(&mut self, choice: u32, part: &Value, out: &mut Vec<u8>) {
        let mut candidate = Map::new();
        candidate.insert("content".to_owned(), json!({"parts": [part], "role": "model"}));
        candidate.insert("index".to_owned(), Value::from(choice));
        self.chunk(&candidate, out);
    }

    fn start_part(&mut self, choice: u32, part: u32, head: &PartHead, out: &mut Vec<u8>) {
        let slot = match head {
            PartHead::Text | PartHead::Refusal => Slot::Text,
            PartHead::Thinking => Slot::Thinking { signature: String::new() },
            PartHead::RedactedThinking { data } => {
                self.part(choice, &parts::client_sealed(data), out);
                Slot::Silent
            }
            PartHead::ToolCall { id, name } => {
                self.candidate(choice).has_calls = true;
                Slot::Call { id: id.clone(), name: name.clone(), arguments: String::new() }
            }
            PartHead::Opaque { dialect: ID, value } => {
                match Meta::of(value) {
                    Some(Meta::Candidate(fields)) => {
                        self.candidate(choice).tail.fields.extend(fields.clone());
                    }
                    Some(Meta::Feedback(feedback)) => self.feedback = Some(feedback.clone()),
                    None => self.part(choice, value, out),
                }
                Slot::Silent
            }
            PartHead::Opaque { value, .. } => {
                if let Some(picture) = parts::write_picture(value) {
                    self.part(choice, &picture, out);
                }
                Slot::Silent
            }
        };
        self.candidate(choice).slots.insert(part, slot);
    }

    fn extend(&mut self, choice: u32, part: u32, delta: &PartDelta, out: &mut Vec<u8>) {
        let candidate = self.candidates.entry(choice).or_default();
        let Some(slot) = candidate.slots.get_mut(&part) else { return };
        let piece = match (slot, delta) {
            (Slot::Text, PartDelta::Text(text)) if !text.is_empty() => json!({ "text": text }),
            (Slot::Text, PartDelta::Citation(citation)) => {
                return candidate.tail.citations.push(citation.clone());
            }
            (Slot::Thinking { .. }, PartDelta::Thinking(text)) if !text.is_empty() => {
                json!({"text": text, "thought": true})
            }
            (Slot::Thinking { signature }, PartDelta::Signature(more)) => {
                return signature.push_str(more);
            }
            (Slot::Call { arguments, .. }, PartDelta::Arguments(more)) => {
                return arguments.push_str(more);
            }
            _ => return,
        };
        self.part(choice, &piece, out);
    }

    fn stop_part(&mut self, choice: u32, part: u32, out: &mut Vec<u8>) {
        let slot = self.candidate(choice).slots.insert(part, Slot::Silent);
        match slot {
            Some(Slot::Thinking { signature }) if !signature.is_empty() => {
                let signature = parts::client_signature(&signature);
                let piece = json!({"text": "", "thought": true, "thoughtSignature": signature});
                self.part(choice, &piece, out);
            }
            Some(Slot::Call { id, name, arguments }) => {
                self.part(choice, &parts::write_call(&id, &name, &arguments, None), out);
            }
            _ => {}
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.finish_parts(out);
        if let Some(feedback) = self.feedback.take() {
            let mut body = Map::from_iter([("promptFeedback".to_owned(), feedback)]);
            self.head.put(self.usage.as_ref(), &mut body);
            self.write(&Value::Object(body), out);
        } else {
            if self.candidates.is_empty() {
                self.candidates.insert(0, Candidate::default());
            }
            for (index, state) in std::mem::take(&mut self.candidates) {
                self.end_candidate(index, &state, out);
            }
        }
        self.close(out);
    }

    /// Parts that no one stopped are written all the same.
    fn finish_parts(&mut self, out: &mut Vec<u8>) {
        let open: Vec<(u32, u32)> = self
            .candidates
            .iter()
            .flat_map(|(choice, state)| state.slots.keys().map(|part| (*choice, *part)))
            .collect();
        for (choice, part) in open {
            self.stop_part(choice, part, out);
        }
    }

    fn end_candidate(&mut self, index: u32, state: &Candidate, out: &mut Vec<u8>) {
        let unsaid = if state.has_calls { StopReason::ToolUse } else { StopReason::EndTurn };
        let reason = state.stop.as_ref().map_or(&unsaid, |stop| &stop.reason);
        let mut candidate = Map::new();
        candidate.insert("content".to_owned(), json!({"parts": [{"text": ""}], "role": "model"}));
        state.tail.put(reason, index, &mut candidate);
        self.chunk(&candidate, out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        self.is_over = true;
        if self.is_array {
            out.extend_from_slice(if self.has_written { b"]" } else { b"[]" });
        }
    }

    fn fail(&mut self, error: &Error, out: &mut Vec<u8>) {
        let line = error::encode_line(error);
        let value: Value = serde_json::from_str(&line).unwrap_or_default();
        self.write(&value, out);
        self.close(out);
    }
}
