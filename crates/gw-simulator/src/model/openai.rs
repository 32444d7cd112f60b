//! The simulated model in the words of OpenAI chat completions.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::ask::{Ask, Choice, Output, Tool, chars_within, strings, text_of};
use super::reply::{Call, Finish, Reply, pieces};
use crate::answer::WireAnswer;

/// Answers to one request, at most.
const ANSWERS_MAX: u64 = 8;

pub(crate) fn read(body: &Value, stamp: u64) -> Result<Ask, String> {
    let wrong = |message: &str| Err(message.to_owned());
    let Some(model) = body.get("model").and_then(Value::as_str).filter(|name| !name.is_empty())
    else {
        return wrong("you must provide a model parameter");
    };
    let Some(messages) = body.get("messages").and_then(Value::as_array).filter(|m| !m.is_empty())
    else {
        return wrong("[] is too short - 'messages'");
    };
    let mut ask = Ask {
        model: model.to_owned(),
        is_streaming: is_true(body.get("stream")),
        wants_usage: is_true(body.pointer("/stream_options/include_usage")),
        choice: choice(body.get("tool_choice")),
        may_call_many: body.get("parallel_tool_calls") != Some(&Value::Bool(false)),
        output: output(body.get("response_format")),
        wants_thinking: wants_thinking(body),
        max_tokens: ["max_completion_tokens", "max_tokens"]
            .iter()
            .find_map(|name| body.get(*name).and_then(Value::as_u64)),
        stops: strings(body.get("stop")),
        answers: body.get("n").and_then(Value::as_u64).unwrap_or(1).clamp(1, ANSWERS_MAX),
        messages: messages.len() as u64,
        stamp,
        ..Ask::default()
    };
    ask.tools = body
        .get("tools")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(tool)
        .collect();
    ask.prompt_chars = messages.iter().map(|message| chars_within(&message["content"])).sum();
    ask.prompt_chars += body.get("tools").map_or(0, chars_within);
    for message in messages {
        read_message(message, &mut ask);
    }
    Ok(ask)
}

fn read_message(message: &Value, ask: &mut Ask) {
    let content = &message["content"];
    match message["role"].as_str().unwrap_or_default() {
        "user" => {
            ask.tool_results.clear();
            ask.question = text_of(content);
            ask.images = 0;
            ask.documents = 0;
            for part in content.as_array().into_iter().flatten() {
                match part["type"].as_str() {
                    Some("image_url") => ask.images += 1,
                    Some("file" | "input_audio") => ask.documents += 1,
                    _ => {}
                }
            }
        }
        "assistant" => ask.tool_results.clear(),
        "tool" | "function" => ask.tool_results.push(text_of(content)),
        _ => {}
    }
}

fn is_true(value: Option<&Value>) -> bool {
    value == Some(&Value::Bool(true))
}

fn tool(entry: &Value) -> Option<Tool> {
    let function = entry.get("function")?;
    let schema = function.get("parameters").cloned().unwrap_or_else(|| json!({}));
    Some(Tool { name: function.get("name")?.as_str()?.to_owned(), schema })
}

fn choice(value: Option<&Value>) -> Choice {
    match value {
        Some(Value::String(word)) if word == "none" => Choice::Nothing,
        Some(Value::String(word)) if word == "required" || word == "any" => Choice::Any,
        Some(Value::Object(_)) => match value.and_then(|it| it.pointer("/function/name")) {
            Some(Value::String(name)) => Choice::Named(name.clone()),
            _ => Choice::Any,
        },
        _ => Choice::Auto,
    }
}

fn output(format: Option<&Value>) -> Output {
    let Some(format) = format else { return Output::Text };
    match format["type"].as_str() {
        Some("json_schema") => match format.pointer("/json_schema/schema") {
            Some(schema) => Output::Schema(schema.clone()),
            None => Output::Json,
        },
        Some("json_object") => Output::Json,
        _ => Output::Text,
    }
}

fn wants_thinking(body: &Value) -> bool {
    let effort = body
        .get("reasoning_effort")
        .or_else(|| body.pointer("/reasoning/effort"))
        .and_then(Value::as_str);
    match effort {
        Some("none") => false,
        Some(_) => true,
        None => {
            is_true(body.pointer("/reasoning/enabled"))
                || body.pointer("/reasoning/max_tokens").is_some()
                || body.pointer("/thinking/type").and_then(Value::as_str) == Some("enabled")
        }
    }
}

