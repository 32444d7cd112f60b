//! A canonical request for a provider: the top-level fields. Only what is set is written.

use bytes::Bytes;
use gw_core::chat::{
    ChatRequest, Message, Part, Reasoning, ResponseFormat, Role, Sampling, Tool, ToolChoice,
};
use gw_core::seam::{DialectId, Quirks, Target, WireRequest};
use gw_core::{Error, Kind, Result};
use serde_json::{Map, Value, json};

use super::decode::LOGPROBS;
use super::encode_items::ItemWriter;
use super::tools::{ToolsOut, counterpart, encode_tools};
use crate::hosted;
use crate::openai_chat::request::notices::Notices;
use crate::openai_responses::tool_names::{Known, ToolNames};
use crate::openai_responses::{ID, PATH};

/// Thinking budgets up to these many tokens are `low`, `medium`; above, `high`.
const LOW_BUDGET_MAX: u64 = 2_048;
const MEDIUM_BUDGET_MAX: u64 = 8_192;

/// The least output limit that OpenAI accepts.
const OUTPUT_TOKENS_MIN: u64 = 16;

/// What providers include so that thoughts can be sent back without being stored.
const ENCRYPTED: &str = "reasoning.encrypted_content";

/// Writes the request.
pub(in crate::openai_responses) fn encode(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<WireRequest> {
    let is_own = request.extra.dialect == Some(ID);
    let mut notices = Notices::default();
    let tools = encode_tools(&request.tools, is_own, &mut |key| {
        notices.dropped(&format!("tools[].{key}"), "the field has no counterpart here");
    });
    for place in &tools.foreign {
        let is_written = |tool: &Tool| match tool {
            Tool::Function { .. } => true,
            Tool::Hosted { dialect, value } => *dialect == ID || counterpart(value).is_some(),
        };
        let detail = hosted::leave_out(request, *place, is_written)?;
        notices.dropped(&format!("tools[{place}]"), &detail);
    }
    for (place, own) in &tools.replaced {
        let detail = format!("the tool of another provider was offered as `{own}`");
        notices.emulated(&format!("tools[{place}]"), &detail);
    }
    let names = ToolNames::read(&tools.list);
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(target.model));
    put_conversation(&request.messages, &names, target.quirks, &mut body, &mut notices)?;
    put_tools(request, tools, &names, &mut body, &mut notices)?;
    put_limit(request, is_own, &mut body, &mut notices);
    put_sampling(&request.sampling, &mut body, &mut notices)?;
    let text = encode_text(request);
    if !text.is_empty() {
        body.insert("text".to_owned(), Value::Object(text));
    }
    put_reasoning(request, &mut body, &mut notices);
    if request.stream {
        body.insert("stream".to_owned(), json!(true));
    }
    put(&mut body, "service_tier", request.service_tier.as_deref().map(service_tier));
    put(&mut body, "user", request.user.as_deref());
    if !request.metadata.is_empty() {
        body.insert("metadata".to_owned(), Value::Object(request.metadata.clone()));
    }
    put_extra(request, &mut body, &mut notices);
    for field in &target.quirks.refused_fields {
        if body.shift_remove(field.as_str()).is_some() {
            notices.dropped(field, "the provider refuses this field");
        }
    }
    Ok(WireRequest {
        path: PATH.into(),
        headers: Vec::new(),
        body: Bytes::from(Value::Object(body).to_string()),
        notices: notices.into_vec(),
    })
}

/// The members of a request that every answer repeats.
pub(in crate::openai_responses) fn echo(request: &ChatRequest) -> Map<String, Value> {
    const REPEATED: [&str; 9] = [
        "background",
        "max_tool_calls",
        "previous_response_id",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
        "truncation",
        "conversation",
    ];
    let mut echo = Map::new();
    if let Some(own) = request.extra.for_dialect(ID) {
        for key in REPEATED {
            put(&mut echo, key, own.get(key).cloned());
        }
    }
    put(&mut echo, "instructions", instructions(&request.messages));
    put(&mut echo, "max_output_tokens", request.max_output_tokens);
    put(&mut echo, "parallel_tool_calls", request.parallel_tool_calls);
    put(&mut echo, "temperature", request.sampling.temperature);
    put(&mut echo, "top_p", request.sampling.top_p);
    put(&mut echo, "top_logprobs", request.sampling.top_logprobs);
    put(&mut echo, "user", request.user.as_deref());
    put(&mut echo, "service_tier", request.service_tier.as_deref());
    if !request.metadata.is_empty() {
        echo.insert("metadata".to_owned(), Value::Object(request.metadata.clone()));
    }
    let tools = encode_tools(&request.tools, true, &mut |_| {}).list;
    let names = ToolNames::read(&tools);
    if let Some(choice) =
        request.tool_choice.as_ref().and_then(|choice| encode_choice(choice, &names).ok())
    {
        echo.insert("tool_choice".to_owned(), choice);
    }
    if !tools.is_empty() {
        echo.insert("tools".to_owned(), Value::Array(tools));
    }
    let mut text = encode_text(request);
    text.entry("format").or_insert_with(|| json!({ "type": "text" }));
    echo.insert("text".to_owned(), Value::Object(text));
    let own = request.extra.for_dialect(ID).and_then(|own| own.get("reasoning"));
    let effort = request.reasoning.as_ref().and_then(|it| it.effort.as_deref());
    let summary = own.and_then(|own| own.get("summary"));
    echo.insert("reasoning".to_owned(), json!({ "effort": effort, "summary": summary }));
    echo
}

