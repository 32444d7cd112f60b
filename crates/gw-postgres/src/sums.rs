//! What a batch of calls adds to the sums: spending by account and slot, usage by the hour. Gathered
//! in memory, so that a batch of many calls writes each sum once, in the transaction that keeps them,
//! and sorted, so that replicas lock rows in one order and never wait for each other in a ring.

use std::collections::BTreeMap;

use gw_core::ScopeKind;
use gw_core::budget::slot_of;
use serde::Serialize;

use crate::calls::CallRow;
use crate::text::{key, stored};

/// Milliseconds in an hour.
pub(crate) const HOUR_MS: i64 = 3_600_000;

/// Adds to what accounts spent; takes a JSON array.
pub(crate) const SPEND: &str = "
    INSERT INTO gateway.spending AS known (kind, id, slot_ms, pico, tokens, calls)
    SELECT kind, id, slot_ms, pico, tokens, calls
    FROM json_to_recordset($1::text::json) AS spent (
        kind text, id text, slot_ms bigint, pico bigint, tokens bigint, calls bigint
    ) ON CONFLICT (kind, id, slot_ms) DO UPDATE SET
        pico = gateway.plus(known.pico, excluded.pico),
        tokens = gateway.plus(known.tokens, excluded.tokens),
        calls = gateway.plus(known.calls, excluded.calls)";

/// The same for the totals of one instance, `$2`.
pub(crate) const SPEND_OF_INSTANCE: &str = "
    INSERT INTO gateway.instance_spending AS known
        (instance_id, kind, id, slot_ms, pico, tokens, calls)
    SELECT $2, kind, id, slot_ms, pico, tokens, calls
    FROM json_to_recordset($1::text::json) AS spent (
        kind text, id text, slot_ms bigint, pico bigint, tokens bigint, calls bigint
    ) ON CONFLICT (instance_id, kind, id, slot_ms) DO UPDATE SET
        pico = gateway.plus(known.pico, excluded.pico),
        tokens = gateway.plus(known.tokens, excluded.tokens),
        calls = gateway.plus(known.calls, excluded.calls)";

/// Adds to the sums by the hour; takes a JSON array.
pub(crate) const ROLL_UP: &str = "
    INSERT INTO gateway.usage_rollups AS known (
        hour_ms, group_hash, model_id, layer, provider, key_id, team_id, user_id, project_id,
        tags, calls, failed_calls, cached_calls, unpriced_calls, input_tokens, cache_read_tokens,
        cache_write_tokens, output_tokens, reasoning_tokens, pico, duration_ms, compared_calls,
        compared_pico, baseline_pico, prompt_cache_saved_pico, response_cache_saved_pico
    ) SELECT
        hour_ms, group_hash, model_id, layer, provider, key_id, team_id, user_id, project_id,
        tags, calls, failed_calls, cached_calls, unpriced_calls, input_tokens, cache_read_tokens,
        cache_write_tokens, output_tokens, reasoning_tokens, pico, duration_ms, compared_calls,
        compared_pico, baseline_pico, prompt_cache_saved_pico, response_cache_saved_pico
    FROM json_to_recordset($1::text::json) AS used (
        hour_ms bigint, group_hash text, model_id text, layer text, provider text, key_id text,
        team_id text, user_id text, project_id text, tags text[], calls bigint, failed_calls bigint, cached_calls bigint,
        unpriced_calls bigint, input_tokens bigint, cache_read_tokens bigint,
        cache_write_tokens bigint, output_tokens bigint, reasoning_tokens bigint, pico bigint,
        duration_ms bigint, compared_calls bigint, compared_pico bigint, baseline_pico bigint,
        prompt_cache_saved_pico bigint, response_cache_saved_pico bigint
    ) ON CONFLICT (hour_ms, group_hash) DO UPDATE SET
        calls = gateway.plus(known.calls, excluded.calls),
        failed_calls = gateway.plus(known.failed_calls, excluded.failed_calls),
        cached_calls = gateway.plus(known.cached_calls, excluded.cached_calls),
        unpriced_calls = gateway.plus(known.unpriced_calls, excluded.unpriced_calls),
        input_tokens = gateway.plus(known.input_tokens, excluded.input_tokens),
        cache_read_tokens = gateway.plus(known.cache_read_tokens, excluded.cache_read_tokens),
        cache_write_tokens = gateway.plus(known.cache_write_tokens, excluded.cache_write_tokens),
        output_tokens = gateway.plus(known.output_tokens, excluded.output_tokens),
        reasoning_tokens = gateway.plus(known.reasoning_tokens, excluded.reasoning_tokens),
        pico = gateway.plus(known.pico, excluded.pico),
        duration_ms = gateway.plus(known.duration_ms, excluded.duration_ms),
        compared_calls = gateway.plus(known.compared_calls, excluded.compared_calls),
        compared_pico = gateway.plus(known.compared_pico, excluded.compared_pico),
        baseline_pico = gateway.plus(known.baseline_pico, excluded.baseline_pico),
        prompt_cache_saved_pico =
            gateway.plus(known.prompt_cache_saved_pico, excluded.prompt_cache_saved_pico),
        response_cache_saved_pico =
            gateway.plus(known.response_cache_saved_pico, excluded.response_cache_saved_pico)";

