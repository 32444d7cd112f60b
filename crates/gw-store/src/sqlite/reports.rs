//! Reports from the sums by the hour. They outlive the calls' own rows.

use async_trait::async_trait;
use gw_core::record::{CallRecord, UsageBy, UsageGroup, UsageQuery};
use gw_core::seam::UsageReports;
use gw_core::{CallId, Layer, Money, Result};
use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use super::sums::hour_of;
use super::{Store, calls};

/// Columns that are summed, in the order of [`read`].
const SUMMED: [&str; 16] = [
    "calls",
    "failed_calls",
    "cached_calls",
    "unpriced_calls",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "pico",
    "duration_ms",
    "compared_calls",
    "compared_pico",
    "baseline_pico",
    "prompt_cache_saved_pico",
    "response_cache_saved_pico",
];

#[async_trait]
impl UsageReports for Store {
    async fn usage(&self, query: UsageQuery) -> Result<Vec<UsageGroup>> {
        self.add_up().await?;
        self.inner.readers.read(move |connection| usage(connection, &query)).await
    }

    async fn call(&self, id: CallId) -> Result<Option<CallRecord>> {
        self.inner.readers.read(move |connection| calls::one(connection, id)).await
    }
}

fn key_of(by: UsageBy) -> &'static str {
    match by {
        UsageBy::Day => "coalesce(strftime('%Y-%m-%d', hour_ms / 1000, 'unixepoch'), '')",
        UsageBy::Hour => "coalesce(strftime('%Y-%m-%dT%H', hour_ms / 1000, 'unixepoch'), '')",
        UsageBy::Model => "model_id",
        UsageBy::Layer => "layer",
        UsageBy::Provider => "provider",
        UsageBy::Key => "key_id",
        UsageBy::Team => "team_id",
        UsageBy::User => "user_id",
        UsageBy::Project => "project_id",
        UsageBy::Tag => "coalesce(tag.value, '')",
    }
}

fn usage(connection: &Connection, query: &UsageQuery) -> rusqlite::Result<Vec<UsageGroup>> {
    let (conditions, values) = conditions(query);
    let keys: Vec<&str> = query.by.iter().map(|by| key_of(*by)).collect();
    // Halves are summed apart: SQLite refuses sums beyond 64 bits.
    let sums: Vec<String> = SUMMED
        .iter()
        .map(|column| format!("sum({column} >> 32), sum({column} & 4294967295)"))
        .collect();
    let mut sql = String::from("SELECT ");
    for key in &keys {
        sql.push_str(key);
        sql.push_str(", ");
    }
    sql.push_str(&sums.join(", "));
    sql.push_str(" FROM usage_rollups");
    if query.by.contains(&UsageBy::Tag) {
        sql.push_str(" LEFT JOIN json_each(usage_rollups.tags) AS tag");
    }
    if !conditions.is_empty() {
        sql.push_str(" WHERE ");
        sql.push_str(&conditions.join(" AND "));
    }
    let places: Vec<String> = (1..=keys.len()).map(|place| place.to_string()).collect();
    if !places.is_empty() {
        let places = places.join(", ");
        sql.push_str(&format!(" GROUP BY {places} ORDER BY {places}"));
    }
    let width = keys.len();
    connection
        .prepare_cached(&sql)?
        .query_map(rusqlite::params_from_iter(values), |row| read(row, width))?
        .collect()
}

fn conditions(query: &UsageQuery) -> (Vec<String>, Vec<Value>) {
    let mut conditions = Vec::new();
    let mut values = Vec::new();
    let mut add = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            values.push(value);
            conditions.push(condition.replace('?', &format!("?{}", values.len())));
        }
    };
    let text = |value: &Option<String>| value.clone().map(Value::from);
    add("hour_ms >= ?", query.from_ms.map(hour_of).map(Value::from));
    add("hour_ms < ?", query.until_ms.map(hour_of).map(Value::from));
    add("model_id = ?", text(&query.model_id));
    add("layer = ?", query.layer.map(|layer| Layer::as_str(layer).to_owned().into()));
    add("provider = ?", text(&query.provider));
    add("key_id = ?", text(&query.key_id));
    add("team_id = ?", text(&query.team_id));
    add("user_id = ?", text(&query.user_id));
    add("project_id = ?", text(&query.project_id));
    add("EXISTS (SELECT 1 FROM json_each(tags) AS own WHERE own.value = ?)", text(&query.tag));
    (conditions, values)
}

fn read(row: &Row<'_>, width: usize) -> rusqlite::Result<UsageGroup> {
    let key = (0..width).map(|at| row.get(at)).collect::<rusqlite::Result<Vec<String>>>()?;
    let wide = |at: usize| -> rusqlite::Result<i128> {
        let high: Option<i64> = row.get(width + 2 * at)?;
        let low: Option<i64> = row.get(width + 2 * at + 1)?;
        Ok((i128::from(high.unwrap_or(0)) << 32) + i128::from(low.unwrap_or(0)))
    };
    let count = |at: usize| wide(at).map(|sum| u64::try_from(sum.max(0)).unwrap_or(u64::MAX));
    let money = |at: usize| {
        wide(at).map(|pico| {
            let end = if pico < 0 { i64::MIN } else { i64::MAX };
            Money::from_pico(i64::try_from(pico).unwrap_or(end))
        })
    };
    Ok(UsageGroup {
        key,
        calls: count(0)?,
        failed_calls: count(1)?,
        cached_calls: count(2)?,
        unpriced_calls: count(3)?,
        input_tokens: count(4)?,
        cache_read_tokens: count(5)?,
        cache_write_tokens: count(6)?,
        output_tokens: count(7)?,
        reasoning_tokens: count(8)?,
        cost: money(9)?,
        duration_ms: count(10)?,
        compared_calls: count(11)?,
        compared_cost: money(12)?,
        baseline: money(13)?,
        prompt_cache_saved: money(14)?,
        response_cache_saved: money(15)?,
    })
}
