//! One output item while it comes in. Items may arrive side by side, but the canonical stream has
//! their parts one after the other: a lane holds back what is not yet its turn.
//!
//! Servers leave events out: what the pieces did not say is taken from the item when it is done.

use gw_core::chat::Part;
use gw_core::event::{PartDelta, PartHead};
use gw_core::unfold::{deltas, head};
use serde_json::{Map, Value};

use crate::openai_chat::value::{items, text};
use crate::openai_responses::reasoning::{self, Proof};
use crate::openai_responses::{citations, response, tool_names};

/// One step of a part.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// It begins.
    Start(PartHead),
    /// It grows.
    Delta(PartDelta),
    /// It is whole.
    Stop,
    /// Log probabilities beside it.
    Logprobs(Value),
}

/// What an item's pieces are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A message.
    Message,
    /// Thoughts.
    Reasoning,
    /// A call of a function.
    Call,
    /// A call of a custom tool.
    Custom,
    /// Anything else: it comes out when whole.
    Whole,
}

impl Kind {
    fn of(item: &Map<String, Value>) -> Self {
        match text(item, "type") {
            Some("message") => Self::Message,
            Some("reasoning") => Self::Reasoning,
            Some("function_call") => Self::Call,
            Some("custom_tool_call") => Self::Custom,
            _ => Self::Whole,
        }
    }
}

/// A part of an item as far as it was said.
#[derive(Debug)]
struct Said {
    /// The number of its content or summary part.
    key: u64,
    /// A refusal rather than words; raw thoughts rather than a summary.
    is_other: bool,
    text: String,
    citations: usize,
    logprobs: usize,
}

/// An item on its way.
#[derive(Debug)]
pub(super) struct Lane {
    /// Its place in the output, as the provider counts.
    pub(super) index: u64,
    /// Its id.
    pub(super) id: String,
    /// What was said and is not yet passed on.
    pub(super) waiting: Vec<Step>,
    /// True once it is whole.
    pub(super) is_done: bool,
    /// True once it turned out to be a call that the client answers.
    pub(super) is_call: bool,
    kind: Kind,
    said: Vec<Said>,
    /// True while the last part is open.
    is_open: bool,
    /// How much was said of a call's arguments.
    arguments: String,
    has_begun: bool,
}

impl Lane {
    /// An item of which nothing came yet.
    pub(super) fn new(index: u64, kind: Kind) -> Self {
        Self {
            index,
            id: String::new(),
            waiting: Vec::new(),
            is_done: false,
            is_call: false,
            kind,
            said: Vec::new(),
            is_open: false,
            arguments: String::new(),
            has_begun: false,
        }
    }

    /// The item as it stands when it begins.
    pub(super) fn begin(index: u64, item: &Map<String, Value>) -> Self {
        let mut lane = Self::new(index, Kind::of(item));
        text(item, "id").unwrap_or_default().clone_into(&mut lane.id);
        lane.name(item);
        lane
    }

    /// A call begins with its name.
    fn name(&mut self, item: &Map<String, Value>) {
        if self.has_begun || !matches!(self.kind, Kind::Call | Kind::Custom) {
            return;
        }
        let name = tool_names::of_call(item);
        let id = response::call_id(item);
        if name.is_empty() || id.is_empty() {
            return;
        }
        self.has_begun = true;
        self.is_call = true;
        self.start(PartHead::ToolCall { id, name });
    }

    fn start(&mut self, head: PartHead) {
        self.close();
        self.is_open = true;
        self.waiting.push(Step::Start(head));
    }

    fn close(&mut self) {
        if std::mem::replace(&mut self.is_open, false) {
            self.waiting.push(Step::Stop);
        }
    }

    fn delta(&mut self, delta: PartDelta) {
        self.waiting.push(Step::Delta(delta));
    }

    /// Goes on with a text or a refusal, or begins it.
    fn open_content(&mut self, key: u64, is_refusal: bool) {
        let same = |said: &Said| said.key == key && said.is_other == is_refusal;
        if self.is_open && self.said.last().is_some_and(same) {
            return;
        }
        self.start(if is_refusal { PartHead::Refusal } else { PartHead::Text });
        let text = String::new();
        self.said.push(Said { key, is_other: is_refusal, text, citations: 0, logprobs: 0 });
    }

