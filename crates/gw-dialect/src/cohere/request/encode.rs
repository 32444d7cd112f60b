//! Writes a canonical request in this format. Everything that cannot be said is a notice, or an
//! error where leaving it out would change what is asked.

use gw_core::Result;
use gw_core::chat::{ChatRequest, ResponseFormat, Tool, ToolChoice};
use gw_core::seam::{Target, WireRequest};
use serde_json::{Map, Value, json};

use super::super::{ID, PATH};
use super::turns;
use crate::draft::Draft;
use crate::hosted;

/// The most that the API takes of `k`.
const TOP_K_MAX: u64 = 500;

/// The most that the API takes of `p`.
const TOP_P_MAX: f64 = 0.99;

/// The most stop sequences that the API takes.
const STOPS_MAX: usize = 5;

/// Writes a request.
pub(in super::super) fn encode(request: &ChatRequest, target: &Target<'_>) -> Result<WireRequest> {
    let mut draft = Draft::new("Cohere");
    draft.put("model", target.model);
    let mut turns = turns::write(&request.messages, &mut draft)?;
    put_tools(request, &mut draft)?;
    put_format(request, !turns.documents.is_empty(), &mut turns.messages, &mut draft);
    draft.put("messages", turns.messages);
    if !turns.documents.is_empty() {
        draft.put("documents", turns.documents);
    }
    put_limit(request, target, &mut draft);
    put_sampling(request, &mut draft)?;
    put_thinking(request, &mut draft);
    put_caller(request, &mut draft);
    draft.put("stream", request.stream);
    put_extra(request, &mut draft);
    draft.refuse(&target.quirks.refused_fields);
    let (body, notices) = draft.finish();
    Ok(WireRequest { path: PATH.into(), headers: Vec::new(), body, notices })
}

fn put_limit(request: &ChatRequest, target: &Target<'_>, draft: &mut Draft) {
    let Some(asked) = request.max_output_tokens else { return };
    let most = target.max_output_tokens.unwrap_or(u64::MAX);
    if asked > most {
        let detail = format!("the limit was lowered to the model's {most} tokens");
        draft.emulated("max_output_tokens", &detail);
    }
    draft.put("max_tokens", asked.min(most));
}

fn is_written(tool: &Tool) -> bool {
    match tool {
        Tool::Function { .. } => true,
        Tool::Hosted { dialect, .. } => *dialect == ID,
    }
}

fn put_tools(request: &ChatRequest, draft: &mut Draft) -> Result<()> {
    let only = match &request.tool_choice {
        Some(ToolChoice::Function { name }) => Some(name),
        _ => None,
    };
    let mut tools = Vec::new();
    let mut strict = Vec::new();
    for (index, tool) in request.tools.iter().enumerate() {
        match tool {
            Tool::Function { name, .. } if only.is_some_and(|only| only != name) => {
                draft.emulated("tools", "only the tool that must be called was offered");
            }
            Tool::Function { strict: is_strict, .. } => {
                strict.push(*is_strict == Some(true));
                tools.push(write_function(tool, index, draft));
            }
            Tool::Hosted { dialect, value } if *dialect == ID => tools.push(value.clone()),
            Tool::Hosted { .. } => {
                let detail = hosted::leave_out(request, index, is_written)?;
                draft.dropped(format!("tools[{index}]"), &detail);
            }
        }
    }
    if tools.is_empty() {
        return Ok(());
    }
    if strict.contains(&true) {
        if strict.contains(&false) {
            draft.emulated("tools[].strict", "here all tools are strict or none is");
        }
        draft.put("strict_tools", true);
    }
    draft.put("tools", tools);
    match &request.tool_choice {
        Some(ToolChoice::None) => draft.put("tool_choice", "NONE"),
        Some(ToolChoice::Required) => draft.put("tool_choice", "REQUIRED"),
        Some(ToolChoice::Function { .. }) => {
            draft.emulated("tool_choice", "the one tool that was offered must be called");
            draft.put("tool_choice", "REQUIRED");
        }
        Some(ToolChoice::Opaque { .. }) => draft.absent("tool_choice"),
        Some(ToolChoice::Auto) | None => {}
    }
    if request.parallel_tool_calls == Some(false) {
        draft.absent("parallel_tool_calls");
    }
    Ok(())
}

fn write_function(tool: &Tool, index: usize, draft: &mut Draft) -> Value {
    let Tool::Function { name, description, parameters, cache, extra, .. } = tool else {
        return Value::Null;
    };
    if cache.is_some() {
        draft.absent("cache_control");
    }
    let mut function = Map::new();
    function.insert("name".to_owned(), Value::from(name.as_str()));
    if let Some(description) = description {
        function.insert("description".to_owned(), Value::from(description.as_str()));
    }
    let empty = || json!({"type": "object", "properties": {}});
    function.insert("parameters".to_owned(), parameters.clone().unwrap_or_else(empty));
    match extra.for_dialect(ID) {
        Some(fields) => function.extend(fields.clone()),
        None => extra.fields.keys().for_each(|key| draft.absent(format!("tools[{index}].{key}"))),
    }
    json!({"type": "function", "function": function})
}

