//! Streams: the decoder here, the encoder in [`encoder`].
//!
//! Blocks without a canonical form (server tools) are held until they are whole, so that they reach
//! the reader as one value, the same as in an answer that was not streamed.

mod encoder;

use bytes::Bytes;
use gw_core::event::{PartDelta, PartHead, StreamEvent};
use gw_core::seam::{Frame, FrameKind, StreamDecoder};
use gw_core::{Error, Kind, Result};
use serde_json::{Map, Value};

use super::{ID, blocks, error, response, usage};
use crate::json::natural;
use crate::sse::{SseFrame, SseFramer};

pub(super) use encoder::Encoder;

/// A block that has begun and not ended.
#[derive(Debug)]
struct Block {
    /// Its `index` on the wire.
    index: u64,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// A canonical part, already announced.
    Part(u32),
    /// A tool call, announced; `whole` is the input it began with.
    Call { part: u32, whole: Value, has_arguments: bool },
    /// A block kept as it comes, announced when whole.
    Opaque { value: Value, input: String },
}

/// Reads a stream.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    framer: SseFramer,
    open: Vec<Block>,
    parts: u32,
    usage: Map<String, Value>,
    is_over: bool,
}

impl StreamDecoder for Decoder {
    fn push(&mut self, bytes: &[u8], frames: &mut Vec<Frame>) -> Result<()> {
        let mut whole = Vec::new();
        let outcome = self.framer.push(bytes, &mut whole);
        for frame in whole {
            frames.push(self.read_frame(frame)?);
        }
        outcome
    }

    fn finish(&mut self, frames: &mut Vec<Frame>) -> Result<()> {
        let mut last = Vec::new();
        self.framer.finish(&mut last);
        for frame in last {
            frames.push(self.read_frame(frame)?);
        }
        if self.is_over {
            return Ok(());
        }
        let text = "the provider's stream broke off before its end";
        Err(Error::new(Kind::ProviderUnreachable, text))
    }
}

impl Decoder {
    fn read_frame(&mut self, frame: SseFrame) -> Result<Frame> {
        let Some(data) = &frame.data else {
            check_is_sse(&frame.raw)?;
            return Ok(Frame { raw: frame.raw, kind: FrameKind::KeepAlive, events: Vec::new() });
        };
        let mut events = Vec::new();
        // Some compatible providers end with OpenAI's mark.
        if self.is_over || matches!(data.trim(), "[DONE]" | "") {
            return Ok(Frame { raw: frame.raw, kind: FrameKind::Data, events });
        }
        let value: Value = serde_json::from_str(data)
            .map_err(|_| response::malformed("an event of the provider's stream is not JSON"))?;
        let kind = self.read_event(&frame.event, &value, &mut events)?;
        Ok(Frame { raw: frame.raw, kind, events })
    }

    fn read_event(
        &mut self,
        name: &str,
        value: &Value,
        events: &mut Vec<StreamEvent>,
    ) -> Result<FrameKind> {
        let name = value["type"].as_str().unwrap_or(name);
        match name {
            "message_start" => self.start(&value["message"], events)?,
            "content_block_start" => {
                self.start_block(index_of(value), &value["content_block"], events);
            }
            "content_block_delta" => {
                self.extend_block(index_of(value), &value["delta"], events);
            }
            "content_block_stop" => {
                let index = index_of(value);
                if let Some(at) = self.open.iter().position(|block| block.index == index) {
                    self.stop_block(at, events);
                }
            }
            "message_delta" => self.message_delta(value, events),
            "message_stop" => {
                self.stop_all_blocks(events);
                events.push(StreamEvent::End);
                self.is_over = true;
                return Ok(FrameKind::End);
            }
            "ping" => {
                events.push(StreamEvent::Ping);
                return Ok(FrameKind::KeepAlive);
            }
            _ if response::is_error(value) => {
                events.push(StreamEvent::Error(Box::new(error::decode_inline(value))));
                self.is_over = true;
            }
            // Events of later versions: whoever speaks the format gets their bytes.
            _ => {}
        }
        Ok(FrameKind::Data)
    }

    fn start(&mut self, message: &Value, events: &mut Vec<StreamEvent>) -> Result<()> {
        let text = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
        events.push(StreamEvent::Start { id: text("id"), model: text("model"), created_s: None });
        self.report_usage(&message["usage"], events);
        // Compatible providers may begin with content.
        if message["content"].as_array().is_some_and(|content| !content.is_empty()) {
            for block in message["content"].as_array().into_iter().flatten() {
                self.start_block(u64::MAX, block, events);
                self.stop_all_blocks(events);
            }
        }
        if message.is_null() {
            return Err(response::malformed("`message_start` of the provider has no `message`"));
        }
        Ok(())
    }

    fn report_usage(&mut self, more: &Value, events: &mut Vec<StreamEvent>) {
        if more.is_object() {
            usage::merge(&mut self.usage, more);
            events.push(StreamEvent::Usage(usage::read(&self.usage)));
        }
    }

    fn message_delta(&mut self, value: &Value, events: &mut Vec<StreamEvent>) {
        let stop = response::read_stop(&value["delta"]);
        if stop.is_some() {
            self.stop_all_blocks(events);
        }
        self.report_usage(&value["usage"], events);
        if let Some(stop) = stop {
            events.push(StreamEvent::Stop { choice: 0, stop });
        }
    }

    /// Announces a part and gives its number.
    fn announce(&mut self, head: PartHead, events: &mut Vec<StreamEvent>) -> u32 {
        let part = self.parts;
        self.parts += 1;
        events.push(StreamEvent::PartStart { choice: 0, part, head });
        part
    }

