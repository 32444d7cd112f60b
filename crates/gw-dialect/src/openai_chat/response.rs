//! Whole answers: a provider's into canonical form, canonical ones for a client.

mod decode;
mod encode;

pub(super) use decode::{
    arguments_of, citations_of_annotations, citations_of_reply, decode, stop_of, thinking_text,
    tool_call_id,
};
pub(super) use encode::{annotations, encode, finish_reason};

#[cfg(test)]
mod tests;
