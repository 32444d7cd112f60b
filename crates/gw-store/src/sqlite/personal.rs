//! A conversation's or a user's data in every table: shown row by row, removed in one transaction.
//!
//! What was paid stays on the books: calls and sums lose their texts and get a random name in the
//! place of the user's, so that totals hold and nothing leads back.

use async_trait::async_trait;
use gw_core::Result;
use gw_core::limits::DATA_PAGE_ROWS;
use gw_core::record::{DataCursor, DataPage, Subject};
use gw_core::seam::PersonalData;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use serde_json::{Map, Value, json};

use super::{Store, rows};

/// A table with personal data: how its rows are found by a conversation and by a user (`?1`). Empty
/// where it has none of that kind.
pub(super) struct Table {
    pub(super) name: &'static str,
    of_conversation: &'static str,
    of_user: &'static str,
    order: &'static str,
}

/// Conversations of a user.
const TALKS: &str = "conversation_id IN (SELECT id FROM conversations WHERE user_id = ?1)";

/// What the keys of a user own.
const OWNED: &str =
    "owner IN (SELECT id FROM api_keys WHERE json_extract(record, '$.user_id') = ?1)";

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "conversations",
        of_conversation: "id = ?1",
        of_user: "user_id = ?1",
        order: "id",
    },
    Table {
        name: "messages",
        of_conversation: "conversation_id = ?1",
        of_user: TALKS,
        order: "id",
    },
    Table {
        name: "context_summaries",
        of_conversation: "conversation_id = ?1",
        of_user: TALKS,
        order: "id",
    },
    Table {
        name: "todo_lists",
        of_conversation: "conversation_id = ?1",
        of_user: TALKS,
        order: "conversation_id",
    },
    Table {
        name: "llm_calls",
        of_conversation: "conversation_id = ?1",
        of_user: "(user_id = ?1 OR conversation_id IN (SELECT id FROM conversations WHERE user_id = ?1))",
        order: "created_at, id",
    },
    Table { name: "responses", of_conversation: "", of_user: OWNED, order: "created_at, id" },
    Table { name: "response_items", of_conversation: "", of_user: OWNED, order: "item_id" },
    Table { name: "tool_jobs", of_conversation: "", of_user: OWNED, order: "created_at, id" },
    Table {
        name: "spending",
        of_conversation: "kind = 'conversation' AND id = ?1",
        of_user: "kind = 'user' AND id = ?1",
        order: "slot_ms",
    },
    Table { name: "usage_rollups", of_conversation: "", of_user: "user_id = ?1", order: "hour_ms" },
    Table {
        name: "api_keys",
        of_conversation: "",
        of_user: "json_extract(record, '$.user_id') = ?1",
        order: "id",
    },
    Table {
        name: "scopes",
        of_conversation: "",
        of_user: "kind = 'user' AND id = ?1",
        order: "id",
    },
];

impl Table {
    fn condition(&self, subject: &Subject) -> &'static str {
        match subject {
            Subject::Conversation(_) => self.of_conversation,
            Subject::User(_) => self.of_user,
        }
    }
}

fn name(subject: &Subject) -> &str {
    match subject {
        Subject::Conversation(id) => id.as_str(),
        Subject::User(id) => id,
    }
}

#[async_trait]
impl PersonalData for Store {
    async fn gather(&self, subject: &Subject, from: DataCursor) -> Result<DataPage> {
        let subject = subject.clone();
        self.inner.readers.read(move |connection| page(connection, &subject, from)).await
    }

    async fn forget(&self, subject: &Subject) -> Result<Vec<(&'static str, u64)>> {
        let subject = subject.clone();
        let counted = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
        let removed = std::sync::Arc::clone(&counted);
        let change = move |connection: &Connection| {
            let counts = remove(connection, &subject)?;
            let rows = counts.iter().map(|(_, rows)| *rows).sum::<u64>();
            *removed.lock() = counts;
            Ok(usize::try_from(rows).unwrap_or(usize::MAX))
        };
        self.define(change).await?;
        Ok(std::mem::take(&mut *counted.lock()))
    }
}

fn page(
    connection: &Connection,
    subject: &Subject,
    from: DataCursor,
) -> rusqlite::Result<DataPage> {
    let mut at = from;
    while let Some(table) = TABLES.get(at.table) {
        let condition = table.condition(subject);
        let found: Vec<Map<String, Value>> = if condition.is_empty() {
            Vec::new()
        } else {
            let Table { name: table, order, .. } = table;
            connection
                .prepare(&format!(
                    "SELECT * FROM {table} WHERE {condition} ORDER BY {order} LIMIT ?2 OFFSET ?3"
                ))?
                .query_map((name(subject), rows::int(DATA_PAGE_ROWS), rows::int(at.rows)), columns)?
                .collect::<rusqlite::Result<_>>()?
        };
        if found.is_empty() {
            at = DataCursor { table: at.table + 1, rows: 0 };
            continue;
        }
        let read = found.len() as u64;
        let next = if read < DATA_PAGE_ROWS {
            DataCursor { table: at.table + 1, rows: 0 }
        } else {
            DataCursor { table: at.table, rows: at.rows + read }
        };
        let rows = found.into_iter().map(|row| (table.name, row)).collect();
        return Ok(DataPage { rows, next: (next.table < TABLES.len()).then_some(next) });
    }
    Ok(DataPage::default())
}

