//! Conversations as rows: turns, versions of the summary, the TODO list.

use async_trait::async_trait;
use gw_core::chat::Message;
use gw_core::limits::SUMMARY_VERSIONS_KEPT;
use gw_core::record::{
    ConversationHead, ConversationQuery, ConversationRef, StoredMessage, StoredSummary, TodoItem,
};
use gw_core::seam::Conversations;
use gw_core::{ConversationId, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::Row;

use crate::fault::Fault;
use crate::rows;
use crate::store::PostgresStore;
use crate::text::{key, stored};
use crate::transaction::Body;

/// Makes conversations where they are new and marks them as added to; their first known owners stay.
/// Takes a JSON array, sorted by id so that replicas lock them in one order.
pub(crate) const TOUCH: &str = "
    INSERT INTO gateway.conversations AS talk
        (id, user_id, project_id, owner, created_at, updated_at)
    SELECT id, user_id, project_id, owner, began_at_ms, now_ms
    FROM json_to_recordset($1::text::json) AS touch (
        id text, user_id text, project_id text, owner text, began_at_ms bigint, now_ms bigint
    ) ON CONFLICT (id) DO UPDATE SET
        owner = coalesce(talk.owner, excluded.owner),
        user_id = coalesce(talk.user_id, excluded.user_id),
        project_id = coalesce(talk.project_id, excluded.project_id),
        created_at = least(talk.created_at, excluded.created_at),
        updated_at = greatest(talk.updated_at, excluded.updated_at)";

/// Adds turns given as a JSON array, in its order.
pub(crate) const ADD_TURNS: &str = "
    INSERT INTO gateway.messages (conversation_id, role, content, metadata, created_at, message)
    SELECT conversation_id, role, content, metadata, created_at, message
    FROM json_to_recordset($1::text::json) AS turn (
        conversation_id text, role text, content text, metadata text, created_at bigint, message text
    )";

/// A conversation that is being added to; texts are as PostgreSQL takes them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Touch {
    pub(crate) id: String,
    pub(crate) user_id: Option<String>,
    pub(crate) project_id: Option<String>,
    #[serde(default)]
    pub(crate) owner: Option<String>,
    pub(crate) began_at_ms: i64,
    pub(crate) now_ms: i64,
}

impl Touch {
    fn new(conversation: ConversationRef, now_ms: i64) -> Self {
        let text = |text: String| stored(&text).into_owned();
        Self {
            id: key(conversation.id.as_str()).into_owned(),
            user_id: conversation.user_id.map(text),
            project_id: conversation.project_id.map(text),
            owner: conversation.owner.map(text),
            began_at_ms: now_ms,
            now_ms,
        }
    }

    /// Takes in another one of the same conversation that came later.
    pub(crate) fn add(&mut self, later: Self) {
        self.user_id = self.user_id.take().or(later.user_id);
        self.project_id = self.project_id.take().or(later.project_id);
        self.owner = self.owner.take().or(later.owner);
        self.began_at_ms = self.began_at_ms.min(later.began_at_ms);
        self.now_ms = self.now_ms.max(later.now_ms);
    }
}

/// Turns of one conversation as rows, which is also their form in the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Turns {
    pub(crate) conversation: Touch,
    pub(crate) turns: Vec<TurnRow>,
}

/// A turn as its row; names are those of the columns.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TurnRow {
    conversation_id: String,
    role: String,
    content: String,
    metadata: String,
    created_at: i64,
    message: Option<String>,
}

