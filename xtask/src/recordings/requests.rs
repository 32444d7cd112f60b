//! Requests: written in a dialect and read again they ask the same, but for what a notice names.

use bytes::Bytes;
use gw_core::Kind;
use gw_core::chat::{
    ChatRequest, Message, Notice, NoticeAction, Part, ResponseFormat, Role, Source, Tool,
    ToolChoice,
};
use gw_core::seam::{Dialect, DialectId, Edits, Quirks, Target};
use serde_json::{Value, json};

use super::compare::{arguments_value, plain_id};
use super::{Findings, difference};

/// Writes the request in a dialect, reads it again and compares.
pub(super) fn check_round_trip(request: &ChatRequest, target: DialectId, findings: &mut Findings) {
    let dialect = gw_dialect::dialect(target);
    let quirks = generous_quirks();
    let to = Target { model: &request.model, quirks: &quirks, max_output_tokens: None };
    let wire = match dialect.encode_request(request, &to) {
        Ok(wire) => wire,
        Err(error) if error.kind() == Kind::UnsupportedFeature => {
            return findings.except(format!("cannot be asked in {target}: {error}"));
        }
        Err(error) => return findings.fail(format!("does not encode in {target}: {error}")),
    };
    for notice in &wire.notices {
        let words = format!("{target} {:?} {}", notice.action, without_numbers(&notice.feature));
        *findings.notices.entry(words).or_default() += 1;
    }
    match dialect.decode_request(&wire.body) {
        Ok(mut again) => {
            if matches!(target, DialectId::Gemini | DialectId::BedrockConverse) {
                // Both stand in the address there, and doors set them from it.
                check_address(request, target, &wire.path, findings);
                again.model.clone_from(&request.model);
                again.stream = request.stream;
            }
            compare(target, request, &again, &wire.notices, findings);
        }
        Err(error) => {
            findings.fail(format!("the request in {target} does not decode: {error}"));
        }
    }
}

fn check_address(request: &ChatRequest, target: DialectId, path: &str, findings: &mut Findings) {
    let stream =
        if target == DialectId::Gemini { ":streamGenerateContent" } else { "/converse-stream" };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let has_model = !request.model.chars().all(plain) || path.contains(&request.model);
    if !has_model || path.contains(stream) != request.stream {
        findings.fail(format!("the address in {target} does not say what is asked: {path}"));
    }
}

/// Only the model's name may change, and changed back the bytes are what they were.
pub(super) fn check_pass(
    dialect: &dyn Dialect,
    body: &str,
    request: &ChatRequest,
    findings: &mut Findings,
) {
    let model = request.model.as_str();
    let quirks = Quirks::default();
    let pass = |body: &Bytes, model: &str| {
        let target = Target { model, quirks: &quirks, max_output_tokens: None };
        dialect
            .pass_request(body, &Edits { target, wants_usage: false, is_stream: request.stream })
            .map(|wire| (wire.path, wire.body))
    };
    let original = Bytes::copy_from_slice(body.as_bytes());
    let (path, renamed) = match pass(&original, "another-model") {
        Ok(renamed) => renamed,
        Err(error) => return findings.fail(format!("does not pass: {error}")),
    };
    let mut expected: Value = serde_json::from_str(body).unwrap_or_default();
    if !path.contains("another-model") {
        expected["model"] = json!("another-model");
    }
    let found: Value = serde_json::from_slice(&renamed).unwrap_or_default();
    if found != expected {
        findings.fail(difference("the request passed on", &expected, &found));
    }
    match pass(&renamed, model) {
        Ok((_, back)) if back == original => {}
        Ok(_) => findings.fail("passing on changed bytes other than the model's name"),
        Err(error) => findings.fail(format!("does not pass twice: {error}")),
    }
}

/// A provider that takes everything its dialect can say.
fn generous_quirks() -> Quirks {
    Quirks {
        reasoning_field: "reasoning_content".to_owned(),
        reasoning_details: true,
        cache_control: true,
        ..Quirks::default()
    }
}

