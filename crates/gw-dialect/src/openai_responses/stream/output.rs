//! The output items of an answer as they are built, and the events that announce them. The same code
//! writes streams and whole answers; the latter only keep the items.

use gw_core::event::{PartDelta, PartHead};
use serde_json::{Map, Value, json};

use crate::openai_responses::tool_names::{self, ToolNames};
use crate::openai_responses::{ID, citations, reasoning};
use crate::sse::write_event;

/// Longest piece of a response's id that its items take over: ids have at most 64 characters.
const STEM_CHARS_MAX: usize = 44;

/// Writes events with their numbers; `None` where only the items are wanted.
#[derive(Debug)]
pub(super) struct Log {
    is_silent: bool,
    count: u64,
}

impl Log {
    /// Begins to count.
    pub(super) fn new(is_silent: bool) -> Self {
        Self { is_silent, count: 0 }
    }

    /// Writes one event.
    pub(super) fn write(&mut self, kind: &str, members: Value, out: &mut Vec<u8>) {
        if self.is_silent {
            return;
        }
        let mut event = Map::new();
        event.insert("type".to_owned(), json!(kind));
        event.insert("sequence_number".to_owned(), json!(self.count));
        if let Value::Object(members) = members {
            event.extend(members);
        }
        self.count += 1;
        write_event(kind, &Value::Object(event).to_string(), out);
    }
}

/// The item that is open.
#[derive(Debug)]
enum Open {
    /// A message: its finished content, and whether the last of it is still open.
    Message { content: Vec<Value>, is_open: bool },
    /// Thoughts: finished texts, the open one, and what proves them.
    Reasoning { texts: Vec<String>, is_open: bool, signature: String },
    /// A call.
    Call { call_id: String, name: String, arguments: String },
}

/// Collects items.
#[derive(Debug)]
pub(super) struct Output {
    items: Vec<Value>,
    open: Option<Open>,
    /// The id of the item that is open.
    id: String,
    stem: String,
    names: ToolNames,
    /// Log probabilities of the words so far, as they stand in the last text.
    logprobs: Vec<Value>,
}

impl Output {
    /// Begins an output; ids of its items are made from the response's.
    pub(super) fn new(names: ToolNames) -> Self {
        let (items, logprobs) = (Vec::new(), Vec::new());
        Self { items, open: None, id: String::new(), stem: String::new(), names, logprobs }
    }

    /// Names the response.
    pub(super) fn set_stem(&mut self, response_id: &str) {
        let bare = response_id.split_once('_').map_or(response_id, |(_, bare)| bare);
        let plain = bare.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-');
        self.stem = plain.take(STEM_CHARS_MAX).collect();
    }

    /// The items so far.
    pub(super) fn items(&self) -> &[Value] {
        &self.items
    }

    fn index(&self) -> usize {
        self.items.len()
    }

    fn new_id(&self, prefix: &str) -> String {
        format!("{prefix}_{}_{}", self.stem, self.items.len())
    }

    fn add(&mut self, open: Open, item: &Value, log: &mut Log, out: &mut Vec<u8>) {
        item["id"].as_str().unwrap_or_default().clone_into(&mut self.id);
        self.open = Some(open);
        let members = json!({ "output_index": self.index(), "item": item });
        log.write("response.output_item.added", members, out);
    }

    fn done(&mut self, item: Value, log: &mut Log, out: &mut Vec<u8>) {
        let members = json!({ "output_index": self.index(), "item": item });
        log.write("response.output_item.done", members, out);
        self.items.push(item);
    }

    /// A part begins.
    pub(super) fn start(&mut self, head: &PartHead, log: &mut Log, out: &mut Vec<u8>) {
        match head {
            PartHead::Text => self.start_content(false, log, out),
            PartHead::Refusal => self.start_content(true, log, out),
            PartHead::Thinking => self.start_thought(log, out),
            PartHead::RedactedThinking { data } => self.seal(data, log, out),
            PartHead::ToolCall { id, name } => self.start_call(id, name, log, out),
            PartHead::Opaque { dialect: ID, value } => {
                self.close(log, out);
                let members = json!({ "output_index": self.index(), "item": value });
                log.write("response.output_item.added", members, out);
                self.done(value.clone(), log, out);
            }
            PartHead::Opaque { .. } => {}
        }
    }

