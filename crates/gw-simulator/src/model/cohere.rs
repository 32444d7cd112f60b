//! The simulated model in the words of Cohere's chat API, version 2.

use bytes::Bytes;
use serde_json::{Value, json};

use super::ask::Ask;
use super::openai;
use super::reply::{Call, Finish, Reply, pieces};
use crate::answer::WireAnswer;

/// The request is that of chat completions but for some words.
pub(crate) fn read(body: &Value, stamp: u64) -> Result<Ask, String> {
    let mut chat = body.clone();
    if let Some(choice) = body["tool_choice"].as_str() {
        chat["tool_choice"] = json!(choice.to_lowercase());
    }
    if body["response_format"]["json_schema"].is_object() {
        let schema = &body["response_format"]["json_schema"];
        chat["response_format"] = json!({"type": "json_schema", "json_schema": {"schema": schema}});
    }
    chat["stop"] = body["stop_sequences"].clone();
    let mut ask = openai::read(&chat, stamp)?;
    ask.answers = 1;
    ask.documents += body["documents"].as_array().map_or(0, |list| list.len() as u64);
    Ok(ask)
}

fn finish_reason(reply: &Reply) -> &'static str {
    match reply.finish {
        Finish::Stop => "COMPLETE",
        Finish::StopSequence(_) => "STOP_SEQUENCE",
        Finish::Length => "MAX_TOKENS",
        Finish::Calls => "TOOL_CALL",
    }
}

fn usage(reply: &Reply) -> Value {
    let output = reply.text_tokens + reply.thinking_tokens;
    let counts = json!({"input_tokens": reply.input_tokens, "output_tokens": output});
    json!({"billed_units": counts, "tokens": counts, "cached_tokens": 0})
}

fn call_json(call: &Call, arguments: &str) -> Value {
    json!({
        "id": format!("{}_{}", call.name, call.id),
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    })
}

pub(crate) fn write(ask: &Ask, reply: &Reply) -> WireAnswer {
    let id = format!("{:032x}", ask.stamp);
    if ask.is_streaming {
        return WireAnswer::events(stream(&id, reply));
    }
    let mut content = Vec::new();
    if let Some(thinking) = &reply.thinking {
        content.push(json!({"type": "thinking", "thinking": thinking}));
    }
    if reply.calls.is_empty() {
        content.push(json!({"type": "text", "text": reply.text}));
    }
    let mut message = json!({"role": "assistant", "content": content});
    if !reply.calls.is_empty() {
        let calls = reply.calls.iter().map(|it| call_json(it, &it.arguments.to_string()));
        message["tool_calls"] = calls.collect();
    }
    let body = json!({"id": id, "message": message, "finish_reason": finish_reason(reply),
        "usage": usage(reply)});
    WireAnswer::json(200, &body)
}

fn stream(id: &str, reply: &Reply) -> Vec<Bytes> {
    let mut frames = Vec::new();
    let mut emit = |kind: &str, mut body: Value| {
        body["type"] = json!(kind);
        frames.push(Bytes::from(format!("event: {kind}\ndata: {body}\n\n")));
    };
    let of = |message: Value| json!({ "message": message });
    let head = of(json!({"role": "assistant", "content": [], "tool_plan": ""}));
    emit("message-start", json!({"id": id, "delta": head}));
    let mut index = 0;
    let blocks = [("thinking", reply.thinking.as_deref()), ("text", Some(reply.text.as_str()))];
    for (key, text) in blocks {
        let Some(text) = text.filter(|text| !text.is_empty()) else { continue };
        let open = of(json!({"content": {"type": key, key: ""}}));
        emit("content-start", json!({"index": index, "delta": open}));
        for piece in pieces(text) {
            let more = of(json!({"content": {key: piece}}));
            emit("content-delta", json!({"index": index, "delta": more}));
        }
        emit("content-end", json!({ "index": index }));
        index += 1;
    }
    for (at, call) in reply.calls.iter().enumerate() {
        let open = of(json!({"tool_calls": call_json(call, "")}));
        emit("tool-call-start", json!({"index": at, "delta": open}));
        for piece in pieces(&call.arguments.to_string()) {
            let more = of(json!({"tool_calls": {"function": {"arguments": piece}}}));
            emit("tool-call-delta", json!({"index": at, "delta": more}));
        }
        emit("tool-call-end", json!({ "index": at }));
    }
    let end = json!({"finish_reason": finish_reason(reply), "usage": usage(reply)});
    emit("message-end", json!({ "delta": end }));
    frames.push(Bytes::from_static(b"data: [DONE]\n\n"));
    frames
}