impl Turns {
    fn new(conversation: Touch, turns: &[StoredMessage]) -> Result<Self> {
        let turns = turns
            .iter()
            .map(|turn| {
                Ok(TurnRow {
                    conversation_id: conversation.id.clone(),
                    role: stored(&turn.role).into_owned(),
                    content: stored(&turn.content).into_owned(),
                    metadata: rows::to_json(&turn.metadata)?,
                    created_at: turn.created_at_ms,
                    message: turn.message.as_ref().map(rows::to_json).transpose()?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { conversation, turns })
    }

    /// About how many bytes they add to a transaction.
    pub(crate) fn weight(&self) -> usize {
        let one = |turn: &TurnRow| {
            let message = turn.message.as_ref().map_or(0, String::len);
            128 + turn.content.len() + message + turn.metadata.len()
        };
        self.turns.iter().map(one).sum()
    }
}

#[async_trait]
impl Conversations for PostgresStore {
    async fn append(
        &self,
        conversation: ConversationRef,
        turns: Vec<StoredMessage>,
    ) -> Result<u64> {
        let touch = Touch::new(conversation, self.clock().unix_ms());
        // Many conversations share a transaction, and a journal may hold it for a while.
        self.keep(Body::Turns(Turns::new(touch, &turns)?)).await.map(|()| 0)
    }

    async fn turns(
        &self,
        id: &ConversationId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredMessage>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = "SELECT id, role, content, metadata, created_at, message FROM gateway.messages
                   WHERE conversation_id = $1 AND id > $2 ORDER BY id LIMIT $3";
        let found = self.kept(sql, &[&key(id.as_str()), &rows::int(after), &limit]).await?;
        self.read(|| found.iter().map(read_turn).collect())
    }

    async fn heads(&self, query: ConversationQuery) -> Result<Vec<ConversationHead>> {
        let sql = "SELECT id, user_id, project_id, owner, created_at, updated_at,
                       CASE WHEN $6 THEN (SELECT count(*) FROM gateway.messages
                           WHERE conversation_id = talk.id) ELSE 0 END AS messages,
                       CASE WHEN $6 THEN coalesce((
                           SELECT max(version) FROM gateway.context_summaries
                           WHERE conversation_id = talk.id), 0) ELSE 0 END AS summary_version
                   FROM gateway.conversations AS talk
                   WHERE ($1::text IS NULL OR id = $1) AND ($2::text IS NULL OR user_id = $2)
                       AND ($3::text IS NULL OR owner = $3)
                       AND ($4::bigint IS NULL OR updated_at < $4)
                   ORDER BY updated_at DESC, id LIMIT $5";
        let id = query.id.as_ref().map(|id| key(id.as_str()).into_owned());
        let user = query.user_id.as_deref().map(|text| stored(text).into_owned());
        let owner = query.owner.as_deref().map(|text| stored(text).into_owned());
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
        let found = self
            .kept(sql, &[&id, &user, &owner, &query.before_ms, &limit, &query.with_counts])
            .await?;
        self.read(|| found.iter().map(read_head).collect())
    }

    async fn summaries(&self, id: &ConversationId, limit: usize) -> Result<Vec<StoredSummary>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = "SELECT version, summary, created_at FROM gateway.context_summaries
                   WHERE conversation_id = $1 ORDER BY version DESC LIMIT $2";
        let found = self.kept(sql, &[&key(id.as_str()), &limit]).await?;
        self.read(|| found.iter().map(read_summary).collect())
    }

    async fn recent(&self, id: &ConversationId, limit: usize) -> Result<Vec<StoredMessage>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = "SELECT id, role, content, metadata, created_at, message FROM gateway.messages
                   WHERE conversation_id = $1 ORDER BY id DESC LIMIT $2";
        let found = self.kept(sql, &[&key(id.as_str()), &limit]).await?;
        self.read(|| found.iter().rev().map(read_turn).collect())
    }

    async fn summary(&self, id: &ConversationId) -> Result<Option<StoredSummary>> {
        Ok(self.summaries(id, 1).await?.into_iter().next())
    }

    async fn put_summary(&self, conversation: ConversationRef, body: Value) -> Result<u32> {
        let text = rows::to_json(&body)?;
        serde_json::from_str::<Value>(&text).map_err(|error| {
            Error::bad_field("summary", "is nested too deeply to be kept").with_source(error)
        })?;
        let touch = Touch::new(conversation, self.clock().unix_ms());
        // The first statement locks the conversation, so that the second sees every version.
        let insert = "WITH newest AS (
                          SELECT coalesce(max(version), 0) AS version
                          FROM gateway.context_summaries WHERE conversation_id = $1
                      ), removed AS (
                          DELETE FROM gateway.context_summaries USING newest
                          WHERE conversation_id = $1
                              AND context_summaries.version <= newest.version + 1 - $4
                      ) INSERT INTO gateway.context_summaries
                          (conversation_id, summary, version, created_at)
                      SELECT $1, $2, newest.version + 1, $3 FROM newest
                      RETURNING version";
        let values: crate::database::Values<'_> =
            &[&touch.id, &text, &touch.now_ms, &SUMMARY_VERSIONS_KEPT];
        let found = self.touch_and(&touch, insert, values).await?;
        let version = self.read(|| match found.first() {
            Some(row) => rows::unsigned(row, "version"),
            None => Ok(0),
        })?;
        u32::try_from(version)
            .map_err(|_| Error::internal("a summary was stored without a version"))
    }

