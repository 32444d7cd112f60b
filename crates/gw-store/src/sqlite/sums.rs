//! What calls add to the sums: spending by account and slot, usage by the hour. Gathered in memory, so
//! that many calls write each sum once.

use std::collections::HashMap;

use gw_core::budget::slot_of;
use gw_core::record::CallRecord;
use gw_core::{Layer, Scope, ScopeKind};
use rusqlite::Connection;

use super::rows;

/// Milliseconds in an hour.
pub(super) const HOUR_MS: i64 = 3_600_000;

/// The row of `store_sizes` that says up to when rows of calls were removed, in milliseconds since 1970.
pub(super) const REMOVED_UNTIL: &str = "llm_calls_removed_until_ms";

/// Adds `:1` to a column, held at the ends of its range.
macro_rules! plus {
    ($column:literal) => {
        concat!(
            $column,
            " = CASE WHEN excluded.",
            $column,
            " >= 0 AND ",
            $column,
            " > 9223372036854775807 - excluded.",
            $column,
            " THEN 9223372036854775807 WHEN excluded.",
            $column,
            " < 0 AND ",
            $column,
            " < -9223372036854775807 - excluded.",
            $column,
            " THEN -9223372036854775807 ELSE ",
            $column,
            " + excluded.",
            $column,
            " END"
        )
    };
}

pub(super) const SPEND: &str = concat!(
    "INSERT INTO spending (kind, id, slot_ms, pico, tokens, calls) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
     ON CONFLICT (kind, id, slot_ms) DO UPDATE SET ",
    plus!("pico"),
    ", ",
    plus!("tokens"),
    ", calls = calls + excluded.calls"
);

const ROLL_UP: &str = concat!(
    "INSERT INTO usage_rollups (
         hour_ms, model_id, layer, provider, key_id, team_id, user_id, project_id, tags, calls,
         failed_calls, cached_calls, unpriced_calls, compared_calls, input_tokens,
         cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, pico, duration_ms,
         compared_pico, baseline_pico, prompt_cache_saved_pico, response_cache_saved_pico
     ) VALUES (
         ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
         ?21, ?22, ?23, ?24, ?25
     ) ON CONFLICT (
         hour_ms, model_id, layer, provider, key_id, team_id, user_id, project_id, tags
     ) DO UPDATE SET
         compared_calls = compared_calls + excluded.compared_calls,
         calls = calls + excluded.calls,
         failed_calls = failed_calls + excluded.failed_calls,
         cached_calls = cached_calls + excluded.cached_calls,
         unpriced_calls = unpriced_calls + excluded.unpriced_calls, ",
    plus!("input_tokens"),
    ", ",
    plus!("cache_read_tokens"),
    ", ",
    plus!("cache_write_tokens"),
    ", ",
    plus!("output_tokens"),
    ", ",
    plus!("reasoning_tokens"),
    ", ",
    plus!("pico"),
    ", ",
    plus!("duration_ms"),
    ", ",
    plus!("compared_pico"),
    ", ",
    plus!("baseline_pico"),
    ", ",
    plus!("prompt_cache_saved_pico"),
    ", ",
    plus!("response_cache_saved_pico")
);

/// What some calls add.
#[derive(Default)]
pub(super) struct Sums {
    spending: HashMap<(Scope, i64), Spent>,
    usage: HashMap<UsageKey, Used>,
    bytes: i64,
    now_ms: i64,
}

#[derive(Default)]
struct Spent {
    pico: i64,
    tokens: u64,
    calls: i64,
}

#[derive(PartialEq, Eq, Hash)]
struct UsageKey {
    hour_ms: i64,
    model_id: String,
    layer: &'static str,
    provider: String,
    key_id: String,
    team_id: String,
    user_id: String,
    project_id: String,
    tags: String,
}

#[derive(Default)]
struct Used {
    calls: i64,
    failed: i64,
    cached: i64,
    unpriced: i64,
    input: u64,
    cache_read: u64,
    cache_write: u64,
    output: u64,
    reasoning: u64,
    pico: i64,
    duration_ms: u64,
    compared: i64,
    compared_pico: i64,
    baseline_pico: i64,
    prompt_cache_saved_pico: i64,
    response_cache_saved_pico: i64,
}

impl Sums {
    /// True where no call was added.
    pub(super) fn is_empty(&self) -> bool {
        self.usage.is_empty()
    }

