//! Adds kept calls to the sums, many at a time and off the way of any call.
//!
//! A call's own row is all that its client waits for. The sums (spending, usage by the hour) follow
//! within [`DUE_MS`], before anyone reads them, and at the end; a mark in the same transaction says up
//! to which row they go. Whatever a process that died had not added, the next reader finds behind the
//! mark: every kept call counts, and counts once.

use rusqlite::{Connection, OptionalExtension as _};

use super::calls::{self, CallRow};
use super::sums::Sums;

/// How long a call may wait to be added when nobody asks, in milliseconds.
pub(super) const DUE_MS: u64 = 250;

/// Calls after which they are added at once: what one transaction takes must stay short.
const ROWS_MAX: usize = 512;

/// Rows read back at one time.
const READ_ROWS: i64 = 1_000;

/// The row of `store_sizes` with the rowid up to which calls are added.
const SUMMED: &str = "llm_calls_summed_rowid";

/// Calls that are kept and not yet added.
#[derive(Default)]
pub(super) struct Tally {
    /// By rowid; only of this process, and empty where the table has to be read anyway.
    rows: Vec<(i64, Box<CallRow>)>,
    is_waiting: bool,
}

impl Tally {
    pub(super) fn is_empty(&self) -> bool {
        !self.is_waiting
    }

    /// True where the next sums should not wait any longer.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= ROWS_MAX
    }

    /// A call was kept.
    pub(super) fn push(&mut self, rowid: i64, row: Box<CallRow>) {
        self.is_waiting = true;
        if self.rows.len() > 2 * ROWS_MAX {
            // Adding fails for long: they are found in the table when it goes again.
            self.rows.clear();
        }
        self.rows.push((rowid, row));
    }

    /// All of them are added, and the transaction committed.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.is_waiting = false;
    }

    /// Adds everything behind the mark and moves it, in the caller's transaction; the store's clock at
    /// the last of them, where there was any.
    pub(super) fn add_up(&self, connection: &Connection) -> rusqlite::Result<Option<i64>> {
        let mark = mark(connection)?;
        let newest = newest(connection)?;
        if newest <= mark {
            // Rows were numbered anew, with all of them added.
            return if newest < mark {
                move_mark(connection, newest).map(|()| None)
            } else {
                Ok(None)
            };
        }
        let count = usize::try_from(newest - mark).unwrap_or(usize::MAX);
        let is_all_ours = self.rows.len() == count
            && self.rows.first().is_some_and(|(rowid, _)| *rowid == mark + 1)
            && self.rows.last().is_some_and(|(rowid, _)| *rowid == newest);
        let mut sums = Sums::default();
        if is_all_ours {
            for (_, row) in &self.rows {
                sums.add(row.record(), row.bytes(), row.now_ms);
            }
        } else {
            read_back(connection, mark, &mut sums)?;
        }
        if !sums.is_empty() {
            sums.write(connection)?;
        }
        move_mark(connection, newest)?;
        Ok((!sums.is_empty()).then(|| sums.now_ms()))
    }
}

/// Moves the mark to the last row: all that stand there are added.
pub(super) fn mark_all(connection: &Connection) -> rusqlite::Result<()> {
    move_mark(connection, newest(connection)?)
}

fn mark(connection: &Connection) -> rusqlite::Result<i64> {
    let found = connection
        .prepare_cached("SELECT bytes FROM store_sizes WHERE name = ?1")?
        .query_row([SUMMED], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(0))
}

fn newest(connection: &Connection) -> rusqlite::Result<i64> {
    let found: Option<i64> = connection
        .prepare_cached("SELECT max(rowid) FROM llm_calls")?
        .query_row([], |row| row.get(0))?;
    Ok(found.unwrap_or(0))
}

fn move_mark(connection: &Connection, rowid: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO store_sizes (name, bytes) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET bytes = excluded.bytes",
        )?
        .execute((SUMMED, rowid))
        .map(drop)
}

/// Adds what other processes kept, or one that died.
fn read_back(connection: &Connection, mark: i64, sums: &mut Sums) -> rusqlite::Result<()> {
    let mut from = mark;
    loop {
        let mut statement = connection.prepare_cached(
            "SELECT *, rowid AS row_number FROM llm_calls WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
        )?;
        let mut rows = statement.query((from, READ_ROWS))?;
        let mut read = 0;
        while let Some(row) = rows.next()? {
            from = row.get("row_number")?;
            read += 1;
            match calls::read(row) {
                Ok(call) => {
                    let ended_ms = i64::try_from(call.duration_ms).unwrap_or(0);
                    let now_ms = call.started_at_ms.saturating_add(ended_ms);
                    sums.add(&call, row.get("row_bytes")?, now_ms);
                }
                Err(error) => tracing::error!(%error, rowid = from, "a kept call is not readable"),
            }
        }
        if read < READ_ROWS {
            return Ok(());
        }
    }
}
