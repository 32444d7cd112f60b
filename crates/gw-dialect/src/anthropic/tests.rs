//! What a client or a provider of this format sees, feature by feature.

#![expect(clippy::needless_pass_by_value, reason = "literals read better by value")]

mod errors;
mod laws;
mod replies;
mod requests;
mod streams;

use gw_core::Result;
use gw_core::chat::{ChatRequest, Notice};
use gw_core::event::StreamEvent;
use gw_core::fold::Fold;
use gw_core::reply::ChatReply;
use gw_core::seam::{ClientStream, Dialect as _, Frame, Quirks, Target};
use serde_json::{Value, json};

use super::AnthropicMessages;

/// A request body around some fields.
fn body(fields: Value) -> Value {
    let mut body = json!({
        "model": "claude-haiku-4-5",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "hi"}],
    });
    for (key, value) in fields.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    body
}

fn decode_request(fields: Value) -> Result<ChatRequest> {
    AnthropicMessages.decode_request(body(fields).to_string().as_bytes())
}

/// The body that is written for a request, and the notices.
fn encode_request(request: &ChatRequest) -> Result<(Value, Vec<Notice>)> {
    let quirks = Quirks::default();
    let target =
        Target { model: "claude-haiku-4-5", quirks: &quirks, max_output_tokens: Some(8_000) };
    let wire = AnthropicMessages.encode_request(request, &target)?;
    Ok((serde_json::from_slice(&wire.body).expect("JSON"), wire.notices))
}

fn client() -> ClientStream {
    ClientStream { fallback_id: "f1".to_owned(), input_tokens_estimate: 7, ..Default::default() }
}

fn encode_stream(events: &[StreamEvent]) -> String {
    let mut encoder = AnthropicMessages.stream_encoder(client());
    let mut out = Vec::new();
    for event in events {
        encoder.push(event, &mut out);
    }
    String::from_utf8(out).expect("UTF-8")
}

/// Reads a stream in the given pieces.
fn read_stream(pieces: &[&[u8]]) -> (Vec<Frame>, Result<()>) {
    let mut decoder = AnthropicMessages.stream_decoder();
    let mut frames = Vec::new();
    for piece in pieces {
        if let Err(error) = decoder.push(piece, &mut frames) {
            return (frames, Err(error));
        }
    }
    let outcome = decoder.finish(&mut frames);
    (frames, outcome)
}

fn events_of(frames: &[Frame]) -> Vec<StreamEvent> {
    frames.iter().flat_map(|frame| frame.events.clone()).collect()
}

fn fold(events: &[StreamEvent]) -> ChatReply {
    let mut fold = Fold::default();
    for event in events {
        fold.push(event);
    }
    fold.into_reply()
}
