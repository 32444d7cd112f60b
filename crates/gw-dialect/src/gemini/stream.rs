//! Streams: the decoder here, the encoder in [`encoder`].
//!
//! Every piece is an answer of its own that says more. Nothing marks the end: a stream is over when
//! its bytes are, and whole when every candidate said why it ended. So the end is told by `finish`.

mod array;
mod encoder;
mod partial;

use bytes::Bytes;
use gw_core::chat::Part;
use gw_core::event::{PartDelta, PartHead, StreamEvent};
use gw_core::limits::REMEMBERED_TEXT_BYTES_MAX;
use gw_core::reply::StopReason;
use gw_core::seam::{Frame, FrameKind, StreamDecoder};
use gw_core::{Error, Kind, Result};
use serde_json::{Map, Value};

use super::calls::Calls;
use super::meta::{self, Gathered};
use super::response::{self, CHOICES_MAX, breaks_format, candidates, index_of, malformed};
use super::{error, names, parts, usage};
use crate::json::Node;
use array::Framer;
use partial::PartialCall;

pub(super) use encoder::Encoder;
pub(super) use partial::add_piece;

/// Reads a stream.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    framer: Framer,
    id: String,
    model: String,
    lanes: Vec<Lane>,
    usage: Option<Map<String, Value>>,
    feedback: Option<Value>,
    has_started: bool,
    is_over: bool,
}

impl StreamDecoder for Decoder {
    fn push(&mut self, bytes: &[u8], frames: &mut Vec<Frame>) -> Result<()> {
        let mut whole = Vec::new();
        let outcome = self.framer.push(bytes, &mut whole);
        self.read_all(whole, frames)?;
        outcome
    }

    fn finish(&mut self, frames: &mut Vec<Frame>) -> Result<()> {
        let mut last = Vec::new();
        let rest = self.framer.finish(&mut last);
        self.read_all(last, frames)?;
        if self.is_over {
            return Ok(());
        }
        self.is_over = true;
        let mut events = Vec::new();
        if self.lanes.is_empty() {
            self.refuse(&mut events);
        }
        let has_ended = !self.lanes.is_empty() || !events.is_empty();
        if !has_ended || !self.lanes.iter().all(|lane| lane.gathered.has_ended()) {
            let text = "the provider's stream broke off before its end";
            return Err(Error::new(Kind::ProviderUnreachable, text));
        }
        for lane in &mut self.lanes {
            lane.end(&mut events)?;
        }
        self.report_usage(&mut events);
        events.push(StreamEvent::End);
        frames.push(Frame { raw: rest, kind: FrameKind::End, events });
        Ok(())
    }
}

