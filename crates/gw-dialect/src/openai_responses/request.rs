//! Requests: a client's into canonical form, canonical ones for a provider, the few edits of a body
//! that passes through, and what answers repeat of a request.

mod content;
mod decode;
mod encode;
mod encode_items;
mod input;
mod pass;
mod tools;

pub(super) use decode::decode;
pub(super) use encode::{echo, encode};
pub(super) use input::is_client_call;
pub(super) use pass::pass;
