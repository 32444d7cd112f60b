//! What the fuzzer begins from: bodies of recordings, and what every encoder writes.

use std::path::Path;

use anyhow::{Context, Result};
use gw_core::chat::{ChatRequest, Message, Part, Role};
use gw_core::event::StreamEvent;
use gw_core::reply::{ChatReply, Choice, Stop, StopReason};
use gw_core::seam::{ClientStream, Quirks, Target};
use gw_core::unfold::unfold;
use serde_json::Value;

/// Longest body that is taken.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// All seeds.
pub(super) fn all(folder: Option<&Path>) -> Result<Vec<Vec<u8>>> {
    let mut seeds = written();
    if let Some(folder) = folder {
        recorded(folder, &mut seeds)?;
    }
    Ok(seeds)
}

fn recorded(folder: &Path, seeds: &mut Vec<Vec<u8>>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        for line in text.lines() {
            let Ok(exchange) = serde_json::from_str::<Value>(line) else { continue };
            let bodies = [&exchange["request"]["body"], &exchange["response"]["body"]];
            let short = bodies.into_iter().filter_map(Value::as_str);
            seeds.extend(
                short
                    .filter(|body| !body.is_empty() && body.len() <= BODY_BYTES_MAX)
                    .map(|body| body.as_bytes().to_vec()),
            );
        }
    }
    Ok(())
}

/// A request, an answer, a stream and an error in every format.
fn written() -> Vec<Vec<u8>> {
    let quirks = Quirks::default();
    let target = Target { model: "model", quirks: &quirks, max_output_tokens: Some(8_000) };
    let (request, reply) = (request(), reply());
    let events = unfold(&reply);
    let error = gw_core::Error::new(gw_core::Kind::ProviderOverloaded, "busy");
    let mut seeds = Vec::new();
    for dialect in gw_dialect::all() {
        if let Ok(wire) = dialect.encode_request(&request, &target) {
            seeds.push(wire.body.to_vec());
        }
        seeds.push(dialect.encode_reply(&reply, &ClientStream::default()).to_vec());
        seeds.push(dialect.encode_error(&error).to_vec());
        for last in [None, Some(StreamEvent::Error(Box::new(error.clone())))] {
            let mut encoder = dialect.stream_encoder(ClientStream::default());
            let mut out = Vec::new();
            let until = if last.is_some() { events.len() / 2 } else { events.len() };
            for event in events[..until].iter().chain(&last) {
                encoder.push(event, &mut out);
            }
            seeds.push(out);
        }
    }
    seeds
}

fn parts() -> Vec<Part> {
    vec![
        Part::Thinking { text: "hm".to_owned(), signature: Some("sig".to_owned()) },
        Part::text("I look."),
        Part::ToolCall {
            id: "call_1".to_owned(),
            name: "look".to_owned(),
            arguments: r#"{"city":"Bonn"}"#.to_owned(),
            cache: None,
        },
    ]
}

fn request() -> ChatRequest {
    let answer = Message { parts: parts(), ..Message::text(Role::Assistant, "") };
    let result = Part::ToolResult {
        call_id: "call_1".to_owned(),
        parts: vec![Part::text("Rain")],
        is_error: false,
        cache: None,
    };
    let result = Message { parts: vec![result], ..Message::text(Role::User, "") };
    let messages = vec![
        Message::text(Role::System, "Be brief"),
        Message::text(Role::User, "Look"),
        answer,
        result,
    ];
    ChatRequest { model: "m".to_owned(), messages, ..ChatRequest::default() }
}

fn reply() -> ChatReply {
    let stop = Some(Stop::from(StopReason::ToolUse));
    let choice = Choice { index: 0, parts: parts(), stop, logprobs: None };
    let mut reply =
        ChatReply { id: "r1".to_owned(), choices: vec![choice], ..ChatReply::default() };
    reply.usage.usage.input = 7;
    reply.usage.usage.output = 9;
    reply
}
