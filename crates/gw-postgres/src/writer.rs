//! The one writer of this process: commits whatever waits in its queue as one transaction and then
//! answers every waiter. What the database does not take in time goes to the journal, in order; as
//! long as something stands there, everything goes there.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use gw_core::{Error, Kind, Result, limits};
use tokio::sync::{mpsc, oneshot};

use crate::database::Database;
use crate::fault::Fault;
use crate::replay::{Backlog, blocking};
use crate::transaction::{self, Author, Body, Write};

/// Something for the writer to do.
pub(crate) enum Job {
    /// To be kept; answered when it survives.
    Keep(Body, oneshot::Sender<Result<()>>),
    /// Answered when everything queued before it is kept.
    Flush(oneshot::Sender<Result<()>>),
}

/// The way to the writer.
#[derive(Clone)]
pub(crate) struct Queue(mpsc::Sender<Job>);

impl Queue {
    /// A queue and its other end.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Job>) {
        let (jobs, queue) = mpsc::channel(limits::STORE_QUEUE_MAX);
        (Self(jobs), queue)
    }

    /// Waits for room in the queue, then until the write survives.
    pub(crate) async fn keep(&self, body: Body) -> Result<()> {
        self.ask(|reply| Job::Keep(body, reply)).await
    }

    /// Waits until everything queued so far survives.
    pub(crate) async fn flush(&self) -> Result<()> {
        self.ask(Job::Flush).await
    }

    async fn ask(&self, job: impl FnOnce(oneshot::Sender<Result<()>>) -> Job) -> Result<()> {
        let stopped = || {
            Error::new(Kind::StoreUnavailable, "the store's writer has stopped")
                .with_hint("restart the gateway; everything confirmed is kept")
        };
        let (reply, answer) = oneshot::channel();
        self.0.send(job(reply)).await.map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}

/// The writer.
pub(crate) struct Writer {
    pub(crate) database: Arc<Database>,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) author: Author,
    pub(crate) seq: i64,
}

/// Writes of one transaction with those who wait for them.
#[derive(Default)]
struct Batch {
    writes: Vec<Write>,
    waiters: Vec<oneshot::Sender<Result<()>>>,
    flushes: Vec<oneshot::Sender<Result<()>>>,
    weight: usize,
}

impl Writer {
    /// Works until the queue is closed and empty.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.recv().await {
            let mut batch = Batch::default();
            self.add(&mut batch, first);
            while batch.writes.len() < limits::STORE_BATCH_MAX
                && batch.weight < limits::STORE_BATCH_BYTES_MAX
            {
                let Ok(next) = queue.try_recv() else {
                    break;
                };
                self.add(&mut batch, next);
            }
            self.keep(batch).await;
        }
        self.backlog.journal.lock().end();
        self.database.close();
    }

    fn add(&mut self, batch: &mut Batch, job: Job) {
        match job {
            Job::Keep(body, waiter) => {
                self.seq += 1;
                batch.weight += body.weight();
                batch.writes.push(Write { seq: self.seq, body });
                batch.waiters.push(waiter);
            }
            Job::Flush(waiter) => batch.flushes.push(waiter),
        }
    }

    async fn keep(&self, batch: Batch) {
        let Batch { writes, waiters, flushes, .. } = batch;
        if !writes.is_empty() {
            self.write(writes, waiters).await;
        }
        if flushes.is_empty() {
            return;
        }
        let backlog = Arc::clone(&self.backlog);
        let synced = blocking(move || Ok(backlog.journal.lock().sync())).await;
        let synced = synced.unwrap_or_else(|error| Err(Error::internal(error.to_string())));
        for waiter in flushes {
            // The waiter may have gone; nobody else wants the answer.
            let _ = waiter.send(synced.clone());
        }
    }

    async fn write(&self, writes: Vec<Write>, waiters: Vec<oneshot::Sender<Result<()>>>) {
        if *self.backlog.is_behind.borrow() || !self.database.is_up() {
            return answer(waiters, &self.put_aside(writes).await);
        }
        match self.commit(&writes.iter().collect::<Vec<_>>()).await {
            Ok(()) => answer(waiters, &Ok(())),
            Err(fault) if fault.is_refusal() && writes.len() > 1 => {
                for (write, waiter) in writes.into_iter().zip(waiters) {
                    Box::pin(self.write(vec![write], vec![waiter])).await;
                }
            }
            Err(fault) if fault.is_refusal() => {
                answer(waiters, &Err(self.database.error(fault)));
            }
            Err(fault) => {
                tracing::warn!(
                    ?fault,
                    writes = writes.len(),
                    "PostgreSQL does not take records; they go to the journal"
                );
                self.database.note(&fault);
                answer(waiters, &self.put_aside(writes).await);
            }
        }
    }

    async fn commit(&self, writes: &[&Write]) -> Result<(), Fault> {
        let commit = transaction::commit(&self.database, &self.author, writes);
        tokio::time::timeout(self.database.slow, commit).await.unwrap_or(Err(Fault::Slow))
    }

    /// Adds writes to the journal.
    async fn put_aside(&self, writes: Vec<Write>) -> Result<()> {
        let backlog = Arc::clone(&self.backlog);
        let appended = blocking(move || {
            let mut journal = backlog.journal.lock();
            let appended = journal.append(&writes);
            backlog.is_behind.send_replace(journal.is_behind());
            backlog.has_room.store(journal.has_room(), Ordering::Relaxed);
            Ok(appended)
        });
        appended.await.unwrap_or_else(|error| Err(Error::internal(error.to_string())))
    }
}

fn answer(waiters: Vec<oneshot::Sender<Result<()>>>, answer: &Result<()>) {
    for waiter in waiters {
        // The waiter may have gone; nobody else wants the answer.
        let _ = waiter.send(answer.clone());
    }
}
