//! What was said of answers, as rows.

use async_trait::async_trait;
use gw_core::limits::OUTCOMES_MAX;
use gw_core::outcome::{Judged, Outcome, OutcomeSource};
use gw_core::seam::Outcomes;
use gw_core::{CallId, Result};
use rusqlite::{Connection, Row};

use super::{Store, calls, rows};

#[async_trait]
impl Outcomes for Store {
    async fn keep_outcome(&self, outcome: Outcome) -> Result<()> {
        let keep = move |connection: &Connection| {
            let Outcome { call_id, model, source, score, at_ms } = &outcome;
            let kept = connection
                .prepare_cached(
                    "INSERT INTO outcomes (call_id, model, source, score, at)
                     VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (call_id, model, source) DO UPDATE SET
                         score = excluded.score, at = excluded.at",
                )?
                .execute((call_id.to_string(), model, source.as_str(), score, at_ms))?;
            trim(connection)?;
            Ok(kept)
        };
        self.define(keep).await.map(drop)
    }

    async fn judged_calls(&self, after: Option<CallId>, limit: usize) -> Result<Vec<Judged>> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.inner.readers.read(move |connection| judged(connection, &after, limit)).await
    }
}

fn judged(connection: &Connection, after: &str, limit: i64) -> rusqlite::Result<Vec<Judged>> {
    let mut ids = connection.prepare_cached(
        "SELECT DISTINCT call_id AS id FROM outcomes WHERE call_id > ?1
         AND EXISTS (SELECT 1 FROM llm_calls WHERE llm_calls.id = outcomes.call_id)
         ORDER BY call_id LIMIT ?2",
    )?;
    let ids = ids
        .query_map((after, limit), |row| rows::word(row, "id", CallId::parse))?
        .collect::<rusqlite::Result<Vec<CallId>>>()?;
    let mut judged = Vec::with_capacity(ids.len());
    let mut said = connection.prepare_cached(
        "SELECT call_id, model, source, score, at FROM outcomes WHERE call_id = ?1
         ORDER BY model, source",
    )?;
    for id in ids {
        let Some(call) = calls::one(connection, id)? else { continue };
        let outcomes = said.query_map([id.to_string()], read)?.collect::<rusqlite::Result<_>>()?;
        judged.push(Judged { call, outcomes });
    }
    Ok(judged)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Outcome> {
    Ok(Outcome {
        call_id: rows::word(row, "call_id", CallId::parse)?,
        model: row.get("model")?,
        source: rows::word(row, "source", OutcomeSource::parse)?,
        score: row.get("score")?,
        at_ms: row.get("at")?,
    })
}

/// Removes the oldest beyond the bound, once in a while.
fn trim(connection: &Connection) -> rusqlite::Result<()> {
    let looks: bool =
        connection.query_one("SELECT abs(random()) % 256 = 0", [], |row| row.get(0))?;
    if looks {
        connection.execute(
            "DELETE FROM outcomes WHERE call_id < (
                 SELECT call_id FROM outcomes ORDER BY call_id DESC LIMIT 1 OFFSET ?1)",
            [i64::try_from(OUTCOMES_MAX).unwrap_or(i64::MAX)],
        )?;
    }
    Ok(())
}
