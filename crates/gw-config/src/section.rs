//! The sections of `gateway.toml`, one file each. A field here is a key: its doc comment becomes
//! the reference, the JSON Schema and the example file, its path the environment name.
//!
//! Types whose name begins with `Raw` are the file's shape; the sections that need no second look
//! are used as they are read.

pub mod alerts;
pub mod cache;
pub mod context;
pub mod cost;
pub mod defaults;
pub mod demo;
pub mod doors;
pub mod endpoint;
pub mod layers;
pub mod log;
pub mod mcp;
pub mod models;
pub mod oidc;
pub mod policy;
pub mod provider;
pub mod proxy;
pub mod routing;
pub mod server;
pub mod store;