/// The API refuses a format beside tools or documents: there an instruction asks for it.
fn put_format(
    request: &ChatRequest,
    has_documents: bool,
    messages: &mut Vec<Value>,
    draft: &mut Draft,
) {
    let schema = match &request.response_format {
        None => return,
        Some(ResponseFormat::Text) => return draft.put("response_format", json!({"type": "text"})),
        Some(ResponseFormat::JsonObject) => None,
        Some(ResponseFormat::JsonSchema { schema, .. }) => Some(schema),
    };
    if !draft.body.contains_key("tools") && !has_documents {
        let mut format = json!({"type": "json_object"});
        if let Some(schema) = schema {
            format["json_schema"] = schema.clone();
        }
        return draft.put("response_format", format);
    }
    let mut words = "Answer with one JSON object and nothing else.".to_owned();
    if let Some(schema) = schema {
        words.push_str(&format!(" It must follow this JSON schema: {schema}"));
    }
    messages.insert(0, json!({"role": "system", "content": words}));
    let detail = "beside tools and documents, JSON is asked for by an instruction";
    draft.emulated("response_format", detail);
    draft.emulated("messages", detail);
}

fn put_sampling(request: &ChatRequest, draft: &mut Draft) -> Result<()> {
    let sampling = &request.sampling;
    if sampling.n.is_some_and(|n| n > 1) {
        return Err(draft.unsupported("n", "more than one answer is asked for"));
    }
    let mut bounded = |field: &str, wire: &str, value: Option<f64>, min: f64, max: f64| {
        let Some(value) = value else { return };
        let kept = value.clamp(min, max);
        if (kept - value).abs() > f64::EPSILON {
            draft.emulated(field, &format!("was brought between {min} and {max}"));
        }
        draft.put(wire, kept);
    };
    bounded("temperature", "temperature", sampling.temperature, 0.0, 1.0);
    bounded("top_p", "p", sampling.top_p, 0.0, TOP_P_MAX);
    bounded("frequency_penalty", "frequency_penalty", sampling.frequency_penalty, 0.0, 1.0);
    bounded("presence_penalty", "presence_penalty", sampling.presence_penalty, 0.0, 1.0);
    if let Some(top_k) = sampling.top_k {
        if top_k > TOP_K_MAX {
            draft.emulated("top_k", &format!("was lowered to {TOP_K_MAX}"));
        }
        draft.put("k", top_k.min(TOP_K_MAX));
    }
    match sampling.seed {
        Some(seed) if seed >= 0 => draft.put("seed", seed),
        Some(_) => draft.dropped("seed", "seeds below zero are refused"),
        None => {}
    }
    if !sampling.stop.is_empty() {
        if sampling.stop.len() > STOPS_MAX {
            draft.dropped("stop", &format!("only {STOPS_MAX} stop sequences can be sent"));
        }
        let stops: Vec<&String> = sampling.stop.iter().take(STOPS_MAX).collect();
        draft.put("stop_sequences", json!(stops));
    }
    draft.put_some("logprobs", sampling.logprobs);
    if sampling.top_logprobs.is_some_and(|number| number > 0) {
        draft.absent("top_logprobs");
    }
    if sampling.logit_bias.is_some() {
        draft.absent("logit_bias");
    }
    Ok(())
}

fn put_thinking(request: &ChatRequest, draft: &mut Draft) {
    let Some(wish) = &request.reasoning else { return };
    let effort = wish.effort.as_deref();
    if wish.is_enabled == Some(false) || effort == Some("none") {
        return draft.put("thinking", json!({"type": "disabled"}));
    }
    if wish.display.is_some() {
        draft.absent("reasoning.display");
    }
    if wish.is_enabled.is_none() && wish.budget_tokens.is_none() && effort.is_none() {
        return;
    }
    let mut thinking = json!({"type": "enabled"});
    if let Some(budget) = wish.budget_tokens {
        thinking["token_budget"] = Value::from(budget);
    } else if let Some(effort) = effort {
        let budget = match effort {
            "minimal" | "low" => Some(1_024),
            "medium" => Some(8_192),
            _ => None,
        };
        if let Some(budget) = budget {
            thinking["token_budget"] = Value::from(budget);
        }
        draft.emulated("reasoning.effort", "the effort became a thinking budget");
    }
    draft.put("thinking", thinking);
}

fn put_caller(request: &ChatRequest, draft: &mut Draft) {
    if request.user.is_some() {
        draft.absent("user");
    }
    for key in request.metadata.keys() {
        draft.absent(format!("metadata.{key}"));
    }
    match request.service_tier.as_deref() {
        None | Some("auto" | "default") => {}
        Some(_) => draft.absent("service_tier"),
    }
}

fn put_extra(request: &ChatRequest, draft: &mut Draft) {
    let Some(fields) = request.extra.for_dialect(ID) else {
        return request.extra.fields.keys().for_each(|field| draft.absent(field.as_str()));
    };
    for (key, value) in fields {
        if !draft.body.contains_key(key) {
            draft.put(key, value.clone());
        }
    }
}
