//! Anthropic messages (`POST /v1/messages`), spoken on both sides.
//!
//! Reads and writes the format of API version 2023-06-01 with what came since: server tools,
//! adaptive thinking, `output_config`, `role: "system"` turns. What it does not know is kept.

mod blocks;
mod error;
pub(crate) mod usage;

pub(crate) mod request;
mod response;
mod stream;

use bytes::Bytes;
use gw_core::chat::ChatRequest;
use gw_core::reply::ChatReply;
use gw_core::seam::{
    ClientStream, Dialect, DialectId, Edits, StreamDecoder, StreamEncoder, Target, WireRequest,
};
use gw_core::{Error, Result};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::tool_reference;

const ID: DialectId = DialectId::AnthropicMessages;
const PATH: &str = "/v1/messages";
const VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("anthropic-version"), HeaderValue::from_static("2023-06-01"));

/// The Anthropic messages format.
#[derive(Clone, Copy, Debug)]
pub struct AnthropicMessages;

impl Dialect for AnthropicMessages {
    fn id(&self) -> DialectId {
        ID
    }

    fn decode_request(&self, body: &[u8]) -> Result<ChatRequest> {
        request::decode(body)
    }

    fn encode_request(&self, request: &ChatRequest, target: &Target<'_>) -> Result<WireRequest> {
        tool_reference::encode_said(ID, request, |request| request::encode(request, target))
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
