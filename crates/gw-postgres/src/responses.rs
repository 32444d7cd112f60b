//! Kept responses as rows, and their bounds: a little too old or too much goes with each that comes.

use std::collections::BTreeSet;

use async_trait::async_trait;
use gw_core::limits;
use gw_core::record::StoredResponse;
use gw_core::seam::Responses;
use gw_core::{Error, Kind, Result};
use serde_json::Value;
use tokio_postgres::Row;

use crate::database::Values;
use crate::fault::Fault;
use crate::rows;
use crate::store::PostgresStore;
use crate::text::key;

/// Output items of one response that are found by their id, at most.
const ITEMS_A_RESPONSE: usize = 512;

/// One write in so many looks at how much all responses take together.
const WRITES_A_LOOK: u8 = 16;

const COLUMNS: &str = "kept.owner, kept.id, kept.previous_id, kept.created_at, kept.input, \
    kept.response";

const KEEP: &str = "
    WITH kept AS (
        INSERT INTO gateway.responses
            (owner, id, previous_id, created_at, row_bytes, input, response)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (owner, id) DO UPDATE SET
            previous_id = excluded.previous_id, created_at = excluded.created_at,
            row_bytes = excluded.row_bytes, input = excluded.input, response = excluded.response
        RETURNING 1
    ), items AS (
        INSERT INTO gateway.response_items (owner, item_id, response_id)
        SELECT $1, item, $2 FROM unnest($8::text[]) AS item
        ON CONFLICT (owner, item_id) DO UPDATE SET response_id = excluded.response_id
    ) SELECT count(*) FROM kept";

/// Removes some of the oldest that were kept before an instant.
const REMOVE_OLD: &str = "
    DELETE FROM gateway.responses WHERE (owner, id) IN (
        SELECT owner, id FROM gateway.responses WHERE created_at < $1
        ORDER BY created_at LIMIT 32 FOR UPDATE SKIP LOCKED)";

/// Removes some of the oldest while all together take more than they may.
const REMOVE_MUCH: &str = "
    DELETE FROM gateway.responses WHERE (owner, id) IN (
        SELECT owner, id FROM gateway.responses
        WHERE (SELECT sum(row_bytes) FROM gateway.responses) > $1::bigint
        ORDER BY created_at LIMIT 512 FOR UPDATE SKIP LOCKED)";

#[async_trait]
impl Responses for PostgresStore {
    async fn keep_response(&self, response: StoredResponse) -> Result<()> {
        let (input, text) = (rows::to_json(&response.input)?, rows::to_json(&response.response)?);
        let bytes = 256 + input.len() + text.len();
        if bytes > limits::STORED_RESPONSE_BYTES_MAX {
            let most = limits::STORED_RESPONSE_BYTES_MAX;
            let message = format!("a response of {bytes} bytes is over the {most} that are kept");
            return Err(Error::new(Kind::PayloadTooLarge, message)
                .with_hint("send `store: false` and the whole history in `input`"));
        }
        let previous = response.previous_id.as_deref().map(key);
        let items: Vec<String> = item_ids(&response.response).into_iter().collect();
        let id = key(&response.id);
        let row_bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let values: Values<'_> = &[
            &key(&response.owner),
            &id,
            &previous,
            &response.created_at_ms,
            &row_bytes,
            &input,
            &text,
            &items,
        ];
        self.database().change(KEEP, values).await?;
        let oldest_ms = response.created_at_ms.saturating_sub(limits::STORED_RESPONSES_KEPT_MS);
        self.database().change(REMOVE_OLD, &[&oldest_ms]).await?;
        if blake3::hash(id.as_bytes()).as_bytes()[0].is_multiple_of(WRITES_A_LOOK) {
            let most = i64::try_from(limits::STORED_RESPONSES_BYTES_MAX).unwrap_or(i64::MAX);
            self.database().change(REMOVE_MUCH, &[&most]).await?;
        }
        Ok(())
    }

    async fn response_thread(
        &self,
        owner: &str,
        id: &str,
        turns_max: usize,
    ) -> Result<Vec<StoredResponse>> {
        let sql = format!(
            "WITH RECURSIVE thread (id, previous_id, depth) AS (
                 SELECT id, previous_id, 1::bigint FROM gateway.responses
                 WHERE owner = $1 AND id = $2
                 UNION ALL
                 SELECT next.id, next.previous_id, thread.depth + 1
                 FROM thread JOIN gateway.responses AS next
                 ON next.owner = $1 AND next.id = thread.previous_id
                 WHERE thread.depth < $3
             )
             SELECT {COLUMNS} FROM thread JOIN gateway.responses AS kept
             ON kept.owner = $1 AND kept.id = thread.id ORDER BY thread.depth DESC"
        );
        let turns_max = i64::try_from(turns_max.max(1)).unwrap_or(i64::MAX);
        let values: Values<'_> = &[&key(owner), &key(id), &turns_max];
        let found = self.database().query(&sql, values).await?;
        self.read(|| found.iter().map(read).collect())
    }

    async fn response_of_item(&self, owner: &str, item_id: &str) -> Result<Option<StoredResponse>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM gateway.response_items AS item
             JOIN gateway.responses AS kept
             ON kept.owner = item.owner AND kept.id = item.response_id
             WHERE item.owner = $1 AND item.item_id = $2"
        );
        let found = self.database().query(&sql, &[&key(owner), &key(item_id)]).await?;
        self.read(|| found.first().map(read).transpose())
    }

    async fn forget_response(&self, owner: &str, id: &str) -> Result<bool> {
        let sql = "WITH gone AS (
                       DELETE FROM gateway.responses WHERE owner = $1 AND id = $2 RETURNING 1
                   ) SELECT count(*) FROM gone";
        Ok(self.changed_rows(sql, &[&key(owner), &key(id)]).await? > 0)
    }
}

/// The ids of the output items, each once.
fn item_ids(response: &Value) -> BTreeSet<String> {
    let output = response.get("output").and_then(Value::as_array).into_iter().flatten();
    let ids = output.filter_map(|item| item.get("id")?.as_str());
    ids.take(ITEMS_A_RESPONSE).map(|id| key(id).into_owned()).collect()
}

fn read(row: &Row) -> Result<StoredResponse, Fault> {
    Ok(StoredResponse {
        id: rows::text(row, "id")?,
        owner: rows::text(row, "owner")?,
        previous_id: rows::text_or_none(row, "previous_id")?,
        input: rows::json(row, "input")?,
        response: rows::json(row, "response")?,
        created_at_ms: row.try_get("created_at")?,
    })
}