    /// More words of a message.
    pub(super) fn say(&mut self, key: u64, more: &str, is_refusal: bool) {
        if more.is_empty() || self.kind != Kind::Message {
            return;
        }
        self.open_content(key, is_refusal);
        if let Some(said) = self.said.last_mut() {
            said.text.push_str(more);
        }
        self.delta(PartDelta::Text(more.to_owned()));
    }

    /// More of a thought. Texts of the summary and raw thoughts are never mixed: what came first
    /// counts.
    pub(super) fn think(&mut self, key: u64, more: &str, is_raw: bool) {
        let is_foreign = self.said.first().is_some_and(|said| said.is_other != is_raw);
        if more.is_empty() || is_foreign || self.kind != Kind::Reasoning {
            return;
        }
        if !(self.is_open && self.said.last().is_some_and(|said| said.key == key)) {
            self.start(PartHead::Thinking);
            let text = String::new();
            self.said.push(Said { key, is_other: is_raw, text, citations: 0, logprobs: 0 });
        }
        if let Some(said) = self.said.last_mut() {
            said.text.push_str(more);
        }
        self.delta(PartDelta::Thinking(more.to_owned()));
    }

    /// More of a call's arguments, or of a custom tool's input.
    pub(super) fn argue(&mut self, more: &str) {
        if more.is_empty() || !self.has_begun {
            // A call that has no name yet says it all when it is done.
            return;
        }
        match self.kind {
            Kind::Call => self.delta(PartDelta::Arguments(more.to_owned())),
            Kind::Custom => {
                let begin = if self.arguments.is_empty() { INPUT_BEGIN } else { "" };
                self.delta(PartDelta::Arguments(format!("{begin}{}", escaped(more))));
            }
            _ => return,
        }
        self.arguments.push_str(more);
    }

    /// A citation of a text that may not have begun.
    pub(super) fn cite_early(&mut self, key: u64, annotation: &Value) {
        if self.kind == Kind::Message && citations::decode(annotation).is_some() {
            self.open_content(key, false);
            self.cite(annotation);
        }
    }

    /// A citation of the words before it.
    fn cite(&mut self, annotation: &Value) {
        let Some(said) = self.said.last_mut() else { return };
        if let (true, Some(citation)) = (self.is_open, citations::decode(annotation)) {
            said.citations += 1;
            self.delta(PartDelta::Citation(citation));
        }
    }

    /// Log probabilities of the words before them.
    pub(super) fn weigh(&mut self, entries: &[Value]) {
        if let (Some(said), false) = (self.said.last_mut(), entries.is_empty()) {
            said.logprobs += entries.len();
            self.waiting.push(Step::Logprobs(response::as_logprobs(entries)));
        }
    }

    /// A content part is whole: what its pieces did not say follows.
    pub(super) fn complete_content(&mut self, key: u64, content: &Value) {
        let is_known = self.said.last().is_some_and(|said| said.key == key);
        if self.kind == Kind::Message && (is_known || self.said.iter().all(|said| said.key != key))
        {
            self.reconcile(self.said.len() - usize::from(is_known), key, content);
        }
    }

    /// Says of the content what was not said yet, if it is the newest or a new one.
    fn reconcile(&mut self, place: usize, key: u64, content: &Value) {
        let Some(object) = content.as_object() else { return };
        let is_refusal = text(object, "type") == Some("refusal");
        let whole = text(object, if is_refusal { "refusal" } else { "text" }).unwrap_or_default();
        let is_last = place + 1 == self.said.len() && self.is_open;
        match self.said.get(place) {
            Some(said) if is_last && said.is_other == is_refusal => {
                let rest = whole.strip_prefix(said.text.as_str()).unwrap_or_default().to_owned();
                let key = said.key;
                self.say(key, &rest, is_refusal);
            }
            Some(_) => return,
            None if whole.is_empty() && items(object, "annotations").is_empty() => return,
            None => {
                self.open_content(key, is_refusal);
                self.say(key, whole, is_refusal);
            }
        }
        let Some(said) = self.said.get(place) else { return };
        let (cited, weighed) = (said.citations, said.logprobs);
        for annotation in items(object, "annotations").iter().skip(cited) {
            self.cite(annotation);
        }
        self.weigh(items(object, "logprobs").get(weighed..).unwrap_or_default());
    }

