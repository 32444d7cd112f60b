//! The real program, as its users meet it: started in an empty folder with a clean environment,
//! called over HTTP and on the command line, with the simulator in the place of every provider.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod gateway;
mod http;
mod sse;
mod store;
mod upstream;

mod bad_input;
mod cancel;
mod cli;
mod clients;
mod compat;
mod durable;
mod faults;
mod governing;
mod keys;
mod ladder;
mod mcp;
mod money;
mod oidc;
mod passthrough;
mod postgres;
mod system_b;
mod usage;