    /// The store's clock at the last of the calls, in milliseconds since 1970.
    pub(super) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Adds a call whose row takes so many bytes.
    pub(super) fn add(&mut self, call: &CallRecord, bytes: i64, now_ms: i64) {
        let pico = call.cost.amount_or_zero().pico();
        let (input, output) = (call.usage.total_input(), call.usage.total_output());
        let slot_ms = slot_of(call.started_at_ms);
        for (at, scope) in call.scopes.iter().enumerate() {
            if call.scopes[..at].contains(scope) {
                continue;
            }
            let spent = self.spending.entry((scope.clone(), slot_ms)).or_default();
            spent.pico = spent.pico.saturating_add(pico);
            spent.tokens = spent.tokens.saturating_add(input).saturating_add(output);
            spent.calls += 1;
        }
        let used = self.usage.entry(UsageKey::of(call)).or_default();
        used.calls += 1;
        used.failed += i64::from(!call.status.is_ok());
        used.cached += i64::from(call.cached);
        used.unpriced += i64::from(call.cost.amount().is_none());
        let written = call.usage.cache_write.saturating_add(call.usage.cache_write_long);
        let read = call.usage.total_cache_read();
        for (sum, more) in [
            (&mut used.input, input),
            (&mut used.cache_read, read),
            (&mut used.cache_write, written),
            (&mut used.output, output),
            (&mut used.reasoning, call.usage.reasoning),
            (&mut used.duration_ms, call.duration_ms),
        ] {
            *sum = sum.saturating_add(more);
        }
        used.pico = used.pico.saturating_add(pico);
        if let (Some(cost), Some(baseline)) = (call.cost.amount(), call.savings.baseline) {
            used.compared += 1;
            used.compared_pico = used.compared_pico.saturating_add(cost.pico());
            used.baseline_pico = used.baseline_pico.saturating_add(baseline.pico());
        }
        let saved = call.savings.prompt_cache.map_or(0, gw_core::Money::pico);
        used.prompt_cache_saved_pico = used.prompt_cache_saved_pico.saturating_add(saved);
        let saved = call.savings.response_cache.map_or(0, gw_core::Money::pico);
        used.response_cache_saved_pico = used.response_cache_saved_pico.saturating_add(saved);
        self.bytes = self.bytes.saturating_add(bytes);
        self.now_ms = now_ms;
    }

    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut spend = connection.prepare_cached(SPEND)?;
        for ((scope, slot_ms), spent) in &self.spending {
            let (kind, id) = (scope.kind.as_str(), &*scope.id);
            let tokens = rows::int(spent.tokens);
            spend.execute((kind, id, slot_ms, spent.pico, tokens, spent.calls))?;
        }
        let mut roll_up = connection.prepare_cached(ROLL_UP)?;
        for (key, used) in &self.usage {
            roll_up.execute(rusqlite::params![
                key.hour_ms,
                key.model_id,
                key.layer,
                key.provider,
                key.key_id,
                key.team_id,
                key.user_id,
                key.project_id,
                key.tags,
                used.calls,
                used.failed,
                used.cached,
                used.unpriced,
                used.compared,
                rows::int(used.input),
                rows::int(used.cache_read),
                rows::int(used.cache_write),
                rows::int(used.output),
                rows::int(used.reasoning),
                used.pico,
                rows::int(used.duration_ms),
                used.compared_pico,
                used.baseline_pico,
                used.prompt_cache_saved_pico,
                used.response_cache_saved_pico,
            ])?;
        }
        connection
            .prepare_cached("UPDATE store_sizes SET bytes = bytes + ?1 WHERE name = 'llm_calls'")?
            .execute([self.bytes])
            .map(drop)
    }
}

impl UsageKey {
    fn of(call: &CallRecord) -> Self {
        let mut tags: Vec<&str> = call
            .scopes
            .iter()
            .filter(|scope| scope.kind == ScopeKind::Tag)
            .map(|scope| &*scope.id)
            .collect();
        tags.sort_unstable();
        tags.dedup();
        Self {
            hour_ms: hour_of(call.started_at_ms),
            model_id: call.model_id.clone(),
            layer: call.layer.map_or("", Layer::as_str),
            provider: call.provider.clone(),
            key_id: call.key_id.clone().unwrap_or_default(),
            team_id: call
                .scopes
                .iter()
                .find(|scope| scope.kind == ScopeKind::Team)
                .map(|scope| scope.id.to_string())
                .unwrap_or_default(),
            user_id: call.user_id.clone().unwrap_or_default(),
            project_id: call.project_id.clone().unwrap_or_default(),
            tags: serde_json::Value::from(tags).to_string(),
        }
    }
}

/// The hour of an instant, in milliseconds since 1970.
pub(super) fn hour_of(at_ms: i64) -> i64 {
    at_ms.saturating_sub(at_ms.rem_euclid(HOUR_MS))
}