    /// The item is whole.
    pub(super) fn finish(&mut self, item: &Map<String, Value>) {
        if std::mem::replace(&mut self.is_done, true) {
            return;
        }
        match self.kind {
            Kind::Message => self.finish_message(item),
            Kind::Reasoning => self.finish_reasoning(item),
            Kind::Call | Kind::Custom => self.finish_call(item),
            Kind::Whole => {
                let parts = response::item_parts(item);
                self.is_call = parts.iter().any(response::is_call);
                self.push_whole(&parts);
            }
        }
        self.close();
    }

    /// The provider says no more, whole or not.
    pub(super) fn abandon(&mut self) {
        if !std::mem::replace(&mut self.is_done, true) {
            if self.kind == Kind::Custom && !self.arguments.is_empty() {
                self.delta(PartDelta::Arguments(INPUT_END.to_owned()));
            }
            self.close();
        }
    }

    fn push_whole(&mut self, parts: &[Part]) {
        for part in parts {
            let Some(head) = head(part) else { continue };
            self.start(head);
            for delta in deltas(part) {
                self.delta(delta);
            }
            self.close();
        }
    }

    fn finish_message(&mut self, item: &Map<String, Value>) {
        let mut place = 0;
        for (key, content) in (1_000_000_u64..).zip(items(item, "content")) {
            match text(content.as_object().unwrap_or(&Map::new()), "type") {
                Some("output_text" | "text" | "refusal") => {
                    // An empty text is no part, unless it cites.
                    if response::content_part(content).is_some() {
                        self.reconcile(place, key, content);
                        place += 1;
                    }
                }
                _ => self.push_whole(response::content_part(content).as_slice()),
            }
        }
    }

    fn finish_reasoning(&mut self, item: &Map<String, Value>) {
        let is_raw = self.said.first().map_or_else(
            || {
                items(item, "summary")
                    .iter()
                    .all(|piece| piece["text"].as_str().unwrap_or_default().is_empty())
            },
            |said| said.is_other,
        );
        let texts = items(item, if is_raw { "content" } else { "summary" });
        let texts = texts.iter().filter_map(|piece| piece["text"].as_str());
        let texts: Vec<String> = texts.filter(|text| !text.is_empty()).map(str::to_owned).collect();
        for (place, whole) in texts.iter().enumerate() {
            match self.said.get(place) {
                Some(said) if place + 1 == self.said.len() && self.is_open => {
                    let rest = whole.strip_prefix(said.text.as_str()).unwrap_or_default();
                    let (key, rest) = (said.key, rest.to_owned());
                    self.think(key, &rest, is_raw);
                }
                Some(_) => {}
                None => self.think(1_000_000 + place as u64, whole, is_raw),
            }
        }
        match reasoning::proof(item) {
            Some(Proof::Signature(signature)) => {
                if !self.is_open {
                    self.start(PartHead::Thinking);
                }
                self.delta(PartDelta::Signature(signature));
            }
            Some(Proof::Sealed(data)) => {
                self.start(PartHead::RedactedThinking { data });
            }
            None if self.said.is_empty() => self.push_whole(&response::item_parts(item)),
            None => {}
        }
    }

    fn finish_call(&mut self, item: &Map<String, Value>) {
        self.name(item);
        if !self.has_begun {
            return;
        }
        let whole = match self.kind {
            Kind::Custom => text(item, "input").unwrap_or_default().to_owned(),
            _ => response::arguments_of(item),
        };
        let rest = whole.strip_prefix(self.arguments.as_str()).unwrap_or_default().to_owned();
        self.argue(&rest);
        if self.kind == Kind::Custom {
            let begin = if self.arguments.is_empty() { INPUT_BEGIN } else { "" };
            self.delta(PartDelta::Arguments(format!("{begin}{INPUT_END}")));
        }
    }
}

/// A custom tool's input as the one argument of a function, in pieces.
const INPUT_BEGIN: &str = "{\"input\":\"";
const INPUT_END: &str = "\"}";

/// Text as it stands within a JSON string.
fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}
