//! The seam to the store of tool jobs that run in the background.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Result;

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    /// It waits.
    Queued,
    /// Its tool was called.
    Running,
    /// It has a result.
    Completed,
    /// It has an error.
    Failed,
    /// Its owner withdrew it.
    Cancelled,
}

impl JobStatus {
    /// True where nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// A tool call that runs in the background. Written as system C's job record (CONTRACT 3.5).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its id: `job_<ms>_<random>`.
    pub id: String,
    /// Where it is in its life.
    pub status: JobStatus,
    /// `server::tool`
    pub tool_id: String,
    /// The tool's arguments.
    pub args: Value,
    /// Higher first.
    pub priority: i64,
    /// When it was asked for, in milliseconds since 1970.
    pub created_at: i64,
    /// When its tool was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<i64>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<i64>,
    /// The tool's result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What happened, line by line.
    #[serde(default)]
    pub logs: Vec<String>,
    /// How long the call may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The tool's last word on how far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Value>,
}

/// Keeps jobs over restarts. A job belongs to the owner it was put with.
#[async_trait]
pub trait Jobs: Send + Sync + 'static {
    /// Keeps a job, in the place of an earlier state of it.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn put_job(&self, owner: &str, job: &Job) -> Result<()>;

    /// One job of an owner; `None` where there is none.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn job(&self, owner: &str, id: &str) -> Result<Option<Job>>;

    /// An owner's newest jobs first, at most `limit`.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn jobs(&self, owner: &str, limit: usize) -> Result<Vec<Job>>;

    /// Jobs that are not over, with their owners, oldest first.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn unfinished_jobs(&self) -> Result<Vec<(String, Job)>>;

    /// Forgets jobs that ended before this instant, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn forget_jobs(&self, before_unix_ms: i64) -> Result<()>;
}
