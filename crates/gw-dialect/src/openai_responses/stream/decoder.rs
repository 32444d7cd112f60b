//! A provider's stream into frames and events.
//!
//! Items are followed by their `output_index`. Nothing is taken for granted: an item may lack its
//! beginning, its pieces or its end; what is missing is taken from the next event that has it, at the
//! latest from the response at the end.

use bytes::Bytes;
use gw_core::event::StreamEvent;
use gw_core::seam::{Frame, FrameKind, StreamDecoder};
use gw_core::{Error, Kind as ErrorKind, Result};
use serde_json::{Map, Value};

use super::lane::{Kind, Lane, Step};
use crate::json::natural;
use crate::openai_chat::value::{items, object, text};
use crate::openai_responses::response::{self, Head};
use crate::openai_responses::{error, usage};
use crate::sse::{SseFrame, SseFramer};

/// Items of one stream that are followed; more than any provider gives.
const ITEMS_MAX: usize = 4_096;

/// Reads a stream.
#[derive(Default)]
pub(in crate::openai_responses) struct Decoder {
    framer: SseFramer,
    lanes: Vec<Lane>,
    /// The first lane that is not over.
    front: usize,
    /// Parts passed on so far, and whether the last of them is open.
    parts: u32,
    has_started: bool,
    has_calls: bool,
    /// True after the end or an error: whatever follows is not part of the answer.
    is_over: bool,
}

impl StreamDecoder for Decoder {
    fn push(&mut self, bytes: &[u8], frames: &mut Vec<Frame>) -> Result<()> {
        let mut cut = Vec::new();
        let outcome = self.framer.push(bytes, &mut cut);
        for frame in cut {
            frames.push(self.read(frame)?);
        }
        outcome
    }

    fn finish(&mut self, frames: &mut Vec<Frame>) -> Result<()> {
        let mut cut = Vec::new();
        self.framer.finish(&mut cut);
        for frame in cut {
            frames.push(self.read(frame)?);
        }
        if self.is_over {
            return Ok(());
        }
        let text = "the provider's stream broke off before its end";
        Err(Error::new(ErrorKind::ProviderUnreachable, text))
    }
}

fn malformed(text: &str) -> Error {
    Error::new(ErrorKind::ProviderMalformed, text)
}

impl Decoder {
    fn read(&mut self, frame: SseFrame) -> Result<Frame> {
        let SseFrame { raw, event, data, .. } = frame;
        let Some(data) = data else { return self.read_undressed(raw) };
        let mut events = Vec::new();
        // Some servers end with the mark of chat completions.
        if self.is_over || matches!(data.trim(), "[DONE]" | "") {
            return Ok(Frame { raw, kind: FrameKind::Data, events });
        }
        let Ok(Value::Object(value)) = serde_json::from_str(&data) else {
            return Err(malformed("an event of the provider's stream is no JSON object"));
        };
        let kind = self.event(&event, &value, &mut events);
        self.drain(&mut events);
        Ok(Frame { raw, kind, events })
    }

    /// A block without data: a comment, or a JSON body where a stream was promised.
    fn read_undressed(&mut self, raw: Bytes) -> Result<Frame> {
        let words = raw.trim_ascii();
        let mut events = Vec::new();
        let kind = match words.first() {
            Some(b'{') if !self.is_over => match serde_json::from_slice(words) {
                Ok(Value::Object(body)) if response::failure(&body).is_some() => {
                    self.fail(&body, &mut events);
                    FrameKind::Data
                }
                Ok(Value::Object(body)) if body.contains_key("output") => {
                    self.end(&body, &mut events);
                    FrameKind::End
                }
                _ => return Err(malformed("the provider's answer is not an event stream")),
            },
            Some(b'<' | b'[') if !self.is_over => {
                return Err(malformed("the provider's answer is not an event stream"));
            }
            None => FrameKind::KeepAlive,
            Some(_) => {
                if !self.is_over {
                    events.push(StreamEvent::Ping);
                }
                FrameKind::KeepAlive
            }
        };
        Ok(Frame { raw, kind, events })
    }

