//! Entries of the hot store as rows, so that they outlive the process.

use gw_core::Result;
use rusqlite::{Connection, OptionalExtension};

use super::Store;

/// Rows removed with one that comes, at most, so that no write waits long.
const ROWS_A_WRITE: i64 = 32;

/// An entry: its value, and when it runs out, in milliseconds since 1970.
pub(crate) type Entry = (Vec<u8>, i64);

/// How much all entries are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) entries: i64,
    pub(crate) bytes: i64,
}

impl Store {
    pub(crate) async fn entry(&self, key: &str) -> Result<Option<Entry>> {
        let key = key.to_owned();
        self.inner
            .readers
            .read(move |connection| {
                connection
                    .prepare_cached("SELECT value, expires_at FROM hot_entries WHERE key = ?1")?
                    .query_row([&key], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()
            })
            .await
    }

    /// Keeps an entry in place of one of the same name, and lets some go that ran out, or are the
    /// oldest where all are more than `bytes_max`.
    pub(crate) async fn keep_entry(
        &self,
        key: &str,
        entry: Entry,
        now_ms: i64,
        bytes_max: i64,
    ) -> Result<()> {
        let (key, (value, expires_at)) = (key.to_owned(), entry);
        let keep = move |connection: &Connection| {
            remove(connection, &key)?;
            connection
                .prepare_cached(
                    "INSERT INTO hot_entries (key, value, kept_at, expires_at)
                     VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute((&key, &value, now_ms, expires_at))?;
            trim(connection, now_ms, bytes_max)
        };
        self.define(keep).await.map(drop)
    }

    pub(crate) async fn remove_entries(&self, keys: Vec<String>) -> Result<usize> {
        let remove = move |connection: &Connection| {
            keys.iter().try_fold(0, |sum, key| Ok(sum + remove(connection, key)?))
        };
        self.define(remove).await
    }

    /// Names that begin like this, from one on that is not among them, in order.
    pub(crate) async fn entry_names(
        &self,
        beginning: &str,
        after: &str,
        limit: i64,
    ) -> Result<Vec<String>> {
        let (beginning, after) = (beginning.to_owned(), after.to_owned());
        self.inner
            .readers
            .read(move |connection| {
                connection
                    .prepare_cached(
                        "SELECT key FROM hot_entries
                         WHERE key > ?2 AND substr(key, 1, length(?1)) = ?1
                         ORDER BY key LIMIT ?3",
                    )?
                    .query_map((&beginning, &after, limit), |row| row.get(0))?
                    .collect()
            })
            .await
    }

    /// How much has not run out.
    pub(crate) async fn entries_size(&self, now_ms: i64) -> Result<Size> {
        self.inner
            .readers
            .read(move |connection| {
                connection
                    .prepare_cached(
                        "SELECT count(*), coalesce(sum(length(value) + length(key)), 0)
                         FROM hot_entries WHERE expires_at > ?1",
                    )?
                    .query_row([now_ms], |row| {
                        Ok(Size { entries: row.get(0)?, bytes: row.get(1)? })
                    })
            })
            .await
    }
}

fn remove(connection: &Connection, key: &str) -> rusqlite::Result<usize> {
    connection.prepare_cached("DELETE FROM hot_entries WHERE key = ?1")?.execute([key])
}

fn trim(connection: &Connection, now_ms: i64, bytes_max: i64) -> rusqlite::Result<usize> {
    let ran_out = connection
        .prepare_cached(
            "DELETE FROM hot_entries WHERE rowid IN (
                 SELECT rowid FROM hot_entries WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
        )?
        .execute((now_ms, ROWS_A_WRITE))?;
    let bytes: i64 = connection
        .prepare_cached("SELECT bytes FROM store_sizes WHERE name = 'hot_entries'")?
        .query_row([], |row| row.get(0))?;
    if bytes <= bytes_max {
        return Ok(ran_out);
    }
    connection
        .prepare_cached(
            "DELETE FROM hot_entries WHERE rowid IN (
                 SELECT rowid FROM hot_entries ORDER BY kept_at LIMIT ?1)",
        )?
        .execute([ROWS_A_WRITE])
}
