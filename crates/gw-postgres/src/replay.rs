//! Brings what the journals hold into the database, in order and once.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gw_core::{Error, Kind, Result};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task;

use crate::database::Database;
use crate::fault::Fault;
use crate::journal::{self, Chunk, Journal, Orphan, Span};
use crate::transaction::{self, Author, Write};

/// This process's journal, and whether the database lacks something that stands in it.
pub(crate) struct Backlog {
    pub(crate) journal: Mutex<Journal>,
    pub(crate) is_behind: watch::Sender<bool>,
    /// False where the journal may refuse a record; read by every call, so not behind the lock, which
    /// is held while the disk works.
    pub(crate) has_room: AtomicBool,
}

/// Replays this process's journal whenever there is something in it. Never ends.
pub(crate) async fn run(database: Arc<Database>, backlog: Arc<Backlog>, author: Author) {
    let mut is_behind = backlog.is_behind.subscribe();
    loop {
        // The sender lives in `backlog`.
        let _ = is_behind.wait_for(|is_behind| *is_behind).await;
        database.wait_until_up().await;
        if let Err(fault) = catch_up(&database, &backlog, &author).await {
            tracing::debug!(?fault, "the journal is not replayed yet");
            database.note(&fault);
            tokio::time::sleep(database.retry).await;
        }
    }
}

/// Replays until nothing is left.
async fn catch_up(database: &Database, backlog: &Backlog, author: &Author) -> Result<(), Fault> {
    let began = backlog.journal.lock().waiting();
    tracing::info!(waiting = began, "PostgreSQL answers; the journal is being written to it");
    loop {
        let span = backlog.journal.lock().unreplayed();
        let Some(span) = span else { return Ok(()) };
        let chunk = read(span.clone()).await?;
        if chunk.damaged > 0 {
            tracing::error!(path = %span.path.display(), damaged = chunk.damaged, "the journal has lines that cannot be read");
        }
        let folder = span.path.parent().unwrap_or(Path::new("."));
        commit(database, author, &chunk.writes, folder).await?;
        let writes = chunk.writes.len() as u64;
        let mut journal = backlog.journal.lock();
        if journal.replayed(chunk.next, writes) {
            backlog.has_room.store(true, Ordering::Relaxed);
            // Under the lock: no write can go to the journal between the two.
            backlog.is_behind.send_replace(false);
            tracing::info!("the journal is replayed; records go to PostgreSQL again");
            return Ok(());
        }
    }
}

/// Replays what dead processes left in the folder.
///
/// # Errors
/// [`Kind::StoreUnavailable`]: the database or the disk refuses. Nothing is lost by trying again.
pub(crate) async fn adopt(database: &Database, folder: &Path) -> Result<u64> {
    let place = folder.to_owned();
    let orphans = blocking(move || journal::left_behind(&place)).await;
    let orphans = orphans.map_err(|error| unreadable(folder, error))?;
    let mut adopted = 0;
    for orphan in orphans {
        let path = orphan.span.path.clone();
        let writes = adopt_one(database, folder, orphan).await?;
        if writes > 0 {
            tracing::warn!(path = %path.display(), writes, "the journal of a process that ended early was replayed");
        }
        adopted += writes;
    }
    Ok(adopted)
}

async fn adopt_one(database: &Database, folder: &Path, orphan: Orphan) -> Result<u64> {
    let (mut writes, mut damaged) = (0, 0);
    let mut span = orphan.span.clone();
    while span.from < span.end {
        let chunk = read(span.clone()).await.map_err(|fault| database.error(fault))?;
        if !chunk.writes.is_empty() {
            know(database, &orphan.author).await?;
        }
        commit(database, &orphan.author, &chunk.writes, folder)
            .await
            .map_err(|fault| database.error(fault))?;
        writes += chunk.writes.len() as u64;
        damaged += chunk.damaged;
        if chunk.next == span.from {
            break;
        }
        span.from = chunk.next;
    }
    let done = blocking(move || orphan.done(damaged)).await;
    done.map_err(|error| unreadable(folder, error))?;
    Ok(writes)
}

/// An author that was forgotten is known again, as one that is dead.
async fn know(database: &Database, author: &Author) -> Result<()> {
    let sql = "INSERT INTO gateway.instances (id, name, started_at_ms, heartbeat_at)
               VALUES ($1, $2, $3, clock_timestamp() - interval '1 day') ON CONFLICT (id) DO NOTHING";
    let values: crate::database::Values<'_> = &[&author.id, &author.name, &author.started_at_ms];
    database.change(sql, values).await.map(drop)
}

/// Commits writes; one that the database will never take is put aside and harms no neighbour.
async fn commit(
    database: &Database,
    author: &Author,
    writes: &[Write],
    folder: &Path,
) -> Result<(), Fault> {
    let all: Vec<&Write> = writes.iter().collect();
    match database.within(transaction::commit(database, author, &all)).await {
        Err(fault) if fault.is_refusal() => {}
        outcome => return outcome,
    }
    for write in writes {
        match database.within(transaction::commit(database, author, &[write])).await {
            Err(fault) if fault.is_refusal() => {
                tracing::error!(?fault, seq = write.seq, folder = %folder.display(), "PostgreSQL refuses a journaled record; it is kept beside the journal");
                journal::keep_refused(folder, author, write).map_err(|error| {
                    Fault::Connect(format!("a refused record cannot be kept: {error}"))
                })?;
            }
            outcome => outcome?,
        }
    }
    Ok(())
}

async fn read(span: Span) -> Result<Chunk, Fault> {
    blocking(move || journal::read(&span))
        .await
        .map_err(|error| Fault::Unreadable { column: "the journal", source: Box::new(error) })
}

/// Runs work on files where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    task::spawn_blocking(work).await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

fn unreadable(folder: &Path, error: std::io::Error) -> Error {
    let message = format!("the journals in `{}` cannot be read ({error})", folder.display());
    Error::new(Kind::StoreUnavailable, message)
        .with_hint("let the gateway's user read and write that folder")
        .with_source(error)
}
