//! The store as the gateway holds it: opening, keeping, closing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gw_core::seam::{Clock, Entropy, StoreHealth};
use gw_core::{CallId, Error, InstanceId, Kind, Result};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_postgres::Row;

use crate::database::{Database, Values};
use crate::fault::Fault;
use crate::journal::Journal;
use crate::keeper::{Keeper, Revision};
use crate::options::PostgresOptions;
use crate::replay::{self, Backlog};
use crate::retention::{self, Retention};
use crate::transaction::{Author, Body};
use crate::writer::{Queue, Writer};
use crate::{listen, migrate};

/// Longest that a flush waits for the journal to be replayed.
const FLUSH_WAIT: Duration = Duration::from_secs(5);

/// The store. Clones are one store; when the last is gone, what was queued is still written as long as
/// the runtime runs. Wait for [`StoreHealth::flush`] before.
#[derive(Clone)]
pub struct PostgresStore {
    inner: Arc<Inner>,
}

struct Inner {
    database: Arc<Database>,
    backlog: Arc<Backlog>,
    queue: Queue,
    clock: Arc<dyn Clock>,
    id: InstanceId,
    revision: Arc<Revision>,
    retention: Arc<Mutex<Retention>>,
    tasks: Vec<AbortHandle>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The writer ends by itself when its queue is empty.
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl PostgresStore {
    /// Opens the store: brings the schema up to date, writes what journals of dead processes hold, and
    /// starts the store's tasks on the current runtime. What was spent is complete when it returns.
    ///
    /// # Errors
    /// [`Kind::NotConfigured`]: the address or the certificates cannot be read.
    /// [`Kind::StoreUnavailable`]: the database does not answer, refuses the user, was made by a newer
    /// gateway or another program; or the journal's folder cannot be used.
    pub async fn open(
        options: PostgresOptions,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
    ) -> Result<Self> {
        let database = Arc::new(Database::new(&options)?);
        let now_ms = clock.unix_ms();
        migrate::migrate(&database, now_ms).await?;
        replay::adopt(&database, &options.journal.folder).await?;
        let author = Author {
            id: CallId::new(&*clock, entropy).to_string(),
            name: options.instance_name.clone(),
            started_at_ms: now_ms,
        };
        let journal = Journal::create(&options.journal, &author)?;
        let backlog = Arc::new(Backlog {
            journal: Mutex::new(journal),
            is_behind: watch::Sender::new(false),
            has_room: AtomicBool::new(true),
        });
        let revision = Arc::new(Revision::new());
        let keeper = Keeper {
            database: Arc::clone(&database),
            revision: Arc::clone(&revision),
            author: author.clone(),
            is_replica: options.is_replica,
        };
        keeper.beat().await.map_err(|fault| database.error(fault))?;
        let retention = Arc::new(Mutex::new(Retention::default()));
        let (queue, jobs) = Queue::new();
        let writer = Writer {
            database: Arc::clone(&database),
            backlog: Arc::clone(&backlog),
            author: author.clone(),
            seq: 0,
        };
        tokio::spawn(writer.run(jobs));
        let id = InstanceId::from(author.id.as_str());
        let trim =
            retention::run(Arc::clone(&database), Arc::clone(&retention), Arc::clone(&clock));
        let replay = replay::run(Arc::clone(&database), Arc::clone(&backlog), author);
        let tasks = vec![
            tokio::spawn(keeper.run()).abort_handle(),
            tokio::spawn(listen::run(Arc::clone(&database))).abort_handle(),
            tokio::spawn(replay).abort_handle(),
            tokio::spawn(trim).abort_handle(),
        ];
        let inner = Inner { database, backlog, queue, clock, id, revision, retention, tasks };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Host, port and database, for people.
    pub fn place(&self) -> &str {
        self.inner.database.address.place.as_str()
    }

    /// Writes that stand in the journal and not yet in the database.
    pub fn journaled(&self) -> u64 {
        self.inner.backlog.journal.lock().waiting()
    }

    /// How long and how many calls are kept with all they say; from now on. The sums of usage and
    /// spending stay whatever is removed. At first everything is kept.
    pub fn set_retention(&self, retention: Retention) {
        *self.inner.retention.lock() = retention;
    }

    /// Removes now what [`PostgresStore::set_retention`] says, rather than within seconds.
    ///
    /// # Errors
    /// [`Kind::StoreUnavailable`].
    pub async fn trim(&self) -> Result<()> {
        let retention = *self.inner.retention.lock();
        retention::trim(&self.inner.database, retention, self.inner.clock.unix_ms()).await
    }

    /// False where a record could be refused.
    pub(crate) fn has_journal_room(&self) -> bool {
        self.inner.backlog.has_room.load(Ordering::Relaxed)
    }

    pub(crate) fn database(&self) -> &Database {
        &self.inner.database
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.inner.clock
    }

    pub(crate) fn own_id(&self) -> &InstanceId {
        &self.inner.id
    }

    pub(crate) fn changes(&self) -> &Revision {
        &self.inner.revision
    }

    /// Hands a write to the writer and waits until it survives.
    pub(crate) async fn keep(&self, body: Body) -> Result<()> {
        self.inner.queue.keep(body).await
    }

    /// Reads what writes of this process go to: waits a little for the journal where it is being
    /// replayed, so that a caller sees its own writes.
    pub(crate) async fn kept(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>> {
        self.caught_up(self.inner.database.slow).await;
        self.database().query(sql, values).await
    }

    /// Waits until the journal is replayed; not where the database is gone.
    async fn caught_up(&self, longest: Duration) {
        let mut is_behind = self.inner.backlog.is_behind.subscribe();
        if *is_behind.borrow() && self.inner.database.is_up() {
            let caught_up = is_behind.wait_for(|is_behind| !is_behind);
            // A journal that is still behind is no failure: what it holds is safe.
            let _ = tokio::time::timeout(longest, caught_up).await;
        }
    }

    /// Reads rows.
    pub(crate) fn read<T>(&self, read: impl FnOnce() -> Result<T, Fault>) -> Result<T> {
        read().map_err(|fault| self.inner.database.error(fault))
    }
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").field("place", &self.place()).finish_non_exhaustive()
    }
}

#[async_trait]
impl StoreHealth for PostgresStore {
    async fn check(&self) -> Result<()> {
        let found = self.database().query("SELECT pg_is_in_recovery()", &[]).await;
        let waiting = self.journaled();
        let is_standby: bool = match found {
            Err(error) if waiting > 0 => {
                let message = format!("{}; {waiting} records wait in the journal", error.message());
                let hint = error.hint().unwrap_or_default().to_owned();
                return Err(Error::new(Kind::StoreUnavailable, message).with_hint(hint));
            }
            found => {
                let found = found?;
                self.read(|| found.first().map_or(Ok(false), |row| Ok(row.try_get(0)?)))?
            }
        };
        if is_standby {
            let message = format!("PostgreSQL {} is a standby and takes no writes", self.place());
            return Err(Error::new(Kind::StoreUnavailable, message)
                .with_hint("name the primary in store.url"));
        }
        Ok(())
    }

    async fn ready(&self) -> Result<()> {
        match self.has_journal_room() {
            true => Ok(()),
            false => Err(Error::new(
                Kind::StoreUnavailable,
                format!("PostgreSQL {} is away and the journal is full", self.place()),
            )
            .with_hint("bring the database back, or raise store.journal_megabytes_max")),
        }
    }

    async fn flush(&self) -> Result<()> {
        self.inner.queue.flush().await?;
        self.caught_up(FLUSH_WAIT).await;
        Ok(())
    }
}
