//! Google's Gemini API (`models/{model}:generateContent` and `:streamGenerateContent`), of Google AI
//! and of Vertex AI, spoken on both sides.
//!
//! Model and method stand in the address: the door sets `model` and `stream` after decoding. A stream
//! comes as server-sent events (`alt=sse`) or as one JSON array; the decoder reads both, and each has
//! its encoder. Thought signatures go through clients of other formats: those of thoughts and texts
//! marked with this format's name, those of function calls on the ids of the calls (see `seal`).

mod calls;
mod error;
mod meta;
mod names;
mod parts;
mod schema;
pub(crate) mod usage;

mod request;
mod response;
mod stream;

use bytes::Bytes;
use gw_core::chat::ChatRequest;
use gw_core::reply::ChatReply;
use gw_core::seam::{
    ClientStream, Dialect, DialectId, Edits, StreamDecoder, StreamEncoder, Target, WireRequest,
};
use gw_core::{Error, Result};
use http::HeaderMap;

use crate::tool_reference;

const ID: DialectId = DialectId::Gemini;

/// The Gemini format, its streams as server-sent events.
#[derive(Clone, Copy, Debug)]
pub struct Gemini;

/// The Gemini format for clients that ask for a stream without `alt=sse`: one JSON array. For doors;
/// providers are always asked for events.
#[derive(Clone, Copy, Debug)]
pub struct GeminiArray;

impl Dialect for Gemini {
    fn id(&self) -> DialectId {
        ID
    }

    fn decode_request(&self, body: &[u8]) -> Result<ChatRequest> {
        request::decode(body)
    }

    fn encode_request(&self, request: &ChatRequest, target: &Target<'_>) -> Result<WireRequest> {
        tool_reference::encode_said(self.id(), request, |request| request::encode(request, target))
    }

    fn pass_request(&self, body: &Bytes, edits: &Edits<'_>) -> Result<WireRequest> {
        request::pass(body, edits)
    }

    fn decode_reply(&self, body: &[u8]) -> Result<ChatReply> {
        response::decode(body)
    }

    fn encode_reply(&self, reply: &ChatReply, client: &ClientStream) -> Bytes {
        response::encode(reply, client)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::default())
    }

    fn stream_encoder(&self, client: ClientStream) -> Box<dyn StreamEncoder> {
        Box::new(stream::Encoder::events(client))
    }

    fn decode_error(&self, status: u16, headers: &HeaderMap, body: &Bytes) -> Error {
        error::decode(status, headers, body)
    }

    fn encode_error(&self, error: &Error) -> Bytes {
        error::encode(error)
    }
}

impl Dialect for GeminiArray {
    fn id(&self) -> DialectId {
        ID
    }

    fn decode_request(&self, body: &[u8]) -> Result<ChatRequest> {
        Gemini.decode_request(body)
    }

    fn encode_request(&self, request: &ChatRequest, target: &Target<'_>) -> Result<WireRequest> {
        Gemini.encode_request(request, target)
    }

    fn pass_request(&self, body: &Bytes, edits: &Edits<'_>) -> Result<WireRequest> {
        Gemini.pass_request(body, edits)
    }

    fn decode_reply(&self, body: &[u8]) -> Result<ChatReply> {
        Gemini.decode_reply(body)
    }

    fn encode_reply(&self, reply: &ChatReply, client: &ClientStream) -> Bytes {
        Gemini.encode_reply(reply, client)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Gemini.stream_decoder()
    }

    fn stream_encoder(&self, client: ClientStream) -> Box<dyn StreamEncoder> {
        Box::new(stream::Encoder::array(client))
    }

    fn decode_error(&self, status: u16, headers: &HeaderMap, body: &Bytes) -> Error {
        Gemini.decode_error(status, headers, body)
    }

    fn encode_error(&self, error: &Error) -> Bytes {
        Gemini.encode_error(error)
    }

    fn stream_content_type(&self) -> &'static str {
        "application/json"
    }
}

#[cfg(test)]
mod tests;
