//! A provider's stream into frames and events.
//!
//! Why an answer ended is said when the stream ends and not with its `finish_reason`: some servers
//! send the word early, or with every chunk.

use bytes::Bytes;
use gw_core::event::StreamEvent;
use gw_core::seam::{Frame, FrameKind, StreamDecoder};
use gw_core::{Error, Kind, Result};
use serde_json::{Map, Value};

use super::choice::ChoiceState;
use crate::openai_chat::response::citations_of_reply;
use crate::openai_chat::value::{index, items, object, text};
use crate::openai_chat::{error, usage};
use crate::sse::{SseFrame, SseFramer};

/// What clients of this format wait for.
const DONE: &str = "[DONE]";

/// Answers of one stream that are followed; more than any provider gives.
const CHOICES_MAX: u32 = 128;

/// Reads a stream.
#[derive(Default)]
pub(in crate::openai_chat) struct Decoder {
    framer: SseFramer,
    choices: Vec<ChoiceState>,
    /// Sources that stand beside the choices; the last list counts.
    citations: Vec<Value>,
    has_started: bool,
    /// True after the end or an error: whatever follows is not part of the answer.
    is_over: bool,
}

impl StreamDecoder for Decoder {
    fn push(&mut self, bytes: &[u8], frames: &mut Vec<Frame>) -> Result<()> {
        let mut cut = Vec::new();
        let outcome = self.framer.push(bytes, &mut cut);
        self.read_all(cut, frames)?;
        if outcome.is_err() {
            self.is_over = true;
        }
        outcome
    }

    fn finish(&mut self, frames: &mut Vec<Frame>) -> Result<()> {
        let mut cut = Vec::new();
        self.framer.finish(&mut cut);
        self.read_all(cut, frames)?;
        if self.is_over {
            return Ok(());
        }
        self.is_over = true;
        if self.choices.is_empty() || !self.choices.iter().all(ChoiceState::has_ending) {
            let text = "the provider's stream broke off before its end";
            return Err(Error::new(Kind::ProviderUnreachable, text));
        }
        let mut events = Vec::new();
        self.end(&mut events);
        // The client waits for the word that this provider leaves out.
        let raw = Bytes::from_static(b"data: [DONE]\n\n");
        frames.push(Frame { raw, kind: FrameKind::End, events });
        Ok(())
    }
}

impl Decoder {
    fn read_all(&mut self, cut: Vec<SseFrame>, frames: &mut Vec<Frame>) -> Result<()> {
        for frame in cut {
            if self.is_over {
                return Ok(());
            }
            match self.read(frame) {
                Ok(frame) => frames.push(frame),
                Err(error) => {
                    self.is_over = true;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, frame: SseFrame) -> Result<Frame> {
        let SseFrame { raw, event, data, .. } = frame;
        let Some(data) = data else { return Ok(self.read_undressed(raw)) };
        let mut events = Vec::new();
        let kind = match data.trim() {
            DONE => {
                self.is_over = true;
                self.end(&mut events);
                FrameKind::End
            }
            "" => FrameKind::KeepAlive,
            json => match serde_json::from_str(json) {
                Ok(Value::Object(chunk)) => self.chunk(&chunk, &event, &mut events),
                _ => {
                    let text = "a chunk of the provider's stream is no JSON object";
                    return Err(Error::new(Kind::ProviderMalformed, text));
                }
            },
        };
        Ok(Frame { raw, kind, events })
    }

    /// A block without data: a comment, or a JSON body where a stream was promised.
    fn read_undressed(&mut self, raw: Bytes) -> Frame {
        let text = std::str::from_utf8(&raw).unwrap_or_default().trim();
        let mut events = Vec::new();
        let kind = match serde_json::from_str(text) {
            Ok(Value::Object(body)) if text.starts_with('{') => self.chunk(&body, "", &mut events),
            _ => {
                if !text.is_empty() {
                    events.push(StreamEvent::Ping);
                }
                FrameKind::KeepAlive
            }
        };
        Frame { raw, kind, events }
    }

    fn chunk(
        &mut self,
        chunk: &Map<String, Value>,
        event: &str,
        events: &mut Vec<StreamEvent>,
    ) -> FrameKind {
        let choices = items(chunk, "choices");
        if let Some(error) = failure(chunk, choices, event) {
            self.is_over = true;
            events.push(StreamEvent::Error(Box::new(error)));
            return FrameKind::Data;
        }
        let id = text(chunk, "id").unwrap_or_default();
        // Azure begins with a chunk that says only what its filter thinks of the prompt.
        if !id.is_empty() || !choices.is_empty() {
            self.start(chunk, events);
        }
        for choice in choices.iter().filter_map(Value::as_object) {
            let number = index(choice, "index").unwrap_or(0);
            if number < CHOICES_MAX {
                self.choice(number).push(choice, events);
            }
        }
        let cited = citations_of_reply(chunk);
        if !cited.is_empty() {
            self.citations = cited;
        }
        let grok = object(chunk, "x_groq");
        let report = object(chunk, "usage").or_else(|| grok.and_then(|grok| object(grok, "usage")));
        let is_usage_only = report.is_some() && choices.is_empty();
        let all_ended =
            !self.choices.is_empty() && self.choices.iter().all(ChoiceState::has_ending);
        if is_usage_only && all_ended {
            self.stop_all(events);
        }
        if let Some(report) = report {
            let report = usage::decode(report, text(chunk, "service_tier"));
            events.push(StreamEvent::Usage(report));
        }
        if is_usage_only { FrameKind::UsageOnly } else { FrameKind::Data }
    }

    fn start(&mut self, chunk: &Map<String, Value>, events: &mut Vec<StreamEvent>) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        events.push(StreamEvent::Start {
            id: text(chunk, "id").unwrap_or_default().to_owned(),
            model: text(chunk, "model").unwrap_or_default().to_owned(),
            created_s: chunk.get("created").and_then(Value::as_i64),
        });
    }

    fn choice(&mut self, number: u32) -> &mut ChoiceState {
        let found = self.choices.binary_search_by_key(&number, ChoiceState::number);
        let at = found.unwrap_or_else(|at| {
            self.choices.insert(at, ChoiceState::new(number));
            at
        });
        &mut self.choices[at]
    }

    fn stop_all(&mut self, events: &mut Vec<StreamEvent>) {
        if let Some(first) = self.choices.first_mut() {
            first.cite(std::mem::take(&mut self.citations));
        }
        for choice in &mut self.choices {
            choice.stop(events);
        }
    }

    fn end(&mut self, events: &mut Vec<StreamEvent>) {
        self.start(&Map::new(), events);
        self.stop_all(events);
        events.push(StreamEvent::End);
    }
}

/// The error that a chunk carries: at its top, in a choice, or as the whole of it.
fn failure(chunk: &Map<String, Value>, choices: &[Value], event: &str) -> Option<Error> {
    if chunk.get("error").is_some_and(|error| !error.is_null()) {
        return Some(error::in_band(chunk));
    }
    let broken = choices.iter().filter_map(Value::as_object).find(|choice| {
        object(choice, "error").is_some() || text(choice, "finish_reason") == Some("error")
    });
    if let Some(choice) = broken {
        return Some(error::in_band(choice));
    }
    // vLLM: the error is the object itself.
    let is_error = event == "error" || text(chunk, "object") == Some("error");
    (is_error && choices.is_empty()).then(|| error::in_band(chunk))
}
