//! The one writer: a thread that commits whatever waits in its queue as one transaction and then
//! answers every waiter.
//!
//! A write is answered after COMMIT only. The transaction's frames are then in the write-ahead log,
//! handed to the operating system, so they outlive the process. A transaction that fails is taken
//! back and its writes tried one by one, so that a bad write harms no neighbour.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use gw_core::{Result, limits};
use parking_lot::Mutex;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::calls::CallRow;
use super::conversations::{self, Conversation, TurnRow};
use super::fault::{self, Place};
use super::responses::ResponseRow;
use super::retention::{self, Retention};
use super::tally::{self, Tally};

/// Something to be written.
#[derive(Debug)]
pub(super) enum Write {
    Call(Box<CallRow>),
    Turns(Conversation, Vec<TurnRow>),
    /// A summary as JSON text.
    Summary(Conversation, String),
    /// A TODO list as JSON text.
    Todo(Conversation, String),
    /// A response kept for its client.
    Response(Box<ResponseRow>),
    /// Definitions of keys, accounts, budgets and limits; gives the number of rows changed. It may
    /// run twice: alone again where the transaction with its neighbours failed.
    Define(Definition),
    /// A sign of life.
    Ping,
    /// Answered when every call kept so far is in the sums.
    Sums,
    /// Answered when everything queued before it is committed and on the disk.
    Flush,
}

impl Write {
    fn weight(&self) -> usize {
        match self {
            Self::Call(call) => call.weight(),
            Self::Turns(_, turns) => turns.iter().map(TurnRow::weight).sum(),
            Self::Summary(_, text) | Self::Todo(_, text) => text.len(),
            Self::Response(response) => response.weight(),
            Self::Define(_) => 1_024,
            Self::Ping | Self::Sums | Self::Flush => 0,
        }
    }
}

type Change = Box<dyn Fn(&Connection) -> rusqlite::Result<usize> + Send>;

/// A change of definitions.
pub(super) struct Definition(pub(super) Change);

impl std::fmt::Debug for Definition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Definition(..)")
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Done,
    /// A call, with its rowid.
    Call(i64),
    SummaryVersion(u32),
    /// The place of the last turn.
    Place(u64),
    Rows(usize),
}

struct Job {
    write: Write,
    reply: oneshot::Sender<Result<Written>>,
}

/// The way to the writer. Dropped, it waits until everything queued is written.
pub(super) struct Queue {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
    place: Place,
}

impl Queue {
    /// Starts the writer's thread.
    pub(super) fn start(
        connection: Arc<Mutex<Connection>>,
        place: Place,
        retention: Arc<Mutex<Retention>>,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(limits::STORE_QUEUE_MAX);
        let mut writer = Writer {
            connection,
            place: place.clone(),
            is_faulty: false,
            retention,
            tally: Tally::default(),
        };
        // What an earlier process kept and did not add. Held up by another one, it is added later.
        drop(writer.add_up());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || runtime.block_on(writer.run(queue)))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), place })
    }

    /// Waits for room in the queue, then for the commit.
    pub(super) async fn write(&self, write: Write) -> Result<Written> {
        let (reply, answer) = oneshot::channel();
        let Some(jobs) = &self.jobs else {
            return Err(self.place.stopped("writer"));
        };
        jobs.send(Job { write, reply }).await.map_err(|_| self.place.stopped("writer"))?;
        answer.await.unwrap_or_else(|_| Err(self.place.stopped("writer")))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(store = self.place.as_str(), "the store's writer broke off");
        }
    }
}

