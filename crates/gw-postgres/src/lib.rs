//! The durable store in PostgreSQL, for gateways that share one: conversations, calls, keys, budgets
//! and what was spent. While the database is slow or gone, calls and turns go to a journal on the
//! local disk and are written when it is back.
//!
//! It implements the seam traits of `gw_core::seam` and passes the conformance suite of `gw-store`.
//! It must not know doors, dialects or providers; nothing above it may know SQL.
//!
//! While the database is away:
//!
//! | open (kept in the journal, written later, counted once) | closed (`StoreUnavailable` at once) |
//! | --- | --- |
//! | `CallLog::record`, `Conversations::append`, `StoreHealth::flush` | every read, summaries, TODO lists, keys, accounts, budgets, limits |

mod budgets;
mod calls;
mod connect;
mod conversations;
mod database;
mod fault;
mod instances;
mod journal;
mod keeper;
mod keys;
mod listen;
mod migrate;
mod options;
mod outcomes;
mod personal;
mod replay;
mod reports;
mod responses;
mod retention;
mod rows;
mod stats;
mod store;
mod sums;
mod text;
mod transaction;
mod writer;

#[cfg(feature = "testbed")]
pub mod testbed;

#[cfg(test)]
mod tests;

pub use options::{Durability, JournalOptions, PostgresOptions, Tls};
pub use retention::Retention;
pub use store::PostgresStore;
