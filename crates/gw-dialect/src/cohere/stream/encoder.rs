//! Writes a stream: `message-start`, blocks and calls one after the other, `message-end`.
//!
//! Where the source mixes parts (parallel tool calls), the first open part is written as it comes and
//! the others wait.

use std::collections::VecDeque;

use gw_core::Error;
use gw_core::UsageReport;
use gw_core::event::{PartDelta, PartHead, StreamEvent};
use gw_core::reply::{Stop, StopReason};
use gw_core::seam::{ClientStream, StreamEncoder};
use serde_json::{Value, json};

use super::super::{error, response};
use crate::sse::write_event;

/// A part that is being written or waits for its turn.
#[derive(Debug)]
struct Waiting {
    part: u32,
    head: PartHead,
    deltas: Vec<PartDelta>,
    has_stopped: bool,
}

/// Writes a stream for a client.
#[derive(Debug)]
pub(in super::super) struct Encoder {
    client: ClientStream,
    id: String,
    has_started: bool,
    is_over: bool,
    /// The front is the part that is open on the wire.
    queue: VecDeque<Waiting>,
    blocks: usize,
    calls: usize,
    citations: usize,
    usage: UsageReport,
    stop: Option<Stop>,
}

impl Encoder {
    pub(in super::super) fn new(client: ClientStream) -> Self {
        Self {
            client,
            id: String::new(),
            has_started: false,
            is_over: false,
            queue: VecDeque::new(),
            blocks: 0,
            calls: 0,
            citations: 0,
            usage: UsageReport::default(),
            stop: None,
        }
    }
}

impl StreamEncoder for Encoder {
    fn push(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        match event {
            StreamEvent::Start { id, .. } => {
                self.id.clone_from(id);
                self.start(out);
            }
            StreamEvent::Usage(report) => self.usage = report.clone(),
            StreamEvent::PartStart { choice: 0, part, head } => {
                self.start(out);
                let (deltas, has_stopped) = (Vec::new(), false);
                let head = head.clone();
                self.queue.push_back(Waiting { part: *part, head, deltas, has_stopped });
                if self.queue.len() == 1 {
                    self.open_front(out);
                }
            }
            StreamEvent::PartDelta { choice: 0, part, delta } => self.extend(*part, delta, out),
            StreamEvent::PartStop { choice: 0, part } => {
                if let Some(found) = self.queue.iter_mut().find(|it| it.part == *part) {
                    found.has_stopped = true;
                }
                while self.queue.front().is_some_and(|front| front.has_stopped) {
                    self.close_front(out);
                }
            }
            StreamEvent::Stop { choice: 0, stop } => self.stop = Some(stop.clone()),
            StreamEvent::Logprobs { choice: 0, value } if value["content"].is_array() => {
                let delta = json!({"message": {"content": {"text": ""}}});
                let at = self.blocks;
                let body = json!({"type": "content-delta", "index": at, "delta": delta,
                    "logprobs": value["content"]});
                write(&body, out);
            }
            StreamEvent::Error(error) => self.fail(error, out),
            StreamEvent::End => self.end(out),
            // The format has one answer, and nothing that says nothing.
            _ => {}
        }
    }
}

impl Encoder {
    fn start(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        let id = if self.id.is_empty() { &self.client.fallback_id } else { &self.id };
        let message = json!({"role": "assistant", "content": [], "tool_plan": "",
            "tool_calls": [], "citations": []});
        write(&json!({"id": id, "type": "message-start", "delta": {"message": message}}), out);
    }

