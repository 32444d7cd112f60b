//! Background jobs as rows: what is asked by is a column, the job itself is one JSON text.

use async_trait::async_trait;
use gw_core::seam::{Job, Jobs};
use gw_core::{Error, Result};
use rusqlite::{Connection, OptionalExtension};

use super::{Store, rows};

#[async_trait]
impl Jobs for Store {
    async fn put_job(&self, owner: &str, job: &Job) -> Result<()> {
        let text = rows::to_json(job)?;
        let (id, owner) = (job.id.clone(), owner.to_owned());
        let status = rows::to_json(&job.status)?;
        let (created_at, finished_at) = (job.created_at, job.finished_at);
        let finished_at = job.status.is_final().then(|| finished_at.unwrap_or(created_at));
        let put = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "INSERT INTO tool_jobs (id, owner, status, created_at, finished_at, job)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                     ON CONFLICT (id) DO UPDATE SET
                         status = excluded.status,
                         finished_at = excluded.finished_at,
                         job = excluded.job",
                )?
                .execute((&id, &owner, status.trim_matches('"'), created_at, finished_at, &text))
        };
        self.define(put).await.map(drop)
    }

    async fn job(&self, owner: &str, id: &str) -> Result<Option<Job>> {
        let (owner, id) = (owner.to_owned(), id.to_owned());
        let text: Option<String> = self
            .inner
            .readers
            .read(move |connection| {
                let sql = "SELECT job FROM tool_jobs WHERE id = ?1 AND owner = ?2";
                connection
                    .prepare_cached(sql)?
                    .query_row((&id, &owner), |row| row.get(0))
                    .optional()
            })
            .await?;
        text.map(|text| parsed(&text)).transpose()
    }

    async fn jobs(&self, owner: &str, limit: usize) -> Result<Vec<Job>> {
        let owner = owner.to_owned();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let texts: Vec<String> = self
            .inner
            .readers
            .read(move |connection| {
                connection
                    .prepare_cached(
                        "SELECT job FROM tool_jobs WHERE owner = ?1
                         ORDER BY created_at DESC, id DESC LIMIT ?2",
                    )?
                    .query_map((&owner, limit), |row| row.get(0))?
                    .collect()
            })
            .await?;
        texts.iter().map(|text| parsed(text)).collect()
    }

    async fn unfinished_jobs(&self) -> Result<Vec<(String, Job)>> {
        let found: Vec<(String, String)> = self
            .inner
            .readers
            .read(|connection| {
                connection
                    .prepare_cached(
                        "SELECT owner, job FROM tool_jobs WHERE finished_at IS NULL
                         ORDER BY created_at, id",
                    )?
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect()
            })
            .await?;
        found.into_iter().map(|(owner, text)| Ok((owner, parsed(&text)?))).collect()
    }

    async fn forget_jobs(&self, before_unix_ms: i64) -> Result<()> {
        let forget = move |connection: &Connection| {
            connection
                .prepare_cached("DELETE FROM tool_jobs WHERE finished_at < ?1")?
                .execute([before_unix_ms])
        };
        self.define(forget).await.map(drop)
    }
}

fn parsed(text: &str) -> Result<Job> {
    serde_json::from_str(text)
        .map_err(|error| Error::internal("a kept job cannot be read").with_source(error))
}
