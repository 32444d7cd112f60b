//! Writes a canonical request in this format. Everything that cannot be said is a notice, or an
//! error where leaving it out would change what is asked.

use bytes::Bytes;
use gw_core::Result;
use gw_core::chat::{
    ChatRequest, Notice, NoticeAction, ResponseFormat, Sampling, Tool, ToolChoice,
};
use gw_core::seam::{Target, WireRequest};
use serde_json::{Map, Value, json};

use super::super::ID;
use super::reasoning::{self, is_before_3};
use super::{path, turns};
use crate::hosted;

/// Stop sequences in one request, as the API reference has it.
const STOP_MAX: usize = 5;

/// Service tiers that a request may ask for.
const TIERS: [&str; 3] = ["standard", "flex", "priority"];

/// What is asked of a model that cannot be asked for JSON in a field.
const JSON_INSTRUCTION: &str =
    "Answer with one JSON object and nothing else: no code fence, no words around it.";

/// Collects the body and the notices.
struct Draft<'a> {
    body: Map<String, Value>,
    config: Map<String, Value>,
    notices: Vec<Notice>,
    model: &'a str,
}

impl Draft<'_> {
    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.body.insert(key.to_owned(), value.into());
    }

    fn config(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.config.insert(key.to_owned(), value.into());
        }
    }

    fn note(&mut self, feature: &str, action: NoticeAction, detail: &str) {
        if self.notices.iter().all(|notice| notice.feature != feature) {
            let (feature, detail) = (feature.to_owned(), detail.to_owned());
            self.notices.push(Notice { feature, action, detail });
        }
    }

    fn dropped(&mut self, feature: &str) {
        self.note(feature, NoticeAction::Dropped, "the Gemini format has no such field");
    }
}

/// Writes a request.
pub(in super::super) fn encode(request: &ChatRequest, target: &Target<'_>) -> Result<WireRequest> {
    let (body, config, notices) = (Map::new(), Map::new(), Vec::new());
    let mut draft = Draft { body, config, notices, model: target.model };
    let instruction = put_response_format(request, &mut draft);
    put_turns(request, instruction, &mut draft)?;
    put_tools(request, &mut draft)?;
    put_sampling(&request.sampling, &mut draft);
    put_max_tokens(request, target, &mut draft);
    let thinking = reasoning::config(request.reasoning.as_ref(), target.model, &mut draft.notices);
    draft.config("thinkingConfig", thinking);
    put_caller(request, &mut draft);
    if !draft.config.is_empty() {
        let config = std::mem::take(&mut draft.config);
        draft.put("generationConfig", config);
    }
    put_extra(request, &mut draft);
    for field in &target.quirks.refused_fields {
        if draft.body.shift_remove(field).is_some() {
            draft.note(field, NoticeAction::Dropped, "this provider refuses the field");
        }
    }
    Ok(WireRequest {
        path: path(target.model, request.stream).into(),
        headers: Vec::new(),
        body: Bytes::from(Value::Object(draft.body).to_string()),
        notices: draft.notices,
    })
}

/// Asks for a form; where the model cannot be asked in a field, gives the words that ask for it.
fn put_response_format(request: &ChatRequest, draft: &mut Draft<'_>) -> Option<String> {
    let schema = match &request.response_format {
        None | Some(ResponseFormat::Text) => return None,
        Some(ResponseFormat::JsonObject) => None,
        Some(ResponseFormat::JsonSchema { schema, .. }) => Some(schema),
    };
    if !request.tools.is_empty() && is_before_3(draft.model) {
        let detail = "the model takes no wanted form beside tools; an instruction asks for it";
        draft.note("response_format", NoticeAction::Emulated, detail);
        return Some(match schema {
            Some(schema) => format!("{JSON_INSTRUCTION} It must follow this JSON schema: {schema}"),
            None => JSON_INSTRUCTION.to_owned(),
        });
    }
    draft.config("responseMimeType", Some("application/json"));
    draft.config("responseJsonSchema", schema.cloned());
    None
}

