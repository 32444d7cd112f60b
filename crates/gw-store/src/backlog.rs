//! Records that the store does not take now: kept in order, in memory and in a file of their own, and
//! handed to the store when it takes them again. What a call cost is thus never lost to a store that is
//! locked, full or away, nor to a restart meanwhile.
//!
//! While anything waits here, new records wait behind it: nobody is held up by a store that is known
//! not to answer. Where no file is named (a store in memory) the records wait in memory only.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gw_core::limits::{BACKLOG_BYTES_MAX, BACKLOG_RECORD_BYTES_MAX};
use gw_core::record::{CallRecord, ConversationStats, Stats, StatsFilter};
use gw_core::seam::CallLog;
use gw_core::{ConversationId, Error, Kind, Result};
use tokio::sync::{Mutex, Notify};

/// Pause between two tries at a store that does not take records.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A call log in front of another that may refuse for a while.
pub struct Backlog {
    store: Arc<dyn CallLog>,
    waiting: Arc<Mutex<Waiting>>,
    /// Bytes that wait; read without the lock.
    bytes: Arc<AtomicUsize>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    /// Records as lines of JSON.
    lines: VecDeque<Vec<u8>>,
    file: Option<File>,
}

impl Backlog {
    /// A backlog before a store, with what an earlier process left in the file.
    ///
    /// # Errors
    /// [`Kind::StoreUnavailable`] naming the file, where it cannot be opened or read.
    pub fn open(store: Arc<dyn CallLog>, path: Option<&Path>) -> Result<Self> {
        let waiting = match path {
            Some(path) => read(path).map_err(|error| fault(path, error))?,
            None => Waiting::default(),
        };
        let bytes = waiting.lines.iter().map(Vec::len).sum();
        let (waiting, bytes) = (Arc::new(Mutex::new(waiting)), Arc::new(AtomicUsize::new(bytes)));
        Ok(Self { store, waiting, bytes, arrived: Notify::new() })
    }

    /// Where the backlog of a store's file stands.
    pub fn path_beside(store: &Path) -> PathBuf {
        let mut name = store.as_os_str().to_owned();
        name.push(".backlog");
        name.into()
    }

    /// Records that wait for the store.
    pub async fn len(&self) -> usize {
        self.waiting.lock().await.lines.len()
    }

    /// True where none waits.
    pub fn is_empty(&self) -> bool {
        self.bytes.load(Ordering::Acquire) == 0
    }

    /// Hands over what waits until nothing does.
    ///
    /// # Errors
    /// The store's, where it still refuses; the rest goes on waiting.
    pub async fn hand_over(&self) -> Result<()> {
        // The store ignores a record that it has: one that is handed over twice counts once.
        while let Some(line) = self.first().await {
            match serde_json::from_slice::<CallRecord>(&line) {
                Ok(record) => match self.store.record(record).await {
                    Err(error) if error.kind() == Kind::StoreUnavailable => return Err(error),
                    Err(error) => tracing::error!(
                        record = %String::from_utf8_lossy(&line),
                        message = error.message(),
                        "a record that waited was refused for good"
                    ),
                    Ok(()) => {}
                },
                Err(_) => tracing::error!("a record that waited cannot be read: it was cut off"),
            }
            self.remove_first().await;
        }
        Ok(())
    }

    /// Hands over what waits, whenever something does; for ever.
    pub async fn keep_handing_over(&self) {
        loop {
            if self.is_empty() {
                self.arrived.notified().await;
            }
            if self.hand_over().await.is_ok() {
                tracing::info!("every record that waited is in the store");
            } else {
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        }
    }

    async fn first(&self) -> Option<Vec<u8>> {
        self.waiting.lock().await.lines.front().cloned()
    }

    async fn remove_first(&self) {
        let mut waiting = Arc::clone(&self.waiting).lock_owned().await;
        let Some(line) = waiting.lines.pop_front() else { return };
        self.bytes.fetch_sub(line.len(), Ordering::AcqRel);
        if !waiting.lines.is_empty() {
            return;
        }
        let emptied = tokio::task::spawn_blocking(move || match &mut waiting.file {
            Some(file) => file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0)).map(drop)),
            None => Ok(()),
        });
        // What stays in the file is read again and ignored by the store, which has it.
        if !matches!(emptied.await, Ok(Ok(()))) {
            tracing::warn!("the file of waiting records could not be emptied");
        }
    }

    /// Keeps a record that the store does not take.
    async fn keep(&self, record: &CallRecord) -> Result<()> {
        let mut line = serde_json::to_vec(record)
            .map_err(|error| Error::internal("a record is no JSON").with_source(error))?;
        line.push(b'\n');
        let bytes = line.len();
        let mut waiting = Arc::clone(&self.waiting).lock_owned().await;
        let written = tokio::task::spawn_blocking(move || {
            let written = match &mut waiting.file {
                Some(file) => file.write_all(&line),
                None => Ok(()),
            };
            waiting.lines.push_back(line);
            written
        });
        let written = written.await;
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
        self.arrived.notify_one();
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                // It waits in memory all the same; the caller is told that a crash would lose it.
                let message = "neither the store nor its backlog takes records";
                Err(Error::new(Kind::StoreUnavailable, message)
                    .with_hint("Make room on the disk, or mend the rights of the store's folder.")
                    .with_source(error))
            }
            Err(_) => Err(Error::internal("a record could not be put aside")),
        }
    }
}

#[async_trait]
impl CallLog for Backlog {
    async fn record(&self, call: CallRecord) -> Result<()> {
        if self.is_empty() {
            match self.store.record(call.clone()).await {
                Err(error) if error.kind() == Kind::StoreUnavailable => {
                    tracing::warn!(message = error.message(), "records wait for the store");
                }
                other => return other,
            }
        }
        self.keep(&call).await
    }

    async fn stats(&self, filter: StatsFilter) -> Result<Stats> {
        self.store.stats(filter).await
    }

    async fn conversation_stats(&self, id: &ConversationId) -> Result<Option<ConversationStats>> {
        self.store.conversation_stats(id).await
    }

    async fn recent_calls(&self, limit: usize) -> Result<Vec<CallRecord>> {
        self.store.recent_calls(limit).await
    }

    fn has_room(&self) -> bool {
        self.bytes.load(Ordering::Acquire) < BACKLOG_BYTES_MAX && self.store.has_room()
    }
}

impl std::fmt::Debug for Backlog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backlog").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// Opens the file for this user alone, and reads what it holds. A last line that was cut off belongs
/// to a record whose client never had the end of its answer.
fn read(path: &Path) -> std::io::Result<Waiting> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    if file.try_lock().is_err() {
        // Another program at the same store owns the file; ours wait in memory.
        return Ok(Waiting::default());
    }
    let mut lines = VecDeque::new();
    let mut reader = BufReader::new(&mut file);
    loop {
        let mut line = Vec::new();
        let limit = u64::try_from(BACKLOG_RECORD_BYTES_MAX).unwrap_or(u64::MAX);
        let read = std::io::Read::take(&mut reader, limit).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if line.ends_with(b"\n") {
            lines.push_back(line);
        }
    }
    drop(reader);
    Ok(Waiting { lines, file: Some(file) })
}

fn fault(path: &Path, error: std::io::Error) -> Error {
    let message =
        format!("the file of waiting records `{}` cannot be used ({error})", path.display());
    Error::new(Kind::StoreUnavailable, message)
        .with_hint("Mend its rights; it holds calls that are not in the store yet.")
        .with_source(error)
}

#[cfg(test)]
mod tests;