    /// The open part grows.
    pub(super) fn extend(&mut self, delta: &PartDelta, log: &mut Log, out: &mut Vec<u8>) {
        match delta {
            PartDelta::Text(more) => self.say(more, log, out),
            PartDelta::Thinking(more) => self.think(more, log, out),
            PartDelta::Signature(more) => {
                if let Some(Open::Reasoning { signature, .. }) = &mut self.open {
                    signature.push_str(more);
                }
            }
            PartDelta::Arguments(more) => self.argue(more, log, out),
            PartDelta::Citation(citation) => self.cite(citation, log, out),
            PartDelta::Opaque(_) => {}
        }
    }

    /// A part is whole. Items stay open for what may still belong to them.
    pub(super) fn stop(&mut self, log: &mut Log, out: &mut Vec<u8>) {
        match &self.open {
            Some(Open::Message { .. }) => self.close_content(log, out),
            Some(Open::Reasoning { signature, .. }) => {
                let is_proven = !signature.is_empty();
                self.close_thought(log, out);
                if is_proven {
                    self.close(log, out);
                }
            }
            Some(Open::Call { .. }) => self.close(log, out),
            None => {}
        }
    }

    /// Ends the open item.
    pub(super) fn close(&mut self, log: &mut Log, out: &mut Vec<u8>) {
        match &self.open {
            Some(Open::Message { .. }) => self.close_content(log, out),
            Some(Open::Reasoning { .. }) => self.close_thought(log, out),
            _ => {}
        }
        let id = self.id.clone();
        match self.open.take() {
            Some(Open::Message { content, .. }) => {
                self.done(message(&id, "completed", &content), log, out);
            }
            Some(Open::Reasoning { texts, signature, .. }) => {
                let sealed =
                    (!signature.is_empty()).then(|| reasoning::carry_signature(&signature));
                self.done(thoughts(&id, &texts, sealed), log, out);
            }
            Some(Open::Call { call_id, name, arguments }) => {
                self.close_call(&id, &call_id, &name, &arguments, log, out);
            }
            None => {}
        }
    }

    /// Log probabilities of the words said so far.
    pub(super) fn weigh(&mut self, value: &Value) {
        let content = value["content"].as_array().into_iter().flatten();
        self.logprobs.extend(content.cloned());
        if let Some(Open::Message { is_open: true, .. }) = self.open {
            return;
        }
        // The words are written already: the final response has them all the same.
        let weights = std::mem::take(&mut self.logprobs);
        let open = match &mut self.open {
            Some(Open::Message { content, .. }) => content.as_mut_slice(),
            _ => &mut [],
        };
        let written = self.items.iter_mut().filter(|item| item["type"] == "message");
        let written = written.filter_map(|item| item["content"].as_array_mut());
        let texts = written.flatten().chain(open).filter_map(|part| part.get_mut("logprobs"));
        if let Some(Value::Array(have)) = texts.last() {
            have.extend(weights);
        }
    }

    fn start_content(&mut self, is_refusal: bool, log: &mut Log, out: &mut Vec<u8>) {
        if !matches!(self.open, Some(Open::Message { .. })) {
            self.close(log, out);
            let item = message(&self.new_id("msg"), "in_progress", &[]);
            let open = Open::Message { content: Vec::new(), is_open: false };
            self.add(open, &item, log, out);
        }
        self.close_content(log, out);
        let (id, index) = (self.id.clone(), self.index());
        let Some(Open::Message { content, is_open }) = &mut self.open else { return };
        let part = if is_refusal {
            json!({ "type": "refusal", "refusal": "" })
        } else {
            json!({ "type": "output_text", "annotations": [], "logprobs": [], "text": "" })
        };
        *is_open = true;
        let members = json!({
            "item_id": id,
            "output_index": index,
            "content_index": content.len(),
            "part": part,
        });
        log.write("response.content_part.added", members, out);
        content.push(part);
    }

    fn say(&mut self, more: &str, log: &mut Log, out: &mut Vec<u8>) {
        let (id, index) = (self.id.as_str(), self.items.len());
        let Some(Open::Message { content, is_open: true }) = &mut self.open else { return };
        let place = content.len().saturating_sub(1);
        let Some(part) = content.last_mut() else { return };
        let is_refusal = part["type"] == "refusal";
        let slot = part.get_mut(if is_refusal { "refusal" } else { "text" });
        if let Some(Value::String(so_far)) = slot {
            so_far.push_str(more);
        }
        let mut members = json!({
            "item_id": id,
            "output_index": index,
            "content_index": place,
            "delta": more,
        });
        if !is_refusal {
            members["logprobs"] = json!([]);
        }
        let kind = if is_refusal { "response.refusal.delta" } else { "response.output_text.delta" };
        log.write(kind, members, out);
    }

