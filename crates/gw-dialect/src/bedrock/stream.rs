//! Streams: the decoder here, the encoder in [`encoder`].
//!
//! Blocks without a canonical form (tools that the provider runs) are held until they are whole, so
//! that they reach the reader as one value, the same as in an answer that was not streamed.

mod encoder;

use bytes::Bytes;
use gw_core::event::{PartDelta, PartHead, StreamEvent};
use gw_core::seam::{Frame, FrameKind, StreamDecoder};
use gw_core::{Error, Kind, Result};
use serde_json::{Value, json};

use super::frames::{Framer, Message};
use super::{ID, error, response};
use crate::json::natural;
use crate::parts::{self, Parts};

pub(super) use encoder::Encoder;

/// A block that has begun and not ended.
#[derive(Debug)]
struct Block {
    /// Its `contentBlockIndex` on the wire.
    index: u64,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// A canonical part, already announced.
    Part(u32),
    /// A call; arguments may still come.
    Call { part: u32, has_arguments: bool },
    /// Announced with its first delta, which says what it is.
    Unknown,
    /// Held until it is whole.
    Sealed(String),
    /// Kept as it comes, announced when whole.
    Opaque { value: Value, input: String },
}

/// Reads a stream.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    framer: Framer,
    parts: Parts,
    open: Vec<Block>,
    has_stopped: bool,
    is_over: bool,
}

impl StreamDecoder for Decoder {
    fn push(&mut self, bytes: &[u8], frames: &mut Vec<Frame>) -> Result<()> {
        let mut whole = Vec::new();
        let outcome = self.framer.push(bytes, &mut whole);
        for message in whole {
            frames.push(self.read(message)?);
        }
        outcome.map_err(|error| self.not_a_stream().unwrap_or(error))
    }

    fn finish(&mut self, frames: &mut Vec<Frame>) -> Result<()> {
        if self.is_over {
            return Ok(());
        }
        if self.has_stopped && !self.framer.is_within_frame() {
            // Without `metadata` nobody says what was consumed; the answer is whole.
            self.is_over = true;
            let (raw, events) = (Bytes::new(), vec![StreamEvent::End]);
            frames.push(Frame { raw, kind: FrameKind::End, events });
            return Ok(());
        }
        let broken = || {
            let text = "the provider's stream broke off before its end";
            Error::new(Kind::ProviderUnreachable, text)
        };
        Err(self.not_a_stream().unwrap_or_else(broken))
    }
}

impl Decoder {
    /// JSON in place of frames: an error that came with the wrong content type says so.
    fn not_a_stream(&self) -> Option<Error> {
        let body: Value = serde_json::from_slice(self.framer.rest()).ok()?;
        body["message"].is_string().then(|| error::decode_inline("", &body))
    }

    fn read(&mut self, message: Message) -> Result<Frame> {
        let mut events = Vec::new();
        let mut kind = FrameKind::Data;
        if !self.is_over {
            let payload: Value = serde_json::from_slice(message.payload()).map_err(|_| {
                response::malformed("an event of the provider's stream is not JSON")
            })?;
            match message.header(":message-type") {
                "exception" => {
                    let name = message.header(":exception-type");
                    self.fail(error::decode_inline(name, &payload), &mut events);
                }
                "error" => {
                    let body = json!({ "message": message.header(":error-message") });
                    self.fail(
                        error::decode_inline(message.header(":error-code"), &body),
                        &mut events,
                    );
                }
                _ => kind = self.event(message.header(":event-type"), &payload, &mut events),
            }
        }
        Ok(Frame { raw: message.raw, kind, events })
    }

    fn fail(&mut self, error: Error, events: &mut Vec<StreamEvent>) {
        events.push(StreamEvent::Error(Box::new(error)));
        self.is_over = true;
    }

