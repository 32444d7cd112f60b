//! Kept responses as rows, and their bounds: a little too old or too much goes with each that comes.

use gw_core::limits;
use gw_core::record::StoredResponse;
use gw_core::{Error, Kind, Result};
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::Value;

use super::rows;

/// Rows removed with one that comes, at most, so that no write waits long.
const ROWS_A_WRITE: i64 = 32;

/// Output items of one response that are found by their id, at most.
const ITEMS_A_RESPONSE: usize = 512;

/// A response made ready for its row.
#[derive(Debug)]
pub(super) struct ResponseRow {
    response: StoredResponse,
    input: String,
    text: String,
}

impl ResponseRow {
    /// # Errors
    /// [`Kind::PayloadTooLarge`] for one over [`limits::STORED_RESPONSE_BYTES_MAX`].
    pub(super) fn new(response: StoredResponse) -> Result<Self> {
        let input = rows::to_json(&response.input)?;
        let text = rows::to_json(&response.response)?;
        let row = Self { response, input, text };
        if row.weight() > limits::STORED_RESPONSE_BYTES_MAX {
            let message = format!(
                "a response of {} bytes is over the {} bytes that are kept",
                row.weight(),
                limits::STORED_RESPONSE_BYTES_MAX
            );
            return Err(Error::new(Kind::PayloadTooLarge, message)
                .with_hint("send `store: false` and the whole history in `input`"));
        }
        Ok(row)
    }

    /// About how many bytes it takes.
    pub(super) fn weight(&self) -> usize {
        256 + self.input.len() + self.text.len()
    }

    /// Puts the row in place of one of the same name.
    pub(super) fn put(&self, connection: &Connection) -> rusqlite::Result<()> {
        let StoredResponse { id, owner, previous_id, created_at_ms, .. } = &self.response;
        remove(connection, owner, id)?;
        let bytes = i64::try_from(self.weight()).unwrap_or(i64::MAX);
        connection
            .prepare_cached(
                "INSERT INTO responses
                     (owner, id, previous_id, created_at, row_bytes, input, response)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((owner, id, previous_id, created_at_ms, bytes, &self.input, &self.text))?;
        let mut insert = connection.prepare_cached(
            "INSERT OR REPLACE INTO response_items (owner, item_id, response_id) VALUES (?1, ?2, ?3)",
        )?;
        for item in item_ids(&self.response.response) {
            insert.execute((owner, item, id))?;
        }
        resize(connection, bytes)?;
        trim(connection, *created_at_ms)
    }
}

fn item_ids(response: &Value) -> impl Iterator<Item = &str> {
    let output = response.get("output").and_then(Value::as_array).into_iter().flatten();
    output.take(ITEMS_A_RESPONSE).filter_map(|item| item.get("id")?.as_str())
}

/// The response that gave an output item.
pub(super) fn of_item(
    connection: &Connection,
    owner: &str,
    item_id: &str,
) -> rusqlite::Result<Option<StoredResponse>> {
    connection
        .prepare_cached(
            "SELECT responses.* FROM response_items AS items JOIN responses
             ON responses.owner = items.owner AND responses.id = items.response_id
             WHERE items.owner = ?1 AND items.item_id = ?2",
        )?
        .query_row([owner, item_id], read)
        .optional()
}

/// Removes a response; the number of rows removed.
pub(super) fn remove(connection: &Connection, owner: &str, id: &str) -> rusqlite::Result<usize> {
    let removed = connection
        .prepare_cached("DELETE FROM responses WHERE owner = ?1 AND id = ?2 RETURNING row_bytes")?
        .query_map([owner, id], |row| row.get::<_, i64>(0))?
        .collect::<rusqlite::Result<Vec<i64>>>()?;
    release(connection, &removed)
}

/// A response and those before it, oldest first.
pub(super) fn thread(
    connection: &Connection,
    owner: &str,
    id: &str,
    turns_max: usize,
) -> rusqlite::Result<Vec<StoredResponse>> {
    let mut statement = connection.prepare_cached(
        "WITH RECURSIVE thread (id, previous_id, depth) AS (
             SELECT id, previous_id, 1 FROM responses WHERE owner = ?1 AND id = ?2
             UNION ALL
             SELECT responses.id, responses.previous_id, thread.depth + 1
             FROM thread JOIN responses ON responses.owner = ?1 AND responses.id = thread.previous_id
             WHERE thread.depth < ?3
         )
         SELECT responses.* FROM thread JOIN responses
         ON responses.owner = ?1 AND responses.id = thread.id
         ORDER BY thread.depth DESC",
    )?;
    let turns_max = i64::try_from(turns_max.max(1)).unwrap_or(i64::MAX);
    statement.query_map((owner, id, turns_max), read)?.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredResponse> {
    Ok(StoredResponse {
        id: row.get("id")?,
        owner: row.get("owner")?,
        previous_id: row.get("previous_id")?,
        input: rows::json(row, "input")?,
        response: rows::json(row, "response")?,
        created_at_ms: row.get("created_at")?,
    })
}

fn resize(connection: &Connection, bytes: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE store_sizes SET bytes = max(0, bytes + ?1) WHERE name = 'responses'",
        )?
        .execute([bytes])
        .map(drop)
}

fn release(connection: &Connection, removed: &[i64]) -> rusqlite::Result<usize> {
    if !removed.is_empty() {
        let bytes = removed.iter().fold(0_i64, |sum, bytes| sum.saturating_add(*bytes));
        resize(connection, bytes.saturating_neg())?;
    }
    Ok(removed.len())
}

/// Removes what is older than it may be, and the oldest while all together are too much.
fn trim(connection: &Connection, now_ms: i64) -> rusqlite::Result<()> {
    let oldest_ms = now_ms.saturating_sub(limits::STORED_RESPONSES_KEPT_MS);
    oldest(connection, oldest_ms, ROWS_A_WRITE)?;
    let max = i64::try_from(limits::STORED_RESPONSES_BYTES_MAX).unwrap_or(i64::MAX);
    let size: i64 = connection
        .prepare_cached("SELECT bytes FROM store_sizes WHERE name = 'responses'")?
        .query_row([], |row| row.get(0))?;
    if size > max {
        oldest(connection, i64::MAX, ROWS_A_WRITE)?;
    }
    Ok(())
}

fn oldest(connection: &Connection, before_ms: i64, rows: i64) -> rusqlite::Result<()> {
    let removed = connection
        .prepare_cached(
            "DELETE FROM responses WHERE rowid IN (
                 SELECT rowid FROM responses WHERE created_at < ?1 ORDER BY created_at LIMIT ?2
             ) RETURNING row_bytes",
        )?
        .query_map([before_ms, rows], |row| row.get::<_, i64>(0))?
        .collect::<rusqlite::Result<Vec<i64>>>()?;
    release(connection, &removed).map(drop)
}