    fn cite(&mut self, citation: &Value, log: &mut Log, out: &mut Vec<u8>) {
        let (id, index) = (self.id.as_str(), self.items.len());
        let Some(Open::Message { content, is_open: true }) = &mut self.open else { return };
        let place = content.len().saturating_sub(1);
        let notes = content.last_mut().and_then(|part| part.get_mut("annotations"));
        let (Some(Value::Array(notes)), Some(note)) = (notes, citations::encode(citation)) else {
            return;
        };
        let members = json!({
            "item_id": id,
            "output_index": index,
            "content_index": place,
            "annotation_index": notes.len(),
            "annotation": note,
        });
        notes.push(note);
        log.write("response.output_text.annotation.added", members, out);
    }

    fn close_content(&mut self, log: &mut Log, out: &mut Vec<u8>) {
        let (id, index) = (self.id.as_str(), self.items.len());
        let Some(Open::Message { content, is_open }) = &mut self.open else { return };
        if !std::mem::replace(is_open, false) {
            return;
        }
        let place = content.len().saturating_sub(1);
        let Some(part) = content.last_mut() else { return };
        let mut members = json!({ "item_id": id, "output_index": index, "content_index": place });
        if part["type"] == "refusal" {
            members["refusal"] = part["refusal"].clone();
            log.write("response.refusal.done", members, out);
        } else {
            if let Some(Value::Array(weights)) = part.get_mut("logprobs") {
                weights.append(&mut self.logprobs);
            }
            members["logprobs"] = part["logprobs"].clone();
            members["text"] = part["text"].clone();
            log.write("response.output_text.done", members, out);
        }
        let members = json!({
            "item_id": id,
            "output_index": index,
            "content_index": place,
            "part": part,
        });
        log.write("response.content_part.done", members, out);
    }

    fn start_thought(&mut self, log: &mut Log, out: &mut Vec<u8>) {
        if !matches!(self.open, Some(Open::Reasoning { .. })) {
            self.close(log, out);
            let item = thoughts(&self.new_id("rs"), &[], None);
            let (texts, signature) = (Vec::new(), String::new());
            self.add(Open::Reasoning { texts, is_open: false, signature }, &item, log, out);
        }
        self.close_thought(log, out);
        let (id, index) = (self.id.clone(), self.index());
        let Some(Open::Reasoning { texts, is_open, .. }) = &mut self.open else { return };
        *is_open = true;
        let members = json!({
            "item_id": id,
            "output_index": index,
            "summary_index": texts.len(),
            "part": { "type": "summary_text", "text": "" },
        });
        log.write("response.reasoning_summary_part.added", members, out);
        texts.push(String::new());
    }

    fn think(&mut self, more: &str, log: &mut Log, out: &mut Vec<u8>) {
        let (id, index) = (self.id.as_str(), self.items.len());
        let Some(Open::Reasoning { texts, is_open: true, .. }) = &mut self.open else { return };
        let place = texts.len().saturating_sub(1);
        if let Some(text) = texts.last_mut() {
            text.push_str(more);
        }
        let members = json!({
            "item_id": id,
            "output_index": index,
            "summary_index": place,
            "delta": more,
        });
        log.write("response.reasoning_summary_text.delta", members, out);
    }

    fn close_thought(&mut self, log: &mut Log, out: &mut Vec<u8>) {
        let (id, index) = (self.id.as_str(), self.items.len());
        let Some(Open::Reasoning { texts, is_open, .. }) = &mut self.open else { return };
        if !std::mem::replace(is_open, false) {
            return;
        }
        let place = texts.len().saturating_sub(1);
        let text = texts.last().cloned().unwrap_or_default();
        let mut members =
            json!({ "item_id": id, "output_index": index, "summary_index": place, "text": text });
        log.write("response.reasoning_summary_text.done", members.clone(), out);
        if let Some(members) = members.as_object_mut() {
            members.shift_remove("text");
            members.insert("part".to_owned(), json!({ "type": "summary_text", "text": text }));
        }
        log.write("response.reasoning_summary_part.done", members, out);
    }