    fn open_front(&mut self, out: &mut Vec<u8>) {
        let Some(front) = self.queue.front_mut() else { return };
        let deltas = std::mem::take(&mut front.deltas);
        let content = match &front.head {
            PartHead::Text | PartHead::Refusal => json!({"type": "text", "text": ""}),
            PartHead::Thinking => json!({"type": "thinking", "thinking": ""}),
            PartHead::ToolCall { id, name } => {
                let call = json!({"id": id, "type": "function",
                    "function": {"name": name, "arguments": ""}});
                let delta = json!({"message": {"tool_calls": call}});
                let at = self.calls;
                write(&json!({"type": "tool-call-start", "index": at, "delta": delta}), out);
                Value::Null
            }
            PartHead::RedactedThinking { .. } | PartHead::Opaque { .. } => Value::Null,
        };
        if content.is_object() {
            let delta = json!({"message": {"content": content}});
            let at = self.blocks;
            write(&json!({"type": "content-start", "index": at, "delta": delta}), out);
        }
        for delta in deltas {
            self.write_delta(&delta, out);
        }
    }

    fn extend(&mut self, part: u32, delta: &PartDelta, out: &mut Vec<u8>) {
        let Some(at) = self.queue.iter().position(|waiting| waiting.part == part) else { return };
        if at == 0 {
            self.write_delta(delta, out);
        } else {
            self.queue[at].deltas.push(delta.clone());
        }
    }

    /// Writes more of the part at the front.
    fn write_delta(&mut self, delta: &PartDelta, out: &mut Vec<u8>) {
        let at = self.blocks;
        let (kind, at, message) = match delta {
            PartDelta::Text(text) => ("content-delta", at, json!({"content": {"text": text}})),
            PartDelta::Thinking(text) => {
                ("content-delta", at, json!({"content": {"thinking": text}}))
            }
            PartDelta::Arguments(text) => {
                let call = json!({"function": {"arguments": text}});
                ("tool-call-delta", self.calls, json!({"tool_calls": call}))
            }
            PartDelta::Citation(citation) => {
                let Some(citation) = response::write_citation(citation, at) else { return };
                self.citations += 1;
                ("citation-start", self.citations - 1, json!({"citations": citation}))
            }
            PartDelta::Signature(_) | PartDelta::Opaque(_) => return,
        };
        write(&json!({"type": kind, "index": at, "delta": {"message": message}}), out);
        if kind == "citation-start" {
            write(&json!({"type": "citation-end", "index": at}), out);
        }
    }

    fn close_front(&mut self, out: &mut Vec<u8>) {
        let Some(front) = self.queue.pop_front() else { return };
        match front.head {
            PartHead::Text | PartHead::Refusal | PartHead::Thinking => {
                write(&json!({"type": "content-end", "index": self.blocks}), out);
                self.blocks += 1;
            }
            PartHead::ToolCall { .. } => {
                write(&json!({"type": "tool-call-end", "index": self.calls}), out);
                self.calls += 1;
            }
            PartHead::RedactedThinking { .. } | PartHead::Opaque { .. } => {}
        }
        self.open_front(out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        while !self.queue.is_empty() {
            self.close_front(out);
        }
        let unsaid = if self.calls > 0 { StopReason::ToolUse } else { StopReason::EndTurn };
        let stop = self.stop.take().unwrap_or_else(|| unsaid.into());
        let delta = json!({
            "finish_reason": response::write_stop(&stop.reason),
            "usage": response::write_usage(&self.usage),
        });
        write(&json!({"type": "message-end", "delta": delta}), out);
        out.extend_from_slice(super::DONE);
        self.is_over = true;
    }

    fn fail(&mut self, error: &Error, out: &mut Vec<u8>) {
        self.start(out);
        let body: Value = serde_json::from_slice(&error::encode(error)).unwrap_or_default();
        let words = body["message"].as_str().unwrap_or_default();
        let delta = json!({"finish_reason": "ERROR", "error": words});
        write(&json!({"type": "message-end", "delta": delta}), out);
        out.extend_from_slice(super::DONE);
        self.is_over = true;
    }
}

fn write(event: &Value, out: &mut Vec<u8>) {
    write_event(event["type"].as_str().unwrap_or_default(), &event.to_string(), out);
}
