//! A canonical request for a provider: the top-level fields. Only what is set is written.

use bytes::Bytes;
use gw_core::chat::{ChatRequest, Extra, Reasoning, ResponseFormat, Sampling, Tool, ToolChoice};
use gw_core::seam::{DialectId, Quirks, Target, WireRequest};
use gw_core::{Error, Kind, Result};
use serde_json::{Map, Value, json};

use super::encode_message::encode_messages;
use super::notices::Notices;
use crate::hosted;
use crate::openai_chat::PATH;

/// Thinking budgets up to these many tokens are `low`, `medium`; above, `high`.
const LOW_BUDGET_MAX: u64 = 2_048;
const MEDIUM_BUDGET_MAX: u64 = 8_192;

/// Writes the request.
pub(in crate::openai_chat) fn encode(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<WireRequest> {
    let quirks = target.quirks;
    let mut notices = Notices::default();
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(target.model));
    let messages = encode_messages(&request.messages, quirks, &mut notices)?;
    body.insert("messages".to_owned(), Value::Array(messages));
    put_tools(request, quirks, &mut body, &mut notices)?;
    if let Some(limit) = request.max_output_tokens {
        let field = match quirks.max_tokens_field.as_str() {
            // Compatible servers understand the older word; OpenAI's block names the newer one.
            "" => "max_tokens",
            field => field,
        };
        body.insert(field.to_owned(), json!(limit));
    }
    put_sampling(request, &mut body, &mut notices);
    if let Some(format) = &request.response_format {
        body.insert("response_format".to_owned(), encode_format(format));
    }
    if let Some(reasoning) = &request.reasoning {
        put_reasoning(reasoning, quirks, &mut body, &mut notices);
    }
    put_stream(request, quirks, &mut body);
    put(&mut body, "service_tier", request.service_tier.as_deref().map(service_tier));
    put(&mut body, "user", request.user.as_deref());
    if !request.metadata.is_empty() {
        body.insert("metadata".to_owned(), Value::Object(request.metadata.clone()));
    }
    put_extra(&request.extra, &mut body, &mut notices);
    drop_refused(quirks, &mut body, &mut notices);
    Ok(WireRequest {
        path: PATH.into(),
        headers: Vec::new(),
        body: Bytes::from(Value::Object(body).to_string()),
        notices: notices.into_vec(),
    })
}

fn put(body: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        body.insert(key.to_owned(), value.into());
    }
}

fn put_tools(
    request: &ChatRequest,
    quirks: &Quirks,
    body: &mut Map<String, Value>,
    notices: &mut Notices,
) -> Result<()> {
    // Without tools OpenAI refuses the fields that speak of them.
    if request.tools.is_empty() {
        return Ok(());
    }
    let mut tools = Vec::with_capacity(request.tools.len());
    for (place, tool) in request.tools.iter().enumerate() {
        if is_written(tool) {
            tools.push(encode_tool(tool, quirks, notices));
        } else {
            let detail = hosted::leave_out(request, place, is_written)?;
            notices.dropped(&format!("tools[{place}]"), &detail);
        }
    }
    body.insert("tools".to_owned(), Value::Array(tools));
    if let Some(choice) = &request.tool_choice {
        body.insert("tool_choice".to_owned(), encode_choice(choice)?);
    }
    put(body, "parallel_tool_calls", request.parallel_tool_calls);
    Ok(())
}

fn is_written(tool: &Tool) -> bool {
    match tool {
        Tool::Function { .. } => true,
        Tool::Hosted { dialect, .. } => *dialect == DialectId::OpenAiChat,
    }
}

fn encode_tool(tool: &Tool, quirks: &Quirks, notices: &mut Notices) -> Value {
    let (name, description, parameters, strict, cache, extra) = match tool {
        Tool::Hosted { value, .. } => return value.clone(),
        Tool::Function { name, description, parameters, strict, cache, extra } => {
            (name, description, parameters, strict, cache, extra)
        }
    };
    let mut function = Map::new();
    function.insert("name".to_owned(), json!(name));
    put(&mut function, "description", description.as_deref());
    let parameters = parameters.clone();
    let no_parameters = || json!({ "type": "object", "properties": {} });
    function.insert("parameters".to_owned(), parameters.unwrap_or_else(no_parameters));
    put(&mut function, "strict", *strict);
    let mut wire = Map::new();
    wire.insert("type".to_owned(), json!("function"));
    let own = extra.for_dialect(DialectId::OpenAiChat);
    if let Some(Value::Object(inner)) = own.and_then(|own| own.get("function")) {
        function.extend(inner.clone());
    }
    wire.insert("function".to_owned(), Value::Object(function));
    for (key, value) in own.into_iter().flatten().filter(|(key, _)| *key != "function") {
        wire.insert(key.clone(), value.clone());
    }
    if let Some(mark) = super::encode_content::cache_control(cache.as_ref(), quirks, notices) {
        wire.insert("cache_control".to_owned(), mark);
    }
    if own.is_none() && !extra.is_empty() {
        for key in extra.fields.keys() {
            notices.dropped(&format!("tools[].{key}"), "the field has no counterpart here");
        }
    }
    Value::Object(wire)
}

fn encode_choice(choice: &ToolChoice) -> Result<Value> {
    Ok(match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Function { name } => {
            json!({ "type": "function", "function": { "name": name } })
        }
        ToolChoice::Opaque { dialect: DialectId::OpenAiChat, value } => value.clone(),
        ToolChoice::Opaque { .. } => {
            let text = "`tool_choice` has a form that this model's provider does not know";
            return Err(Error::new(Kind::UnsupportedFeature, text).with_field("tool_choice"));
        }
    })
}