    /// A sealed thought ends the thoughts before it, or stands alone.
    fn seal(&mut self, data: &str, log: &mut Log, out: &mut Vec<u8>) {
        let seal = reasoning::seal(data);
        let joins = seal.is_some() && matches!(self.open, Some(Open::Reasoning { .. }));
        if !joins {
            self.close(log, out);
            let own = seal.as_ref().and_then(|seal| seal.get("id")?.as_str()).map(str::to_owned);
            let item = thoughts(&own.unwrap_or_else(|| self.new_id("rs")), &[], None);
            let (texts, signature) = (Vec::new(), String::new());
            self.add(Open::Reasoning { texts, is_open: false, signature }, &item, log, out);
        }
        self.close_thought(log, out);
        let Some(Open::Reasoning { texts, .. }) = self.open.take() else { return };
        let announced = std::mem::take(&mut self.id);
        let item = match seal {
            // The provider verifies its id with what it encrypted.
            Some(seal) => {
                let mut item = thoughts(&announced, &texts, None);
                if let Some(item) = item.as_object_mut() {
                    item.extend(seal);
                }
                item
            }
            None => thoughts(&announced, &texts, Some(reasoning::carry_sealed(data))),
        };
        self.done(item, log, out);
    }

    fn start_call(&mut self, call_id: &str, name: &str, log: &mut Log, out: &mut Vec<u8>) {
        self.close(log, out);
        let (call_id, name) = (call_id.to_owned(), name.to_owned());
        let prefix = if self.names.is_custom(&name) { "ctc" } else { "fc" };
        let item = self.call(&self.new_id(prefix), &call_id, &name, "", "in_progress");
        self.add(Open::Call { call_id, name, arguments: String::new() }, &item, log, out);
    }

    fn call(&self, id: &str, call_id: &str, name: &str, arguments: &str, status: &str) -> Value {
        let mut item = Map::new();
        let is_custom = self.names.is_custom(name);
        let kind = if is_custom { "custom_tool_call" } else { "function_call" };
        item.insert("id".to_owned(), json!(id));
        item.insert("type".to_owned(), json!(kind));
        item.insert("status".to_owned(), json!(status));
        let key = if is_custom { "input" } else { "arguments" };
        item.insert(key.to_owned(), json!(arguments));
        item.insert("call_id".to_owned(), json!(call_id));
        self.names.put(name, &mut item);
        Value::Object(item)
    }

    fn argue(&mut self, more: &str, log: &mut Log, out: &mut Vec<u8>) {
        let (id, index) = (self.id.as_str(), self.items.len());
        let Some(Open::Call { arguments, name, .. }) = &mut self.open else { return };
        arguments.push_str(more);
        // The input of a custom tool is known once the arguments that hold it are whole.
        if !self.names.is_custom(name) && !more.is_empty() {
            let members = json!({ "item_id": id, "output_index": index, "delta": more });
            log.write("response.function_call_arguments.delta", members, out);
        }
    }

    fn close_call(
        &mut self,
        id: &str,
        call_id: &str,
        name: &str,
        arguments: &str,
        log: &mut Log,
        out: &mut Vec<u8>,
    ) {
        let about = json!({ "item_id": id, "output_index": self.index() });
        let with = |key: &str, value: &str| {
            let mut members = about.clone();
            members[key] = json!(value);
            members
        };
        let written = if self.names.is_custom(name) {
            let input = tool_names::input_of_arguments(arguments);
            log.write("response.custom_tool_call_input.delta", with("delta", &input), out);
            log.write("response.custom_tool_call_input.done", with("input", &input), out);
            input
        } else {
            // Clients parse the text; a call without arguments has none.
            let whole = if arguments.trim().is_empty() { "{}" } else { arguments };
            log.write("response.function_call_arguments.done", with("arguments", whole), out);
            whole.to_owned()
        };
        let item = self.call(id, call_id, name, &written, "completed");
        self.done(item, log, out);
    }
}

fn message(id: &str, status: &str, content: &[Value]) -> Value {
    json!({
        "id": id,
        "type": "message",
        "status": status,
        "content": content,
        "role": "assistant",
    })
}

fn thoughts(id: &str, texts: &[String], sealed: Option<String>) -> Value {
    let texts: Vec<&str> =
        texts.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    let mut item = Map::new();
    item.insert("id".to_owned(), json!(id));
    item.extend(reasoning::item(&texts));
    if let Some(sealed) = sealed {
        item.insert("encrypted_content".to_owned(), json!(sealed));
    }
    Value::Object(item)
}