/// What a batch adds.
#[derive(Default)]
pub(crate) struct Sums {
    spending: BTreeMap<(&'static str, String, i64), Spent>,
    usage: BTreeMap<(i64, String), Used>,
    /// Bytes of the calls' rows.
    pub(crate) bytes: i64,
}

/// A row of `spending`.
#[derive(Serialize)]
pub(crate) struct Spent {
    kind: &'static str,
    id: String,
    slot_ms: i64,
    pico: i64,
    tokens: i64,
    calls: i64,
}

/// A row of `usage_rollups`.
#[derive(Serialize)]
pub(crate) struct Used {
    hour_ms: i64,
    group_hash: String,
    #[serde(flatten)]
    group: Group,
    calls: i64,
    failed_calls: i64,
    cached_calls: i64,
    unpriced_calls: i64,
    input_tokens: i64,
    cache_read_tokens: i64,
    cache_write_tokens: i64,
    output_tokens: i64,
    reasoning_tokens: i64,
    pico: i64,
    duration_ms: i64,
    compared_calls: i64,
    compared_pico: i64,
    baseline_pico: i64,
    prompt_cache_saved_pico: i64,
    response_cache_saved_pico: i64,
}

#[derive(Serialize)]
struct Group {
    model_id: String,
    layer: String,
    provider: String,
    key_id: String,
    team_id: String,
    user_id: String,
    project_id: String,
    tags: Vec<String>,
}

impl Sums {
    pub(crate) fn add(&mut self, call: &CallRow) {
        let pico = call.cost_pico.unwrap_or(0);
        let slot_ms = slot_of(call.created_at);
        let scopes = call.scopes();
        for (at, scope) in scopes.iter().enumerate() {
            if scopes[..at].contains(scope) {
                continue;
            }
            let (kind, id) = (scope.kind.as_str(), key(&scope.id).into_owned());
            let spent = self.spending.entry((kind, id.clone(), slot_ms)).or_insert(Spent {
                kind,
                id,
                slot_ms,
                pico: 0,
                tokens: 0,
                calls: 0,
            });
            spent.pico = spent.pico.saturating_add(pico);
            let tokens = call.input_tokens.saturating_add(call.output_tokens);
            spent.tokens = spent.tokens.saturating_add(tokens);
            spent.calls += 1;
        }
        let mut tags: Vec<String> = scopes
            .iter()
            .filter(|scope| scope.kind == ScopeKind::Tag)
            .map(|scope| stored(&scope.id).into_owned())
            .collect();
        tags.sort_unstable();
        tags.dedup();
        let team = scopes.iter().find(|scope| scope.kind == ScopeKind::Team);
        let team_id = team.map(|team| stored(&team.id).into_owned()).unwrap_or_default();
        self.use_up(call, team_id, tags, pico);
        self.bytes = self.bytes.saturating_add(call.row_bytes);
    }

    fn use_up(&mut self, call: &CallRow, team_id: String, tags: Vec<String>, pico: i64) {
        let group = Group {
            model_id: call.model_id.clone(),
            layer: call.layer.clone().unwrap_or_default(),
            provider: call.provider.clone(),
            key_id: call.key_id.clone().unwrap_or_default(),
            team_id,
            user_id: call.user_id.clone().unwrap_or_default(),
            project_id: call.project_id.clone().unwrap_or_default(),
            tags,
        };
        let (hour_ms, hash) = (hour_of(call.created_at), group.hash());
        let used = self.usage.entry((hour_ms, hash.clone())).or_insert_with(|| Used {
            hour_ms,
            group_hash: hash,
            group,
            calls: 0,
            failed_calls: 0,
            cached_calls: 0,
            unpriced_calls: 0,
            input_tokens: 0,
            cache_read_tokens: 0,
            cache_write_tokens: 0,
            output_tokens: 0,
            reasoning_tokens: 0,
            pico: 0,
            duration_ms: 0,
            compared_calls: 0,
            compared_pico: 0,
            baseline_pico: 0,
            prompt_cache_saved_pico: 0,
            response_cache_saved_pico: 0,
        });
        let compared = call.cost_pico.zip(call.baseline_pico);
        for (sum, more) in [
            (&mut used.calls, 1),
            (&mut used.failed_calls, i64::from(!call.success)),
            (&mut used.cached_calls, i64::from(call.cached)),
            (&mut used.unpriced_calls, i64::from(call.cost_pico.is_none())),
            (&mut used.input_tokens, call.input_tokens),
            (&mut used.cache_read_tokens, call.cache_read_tokens),
            (&mut used.cache_write_tokens, call.cache_write_tokens),
            (&mut used.output_tokens, call.output_tokens),
            (&mut used.reasoning_tokens, call.reasoning_tokens),
            (&mut used.pico, pico),
            (&mut used.duration_ms, call.duration_ms),
            (&mut used.compared_calls, i64::from(compared.is_some())),
            (&mut used.compared_pico, compared.map_or(0, |(cost, _)| cost)),
            (&mut used.baseline_pico, compared.map_or(0, |(_, baseline)| baseline)),
            (&mut used.prompt_cache_saved_pico, call.prompt_cache_saved_pico.unwrap_or(0)),
            (&mut used.response_cache_saved_pico, call.response_cache_saved_pico.unwrap_or(0)),
        ] {
            *sum = sum.saturating_add(more);
        }
    }

    /// The rows of spending, sorted.
    pub(crate) fn spending(&self) -> Vec<&Spent> {
        self.spending.values().collect()
    }

    /// The rows of usage, sorted.
    pub(crate) fn usage(&self) -> Vec<&Used> {
        self.usage.values().collect()
    }
}

impl Group {
    fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let texts = [
            &self.model_id,
            &self.layer,
            &self.provider,
            &self.key_id,
            &self.team_id,
            &self.user_id,
            &self.project_id,
        ];
        for text in texts.into_iter().chain(&self.tags) {
            // The length first, so that no two groups read the same.
            hasher.update(&text.len().to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }
}

/// The hour of an instant, in milliseconds since 1970.
pub(crate) fn hour_of(at_ms: i64) -> i64 {
    at_ms.saturating_sub(at_ms.rem_euclid(HOUR_MS))
}
