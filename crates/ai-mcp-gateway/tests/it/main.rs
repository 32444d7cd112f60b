//! The real program, as its users meet it: started in an empty folder with a clean environment,
//! called over HTTP and on the command line, with the simulator in the place of every provider.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "some tests measure: their figures are read by people")]

mod gateway;
mod http;
mod replicas;
mod sse;
mod store;
mod upstream;

mod bad_input;
mod batches;
mod cache;
mod cancel;
mod cap;
mod cli;
mod clients;
mod compat;
mod connect;
mod context;
mod durable;
mod faults;
mod governing;
mod keys;
mod ladder;
mod mcp;
mod model_tools;
mod money;
mod native;
mod oidc;
mod operations;
mod outages;
mod passthrough;
mod postgres;
mod queue;
mod rates;
mod routing;
mod system_b;
mod usage;
