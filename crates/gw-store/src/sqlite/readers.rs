//! Reads: a few connections of their own beside the writer's, used on the runtime's blocking
//! threads. A read sees every write that was answered before it began.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gw_core::{Result, limits};
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;
use tokio::task;

use super::fault::Place;

/// Where reads come from.
pub(super) enum Source {
    /// A file, opened again for every reader.
    File { path: PathBuf, busy_timeout: Duration },
    /// The writer's own connection: a database in memory has no other.
    Shared(Arc<Mutex<Connection>>),
}

/// The pool of readers.
pub(super) struct Readers {
    source: Source,
    place: Place,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(source: Source, place: Place, readers: usize) -> Self {
        let readers = readers.clamp(1, limits::STORE_READERS_MAX);
        Self {
            source,
            place,
            permits: Arc::new(Semaphore::new(readers)),
            idle: Mutex::new(Vec::with_capacity(readers)),
        }
    }

    /// Runs `query` in one read transaction, so that all it asks is of one moment.
    pub(super) async fn read<T, F>(self: &Arc<Self>, query: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| self.place.stopped("readers"))?;
        let readers = Arc::clone(self);
        let read = task::spawn_blocking(move || {
            // Held by the work, not by the waiter: a reader whose waiter left still counts.
            let _permit = permit;
            readers.run(query)
        });
        match read.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.place.fault(error)),
            Err(_) => Err(self.place.stopped("reader")),
        }
    }

    /// True where the file is still there; a deleted one would take writes and lose them.
    pub(super) fn is_in_place(&self) -> bool {
        match &self.source {
            Source::File { path, .. } => path.exists(),
            Source::Shared(_) => true,
        }
    }

    fn run<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        match &self.source {
            Source::Shared(connection) => in_transaction(&mut connection.lock(), query),
            Source::File { path, busy_timeout } => {
                let idle = self.idle.lock().pop();
                let mut connection = match idle {
                    Some(connection) => connection,
                    None => open(path, *busy_timeout)?,
                };
                // A connection that failed is not used again.
                let value = in_transaction(&mut connection, query)?;
                self.idle.lock().push(connection);
                Ok(value)
            }
        }
    }
}

fn open(path: &std::path::Path, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy_timeout)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn in_transaction<T>(
    connection: &mut Connection,
    query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.transaction()?;
    let value = query(&transaction)?;
    transaction.finish()?;
    Ok(value)
}
