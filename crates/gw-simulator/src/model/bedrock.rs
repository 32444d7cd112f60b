//! The simulated model in the words of Amazon Bedrock's `Converse` and `ConverseStream`.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::ask::{Ask, Choice, Output, Tool, chars_within, strings};
use super::reply::{Call, Finish, Reply, pieces};
use crate::answer::WireAnswer;

/// Reads a request; model and wish for a stream stand in the address.
pub(crate) fn read(path: &str, body: &Value, stamp: u64) -> Result<Ask, String> {
    let (rest, method) = path.rsplit_once('/').unwrap_or_default();
    let model = rest.rsplit('/').next().unwrap_or_default();
    let Some(messages) = body["messages"].as_array().filter(|list| !list.is_empty()) else {
        return Err("the conversation needs at least one message".to_owned());
    };
    let config = &body["toolConfig"];
    let mut ask = Ask {
        model: model.to_owned(),
        is_streaming: method == "converse-stream",
        choice: choice(&config["toolChoice"]),
        may_call_many: true,
        output: output(&body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]),
        wants_thinking: body["additionalModelRequestFields"]["thinking"]["type"] == "enabled"
            || body["additionalModelRequestFields"]["reasoningConfig"]["type"] == "enabled",
        max_tokens: body["inferenceConfig"]["maxTokens"].as_u64(),
        stops: strings(body["inferenceConfig"].get("stopSequences")),
        answers: 1,
        messages: messages.len() as u64,
        stamp,
        ..Ask::default()
    };
    let tools = config["tools"].as_array().into_iter().flatten();
    ask.tools = tools.filter_map(|tool| self::tool(&tool["toolSpec"])).collect();
    ask.prompt_chars =
        [&body["messages"], &body["system"], config].into_iter().map(chars_within).sum();
    let mut wanted = "user";
    for message in messages {
        if message["role"] != wanted {
            return Err("roles must alternate between user and assistant".to_owned());
        }
        wanted = if wanted == "user" { "assistant" } else { "user" };
        read_message(message, &mut ask)?;
    }
    Ok(ask)
}

fn read_message(message: &Value, ask: &mut Ask) -> Result<(), String> {
    let Some(blocks) = message["content"].as_array().filter(|list| !list.is_empty()) else {
        return Err("the content field of a message is empty".to_owned());
    };
    ask.tool_results.clear();
    let mut texts = Vec::new();
    for block in blocks {
        if let Some(text) = block["text"].as_str() {
            if text.trim().is_empty() {
                return Err("the text field of a ContentBlock is blank".to_owned());
            }
            texts.push(text);
        }
        ask.images += u64::from(block["image"].is_object());
        ask.documents += u64::from(block["document"].is_object());
        if let Some(content) = block["toolResult"]["content"].as_array() {
            let found: Vec<&str> = content.iter().filter_map(|it| it["text"].as_str()).collect();
            ask.tool_results.push(found.join("\n"));
        }
    }
    if message["role"] == "user" && !texts.is_empty() {
        ask.question = texts.join("\n");
    }
    Ok(())
}

fn tool(spec: &Value) -> Option<Tool> {
    let name = spec["name"].as_str()?.to_owned();
    Some(Tool { name, schema: spec["inputSchema"]["json"].clone() })
}

fn choice(value: &Value) -> Choice {
    match value["tool"]["name"].as_str() {
        Some(name) => Choice::Named(name.to_owned()),
        None if value["any"].is_object() => Choice::Any,
        None => Choice::Auto,
    }
}

fn output(schema: &Value) -> Output {
    let parsed = schema.as_str().and_then(|text| serde_json::from_str(text).ok());
    parsed.map_or(Output::Text, Output::Schema)
}

fn stop_reason(reply: &Reply) -> &'static str {
    match reply.finish {
        Finish::Stop => "end_turn",
        Finish::StopSequence(_) => "stop_sequence",
        Finish::Length => "max_tokens",
        Finish::Calls => "tool_use",
    }
}

