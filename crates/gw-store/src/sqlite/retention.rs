//! Keeps what grows with every call in bounds: the calls' own rows, and the slots of spending. A
//! little with each batch, oldest first; sums stay.

use gw_core::budget::slot_of;
use gw_core::limits;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::sums::REMOVED_UNTIL;

/// Rows removed with one batch at most, so that no write waits long.
const ROWS_A_BATCH: i64 = 256;

/// Slots folded with one batch at most.
const SLOTS_A_BATCH: i64 = 256;

/// The slot that stands for all that came before.
const BEFORE_ALL: i64 = i64::MIN;

/// How long and how many calls are kept with all they say. `None`: without end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Milliseconds since the call began.
    pub calls_kept_ms: Option<u64>,
    /// Bytes that all of them take together, about.
    pub calls_bytes_max: Option<u64>,
}

/// Removes what is too old or too much.
pub(super) fn trim(
    connection: &Connection,
    retention: Retention,
    now_ms: i64,
) -> rusqlite::Result<()> {
    if let Some(kept_ms) = retention.calls_kept_ms {
        let oldest_ms = now_ms.saturating_sub(i64::try_from(kept_ms).unwrap_or(i64::MAX));
        remove(connection, oldest_ms, ROWS_A_BATCH)?;
    }
    if let Some(max) = retention.calls_bytes_max {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let mut removed = 0;
        while removed < ROWS_A_BATCH && size(connection)? > max {
            if remove(connection, i64::MAX, 16)? == 0 {
                break;
            }
            removed += 16;
        }
    }
    fold_slots(connection, slot_of(now_ms.saturating_sub(limits::SPENDING_KEPT_MS)))
}

fn size(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT bytes FROM store_sizes WHERE name = 'llm_calls'")?
        .query_row([], |row| row.get(0))
}

/// Removes at most `rows` of the oldest calls that began before an instant.
fn remove(connection: &Connection, before_ms: i64, rows: i64) -> rusqlite::Result<usize> {
    let removed: Vec<(i64, i64)> = connection
        .prepare_cached(
            "DELETE FROM llm_calls WHERE id IN (
                 SELECT id FROM llm_calls WHERE created_at < ?1 ORDER BY created_at, id LIMIT ?2
             ) RETURNING row_bytes, created_at",
        )?
        .query_map([before_ms, rows], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    if let Some(last_ms) = removed.iter().map(|(_, created_at)| *created_at).max() {
        let bytes = removed.iter().fold(0_i64, |sum, (bytes, _)| sum.saturating_add(*bytes));
        connection
            .prepare_cached(
                "INSERT INTO store_sizes (name, bytes) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET bytes = max(bytes, excluded.bytes)",
            )?
            .execute(rusqlite::params![REMOVED_UNTIL, last_ms])?;
        connection
            .prepare_cached(
                "UPDATE store_sizes SET bytes = max(0, bytes - ?1) WHERE name = 'llm_calls'",
            )?
            .execute([bytes])?;
    }
    Ok(removed.len())
}

/// Adds slots that no window reaches any more to the sum of what came before.
fn fold_slots(connection: &Connection, oldest_ms: i64) -> rusqlite::Result<()> {
    type Slot = (String, String, i64, i64, i64);
    let old: Vec<Slot> = connection
        .prepare_cached(
            "DELETE FROM spending WHERE (kind, id, slot_ms) IN (
                 SELECT kind, id, slot_ms FROM spending
                 WHERE slot_ms < ?1 AND slot_ms > ?2 ORDER BY slot_ms LIMIT ?3
             ) RETURNING kind, id, pico, tokens, calls",
        )?
        .query_map([oldest_ms, BEFORE_ALL, SLOTS_A_BATCH], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut fold = connection.prepare_cached(super::sums::SPEND)?;
    for (kind, id, pico, tokens, calls) in old {
        fold.execute((kind, id, BEFORE_ALL, pico, tokens, calls))?;
    }
    Ok(())
}
