//! The client against real sockets on loopback. Timeouts under test are short, the bounds on how
//! long a test may take are generous, and nothing sleeps to wait for something.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod breaks;
mod exchange;
mod proxies;
mod server;
mod timeouts;
mod tls;
