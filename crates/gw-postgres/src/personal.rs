//! A conversation's or a user's data in every table: shown row by row, removed in one transaction.
//!
//! What was paid stays on the books: calls and sums lose their texts and get a random name in the
//! place of the user's, so that totals hold and nothing leads back.

use async_trait::async_trait;
use gw_core::Result;
use gw_core::limits::DATA_PAGE_ROWS;
use gw_core::record::{DataCursor, DataPage, Subject};
use gw_core::seam::PersonalData;
use serde_json::{Map, Value};
use tokio_postgres::Row;

use crate::fault::Fault;
use crate::rows;
use crate::store::PostgresStore;
use crate::text::{self, key};

/// A table with personal data: how its rows are found by a conversation and by a user (`$1`). Empty
/// where it has none of that kind.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    of_conversation: &'static str,
    of_user: &'static str,
    order: &'static str,
}

const TALKS: &str = "conversation_id IN (SELECT id FROM gateway.conversations WHERE user_id = $1)";

const CALLS: &str = "(user_id = $1 OR conversation_id IN
    (SELECT id FROM gateway.conversations WHERE user_id = $1))";

/// What the keys of a user own.
const OWNED: &str = "owner IN
    (SELECT id FROM gateway.api_keys WHERE record::json ->> 'user_id' = $1)";

pub(crate) const TABLES: &[Table] = &[
    table("conversations", "id = $1", "user_id = $1", "id"),
    table("messages", "conversation_id = $1", TALKS, "id"),
    table("context_summaries", "conversation_id = $1", TALKS, "conversation_id, version"),
    table("todo_lists", "conversation_id = $1", TALKS, "conversation_id"),
    table("llm_calls", "conversation_id = $1", CALLS, "created_at, id"),
    table("responses", "", OWNED, "created_at, id"),
    table("response_items", "", OWNED, "item_id"),
    table("spending", "kind = 'conversation' AND id = $1", "kind = 'user' AND id = $1", "slot_ms"),
    table(
        "instance_spending",
        "kind = 'conversation' AND id = $1",
        "kind = 'user' AND id = $1",
        "slot_ms",
    ),
    table("usage_rollups", "", "user_id = $1", "hour_ms"),
    table("api_keys", "", "record::json ->> 'user_id' = $1", "id"),
    table("scopes", "", "kind = 'user' AND id = $1", "id"),
];

const fn table(
    name: &'static str,
    of_conversation: &'static str,
    of_user: &'static str,
    order: &'static str,
) -> Table {
    Table { name, of_conversation, of_user, order }
}

impl Table {
    fn condition(&self, subject: &Subject) -> &'static str {
        match subject {
            Subject::Conversation(_) => self.of_conversation,
            Subject::User(_) => self.of_user,
        }
    }
}

fn name(subject: &Subject) -> String {
    match subject {
        Subject::Conversation(id) => key(id.as_str()).into_owned(),
        Subject::User(id) => text::stored(id).into_owned(),
    }
}

#[async_trait]
impl PersonalData for PostgresStore {
    async fn gather(&self, subject: &Subject, from: DataCursor) -> Result<DataPage> {
        let id = name(subject);
        let mut at = from;
        while let Some(table) = TABLES.get(at.table) {
            let condition = table.condition(subject);
            if !condition.is_empty() {
                let Table { name: table, order, .. } = table;
                let sql = format!(
                    "SELECT row_to_json(found)::text AS row FROM (
                         SELECT * FROM gateway.{table} WHERE {condition}
                         ORDER BY {order} LIMIT $2 OFFSET $3
                     ) AS found"
                );
                let (most, skipped) = (rows::int(DATA_PAGE_ROWS), rows::int(at.rows));
                let found = self.kept(&sql, &[&id, &most, &skipped]).await?;
                if !found.is_empty() {
                    return self.read(|| page(table, &found, at));
                }
            }
            at = DataCursor { table: at.table + 1, rows: 0 };
        }
        Ok(DataPage::default())
    }

    async fn forget(&self, subject: &Subject) -> Result<Vec<(&'static str, u64)>> {
        // What waits in the queue or the journal belongs to it as well.
        gw_core::seam::StoreHealth::flush(self).await?;
        let id = name(subject);
        let steps = steps(subject);
        let database = self.database();
        let outcome = database.while_up(async {
            let mut client = database.reader().await?;
            let transaction = client.transaction().await?;
            let row = transaction.query_one("SELECT gen_random_uuid()::text AS name", &[]).await?;
            let nobody = format!("forgotten-{}", row.try_get::<_, String>("name")?);
            let mut counts: Vec<(&'static str, u64)> = Vec::new();
            for (table, sql, is_renamed) in &steps {
                let rows = if *is_renamed {
                    transaction.execute(sql.as_str(), &[&id, &nobody]).await?
                } else {
                    transaction.execute(sql.as_str(), &[&id]).await?
                };
                match counts.iter_mut().find(|(known, _)| known == table) {
                    Some((_, sum)) => *sum += rows,
                    None if rows > 0 => counts.push((table, rows)),
                    None => {}
                }
            }
            transaction.commit().await?;
            Ok(counts)
        });
        outcome.await.map_err(|fault| database.error(fault))
    }
}

