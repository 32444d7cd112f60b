//! The vocabulary of the gateway: values that every room speaks, and the seam traits between rooms.
//!
//! Nothing here performs io, reads a clock or draws randomness; those enter through the traits in
//! [`seam`]. A type belongs here when two rooms must agree on it, and nowhere else.

pub mod duration;
pub mod glob;
pub mod ids;
pub mod limits;

pub mod money;
pub mod usage;
pub mod usage_report;

pub mod layer;
pub mod task;

pub mod chat;
pub mod event;
pub mod fold;
pub mod operation;
pub mod reply;
pub mod unfold;

pub mod error;
pub mod error_table;

pub mod batch;
pub mod budget;
pub mod key;
pub mod outcome;
pub mod principal;
pub mod record;
pub mod reservation;
pub mod scope;

pub mod seam;

pub use error::{Error, Kind, Origin, Retry};
pub use ids::{CallId, ConversationId, InstanceId, ModelName, ProviderId};
pub use layer::Layer;
pub use money::{Cost, Money, Rate};
pub use scope::{Scope, ScopeKind};
pub use usage::{TokenClass, Usage, UsageReport};

/// What every fallible function of the gateway returns across crates.
pub type Result<T, E = Error> = std::result::Result<T, E>;
