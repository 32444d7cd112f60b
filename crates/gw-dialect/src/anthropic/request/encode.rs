//! Writes a canonical request in this format. Everything that cannot be said is a notice, or an
//! error where leaving it out would change what is asked.

use bytes::Bytes;
use gw_core::Result;
use gw_core::chat::{
    ChatRequest, Notice, NoticeAction, ResponseFormat, Sampling, Tool, ToolChoice,
};
use gw_core::seam::{Target, WireRequest};
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use super::super::{ID, VERSION, blocks};
use super::reasoning::{self, Thinking};
use super::turns::{self, content_value};
use super::{JSON_OBJECT_INSTRUCTION, VERTEX_VERSION, empty_schema, path, unsupported};
use crate::hosted;

/// Written where neither the client nor the catalogue gives a limit: every model can write so much.
const MAX_TOKENS_FALLBACK: u64 = 4_096;

/// Written where only the model's own limit is known; above it providers want a stream.
const MAX_TOKENS_UNASKED: u64 = 32_000;

const FILES_BETA: (HeaderName, HeaderValue) =
    (HeaderName::from_static("anthropic-beta"), HeaderValue::from_static("files-api-2025-04-14"));

/// Collects the body and the notices.
struct Draft {
    body: Map<String, Value>,
    notices: Vec<Notice>,
}

impl Draft {
    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.body.insert(key.to_owned(), value.into());
    }

    fn put_some(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    fn note(&mut self, feature: &str, action: NoticeAction, detail: &str) {
        let (feature, detail) = (feature.to_owned(), detail.to_owned());
        self.notices.push(Notice { feature, action, detail });
    }

    fn dropped(&mut self, feature: &str) {
        self.note(feature, NoticeAction::Dropped, "the Anthropic format has no such field");
    }
}

/// Writes a request.
pub(in super::super) fn encode(request: &ChatRequest, target: &Target<'_>) -> Result<WireRequest> {
    let mut draft = Draft { body: Map::new(), notices: Vec::new() };
    draft.put("model", target.model);
    let max_tokens = max_tokens(request, target, &mut draft);
    draft.put("max_tokens", max_tokens);
    let thinking = reasoning::choose(request, target.model, max_tokens, &mut draft.notices);
    let headers = put_turns(request, &mut draft)?;
    put_tools(request, &mut draft)?;
    put_sampling(&request.sampling, &thinking, &mut draft)?;
    put_output(request, thinking, &mut draft);
    put_caller(request, &mut draft);
    if request.stream {
        draft.put("stream", true);
    }
    put_extra(request, &mut draft);
    for field in &target.quirks.refused_fields {
        if draft.body.shift_remove(field).is_some() {
            draft.note(field, NoticeAction::Dropped, "this provider refuses the field");
        }
    }
    if target.quirks.anthropic_vertex {
        draft.body.shift_remove("model");
        draft.put("anthropic_version", VERTEX_VERSION);
    }
    let body = Bytes::from(Value::Object(draft.body).to_string());
    Ok(WireRequest { path: path(target, request.stream), headers, body, notices: draft.notices })
}

fn max_tokens(request: &ChatRequest, target: &Target<'_>, draft: &mut Draft) -> u64 {
    match (request.max_output_tokens, target.max_output_tokens) {
        (Some(asked), Some(most)) if asked > most => {
            let detail = format!("the limit was lowered to the model's {most} tokens");
            draft.note("max_output_tokens", NoticeAction::Emulated, &detail);
            most
        }
        (Some(asked), _) => asked.max(1),
        (None, Some(most)) => most.clamp(1, MAX_TOKENS_UNASKED),
        (None, None) => MAX_TOKENS_FALLBACK,
    }
}

fn put_turns(request: &ChatRequest, draft: &mut Draft) -> Result<Vec<(HeaderName, HeaderValue)>> {
    let mut turns = turns::write(&request.messages, &mut draft.notices)?;
    if request.response_format == Some(ResponseFormat::JsonObject) {
        turns.system.push(json!({"type": "text", "text": JSON_OBJECT_INSTRUCTION}));
        let detail = "a JSON object is asked for by an instruction";
        draft.note("response_format", NoticeAction::Emulated, detail);
    }
    if !turns.system.is_empty() {
        draft.put("system", content_value(turns.system));
    }
    draft.put("messages", turns.messages);
    let mut headers = vec![VERSION];
    if turns.has_files {
        headers.push(FILES_BETA);
    }
    Ok(headers)
}