    fn event(
        &mut self,
        name: &str,
        event: &Map<String, Value>,
        events: &mut Vec<StreamEvent>,
    ) -> FrameKind {
        let response = object(event, "response");
        match text(event, "type").unwrap_or(name) {
            "response.completed" | "response.incomplete" | "response.done" => {
                let none = Map::new();
                let response = response.unwrap_or(&none);
                if response::failure(response).is_some() {
                    self.fail(response, events);
                    return FrameKind::Data;
                }
                self.end(response, events);
                return FrameKind::End;
            }
            "response.failed" | "response.cancelled" => {
                self.fail(response.unwrap_or(event), events);
            }
            "error" => self.fail(event, events),
            "ping" | "keepalive" => {
                events.push(StreamEvent::Ping);
                return FrameKind::KeepAlive;
            }
            "response.created" | "response.in_progress" | "response.queued" => {
                if let Some(response) = response {
                    self.start(response, events);
                }
            }
            // An error of a server that has no events for it.
            "" if event.get("error").is_some_and(|error| !error.is_null()) => {
                self.fail(event, events);
            }
            kind => self.item_event(kind, event),
        }
        FrameKind::Data
    }

    /// Events of one output item.
    fn item_event(&mut self, kind: &str, event: &Map<String, Value>) {
        let delta = text(event, "delta").unwrap_or_default();
        let content = key_of(event, "content_index");
        let summary = key_of(event, "summary_index");
        match kind {
            "response.output_item.added" => {
                if let Some(item) = object(event, "item") {
                    self.add(index_of(event), item);
                }
            }
            "response.output_item.done" => {
                if let Some(item) = object(event, "item")
                    && let Some(at) = self.add(index_of(event), item)
                {
                    self.lanes[at].finish(item);
                }
            }
            "response.output_text.delta" => {
                self.with(event, Kind::Message, |lane| {
                    lane.say(content, delta, false);
                    lane.weigh(items(event, "logprobs"));
                });
            }
            "response.refusal.delta" => {
                self.with(event, Kind::Message, |lane| lane.say(content, delta, true));
            }
            "response.content_part.done" => {
                if let Some(part) = event.get("part")
                    && part["type"] != "reasoning_text"
                {
                    self.with(event, Kind::Message, |lane| lane.complete_content(content, part));
                }
            }
            "response.output_text.annotation.added" => {
                if let Some(annotation) = event.get("annotation") {
                    self.with(event, Kind::Message, |lane| lane.cite_early(content, annotation));
                }
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_summary.delta" => {
                self.with(event, Kind::Reasoning, |lane| lane.think(summary, delta, false));
            }
            "response.reasoning_text.delta" | "response.reasoning.delta" => {
                self.with(event, Kind::Reasoning, |lane| lane.think(content, delta, true));
            }
            "response.function_call_arguments.delta" => {
                self.with(event, Kind::Call, |lane| lane.argue(delta));
            }
            "response.custom_tool_call_input.delta" => {
                self.with(event, Kind::Custom, |lane| lane.argue(delta));
            }
            // Progress of tools that the provider runs, and events of later versions: whoever speaks
            // the format gets their bytes.
            _ => {}
        }
    }

    /// The lane of an item, begun if need be; `None` beyond the bound.
    fn add(&mut self, index: Option<u64>, item: &Map<String, Value>) -> Option<usize> {
        if let Some(at) = self.find(index, text(item, "id").unwrap_or_default()) {
            return Some(at);
        }
        let index = index.unwrap_or(self.lanes.len() as u64);
        self.push_lane(Lane::begin(index, item))
    }

    fn push_lane(&mut self, lane: Lane) -> Option<usize> {
        if self.lanes.len() >= ITEMS_MAX {
            return None;
        }
        self.lanes.push(lane);
        Some(self.lanes.len() - 1)
    }