fn page(table: &'static str, found: &[Row], at: DataCursor) -> Result<DataPage, Fault> {
    let read = found.len() as u64;
    let next = if read < DATA_PAGE_ROWS {
        DataCursor { table: at.table + 1, rows: 0 }
    } else {
        DataCursor { table: at.table, rows: at.rows + read }
    };
    let mut rows = Vec::with_capacity(found.len());
    for row in found {
        let mut map: Map<String, Value> = rows::json(row, "row")?;
        for (name, value) in &mut map {
            if let Value::String(found) = value {
                let read = text::read(std::mem::take(found));
                let is_json = name != "content" && read.starts_with(['{', '[']);
                let parsed = if is_json { serde_json::from_str(&read).ok() } else { None };
                *value = parsed.unwrap_or(Value::String(read));
            }
        }
        rows.push((table, map));
    }
    Ok(DataPage { rows, next: (next.table < TABLES.len()).then_some(next) })
}

/// What is changed, in order: its table, the statement, and whether it takes the random name (`$2`).
fn steps(subject: &Subject) -> Vec<(&'static str, String, bool)> {
    let is_user = matches!(subject, Subject::User(_));
    let (talks, of_talk, of_call) = if is_user {
        ("id IN (SELECT id FROM gateway.conversations WHERE user_id = $1)", TALKS, CALLS)
    } else {
        ("id = $1", "conversation_id = $1", "conversation_id = $1")
    };
    let mut steps: Vec<(&'static str, String, bool)> = Vec::new();
    for table in ["spending", "instance_spending"] {
        steps.push((
            table,
            format!(
                "UPDATE gateway.{table} SET id = $2 || '-' || gen_random_uuid()::text
                 WHERE kind = 'conversation' AND {talks}"
            ),
            true,
        ));
    }
    let user = if is_user { "user_id = $2, " } else { "" };
    let kept = if is_user { "AND scope NOT LIKE 'user:%'" } else { "" };
    steps.push((
        "llm_calls",
        format!(
            "UPDATE gateway.llm_calls SET {user}conversation_id = NULL, metadata = '{{}}',
                 error_message = NULL,
                 scopes = (SELECT coalesce(json_agg(scope), '[]'::json)::text
                           FROM json_array_elements_text(scopes::json) AS scope
                           WHERE scope NOT LIKE 'conversation:%' {kept})
             WHERE {of_call}"
        ),
        is_user,
    ));
    for table in ["messages", "context_summaries", "todo_lists"] {
        steps.push((table, format!("DELETE FROM gateway.{table} WHERE {of_talk}"), false));
    }
    let own = if is_user { "user_id = $1" } else { "id = $1" };
    steps.push(("conversations", format!("DELETE FROM gateway.conversations WHERE {own}"), false));
    if is_user {
        for table in ["spending", "instance_spending"] {
            let sql = format!("UPDATE gateway.{table} SET id = $2 WHERE kind = 'user' AND id = $1");
            steps.push((table, sql, true));
        }
        let sql = "UPDATE gateway.usage_rollups SET user_id = $2 WHERE user_id = $1";
        steps.push(("usage_rollups", sql.to_owned(), true));
        for table in ["response_items", "responses"] {
            steps.push((table, format!("DELETE FROM gateway.{table} WHERE {OWNED}"), false));
        }
    }
    steps
}
