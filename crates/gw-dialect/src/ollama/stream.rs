//! Streams: lines of JSON, each with more of the message, the last one `done` with the counts.

use std::collections::BTreeMap;

use bytes::Bytes;
use gw_core::chat::Part;
use gw_core::event::{PartDelta, PartHead, StreamEvent};
use gw_core::reply::Stop;
use gw_core::seam::{ClientStream, Frame, FrameKind, StreamDecoder, StreamEncoder};
use gw_core::{Error, Kind, Result, UsageReport};
use serde_json::{Map, Value};

use super::lines::LineFramer;
use super::response::{self, malformed};
use super::{Form, error, usage};

/// Reads a stream.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    framer: LineFramer,
    /// Parts begun so far.
    parts: u32,
    open: Option<Open>,
    calls: usize,
    has_started: bool,
    is_over: bool,
}

/// What part is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text,
    Thinking,
}

impl StreamDecoder for Decoder {
    fn push(&mut self, bytes: &[u8], frames: &mut Vec<Frame>) -> Result<()> {
        let mut lines = Vec::new();
        let outcome = self.framer.push(bytes, &mut lines);
        self.read_all(lines, frames)?;
        outcome
    }

    fn finish(&mut self, frames: &mut Vec<Frame>) -> Result<()> {
        let mut lines = Vec::new();
        self.framer.finish(&mut lines);
        self.read_all(lines, frames)?;
        if self.is_over {
            return Ok(());
        }
        let text = "the provider's stream broke off before its end";
        Err(Error::new(Kind::ProviderUnreachable, text))
    }
}

impl Decoder {
    fn read_all(&mut self, lines: Vec<Bytes>, frames: &mut Vec<Frame>) -> Result<()> {
        for raw in lines {
            let mut events = Vec::new();
            let kind = if self.is_over || raw.trim_ascii().is_empty() {
                FrameKind::KeepAlive
            } else {
                self.line(&raw, &mut events)?
            };
            frames.push(Frame { raw, kind, events });
        }
        Ok(())
    }

    fn line(&mut self, raw: &[u8], events: &mut Vec<StreamEvent>) -> Result<FrameKind> {
        let value = serde_json::from_slice(raw).ok();
        let Some(Value::Object(message)) = value else {
            self.is_over = true;
            return Err(malformed("a line of the provider's stream is no JSON object"));
        };
        if response::is_error(&message) {
            self.is_over = true;
            let error = error::decode_inline(&Value::Object(message));
            events.push(StreamEvent::Error(Box::new(error)));
            return Ok(FrameKind::Data);
        }
        if !std::mem::replace(&mut self.has_started, true) {
            events.push(StreamEvent::Start {
                id: String::new(),
                model: message.get("model").and_then(Value::as_str).unwrap_or_default().to_owned(),
                created_s: response::created_s(&message),
            });
        }
        for part in response::read_parts(&message, &mut self.calls) {
            self.say(part, events);
        }
        if let Some(value) = response::read_logprobs(&message) {
            events.push(StreamEvent::Logprobs { choice: 0, value });
        }
        if message.get("done") != Some(&Value::Bool(true)) {
            return Ok(FrameKind::Data);
        }
        self.close(events);
        let stop = response::read_stop(&message, self.calls > 0).into();
        events.push(StreamEvent::Stop { choice: 0, stop });
        events.push(StreamEvent::Usage(usage::read(&message)));
        events.push(StreamEvent::End);
        self.is_over = true;
        Ok(FrameKind::End)
    }

    fn say(&mut self, part: Part, events: &mut Vec<StreamEvent>) {
        match part {
            Part::Text { text, .. } => {
                self.begin(PartHead::Text, Open::Text, events);
                self.add(PartDelta::Text(text), events);
            }
            Part::Thinking { text, .. } => {
                self.begin(PartHead::Thinking, Open::Thinking, events);
                self.add(PartDelta::Thinking(text), events);
            }
            Part::ToolCall { id, name, arguments, .. } => {
                self.close(events);
                let head = PartHead::ToolCall { id, name };
                events.push(StreamEvent::PartStart { choice: 0, part: self.parts, head });
                self.parts += 1;
                self.add(PartDelta::Arguments(arguments), events);
                events.push(StreamEvent::PartStop { choice: 0, part: self.parts - 1 });
            }
            _ => {}
        }
    }

    fn begin(&mut self, head: PartHead, open: Open, events: &mut Vec<StreamEvent>) {
        if self.open == Some(open) {
            return;
        }
        self.close(events);
        events.push(StreamEvent::PartStart { choice: 0, part: self.parts, head });
        self.parts += 1;
        self.open = Some(open);
    }

    fn add(&self, delta: PartDelta, events: &mut Vec<StreamEvent>) {
        let part = self.parts.saturating_sub(1);
        events.push(StreamEvent::PartDelta { choice: 0, part, delta });
    }

