//! One answer of a stream: deltas of this format in, parts in order out.

use gw_core::event::{PartDelta, StreamEvent};
use serde_json::{Map, Value, json};

use super::arguments::Progress;
use super::lane::{Kind, Lane};
use crate::openai_chat::reasoning::{Thought, thoughts};
use crate::openai_chat::response::{
    arguments_of, citations_of_annotations, stop_of, thinking_text, tool_call_id,
};
use crate::openai_chat::value::{index, items, object, text, words};

/// The state of one answer.
#[derive(Debug, Default)]
pub(super) struct ChoiceState {
    number: u32,
    lanes: Vec<Lane>,
    /// The first lane that is not over; its place is the part's number.
    front: usize,
    /// The fields that tell why it ended, once they came.
    ending: Option<Map<String, Value>>,
    audio: Map<String, Value>,
    is_stopped: bool,
}

impl ChoiceState {
    /// An answer of which nothing came yet.
    pub(super) fn new(number: u32) -> Self {
        Self { number, ..Self::default() }
    }

    /// Which answer.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// True once the provider said why it ended.
    pub(super) fn has_ending(&self) -> bool {
        self.is_stopped || self.ending.is_some()
    }

    /// Takes one entry of `choices`.
    pub(super) fn push(&mut self, choice: &Map<String, Value>, events: &mut Vec<StreamEvent>) {
        if self.is_stopped {
            return;
        }
        let delta = match object(choice, "delta") {
            Some(delta) => Some(delta),
            // A whole answer where a piece was asked for.
            None if self.lanes.is_empty() => object(choice, "message"),
            None => None,
        };
        if let Some(delta) = delta {
            self.apply(delta);
        } else if let Some(more) = words(choice, "text") {
            self.say(more);
        }
        if let Some(logprobs) = choice.get("logprobs").filter(|value| value.is_object()) {
            let value = logprobs.clone();
            events.push(StreamEvent::Logprobs { choice: self.number, value });
        }
        if words(choice, "finish_reason").is_some() {
            let keys = ["finish_reason", "stop_reason", "matched_stop"];
            let fields =
                keys.into_iter().filter_map(|key| Some((key.to_owned(), choice.get(key)?.clone())));
            self.ending = Some(fields.collect());
        }
        self.pump(events);
    }

    /// Says all that is left and why it ended. Only once.
    pub(super) fn stop(&mut self, events: &mut Vec<StreamEvent>) {
        if std::mem::replace(&mut self.is_stopped, true) {
            return;
        }
        if !self.audio.is_empty() {
            let audio = std::mem::take(&mut self.audio);
            let value = json!({ "type": "audio", "audio": audio });
            self.lanes.push(Lane::new(Kind::Whole(value)));
        }
        while self.front < self.lanes.len() {
            self.speak(events);
            events
                .push(StreamEvent::PartStop { choice: self.number, part: part_number(self.front) });
            self.front += 1;
        }
        let has_calls = self.lanes.iter().any(|lane| matches!(lane.kind, Kind::Call { .. }));
        let stop = stop_of(&self.ending.take().unwrap_or_default(), has_calls);
        events.push(StreamEvent::Stop { choice: self.number, stop });
    }

    /// Adds citations to the words said last, or to those that are to come: Anthropic cites before
    /// it speaks.
    pub(super) fn cite(&mut self, citations: Vec<Value>) {
        let is_text = |lane: &Lane| matches!(lane.kind, Kind::Text);
        if !citations.is_empty() && !self.lanes.iter().any(is_text) {
            self.lanes.push(Lane::new(Kind::Text));
        }
        let said = self.lanes.iter_mut().skip(self.front).rev();
        if let Some(lane) = said.into_iter().find(|lane| matches!(lane.kind, Kind::Text)) {
            lane.waiting.extend(citations.into_iter().map(PartDelta::Citation));
        }
    }

