//! The seam to uploaded files and batches.

use async_trait::async_trait;
use bytes::Bytes;

use crate::Result;
use crate::batch::{Batch, BatchLine, FileInfo};

/// Keeps files and batches over restarts. What an owner keeps, nobody else finds.
#[async_trait]
pub trait Batches: Send + Sync + 'static {
    /// Keeps a file. When it returns, the file survives the death of the process; so for all that
    /// keeps something here.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`]; so for all that follow.
    async fn put_file(&self, file: &FileInfo, content: Bytes) -> Result<()>;

    /// What is known of a file; `None` where the owner has no such file.
    async fn file(&self, owner: &str, id: &str) -> Result<Option<FileInfo>>;

    /// The bytes of a file.
    async fn file_content(&self, owner: &str, id: &str) -> Result<Option<Bytes>>;

    /// An owner's files, the newest first, those before `after` left out, at most `limit`.
    async fn files(&self, owner: &str, after: Option<&str>, limit: usize) -> Result<Vec<FileInfo>>;

    /// Removes a file; false where there was none.
    async fn forget_file(&self, owner: &str, id: &str) -> Result<bool>;

    /// Removes files that came before this instant, in milliseconds since 1970, with the batches that
    /// ended before it.
    async fn forget_before(&self, unix_ms: i64) -> Result<()>;

    /// Bytes of all files of an owner.
    async fn file_bytes(&self, owner: &str) -> Result<u64>;

    /// Keeps a batch, in place of an earlier state of it.
    async fn put_batch(&self, batch: &Batch) -> Result<()>;

    /// One batch of an owner.
    async fn batch(&self, owner: &str, id: &str) -> Result<Option<Batch>>;

    /// An owner's batches, the newest first, those before `after` left out, at most `limit`.
    async fn batches(&self, owner: &str, after: Option<&str>, limit: usize) -> Result<Vec<Batch>>;

    /// Batches that are not over, the oldest first.
    async fn unfinished_batches(&self) -> Result<Vec<Batch>>;

    /// Keeps what came of a request; what is there already stays.
    async fn put_line(&self, batch_id: &str, line: &BatchLine) -> Result<()>;

    /// What came of the requests of a batch so far, in the order of its file.
    async fn lines(&self, batch_id: &str) -> Result<Vec<BatchLine>>;

    /// Forgets the lines of a batch, which are in its files.
    async fn forget_lines(&self, batch_id: &str) -> Result<()>;
}
