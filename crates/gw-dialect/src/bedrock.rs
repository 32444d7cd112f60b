//! Amazon Bedrock's `Converse` and `ConverseStream`, spoken on both sides.
//!
//! One format for the models of every maker there; what only one maker's models know goes through
//! `additionalModelRequestFields`. Model and wish for a stream stand in the address. Streams are
//! frames of `application/vnd.amazon.eventstream` ([`frames`]). Source: the API reference of the
//! Bedrock runtime.

mod blocks;
mod error;
mod frames;

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

const ID: DialectId = DialectId::BedrockConverse;
const STREAM_TYPE: &str = "application/vnd.amazon.eventstream";

/// Amazon Bedrock's `Converse` format.
#[derive(Clone, Copy, Debug)]
pub struct BedrockConverse;

impl Dialect for BedrockConverse {
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

    fn encode_reply(&self, reply: &ChatReply, _client: &ClientStream) -> Bytes {
        response::encode(reply)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::default())
    }

    fn stream_encoder(&self, _client: ClientStream) -> Box<dyn StreamEncoder> {
        Box::new(stream::Encoder::default())
    }

    fn decode_error(&self, status: u16, headers: &HeaderMap, body: &Bytes) -> Error {
        error::decode(status, headers, body)
    }

    fn encode_error(&self, error: &Error) -> Bytes {
        error::encode(error)
    }

    fn stream_content_type(&self) -> &'static str {
        STREAM_TYPE
    }
}

#[cfg(test)]
mod tests;
