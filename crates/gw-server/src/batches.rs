//! Answers batches in the background: each request goes through the door that it is for, with the
//! caller who made the batch, and its answer is durable before it counts.
//!
//! A process that is killed loses no answer: the next one goes on with the requests that have none. A
//! request that was under way then is asked again.

mod line;
mod object;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use gw_core::batch::{Batch, BatchLine, BatchStatus, FileInfo};
use gw_core::limits::BATCH_REQUESTS_AT_ONCE_MAX;
use gw_core::seam::Batches;
use gw_core::{CallId, Error, Kind, Result};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::app::Server;

pub(crate) use line::{ENDPOINTS, Line, parse};
pub(crate) use object::{batch_object, file_object};

/// Batches under way in this process.
#[derive(Default)]
pub(crate) struct Desk {
    under_way: Mutex<HashMap<String, Arc<UnderWay>>>,
    places: Places,
}

struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BATCH_REQUESTS_AT_ONCE_MAX)))
    }
}

/// A batch under way: one task changes it, and whoever withdraws it.
struct UnderWay {
    batch: tokio::sync::Mutex<Batch>,
    is_withdrawn: AtomicBool,
}

/// Where files and batches are kept.
///
/// # Errors
/// [`Kind::NotConfigured`] for a store that keeps none.
pub(crate) fn store(server: &Server) -> Result<&Arc<dyn Batches>> {
    server.app.batches.as_ref().ok_or_else(|| {
        Error::new(Kind::NotConfigured, "this store keeps no files and batches")
            .with_hint("they are kept in SQLite: leave out store.postgres")
    })
}

/// A new id: `file-…`, `batch_…`.
pub(crate) fn new_id(server: &Server, start: &str) -> String {
    let resources = server.app.engine.resources();
    let id = CallId::new(resources.clock.as_ref(), resources.entropy.as_ref());
    format!("{start}{}", id.to_string().replace('-', ""))
}

/// Goes on with every batch that is not over.
pub(crate) async fn resume(server: Arc<Server>) {
    let Ok(store) = store(&server) else { return };
    match store.unfinished_batches().await {
        Ok(batches) => batches.into_iter().for_each(|batch| start(&server, batch)),
        Err(error) => tracing::error!(message = error.message(), "batches could not be read"),
    }
}

/// Begins to answer a batch.
pub(crate) fn start(server: &Arc<Server>, batch: Batch) {
    let id = batch.id.clone();
    let is_withdrawn = AtomicBool::new(batch.status == BatchStatus::Cancelling);
    let under_way = Arc::new(UnderWay { batch: tokio::sync::Mutex::new(batch), is_withdrawn });
    server.batches.under_way.lock().insert(id.clone(), Arc::clone(&under_way));
    let server = Arc::clone(server);
    tokio::spawn(async move {
        if let Err(error) = run(&server, &under_way).await {
            tracing::error!(batch = %id, message = error.message(), "a batch stands still");
        }
        server.batches.under_way.lock().remove(&id);
    });
}

/// Withdraws a batch; gives how it stands then.
///
/// # Errors
/// [`Kind::StoreUnavailable`]; [`Kind::Conflict`] for one that is over.
pub(crate) async fn withdraw(server: &Server, batch: Batch) -> Result<Batch> {
    if batch.status.is_final() {
        let message = format!("the batch is over: {}", batch.status.as_str());
        return Err(Error::new(Kind::Conflict, message));
    }
    let under_way = server.batches.under_way.lock().get(&batch.id).cloned();
    let Some(under_way) = under_way else {
        // Nobody works on it.
        let mut batch = batch;
        end(server, &mut batch, BatchStatus::Cancelled).await?;
        return Ok(batch);
    };
    under_way.is_withdrawn.store(true, Ordering::Release);
    let mut held = under_way.batch.lock().await;
    if held.status == BatchStatus::InProgress {
        held.status = BatchStatus::Cancelling;
        held.cancelling_at_ms = Some(server.now_ms());
        store(server)?.put_batch(&held).await?;
    }
    Ok(held.clone())
}

