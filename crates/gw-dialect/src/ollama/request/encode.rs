//! Writes a canonical request for `/api/chat`. Everything that cannot be said is a notice, or an error
//! where leaving it out would change what is asked.

use std::collections::HashMap;

use bytes::Bytes;
use gw_core::chat::{
    ChatRequest, Message, Notice, NoticeAction, Part, ResponseFormat, Role, Source, Tool,
    ToolChoice,
};
use gw_core::seam::{Target, WireRequest};
use gw_core::{Error, Kind, Result};
use serde_json::{Map, Value, json};

use super::super::ID;
use super::CHAT_PATH;
use crate::seal::bare_call_id;
use crate::{arguments, hosted};

/// Fields of `/api/generate` that `/api/chat` does not have.
const GENERATE_ONLY: [&str; 4] = ["suffix", "template", "context", "raw"];

/// Collects the body and the notices.
struct Draft<'a> {
    body: Map<String, Value>,
    notices: Vec<Notice>,
    /// Names of the tools called, by the id of the call.
    names: HashMap<&'a str, &'a str>,
}

impl Draft<'_> {
    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.body.insert(key.to_owned(), value.into());
    }

    fn note(&mut self, feature: &str, action: NoticeAction, detail: &str) {
        if self.notices.iter().all(|notice| notice.feature != feature) {
            let (feature, detail) = (feature.to_owned(), detail.to_owned());
            self.notices.push(Notice { feature, action, detail });
        }
    }

    fn dropped(&mut self, feature: &str) {
        self.note(feature, NoticeAction::Dropped, "the Ollama format has no such field");
    }

    fn note_cache(&mut self, is_marked: bool) {
        if is_marked {
            let detail = "Ollama caches prompts by itself and takes no marks of where to";
            self.note("cache_control", NoticeAction::Dropped, detail);
        }
    }
}

/// Writes a request.
pub(in super::super) fn encode(request: &ChatRequest, target: &Target<'_>) -> Result<WireRequest> {
    let mut draft = Draft { body: Map::new(), notices: Vec::new(), names: HashMap::new() };
    draft.put("model", target.model);
    let mut messages = Vec::with_capacity(request.messages.len());
    for (index, message) in request.messages.iter().enumerate() {
        write_message(message, &format!("messages[{index}]"), &mut draft, &mut messages)?;
    }
    draft.put("messages", messages);
    put_tools(request, &mut draft)?;
    match &request.response_format {
        None | Some(ResponseFormat::Text) => {}
        Some(ResponseFormat::JsonObject) => draft.put("format", "json"),
        Some(ResponseFormat::JsonSchema { schema, .. }) => draft.put("format", schema.clone()),
    }
    put_think(request, &mut draft);
    put_options(request, target, &mut draft)?;
    put_caller(request, &mut draft);
    draft.put("stream", request.stream);
    put_extra(request, &mut draft);
    for field in &target.quirks.refused_fields {
        if draft.body.shift_remove(field).is_some() {
            draft.note(field, NoticeAction::Dropped, "this provider refuses the field");
        }
    }
    Ok(WireRequest {
        path: CHAT_PATH.into(),
        headers: Vec::new(),
        body: Bytes::from(Value::Object(draft.body).to_string()),
        notices: draft.notices,
    })
}

/// The error for what cannot be said at all.
fn unsupported(field: &str, text: &str) -> Error {
    Error::new(Kind::UnsupportedFeature, format!("{text}, which the Ollama format cannot express"))
        .with_field(field)
}

/// One message being collected.
#[derive(Default)]
struct Said {
    texts: Vec<String>,
    thoughts: String,
    images: Vec<Value>,
    calls: Vec<Value>,
}

fn write_message<'a>(
    message: &'a Message,
    path: &str,
    draft: &mut Draft<'a>,
    messages: &mut Vec<Value>,
) -> Result<()> {
    let role = match message.role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    if message.name.is_some() {
        draft.dropped(&format!("{path}.name"));
    }
    let mut said = Said::default();
    for (index, part) in message.parts.iter().enumerate() {
        let path = format!("{path}.parts[{index}]");
        if let Part::ToolResult { call_id, parts, is_error, cache } = part {
            draft.note_cache(cache.is_some());
            let mut result = Said::default();
            for part in parts {
                write_part(part, &path, draft, &mut result)?;
            }
            if *is_error {
                let detail = "results have no mark of failure in the Ollama format";
                draft.note(&format!("{path}.is_error"), NoticeAction::Dropped, detail);
            }
            let mut wire = into_wire("tool", result);
            if let Some(name) = draft.names.get(call_id.as_str()) {
                wire["tool_name"] = Value::from(*name);
            }
            wire["tool_call_id"] = Value::from(bare_call_id(call_id));
            messages.push(wire);
            continue;
        }
        if let Part::ToolCall { id, name, .. } = part {
            draft.names.insert(id, name);
        }
        write_part(part, &path, draft, &mut said)?;
    }
    let is_empty = said.texts.is_empty()
        && said.thoughts.is_empty()
        && said.images.is_empty()
        && said.calls.is_empty();
    if is_empty {
        return Ok(());
    }
    let mut wire = into_wire(role, said);
    match (message.extra.for_dialect(ID), wire.as_object_mut()) {
        (Some(extra), Some(wire)) => wire.extend(extra.clone()),
        _ => {
            for key in message.extra.fields.keys() {
                draft.dropped(&format!("{path}.{key}"));
            }
        }
    }
    messages.push(wire);
    Ok(())
}

