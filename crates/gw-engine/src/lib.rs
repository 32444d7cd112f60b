//! The life of a call. `run.rs` reads as the list of its steps; each step is a file.
//!
//! The engine knows no provider, database or protocol: it holds the trait objects of
//! [`gw_core::seam`], chosen by the binary.

pub mod answer;
pub mod cache;
pub mod context;
pub mod inbound;
pub mod options;
pub mod policy;
pub mod provider;

mod operate;
mod operate_stream;
mod run;

mod admit;
mod attempt;
mod classify;
mod plan;
mod preview;
mod recall;
mod refresh;
mod relay;
mod remember;
mod reserve;
mod settle;

mod check;
mod confirm;
mod escalate;
mod held;
mod rungs;
mod watch;

mod encode;
mod exchange;
mod group;
mod head;

mod call;
mod engine;
mod events;
mod health;
mod in_flight;
mod learning;
mod meter;
mod totals;

pub use answer::{
    Answer, AnswerBody, AnswerStream, CacheState, CheckReport, Escalation, Failure, Head, Piece,
    Receipt, Whole,
};
pub use cache::{CacheMode, CacheOptions, CacheReport, CacheShare, CacheWish};
pub use context::{ContextOptions, Stateless, Summariser};
pub use engine::{Engine, Resources};
pub use health::{HealthReport, ModelState, ProviderState};
pub use inbound::{CallContext, Confirmation, Door, Inbound, Recall};
pub use learning::Learning;
pub use operate::{OperationAnswer, OperationBody, OperationInbound, OperationWhole};
pub use operate_stream::OperationStream;
pub use options::{EngineOptions, Snapshot};
pub use policy::{Policies, Trial, TrialReport, Unit};
pub use preview::Preview;
pub use provider::{Credential, Operations, Provider};
pub use recall::messages_of;
pub use totals::TotalsReport;