struct Writer {
    connection: Arc<Mutex<Connection>>,
    place: Place,
    is_faulty: bool,
    retention: Arc<Mutex<Retention>>,
    tally: Tally,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut due = std::pin::pin!(tokio::time::sleep(Duration::ZERO));
        let mut is_due_set = false;
        loop {
            if self.tally.is_empty() {
                is_due_set = false;
            } else if !is_due_set {
                due.as_mut().reset(Instant::now() + Duration::from_millis(tally::DUE_MS));
                is_due_set = true;
            }
            let first = tokio::select! {
                biased;
                () = &mut due, if is_due_set => {
                    is_due_set = false;
                    drop(self.add_up());
                    continue;
                }
                first = queue.recv() => first,
            };
            let Some(first) = first else { break };
            let mut weight = first.write.weight();
            let mut batch = vec![first];
            while batch.len() < limits::STORE_BATCH_MAX && weight < limits::STORE_BATCH_BYTES_MAX {
                let Ok(next) = queue.try_recv() else {
                    break;
                };
                weight = weight.saturating_add(next.write.weight());
                batch.push(next);
            }
            self.commit(batch);
            if self.tally.is_full() {
                drop(self.add_up());
            }
        }
        drop(self.add_up());
    }

    /// Adds kept calls to the sums. Where that fails they stay behind the mark and are added later.
    fn add_up(&mut self) -> Result<()> {
        self.try_add_up().map_err(|error| {
            tracing::warn!(store = self.place.as_str(), %error, "calls wait to be added to the sums");
            self.place.fault(error)
        })
    }

    fn try_add_up(&mut self) -> rusqlite::Result<()> {
        let mut connection = self.connection.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(now_ms) = self.tally.add_up(&transaction)? {
            let retention = *self.retention.lock();
            retention::trim(&transaction, retention, now_ms)?;
            // The last row may have gone, and its rowid will be given again.
            tally::mark_all(&transaction)?;
        }
        transaction.commit()?;
        self.tally.clear();
        Ok(())
    }

    fn commit(&mut self, batch: Vec<Job>) {
        match self.write_together(&batch) {
            Ok(written) => {
                for (job, written) in batch.into_iter().zip(written) {
                    self.answer(job, Ok(written));
                }
            }
            Err(error) if batch.len() == 1 || fault::is_slow(&error) => {
                let error = self.place.fault(error);
                self.note_fault(&error);
                for job in batch {
                    // The waiter may have gone; nobody else wants the answer.
                    let _ = job.reply.send(Err(error.clone()));
                }
            }
            Err(_) => {
                for job in batch {
                    self.commit(vec![job]);
                }
            }
        }
    }

    fn write_together(&mut self, batch: &[Job]) -> rusqlite::Result<Vec<Written>> {
        let mut connection = self.connection.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut written = Vec::with_capacity(batch.len());
        for job in batch {
            written.push(apply(&transaction, &job.write, self.is_faulty)?);
        }
        transaction.commit()?;
        drop(connection);
        self.note_success();
        Ok(written)
    }

    fn answer(&mut self, job: Job, written: Result<Written>) {
        let Job { write, reply } = job;
        let rowid = match &written {
            Ok(Written::Call(rowid)) => Some(*rowid),
            _ => None,
        };
        let answer = match write {
            Write::Sums => self.add_up().map(|()| Written::Done),
            Write::Flush => self.add_up().and(written).and_then(|done| self.sync().map(|()| done)),
            _ => written,
        };
        // The waiter may have gone; nobody else wants the answer.
        let _ = reply.send(answer);
        if let (Write::Call(row), Some(rowid)) = (write, rowid) {
            self.tally.push(rowid, row);
        }
    }

    /// Moves the log into the database as far as readers allow, with the disk's confirmation.
    fn sync(&mut self) -> Result<()> {
        let synced =
            self.connection.lock().query_one("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        synced.map_err(|error| {
            let error = self.place.fault(error);
            self.note_fault(&error);
            error
        })
    }

    fn note_fault(&mut self, error: &gw_core::Error) {
        if !self.is_faulty {
            let cause = std::error::Error::source(error);
            tracing::error!(store = self.place.as_str(), %error, cause, "the store refused a write");
        }
        self.is_faulty = true;
    }

    fn note_success(&mut self) {
        if self.is_faulty {
            tracing::info!(store = self.place.as_str(), "the store writes again");
        }
        self.is_faulty = false;
    }
}

fn apply(connection: &Connection, write: &Write, is_faulty: bool) -> rusqlite::Result<Written> {
    match write {
        Write::Call(call) => {
            let rowid = call.insert(connection)?;
            return Ok(rowid.map_or(Written::Done, Written::Call));
        }
        Write::Response(response) => response.put(connection)?,
        Write::Define(Definition(change)) => return change(connection).map(Written::Rows),
        Write::Turns(conversation, turns) => {
            return conversations::insert_turns(connection, conversation, turns)
                .map(Written::Place);
        }
        Write::Summary(conversation, text) => {
            let version = conversations::insert_summary(connection, conversation, text)?;
            return Ok(Written::SummaryVersion(version));
        }
        Write::Todo(conversation, text) => {
            conversations::upsert_todo(connection, conversation, text)?;
        }
        // Taking the write lock is sign enough while all is well. After a fault only a real write
        // tells: setting the unused version number writes the first page.
        Write::Ping if is_faulty => connection.pragma_update(None, "user_version", 0)?,
        Write::Ping | Write::Sums | Write::Flush => {}
    }
    Ok(Written::Done)
}