fn into_wire(role: &str, said: Said) -> Value {
    // The pieces of an answer (one a citation) are one text; others stand on lines of their own.
    let separator = if role == "assistant" { "" } else { "\n" };
    let mut wire = json!({"role": role, "content": said.texts.join(separator)});
    if !said.thoughts.is_empty() {
        wire["thinking"] = Value::from(said.thoughts);
    }
    if !said.images.is_empty() {
        wire["images"] = Value::Array(said.images);
    }
    if !said.calls.is_empty() {
        wire["tool_calls"] = Value::Array(said.calls);
    }
    wire
}

fn write_part(part: &Part, path: &str, draft: &mut Draft<'_>, said: &mut Said) -> Result<()> {
    match part {
        Part::Text { text, cache, citations } => {
            draft.note_cache(cache.is_some());
            if !citations.is_empty() {
                draft.dropped(&format!("{path}.citations"));
            }
            if !text.is_empty() {
                said.texts.push(text.clone());
            }
        }
        Part::Refusal { text } => said.texts.push(text.clone()),
        Part::Image { source, detail, cache } => {
            draft.note_cache(cache.is_some());
            if detail.is_some() {
                draft.dropped(&format!("{path}.detail"));
            }
            let image = inline(source)
                .ok_or_else(|| unsupported(path, "a picture is not given as base64"))?;
            said.images.push(Value::from(image));
        }
        Part::Document { source, title, cache, citations, .. } => {
            if *citations {
                draft.dropped(&format!("{path}.citations"));
            }
            draft.note_cache(cache.is_some());
            let text = match source {
                Source::Text { text } => text.clone(),
                Source::Parts { parts } if parts.iter().all(|it| it.as_text().is_some()) => {
                    parts.iter().filter_map(Part::as_text).collect::<Vec<&str>>().join("\n\n")
                }
                _ => return Err(unsupported(path, "the request holds a document")),
            };
            said.texts.push(match title {
                Some(title) => format!("{title}\n\n{text}"),
                None => text,
            });
        }
        Part::Audio { .. } => return Err(unsupported(path, "the request holds audio")),
        Part::Thinking { text, signature } => {
            said.thoughts.push_str(text);
            if signature.is_some() {
                draft.dropped(&format!("{path}.signature"));
            }
        }
        Part::RedactedThinking { .. } => {
            let detail = "a sealed thought of another provider cannot be sent";
            draft.note(path, NoticeAction::Dropped, detail);
        }
        Part::ToolCall { id, name, arguments, cache } => {
            draft.note_cache(cache.is_some());
            said.calls.push(json!({
                "id": bare_call_id(id),
                "type": "function",
                "function": {"name": name, "arguments": arguments::write(arguments)},
            }));
        }
        Part::Opaque { dialect, .. } => {
            let detail = format!("a part that only {dialect} has cannot be sent");
            draft.note(path, NoticeAction::Dropped, &detail);
        }
        Part::ToolResult { .. } => {}
    }
    Ok(())
}

/// Inline data of a picture; `None` for other sources.
fn inline(source: &Source) -> Option<&str> {
    match source {
        Source::Base64 { data, .. } => Some(data),
        Source::Url { url } => Some(url.strip_prefix("data:")?.split_once(";base64,")?.1),
        _ => None,
    }
}

fn is_written(tool: &Tool) -> bool {
    match tool {
        Tool::Function { .. } => true,
        Tool::Hosted { dialect, .. } => *dialect == ID,
    }
}

