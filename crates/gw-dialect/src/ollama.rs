//! Ollama's own API (`/api/chat`, `/api/generate`), spoken on both sides.
//!
//! Streams are lines of JSON (`application/x-ndjson`) and are the default: a request that does not
//! say otherwise asks for one. Providers are always asked at `/api/chat`; a client of `/api/generate`
//! has its own form of answers, which [`OllamaGenerate`] writes.

mod error;
mod lines;
mod pictures;
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

const ID: DialectId = DialectId::Ollama;
const STREAM_TYPE: &str = "application/x-ndjson";

/// How an answer holds its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `message.content`, of `/api/chat`.
    Chat,
    /// `response`, of `/api/generate`.
    Generate,
}

/// Ollama's chat format.
#[derive(Clone, Copy, Debug)]
pub struct Ollama;

/// Ollama's format for clients of `/api/generate`. For doors; providers are asked in the chat format.
#[derive(Clone, Copy, Debug)]
pub struct OllamaGenerate;

macro_rules! speak {
    ($dialect:ident, $form:expr) => {
        impl Dialect for $dialect {
            fn id(&self) -> DialectId {
                ID
            }

            fn decode_request(&self, body: &[u8]) -> Result<ChatRequest> {
                request::decode(body)
            }

            fn encode_request(
                &self,
                request: &ChatRequest,
                target: &Target<'_>,
            ) -> Result<WireRequest> {
                tool_reference::encode_said(self.id(), request, |request| {
                    request::encode(request, target)
                })
            }

            fn pass_request(&self, body: &Bytes, edits: &Edits<'_>) -> Result<WireRequest> {
                request::pass(body, edits)
            }

            fn decode_reply(&self, body: &[u8]) -> Result<ChatReply> {
                response::decode(body)
            }

            fn encode_reply(&self, reply: &ChatReply, client: &ClientStream) -> Bytes {
                response::encode(reply, client, $form)
            }

            fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
                Box::new(stream::Decoder::default())
            }

            fn stream_encoder(&self, client: ClientStream) -> Box<dyn StreamEncoder> {
                Box::new(stream::Encoder::new(client, $form))
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
    };
}

speak!(Ollama, Form::Chat);
speak!(OllamaGenerate, Form::Generate);

#[cfg(test)]
mod tests;
