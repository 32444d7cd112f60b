//! Writes a stream: `messageStart`, blocks with their own indexes, `messageStop`, `metadata`.
//!
//! Blocks carry their index, so parts that the source mixes are written as they come.

use std::collections::HashSet;

use gw_core::event::{PartDelta, PartHead, StreamEvent};
use gw_core::reply::{Stop, StopReason};
use gw_core::seam::StreamEncoder;
use gw_core::{Error, Usage};
use serde_json::{Value, json};

use super::super::{ID, blocks, error, frames, response};

/// Writes a stream for a client.
#[derive(Debug, Default)]
pub(in super::super) struct Encoder {
    has_started: bool,
    is_over: bool,
    has_calls: bool,
    /// Parts that the format cannot say: their deltas are left out.
    mute: HashSet<u32>,
    usage: Usage,
    tier: Option<String>,
    stop: Option<Stop>,
}

impl StreamEncoder for Encoder {
    fn push(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        match event {
            StreamEvent::Start { .. } => self.start(out),
            StreamEvent::Usage(report) => {
                self.usage = report.usage;
                self.tier.clone_from(&report.service_tier);
            }
            StreamEvent::PartStart { choice: 0, part, head } => self.begin(*part, head, out),
            StreamEvent::PartDelta { choice: 0, part, delta } if !self.mute.contains(part) => {
                extend(*part, delta, out);
            }
            StreamEvent::PartStop { choice: 0, part } if !self.mute.contains(part) => {
                write("contentBlockStop", &json!({ "contentBlockIndex": part }), out);
            }
            StreamEvent::Stop { choice: 0, stop } => self.stop = Some(stop.clone()),
            StreamEvent::Error(error) => self.fail(error, out),
            StreamEvent::End => self.end(out),
            // The format has one answer, no log probabilities, and nothing that says nothing.
            _ => {}
        }
    }
}

impl Encoder {
    fn start(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.has_started, true) {
            write("messageStart", &json!({"role": "assistant"}), out);
        }
    }

    fn begin(&mut self, part: u32, head: &PartHead, out: &mut Vec<u8>) {
        self.start(out);
        match head {
            PartHead::Text | PartHead::Refusal | PartHead::Thinking => {}
            PartHead::RedactedThinking { data } => {
                delta(part, &json!({"reasoningContent": {"redactedContent": data}}), out);
            }
            PartHead::ToolCall { id, name } => {
                self.has_calls = true;
                let start = json!({"toolUse": {"toolUseId": id, "name": name}});
                let body = json!({"contentBlockIndex": part, "start": start});
                write("contentBlockStart", &body, out);
            }
            PartHead::Opaque { dialect, value } if *dialect == ID => {
                let body = json!({"contentBlockIndex": part, "start": value});
                write("contentBlockStart", &body, out);
            }
            PartHead::Opaque { .. } => {
                self.mute.insert(part);
            }
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        let unsaid = if self.has_calls { StopReason::ToolUse } else { StopReason::EndTurn };
        let stop = self.stop.take().unwrap_or_else(|| unsaid.into());
        let mut body = json!({"stopReason": response::write_stop(&stop.reason)});
        if let Some(sequence) = stop.sequence {
            body["additionalModelResponseFields"] = json!({ "stop_sequence": sequence });
        }
        write("messageStop", &body, out);
        let usage = response::write_usage(&self.usage);
        let mut body = json!({"usage": usage, "metrics": {"latencyMs": 0}});
        if let Some(tier) = &self.tier {
            body["serviceTier"] = json!({ "type": tier });
        }
        write("metadata", &body, out);
        self.is_over = true;
    }

    fn fail(&mut self, failure: &Error, out: &mut Vec<u8>) {
        let headers =
            [(":message-type", "exception"), (":exception-type", error::name_of(failure.kind()))];
        frames::write(&headers, &error::encode(failure), out);
        self.is_over = true;
    }
}

fn extend(part: u32, more: &PartDelta, out: &mut Vec<u8>) {
    let value = match more {
        PartDelta::Text(text) => json!({ "text": text }),
        PartDelta::Thinking(text) => json!({"reasoningContent": {"text": text}}),
        PartDelta::Signature(text) => json!({"reasoningContent": {"signature": text}}),
        PartDelta::Arguments(text) => json!({"toolUse": {"input": text}}),
        PartDelta::Citation(citation) => match blocks::write_citation(citation) {
            Some(citation) => json!({ "citation": citation }),
            None => return,
        },
        PartDelta::Opaque(_) => return,
    };
    delta(part, &value, out);
}

fn delta(part: u32, value: &Value, out: &mut Vec<u8>) {
    write("contentBlockDelta", &json!({"contentBlockIndex": part, "delta": value}), out);
}

fn write(name: &str, body: &Value, out: &mut Vec<u8>) {
    let headers = [(":message-type", "event"), (":event-type", name)];
    frames::write(&headers, body.to_string().as_bytes(), out);
}
