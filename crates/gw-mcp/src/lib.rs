//! MCP on both sides: many servers behind one door, both eras of the protocol.
//!
//! Messages pass through as the JSON they came as; only names, addresses, ids and tokens are
//! rewritten. Knows no LLM, no HTTP framework, no database and no configuration file.

mod limits;
mod message;
mod raw;
mod version;

mod caller;
mod headers;
mod meta;
mod options;
mod sse;

mod upstream;

mod catalogue;
mod names;
mod search;

mod desk;
mod five;
mod hub;
mod jobs;
mod own;

mod modern;
mod outbox;
mod seal;
mod session;

mod front;

pub use front::http::{Events, HttpAnswer, HttpRequest};
pub use hub::{Hub, ServerStatus, ToolStatus};
pub use meta::Identity;
pub use options::{
    EraChoice, Exposure, McpOptions, NameMode, ServerOptions, ToolNames, TransportOptions,
};
pub use own::{Consent, OWN_SERVER, OwnCall, OwnTools};
pub use upstream::State;
