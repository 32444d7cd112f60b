//! The engine with its real neighbours (dialects, budgets, store), against providers that follow a
//! script. Time is paused: waits are checked to the millisecond and cost nothing.

#![expect(clippy::panic, reason = "a double that is used against its script fails the test")]

mod breaker;
mod cache;
mod cancel;
mod classify;
mod compression;
mod conversation;
mod fallback;
mod govern;
mod ladder;
mod money;
mod passthrough;
mod plan;
mod policy;
mod retry;
mod stream;
mod whole;

mod fixture;
mod script;
mod wire;
