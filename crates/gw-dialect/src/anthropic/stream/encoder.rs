//! Writes a stream: `message_start`, blocks one after the other, `message_delta`, `message_stop`.
//!
//! The format has one open block at a time and numbers them without gaps. Where the source mixes
//! parts (parallel tool calls), the first open part is written as it comes and the others wait.

use std::collections::VecDeque;

use gw_core::event::{PartDelta, PartHead, StreamEvent};
use gw_core::reply::{Stop, StopReason};
use gw_core::seam::{ClientStream, StreamEncoder};
use gw_core::{Error, UsageReport};
use serde_json::{Value, json};

use super::super::{ID, blocks, error, response, usage};
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
    /// Id and model of the answer, until `message_start` is written.
    start: Option<(String, String)>,
    has_started: bool,
    is_over: bool,
    /// The front is the block that is open on the wire.
    queue: VecDeque<Waiting>,
    /// `index` of the front block.
    index: u32,
    usage: Option<UsageReport>,
    stop: Option<Stop>,
    has_refusal: bool,
    has_calls: bool,
}

impl Encoder {
    pub(in super::super) fn new(client: ClientStream) -> Self {
        Self {
            client,
            start: None,
            has_started: false,
            is_over: false,
            queue: VecDeque::new(),
            index: 0,
            usage: None,
            stop: None,
            has_refusal: false,
            has_calls: false,
        }
    }
}

impl StreamEncoder for Encoder {
    fn push(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        match event {
            // Held until the next event, which may bring the usage that belongs into it.
            StreamEvent::Start { id, model, .. } => self.start = Some((id.clone(), model.clone())),
            StreamEvent::Usage(report) => self.usage = Some(report.clone()),
            StreamEvent::PartStart { choice: 0, part, head } => {
                self.start_part(*part, head.clone(), out);
            }
            StreamEvent::PartDelta { choice: 0, part, delta } => self.extend(*part, delta, out),
            StreamEvent::PartStop { choice: 0, part } => self.stop_part(*part, out),
            StreamEvent::Stop { choice: 0, stop } => self.stop = Some(stop.clone()),
            // Also before `message_start`: clients skip it wherever it stands.
            StreamEvent::Ping => write(&json!({"type": "ping"}), out),
            StreamEvent::Error(error) => self.fail(error, out),
            StreamEvent::End => self.end(out),
            // Other choices and log probabilities: the format has neither.
            StreamEvent::PartStart { .. }
            | StreamEvent::PartDelta { .. }
            | StreamEvent::PartStop { .. }
            | StreamEvent::Stop { .. }
            | StreamEvent::Logprobs { .. } => {}
        }
    }
}

impl Encoder {
    fn write_start(&mut self, out: &mut Vec<u8>) {
        if self.has_started {
            return;
        }
        self.has_started = true;
        let (id, model) = self.start.take().unwrap_or_default();
        let report = self.usage.clone().unwrap_or_else(|| self.estimate());
        let message = response::message(
            &response::message_id(&id, &self.client),
            response::shown_model(&model, &self.client),
            Vec::new(),
            (Value::Null, Value::Null),
            usage::write(&report),
        );
        write(&json!({"type": "message_start", "message": message}), out);
    }

    /// The gateway's own count, for as long as the provider has said nothing.
    fn estimate(&self) -> UsageReport {
        let mut report = UsageReport { is_estimate: true, ..UsageReport::default() };
        report.usage.input = self.client.input_tokens_estimate;
        report
    }

    fn start_part(&mut self, part: u32, head: PartHead, out: &mut Vec<u8>) {
        self.write_start(out);
        self.has_refusal |= head == PartHead::Refusal;
        self.has_calls |= matches!(head, PartHead::ToolCall { .. });
        if matches!(&head, PartHead::Opaque { dialect, .. } if *dialect != ID) {
            return;
        }
        let waiting = Waiting { part, head, deltas: Vec::new(), has_stopped: false };
        self.queue.push_back(waiting);
        if self.queue.len() == 1 {
            self.open_front(out);
        }
    }

