//! The simulated model in the words of Anthropic messages.

use bytes::Bytes;
use serde_json::{Value, json};

use super::ask::{Ask, Choice, Output, Tool, chars_within, stamp, strings, text_of};
use super::reply::{Finish, Reply, pieces};
use crate::answer::WireAnswer;

/// Reads a request; `needs_limit` is false for counting tokens, where `max_tokens` may be absent.
pub(crate) fn read(body: &Value, stamp: u64, needs_limit: bool) -> Result<Ask, String> {
    let wrong = |message: &str| Err(message.to_owned());
    let Some(model) = body.get("model").and_then(Value::as_str).filter(|name| !name.is_empty())
    else {
        return wrong("model: Field required");
    };
    let max_tokens = body.get("max_tokens").and_then(Value::as_u64);
    if needs_limit && max_tokens.is_none_or(|most| most == 0) {
        return wrong("max_tokens: Field required");
    }
    let Some(messages) = body.get("messages").and_then(Value::as_array).filter(|m| !m.is_empty())
    else {
        return wrong("messages: at least one message is required");
    };
    let choice = body.get("tool_choice");
    let mut ask = Ask {
        model: model.to_owned(),
        is_streaming: body.get("stream") == Some(&Value::Bool(true)),
        wants_usage: true,
        choice: self::choice(choice),
        may_call_many: choice.and_then(|it| it.get("disable_parallel_tool_use"))
            != Some(&Value::Bool(true)),
        output: output(body),
        wants_thinking: matches!(
            body.pointer("/thinking/type").and_then(Value::as_str),
            Some("enabled" | "adaptive")
        ),
        max_tokens,
        stops: strings(body.get("stop_sequences")),
        answers: 1,
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
    for name in ["system", "tools"] {
        ask.prompt_chars += body.get(name).map_or(0, chars_within);
    }
    for message in messages {
        read_message(message, &mut ask);
    }
    Ok(ask)
}

fn read_message(message: &Value, ask: &mut Ask) {
    ask.tool_results.clear();
    if message["role"] != "user" {
        return;
    }
    let content = &message["content"];
    let text = text_of(content);
    ask.images = 0;
    ask.documents = 0;
    for block in content.as_array().into_iter().flatten() {
        match block["type"].as_str() {
            Some("tool_result") => ask.tool_results.push(text_of(&block["content"])),
            Some("image") => ask.images += 1,
            Some("document") => ask.documents += 1,
            _ => {}
        }
    }
    if !text.is_empty() || ask.tool_results.is_empty() {
        ask.question = text;
    }
}

fn tool(entry: &Value) -> Option<Tool> {
    let schema = entry.get("input_schema").cloned().unwrap_or_else(|| json!({}));
    Some(Tool { name: entry.get("name")?.as_str()?.to_owned(), schema })
}

fn choice(value: Option<&Value>) -> Choice {
    match value.and_then(|it| it.get("type")).and_then(Value::as_str) {
        Some("none") => Choice::Nothing,
        Some("any") => Choice::Any,
        Some("tool") => match value.and_then(|it| it.get("name")).and_then(Value::as_str) {
            Some(name) => Choice::Named(name.to_owned()),
            None => Choice::Any,
        },
        _ => Choice::Auto,
    }
}

fn output(body: &Value) -> Output {
    // `output_config.format` is the present name, `output_format` the one of the beta.
    let format = body.pointer("/output_config/format").or_else(|| body.get("output_format"));
    match format.and_then(|format| format.get("schema")) {
        Some(schema) => Output::Schema(schema.clone()),
        None => Output::Text,
    }
}

fn stop_reason(reply: &Reply) -> (&'static str, Value) {
    match &reply.finish {
        Finish::Stop => ("end_turn", Value::Null),
        Finish::StopSequence(stop) => ("stop_sequence", json!(stop)),
        Finish::Length => ("max_tokens", Value::Null),
        Finish::Calls => ("tool_use", Value::Null),
    }
}

/// A signature: nobody but the simulator checks it.
fn signature(thinking: &str) -> String {
    format!("c2ltdWxhdGVk{:016x}", stamp(0, thinking.as_bytes()))
}

fn usage(reply: &Reply, output_tokens: u64) -> Value {
    json!({
        "input_tokens": reply.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
        "service_tier": "standard",
    })
}

fn message(ask: &Ask, content: &[Value], stop: (&str, &Value), usage: &Value) -> Value {
    json!({
        "id": format!("msg_{:016x}", ask.stamp),
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": content,
        "stop_reason": (!stop.0.is_empty()).then_some(stop.0),
        "stop_sequence": stop.1,
        "usage": usage,
    })
}

pub(crate) fn write(ask: &Ask, reply: &Reply) -> WireAnswer {
    if ask.is_streaming {
        return WireAnswer::events(stream(ask, reply));
    }
    let mut content = Vec::new();
    if let Some(thinking) = &reply.thinking {
        content.push(
            json!({ "type": "thinking", "thinking": thinking, "signature": signature(thinking) }),
        );
    }
    if !reply.text.is_empty() {
        content.push(json!({ "type": "text", "text": reply.text }));
    }
    for call in &reply.calls {
        let id = format!("toolu_{}", call.id);
        content.push(
            json!({ "type": "tool_use", "id": id, "name": call.name, "input": call.arguments }),
        );
    }
    let (reason, sequence) = stop_reason(reply);
    let usage = usage(reply, reply.text_tokens + reply.thinking_tokens);
    WireAnswer::json(200, &message(ask, &content, (reason, &sequence), &usage))
}

fn stream(ask: &Ask, reply: &Reply) -> Vec<Bytes> {
    let mut out = Events { frames: Vec::new(), blocks: 0 };
    let start = message(ask, &[], ("", &Value::Null), &usage(reply, 1));
    out.emit("message_start", &json!({ "type": "message_start", "message": start }));
    out.emit("ping", &json!({ "type": "ping" }));
    if let Some(thinking) = &reply.thinking {
        let mut deltas: Vec<Value> = pieces(thinking)
            .into_iter()
            .map(|piece| json!({ "type": "thinking_delta", "thinking": piece }))
            .collect();
        deltas.push(json!({ "type": "signature_delta", "signature": signature(thinking) }));
        out.block(&json!({ "type": "thinking", "thinking": "", "signature": "" }), deltas);
    }
    if !reply.text.is_empty() {
        let deltas = pieces(&reply.text)
            .into_iter()
            .map(|piece| json!({ "type": "text_delta", "text": piece }))
            .collect();
        out.block(&json!({ "type": "text", "text": "" }), deltas);
    }
    for call in &reply.calls {
        let arguments = call.arguments.to_string();
        let mut deltas = vec![json!({ "type": "input_json_delta", "partial_json": "" })];
        deltas.extend(
            pieces(&arguments)
                .into_iter()
                .map(|piece| json!({ "type": "input_json_delta", "partial_json": piece })),
        );
        let id = format!("toolu_{}", call.id);
        out.block(&json!({ "type": "tool_use", "id": id, "name": call.name, "input": {} }), deltas);
    }
    let (reason, sequence) = stop_reason(reply);
    out.emit(
        "message_delta",
        &json!({
            "type": "message_delta",
            "delta": { "stop_reason": reason, "stop_sequence": sequence },
            "usage": { "output_tokens": reply.text_tokens + reply.thinking_tokens },
        }),
    );
    out.emit("message_stop", &json!({ "type": "message_stop" }));
    out.frames
}

struct Events {
    frames: Vec<Bytes>,
    blocks: usize,
}

impl Events {
    fn emit(&mut self, name: &str, data: &Value) {
        self.frames.push(Bytes::from(format!("event: {name}\ndata: {data}\n\n")));
    }

    fn block(&mut self, start: &Value, deltas: Vec<Value>) {
        let index = self.blocks;
        self.blocks += 1;
        self.emit(
            "content_block_start",
            &json!({ "type": "content_block_start", "index": index, "content_block": start }),
        );
        for delta in deltas {
            self.emit(
                "content_block_delta",
                &json!({ "type": "content_block_delta", "index": index, "delta": delta }),
            );
        }
        self.emit("content_block_stop", &json!({ "type": "content_block_stop", "index": index }));
    }
}