    fn apply(&mut self, delta: &Map<String, Value>) {
        for thought in thoughts(delta) {
            self.think(thought);
        }
        match delta.get("content") {
            Some(Value::String(content)) => self.say(content),
            Some(Value::Array(pieces)) => pieces.iter().for_each(|piece| self.piece(piece)),
            _ => {}
        }
        if let Some(audio) = object(delta, "audio") {
            self.hear(audio);
        }
        self.cite(citations_of_annotations(delta));
        if let Some(refusal) = words(delta, "refusal") {
            let is_refusal = |kind: &Kind| matches!(kind, Kind::Refusal);
            self.last_or_new(is_refusal, || Kind::Refusal)
                .waiting
                .push(PartDelta::Text(refusal.to_owned()));
        }
        for image in items(delta, "images").iter().filter(|image| image.is_object()) {
            self.lanes.push(Lane::new(Kind::Whole(image.clone())));
        }
        for call in items(delta, "tool_calls").iter().filter_map(Value::as_object) {
            self.call(call);
        }
        if let Some(function) = object(delta, "function_call") {
            let mut call = Map::new();
            call.insert("index".to_owned(), json!(0));
            call.insert("function".to_owned(), json!(function));
            self.call(&call);
        }
    }

    fn last_or_new(&mut self, fits: impl Fn(&Kind) -> bool, new: impl Fn() -> Kind) -> &mut Lane {
        let is_there = self.lanes.last().is_some_and(|lane| fits(&lane.kind));
        if !is_there {
            self.lanes.push(Lane::new(new()));
        }
        let last = self.lanes.len() - 1;
        &mut self.lanes[last]
    }

    fn say(&mut self, more: &str) {
        if !more.is_empty() {
            let lane = self.last_or_new(|kind| matches!(kind, Kind::Text), || Kind::Text);
            lane.waiting.push(PartDelta::Text(more.to_owned()));
        }
    }

    /// Mistral's content in parts.
    fn piece(&mut self, piece: &Value) {
        let Some(object) = piece.as_object() else {
            return self.say(piece.as_str().unwrap_or_default());
        };
        match text(object, "type") {
            Some("text" | "output_text") | None => {
                self.say(text(object, "text").unwrap_or_default());
            }
            Some("thinking") => self.think(Thought::Clear {
                text: thinking_text(object),
                signature: words(object, "signature").map(str::to_owned),
                index: None,
            }),
            Some("reference") => self.cite(vec![piece.clone()]),
            Some(_) => self.lanes.push(Lane::new(Kind::Whole(piece.clone()))),
        }
    }

    fn think(&mut self, thought: Thought) {
        let (text, signature, index) = match thought {
            Thought::Sealed { data } => {
                self.lanes.push(Lane::new(Kind::Sealed(data)));
                return;
            }
            Thought::Clear { text, signature, index } => (text, signature, index),
        };
        if text.is_empty() && signature.is_none() {
            return;
        }
        let fits = |kind: &Kind| match kind {
            Kind::Thinking { index: open, is_signed } => {
                *open == index && (index.is_some() || !is_signed)
            }
            _ => false,
        };
        let lane = self.last_or_new(fits, || Kind::Thinking { index, is_signed: false });
        if !text.is_empty() {
            lane.waiting.push(PartDelta::Thinking(text));
        }
        if let Some(signature) = signature {
            lane.kind = Kind::Thinking { index, is_signed: true };
            lane.waiting.push(PartDelta::Signature(signature));
        }
    }

    /// Audio comes in pieces of base64 and is said whole at the end; its transcript is text.
    fn hear(&mut self, audio: &Map<String, Value>) {
        if let Some(transcript) = words(audio, "transcript") {
            self.say(transcript);
        }
        for (key, value) in audio {
            match (self.audio.get_mut(key), value) {
                (Some(Value::String(so_far)), Value::String(more))
                    if key == "data" || key == "transcript" =>
                {
                    so_far.push_str(more);
                }
                _ => {
                    self.audio.insert(key.clone(), value.clone());
                }
            }
        }
    }

