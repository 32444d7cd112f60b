//! The edge: HTTP doors on axum, and the one place that turns errors into statuses.
//!
//! A door decodes bytes with a dialect, hands an [`gw_engine::Inbound`] to the engine and writes
//! the answer back. Nothing here knows a provider, a price or a database. Every door is one file
//! in `http/` and one line in [`http::routes`].

pub mod admin;
pub mod app;
pub mod serve;

mod http;

mod edge;

mod accounts;
mod auth;
mod origin;
mod query_key;
mod surface;

mod body;
mod call_context;
mod fields;

mod ask;
mod batches;
mod errors;
mod escalation;
mod estimate;
mod kept;
mod operate;
mod relay;
mod respond;
mod standing;

mod openapi;
mod traffic;

mod tools;

pub use app::{
    App, CallerKey, HealthView, LayerControl, Lifecycle, Login, ModelChoice, ServerOptions,
    TaskModels,
};
pub use http::router;
pub use serve::{ServeOptions, serve};
pub use tools::{ModelTools, ToolOptions};

#[cfg(test)]
mod tests;