fn put_tools(request: &ChatRequest, draft: &mut Draft<'_>) -> Result<()> {
    let mut tools = Vec::with_capacity(request.tools.len());
    for (index, tool) in request.tools.iter().enumerate() {
        match tool {
            Tool::Function { name, description, parameters, strict, cache, extra } => {
                draft.note_cache(cache.is_some());
                if *strict == Some(true) {
                    draft.dropped("tools[].strict");
                }
                let empty = || json!({"type": "object", "properties": {}});
                let mut function = Map::new();
                function.insert("name".to_owned(), Value::from(name.as_str()));
                if let Some(description) = description {
                    function.insert("description".to_owned(), Value::from(description.as_str()));
                }
                let schema = parameters.clone().unwrap_or_else(empty);
                function.insert("parameters".to_owned(), schema);
                match extra.for_dialect(ID) {
                    Some(fields) => function.extend(fields.clone()),
                    None => {
                        for key in extra.fields.keys() {
                            draft.dropped(&format!("tools[{index}].{key}"));
                        }
                    }
                }
                tools.push(json!({"type": "function", "function": function}));
            }
            Tool::Hosted { dialect, value } if *dialect == ID => tools.push(value.clone()),
            Tool::Hosted { .. } => {
                let detail = hosted::leave_out(request, index, is_written)?;
                draft.note(&format!("tools[{index}]"), NoticeAction::Dropped, &detail);
            }
        }
    }
    match &request.tool_choice {
        // Without tools none can be called.
        Some(ToolChoice::None) if !tools.is_empty() => {
            tools.clear();
            let detail = "the tools were left out, so that none is called";
            draft.note("tools", NoticeAction::Emulated, detail);
            draft.note("tool_choice", NoticeAction::Emulated, detail);
        }
        Some(ToolChoice::None | ToolChoice::Auto) | None => {}
        Some(_) => draft.dropped("tool_choice"),
    }
    if request.parallel_tool_calls == Some(false) && !tools.is_empty() {
        draft.dropped("parallel_tool_calls");
    }
    if !tools.is_empty() {
        draft.put("tools", tools);
    }
    Ok(())
}

fn put_think(request: &ChatRequest, draft: &mut Draft<'_>) {
    let Some(wish) = &request.reasoning else { return };
    let is_off = wish.is_enabled == Some(false) || wish.effort.as_deref() == Some("none");
    if wish.budget_tokens.is_some() && !is_off {
        draft.dropped("reasoning.budget_tokens");
    }
    match wish.effort.as_deref() {
        _ if is_off => draft.put("think", false),
        Some(effort) => {
            let known = match effort {
                "minimal" | "low" => "low",
                "medium" => "medium",
                _ => "high",
            };
            if known != effort {
                let detail = format!("effort `{effort}` was sent as `{known}`");
                draft.note("reasoning.effort", NoticeAction::Emulated, &detail);
            }
            draft.put("think", known);
        }
        None if wish.is_enabled == Some(true) => draft.put("think", true),
        None => {}
    }
}

fn put_options(request: &ChatRequest, target: &Target<'_>, draft: &mut Draft<'_>) -> Result<()> {
    let sampling = &request.sampling;
    if sampling.n.is_some_and(|n| n > 1) {
        return Err(unsupported("n", "more than one answer is asked for"));
    }
    let mut options = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            options.insert(key.to_owned(), value);
        }
    };
    put("temperature", sampling.temperature.map(Value::from));
    put("top_p", sampling.top_p.map(Value::from));
    put("top_k", sampling.top_k.map(Value::from));
    put("seed", sampling.seed.map(Value::from));
    put("stop", (!sampling.stop.is_empty()).then(|| json!(sampling.stop)));
    put("frequency_penalty", sampling.frequency_penalty.map(Value::from));
    put("presence_penalty", sampling.presence_penalty.map(Value::from));
    let most = target.max_output_tokens.unwrap_or(u64::MAX);
    put("num_predict", request.max_output_tokens.map(|asked| Value::from(asked.min(most))));
    if request.max_output_tokens.is_some_and(|asked| asked > most) {
        let detail = format!("the limit was lowered to the model's {most} tokens");
        draft.note("max_output_tokens", NoticeAction::Emulated, &detail);
    }
    if !options.is_empty() {
        draft.put("options", options);
    }
    if let Some(is_wanted) = sampling.logprobs {
        draft.put("logprobs", is_wanted);
    }
    if let Some(number) = sampling.top_logprobs {
        draft.put("top_logprobs", number);
    }
    if sampling.logit_bias.is_some() {
        draft.dropped("logit_bias");
    }
    Ok(())
}

fn put_caller(request: &ChatRequest, draft: &mut Draft<'_>) {
    if request.user.is_some() {
        draft.dropped("user");
    }
    for key in request.metadata.keys() {
        draft.dropped(&format!("metadata.{key}"));
    }
    match request.service_tier.as_deref() {
        None | Some("auto" | "default") => {}
        Some(_) => draft.dropped("service_tier"),
    }
}

/// The fields that only this format knows; `options` is filled up.
fn put_extra(request: &ChatRequest, draft: &mut Draft<'_>) {
    let Some(fields) = request.extra.for_dialect(ID) else {
        request.extra.fields.keys().for_each(|field| draft.dropped(field));
        return;
    };
    for (key, value) in fields {
        if GENERATE_ONLY.contains(&key.as_str()) {
            draft.note(key, NoticeAction::Dropped, "`/api/chat` has no such field");
            continue;
        }
        match (draft.body.get_mut(key), value) {
            (Some(Value::Object(have)), Value::Object(more)) => {
                for (key, value) in more {
                    have.entry(key.as_str()).or_insert_with(|| value.clone());
                }
            }
            (Some(_), _) => {}
            (None, value) => draft.put(key, value.clone()),
        }
    }
}