fn put(body: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        body.insert(key.to_owned(), value.into());
    }
}

/// The first turn as `instructions`, where it is one of the system and only words.
fn instructions(messages: &[Message]) -> Option<String> {
    let first = messages.first()?;
    let is_plain = |part: &Part| matches!(part, Part::Text { cache: None, .. });
    let is_instruction = first.role == Role::System
        && first.name.is_none()
        && first.extra.is_empty()
        && !first.parts.is_empty()
        && first.parts.iter().all(is_plain);
    is_instruction.then(|| first.joined_text())
}

fn put_conversation(
    messages: &[Message],
    names: &ToolNames,
    quirks: &Quirks,
    body: &mut Map<String, Value>,
    notices: &mut Notices,
) -> Result<()> {
    let instructions = instructions(messages);
    let first = usize::from(instructions.is_some());
    put(body, "instructions", instructions);
    let mut writer = ItemWriter::new(names, quirks, notices);
    for (place, message) in messages.iter().enumerate().skip(first) {
        writer.message(place, message)?;
    }
    body.insert("input".to_owned(), Value::Array(writer.into_items()));
    Ok(())
}

fn put_tools(
    request: &ChatRequest,
    tools: ToolsOut,
    names: &ToolNames,
    body: &mut Map<String, Value>,
    notices: &mut Notices,
) -> Result<()> {
    if tools.list.is_empty() {
        if matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Function { .. })) {
            notices.dropped("tool_choice", "there is no tool to choose");
        }
        return Ok(());
    }
    body.insert("tools".to_owned(), Value::Array(tools.list));
    if request.tools.iter().any(has_cache_mark) {
        notices.dropped("cache_control", CACHES_BY_ITSELF);
    }
    if let Some(choice) = &request.tool_choice {
        body.insert("tool_choice".to_owned(), encode_choice(choice, names)?);
    }
    put(body, "parallel_tool_calls", request.parallel_tool_calls);
    Ok(())
}

/// Why cache marks are left out.
pub(super) const CACHES_BY_ITSELF: &str = "the provider caches by itself or not at all";

fn has_cache_mark(tool: &Tool) -> bool {
    matches!(tool, Tool::Function { cache: Some(_), .. })
}

fn encode_choice(choice: &ToolChoice, names: &ToolNames) -> Result<Value> {
    Ok(match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Function { name } => {
            let kind = match names.get(name) {
                Some(Known::Custom) => "custom",
                Some(Known::Within { .. }) | None => "function",
            };
            let mut wire = Map::from_iter([("type".to_owned(), json!(kind))]);
            names.put(name, &mut wire);
            Value::Object(wire)
        }
        ToolChoice::Opaque { dialect: ID, value } => value.clone(),
        ToolChoice::Opaque { .. } => {
            let text = "`tool_choice` has a form that this model's provider does not know";
            return Err(Error::new(Kind::UnsupportedFeature, text).with_field("tool_choice"));
        }
    })
}

fn put_limit(
    request: &ChatRequest,
    is_own: bool,
    body: &mut Map<String, Value>,
    notices: &mut Notices,
) {
    let Some(asked) = request.max_output_tokens else { return };
    let mut limit = asked;
    if !is_own && asked < OUTPUT_TOKENS_MIN {
        limit = OUTPUT_TOKENS_MIN;
        let detail = format!("the limit was raised to {OUTPUT_TOKENS_MIN}, the least allowed");
        notices.emulated("max_output_tokens", &detail);
    }
    body.insert("max_output_tokens".to_owned(), json!(limit));
}

fn put_sampling(
    sampling: &Sampling,
    body: &mut Map<String, Value>,
    notices: &mut Notices,
) -> Result<()> {
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
    } = sampling;
    if n.is_some_and(|n| n > 1) {
        let text = "`n`: more than one answer is asked for, and this format gives one";
        return Err(Error::new(Kind::UnsupportedFeature, text).with_field("n"));
    }
    put(body, "temperature", *temperature);
    put(body, "top_p", *top_p);
    put(body, "top_logprobs", *top_logprobs);
    if *logprobs == Some(true) {
        body.insert("include".to_owned(), json!([LOGPROBS]));
    }
    let absent = [
        ("top_k", top_k.is_some()),
        ("frequency_penalty", frequency_penalty.is_some_and(|penalty| penalty != 0.0)),
        ("presence_penalty", presence_penalty.is_some_and(|penalty| penalty != 0.0)),
        ("seed", seed.is_some()),
        ("stop", !stop.is_empty()),
        ("logit_bias", logit_bias.is_some()),
    ];
    for (field, _) in absent.into_iter().filter(|(_, is_set)| *is_set) {
        notices.dropped(field, "the responses format has no such field");
    }
    // Zero is what is done anyway, yet it was said.
    for (field, value) in
        [("frequency_penalty", frequency_penalty), ("presence_penalty", presence_penalty)]
    {
        if *value == Some(0.0) {
            notices.emulated(field, "zero is what providers of this format do");
        }
    }
    Ok(())
}

