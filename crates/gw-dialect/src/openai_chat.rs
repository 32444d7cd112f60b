//! OpenAI chat completions, and every provider and server that is compatible with it.
//!
//! Both sides: as a provider speaks it and as a client speaks it. Where a provider departs from the
//! format by its nature, the decoders are lenient; where it departs in what it accepts, its quirks
//! say so. Knows no other dialect.

pub(crate) mod error;
mod reasoning;
pub(crate) mod request;
mod response;
mod stream;
pub(crate) mod usage;
pub(crate) mod value;

use bytes::Bytes;
use gw_core::chat::ChatRequest;
use gw_core::reply::ChatReply;
use gw_core::seam::{
    ClientStream, Dialect, DialectId, Edits, StreamDecoder, StreamEncoder, Target, WireRequest,
};
use gw_core::{Error, Result};
use http::HeaderMap;

use crate::tool_reference;

/// Below a base address that holds the version already.
const PATH: &str = "/chat/completions";

/// The dialect.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenAiChat;

impl Dialect for OpenAiChat {
    fn id(&self) -> DialectId {
        DialectId::OpenAiChat
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
