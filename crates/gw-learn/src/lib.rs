//! Learning to route and proving it: outcome data in, trained estimators and replayed figures out.
//!
//! Never on the way of a call: `gw-routing` applies what is trained here. Money is summed as integer
//! pico-dollars; averages and shares of them are statistics and may be floats.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "statistics over counts of prompts, far below what a float holds"
)]

pub mod cascade;
pub mod data;
pub mod dice;
pub mod evaluate;
pub mod fit;
pub mod journal;
pub mod learn;
pub mod measure;
pub mod policy;
pub mod prior;
pub mod report;
pub mod split;