fn is_written(tool: &Tool) -> bool {
    match tool {
        Tool::Function { .. } => true,
        Tool::Hosted { dialect, .. } => *dialect == ID,
    }
}

fn put_tools(request: &ChatRequest, draft: &mut Draft) -> Result<()> {
    let mut tools = Vec::with_capacity(request.tools.len());
    for (index, tool) in request.tools.iter().enumerate() {
        let path = format!("tools[{index}]");
        if is_written(tool) {
            tools.push(write_tool(tool, &path, draft));
        } else {
            let detail = hosted::leave_out(request, index, is_written)?;
            draft.note(&path, NoticeAction::Dropped, &detail);
        }
    }
    if tools.is_empty() {
        if request.tool_choice.is_some() {
            let detail = "there is no tool to choose";
            draft.note("tool_choice", NoticeAction::Dropped, detail);
        }
        return Ok(());
    }
    draft.put("tools", tools);
    let mut choice = match &request.tool_choice {
        Some(ToolChoice::Auto) => json!({"type": "auto"}),
        Some(ToolChoice::None) => json!({"type": "none"}),
        Some(ToolChoice::Required) => json!({"type": "any"}),
        Some(ToolChoice::Function { name }) => json!({"type": "tool", "name": name}),
        Some(ToolChoice::Opaque { dialect, value }) if *dialect == ID => value.clone(),
        Some(ToolChoice::Opaque { dialect, .. }) => {
            let detail = format!("a choice of tools that only {dialect} has cannot be sent");
            draft.note("tool_choice", NoticeAction::Dropped, &detail);
            Value::Null
        }
        None => Value::Null,
    };
    match request.parallel_tool_calls {
        Some(false) if choice.is_null() => {
            choice = json!({"type": "auto", "disable_parallel_tool_use": true});
        }
        Some(is_parallel) if choice.is_object() && choice["type"] != "none" => {
            choice["disable_parallel_tool_use"] = Value::Bool(!is_parallel);
        }
        _ => {}
    }
    if !choice.is_null() {
        draft.put("tool_choice", choice);
    }
    Ok(())
}

fn write_tool(tool: &Tool, path: &str, draft: &mut Draft) -> Value {
    match tool {
        Tool::Function { name, description, parameters, strict, cache, extra } => {
            let mut out = Map::new();
            out.insert("name".to_owned(), Value::from(name.as_str()));
            if let Some(description) = description {
                out.insert("description".to_owned(), Value::from(description.as_str()));
            }
            let schema = parameters.clone().unwrap_or_else(empty_schema);
            out.insert("input_schema".to_owned(), with_object_type(schema));
            if let Some(strict) = strict {
                out.insert("strict".to_owned(), Value::Bool(*strict));
            }
            match extra.for_dialect(ID) {
                Some(fields) => out.extend(fields.clone()),
                None => extra.fields.keys().for_each(|key| draft.dropped(&format!("{path}.{key}"))),
            }
            blocks::with_cache(Value::Object(out), cache.as_ref())
        }
        Tool::Hosted { value, .. } => value.clone(),
    }
}

/// The API wants `type: object` at the top of a tool's schema; many clients leave it out.
fn with_object_type(schema: Value) -> Value {
    match schema {
        Value::Object(mut schema) => {
            schema.entry("type").or_insert_with(|| Value::from("object"));
            Value::Object(schema)
        }
        _ => empty_schema(),
    }
}

fn put_sampling(sampling: &Sampling, thinking: &Thinking, draft: &mut Draft) -> Result<()> {
    if sampling.n.is_some_and(|n| n > 1) {
        return Err(unsupported("n", "more than one answer is asked for"));
    }
    put_randomness(sampling, thinking, draft);
    let (stop, blank): (Vec<&String>, Vec<&String>) =
        sampling.stop.iter().partition(|stop| !stop.trim().is_empty());
    if !blank.is_empty() {
        let detail = "stop sequences of white space only are refused by the provider";
        draft.note("stop", NoticeAction::Dropped, detail);
    }
    if !stop.is_empty() {
        draft.put("stop_sequences", json!(stop));
    }
    let absent = [
        ("frequency_penalty", sampling.frequency_penalty.is_some()),
        ("presence_penalty", sampling.presence_penalty.is_some()),
        ("seed", sampling.seed.is_some()),
        ("logprobs", sampling.logprobs == Some(true)),
        ("top_logprobs", sampling.top_logprobs.is_some()),
        ("logit_bias", sampling.logit_bias.is_some()),
    ];
    for (field, _) in absent.into_iter().filter(|(_, is_set)| *is_set) {
        draft.dropped(field);
    }
    Ok(())
}