    async fn todo(&self, id: &ConversationId) -> Result<Vec<TodoItem>> {
        let sql = "SELECT todo_data FROM gateway.todo_lists WHERE conversation_id = $1";
        let found = self.kept(sql, &[&key(id.as_str())]).await?;
        self.read(|| found.first().map_or(Ok(Vec::new()), |row| rows::json(row, "todo_data")))
    }

    async fn put_todo(&self, conversation: ConversationRef, items: Vec<TodoItem>) -> Result<()> {
        let text = rows::to_json(&items)?;
        let touch = Touch::new(conversation, self.clock().unix_ms());
        let put = "INSERT INTO gateway.todo_lists AS list
                       (conversation_id, todo_data, created_at, updated_at)
                   VALUES ($1, $2, $3, $3)
                   ON CONFLICT (conversation_id) DO UPDATE SET
                       todo_data = excluded.todo_data,
                       updated_at = greatest(list.updated_at, excluded.updated_at)";
        self.touch_and(&touch, put, &[&touch.id, &text, &touch.now_ms]).await.map(drop)
    }

    fn is_behind(&self) -> bool {
        self.journaled() > 0
    }
}

impl PostgresStore {
    /// Touches a conversation and runs a statement, in one transaction.
    async fn touch_and(
        &self,
        touch: &Touch,
        sql: &str,
        values: crate::database::Values<'_>,
    ) -> Result<Vec<Row>> {
        let touched = rows::to_json(&[touch])?;
        let database = self.database();
        let outcome = database.while_up(async {
            let mut client = database.reader().await?;
            let transaction = client.transaction().await?;
            let touch = transaction.prepare_cached(TOUCH).await?;
            transaction.execute(&touch, &[&touched]).await?;
            let statement = transaction.prepare_cached(sql).await?;
            let found = transaction.query(&statement, values).await?;
            transaction.commit().await?;
            Ok(found)
        });
        outcome.await.map_err(|fault| database.error(fault))
    }
}

fn read_turn(row: &Row) -> Result<StoredMessage, Fault> {
    Ok(StoredMessage {
        role: rows::text(row, "role")?,
        content: rows::text(row, "content")?,
        message: rows::json_or_default::<Option<Message>>(row, "message")?,
        metadata: rows::json_or_default(row, "metadata")?,
        created_at_ms: row.try_get("created_at")?,
        place: rows::unsigned(row, "id")?,
    })
}

fn read_head(row: &Row) -> Result<ConversationHead, Fault> {
    Ok(ConversationHead {
        conversation: ConversationRef {
            id: ConversationId::from(rows::text(row, "id")?),
            user_id: rows::text_or_none(row, "user_id")?,
            project_id: rows::text_or_none(row, "project_id")?,
            owner: rows::text_or_none(row, "owner")?,
        },
        messages: rows::unsigned(row, "messages")?,
        summary_version: u32::try_from(rows::unsigned(row, "summary_version")?).unwrap_or(u32::MAX),
        created_at_ms: row.try_get("created_at")?,
        updated_at_ms: row.try_get("updated_at")?,
    })
}

fn read_summary(row: &Row) -> Result<StoredSummary, Fault> {
    Ok(StoredSummary {
        version: u32::try_from(rows::unsigned(row, "version")?).unwrap_or(u32::MAX),
        body: rows::json(row, "summary")?,
        created_at_ms: row.try_get("created_at")?,
    })
}