    fn event(&mut self, name: &str, value: &Value, events: &mut Vec<StreamEvent>) -> FrameKind {
        let index = natural(&value["contentBlockIndex"]).unwrap_or(0);
        match name {
            "messageStart" => {
                let (id, model) = (String::new(), String::new());
                events.push(StreamEvent::Start { id, model, created_s: None });
            }
            "contentBlockStart" => self.start(index, &value["start"], events),
            "contentBlockDelta" => self.extend(index, &value["delta"], events),
            "contentBlockStop" => {
                if let Some(at) = self.open.iter().position(|block| block.index == index) {
                    self.stop(at, events);
                }
            }
            "messageStop" => {
                while !self.open.is_empty() {
                    self.stop(0, events);
                }
                if let Some(stop) = response::read_stop(value) {
                    events.push(StreamEvent::Stop { choice: 0, stop });
                }
                self.has_stopped = true;
            }
            "metadata" => {
                events.push(StreamEvent::Usage(response::read_usage(value)));
                if self.has_stopped {
                    events.push(StreamEvent::End);
                    self.is_over = true;
                    return FrameKind::End;
                }
            }
            // Events of later versions: whoever speaks the format gets their bytes.
            _ => {}
        }
        FrameKind::Data
    }

    fn start(&mut self, index: u64, start: &Value, events: &mut Vec<StreamEvent>) {
        let call = &start["toolUse"];
        let is_own = call.is_object() && call["type"] != "server_tool_use";
        let form = if is_own {
            let head =
                PartHead::ToolCall { id: text(&call["toolUseId"]), name: text(&call["name"]) };
            Form::Call { part: self.parts.start(head, events), has_arguments: false }
        } else if start.as_object().is_some_and(|start| !start.is_empty()) {
            Form::Opaque { value: start.clone(), input: String::new() }
        } else {
            Form::Unknown
        };
        self.open.push(Block { index, form });
    }

    fn extend(&mut self, index: u64, delta: &Value, events: &mut Vec<StreamEvent>) {
        // Texts begin without a `contentBlockStart`.
        let at = match self.open.iter().position(|block| block.index == index) {
            Some(at) => at,
            None => {
                self.open.push(Block { index, form: Form::Unknown });
                self.open.len() - 1
            }
        };
        let thought = &delta["reasoningContent"];
        if matches!(self.open[at].form, Form::Unknown) {
            self.open[at].form = if thought["redactedContent"].is_string() {
                Form::Sealed(String::new())
            } else if thought.is_object() {
                Form::Part(self.parts.start(PartHead::Thinking, events))
            } else {
                Form::Part(self.parts.start(PartHead::Text, events))
            };
        }
        match &mut self.open[at].form {
            Form::Part(part) => {
                let part = *part;
                parts::add(part, PartDelta::Text(text(&delta["text"])), events);
                parts::add(part, PartDelta::Thinking(text(&thought["text"])), events);
                parts::add(part, PartDelta::Signature(text(&thought["signature"])), events);
                if delta["citation"].is_object() {
                    parts::add(part, PartDelta::Citation(delta["citation"].clone()), events);
                }
            }
            Form::Call { part, has_arguments } => {
                let more = text(&delta["toolUse"]["input"]);
                *has_arguments |= !more.is_empty();
                parts::add(*part, PartDelta::Arguments(more), events);
            }
            Form::Sealed(data) => {
                data.push_str(thought["redactedContent"].as_str().unwrap_or_default());
            }
            Form::Opaque { value, input } => {
                input.push_str(delta["toolUse"]["input"].as_str().unwrap_or_default());
                if let Some(more) = delta["toolResult"].as_array() {
                    match value["toolResult"]["content"].as_array_mut() {
                        Some(content) => content.extend(more.iter().cloned()),
                        None => value["toolResult"]["content"] = json!(more),
                    }
                }
            }
            Form::Unknown => {}
        }
    }

    fn stop(&mut self, at: usize, events: &mut Vec<StreamEvent>) {
        match self.open.remove(at).form {
            Form::Part(part) => parts::stop(part, events),
            Form::Call { part, has_arguments } => {
                if !has_arguments {
                    parts::add(part, PartDelta::Arguments("{}".to_owned()), events);
                }
                parts::stop(part, events);
            }
            Form::Sealed(data) => {
                self.parts.whole(PartHead::RedactedThinking { data }, events);
            }
            Form::Opaque { mut value, input } => {
                if !input.is_empty() && value["toolUse"].is_object() {
                    let input = serde_json::from_str(&input).unwrap_or(Value::String(input));
                    value["toolUse"]["input"] = input;
                }
                self.parts.whole(PartHead::Opaque { dialect: ID, value }, events);
            }
            Form::Unknown => {}
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