    fn extend(&mut self, part: u32, delta: &PartDelta, out: &mut Vec<u8>) {
        let Some(at) = self.queue.iter().position(|waiting| waiting.part == part) else { return };
        if at == 0 {
            write_delta(self.index, delta, out);
        } else {
            self.queue[at].deltas.push(delta.clone());
        }
    }

    fn stop_part(&mut self, part: u32, out: &mut Vec<u8>) {
        let Some(waiting) = self.queue.iter_mut().find(|waiting| waiting.part == part) else {
            return;
        };
        waiting.has_stopped = true;
        while self.queue.front().is_some_and(|front| front.has_stopped) {
            self.close_front(out);
        }
    }

    /// Opens the block at the front and writes what has gathered for it.
    fn open_front(&mut self, out: &mut Vec<u8>) {
        let Some(front) = self.queue.front_mut() else { return };
        write_head(self.index, &front.head, out);
        for delta in std::mem::take(&mut front.deltas) {
            write_delta(self.index, &delta, out);
        }
    }

    fn close_front(&mut self, out: &mut Vec<u8>) {
        self.queue.pop_front();
        write(&json!({"type": "content_block_stop", "index": self.index}), out);
        self.index += 1;
        self.open_front(out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.write_start(out);
        while !self.queue.is_empty() {
            self.close_front(out);
        }
        let unsaid = if self.has_calls { StopReason::ToolUse } else { StopReason::EndTurn };
        let stop = self.stop.take().unwrap_or_else(|| unsaid.into());
        let reason = response::write_stop_reason(&stop.reason, self.has_refusal);
        let report = self.usage.clone().unwrap_or_else(|| self.estimate());
        let delta = json!({
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": stop.sequence},
            "usage": usage::write(&report),
        });
        write(&delta, out);
        write(&json!({"type": "message_stop"}), out);
        self.is_over = true;
    }

    fn fail(&mut self, error: &Error, out: &mut Vec<u8>) {
        let body = error::encode(error);
        // The bytes are JSON; a provider's own body may be laid out over several lines.
        write_event("error", &String::from_utf8_lossy(&body), out);
        self.is_over = true;
    }
}

fn write(event: &Value, out: &mut Vec<u8>) {
    write_event(event["type"].as_str().unwrap_or_default(), &event.to_string(), out);
}

fn write_head(index: u32, head: &PartHead, out: &mut Vec<u8>) {
    let mut input = None;
    let block = match head {
        PartHead::Text | PartHead::Refusal => json!({"type": "text", "text": ""}),
        PartHead::Thinking => json!({"type": "thinking", "thinking": "", "signature": ""}),
        PartHead::RedactedThinking { data } => json!({"type": "redacted_thinking", "data": data}),
        PartHead::ToolCall { id, name } => {
            json!({"type": "tool_use", "id": blocks::plain_id(id), "name": name, "input": {}})
        }
        PartHead::Opaque { value, .. } => {
            let mut block = value.clone();
            // Clients read the input of server tools from deltas, as the provider sends it.
            if block["type"].as_str().is_some_and(|kind| kind.ends_with("_use"))
                && let Some(slot) = block.get_mut("input")
            {
                input = Some(std::mem::replace(slot, json!({})));
            }
            block
        }
    };
    write(&json!({"type": "content_block_start", "index": index, "content_block": block}), out);
    if let Some(input) = input {
        let text = match input {
            Value::String(text) => text,
            input => input.to_string(),
        };
        write_delta(index, &PartDelta::Arguments(text), out);
    }
}

fn write_delta(index: u32, delta: &PartDelta, out: &mut Vec<u8>) {
    let delta = match delta {
        PartDelta::Text(text) => json!({"type": "text_delta", "text": text}),
        PartDelta::Thinking(text) => json!({"type": "thinking_delta", "thinking": text}),
        PartDelta::Signature(text) => json!({"type": "signature_delta", "signature": text}),
        PartDelta::Arguments(text) => json!({"type": "input_json_delta", "partial_json": text}),
        PartDelta::Citation(citation) if blocks::is_own_citation(citation) => {
            json!({"type": "citations_delta", "citation": citation})
        }
        PartDelta::Citation(_) => return,
        PartDelta::Opaque(delta) => delta.clone(),
    };
    write(&json!({"type": "content_block_delta", "index": index, "delta": delta}), out);
}