fn put_sampling(request: &ChatRequest, body: &mut Map<String, Value>, notices: &mut Notices) {
    let Sampling {
        temperature,
        top_p,
        top_k,
        frequency_penalty,
        presence_penalty,
        seed,
        stop,
        n,
        logprobs,
        top_logprobs,
        logit_bias,
    } = &request.sampling;
    put(body, "temperature", *temperature);
    put(body, "top_p", *top_p);
    put(body, "frequency_penalty", *frequency_penalty);
    put(body, "presence_penalty", *presence_penalty);
    put(body, "seed", *seed);
    if !stop.is_empty() {
        body.insert("stop".to_owned(), json!(stop));
    }
    put(body, "n", *n);
    put(body, "logprobs", *logprobs);
    put(body, "top_logprobs", *top_logprobs);
    put(body, "logit_bias", logit_bias.clone());
    let is_own = request.extra.for_dialect(DialectId::OpenAiChat);
    if top_k.is_some() && !is_own.is_some_and(|own| own.contains_key("top_k")) {
        notices.dropped("top_k", "chat completions have no `top_k`");
    }
}

fn encode_format(format: &ResponseFormat) -> Value {
    match format {
        ResponseFormat::Text => json!({ "type": "text" }),
        ResponseFormat::JsonObject => json!({ "type": "json_object" }),
        ResponseFormat::JsonSchema { name, description, schema, strict } => {
            let mut inner = Map::new();
            inner.insert("name".to_owned(), json!(name.as_deref().unwrap_or("response")));
            put(&mut inner, "description", description.as_deref());
            inner.insert("schema".to_owned(), schema.clone());
            put(&mut inner, "strict", *strict);
            json!({ "type": "json_schema", "json_schema": inner })
        }
    }
}

fn put_reasoning(
    reasoning: &Reasoning,
    quirks: &Quirks,
    body: &mut Map<String, Value>,
    notices: &mut Notices,
) {
    let strongest = if quirks.reasoning_object { "xhigh" } else { "high" };
    let wanted = reasoning.effort.as_deref();
    if wanted == Some("max") {
        notices.emulated(
            "reasoning.effort",
            "this format knows no `max`; its strongest word was sent",
        );
    }
    let effort = wanted.map(|effort| if effort == "max" { strongest } else { effort });
    if quirks.reasoning_object {
        let mut wire = Map::new();
        // OpenRouter takes an effort or a budget, not both.
        let is_off = reasoning.is_enabled == Some(false);
        match (effort, reasoning.budget_tokens) {
            (Some(effort), None) => put(&mut wire, "effort", Some(effort)),
            (_, Some(budget)) if !is_off => put(&mut wire, "max_tokens", Some(budget)),
            _ => put(&mut wire, "enabled", Some(!is_off)),
        }
        if reasoning.display.as_deref() == Some("omitted") {
            wire.insert("exclude".to_owned(), json!(true));
        }
        body.insert("reasoning".to_owned(), Value::Object(wire));
        return;
    }
    let effort = match (effort, reasoning.budget_tokens, reasoning.is_enabled) {
        (Some(effort), _, _) => Some(effort),
        (None, Some(_), Some(false)) => None,
        (None, Some(budget), _) => {
            notices.emulated("thinking.budget_tokens", "the budget became a `reasoning_effort`");
            Some(effort_of(budget))
        }
        // Most models without thinking refuse the word `none`; they do not think anyway.
        (None, None, Some(false)) => {
            notices.dropped("thinking", "thinking cannot be switched off here; the model decides");
            None
        }
        (None, None, Some(true)) => {
            notices.emulated("thinking", "the model decides how much it thinks");
            None
        }
        (None, None, None) => None,
    };
    put(body, "reasoning_effort", effort);
}

fn effort_of(budget_tokens: u64) -> &'static str {
    if budget_tokens <= LOW_BUDGET_MAX {
        "low"
    } else if budget_tokens <= MEDIUM_BUDGET_MAX {
        "medium"
    } else {
        "high"
    }
}

fn put_stream(request: &ChatRequest, quirks: &Quirks, body: &mut Map<String, Value>) {
    if !request.stream {
        return;
    }
    body.insert("stream".to_owned(), json!(true));
    if !quirks.refuses_stream_options {
        body.insert("stream_options".to_owned(), json!({ "include_usage": true }));
    }
}

/// Anthropic's `standard_only` is OpenAI's `default`; all other words pass.
fn service_tier(tier: &str) -> &str {
    if tier == "standard_only" { "default" } else { tier }
}

fn put_extra(extra: &Extra, body: &mut Map<String, Value>, notices: &mut Notices) {
    match extra.for_dialect(DialectId::OpenAiChat) {
        Some(own) => merge(body, own),
        None => {
            for key in extra.fields.keys() {
                notices.dropped(key, "the field has no counterpart in chat completions");
            }
        }
    }
}

/// Adds fields that are not there yet; objects on both sides are merged.
pub(super) fn merge(body: &mut Map<String, Value>, fields: &Map<String, Value>) {
    for (key, value) in fields {
        match (body.get_mut(key), value) {
            (None, value) => {
                body.insert(key.clone(), value.clone());
            }
            (Some(Value::Object(have)), Value::Object(more)) => {
                for (key, value) in more {
                    have.entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
            (Some(_), _) => {}
        }
    }
}

fn drop_refused(quirks: &Quirks, body: &mut Map<String, Value>, notices: &mut Notices) {
    for field in &quirks.refused_fields {
        if body.shift_remove(field.as_str()).is_some() {
            notices.dropped(field, REFUSED);
        }
    }
    if quirks.refuses_stream_options {
        body.shift_remove("stream_options");
    }
}

/// Why a refused field is left out.
pub(super) const REFUSED: &str = "the provider refuses this field";
