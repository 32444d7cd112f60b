//! Streams: the decoder here, the encoder in [`encoder`].
//!
//! Server-sent events whose data names its type. A text stays open until the next block begins:
//! citations of it come after its `content-end`.

mod encoder;

use gw_core::event::{PartDelta, PartHead, StreamEvent};
use gw_core::reply::Stop;
use gw_core::seam::{Frame, FrameKind, StreamDecoder};
use gw_core::{Error, Kind, Result};
use serde_json::Value;

use super::{error, response};
use crate::parts::{self, Parts};
use crate::sse::{SseFrame, SseFramer};

pub(super) use encoder::Encoder;

/// The end mark, where a provider leaves it out.
const DONE: &[u8] = b"data: [DONE]\n\n";

/// What is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text(u32),
    Thinking(u32),
    Plan(u32),
    Call(u32),
}

impl Open {
    fn part(self) -> u32 {
        match self {
            Self::Text(part) | Self::Thinking(part) | Self::Plan(part) | Self::Call(part) => part,
        }
    }
}

/// Reads a stream.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    framer: SseFramer,
    parts: Parts,
    open: Option<Open>,
    last_text: Option<u32>,
    has_said_end: bool,
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
        if self.has_said_end {
            self.is_over = true;
            let (raw, events) = (DONE.into(), vec![StreamEvent::End]);
            frames.push(Frame { raw, kind: FrameKind::End, events });
            return Ok(());
        }
        let text = "the provider's stream broke off before its end";
        Err(Error::new(Kind::ProviderUnreachable, text))
    }
}

impl Decoder {
    fn read_frame(&mut self, frame: SseFrame) -> Result<Frame> {
        let Some(data) = &frame.data else {
            if matches!(frame.raw.trim_ascii_start().first(), Some(b'{' | b'<' | b'[')) {
                return Err(not_a_stream(&frame.raw));
            }
            return Ok(Frame { raw: frame.raw, kind: FrameKind::KeepAlive, events: Vec::new() });
        };
        let mut events = Vec::new();
        if self.is_over || data.trim().is_empty() {
            return Ok(Frame { raw: frame.raw, kind: FrameKind::Data, events });
        }
        if data.trim() == "[DONE]" {
            self.close(&mut events);
            events.push(StreamEvent::End);
            self.is_over = true;
            return Ok(Frame { raw: frame.raw, kind: FrameKind::End, events });
        }
        let value: Value = serde_json::from_str(data)
            .map_err(|_| response::malformed("an event of the provider's stream is not JSON"))?;
        self.read_event(&frame.event, &value, &mut events);
        Ok(Frame { raw: frame.raw, kind: FrameKind::Data, events })
    }

    fn read_event(&mut self, name: &str, value: &Value, events: &mut Vec<StreamEvent>) {
        let message = &value["delta"]["message"];
        match value["type"].as_str().unwrap_or(name) {
            "message-start" => events.push(StreamEvent::Start {
                id: text(&value["id"]),
                model: text(&value["model"]),
                created_s: None,
            }),
            "content-start" => self.start_content(&message["content"], events),
            "content-delta" => {
                self.extend_content(&message["content"], events);
                if let Some(value) = response::read_logprobs(&value["logprobs"]) {
                    events.push(StreamEvent::Logprobs { choice: 0, value });
                }
            }
            "tool-plan-delta" => self.plan(&message["tool_plan"], events),
            "tool-call-start" => self.start_call(&message["tool_calls"], events),
            "tool-call-delta" => {
                if let Some(Open::Call(part)) = self.open {
                    let more = text(&message["tool_calls"]["function"]["arguments"]);
                    parts::add(part, PartDelta::Arguments(more), events);
                }
            }
            "tool-call-end" => self.close(events),
            "citation-start" => {
                if let Some(part) = self.last_text {
                    parts::add(part, PartDelta::Citation(message["citations"].clone()), events);
                }
            }
            "message-end" => self.end(&value["delta"], events),
            _ if value["message"].is_string() || !value["error"].is_null() => {
                events.push(StreamEvent::Error(Box::new(error::decode_inline(value))));
                self.is_over = true;
            }
            // `content-end`, `citation-end`, and events of later versions.
            _ => {}
        }
    }

    fn start_content(&mut self, content: &Value, events: &mut Vec<StreamEvent>) {
        self.close(events);
        if content["type"] == "thinking" {
            self.open = Some(Open::Thinking(self.parts.start(PartHead::Thinking, events)));
        } else {
            let part = self.parts.start(PartHead::Text, events);
            self.open = Some(Open::Text(part));
            self.last_text = Some(part);
        }
        self.extend_content(content, events);
    }

    fn extend_content(&mut self, content: &Value, events: &mut Vec<StreamEvent>) {
        match self.open {
            Some(Open::Text(part)) => {
                parts::add(part, PartDelta::Text(text(&content["text"])), events);
            }
            Some(Open::Thinking(part)) => {
                parts::add(part, PartDelta::Thinking(text(&content["thinking"])), events);
            }
            _ => {}
        }
    }

    fn plan(&mut self, plan: &Value, events: &mut Vec<StreamEvent>) {
        let part = match self.open {
            Some(Open::Plan(part)) => part,
            _ => {
                self.close(events);
                let part = self.parts.start(PartHead::Text, events);
                self.open = Some(Open::Plan(part));
                part
            }
        };
        parts::add(part, PartDelta::Text(text(plan)), events);
    }

    fn start_call(&mut self, call: &Value, events: &mut Vec<StreamEvent>) {
        self.close(events);
        let head =
            PartHead::ToolCall { id: text(&call["id"]), name: text(&call["function"]["name"]) };
        let part = self.parts.start(head, events);
        self.open = Some(Open::Call(part));
        let arguments = text(&call["function"]["arguments"]);
        parts::add(part, PartDelta::Arguments(arguments), events);
    }

    fn end(&mut self, delta: &Value, events: &mut Vec<StreamEvent>) {
        self.close(events);
        if delta["usage"].is_object() {
            events.push(StreamEvent::Usage(response::read_usage(&delta["usage"])));
        }
        if let Some(words) = delta["error"].as_str() {
            let error = error::decode_inline(&serde_json::json!({ "message": words }));
            events.push(StreamEvent::Error(Box::new(error)));
            self.is_over = true;
            return;
        }
        let reason = response::read_stop(delta["finish_reason"].as_str().unwrap_or("COMPLETE"));
        events.push(StreamEvent::Stop { choice: 0, stop: Stop::from(reason) });
        self.has_said_end = true;
    }

    fn close(&mut self, events: &mut Vec<StreamEvent>) {
        if let Some(open) = self.open.take() {
            parts::stop(open.part(), events);
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// HTML or bare JSON in place of events: an error that came with the wrong content type says so.
fn not_a_stream(raw: &[u8]) -> Error {
    match serde_json::from_slice::<Value>(raw) {
        Ok(body) if body["message"].is_string() => error::decode_inline(&body),
        _ => response::malformed("the provider's answer is not an event stream"),
    }
}
