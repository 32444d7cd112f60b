mod clients;
mod errors;
mod laws;
mod replies;
mod requests;
mod streams;

use gw_core::chat::{ChatRequest, Notice};
use gw_core::event::StreamEvent;
use gw_core::fold::Fold;
use gw_core::reply::ChatReply;
use gw_core::seam::{ClientStream, Dialect, Quirks, Target};
use serde_json::Value;

use super::Gemini;

fn client() -> ClientStream {
    ClientStream { fallback_id: "fallback".into(), include_usage: true, ..ClientStream::default() }
}

/// Path, body and notices of a request written for `model`.
fn encode(request: &ChatRequest, model: &str) -> gw_core::Result<(String, Value, Vec<Notice>)> {
    let quirks = Quirks::default();
    let target = Target { model, quirks: &quirks, max_output_tokens: None };
    let wire = Gemini.encode_request(request, &target)?;
    let body = serde_json::from_slice(&wire.body).expect("JSON");
    Ok((wire.path.into_owned(), body, wire.notices))
}

fn decode(body: &Value) -> ChatRequest {
    Gemini.decode_request(body.to_string().as_bytes()).expect("decodes")
}

/// What a stream amounts to, its events, and the bytes of its frames.
fn read_stream(pieces: &[&[u8]]) -> gw_core::Result<(ChatReply, Vec<StreamEvent>, Vec<u8>)> {
    let mut decoder = Gemini.stream_decoder();
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(piece, &mut frames)?;
    }
    decoder.finish(&mut frames)?;
    let mut fold = Fold::default();
    let (mut events, mut raw) = (Vec::new(), Vec::new());
    for frame in frames {
        raw.extend_from_slice(&frame.raw);
        events.extend(frame.events);
    }
    events.iter().for_each(|event| fold.push(event));
    Ok((fold.into_reply(), events, raw))
}

fn write_stream(dialect: &dyn Dialect, events: &[StreamEvent]) -> String {
    let mut encoder = dialect.stream_encoder(client());
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.push(event, &mut out));
    String::from_utf8(out).expect("text")
}