fn put_randomness(sampling: &Sampling, thinking: &Thinking, draft: &mut Draft) {
    if thinking.is_on() {
        // With thinking the API takes temperature 1 only, no top_k, and top_p from 0.95.
        let detail = "not allowed together with thinking";
        match sampling.temperature {
            Some(temperature) if temperature >= 1.0 => draft.put("temperature", 1.0),
            Some(_) => draft.note("temperature", NoticeAction::Dropped, detail),
            None => {}
        }
        if sampling.top_k.is_some() {
            draft.note("top_k", NoticeAction::Dropped, detail);
        }
        match sampling.top_p {
            Some(top_p) if top_p >= 0.95 => draft.put("top_p", top_p),
            Some(_) => draft.note("top_p", NoticeAction::Dropped, detail),
            None => {}
        }
        return;
    }
    let temperature = sampling.temperature.map(|it| it.clamp(0.0, 1.0));
    if temperature != sampling.temperature {
        let detail = "the Anthropic format ends at temperature 1";
        draft.note("temperature", NoticeAction::Emulated, detail);
    }
    draft.put_some("temperature", temperature);
    if temperature.is_some() && sampling.top_p.is_some() {
        let detail = "newer models refuse top_p beside temperature";
        draft.note("top_p", NoticeAction::Dropped, detail);
    } else {
        draft.put_some("top_p", sampling.top_p);
    }
    draft.put_some("top_k", sampling.top_k);
}

fn put_output(request: &ChatRequest, thinking: Thinking, draft: &mut Draft) {
    let mut config = Map::new();
    if let Some(effort) = thinking.effort {
        config.insert("effort".to_owned(), Value::from(effort));
    }
    if let Some(ResponseFormat::JsonSchema { schema, .. }) = &request.response_format {
        let mut schema = schema.clone();
        if close_objects(&mut schema) {
            let detail = "objects of the schema were closed to further properties";
            draft.note("response_format", NoticeAction::Emulated, detail);
        }
        config.insert("format".to_owned(), json!({"type": "json_schema", "schema": schema}));
    }
    draft.put_some("thinking", thinking.thinking);
    if !config.is_empty() {
        draft.put("output_config", config);
    }
}

/// Sets `additionalProperties: false` where an object says nothing: the API refuses open objects.
/// True where anything was set.
fn close_objects(schema: &mut Value) -> bool {
    match schema {
        Value::Object(object) => {
            let mut is_changed = false;
            for value in object.values_mut() {
                is_changed |= close_objects(value);
            }
            let is_object = object.get("type").is_some_and(|kind| kind == "object");
            if is_object && !object.contains_key("additionalProperties") {
                object.insert("additionalProperties".to_owned(), Value::Bool(false));
                is_changed = true;
            }
            is_changed
        }
        Value::Array(items) => items.iter_mut().fold(false, |sum, item| close_objects(item) | sum),
        _ => false,
    }
}

fn put_caller(request: &ChatRequest, draft: &mut Draft) {
    if let Some(user) = &request.user {
        draft.put("metadata", json!({"user_id": user}));
    }
    for key in request.metadata.keys() {
        draft.dropped(&format!("metadata.{key}"));
    }
    match request.service_tier.as_deref() {
        Some(tier @ ("auto" | "standard_only")) => draft.put("service_tier", tier),
        Some("default") => {
            draft.put("service_tier", "standard_only");
            let detail = "`default` was sent as `standard_only`";
            draft.note("service_tier", NoticeAction::Emulated, detail);
        }
        Some(_) => draft.dropped("service_tier"),
        None => {}
    }
}

/// The fields that only this format knows; objects that are half known are filled up.
fn put_extra(request: &ChatRequest, draft: &mut Draft) {
    let Some(fields) = request.extra.for_dialect(ID) else {
        for field in request.extra.fields.keys() {
            draft.dropped(field);
        }
        return;
    };
    for (key, value) in fields {
        match (draft.body.get_mut(key), value) {
            (Some(Value::Object(have)), Value::Object(more)) => have.extend(more.clone()),
            (Some(_), _) => {}
            // The rest of a `thinking` that was left out means nothing alone.
            (None, _) if key == "thinking" => {}
            (None, _) => draft.put(key, value.clone()),
        }
    }
}
