//! What several instances of the gateway share through Redis: budgets and limits, and what is kept
//! at hand for a while.
//!
//! Knows Redis and the rules of `gw-ledger`; no HTTP and no other database: what dead instances spent
//! comes through [`gw_core::seam::Instances`].

mod account;
mod clerk;
mod cluster;
mod desk;
mod hot;
mod link;
mod message;
mod past;
mod share;
#[cfg(feature = "testbed")]
pub mod testbed;
mod tickets;

pub use cluster::{ANSWER_MS, ClusterBudgets, LEASE_MS, OnLoss, Options};
pub use hot::RedisHot;
