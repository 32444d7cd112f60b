//! Writes a canonical request in this format. Everything that cannot be said is a notice, or an
//! error where leaving it out would change what is asked.

use gw_core::Result;
use gw_core::chat::{ChatRequest, ResponseFormat, Tool, ToolChoice};
use gw_core::seam::{Target, WireRequest};
use serde_json::{Map, Value, json};

use super::super::{ID, blocks};
use super::{is_about_tools, path, turns};
use crate::anthropic::request::reasoning;
use crate::draft::Draft;
use crate::hosted;

/// Whose model it is, which decides what its own fields are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    Anthropic,
    Amazon,
    Other,
}

impl Maker {
    fn of(model: &str) -> Self {
        if model.contains("anthropic") || model.contains("claude") {
            Self::Anthropic
        } else if model.contains("nova") {
            Self::Amazon
        } else {
            Self::Other
        }
    }
}

/// Writes a request.
pub(in super::super) fn encode(request: &ChatRequest, target: &Target<'_>) -> Result<WireRequest> {
    let mut draft = Draft::new("Bedrock");
    let maker = Maker::of(target.model);
    let mut turns = turns::write(&request.messages, &mut draft)?;
    put_format(request, &mut turns.system, &mut draft);
    if !turns.system.is_empty() {
        draft.put("system", turns.system);
    }
    draft.put("messages", turns.messages);
    put_tools(request, &mut draft)?;
    let mut fields = Map::new();
    put_thinking(request, target, maker, &mut fields, &mut draft);
    put_inference(request, target, maker, &mut fields, &mut draft)?;
    put_caller(request, &mut draft);
    if !fields.is_empty() {
        draft.put("additionalModelRequestFields", fields);
    }
    put_extra(request, &mut draft);
    draft.refuse(&target.quirks.refused_fields);
    let (body, notices) = draft.finish();
    let path = path(target.model, request.stream).into();
    Ok(WireRequest { path, headers: Vec::new(), body, notices })
}

fn put_format(request: &ChatRequest, system: &mut Vec<Value>, draft: &mut Draft) {
    match &request.response_format {
        None | Some(ResponseFormat::Text) => {}
        Some(ResponseFormat::JsonObject) => {
            system.push(json!({"text": "Answer with one JSON object and nothing else."}));
            draft.emulated("response_format", "a JSON object is asked for by an instruction");
        }
        Some(ResponseFormat::JsonSchema { name, description, schema, .. }) => {
            let mut wire = json!({"schema": schema.to_string()});
            if let Some(name) = name {
                wire["name"] = Value::from(name.as_str());
            }
            if let Some(description) = description {
                wire["description"] = Value::from(description.as_str());
            }
            let structure = json!({"jsonSchema": wire});
            let format = json!({"type": "json_schema", "structure": structure});
            draft.put("outputConfig", json!({ "textFormat": format }));
        }
    }
}

fn is_written(tool: &Tool) -> bool {
    match tool {
        Tool::Function { .. } => true,
        Tool::Hosted { dialect, .. } => *dialect == ID,
    }
}

