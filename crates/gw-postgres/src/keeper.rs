//! Watches over the server: a sign of life for this replica, news of changed definitions, and whether
//! a server that was gone is back.

use std::sync::Arc;
use std::time::Duration;

use gw_core::limits;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::database::Database;
use crate::fault::Fault;
use crate::transaction::Author;

/// Shortest time after which a sign of life counts as missing.
const PATIENCE: Duration = Duration::from_secs(2);

/// Changes of definitions that were noticed.
pub(crate) struct Revision {
    noticed: watch::Sender<u64>,
    known: Mutex<Option<i64>>,
}

impl Revision {
    pub(crate) fn new() -> Self {
        Self { noticed: watch::Sender::new(0), known: Mutex::new(None) }
    }

    pub(crate) fn get(&self) -> u64 {
        *self.noticed.borrow()
    }

    /// Waits until it is another than `seen`.
    pub(crate) async fn changed(&self, seen: u64) -> u64 {
        let mut noticed = self.noticed.subscribe();
        match noticed.wait_for(|revision| *revision != seen).await {
            Ok(revision) => *revision,
            // The sender lives in `self`.
            Err(_) => seen,
        }
    }

    /// Takes in the database's revision.
    fn note(&self, revision: i64, is_back: bool) {
        let known = self.known.lock().replace(revision);
        if is_back || known.is_some_and(|known| known != revision) {
            self.noticed.send_modify(|noticed| *noticed += 1);
        }
    }
}

/// What the keeper keeps.
pub(crate) struct Keeper {
    pub(crate) database: Arc<Database>,
    pub(crate) revision: Arc<Revision>,
    pub(crate) author: Author,
    /// False for a command that only looks: it is no replica.
    pub(crate) is_replica: bool,
}

impl Keeper {
    /// Never ends.
    pub(crate) async fn run(self) {
        loop {
            if self.database.is_up() {
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(limits::INSTANCE_HEARTBEAT_MS)) => {}
                    () = self.database.doubt.notified() => {}
                }
            } else {
                tokio::time::sleep(self.database.retry).await;
            }
            if let Err(fault) = self.beat().await {
                self.database.mark_down(&fault);
            }
        }
    }

    /// Gives a sign of life and takes in the revision.
    pub(crate) async fn beat(&self) -> Result<(), Fault> {
        let beat = async {
            let client = self.database.own().await?;
            let author = &self.author;
            if self.is_replica {
                let statement = client
                    .prepare_cached(
                        "INSERT INTO gateway.instances (id, name, started_at_ms)
                         VALUES ($1, $2, $3)
                         ON CONFLICT (id) DO UPDATE SET heartbeat_at = clock_timestamp()",
                    )
                    .await?;
                client
                    .execute(&statement, &[&author.id, &author.name, &author.started_at_ms])
                    .await?;
            }
            let sql = "SELECT revision FROM gateway.definitions";
            let statement = client.prepare_cached(sql).await?;
            Ok(client.query_one(&statement, &[]).await?.try_get(0)?)
        };
        let patience = self.database.slow.max(PATIENCE);
        let revision: i64 =
            tokio::time::timeout(patience, beat).await.unwrap_or(Err(Fault::Slow))?;
        let is_back = self.database.mark_up();
        if is_back {
            tracing::info!(
                place = self.database.address.place.as_str(),
                "PostgreSQL answers again"
            );
        }
        self.revision.note(revision, is_back);
        Ok(())
    }
}
