//! Cohere's chat API, version 2 (`POST /v2/chat`), spoken on both sides.
//!
//! Follows Cohere's reference of API version 2. A plan of tool calls (`tool_plan`) is the text said
//! before the calls; documents to be cited stand beside the conversation there and in the user's last
//! turn here.

mod error;

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

const ID: DialectId = DialectId::CohereChat;
const PATH: &str = "/v2/chat";

/// Cohere's chat format.
#[derive(Clone, Copy, Debug)]
pub struct CohereChat;

impl Dialect for CohereChat {
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
