//! Tests of the dialect: requests, answers, streams, tools that only this format has, the laws over
//! random values, and what real clients send.

mod clients;
mod laws;
mod replies;
mod requests;
mod streams;
mod tools;

use gw_core::chat::ChatRequest;
use gw_core::event::StreamEvent;
use gw_core::fold::Fold;
use gw_core::reply::ChatReply;
use gw_core::seam::{ClientStream, Dialect, Frame, Quirks, Target};
use serde_json::Value;

use super::OpenAiResponses;

fn read(body: &Value) -> ChatRequest {
    let decoded = OpenAiResponses.decode_request(body.to_string().as_bytes());
    decoded.unwrap_or_else(|error| panic!("{body}: {error}"))
}

/// The body written for a provider, and the features that notices name.
fn write(request: &ChatRequest, quirks: &Quirks) -> (Value, Vec<String>) {
    let target = Target { model: "m", quirks, max_output_tokens: None };
    let wire = OpenAiResponses.encode_request(request, &target).expect("can be said");
    let notices = wire.notices.into_iter().map(|notice| notice.feature).collect();
    (serde_json::from_slice(&wire.body).expect("JSON"), notices)
}

fn reply_of(body: &Value) -> ChatReply {
    OpenAiResponses.decode_reply(body.to_string().as_bytes()).expect("an answer")
}

fn client() -> ClientStream {
    ClientStream { fallback_id: "resp_f1".to_owned(), created_s: 9, ..ClientStream::default() }
}

fn written(reply: &ChatReply, client: &ClientStream) -> Value {
    serde_json::from_slice(&OpenAiResponses.encode_reply(reply, client)).expect("JSON")
}

/// Reads a stream in pieces; `Err` holds why it broke.
fn stream(bytes: &[u8], piece: usize) -> (Vec<Frame>, gw_core::Result<()>) {
    let mut decoder = OpenAiResponses.stream_decoder();
    let mut frames = Vec::new();
    for bytes in bytes.chunks(piece.max(1)) {
        if let Err(error) = decoder.push(bytes, &mut frames) {
            return (frames, Err(error));
        }
    }
    let outcome = decoder.finish(&mut frames);
    (frames, outcome)
}

fn events_of(frames: &[Frame]) -> impl Iterator<Item = &StreamEvent> {
    frames.iter().flat_map(|frame| &frame.events)
}

fn sum(frames: &[Frame]) -> ChatReply {
    let mut fold = Fold::default();
    events_of(frames).for_each(|event| fold.push(event));
    fold.into_reply()
}

/// Writes events as a client's stream.
fn encoded(events: &[StreamEvent], client: ClientStream) -> Vec<u8> {
    let mut encoder = OpenAiResponses.stream_encoder(client);
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.push(event, &mut out));
    out
}

/// The data of every event.
fn data(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.map(|line| serde_json::from_str(line).expect("JSON")).collect()
}