    fn find(&self, index: Option<u64>, id: &str) -> Option<usize> {
        let by_index =
            index.and_then(|index| self.lanes.iter().rposition(|lane| lane.index == index));
        by_index.or_else(|| match (index, id) {
            (Some(_), _) | (None, "") => None,
            (None, id) => self.lanes.iter().rposition(|lane| lane.id == id),
        })
    }

    /// Does something with the item that an event speaks of.
    fn with(&mut self, event: &Map<String, Value>, kind: Kind, act: impl FnOnce(&mut Lane)) {
        let index = index_of(event);
        let id = text(event, "item_id").unwrap_or_default();
        let found = self.find(index, id).or_else(|| {
            let mut lane = Lane::new(index.unwrap_or(self.lanes.len() as u64), kind);
            id.clone_into(&mut lane.id);
            self.push_lane(lane)
        });
        if let Some(lane) = found.and_then(|at| self.lanes.get_mut(at))
            && !lane.is_done
        {
            act(lane);
        }
    }

    fn start(&mut self, response: &Map<String, Value>, events: &mut Vec<StreamEvent>) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        let Head { id, model, created_s } = Head::read(response);
        events.push(StreamEvent::Start { id, model, created_s });
    }

    /// Passes on what is its turn.
    fn drain(&mut self, events: &mut Vec<StreamEvent>) {
        while let Some(lane) = self.lanes.get_mut(self.front) {
            let waiting = std::mem::take(&mut lane.waiting);
            let is_done = lane.is_done;
            if !waiting.is_empty() {
                self.has_calls |= lane.is_call;
                self.start(&Map::new(), events);
                waiting.into_iter().for_each(|step| self.step(step, events));
            }
            if !is_done {
                return;
            }
            self.front += 1;
        }
    }

    fn step(&mut self, step: Step, events: &mut Vec<StreamEvent>) {
        let part = self.parts.saturating_sub(1);
        events.push(match step {
            Step::Start(head) => {
                self.parts += 1;
                StreamEvent::PartStart { choice: 0, part: self.parts - 1, head }
            }
            Step::Delta(delta) => StreamEvent::PartDelta { choice: 0, part, delta },
            Step::Stop => StreamEvent::PartStop { choice: 0, part },
            Step::Logprobs(value) => StreamEvent::Logprobs { choice: 0, value },
        });
    }

    fn end(&mut self, response: &Map<String, Value>, events: &mut Vec<StreamEvent>) {
        self.start(response, events);
        for (index, item) in (0_u64..).zip(items(response, "output")) {
            let Some(item) = item.as_object() else { continue };
            if let Some(at) = self.add_last(index, item) {
                self.lanes[at].finish(item);
            }
        }
        self.lanes.iter_mut().for_each(Lane::abandon);
        self.drain(events);
        let stop = response::stop_of(response, self.has_calls);
        events.push(StreamEvent::Stop { choice: 0, stop });
        if let Some(report) = usage::decode(response) {
            events.push(StreamEvent::Usage(report));
        }
        events.push(StreamEvent::End);
        self.is_over = true;
    }

    /// The lane of an item of the final response: by its id, as some servers count items otherwise in
    /// the stream than they stand at the end.
    fn add_last(&mut self, index: u64, item: &Map<String, Value>) -> Option<usize> {
        let id = text(item, "id").unwrap_or_default();
        let by_id = self.lanes.iter().position(|lane| !id.is_empty() && lane.id == id);
        by_id.or_else(|| self.add(Some(index), item))
    }

    fn fail(&mut self, holder: &Map<String, Value>, events: &mut Vec<StreamEvent>) {
        self.lanes.clear();
        self.is_over = true;
        events.push(StreamEvent::Error(Box::new(error::in_band(holder))));
    }
}

fn index_of(event: &Map<String, Value>) -> Option<u64> {
    event.get("output_index").and_then(natural)
}

fn key_of(event: &Map<String, Value>, key: &str) -> u64 {
    event.get(key).and_then(natural).unwrap_or(0)
}
