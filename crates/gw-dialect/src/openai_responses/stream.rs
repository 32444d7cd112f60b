//! Streams: a provider's events into canonical ones, and canonical ones into events for a client. A
//! whole answer is the response object at the end of the stream it would be.

mod decoder;
mod encoder;
mod lane;
mod output;

pub(super) use decoder::Decoder;
pub(super) use encoder::{Encoder, encode_whole};
