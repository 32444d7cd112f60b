//! Conversations as rows: turns, versions of the summary, the TODO list.

use gw_core::chat::Message;
use gw_core::limits::SUMMARY_VERSIONS_KEPT;
use gw_core::record::{
    ConversationHead, ConversationQuery, ConversationRef, StoredMessage, StoredSummary, TodoItem,
};
use gw_core::{ConversationId, Error, Result};
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::Value;

use super::rows;

/// A conversation that is being added to.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) id: ConversationId,
    pub(super) user_id: Option<String>,
    pub(super) project_id: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) began_at_ms: i64,
    pub(super) now_ms: i64,
}

impl Conversation {
    pub(super) fn new(conversation: ConversationRef, now_ms: i64) -> Self {
        let ConversationRef { id, user_id, project_id, owner } = conversation;
        Self { id, user_id, project_id, owner, began_at_ms: now_ms, now_ms }
    }

    /// Makes it where it is new, and marks it as added to. Its first known owner stays.
    pub(super) fn touch(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "INSERT INTO conversations (id, user_id, project_id, owner, created_at, updated_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (id) DO UPDATE SET
                     owner = coalesce(owner, excluded.owner),
                     user_id = coalesce(user_id, excluded.user_id),
                     project_id = coalesce(project_id, excluded.project_id),
                     created_at = min(created_at, excluded.created_at),
                     updated_at = max(updated_at, excluded.updated_at)",
            )?
            .execute((
                self.id.as_str(),
                &self.user_id,
                &self.project_id,
                &self.owner,
                self.began_at_ms,
                self.now_ms,
            ))
            .map(drop)
    }
}

/// A turn made ready for its row.
#[derive(Debug)]
pub(super) struct TurnRow {
    turn: StoredMessage,
    message: Option<String>,
    metadata: String,
}

impl TurnRow {
    pub(super) fn new(turn: StoredMessage) -> Result<Self> {
        let message = turn.message.as_ref().map(rows::to_json).transpose()?;
        Ok(Self { message, metadata: rows::to_json(&turn.metadata)?, turn })
    }

    /// About how many bytes it adds to a transaction.
    pub(super) fn weight(&self) -> usize {
        let message = self.message.as_ref().map_or(0, String::len);
        128 + self.turn.content.len() + message + self.metadata.len()
    }
}

pub(super) fn insert_turns(
    connection: &Connection,
    conversation: &Conversation,
    turns: &[TurnRow],
) -> rusqlite::Result<u64> {
    conversation.touch(connection)?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO messages (conversation_id, role, content, metadata, created_at, message)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for TurnRow { turn, message, metadata } in turns {
        let id = conversation.id.as_str();
        insert.execute((id, &turn.role, &turn.content, metadata, turn.created_at_ms, message))?;
    }
    Ok(if turns.is_empty() {
        0
    } else {
        u64::try_from(connection.last_insert_rowid()).unwrap_or(0)
    })
}

/// The summary as text, refused where it could not be read back.
pub(super) fn summary_text(body: &Value) -> Result<String> {
    let text = rows::to_json(body)?;
    match serde_json::from_str::<Value>(&text) {
        Ok(_) => Ok(text),
        Err(error) => {
            Err(Error::bad_field("summary", "is nested too deeply to be kept").with_source(error))
        }
    }
}

pub(super) fn insert_summary(
    connection: &Connection,
    conversation: &Conversation,
    summary: &str,
) -> rusqlite::Result<u32> {
    conversation.touch(connection)?;
    connection
        .prepare_cached(
            "DELETE FROM context_summaries WHERE conversation_id = ?1 AND version <= (
                 SELECT max(version) FROM context_summaries WHERE conversation_id = ?1
             ) - ?2",
        )?
        .execute((conversation.id.as_str(), SUMMARY_VERSIONS_KEPT - 1))?;
    connection
        .prepare_cached(
            "INSERT INTO context_summaries (conversation_id, summary, version, created_at)
             SELECT ?1, ?2, coalesce(max(version), 0) + 1, ?3
             FROM context_summaries WHERE conversation_id = ?1
             RETURNING version",
        )?
        .query_row((conversation.id.as_str(), summary, conversation.now_ms), |row| row.get(0))
}