/// A row by the names of its columns; JSON stands as JSON.
fn columns(row: &Row<'_>) -> rusqlite::Result<Map<String, Value>> {
    let names: Vec<String> = row.as_ref().column_names().map(str::to_owned).collect();
    let mut map = Map::new();
    for (at, name) in names.into_iter().enumerate() {
        let value = match row.get_ref(at)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => json!(number),
            ValueRef::Real(number) => json!(number),
            ValueRef::Text(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                // What a person wrote stays text, whatever it looks like.
                let is_json = name != "content" && text.starts_with(['{', '[']);
                let parsed = if is_json { serde_json::from_str(&text).ok() } else { None };
                parsed.unwrap_or_else(|| Value::String(text.into_owned()))
            }
            ValueRef::Blob(_) => Value::Null,
        };
        map.insert(name, value);
    }
    Ok(map)
}

fn remove(
    connection: &Connection,
    subject: &Subject,
) -> rusqlite::Result<Vec<(&'static str, u64)>> {
    let id = name(subject);
    let mut counts = Vec::new();
    let mut count = |table: &'static str, rows: usize| {
        if rows > 0 {
            counts.push((table, rows as u64));
        }
    };
    let nobody: String =
        connection
            .query_one("SELECT 'forgotten-' || lower(hex(randomblob(8)))", [], |row| row.get(0))?;
    let (kind, of_call, of_talk) = match subject {
        Subject::Conversation(_) => {
            ("conversation", "conversation_id = ?1", "conversation_id = ?1")
        }
        Subject::User(_) => (
            "user",
            "(user_id = ?1 OR conversation_id IN (SELECT id FROM conversations WHERE user_id = ?1))",
            TALKS,
        ),
    };
    // Spending of conversations goes by the random name too, before the conversations are gone.
    let talks = match subject {
        Subject::Conversation(_) => "id = ?1",
        Subject::User(_) => "id IN (SELECT id FROM conversations WHERE user_id = ?1)",
    };
    let mut spent = connection.execute(
        &format!(
            "UPDATE spending SET id = ?2 || '-' || hex(randomblob(6))
             WHERE kind = 'conversation' AND {talks}"
        ),
        (id, &nobody),
    )?;
    let user = (kind == "user").then_some(nobody.as_str());
    let calls = connection.execute(
        &format!(
            "UPDATE llm_calls SET conversation_id = NULL, metadata = '{{}}', error_message = NULL,
                 user_id = CASE WHEN ?2 IS NULL THEN user_id ELSE ?2 END,
                 scopes = (SELECT coalesce(json_group_array(value), '[]') FROM json_each(scopes)
                           WHERE value NOT LIKE 'conversation:%'
                               AND (?2 IS NULL OR value NOT LIKE 'user:%'))
             WHERE {of_call}"
        ),
        (id, user),
    )?;
    count("llm_calls", calls);
    for table in ["messages", "context_summaries", "todo_lists"] {
        count(table, connection.execute(&format!("DELETE FROM {table} WHERE {of_talk}"), [id])?);
    }
    if kind == "conversation" {
        count(
            "conversations",
            connection.execute("DELETE FROM conversations WHERE id = ?1", [id])?,
        );
    } else {
        count(
            "conversations",
            connection.execute("DELETE FROM conversations WHERE user_id = ?1", [id])?,
        );
        spent += connection.execute(
            "UPDATE spending SET id = ?2 WHERE kind = 'user' AND id = ?1",
            (id, &nobody),
        )?;
        count(
            "usage_rollups",
            connection.execute(
                "UPDATE usage_rollups SET user_id = ?2 WHERE user_id = ?1",
                (id, &nobody),
            )?,
        );
        let kept: i64 = connection.query_one(
            &format!("SELECT coalesce(sum(row_bytes), 0) FROM responses WHERE {OWNED}"),
            [id],
            |row| row.get(0),
        )?;
        let items =
            connection.execute(&format!("DELETE FROM response_items WHERE {OWNED}"), [id])?;
        count("response_items", items);
        count(
            "responses",
            connection.execute(&format!("DELETE FROM responses WHERE {OWNED}"), [id])?,
        );
        connection.execute(
            "UPDATE store_sizes SET bytes = max(0, bytes - ?1) WHERE name = 'responses'",
            [kept],
        )?;
        count(
            "tool_jobs",
            connection.execute(&format!("DELETE FROM tool_jobs WHERE {OWNED}"), [id])?,
        );
    }
    count("spending", spent);
    Ok(counts)
}
