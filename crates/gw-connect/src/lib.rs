//! How AI clients keep their settings: where their files are, which MCP servers stand in them, and what
//! must be written so that they use a gateway. Pure: texts in, texts out; reads and writes no file.
//!
//! Every change is a list of [`Edit`]s, each one value at one place. Comments, unknown keys and the
//! order of a file stay as they are, and the same places can be put back.

mod client;
mod document;
mod found;
mod wiring;

pub use client::{Client, Format, Place, Target};
pub use document::{Document, DocumentError, Edit};
pub use found::{Found, found};
pub use wiring::{Door, Gateway, KeyUse, NAME, Wired, wiring};