pub(super) fn upsert_todo(
    connection: &Connection,
    conversation: &Conversation,
    items: &str,
) -> rusqlite::Result<()> {
    conversation.touch(connection)?;
    connection
        .prepare_cached(
            "INSERT INTO todo_lists (conversation_id, todo_data, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?3)
             ON CONFLICT (conversation_id) DO UPDATE SET
                 todo_data = excluded.todo_data,
                 updated_at = max(updated_at, excluded.updated_at)",
        )?
        .execute((conversation.id.as_str(), items, conversation.now_ms))
        .map(drop)
}

pub(super) fn recent(
    connection: &Connection,
    id: &ConversationId,
    limit: usize,
) -> rusqlite::Result<Vec<StoredMessage>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut turns: Vec<StoredMessage> = connection
        .prepare_cached(
            "SELECT id, role, content, metadata, created_at, message FROM messages
             WHERE conversation_id = ?1 ORDER BY id DESC LIMIT ?2",
        )?
        .query_map((id.as_str(), limit), read_turn)?
        .collect::<rusqlite::Result<_>>()?;
    turns.reverse();
    Ok(turns)
}

pub(super) fn turns(
    connection: &Connection,
    id: &ConversationId,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<StoredMessage>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT id, role, content, metadata, created_at, message FROM messages
             WHERE conversation_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
        )?
        .query_map((id.as_str(), rows::int(after), limit), read_turn)?
        .collect()
}

pub(super) fn heads(
    connection: &Connection,
    query: &ConversationQuery,
) -> rusqlite::Result<Vec<ConversationHead>> {
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    let id = query.id.as_ref().map(ConversationId::as_str);
    connection
        .prepare_cached(
            "SELECT id, user_id, project_id, owner, created_at, updated_at,
                 CASE WHEN ?6 THEN
                     (SELECT count(*) FROM messages WHERE conversation_id = talk.id)
                 ELSE 0 END AS messages,
                 CASE WHEN ?6 THEN coalesce((SELECT max(version) FROM context_summaries
                     WHERE conversation_id = talk.id), 0) ELSE 0 END AS summary_version
             FROM conversations AS talk
             WHERE (?1 IS NULL OR id = ?1) AND (?2 IS NULL OR user_id = ?2)
                 AND (?3 IS NULL OR owner = ?3) AND (?4 IS NULL OR updated_at < ?4)
             ORDER BY updated_at DESC, id LIMIT ?5",
        )?
        .query_map(
            (id, &query.user_id, &query.owner, query.before_ms, limit, query.with_counts),
            read_head,
        )?
        .collect()
}

fn read_head(row: &Row<'_>) -> rusqlite::Result<ConversationHead> {
    Ok(ConversationHead {
        conversation: ConversationRef {
            id: ConversationId::from(row.get::<_, String>("id")?),
            user_id: row.get("user_id")?,
            project_id: row.get("project_id")?,
            owner: row.get("owner")?,
        },
        messages: rows::unsigned(row, "messages")?,
        summary_version: row.get("summary_version")?,
        created_at_ms: row.get("created_at")?,
        updated_at_ms: row.get("updated_at")?,
    })
}

fn read_turn(row: &Row<'_>) -> rusqlite::Result<StoredMessage> {
    Ok(StoredMessage {
        role: row.get("role")?,
        content: row.get("content")?,
        message: rows::json_or_default::<Option<Message>>(row, "message")?,
        metadata: rows::json_or_default(row, "metadata")?,
        created_at_ms: row.get("created_at")?,
        place: rows::unsigned(row, "id")?,
    })
}

pub(super) fn summaries(
    connection: &Connection,
    id: &ConversationId,
    limit: usize,
) -> rusqlite::Result<Vec<StoredSummary>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT version, summary, created_at FROM context_summaries
             WHERE conversation_id = ?1 ORDER BY version DESC LIMIT ?2",
        )?
        .query_map((id.as_str(), limit), |row| {
            Ok(StoredSummary {
                version: row.get("version")?,
                body: rows::json(row, "summary")?,
                created_at_ms: row.get("created_at")?,
            })
        })?
        .collect()
}

pub(super) fn todo(
    connection: &Connection,
    id: &ConversationId,
) -> rusqlite::Result<Vec<TodoItem>> {
    let items = connection
        .prepare_cached("SELECT todo_data FROM todo_lists WHERE conversation_id = ?1")?
        .query_row([id.as_str()], |row| rows::json(row, "todo_data"))
        .optional()?;
    Ok(items.unwrap_or_default())
}
