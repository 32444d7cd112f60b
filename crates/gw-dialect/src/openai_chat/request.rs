//! Requests: a client's into canonical form, canonical ones for a provider, and the few edits of a
//! body that passes through.

pub(crate) mod content;
mod decode;
mod encode;
mod encode_content;
mod encode_message;
mod message;
pub(crate) mod notices;
mod pass;
mod tools;

pub(super) use decode::decode;
pub(super) use encode::encode;
pub(super) use pass::pass;

#[cfg(test)]
mod tests;
