//! Files that clients upload, and batches of requests that are answered in the background.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::principal::Principal;

/// A file that a client uploaded, or that a batch made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Its id: `file-…`.
    pub id: String,
    /// Whose it is: the id of a key; empty for callers without one.
    pub owner: String,
    /// Its name.
    pub filename: String,
    /// What it is for: `batch`, `batch_output`, `user_data`.
    pub purpose: String,
    /// Its size, in bytes.
    pub bytes: u64,
    /// When it came, in milliseconds since 1970.
    pub created_at_ms: i64,
}

/// Where a batch is in its life, in OpenAI's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchStatus {
    /// Its file cannot be used.
    Failed,
    /// Its requests are being answered.
    InProgress,
    /// All are answered; its files are being made.
    Finalizing,
    /// Its files are there.
    Completed,
    /// It ran out of time; what was answered until then is in its files.
    Expired,
    /// Its owner withdrew it; requests under way are still answered.
    Cancelling,
    /// Withdrawn; what was answered until then is in its files.
    Cancelled,
}

impl BatchStatus {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::InProgress => "in_progress",
            Self::Finalizing => "finalizing",
            Self::Completed => "completed",
            Self::Expired => "expired",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
        }
    }

    /// True where nothing more will happen.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Failed | Self::Completed | Self::Expired | Self::Cancelled)
    }
}

/// A batch of requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Its id: `batch_…`.
    pub id: String,
    /// Whose it is: the id of a key; empty for callers without one.
    pub owner: String,
    /// Who pays for it, as known when it was made.
    pub principal: Principal,
    /// The path that its requests are for.
    pub endpoint: String,
    /// The file of its requests.
    pub input_file_id: String,
    /// How long it may take, as the client said (`24h`).
    pub completion_window: String,
    /// What the client keeps with it.
    pub metadata: Map<String, Value>,
    /// Where it is in its life.
    pub status: BatchStatus,
    /// What is wrong with its file, one object for each fault.
    pub errors: Vec<Value>,
    /// The file of its answers, once there is one.
    pub output_file_id: Option<String>,
    /// The file of the requests that got none, once there is one.
    pub error_file_id: Option<String>,
    /// Its requests.
    pub total: u64,
    /// Those answered.
    pub completed: u64,
    /// Those that got no answer.
    pub failed: u64,
    /// When it was made, in milliseconds since 1970; likewise all that follow.
    pub created_at_ms: i64,
    /// When it is given up.
    pub expires_at_ms: i64,
    /// When its files began to be made.
    pub finalizing_at_ms: Option<i64>,
    /// When it was withdrawn.
    pub cancelling_at_ms: Option<i64>,
    /// When it ended, however.
    pub ended_at_ms: Option<i64>,
}

/// What came of one request of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchLine {
    /// Its place in the file of requests, from 0.
    pub line: u64,
    /// True where it got no answer.
    pub is_error: bool,
    /// The line of the file that it goes to, without the line break.
    pub text: String,
}