fn put_turns(
    request: &ChatRequest,
    instruction: Option<String>,
    draft: &mut Draft<'_>,
) -> Result<()> {
    let mut turns = turns::write(&request.messages, draft.model, &mut draft.notices)?;
    if let Some(instruction) = instruction {
        turns.system.push(json!({ "text": instruction }));
    }
    draft.put("contents", turns.contents);
    if !turns.system.is_empty() {
        draft.put("systemInstruction", json!({ "parts": turns.system }));
    }
    Ok(())
}

/// Google's own tool for the same work as another provider's.
fn own_tool(value: &Value) -> Option<&'static str> {
    let kind = value["type"].as_str()?;
    if kind.starts_with("web_search") {
        Some("googleSearch")
    } else if kind.starts_with("web_fetch") {
        Some("urlContext")
    } else {
        None
    }
}

fn is_written(tool: &Tool) -> bool {
    match tool {
        Tool::Function { .. } => true,
        Tool::Hosted { dialect, value } => *dialect == ID || own_tool(value).is_some(),
    }
}

fn put_tools(request: &ChatRequest, draft: &mut Draft<'_>) -> Result<()> {
    let mut functions = Vec::new();
    let mut own_tools = Vec::new();
    for (index, tool) in request.tools.iter().enumerate() {
        let path = format!("tools[{index}]");
        match tool {
            Tool::Function { .. } => functions.push(write_function(tool, &path, draft)),
            Tool::Hosted { dialect, value } if *dialect == ID => own_tools.push(value.clone()),
            Tool::Hosted { value, .. } => {
                let Some(own) = own_tool(value) else {
                    let detail = hosted::leave_out(request, index, is_written)?;
                    draft.note(&path, NoticeAction::Dropped, &detail);
                    continue;
                };
                let detail = format!("the tool of another provider was offered as `{own}`");
                draft.note(&path, NoticeAction::Emulated, &detail);
                own_tools.push(json!({ own: {} }));
            }
        }
    }
    let has_functions = !functions.is_empty();
    let mut tools = Vec::new();
    if has_functions {
        // All in one: several lists of functions are refused.
        tools.push(json!({ "functionDeclarations": functions }));
    }
    tools.extend(own_tools);
    if !tools.is_empty() {
        draft.put("tools", tools);
    }
    if request.parallel_tool_calls == Some(false) && has_functions {
        let detail = "the Gemini format cannot forbid parallel calls";
        draft.note("parallel_tool_calls", NoticeAction::Dropped, detail);
    }
    let choice = match &request.tool_choice {
        None => return Ok(()),
        Some(_) if !has_functions => {
            draft.note("tool_choice", NoticeAction::Dropped, "there is no function to choose");
            return Ok(());
        }
        Some(ToolChoice::Auto) => json!({"mode": "AUTO"}),
        Some(ToolChoice::None) => json!({"mode": "NONE"}),
        Some(ToolChoice::Required) => json!({"mode": "ANY"}),
        Some(ToolChoice::Function { name }) => {
            json!({"mode": "ANY", "allowedFunctionNames": [name]})
        }
        Some(ToolChoice::Opaque { dialect, value }) if *dialect == ID => value.clone(),
        Some(ToolChoice::Opaque { dialect, .. }) => {
            let detail = format!("a choice of tools that only {dialect} has cannot be sent");
            draft.note("tool_choice", NoticeAction::Dropped, &detail);
            return Ok(());
        }
    };
    draft.put("toolConfig", json!({ "functionCallingConfig": choice }));
    Ok(())
}

