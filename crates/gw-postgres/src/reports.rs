//! Reports from the sums by the hour. They outlive the calls' own rows.

use async_trait::async_trait;
use gw_core::record::{CallRecord, UsageBy, UsageGroup, UsageQuery};
use gw_core::seam::UsageReports;
use gw_core::{CallId, Layer, Money, Result};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::fault::Fault;
use crate::rows;
use crate::store::PostgresStore;
use crate::sums::hour_of;
use crate::text::{self, stored};

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
impl UsageReports for PostgresStore {
    async fn usage(&self, query: UsageQuery) -> Result<Vec<UsageGroup>> {
        let (conditions, values) = conditions(&query);
        let sql = statement(&query, &conditions);
        let values: Vec<&(dyn ToSql + Sync)> =
            values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
        let found = self.kept(&sql, &values).await?;
        let width = query.by.len();
        self.read(|| found.iter().map(|row| read(row, width)).collect())
    }

    async fn call(&self, id: CallId) -> Result<Option<CallRecord>> {
        self.one_call(id).await
    }
}

fn statement(query: &UsageQuery, conditions: &[String]) -> String {
    let keys: Vec<String> = query.by.iter().map(|by| key_of(*by)).collect();
    let sums = SUMMED.iter().map(|column| format!("coalesce(sum({column}), 0)::text"));
    let columns: Vec<String> = keys.iter().cloned().chain(sums).collect();
    let mut sql = format!("SELECT {} FROM gateway.usage_rollups", columns.join(", "));
    if query.by.contains(&UsageBy::Tag) {
        sql.push_str(" LEFT JOIN LATERAL unnest(tags) AS tag (value) ON true");
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
    sql
}

fn key_of(by: UsageBy) -> String {
    // Beyond the years 1 to 9999 there is no such text.
    let time = |form: &str| {
        format!(
            "(CASE WHEN hour_ms BETWEEN -62135596800000 AND 253402300799999
              THEN to_char(to_timestamp(hour_ms / 1000) AT TIME ZONE 'UTC', '{form}') ELSE '' END)
             COLLATE \"C\""
        )
    };
    match by {
        UsageBy::Day => time("YYYY-MM-DD"),
        UsageBy::Hour => time("YYYY-MM-DD\"T\"HH24"),
        UsageBy::Model => "model_id".to_owned(),
        UsageBy::Layer => "layer".to_owned(),
        UsageBy::Provider => "provider".to_owned(),
        UsageBy::Key => "key_id".to_owned(),
        UsageBy::Team => "team_id".to_owned(),
        UsageBy::User => "user_id".to_owned(),
        UsageBy::Project => "project_id".to_owned(),
        UsageBy::Tag => "coalesce(tag.value, '') COLLATE \"C\"".to_owned(),
    }
}

fn conditions(query: &UsageQuery) -> (Vec<String>, Vec<Box<dyn ToSql + Sync + Send>>) {
    let mut conditions = Vec::new();
    let mut values: Vec<Box<dyn ToSql + Sync + Send>> = Vec::new();
    let mut add = |condition: &str, value: Option<Box<dyn ToSql + Sync + Send>>| {
        if let Some(value) = value {
            values.push(value);
            conditions.push(condition.replace('?', &format!("${}", values.len())));
        }
    };
    let hour = |at: Option<i64>| at.map(|at| Box::new(hour_of(at)) as _);
    let text = |value: &Option<String>| {
        value.as_deref().map(|value| Box::new(stored(value).into_owned()) as _)
    };
    add("hour_ms >= ?", hour(query.from_ms));
    add("hour_ms < ?", hour(query.until_ms));
    add("model_id = ?", text(&query.model_id));
    add("layer = ?", query.layer.map(|layer| Box::new(Layer::as_str(layer)) as _));
    add("provider = ?", text(&query.provider));
    add("key_id = ?", text(&query.key_id));
    add("team_id = ?", text(&query.team_id));
    add("user_id = ?", text(&query.user_id));
    add("project_id = ?", text(&query.project_id));
    add("? = ANY (tags)", text(&query.tag));
    (conditions, values)
}

fn read(row: &Row, width: usize) -> Result<UsageGroup, Fault> {
    let key = (0..width)
        .map(|at| Ok(text::read(row.try_get(at)?)))
        .collect::<Result<Vec<String>, Fault>>()?;
    let wide = |at: usize| rows::wide(row, width + at);
    let count = |at: usize| wide(at).map(rows::count);
    let money = |at: usize| wide(at).map(|pico| Money::from_pico(rows::pico(pico)));
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
