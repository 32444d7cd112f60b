//! OpenAI responses: items in, items out, and a stream of typed events.
//!
//! Both sides: as a provider speaks it (OpenAI, Azure, xAI, DeepSeek, vLLM) and as a client speaks it
//! (Codex, the SDKs). Errors, usage and the shapes of files are those of chat completions and read
//! there; knows no other dialect. Stored responses (`previous_response_id`) are kept for a provider
//! of this format; resolving them is the server's work.

mod citations;
mod error;
mod reasoning;
mod request;
mod response;
mod stream;
mod tool_names;
pub(crate) mod usage;

use bytes::Bytes;
use gw_core::chat::ChatRequest;
use gw_core::reply::ChatReply;
use gw_core::seam::{
    ClientStream, Dialect, DialectId, Edits, StreamDecoder, StreamEncoder, Target, WireRequest,
};
use gw_core::{Error, Result};
use http::HeaderMap;
use serde_json::{Map, Value};

use crate::tool_reference;

const ID: DialectId = DialectId::OpenAiResponses;

/// Below a base address that holds the version already.
const PATH: &str = "/responses";

/// The dialect.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenAiResponses;

impl Dialect for OpenAiResponses {
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

    fn echo(&self, request: &ChatRequest) -> Map<String, Value> {
        request::echo(request)
    }

    fn encode_reply(&self, reply: &ChatReply, client: &ClientStream) -> Bytes {
        stream::encode_whole(reply, client)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::default())
    }

    fn stream_encoder(&self, client: ClientStream) -> Box<dyn StreamEncoder> {
        Box::new(stream::Encoder::new(client))
    }

    fn decode_error(&self, status: u16, headers: &HeaderMap, body: &Bytes) -> Error {
        error::decode(status, headers, body)
    }

    fn encode_error(&self, error: &Error) -> Bytes {
        error::encode(error)
    }
}

#[cfg(test)]
mod tests;
