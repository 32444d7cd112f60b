//! Streams: a provider's chunks into canonical events, and events into chunks for a client.

mod arguments;
mod choice;
mod decoder;
mod encoder;
mod lane;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;

#[cfg(test)]
mod tests;