fn usage(reply: &Reply) -> Value {
    let output = reply.text_tokens + reply.thinking_tokens;
    json!({"inputTokens": reply.input_tokens, "outputTokens": output,
        "totalTokens": reply.input_tokens + output})
}

fn call_id(call: &Call) -> String {
    format!("tooluse_{}", call.id)
}

pub(crate) fn write(ask: &Ask, reply: &Reply) -> WireAnswer {
    if ask.is_streaming {
        let mut headers = HeaderMap::new();
        let kind = "application/vnd.amazon.eventstream";
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        return WireAnswer { status: 200, headers, frames: stream(reply) };
    }
    let mut content = Vec::new();
    if let Some(thinking) = &reply.thinking {
        let text = json!({"text": thinking, "signature": "c2lnbmVk"});
        content.push(json!({"reasoningContent": {"reasoningText": text}}));
    }
    if reply.calls.is_empty() {
        content.push(json!({"text": reply.text}));
    }
    for call in &reply.calls {
        content.push(json!({"toolUse": {"toolUseId": call_id(call), "name": call.name,
            "input": call.arguments}}));
    }
    let message = json!({"role": "assistant", "content": content});
    let body = json!({"output": {"message": message}, "stopReason": stop_reason(reply),
        "usage": usage(reply), "metrics": {"latencyMs": 1}});
    WireAnswer::json(200, &body)
}

fn stream(reply: &Reply) -> Vec<Bytes> {
    let mut frames = Vec::new();
    let mut emit =
        |name: &str, body: Value| frames.push(frame((":event-type", name, "event"), &body));
    emit("messageStart", json!({"role": "assistant"}));
    let mut index = 0;
    if let Some(thinking) = &reply.thinking {
        for piece in pieces(thinking) {
            let delta = json!({"reasoningContent": {"text": piece}});
            emit("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}));
        }
        let delta = json!({"reasoningContent": {"signature": "c2lnbmVk"}});
        emit("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}));
        emit("contentBlockStop", json!({ "contentBlockIndex": index }));
        index += 1;
    }
    if reply.calls.is_empty() {
        for piece in pieces(&reply.text) {
            let delta = json!({ "text": piece });
            emit("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}));
        }
        emit("contentBlockStop", json!({ "contentBlockIndex": index }));
    }
    for call in &reply.calls {
        let start = json!({"toolUse": {"toolUseId": call_id(call), "name": call.name}});
        emit("contentBlockStart", json!({"contentBlockIndex": index, "start": start}));
        for piece in pieces(&call.arguments.to_string()) {
            let delta = json!({"toolUse": {"input": piece}});
            emit("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}));
        }
        emit("contentBlockStop", json!({ "contentBlockIndex": index }));
        index += 1;
    }
    emit("messageStop", json!({"stopReason": stop_reason(reply)}));
    emit("metadata", json!({"usage": usage(reply), "metrics": {"latencyMs": 1}, "p": "abcdef"}));
    frames
}

/// A frame of the event stream: lengths and their sum, headers, payload, the sum of all. `names` are
/// the header that names what it is, that name, and the type of the message.
pub(crate) fn frame(names: (&str, &str, &str), body: &Value) -> Bytes {
    let (key, name, kind) = names;
    let mut headers = Vec::new();
    for (key, value) in
        [(key, name), (":content-type", "application/json"), (":message-type", kind)]
    {
        headers.push(u8::try_from(key.len()).unwrap_or(0));
        headers.extend(key.bytes());
        // 7 says that a text follows, its length in two bytes.
        headers.extend([7, 0, u8::try_from(value.len()).unwrap_or(0)]);
        headers.extend(value.bytes());
    }
    let payload = body.to_string();
    let total = 16 + headers.len() + payload.len();
    let mut out = Vec::with_capacity(total);
    for length in [total, headers.len()] {
        out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    }
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out.extend(headers);
    out.extend(payload.bytes());
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out.into()
}