impl Decoder {
    fn read_all(&mut self, whole: Vec<array::Piece>, frames: &mut Vec<Frame>) -> Result<()> {
        for piece in whole {
            if self.is_over {
                return Ok(());
            }
            match self.read_piece(piece) {
                Ok(frame) => frames.push(frame),
                Err(error) => {
                    self.is_over = true;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn read_piece(&mut self, piece: array::Piece) -> Result<Frame> {
        let array::Piece { raw, data } = piece;
        let mut events = Vec::new();
        let data = data.as_deref().map_or_else(|| undressed(&raw), |data| Ok(Some(data)))?;
        // Some servers add OpenAI's mark.
        let Some(data) = data.filter(|data| !matches!(data.trim(), "" | "[DONE]")) else {
            return Ok(Frame { raw, kind: FrameKind::KeepAlive, events });
        };
        let value: Value = serde_json::from_str(data)
            .map_err(|_| malformed("a piece of the provider's stream is not JSON"))?;
        self.chunk(value, &mut events)?;
        Ok(Frame { raw, kind: FrameKind::Data, events })
    }

    fn chunk(&mut self, value: Value, events: &mut Vec<StreamEvent>) -> Result<()> {
        if error::error_of(&value).is_some() {
            self.is_over = true;
            events.push(StreamEvent::Error(Box::new(error::decode_inline(&value))));
            return Ok(());
        }
        let value = names::normalize(value);
        let Some(chunk) = value.as_object() else {
            return Err(malformed("a piece of the provider's stream is no JSON object"));
        };
        self.start(chunk, events);
        for (place, candidate) in candidates(chunk).into_iter().enumerate() {
            let index = index_of(candidate, place);
            if index < CHOICES_MAX {
                self.lane(index).read(candidate, events)?;
            }
        }
        if let Some(feedback) = chunk.get("promptFeedback") {
            self.feedback = Some(feedback.clone());
        }
        if let Some(usage) = chunk.get("usageMetadata").and_then(Value::as_object) {
            self.usage = Some(usage.clone());
            self.report_usage(events);
        }
        Ok(())
    }

    fn start(&mut self, chunk: &Map<String, Value>, events: &mut Vec<StreamEvent>) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        let text = |key: &str| chunk.get(key).and_then(Value::as_str).unwrap_or_default();
        text("responseId").clone_into(&mut self.id);
        text("modelVersion").clone_into(&mut self.model);
        events.push(StreamEvent::Start {
            id: self.id.clone(),
            model: self.model.clone(),
            created_s: crate::time::read_rfc3339_s(text("createTime")),
        });
    }

    fn lane(&mut self, index: u32) -> &mut Lane {
        let found = self.lanes.binary_search_by_key(&index, |lane| lane.index);
        let at = found.unwrap_or_else(|at| {
            self.lanes.insert(at, Lane::new(index, &self.id));
            at
        });
        &mut self.lanes[at]
    }

    fn report_usage(&self, events: &mut Vec<StreamEvent>) {
        if let Some(usage) = &self.usage {
            let searches = self.lanes.iter().map(|lane| lane.gathered.searches(&self.model));
            let searches = searches.fold(0, u64::saturating_add);
            events.push(StreamEvent::Usage(usage::read(usage, searches)));
        }
    }

    /// Answers for a prompt that Google's filter refused.
    fn refuse(&self, events: &mut Vec<StreamEvent>) {
        let refused = self.feedback.as_ref().and_then(response::refused_choice);
        let Some(refused) = refused else { return };
        let mut lane = Lane::new(0, &self.id);
        for part in refused.parts {
            lane.say(part, events);
        }
        lane.close(events);
        events.push(StreamEvent::Stop { choice: 0, stop: StopReason::Refusal.into() });
    }
}

/// A frame without data is a comment, or a JSON body where a stream was promised.
fn undressed(raw: &Bytes) -> Result<Option<&str>> {
    let text = std::str::from_utf8(raw).unwrap_or_default().trim();
    match text.as_bytes().first() {
        Some(b'{') => Ok(Some(text)),
        Some(b'<') => Err(malformed("the provider's answer is not an event stream")),
        _ => Ok(None),
    }
}

/// One candidate as it comes in.
#[derive(Debug)]
struct Lane {
    index: u32,
    calls: Calls,
    gathered: Gathered,
    /// Parts begun so far.
    parts: u32,
    open: Option<Open>,
    /// The last text, for the places of its citations.
    text: String,
    partial: Option<PartialCall>,
}

/// What part is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text,
    Thinking,
    /// A part that nothing is added to.
    Closed,
}

impl Lane {
    fn new(index: u32, answer_id: &str) -> Self {
        Self {
            index,
            calls: Calls::of_answer(answer_id, index),
            gathered: Gathered::default(),
            parts: 0,
            open: None,
            text: String::new(),
            partial: None,
        }
    }

    fn read(
        &mut self,
        candidate: &Map<String, Value>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<()> {
        let content = candidate.get("content").and_then(|content| content.get("parts"));
        for part in content.and_then(Value::as_array).into_iter().flatten() {
            if self.continue_call(part, events)? {
                continue;
            }
            let mut read = Vec::new();
            parts::read(&Node::root(part), parts::Place::Reply, &mut self.calls, &mut read)
                .map_err(|error| breaks_format(&error))?;
            for part in read {
                self.say(part, events);
            }
        }
        self.gathered.read(candidate);
        if let Some(value) = candidate.get("logprobsResult").and_then(meta::read_logprobs) {
            events.push(StreamEvent::Logprobs { choice: self.index, value });
        }
        Ok(())
    }

    /// Takes a call that comes in pieces; true where the part was one.
    fn continue_call(&mut self, part: &Value, events: &mut Vec<StreamEvent>) -> Result<bool> {
        let Some(call) = part.get("functionCall").and_then(Value::as_object) else {
            return Ok(false);
        };
        let name = call.get("name").and_then(Value::as_str).unwrap_or_default();
        let is_more = self.partial.is_some() && name.is_empty();
        if !is_more {
            self.end_call(events)?;
        }
        let signature = part["thoughtSignature"].as_str().map(str::to_owned);
        match &mut self.partial {
            Some(partial) => {
                partial.add(call);
                partial.signature = partial.signature.take().or(signature);
            }
            None if partial::continues(call) => {
                self.partial = Some(PartialCall::new(call.clone(), signature));
                return Ok(true);
            }
            None => return Ok(false),
        }
        if !partial::continues(call) {
            self.end_call(events)?;
        }
        Ok(true)
    }

    fn end_call(&mut self, events: &mut Vec<StreamEvent>) -> Result<()> {
        let Some(partial) = self.partial.take() else { return Ok(()) };
        let signature = partial.signature.clone();
        let call = partial.into_call();
        let part = parts::read_call(&Node::root(&call), signature.as_deref(), &mut self.calls);
        self.say(part.map_err(|error| breaks_format(&error))?, events);
        Ok(())
    }

    /// Tells of a part: adds to the open one, or closes it and begins the next.
    fn say(&mut self, part: Part, events: &mut Vec<StreamEvent>) {
        match part {
            Part::Text { text, .. } => {
                if self.open != Some(Open::Text) {
                    self.begin(PartHead::Text, Open::Text, events);
                    self.text.clear();
                }
                if self.text.len() + text.len() <= REMEMBERED_TEXT_BYTES_MAX {
                    self.text.push_str(&text);
                }
                self.add(PartDelta::Text(text), events);
            }
            Part::Thinking { text, signature } => {
                if self.open != Some(Open::Thinking) {
                    self.begin(PartHead::Thinking, Open::Thinking, events);
                }
                if !text.is_empty() {
                    self.add(PartDelta::Thinking(text), events);
                }
                if let Some(signature) = signature {
                    self.add(PartDelta::Signature(signature), events);
                    self.open = Some(Open::Closed);
                }
            }
            Part::RedactedThinking { data } => {
                self.begin(PartHead::RedactedThinking { data }, Open::Closed, events);
            }
            Part::ToolCall { id, name, arguments, .. } => {
                self.gathered.note_call();
                self.begin(PartHead::ToolCall { id, name }, Open::Closed, events);
                self.add(PartDelta::Arguments(arguments), events);
            }
            Part::Refusal { text } => {
                self.begin(PartHead::Refusal, Open::Closed, events);
                self.add(PartDelta::Text(text), events);
            }
            Part::Opaque { dialect, value } => {
                self.begin(PartHead::Opaque { dialect, value }, Open::Closed, events);
            }
            // Pictures and sound of answers are opaque; results are no part of one.
            Part::Image { .. }
            | Part::Document { .. }
            | Part::Audio { .. }
            | Part::ToolResult { .. } => {}
        }
    }

    fn begin(&mut self, head: PartHead, open: Open, events: &mut Vec<StreamEvent>) {
        self.close(events);
        events.push(StreamEvent::PartStart { choice: self.index, part: self.parts, head });
        self.parts += 1;
        self.open = Some(open);
    }

    fn add(&self, delta: PartDelta, events: &mut Vec<StreamEvent>) {
        let part = self.parts.saturating_sub(1);
        events.push(StreamEvent::PartDelta { choice: self.index, part, delta });
    }

    fn close(&mut self, events: &mut Vec<StreamEvent>) {
        if self.open.take().is_some() {
            let part = self.parts.saturating_sub(1);
            events.push(StreamEvent::PartStop { choice: self.index, part });
        }
    }

    fn end(&mut self, events: &mut Vec<StreamEvent>) -> Result<()> {
        self.end_call(events)?;
        let citations = self.gathered.citations(&self.text);
        if !citations.is_empty() {
            if self.open != Some(Open::Text) {
                self.begin(PartHead::Text, Open::Text, events);
            }
            for citation in citations {
                self.add(PartDelta::Citation(citation), events);
            }
        }
        if let Some(rest) = self.gathered.rest() {
            self.say(meta::opaque(rest), events);
        }
        self.close(events);
        let reason = self.gathered.stop().unwrap_or(StopReason::EndTurn);
        events.push(StreamEvent::Stop { choice: self.index, stop: reason.into() });
        Ok(())
    }
}
