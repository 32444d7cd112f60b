//! The seams: one trait a concern, each with its contract in its docs. Rooms hold these as trait
//! objects; only the binary chooses implementations.

mod batches;
mod budget;
mod clock;
mod cluster;
mod dialect;
mod governance;
pub mod hot;
mod jobs;
mod keys;
mod operation;
mod outcomes;
mod reports;
mod responses;
mod store;
mod upstream;

pub use batches::Batches;
pub use budget::{BudgetStore, Budgets};
pub use clock::{Clock, Entropy};
pub use cluster::{Changes, Instance, Instances};
pub use dialect::{
    ClientStream, Dialect, DialectId, Edits, Frame, FrameKind, Quirks, StreamDecoder,
    StreamEncoder, Target, WireRequest,
};
pub use governance::{Governance, ManagedBudgets};
pub use hot::{Hot, HotSize};
pub use jobs::{Job, JobStatus, Jobs};
pub use keys::{Authenticator, Keys};
pub use operation::{OperationFormat, OperationFormatId};
pub use outcomes::Outcomes;
pub use reports::UsageReports;
pub use responses::Responses;
pub use store::{CallLog, Conversations, PersonalData, StoreHealth};
pub use upstream::{BodyStream, IncomingResponse, OutgoingRequest, Timeouts, Upstream};