fn write_function(tool: &Tool, path: &str, draft: &mut Draft<'_>) -> Value {
    let Tool::Function { name, description, parameters, strict, cache, extra } = tool else {
        return Value::Null;
    };
    let mut out = Map::new();
    out.insert("name".to_owned(), Value::from(name.as_str()));
    if let Some(description) = description {
        out.insert("description".to_owned(), Value::from(description.as_str()));
    }
    if let Some(schema) = parameters.as_ref().filter(|schema| has_parameters(schema)) {
        let mut schema = schema.clone();
        if let Some(object) = schema.as_object_mut() {
            object.entry("type").or_insert_with(|| Value::from("object"));
        }
        out.insert("parametersJsonSchema".to_owned(), schema);
    }
    if *strict == Some(true) {
        let detail = "the Gemini format has no strict schemas of tools";
        draft.note("tools[].strict", NoticeAction::Dropped, detail);
    }
    if cache.is_some() {
        draft.note("cache_control", NoticeAction::Dropped, turns::NO_CACHE_MARKS);
    }
    match extra.for_dialect(ID) {
        Some(fields) => out.extend(fields.clone()),
        None => extra.fields.keys().for_each(|key| draft.dropped(&format!("{path}.{key}"))),
    }
    Value::Object(out)
}

/// An empty object asks for nothing, and Vertex AI refuses it.
fn has_parameters(schema: &Value) -> bool {
    schema.as_object().is_some_and(|schema| !schema.is_empty())
}

fn put_sampling(sampling: &Sampling, draft: &mut Draft<'_>) {
    draft.config("temperature", sampling.temperature);
    draft.config("topP", sampling.top_p);
    draft.config("topK", sampling.top_k);
    draft.config("candidateCount", sampling.n);
    draft.config("seed", sampling.seed.and_then(|seed| i32::try_from(seed).ok()));
    if sampling.seed.is_some_and(|seed| i32::try_from(seed).is_err()) {
        draft.note("seed", NoticeAction::Dropped, "the Gemini format takes seeds of 32 bits");
    }
    draft.config("presencePenalty", sampling.presence_penalty);
    draft.config("frequencyPenalty", sampling.frequency_penalty);
    draft.config("responseLogprobs", sampling.logprobs);
    draft.config("logprobs", sampling.top_logprobs);
    if sampling.logit_bias.is_some() {
        draft.dropped("logit_bias");
    }
    let stop: Vec<&String> = sampling.stop.iter().filter(|stop| !stop.is_empty()).collect();
    if stop.len() > STOP_MAX {
        let detail = "the Gemini format takes five stop sequences; the first were sent";
        draft.note("stop", NoticeAction::Dropped, detail);
    }
    if !stop.is_empty() {
        let stop = &stop[..stop.len().min(STOP_MAX)];
        draft.config("stopSequences", Some(json!(stop)));
    }
}

fn put_max_tokens(request: &ChatRequest, target: &Target<'_>, draft: &mut Draft<'_>) {
    let Some(asked) = request.max_output_tokens else { return };
    let most = target.max_output_tokens.unwrap_or(asked);
    if asked > most {
        let detail = format!("the limit was lowered to the model's {most} tokens");
        draft.note("max_output_tokens", NoticeAction::Emulated, &detail);
    }
    draft.config("maxOutputTokens", Some(asked.min(most)));
}

fn put_caller(request: &ChatRequest, draft: &mut Draft<'_>) {
    if request.user.is_some() {
        draft.dropped("user");
    }
    for key in request.metadata.keys() {
        draft.dropped(&format!("metadata.{key}"));
    }
    match request.service_tier.as_deref() {
        Some(tier) if TIERS.contains(&tier.to_ascii_lowercase().as_str()) => {
            draft.put("serviceTier", tier);
        }
        // Both leave it to the provider, as saying nothing does.
        Some("auto" | "default") | None => {}
        Some(_) => draft.dropped("service_tier"),
    }
}

/// The fields that only this format knows; objects that are half known are filled up.
fn put_extra(request: &ChatRequest, draft: &mut Draft<'_>) {
    match request.extra.for_dialect(ID) {
        Some(fields) => fill(&mut draft.body, fields),
        None => request.extra.fields.keys().for_each(|field| draft.dropped(field)),
    }
}

fn fill(have: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (key, value) in more {
        match (have.get_mut(key), value) {
            (Some(Value::Object(have)), Value::Object(more)) => fill(have, more),
            (Some(_), _) => {}
            (None, value) => {
                have.insert(key.clone(), value.clone());
            }
        }
    }
}
