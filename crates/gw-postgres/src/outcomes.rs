//! What was said of answers, as rows.

use std::collections::BTreeMap;

use async_trait::async_trait;
use gw_core::limits::OUTCOMES_MAX;
use gw_core::outcome::{Judged, Outcome, OutcomeSource};
use gw_core::seam::Outcomes;
use gw_core::{CallId, Result};
use tokio_postgres::Row;

use crate::fault::Fault;
use crate::rows;
use crate::store::PostgresStore;
use crate::text::key;

/// One write in so many looks at how many there are.
const WRITES_A_LOOK: u8 = 8;

const KEEP: &str = "
    INSERT INTO gateway.outcomes (call_id, model, source, score, at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (call_id, model, source) DO UPDATE SET score = excluded.score, at = excluded.at";

const REMOVE: &str = "
    DELETE FROM gateway.outcomes WHERE call_id < (
        SELECT call_id FROM gateway.outcomes ORDER BY call_id DESC LIMIT 1 OFFSET $1)";

const JUDGED: &str = "
    SELECT said.call_id, said.model, said.source, said.score, said.at FROM gateway.outcomes AS said
    WHERE said.call_id IN (
        SELECT DISTINCT call_id FROM gateway.outcomes WHERE call_id > $1
        AND EXISTS (SELECT 1 FROM gateway.llm_calls WHERE llm_calls.id = outcomes.call_id)
        ORDER BY call_id LIMIT $2)
    ORDER BY said.call_id, said.model, said.source";

#[async_trait]
impl Outcomes for PostgresStore {
    async fn keep_outcome(&self, outcome: Outcome) -> Result<()> {
        let Outcome { call_id, model, source, score, at_ms } = &outcome;
        let id = call_id.to_string();
        self.database().change(KEEP, &[&id, &key(model), &source.as_str(), score, at_ms]).await?;
        let last = id.as_bytes().last().copied().unwrap_or_default();
        if last.is_multiple_of(WRITES_A_LOOK) {
            let most = i64::try_from(OUTCOMES_MAX).unwrap_or(i64::MAX);
            self.database().change(REMOVE, &[&most]).await?;
        }
        Ok(())
    }

    async fn judged_calls(&self, after: Option<CallId>, limit: usize) -> Result<Vec<Judged>> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = self.kept(JUDGED, &[&after, &limit]).await?;
        let outcomes: Vec<Outcome> = self.read(|| found.iter().map(read).collect())?;
        let mut by_call: BTreeMap<String, Vec<Outcome>> = BTreeMap::new();
        for outcome in outcomes {
            by_call.entry(outcome.call_id.to_string()).or_default().push(outcome);
        }
        let mut judged = Vec::with_capacity(by_call.len());
        for outcomes in by_call.into_values() {
            let Some(first) = outcomes.first() else { continue };
            if let Some(call) = self.one_call(first.call_id).await? {
                judged.push(Judged { call, outcomes });
            }
        }
        Ok(judged)
    }
}

fn read(row: &Row) -> Result<Outcome, Fault> {
    Ok(Outcome {
        call_id: rows::word(row, "call_id", CallId::parse)?,
        model: rows::text(row, "model")?,
        source: rows::word(row, "source", OutcomeSource::parse)?,
        score: row.try_get("score")?,
        at_ms: row.try_get("at")?,
    })
}
