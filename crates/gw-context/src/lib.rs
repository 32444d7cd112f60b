//! Context that lasts and shrinks: how a long conversation is made short without losing what was
//! said, what a higher model is handed, and the list of what is to be done.
//!
//! Pure: values in, values out. No clock, no store, no model; the engine brings those.

pub mod chain;
pub mod extract;
pub mod handoff;
pub mod prompt;
pub mod strategy;
pub mod summary;
pub mod todo;
pub mod tokens;
pub mod worth;

mod spans;
mod units;

pub use extract::{Bounds, absorb};
pub use handoff::{Attempt, Handoff, Task, TestResult};
pub use strategy::{Composed, Known, Options, Strategy, compose, shorten};
pub use summary::Summary;
pub use worth::Prices;