/// `text`: the format of the answer, and how long-winded it may be.
fn encode_text(request: &ChatRequest) -> Map<String, Value> {
    let mut text = Map::new();
    if let Some(format) = &request.response_format {
        text.insert("format".to_owned(), encode_format(format));
    }
    if let Some(Value::Object(own)) = request.extra.for_dialect(ID).and_then(|own| own.get("text"))
    {
        for (key, value) in own {
            text.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    if let Some(verbosity) = sibling(request, "verbosity") {
        text.insert("verbosity".to_owned(), verbosity.clone());
    }
    text
}

fn encode_format(format: &ResponseFormat) -> Value {
    match format {
        ResponseFormat::Text => json!({ "type": "text" }),
        ResponseFormat::JsonObject => json!({ "type": "json_object" }),
        ResponseFormat::JsonSchema { name, description, schema, strict } => {
            let mut format = Map::new();
            format.insert("type".to_owned(), json!("json_schema"));
            format.insert("name".to_owned(), json!(name.as_deref().unwrap_or("response")));
            put(&mut format, "description", description.as_deref());
            format.insert("schema".to_owned(), schema.clone());
            put(&mut format, "strict", *strict);
            Value::Object(format)
        }
    }
}

fn put_reasoning(request: &ChatRequest, body: &mut Map<String, Value>, notices: &mut Notices) {
    let own = request.extra.for_dialect(ID).and_then(|own| own.get("reasoning"));
    let mut wire = Map::new();
    let wish = request.reasoning.as_ref();
    put(&mut wire, "effort", wish.and_then(|wish| effort(wish, own.is_some(), notices)));
    if let Some(Value::Object(own)) = own {
        wire.extend(own.clone());
    }
    if wish.and_then(|wish| wish.display.as_deref()) == Some("summarized") {
        wire.entry("summary").or_insert_with(|| json!("auto"));
    }
    if !wire.is_empty() {
        body.insert("reasoning".to_owned(), Value::Object(wire));
    }
}

fn effort(wish: &Reasoning, is_own: bool, notices: &mut Notices) -> Option<String> {
    match (wish.effort.as_deref(), wish.budget_tokens, wish.is_enabled) {
        (Some("max"), _, _) if !is_own => {
            let detail = "this format knows no `max`; its strongest word was sent";
            notices.emulated("reasoning.effort", detail);
            Some("high".to_owned())
        }
        (Some(effort), _, _) => Some(effort.to_owned()),
        (None, Some(_), Some(false)) => None,
        (None, Some(budget), _) => {
            notices.emulated("thinking.budget_tokens", "the budget became an effort");
            Some(effort_of(budget).to_owned())
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
    }
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

/// Anthropic's `standard_only` is OpenAI's `default`; all other words pass.
fn service_tier(tier: &str) -> &str {
    if tier == "standard_only" { "default" } else { tier }
}

/// A field that chat completions have under the same meaning.
fn sibling<'a>(request: &'a ChatRequest, key: &str) -> Option<&'a Value> {
    request.extra.for_dialect(DialectId::OpenAiChat)?.get(key).filter(|value| !value.is_null())
}

fn put_extra(request: &ChatRequest, body: &mut Map<String, Value>, notices: &mut Notices) {
    const SHARED: [&str; 4] =
        ["store", "prompt_cache_key", "prompt_cache_retention", "safety_identifier"];
    if let Some(own) = request.extra.for_dialect(ID) {
        for (key, value) in own {
            // Only objects that were taken apart are there already, and they are whole again.
            body.entry(key.clone()).or_insert_with(|| value.clone());
        }
        if let Some(include) = own.get("include") {
            body.insert("include".to_owned(), include.clone());
        }
        return;
    }
    for key in request.extra.fields.keys() {
        match sibling(request, key) {
            Some(value) if SHARED.contains(&key.as_str()) => {
                body.insert(key.clone(), value.clone());
            }
            Some(_) if key == "verbosity" => {}
            _ => notices.dropped(key, "the field has no counterpart in the responses format"),
        }
    }
    // Responses are stored unless it is said otherwise, which is the case in no other format.
    body.entry("store").or_insert_with(|| json!(false));
    let thinks = request.reasoning.as_ref().is_some_and(|wish| wish.is_enabled != Some(false));
    if thinks && body.contains_key("reasoning") {
        let include = body.entry("include").or_insert_with(|| json!([]));
        if let Some(include) = include.as_array_mut() {
            include.push(json!(ENCRYPTED));
        }
    }
}