fn put_tools(request: &ChatRequest, draft: &mut Draft) -> Result<()> {
    let mut tools = Vec::new();
    for (index, tool) in request.tools.iter().enumerate() {
        match tool {
            Tool::Function { cache, .. } => {
                tools.push(write_function(tool, index, draft));
                tools.extend(cache.as_ref().map(blocks::write_cache));
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
    let says_tools = request.messages.iter().any(|it| it.parts.iter().any(is_about_tools));
    let choice = match &request.tool_choice {
        Some(ToolChoice::None) if !says_tools => {
            let detail = "the tools were left out, so that none is called";
            draft.emulated("tools", detail);
            draft.emulated("tool_choice", detail);
            return Ok(());
        }
        Some(ToolChoice::None) => {
            // The API wants the tools of a conversation that holds calls.
            draft.absent("tool_choice");
            None
        }
        Some(ToolChoice::Opaque { .. }) => {
            draft.absent("tool_choice");
            None
        }
        Some(ToolChoice::Auto) => Some(json!({"auto": {}})),
        Some(ToolChoice::Required) => Some(json!({"any": {}})),
        Some(ToolChoice::Function { name }) => Some(json!({"tool": {"name": name}})),
        None => None,
    };
    if request.parallel_tool_calls == Some(false) {
        draft.absent("parallel_tool_calls");
    }
    let mut config = json!({ "tools": tools });
    if let Some(choice) = choice {
        config["toolChoice"] = choice;
    }
    draft.put("toolConfig", config);
    Ok(())
}

fn write_function(tool: &Tool, index: usize, draft: &mut Draft) -> Value {
    let Tool::Function { name, description, parameters, strict, extra, .. } = tool else {
        return Value::Null;
    };
    let mut spec = Map::new();
    spec.insert("name".to_owned(), Value::from(name.as_str()));
    if let Some(description) = description.as_deref().filter(|it| !it.is_empty()) {
        spec.insert("description".to_owned(), Value::from(description));
    }
    let mut schema = parameters.clone().unwrap_or_else(|| json!({"properties": {}}));
    if let Some(schema) = schema.as_object_mut() {
        schema.entry("type").or_insert_with(|| Value::from("object"));
    }
    spec.insert("inputSchema".to_owned(), json!({ "json": schema }));
    if let Some(strict) = strict {
        spec.insert("strict".to_owned(), Value::from(*strict));
    }
    match extra.for_dialect(ID) {
        Some(fields) => spec.extend(fields.clone()),
        None => extra.fields.keys().for_each(|key| draft.absent(format!("tools[{index}].{key}"))),
    }
    json!({ "toolSpec": spec })
}

fn put_thinking(
    request: &ChatRequest,
    target: &Target<'_>,
    maker: Maker,
    fields: &mut Map<String, Value>,
    draft: &mut Draft,
) {
    let Some(wish) = &request.reasoning else { return };
    let is_off = wish.is_enabled == Some(false) || wish.effort.as_deref() == Some("none");
    match maker {
        Maker::Anthropic => {
            let most = request.max_output_tokens.or(target.max_output_tokens).unwrap_or(4_096);
            let notices = &mut draft.notices;
            let chosen = reasoning::choose(request, target.model, most, notices);
            if let Some(thinking) = chosen.thinking {
                fields.insert("thinking".to_owned(), thinking);
            }
            if let Some(effort) = chosen.effort {
                fields.insert("output_config".to_owned(), json!({ "effort": effort }));
            }
        }
        Maker::Amazon => {
            let effort = match wish.effort.as_deref() {
                Some("minimal" | "low") => "low",
                Some("medium") => "medium",
                Some(_) => "high",
                None => "medium",
            };
            let config = if is_off {
                json!({"type": "disabled"})
            } else {
                json!({"type": "enabled", "maxReasoningEffort": effort})
            };
            if !is_off && wish.budget_tokens.is_some() {
                draft.emulated("reasoning.budget_tokens", "the budget became an effort");
            }
            if !is_off && wish.effort.as_deref().is_some_and(|it| it != effort) {
                let detail = format!("the effort was sent as `{effort}`");
                draft.emulated("reasoning.effort", &detail);
            }
            fields.insert("reasoningConfig".to_owned(), config);
        }
        Maker::Other => match wish.effort.as_deref() {
            Some(effort) => {
                fields.insert("reasoning_effort".to_owned(), Value::from(effort));
            }
            None => draft.absent("reasoning"),
        },
    }
}

fn put_inference(
    request: &ChatRequest,
    target: &Target<'_>,
    maker: Maker,
    fields: &mut Map<String, Value>,
    draft: &mut Draft,
) -> Result<()> {
    let sampling = &request.sampling;
    if sampling.n.is_some_and(|n| n > 1) {
        return Err(draft.unsupported("n", "more than one answer is asked for"));
    }
    let mut config = Map::new();
    if let Some(asked) = request.max_output_tokens {
        let most = target.max_output_tokens.unwrap_or(u64::MAX);
        if asked > most {
            let detail = format!("the limit was lowered to the model's {most} tokens");
            draft.emulated("max_output_tokens", &detail);
        }
        config.insert("maxTokens".to_owned(), Value::from(asked.min(most)));
    }
    if let Some(temperature) = sampling.temperature {
        let kept = temperature.clamp(0.0, 1.0);
        if temperature > kept {
            draft.emulated("temperature", "the Bedrock format ends at temperature 1");
        }
        config.insert("temperature".to_owned(), Value::from(kept));
    }
    if let Some(top_p) = sampling.top_p {
        config.insert("topP".to_owned(), Value::from(top_p));
    }
    let stops: Vec<&String> = sampling.stop.iter().filter(|it| !it.is_empty()).collect();
    if !stops.is_empty() {
        config.insert("stopSequences".to_owned(), json!(stops));
    }
    if let Some(top_k) = sampling.top_k {
        match maker {
            Maker::Amazon => {
                fields.insert("inferenceConfig".to_owned(), json!({ "topK": top_k }));
            }
            Maker::Anthropic | Maker::Other => {
                fields.insert("top_k".to_owned(), Value::from(top_k));
            }
        }
    }
    if !config.is_empty() {
        draft.put("inferenceConfig", config);
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
        draft.absent(field);
    }
    Ok(())
}

fn put_caller(request: &ChatRequest, draft: &mut Draft) {
    if request.user.is_some() {
        draft.absent("user");
    }
    let mut metadata = Map::new();
    for (key, value) in &request.metadata {
        match value.as_str() {
            Some(text) => {
                metadata.insert(key.clone(), Value::from(text));
            }
            None => draft.absent(format!("metadata.{key}")),
        }
    }
    if !metadata.is_empty() {
        draft.put("requestMetadata", metadata);
    }
    match request.service_tier.as_deref() {
        Some(tier @ ("default" | "priority" | "flex" | "reserved")) => {
            draft.put("serviceTier", json!({ "type": tier }));
        }
        None | Some("auto") => {}
        Some(_) => draft.absent("service_tier"),
    }
}

/// The fields that only this format knows; objects that are half known are filled up.
fn put_extra(request: &ChatRequest, draft: &mut Draft) {
    let Some(fields) = request.extra.for_dialect(ID) else {
        return request.extra.fields.keys().for_each(|field| draft.absent(field.as_str()));
    };
    for (key, value) in fields {
        match (draft.body.get_mut(key), value) {
            (Some(Value::Object(have)), Value::Object(more)) => {
                for (key, value) in more {
                    have.entry(key.as_str()).or_insert_with(|| value.clone());
                }
            }
            (Some(_), _) => {}
            (None, _) => draft.put(key, value.clone()),
        }
    }
}
