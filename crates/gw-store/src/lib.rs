//! The durable store: conversations, calls, keys, budgets and what was spent, kept in SQLite unless a server database is named.
//!
//! It implements the seam traits of `gw_core::seam` and passes the conformance suite in `suite.rs`.
//! It must not know doors, dialects or providers; nothing above it may know SQL.

pub mod backlog;
pub mod hot;
pub mod options;
pub mod sqlite;
pub mod two_tier;

#[cfg(any(test, feature = "suite"))]
pub mod suite;

pub use backlog::Backlog;
pub use hot::{LastingHot, MemoryHot};
pub use options::{Durability, StoreOptions};
pub use sqlite::{Retention, Store};
pub use two_tier::TwoTier;
