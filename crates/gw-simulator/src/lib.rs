//! A provider that behaves like real ones and fails on demand: for tests, benchmarks and the demo.
//!
//! It replays recordings, answers as a simulated model where it has none, and breaks in every way
//! that a fault names. It shares no code with the dialects it imitates: an error there would hide
//! behind its own mirror image here.

mod answer;

mod fault;
mod model;
mod recordings;

mod delivery;
mod journal;
mod server;

mod demo;

pub use answer::WireAnswer;
pub use demo::{DEMO_MODELS, DEMO_PROVIDER, DemoUpstream};
pub use fault::{Cut, Fault, RetryAfter};
pub use journal::Seen;
pub use model::SimulatedModel;
pub use recordings::{Library, Recording};
pub use server::{FaultRule, Simulator, SimulatorOptions};