    fn start_block(&mut self, index: u64, block: &Value, events: &mut Vec<StreamEvent>) {
        let text = |key: &str| block[key].as_str().unwrap_or_default().to_owned();
        let form = match block["type"].as_str().unwrap_or_default() {
            "text" => {
                let part = self.announce(PartHead::Text, events);
                push_text(part, PartDelta::Text(text("text")), events);
                for citation in block["citations"].as_array().into_iter().flatten() {
                    push_delta(part, PartDelta::Citation(citation.clone()), events);
                }
                Form::Part(part)
            }
            "thinking" => {
                let part = self.announce(PartHead::Thinking, events);
                push_text(part, PartDelta::Thinking(text("thinking")), events);
                push_text(part, PartDelta::Signature(text("signature")), events);
                Form::Part(part)
            }
            "redacted_thinking" => {
                let head = PartHead::RedactedThinking { data: text("data") };
                Form::Part(self.announce(head, events))
            }
            "tool_use" => {
                let head = PartHead::ToolCall { id: text("id"), name: text("name") };
                let part = self.announce(head, events);
                Form::Call { part, whole: block["input"].clone(), has_arguments: false }
            }
            _ => Form::Opaque { value: block.clone(), input: String::new() },
        };
        self.open.push(Block { index, form });
    }

    fn extend_block(&mut self, index: u64, delta: &Value, events: &mut Vec<StreamEvent>) {
        let Some(block) = self.open.iter_mut().find(|block| block.index == index) else { return };
        let text = |key: &str| delta[key].as_str().unwrap_or_default().to_owned();
        match (&mut block.form, delta["type"].as_str().unwrap_or_default()) {
            (Form::Opaque { value, input }, kind) => extend_opaque(value, input, kind, delta),
            (Form::Call { part, has_arguments, .. }, "input_json_delta") => {
                let more = text("partial_json");
                *has_arguments |= !more.is_empty();
                push_text(*part, PartDelta::Arguments(more), events);
            }
            (Form::Part(part), "text_delta") => {
                push_text(*part, PartDelta::Text(text("text")), events);
            }
            (Form::Part(part), "thinking_delta") => {
                push_text(*part, PartDelta::Thinking(text("thinking")), events);
            }
            (Form::Part(part), "signature_delta") => {
                push_text(*part, PartDelta::Signature(text("signature")), events);
            }
            (Form::Part(part), "citations_delta") => {
                push_delta(*part, PartDelta::Citation(delta["citation"].clone()), events);
            }
            _ => {}
        }
    }

    fn stop_block(&mut self, at: usize, events: &mut Vec<StreamEvent>) {
        let part = match self.open.remove(at).form {
            Form::Part(part) => part,
            Form::Call { part, whole, has_arguments } => {
                if !has_arguments {
                    let whole = if whole.is_null() { Value::Object(Map::new()) } else { whole };
                    let arguments = blocks::read_arguments(&whole);
                    push_delta(part, PartDelta::Arguments(arguments), events);
                }
                part
            }
            Form::Opaque { mut value, input } => {
                // A server tool's input that breaks off stays as text.
                if !input.is_empty() {
                    let input = serde_json::from_str(&input).unwrap_or(Value::String(input));
                    value["input"] = input;
                }
                self.announce(PartHead::Opaque { dialect: ID, value }, events)
            }
        };
        events.push(StreamEvent::PartStop { choice: 0, part });
    }

    fn stop_all_blocks(&mut self, events: &mut Vec<StreamEvent>) {
        while !self.open.is_empty() {
            self.stop_block(0, events);
        }
    }
}

fn index_of(value: &Value) -> u64 {
    natural(&value["index"]).unwrap_or(0)
}

fn push_delta(part: u32, delta: PartDelta, events: &mut Vec<StreamEvent>) {
    events.push(StreamEvent::PartDelta { choice: 0, part, delta });
}

/// Pushes a delta unless its text is empty.
fn push_text(part: u32, delta: PartDelta, events: &mut Vec<StreamEvent>) {
    let (PartDelta::Text(text)
    | PartDelta::Thinking(text)
    | PartDelta::Signature(text)
    | PartDelta::Arguments(text)) = &delta
    else {
        return;
    };
    if !text.is_empty() {
        push_delta(part, delta, events);
    }
}

/// Adds a delta to a block that is kept as it comes: `input` grows as JSON text, every other text
/// grows under its own name, everything else replaces.
fn extend_opaque(block: &mut Value, input: &mut String, kind: &str, delta: &Value) {
    let (Some(block), Some(delta)) = (block.as_object_mut(), delta.as_object()) else { return };
    if kind == "input_json_delta" {
        input.push_str(delta.get("partial_json").and_then(Value::as_str).unwrap_or_default());
        return;
    }
    for (key, value) in delta.iter().filter(|(key, _)| *key != "type") {
        match (block.get_mut(key), value) {
            (Some(Value::String(have)), Value::String(more)) => have.push_str(more),
            _ => {
                block.insert(key.clone(), value.clone());
            }
        }
    }
}

/// A frame without data is a comment or nothing. HTML and bare JSON, which providers send with the
/// wrong content type, are told apart so that the caller learns what happened.
fn check_is_sse(raw: &Bytes) -> Result<()> {
    let text = raw.trim_ascii_start();
    if text.first() == Some(&b'{')
        && let Ok(body) = serde_json::from_slice::<Value>(text)
        && response::is_error(&body)
    {
        return Err(error::decode_inline(&body));
    }
    match text.first() {
        Some(b'{' | b'<' | b'[') => {
            Err(response::malformed("the provider's answer is not an event stream"))
        }
        _ => Ok(()),
    }
}
