//! Files and batches as rows: what is asked by is a column, the rest is one JSON text.

use async_trait::async_trait;
use bytes::Bytes;
use gw_core::batch::{Batch, BatchLine, FileInfo};
use gw_core::seam::Batches;
use gw_core::{Error, Result};
use rusqlite::{Connection, OptionalExtension};
use serde::de::DeserializeOwned;

use super::{Store, rows};

#[async_trait]
impl Batches for Store {
    async fn put_file(&self, file: &FileInfo, content: Bytes) -> Result<()> {
        let info = rows::to_json(file)?;
        let (owner, id) = (file.owner.clone(), file.id.clone());
        let created_at = file.created_at_ms;
        let put = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO files (owner, id, created_at, bytes, info, content)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute((&owner, &id, created_at, size(&content), &info, &content[..]))
        };
        self.define(put).await.map(drop)
    }

    async fn file(&self, owner: &str, id: &str) -> Result<Option<FileInfo>> {
        self.one("SELECT info FROM files WHERE owner = ?1 AND id = ?2", owner, id).await
    }

    async fn file_content(&self, owner: &str, id: &str) -> Result<Option<Bytes>> {
        let (owner, id) = (owner.to_owned(), id.to_owned());
        let content: Option<Vec<u8>> = self
            .inner
            .readers
            .read(move |connection| {
                connection
                    .prepare_cached("SELECT content FROM files WHERE owner = ?1 AND id = ?2")?
                    .query_row((&owner, &id), |row| row.get(0))
                    .optional()
            })
            .await?;
        Ok(content.map(Bytes::from))
    }

    async fn files(&self, owner: &str, after: Option<&str>, limit: usize) -> Result<Vec<FileInfo>> {
        let sql = "SELECT info FROM files WHERE owner = ?1 AND (?2 IS NULL OR (created_at, id) <
                       (SELECT created_at, id FROM files WHERE owner = ?1 AND id = ?2))
                   ORDER BY created_at DESC, id DESC LIMIT ?3";
        self.page(sql, owner, after, limit).await
    }

    async fn forget_file(&self, owner: &str, id: &str) -> Result<bool> {
        let (owner, id) = (owner.to_owned(), id.to_owned());
        let forget = move |connection: &Connection| {
            connection
                .prepare_cached("DELETE FROM files WHERE owner = ?1 AND id = ?2")?
                .execute((&owner, &id))
        };
        self.define(forget).await.map(|rows| rows > 0)
    }

    async fn forget_before(&self, unix_ms: i64) -> Result<()> {
        let forget = move |connection: &Connection| {
            let batches = connection
                .prepare_cached("DELETE FROM batches WHERE ended_at < ?1")?
                .execute([unix_ms])?;
            let files = connection
                .prepare_cached("DELETE FROM files WHERE created_at < ?1")?
                .execute([unix_ms])?;
            Ok(batches + files)
        };
        self.define(forget).await.map(drop)
    }

    async fn file_bytes(&self, owner: &str) -> Result<u64> {
        let owner = owner.to_owned();
        let bytes: i64 = self
            .inner
            .readers
            .read(move |connection| {
                connection
                    .prepare_cached("SELECT coalesce(sum(bytes), 0) FROM files WHERE owner = ?1")?
                    .query_row([&owner], |row| row.get(0))
            })
            .await?;
        Ok(u64::try_from(bytes).unwrap_or(0))
    }

    async fn put_batch(&self, batch: &Batch) -> Result<()> {
        let text = rows::to_json(batch)?;
        let (owner, id) = (batch.owner.clone(), batch.id.clone());
        let created_at = batch.created_at_ms;
        let ended_at =
            batch.status.is_final().then(|| batch.ended_at_ms.unwrap_or(batch.created_at_ms));
        let put = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO batches (owner, id, created_at, ended_at, batch)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute((&owner, &id, created_at, ended_at, &text))
        };
        self.define(put).await.map(drop)
    }

    async fn batch(&self, owner: &str, id: &str) -> Result<Option<Batch>> {
        self.one("SELECT batch FROM batches WHERE owner = ?1 AND id = ?2", owner, id).await
    }

    async fn batches(&self, owner: &str, after: Option<&str>, limit: usize) -> Result<Vec<Batch>> {
        let sql = "SELECT batch FROM batches WHERE owner = ?1 AND (?2 IS NULL OR (created_at, id) <
                       (SELECT created_at, id FROM batches WHERE owner = ?1 AND id = ?2))
                   ORDER BY created_at DESC, id DESC LIMIT ?3";
        self.page(sql, owner, after, limit).await
    }

    async fn unfinished_batches(&self) -> Result<Vec<Batch>> {
        let texts: Vec<String> = self
            .inner
            .readers
            .read(|connection| {
                connection
                    .prepare_cached(
                        "SELECT batch FROM batches WHERE ended_at IS NULL ORDER BY created_at, id",
                    )?
                    .query_map([], |row| row.get(0))?
                    .collect()
            })
            .await?;
        texts.iter().map(|text| parsed(text)).collect()
    }

    async fn put_line(&self, batch_id: &str, line: &BatchLine) -> Result<()> {
        let (batch_id, line) = (batch_id.to_owned(), line.clone());
        let number = i64::try_from(line.line).unwrap_or(i64::MAX);
        let put = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "INSERT OR IGNORE INTO batch_lines (batch_id, line, is_error, text)
                     VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute((&batch_id, number, line.is_error, &line.text))
        };
        self.define(put).await.map(drop)
    }

    async fn lines(&self, batch_id: &str) -> Result<Vec<BatchLine>> {
        let batch_id = batch_id.to_owned();
        let read = |row: &rusqlite::Row<'_>| {
            let line: i64 = row.get(0)?;
            let line = u64::try_from(line).unwrap_or(0);
            Ok(BatchLine { line, is_error: row.get(1)?, text: row.get(2)? })
        };
        self.inner
            .readers
            .read(move |connection| {
                connection
                    .prepare_cached(
                        "SELECT line, is_error, text FROM batch_lines WHERE batch_id = ?1
                         ORDER BY line",
                    )?
                    .query_map([&batch_id], read)?
                    .collect()
            })
            .await
    }

    async fn forget_lines(&self, batch_id: &str) -> Result<()> {
        let batch_id = batch_id.to_owned();
        let forget = move |connection: &Connection| {
            connection
                .prepare_cached("DELETE FROM batch_lines WHERE batch_id = ?1")?
                .execute([&batch_id])
        };
        self.define(forget).await.map(drop)
    }
}

impl Store {
    async fn one<T: DeserializeOwned>(
        &self,
        sql: &'static str,
        owner: &str,
        id: &str,
    ) -> Result<Option<T>> {
        let (owner, id) = (owner.to_owned(), id.to_owned());
        let text: Option<String> = self
            .inner
            .readers
            .read(move |connection| {
                connection
                    .prepare_cached(sql)?
                    .query_row((&owner, &id), |row| row.get(0))
                    .optional()
            })
            .await?;
        text.map(|text| parsed(&text)).transpose()
    }

    async fn page<T: DeserializeOwned>(
        &self,
        sql: &'static str,
        owner: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<T>> {
        let (owner, after) = (owner.to_owned(), after.map(str::to_owned));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let texts: Vec<String> = self
            .inner
            .readers
            .read(move |connection| {
                connection
                    .prepare_cached(sql)?
                    .query_map((&owner, &after, limit), |row| row.get(0))?
                    .collect()
            })
            .await?;
        texts.iter().map(|text| parsed(text)).collect()
    }
}

fn size(content: &Bytes) -> i64 {
    i64::try_from(content.len()).unwrap_or(i64::MAX)
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|error| Error::internal("a kept file or batch cannot be read").with_source(error))
}
