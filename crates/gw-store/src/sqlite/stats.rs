//! Sums over calls between two instants, for `/v1/stats` and conversations.
//!
//! From rows as long as they are there, from the sums by the hour before that. Rows of `llm_calls`
//! are read alone: joining them to messages would count every call once for each turn.

use std::collections::BTreeMap;

use gw_core::record::{Stats, StatsFilter, StatsRow};
use gw_core::{Layer, Money};
use rusqlite::{Connection, OptionalExtension, Row, ToSql};

use super::rows;
use super::sums::{HOUR_MS, REMOVED_UNTIL, hour_of};

/// SQLite refuses to sum integers beyond 64 bits, and one absurd row would then hide all others:
/// the halves are summed apart and joined in [`Sum`].
pub(super) const SUMS: &str = "count(*), sum(cached), sum(cost_pico IS NULL),
    sum(input_tokens >> 32), sum(input_tokens & 4294967295),
    sum(output_tokens >> 32), sum(output_tokens & 4294967295),
    sum(cost_pico >> 32), sum(cost_pico & 4294967295),
    sum(duration_ms >> 32), sum(duration_ms & 4294967295)";

/// The same of the sums by the hour.
const SUMS_OF_HOURS: &str = "sum(calls), sum(cached_calls), sum(unpriced_calls),
    sum(input_tokens >> 32), sum(input_tokens & 4294967295),
    sum(output_tokens >> 32), sum(output_tokens & 4294967295),
    sum(pico >> 32), sum(pico & 4294967295),
    sum(duration_ms >> 32), sum(duration_ms & 4294967295)";

/// Sums by what [`Stats`] groups.
#[derive(Default)]
struct Groups {
    total: Sum,
    by_model: BTreeMap<String, Sum>,
    by_layer: BTreeMap<Layer, Sum>,
}

pub(super) fn stats(connection: &Connection, filter: &StatsFilter) -> rusqlite::Result<Stats> {
    let mut groups = Groups::default();
    let mut rows_filter = filter.clone();
    if let Some(gone_ms) = removed_until(connection)? {
        let kept_from_ms = hour_of(gone_ms).saturating_add(HOUR_MS);
        let hours = StatsFilter {
            user_id: filter.user_id.clone(),
            from_ms: filter.from_ms.map(hour_of),
            until_ms: Some(
                filter
                    .until_ms
                    .map_or(kept_from_ms, |until_ms| kept_from_ms.min(hour_of(until_ms))),
            ),
        };
        groups.add(connection, SUMS_OF_HOURS, "usage_rollups", "hour_ms", &hours)?;
        rows_filter.from_ms = Some(filter.from_ms.unwrap_or(i64::MIN).max(kept_from_ms));
    }
    groups.add(connection, SUMS, "llm_calls", "created_at", &rows_filter)?;
    Ok(groups.into_stats())
}

/// The latest instant of a call whose row was removed.
fn removed_until(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT bytes FROM store_sizes WHERE name = ?1")?
        .query_row([REMOVED_UNTIL], |row| row.get(0))
        .optional()
}

impl Groups {
    fn add(
        &mut self,
        connection: &Connection,
        sums: &str,
        table: &str,
        time: &str,
        filter: &StatsFilter,
    ) -> rusqlite::Result<()> {
        let mut conditions: Vec<String> = Vec::new();
        let mut values: Vec<(&str, &dyn ToSql)> = Vec::new();
        if let Some(user_id) = &filter.user_id {
            conditions.push("user_id = :user_id".to_owned());
            values.push((":user_id", user_id));
        }
        if let Some(from_ms) = &filter.from_ms {
            conditions.push(format!("{time} >= :from_ms"));
            values.push((":from_ms", from_ms));
        }
        if let Some(until_ms) = &filter.until_ms {
            conditions.push(format!("{time} < :until_ms"));
            values.push((":until_ms", until_ms));
        }
        let filtered = if conditions.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", conditions.join(" AND "))
        };
        let sql = format!(
            "SELECT {sums}, model_id, layer FROM {table} {filtered} GROUP BY model_id, layer"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut groups = statement.query(values.as_slice())?;
        while let Some(group) = groups.next()? {
            let sum = Sum::read(group)?;
            self.total.add(&sum);
            let model_id: String = group.get("model_id")?;
            if !model_id.is_empty() {
                self.by_model.entry(model_id).or_default().add(&sum);
            }
            if group.get_ref("layer")?.as_str_or_null()?.is_some_and(|layer| !layer.is_empty()) {
                let layer = rows::word(group, "layer", |text| text.parse().ok())?;
                self.by_layer.entry(layer).or_default().add(&sum);
            }
        }
        Ok(())
    }

    fn into_stats(self) -> Stats {
        Stats {
            total: self.total.into_row(),
            by_model: self.by_model.into_iter().map(|(id, sum)| (id, sum.into_row())).collect(),
            by_layer: self
                .by_layer
                .into_iter()
                .map(|(layer, sum)| (layer, sum.into_row()))
                .collect(),
        }
    }
}

/// A sum that cannot overflow; it is brought into the range of [`StatsRow`] at the very end, so
/// that the order of adding makes no difference.
#[derive(Default)]
pub(super) struct Sum {
    calls: u64,
    cached_calls: u64,
    unpriced_calls: u64,
    input_tokens: i128,
    output_tokens: i128,
    cost_pico: i128,
    duration_ms: i128,
}

impl Sum {
    /// Reads the columns of [`SUMS`], which stand first.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let count = |column: usize| -> rusqlite::Result<u64> {
            let number: Option<i64> = row.get(column)?;
            Ok(u64::try_from(number.unwrap_or(0)).unwrap_or(0))
        };
        let wide = |column: usize| -> rusqlite::Result<i128> {
            let high: Option<i64> = row.get(column)?;
            let low: Option<i64> = row.get(column + 1)?;
            Ok((i128::from(high.unwrap_or(0)) << 32) + i128::from(low.unwrap_or(0)))
        };
        Ok(Self {
            calls: count(0)?,
            cached_calls: count(1)?,
            unpriced_calls: count(2)?,
            input_tokens: wide(3)?,
            output_tokens: wide(5)?,
            cost_pico: wide(7)?,
            duration_ms: wide(9)?,
        })
    }

    fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.cached_calls = self.cached_calls.saturating_add(other.cached_calls);
        self.unpriced_calls = self.unpriced_calls.saturating_add(other.unpriced_calls);
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cost_pico = self.cost_pico.saturating_add(other.cost_pico);
        self.duration_ms = self.duration_ms.saturating_add(other.duration_ms);
    }

    pub(super) fn into_row(self) -> StatsRow {
        let unsigned = |sum: i128| u64::try_from(sum.max(0)).unwrap_or(u64::MAX);
        let end = if self.cost_pico < 0 { i64::MIN } else { i64::MAX };
        StatsRow {
            calls: self.calls,
            cached_calls: self.cached_calls,
            unpriced_calls: self.unpriced_calls,
            input_tokens: unsigned(self.input_tokens),
            output_tokens: unsigned(self.output_tokens),
            cost: Money::from_pico(i64::try_from(self.cost_pico).unwrap_or(end)),
            duration_ms: unsigned(self.duration_ms),
        }
    }
}