    fn call(&mut self, call: &Map<String, Value>) {
        let custom = object(call, "custom");
        let function = object(call, "function").or(custom);
        let name = function.and_then(|function| words(function, "name")).unwrap_or_default();
        let id = words(call, "id").unwrap_or_default();
        let slot = index(call, "index");
        let at = match self.find_call(slot, id, name) {
            Some(at) => at,
            None => self.new_call(slot, id, custom.is_some()),
        };
        let arguments = function.and_then(|function| function.get("arguments"));
        let input = function.and_then(|function| words(function, "input")).unwrap_or_default();
        let lane = &mut self.lanes[at];
        match &mut lane.kind {
            Kind::Call { name: known, progress, .. } => {
                if known.is_empty() {
                    name.clone_into(known);
                }
                let arguments = arguments_of(arguments);
                let piece = progress.take(&arguments);
                if !piece.is_empty() {
                    lane.waiting.push(PartDelta::Arguments(piece.to_owned()));
                }
            }
            Kind::Custom { name: known, input: so_far, .. } => {
                if known.is_empty() {
                    name.clone_into(known);
                }
                so_far.push_str(input);
            }
            _ => {}
        }
    }

    /// The call that a piece belongs to. Servers differ: index in every piece, no index at all, or
    /// index 0 for every call with only the ids telling them apart.
    fn find_call(&self, slot: Option<u32>, id: &str, name: &str) -> Option<usize> {
        let known_id = |lane: &Lane| match &lane.kind {
            Kind::Call { id, .. } | Kind::Custom { id, .. } => id.clone(),
            _ => String::new(),
        };
        let mut calls = self.lanes.iter().enumerate().rev().filter(|(_, lane)| lane.is_call());
        if let Some(slot) = slot {
            let (at, lane) = calls.find(|(_, lane)| lane.slot == Some(slot))?;
            let is_other = !id.is_empty() && id != known_id(lane) && !name.is_empty();
            return (!(is_other && lane.yields())).then_some(at);
        }
        if !id.is_empty() {
            return calls.find(|(_, lane)| known_id(lane) == id).map(|(at, _)| at);
        }
        let (at, lane) = calls.next()?;
        let is_new = !name.is_empty() && (lane.yields() || !is_named(lane, name));
        (!is_new).then_some(at)
    }

    fn new_call(&mut self, slot: Option<u32>, id: &str, is_custom: bool) -> usize {
        let place = self.lanes.iter().filter(|lane| lane.is_call()).count();
        let id = if id.is_empty() { tool_call_id(self.number, place) } else { id.to_owned() };
        let name = String::new();
        let kind = if is_custom {
            Kind::Custom { id, name, input: String::new() }
        } else {
            Kind::Call { id, name, progress: Progress::default() }
        };
        self.lanes.push(Lane { slot, ..Lane::new(kind) });
        self.lanes.len() - 1
    }

    /// Says what may be said now.
    fn pump(&mut self, events: &mut Vec<StreamEvent>) {
        while let Some(lane) = self.lanes.get(self.front) {
            if !lane.is_open && !lane.may_open() {
                return;
            }
            self.speak(events);
            let is_last = self.front + 1 == self.lanes.len();
            if is_last || !self.lanes[self.front].yields() {
                return;
            }
            events
                .push(StreamEvent::PartStop { choice: self.number, part: part_number(self.front) });
            self.front += 1;
        }
    }

    /// Says what waits in the front lane.
    fn speak(&mut self, events: &mut Vec<StreamEvent>) {
        let (choice, part) = (self.number, part_number(self.front));
        let Some(lane) = self.lanes.get_mut(self.front) else { return };
        if !lane.is_open {
            lane.is_open = true;
            events.push(StreamEvent::PartStart { choice, part, head: lane.head() });
        }
        for delta in lane.waiting.drain(..) {
            events.push(StreamEvent::PartDelta { choice, part, delta });
        }
    }
}

fn is_named(lane: &Lane, wanted: &str) -> bool {
    match &lane.kind {
        Kind::Call { name, .. } | Kind::Custom { name, .. } => name == wanted,
        _ => false,
    }
}

fn part_number(lane: usize) -> u32 {
    u32::try_from(lane).unwrap_or(u32::MAX)
}
