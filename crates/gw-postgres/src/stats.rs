//! Sums over calls between two instants, for `/v1/stats` and conversations.
//!
//! From rows as long as they are there, from the sums by the hour before that. Rows of `llm_calls`
//! are read alone: joining them to messages would count every call once for each turn.

use std::collections::BTreeMap;

use gw_core::record::{Stats, StatsFilter, StatsRow};
use gw_core::{Layer, Money, Result};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::calls::layer;
use crate::fault::Fault;
use crate::rows;
use crate::store::PostgresStore;
use crate::sums::{HOUR_MS, hour_of};
use crate::text::stored;

/// Sums are `numeric` to the end, so that one absurd row does not hide all others.
pub(crate) const SUMS: &str = "count(*)::text AS s0, (count(*) FILTER (WHERE cached))::text AS s1,
    (count(*) FILTER (WHERE cost_pico IS NULL))::text AS s2,
    coalesce(sum(input_tokens), 0)::text AS s3, coalesce(sum(output_tokens), 0)::text AS s4,
    coalesce(sum(cost_pico), 0)::text AS s5, coalesce(sum(duration_ms), 0)::text AS s6";

/// The same of the sums by the hour.
const SUMS_OF_HOURS: &str = "sum(calls)::text AS s0, sum(cached_calls)::text AS s1,
    sum(unpriced_calls)::text AS s2, sum(input_tokens)::text AS s3, sum(output_tokens)::text AS s4,
    sum(pico)::text AS s5, sum(duration_ms)::text AS s6";

/// The row of `store_sizes` that says up to when rows of calls were removed, in milliseconds since
/// 1970.
const REMOVED_UNTIL: &str =
    "SELECT bytes FROM gateway.store_sizes WHERE name = 'llm_calls_removed_until_ms'";

impl PostgresStore {
    pub(crate) async fn sums_between(&self, filter: &StatsFilter) -> Result<Stats> {
        let gone = self.kept(REMOVED_UNTIL, &[]).await?;
        let gone_ms: Option<i64> =
            self.read(|| gone.first().map(|row| Ok(row.try_get(0)?)).transpose())?;
        let mut of_rows = filter.clone();
        let mut groups = Vec::new();
        if let Some(gone_ms) = gone_ms {
            let kept_from_ms = hour_of(gone_ms).saturating_add(HOUR_MS);
            let until_ms = filter.until_ms.map_or(i64::MAX, hour_of).min(kept_from_ms);
            let hours = StatsFilter {
                user_id: filter.user_id.clone(),
                from_ms: filter.from_ms.map(hour_of),
                until_ms: Some(until_ms),
            };
            groups = self.groups(SUMS_OF_HOURS, "usage_rollups", "hour_ms", &hours).await?;
            of_rows.from_ms = Some(filter.from_ms.unwrap_or(i64::MIN).max(kept_from_ms));
        }
        groups.extend(self.groups(SUMS, "llm_calls", "created_at", &of_rows).await?);
        self.read(|| stats(&groups))
    }

    async fn groups(
        &self,
        sums: &str,
        table: &str,
        time: &str,
        filter: &StatsFilter,
    ) -> Result<Vec<Row>> {
        let user_id = filter.user_id.as_deref().map(stored);
        let mut conditions: Vec<String> = Vec::new();
        let mut values: Vec<&(dyn ToSql + Sync)> = Vec::new();
        if let Some(user_id) = &user_id {
            values.push(user_id);
            let place = values.len();
            conditions
                .push(format!("user_id = ${place} AND left(user_id, 200) = left(${place}, 200)"));
        }
        if let Some(from_ms) = &filter.from_ms {
            values.push(from_ms);
            conditions.push(format!("{time} >= ${}", values.len()));
        }
        if let Some(until_ms) = &filter.until_ms {
            values.push(until_ms);
            conditions.push(format!("{time} < ${}", values.len()));
        }
        let filtered = if conditions.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", conditions.join(" AND "))
        };
        let sql = format!(
            "SELECT {sums}, model_id, layer FROM gateway.{table} {filtered}
             GROUP BY model_id, layer"
        );
        self.kept(&sql, &values).await
    }
}

fn stats(groups: &[Row]) -> Result<Stats, Fault> {
    let mut total = Sum::default();
    let mut by_model: BTreeMap<String, Sum> = BTreeMap::new();
    let mut by_layer: BTreeMap<Layer, Sum> = BTreeMap::new();
    for group in groups {
        let sum = Sum::read(group)?;
        total.add(&sum);
        let model_id = rows::text(group, "model_id")?;
        if !model_id.is_empty() {
            by_model.entry(model_id).or_default().add(&sum);
        }
        if let Some(layer) = layer(group)? {
            by_layer.entry(layer).or_default().add(&sum);
        }
    }
    Ok(Stats {
        total: total.into_row(),
        by_model: by_model.into_iter().map(|(id, sum)| (id, sum.into_row())).collect(),
        by_layer: by_layer.into_iter().map(|(layer, sum)| (layer, sum.into_row())).collect(),
    })
}

/// A sum that cannot overflow; it is brought into the range of [`StatsRow`] at the very end, so
/// that the order of adding makes no difference.
#[derive(Default)]
pub(crate) struct Sum([i128; 7]);

impl Sum {
    /// Reads the columns of [`SUMS`], which stand first.
    pub(crate) fn read(row: &Row) -> Result<Self, Fault> {
        let mut sum = Self::default();
        for (column, number) in sum.0.iter_mut().enumerate() {
            *number = rows::wide(row, column)?;
        }
        Ok(sum)
    }

    fn add(&mut self, other: &Self) {
        for (number, more) in self.0.iter_mut().zip(other.0) {
            *number = number.saturating_add(more);
        }
    }

    pub(crate) fn into_row(self) -> StatsRow {
        let [calls, cached, unpriced, input, output, pico, duration] = self.0;
        StatsRow {
            calls: rows::count(calls),
            cached_calls: rows::count(cached),
            unpriced_calls: rows::count(unpriced),
            input_tokens: rows::count(input),
            output_tokens: rows::count(output),
            cost: Money::from_pico(rows::pico(pico)),
            duration_ms: rows::count(duration),
        }
    }
}