async fn run(server: &Arc<Server>, under_way: &UnderWay) -> Result<()> {
    let batch = under_way.batch.lock().await.clone();
    let store = store(server)?;
    let content = store.file_content(&batch.owner, &batch.input_file_id).await?;
    let Some(content) = content else {
        let mut held = under_way.batch.lock().await;
        held.errors =
            vec![object::fault("file_not_found", "the file of its requests is gone", None)];
        return end(server, &mut held, BatchStatus::Failed).await;
    };
    let lines = parse(&content, &batch.endpoint).unwrap_or_default();
    let done = store.lines(&batch.id).await?;
    {
        let mut held = under_way.batch.lock().await;
        held.total = lines.len() as u64;
        held.failed = done.iter().filter(|line| line.is_error).count() as u64;
        held.completed = done.len() as u64 - held.failed;
    }
    let done: HashSet<u64> = done.into_iter().map(|line| line.line).collect();
    let left = lines.into_iter().filter(|line| !done.contains(&line.number));
    let answers = stream::iter(left).map(|line| answer(server, under_way, &batch, line));
    let mut answers = std::pin::pin!(answers.buffer_unordered(BATCH_REQUESTS_AT_ONCE_MAX));
    let mut is_stopped = false;
    while let Some(answered) = answers.next().await {
        match answered {
            Answered::Line(line) => count(server, under_way, &line).await?,
            Answered::Withdrawn => {}
            Answered::Stopping => is_stopped = true,
        }
    }
    if is_stopped {
        return Ok(());
    }
    let mut held = under_way.batch.lock().await;
    let status = match held.status {
        BatchStatus::Cancelling => BatchStatus::Cancelled,
        _ if server.now_ms() >= held.expires_at_ms => BatchStatus::Expired,
        _ => BatchStatus::Completed,
    };
    end(server, &mut held, status).await
}

/// What came of a request.
enum Answered {
    /// This.
    Line(BatchLine),
    /// It was not asked: the batch was withdrawn, or ran out of time.
    Withdrawn,
    /// It was not asked, or not answered: the gateway is about to stop.
    Stopping,
}

async fn answer(server: &Arc<Server>, under_way: &UnderWay, batch: &Batch, line: Line) -> Answered {
    let Ok(_place) = server.batches.places.0.acquire().await else { return Answered::Stopping };
    if server.app.lifecycle.is_stopping() {
        return Answered::Stopping;
    }
    let is_late = server.now_ms() >= batch.expires_at_ms;
    if is_revoked(server, batch).await {
        under_way.is_withdrawn.store(true, Ordering::Release);
        let mut held = under_way.batch.lock().await;
        if held.status == BatchStatus::InProgress {
            held.status = BatchStatus::Cancelling;
            held.cancelling_at_ms = Some(server.now_ms());
        }
    }
    if is_late || under_way.is_withdrawn.load(Ordering::Acquire) {
        return Answered::Withdrawn;
    }
    match line::answer(server, batch, &line).await {
        Some(answered) => Answered::Line(answered),
        None => Answered::Stopping,
    }
}

/// True where the key that made the batch is not good any more.
async fn is_revoked(server: &Server, batch: &Batch) -> bool {
    let Some(id) = &batch.principal.key_id else { return false };
    let Ok(Some(key)) = server.app.governance.key(id).await else { return false };
    let now_ms = server.now_ms();
    key.revoked_at_ms.or(key.expires_at_ms).is_some_and(|at_ms| at_ms <= now_ms)
}

/// Keeps what came of a request, and how far the batch is with it.
async fn count(server: &Server, under_way: &UnderWay, line: &BatchLine) -> Result<()> {
    let store = store(server)?;
    let mut held = under_way.batch.lock().await;
    store.put_line(&held.id, line).await?;
    if line.is_error {
        held.failed += 1;
    } else {
        held.completed += 1;
    }
    store.put_batch(&held).await
}

/// Makes the files of a batch and ends it.
async fn end(server: &Server, batch: &mut Batch, status: BatchStatus) -> Result<()> {
    let store = store(server)?;
    batch.finalizing_at_ms = Some(server.now_ms());
    if status != BatchStatus::Failed {
        let before = batch.status;
        if before == BatchStatus::InProgress {
            batch.status = BatchStatus::Finalizing;
            store.put_batch(batch).await?;
        }
        let lines = store.lines(&batch.id).await?;
        batch.output_file_id = make_file(server, batch, &lines, false).await?;
        batch.error_file_id = make_file(server, batch, &lines, true).await?;
    }
    batch.status = status;
    batch.ended_at_ms = Some(server.now_ms());
    store.put_batch(batch).await?;
    store.forget_lines(&batch.id).await
}

/// The file of the answers, or of the requests without one; `None` where it would be empty.
async fn make_file(
    server: &Server,
    batch: &Batch,
    lines: &[BatchLine],
    is_error: bool,
) -> Result<Option<String>> {
    let mut content = String::new();
    for line in lines.iter().filter(|line| line.is_error == is_error) {
        content.push_str(&line.text);
        content.push('\n');
    }
    if content.is_empty() {
        return Ok(None);
    }
    let kind = if is_error { "error" } else { "output" };
    let file = FileInfo {
        // The same name again where a process ended before it was noted.
        id: format!("file-{}-{kind}", batch.id.trim_start_matches("batch_")),
        owner: batch.owner.clone(),
        filename: format!("{}_{kind}.jsonl", batch.id),
        purpose: "batch_output".to_owned(),
        bytes: content.len() as u64,
        created_at_ms: server.now_ms(),
    };
    store(server)?.put_file(&file, Bytes::from(content)).await?;
    Ok(Some(file.id))
}
