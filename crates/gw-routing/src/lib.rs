//! Routing: pure decisions about who answers a request, in which order, and why.
//!
//! Knows no provider, no clock and no io: everything arrives in a [`Question`] and a [`Snapshot`],
//! and the same values always give the same [`Plan`].

pub mod options;

pub mod features;
pub mod prose;

pub mod agree;
pub mod choose;
pub mod estimate;
pub mod experiment;
pub mod ladder;
pub mod learned;
pub mod policy;
pub mod review;
pub mod signal;
pub mod verify;

pub mod asked;
pub mod layers;
pub mod plan;

pub use asked::{ModelField, parse_model_field};
pub use features::{Features, Need, Needs};
pub use layers::{can_escalate, next_layer, select_initial_layer};
pub use options::{RoutingOptions, TaskModels};
pub use plan::{
    Advice, Bar, Candidate, Considered, Health, Plan, Question, Snapshot, Verdict, Weighed,
    WeighedModel, plan, plan_operation, plan_without,
};
pub use prose::layer_in_message;
