//! The simulator over real sockets on loopback, and the demo in process.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod client;
mod control;
mod demo;
mod faults;
mod replay;