fn finish_reason(reply: &Reply) -> &'static str {
    match reply.finish {
        Finish::Stop | Finish::StopSequence(_) => "stop",
        Finish::Length => "length",
        Finish::Calls => "tool_calls",
    }
}

fn usage(ask: &Ask, reply: &Reply) -> Value {
    let reasoning = reply.thinking_tokens * ask.answers;
    let completion = reply.text_tokens * ask.answers + reasoning;
    json!({
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": completion,
        "total_tokens": reply.input_tokens + completion,
        "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": 0 },
        "completion_tokens_details": { "reasoning_tokens": reasoning, "audio_tokens": 0 },
    })
}

fn call_json(call: &Call) -> Value {
    json!({
        "id": format!("call_{}", call.id),
        "type": "function",
        "function": { "name": call.name, "arguments": call.arguments.to_string() },
    })
}

pub(crate) fn write(ask: &Ask, reply: &Reply, created_s: i64) -> WireAnswer {
    if ask.is_streaming {
        return WireAnswer::events(stream(ask, reply, created_s));
    }
    let mut message = Map::new();
    message.insert("role".into(), json!("assistant"));
    message.insert(
        "content".into(),
        if reply.calls.is_empty() { json!(reply.text) } else { Value::Null },
    );
    if let Some(thinking) = &reply.thinking {
        message.insert("reasoning_content".into(), json!(thinking));
    }
    if !reply.calls.is_empty() {
        let calls: Vec<Value> = reply.calls.iter().map(call_json).collect();
        message.insert("tool_calls".into(), Value::Array(calls));
    }
    message.insert("refusal".into(), Value::Null);
    let choices: Vec<Value> = (0..ask.answers)
        .map(|index| {
            json!({
                "index": index,
                "message": message,
                "logprobs": null,
                "finish_reason": finish_reason(reply),
            })
        })
        .collect();
    WireAnswer::json(
        200,
        &json!({
            "id": format!("chatcmpl-{:016x}", ask.stamp),
            "object": "chat.completion",
            "created": created_s,
            "model": ask.model,
            "choices": choices,
            "usage": usage(ask, reply),
        }),
    )
}

fn stream(ask: &Ask, reply: &Reply, created_s: i64) -> Vec<Bytes> {
    let mut frames = Vec::new();
    let mut emit = |choices: Value, usage: Option<Value>| {
        let mut chunk = json!({
            "id": format!("chatcmpl-{:016x}", ask.stamp),
            "object": "chat.completion.chunk",
            "created": created_s,
            "model": ask.model,
            "choices": choices,
        });
        if ask.wants_usage {
            chunk["usage"] = usage.unwrap_or(Value::Null);
        }
        frames.push(Bytes::from(format!("data: {chunk}\n\n")));
    };
    for index in 0..ask.answers {
        let mut delta = |delta: Value, finish: Value| {
            let choice = json!([{ "index": index, "delta": delta, "logprobs": null, "finish_reason": finish }]);
            emit(choice, None);
        };
        let first = if reply.calls.is_empty() { json!("") } else { Value::Null };
        delta(json!({ "role": "assistant", "content": first }), Value::Null);
        for piece in pieces(reply.thinking.as_deref().unwrap_or_default()) {
            delta(json!({ "reasoning_content": piece }), Value::Null);
        }
        for piece in pieces(&reply.text) {
            delta(json!({ "content": piece }), Value::Null);
        }
        for (at, call) in reply.calls.iter().enumerate() {
            let mut opening = call_json(call);
            opening["index"] = json!(at);
            opening["function"]["arguments"] = json!("");
            delta(json!({ "tool_calls": [opening] }), Value::Null);
            for piece in pieces(&call.arguments.to_string()) {
                let more = json!([{ "index": at, "function": { "arguments": piece } }]);
                delta(json!({ "tool_calls": more }), Value::Null);
            }
        }
        delta(json!({}), json!(finish_reason(reply)));
    }
    if ask.wants_usage {
        emit(json!([]), Some(usage(ask, reply)));
    }
    frames.push(Bytes::from_static(b"data: [DONE]\n\n"));
    frames
}