    fn close(&mut self, events: &mut Vec<StreamEvent>) {
        if self.open.take().is_some() {
            let part = self.parts.saturating_sub(1);
            events.push(StreamEvent::PartStop { choice: 0, part });
        }
    }
}

/// A call that is being written.
#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    arguments: String,
}

/// Writes a stream for a client. Calls come whole, so their arguments are gathered.
#[derive(Debug)]
pub(super) struct Encoder {
    client: ClientStream,
    form: Form,
    model: String,
    created_s: i64,
    calls: BTreeMap<u32, Call>,
    written_calls: usize,
    stop: Option<Stop>,
    usage: Option<UsageReport>,
    is_over: bool,
}

impl Encoder {
    pub(super) fn new(client: ClientStream, form: Form) -> Self {
        Self {
            model: client.model.clone(),
            created_s: client.created_s,
            client,
            form,
            calls: BTreeMap::new(),
            written_calls: 0,
            stop: None,
            usage: None,
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
            StreamEvent::Start { model, created_s, .. } => {
                response::shown_model(model, &self.client).clone_into(&mut self.model);
                self.created_s = created_s.unwrap_or(self.client.created_s);
            }
            StreamEvent::PartStart { choice: 0, part, head: PartHead::ToolCall { id, name } } => {
                let (id, name) = (id.clone(), name.clone());
                self.calls.insert(*part, Call { id, name, arguments: String::new() });
            }
            StreamEvent::PartDelta { choice: 0, part, delta } => self.extend(*part, delta, out),
            StreamEvent::PartStop { choice: 0, part } => self.stop_part(*part, out),
            StreamEvent::Stop { choice: 0, stop } => self.stop = Some(stop.clone()),
            StreamEvent::Logprobs { choice: 0, value } => {
                if let Some(list) = response::write_logprobs(value) {
                    let list = list.clone();
                    self.line(
                        "",
                        "",
                        Vec::new(),
                        |line| {
                            line.insert("logprobs".to_owned(), list);
                        },
                        out,
                    );
                }
            }
            StreamEvent::Usage(report) => self.usage = Some(report.clone()),
            StreamEvent::Error(cause) => {
                let body: Value = serde_json::from_slice(&error::encode(cause)).unwrap_or_default();
                out.extend_from_slice(body.to_string().as_bytes());
                out.push(b'\n');
                self.is_over = true;
            }
            StreamEvent::End => self.end(out),
            // Other choices: the format has none. Signs of life: it has none either.
            StreamEvent::PartStart { .. }
            | StreamEvent::PartDelta { .. }
            | StreamEvent::PartStop { .. }
            | StreamEvent::Stop { .. }
            | StreamEvent::Logprobs { .. }
            | StreamEvent::Ping => {}
        }
    }
}

impl Encoder {
    fn line(
        &self,
        words: &str,
        thoughts: &str,
        calls: Vec<Value>,
        fill: impl FnOnce(&mut Map<String, Value>),
        out: &mut Vec<u8>,
    ) {
        let mut line = response::head(&self.model, self.created_s);
        response::put_said(self.form, words, thoughts, calls, &mut line);
        line.insert("done".to_owned(), Value::Bool(false));
        fill(&mut line);
        out.extend_from_slice(Value::Object(line).to_string().as_bytes());
        out.push(b'\n');
    }

    fn extend(&mut self, part: u32, delta: &PartDelta, out: &mut Vec<u8>) {
        match delta {
            PartDelta::Text(text) if !text.is_empty() => {
                self.line(text, "", Vec::new(), |_| {}, out);
            }
            PartDelta::Thinking(text) if !text.is_empty() => {
                self.line("", text, Vec::new(), |_| {}, out);
            }
            PartDelta::Arguments(more) => {
                if let Some(call) = self.calls.get_mut(&part) {
                    call.arguments.push_str(more);
                }
            }
            _ => {}
        }
    }

    fn stop_part(&mut self, part: u32, out: &mut Vec<u8>) {
        let Some(call) = self.calls.remove(&part) else { return };
        let call = response::write_call(&call.id, &call.name, &call.arguments, self.written_calls);
        self.written_calls += 1;
        self.line("", "", vec![call], |_| {}, out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let open: Vec<u32> = self.calls.keys().copied().collect();
        for part in open {
            self.stop_part(part, out);
        }
        let stop = self.stop.take();
        let reason = stop.as_ref().map_or("stop", |stop| response::write_stop(&stop.reason));
        let report = self.usage.take().unwrap_or_default();
        self.line(
            "",
            "",
            Vec::new(),
            |line| {
                line.insert("done".to_owned(), Value::Bool(true));
                line.insert("done_reason".to_owned(), Value::from(reason));
                usage::write(&report, line);
            },
            out,
        );
        self.is_over = true;
    }
}