/// `messages[3].parts[0]` as `messages[].parts[]`.
fn without_numbers(feature: &str) -> String {
    feature.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// One thing said in a conversation.
#[derive(Debug, PartialEq)]
enum Said {
    Text(Role, String),
    Image(Role, Value),
    Document(Role, Value),
    Audio,
    Thought(String, String),
    Sealed(String),
    Call(String, String, Value),
    Result(String, bool, Vec<Said>),
    Opaque(Value),
}

fn compare(
    target: DialectId,
    from: &ChatRequest,
    to: &ChatRequest,
    notices: &[Notice],
    findings: &mut Findings,
) {
    let kept = without_dropped(from, notices);
    let mut check = |field: &str, expected: Value, found: Value| {
        if expected != found && !is_excused(field, notices) {
            findings.fail(difference(
                &format!("the request in {target}: {field}"),
                &expected,
                &found,
            ));
        }
    };
    let (a, b) = (&from.sampling, &to.sampling);
    check("model", json!(from.model), json!(to.model));
    check("stream", json!(from.stream), json!(to.stream));
    check("tools", tools(&from.tools), tools(&to.tools));
    check("tool_choice", choice(from), choice(to));
    check("parallel_tool_calls", parallel(from), parallel(to));
    if from.max_output_tokens.is_some() || is_openai(target) {
        check("max_output_tokens", json!(from.max_output_tokens), json!(to.max_output_tokens));
    }
    check("temperature", json!(a.temperature), json!(b.temperature));
    check("top_p", json!(a.top_p), json!(b.top_p));
    check("top_k", json!(a.top_k), json!(b.top_k));
    check("stop", json!(a.stop), json!(b.stop));
    check("seed", json!(a.seed), json!(b.seed));
    check("frequency_penalty", json!(a.frequency_penalty), json!(b.frequency_penalty));
    check("presence_penalty", json!(a.presence_penalty), json!(b.presence_penalty));
    check("response_format", format(from), format(to));
    check("user", json!(from.user), json!(to.user));
    let is_thinking = |request: &ChatRequest| {
        let wish = request.reasoning.as_ref();
        wish.is_some_and(|wish| {
            wish.is_enabled != Some(false) && wish.effort.as_deref() != Some("none")
        })
    };
    // An adaptive wish without an effort leaves everything to the model, as saying nothing does.
    // So does a wish that says only how thoughts are shown.
    let is_open = from.reasoning.as_ref().is_some_and(|it| {
        let is_silent = it.is_enabled.is_none() && it.budget_tokens.is_none();
        (it.is_adaptive || is_silent) && it.effort.is_none()
    });
    if !is_open {
        check("reasoning", json!(is_thinking(from)), json!(is_thinking(to)));
    }
    let (expected, found) = (mapped(said(&kept), target), mapped(said(&to.messages), target));
    let (expected, found) = match target {
        DialectId::Ollama | DialectId::CohereChat => {
            (as_ollama_says(expected), as_ollama_says(found))
        }
        _ => (expected, found),
    };
    if expected != found {
        let has_notice = |prefix: &str| {
            let mut emulated = notices.iter().filter(|it| it.action == NoticeAction::Emulated);
            emulated.find(|it| it.feature.starts_with(prefix)).map(|it| it.detail.clone())
        };
        let text = difference(&format!("the conversation in {target}"), &expected, &found);
        match has_notice("messages") {
            Some(detail) => findings.except(format!("{text}; the encoder says: {detail}")),
            None => findings.fail(text),
        }
    }
}

/// A difference in a field is excused by a notice that names it.
fn is_excused(field: &str, notices: &[Notice]) -> bool {
    notices.iter().any(|notice| {
        notice.feature.starts_with(field)
            || (field == "response_format" && notice.feature.starts_with("output_config"))
            || (field == "reasoning" && notice.feature.starts_with("thinking"))
            || (field == "max_output_tokens" && notice.feature.starts_with("max_"))
    })
}

/// The conversation without the parts that notices say were dropped.
fn without_dropped(request: &ChatRequest, notices: &[Notice]) -> Vec<Message> {
    let dropped = |path: &str| {
        let mut dropped = notices.iter().filter(|it| it.action == NoticeAction::Dropped);
        dropped.any(|it| it.feature == path)
    };
    let mut messages = request.messages.clone();
    for (index, message) in messages.iter_mut().enumerate() {
        let mut place = 0;
        message.parts.retain_mut(|part| {
            place += 1;
            if dropped("thinking.signature") && !keeps_after_unsealing(part) {
                return false;
            }
            if !dropped(&format!("messages[{index}].parts[{}]", place - 1)) {
                return true;
            }
            // A result itself is never dropped, only what it holds of another format.
            let Part::ToolResult { parts, .. } = part else { return false };
            parts.retain(|inner| !matches!(inner, Part::Opaque { .. }));
            true
        });
        for part in &mut message.parts {
            // Blocks within a tool result are named by their type.
            if let Part::ToolResult { parts, .. } = part {
                parts.retain(|part| match part {
                    Part::Opaque { value, .. } => {
                        let kind = value["type"].as_str().unwrap_or_default();
                        !dropped(&format!("messages[].{kind}"))
                    }
                    _ => true,
                });
            }
        }
    }
    messages
}

/// Takes off the seals that name another format; false where nothing is left of the part.
fn keeps_after_unsealing(part: &mut Part) -> bool {
    let is_foreign = |seal: &str| {
        let makers = [DialectId::Gemini, DialectId::OpenAiResponses];
        makers.iter().any(|maker| seal.starts_with(&format!("{maker}:")))
    };
    match part {
        Part::RedactedThinking { data } => !is_foreign(data),
        Part::Thinking { signature, text } => {
            *signature = signature.take().filter(|signature| !is_foreign(signature));
            signature.is_some() || !text.is_empty()
        }
        _ => true,
    }
}

/// Formats that need no output limit and have no documents in text form.
fn is_openai(format: DialectId) -> bool {
    matches!(format, DialectId::OpenAiChat | DialectId::OpenAiResponses)
}

/// Saying nothing leaves the choice to the model.
fn choice(request: &ChatRequest) -> Value {
    match &request.tool_choice {
        None | Some(ToolChoice::Auto) => Value::Null,
        Some(choice) => json!(choice),
    }
}

fn parallel(request: &ChatRequest) -> Value {
    // True is what both formats do anyway.
    let has_tools = !request.tools.is_empty();
    json!(has_tools && request.parallel_tool_calls == Some(false))
}

fn format(request: &ChatRequest) -> Value {
    match &request.response_format {
        None | Some(ResponseFormat::Text) => Value::Null,
        Some(ResponseFormat::JsonObject) => json!("json_object"),
        Some(ResponseFormat::JsonSchema { schema, .. }) => schema.clone(),
    }
}

fn tools(tools: &[Tool]) -> Value {
    let tools = tools.iter().map(|tool| match tool {
        Tool::Function { name, description, parameters, .. } => {
            json!([name, description, shown_schema(parameters.as_ref())])
        }
        Tool::Hosted { value, .. } => value.clone(),
    });
    tools.collect()
}

/// No schema, an empty one and one that says only `object` ask for the same.
fn shown_schema(schema: Option<&Value>) -> Value {
    let mut schema = schema.cloned().unwrap_or_else(|| json!({}));
    if let Some(object) = schema.as_object_mut() {
        object.entry("type").or_insert_with(|| json!("object"));
        object.entry("properties").or_insert_with(|| json!({}));
    }
    schema
}

fn said(messages: &[Message]) -> Vec<Said> {
    let mut out = Vec::new();
    for message in messages {
        let role = match message.role {
            Role::Developer => Role::System,
            role => role,
        };
        let (mut results, mut others) = (Vec::new(), Vec::new());
        for part in &message.parts {
            let slot = match part {
                Part::ToolResult { .. } => &mut results,
                _ => &mut others,
            };
            slot.extend(say(role, part));
        }
        out.append(&mut results);
        out.append(&mut others);
    }
    joined(out)
}

/// What is documented as said by other means: chat completions have no documents in text form and
/// no attachments in tool results, Anthropic has no wish for "any JSON object".
fn mapped(items: Vec<Said>, target: DialectId) -> Vec<Said> {
    let mut out = Vec::new();
    let mut attachments = Vec::new();
    for item in items {
        if !matches!(item, Said::Result(..)) {
            out.append(&mut attachments);
        }
        match item {
            Said::Result(id, is_error, parts)
                if matches!(target, DialectId::OpenAiChat | DialectId::CohereChat) =>
            {
                let (texts, others) =
                    parts.into_iter().partition(|part| matches!(part, Said::Text(..)));
                out.push(Said::Result(id, is_error, texts));
                attachments.extend(others);
            }
            Said::Document(role, source)
                if source["text"].is_string()
                    && !matches!(
                        target,
                        DialectId::AnthropicMessages | DialectId::BedrockConverse
                    ) =>
            {
                let lines = [&source["title"], &source["text"]];
                let lines: Vec<&str> = lines.into_iter().filter_map(Value::as_str).collect();
                out.push(Said::Text(role, lines.join("\n\n").trim().to_owned()));
            }
            item => out.push(item),
        }
    }
    out.append(&mut attachments);
    joined(out)
}

/// A message of Ollama's holds thoughts, texts, pictures and calls each in a field of its own, knows no
/// signatures, and no results that are errors.
fn as_ollama_says(items: Vec<Said>) -> Vec<Said> {
    let mut out: Vec<Said> = Vec::new();
    let mut turn: Vec<Said> = Vec::new();
    let role_of = |item: &Said| match item {
        Said::Text(role, _) | Said::Image(role, _) | Said::Document(role, _) => Some(*role),
        Said::Thought(..) | Said::Sealed(_) | Said::Call(..) => Some(Role::Assistant),
        Said::Audio | Said::Opaque(_) | Said::Result(..) => None,
    };
    let place = |item: &Said| match item {
        Said::Thought(..) => 0,
        Said::Text(..) | Said::Document(..) => 1,
        Said::Image(..) => 2,
        _ => 3,
    };
    for item in items {
        let item = match item {
            Said::Thought(text, _) if text.is_empty() => continue,
            Said::Thought(text, _) => Said::Thought(text, String::new()),
            Said::Text(role, text) if role != Role::Assistant => {
                let lines: Vec<&str> =
                    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
                Said::Text(role, lines.join("\n"))
            }
            Said::Text(Role::Assistant, text) => {
                let words = text.split_whitespace();
                Said::Text(Role::Assistant, words.collect::<String>())
            }
            Said::Result(id, _, parts) => Said::Result(id, false, as_ollama_says(parts)),
            item => item,
        };
        if turn.first().is_some_and(|first| role_of(first) != role_of(&item)) {
            turn.sort_by_key(place);
            out.append(&mut turn);
        }
        turn.push(item);
    }
    turn.sort_by_key(place);
    out.append(&mut turn);
    joined(out)
}

/// Texts that encoders put in where they say something by other means.
fn is_stage_direction(text: &str) -> bool {
    text.starts_with("Attachments of the result of tool call ")
        || text.starts_with("Answer with one JSON object and nothing else")
}

/// Texts of one speaker that follow each other are one text: where a turn ends is not said alike.
fn joined(items: Vec<Said>) -> Vec<Said> {
    let mut out: Vec<Said> = Vec::new();
    for item in items {
        match (out.last_mut(), item) {
            (Some(Said::Text(before, sum)), Said::Text(role, more)) if *before == role => {
                sum.push('\n');
                sum.push_str(&more);
            }
            (_, item) => out.push(item),
        }
    }
    out
}

/// The id without a signature of Google's, which only Google is sent.
fn bare_id(id: &str) -> String {
    plain_id(id.split("__gsig").next().unwrap_or_default())
}

fn say(role: Role, part: &Part) -> Option<Said> {
    Some(match part {
        Part::Text { text, .. } | Part::Refusal { text } => {
            let inner = text.strip_prefix("<system-reminder>\n");
            match inner.and_then(|inner| inner.strip_suffix("\n</system-reminder>")) {
                Some(inner) => Said::Text(Role::System, inner.trim().to_owned()),
                None if text.trim().is_empty() || is_stage_direction(text) => return None,
                None => Said::Text(role, text.trim().to_owned()),
            }
        }
        Part::Image { source, .. } => Said::Image(role, shown_source(source)),
        Part::Document { source: Source::Text { text }, title, .. } => {
            Said::Document(role, json!({"title": title, "text": text}))
        }
        Part::Document { source, .. } => Said::Document(role, shown_source(source)),
        Part::Audio { .. } => Said::Audio,
        Part::Thinking { text, signature } => {
            Said::Thought(text.clone(), signature.clone().unwrap_or_default())
        }
        Part::RedactedThinking { data } => Said::Sealed(data.clone()),
        Part::ToolCall { id, name, arguments, .. } => {
            Said::Call(bare_id(id), name.clone(), arguments_value(arguments))
        }
        Part::ToolResult { call_id, parts, is_error, .. } => {
            let inner = parts.iter().filter_map(|part| say(Role::User, part)).collect();
            Said::Result(bare_id(call_id), *is_error, joined(inner))
        }
        Part::Opaque { value, .. } => Said::Opaque(value.clone()),
    })
}

/// The source of an image or a document, data addresses and inline data alike.
fn shown_source(source: &Source) -> Value {
    match source {
        Source::Base64 { media_type, data } => json!(format!("data:{media_type};base64,{data}")),
        Source::Url { url } => json!(url),
        source => json!(source),
    }
}
