//! Calls as rows of `llm_calls`: making one, reading it back whole.

use std::borrow::Cow;

use async_trait::async_trait;
use gw_core::money::CostSource;
use gw_core::record::{CallRecord, CallStatus, ConversationStats, Savings, Stats, StatsFilter};
use gw_core::seam::CallLog;
use gw_core::task::{Complexity, TaskType};
use gw_core::{CallId, ConversationId, Cost, Layer, Money, Result, Scope};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;

use crate::conversations::Touch;
use crate::fault::Fault;
use crate::rows;
use crate::stats::{SUMS, Sum};
use crate::store::PostgresStore;
use crate::text::{self, key, stored};
use crate::transaction::Body;

/// Inserts rows given as a JSON array; the ids of those that are new.
pub(crate) const INSERT: &str = "
    INSERT INTO gateway.llm_calls (
        id, conversation_id, model_id, layer, input_tokens, output_tokens, estimated_cost,
        duration_ms, success, created_at, cost_pico, cost_state, unpriced_reason, cached, demo,
        stream, first_token_ms, user_id, project_id, key_id, door, provider, model,
        requested_model, task, complexity, status, error_message, route_reason, usage, attempts,
        metadata, scopes, row_bytes, baseline_pico, prompt_cache_saved_pico,
        response_cache_saved_pico
    ) SELECT
        id, conversation_id, model_id, layer, input_tokens, output_tokens,
        cost_pico / 1000000000000::float8,
        duration_ms, success, created_at, cost_pico, cost_state, unpriced_reason, cached, demo,
        stream, first_token_ms, user_id, project_id, key_id, door, provider, model,
        requested_model, task, complexity, status, error_message, route_reason, usage, attempts,
        metadata, scopes, row_bytes, baseline_pico, prompt_cache_saved_pico,
        response_cache_saved_pico
    FROM json_to_recordset($1::text::json) AS call (
        id text, conversation_id text, model_id text, layer text, input_tokens bigint,
        output_tokens bigint, duration_ms bigint, success boolean, created_at bigint,
        cost_pico bigint, cost_state text, unpriced_reason text, cached boolean, demo boolean,
        stream boolean, first_token_ms bigint, user_id text, project_id text, key_id text,
        door text, provider text, model text, requested_model text, task text, complexity text,
        status text, error_message text, route_reason text, usage text, attempts text,
        metadata text, scopes text, row_bytes bigint, baseline_pico bigint,
        prompt_cache_saved_pico bigint, response_cache_saved_pico bigint
    ) ON CONFLICT (id) DO NOTHING RETURNING id";

/// A call as its row, which is also its form in the journal: every text is as PostgreSQL takes it.
/// Names are those of the columns; what follows `row_bytes` is for the sums.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CallRow {
    pub(crate) id: String,
    conversation_id: Option<String>,
    pub(crate) model_id: String,
    pub(crate) layer: Option<String>,
    pub(crate) input_tokens: i64,
    pub(crate) output_tokens: i64,
    pub(crate) duration_ms: i64,
    pub(crate) success: bool,
    pub(crate) created_at: i64,
    pub(crate) cost_pico: Option<i64>,
    cost_state: String,
    unpriced_reason: Option<String>,
    pub(crate) cached: bool,
    demo: bool,
    stream: bool,
    first_token_ms: Option<i64>,
    pub(crate) user_id: Option<String>,
    pub(crate) project_id: Option<String>,
    pub(crate) key_id: Option<String>,
    door: String,
    pub(crate) provider: String,
    model: String,
    requested_model: String,
    task: String,
    complexity: String,
    status: String,
    error_message: Option<String>,
    route_reason: String,
    usage: String,
    attempts: String,
    metadata: String,
    scopes: String,
    pub(crate) row_bytes: i64,
    pub(crate) baseline_pico: Option<i64>,
    pub(crate) prompt_cache_saved_pico: Option<i64>,
    #[serde(default)]
    pub(crate) response_cache_saved_pico: Option<i64>,
    pub(crate) cache_read_tokens: i64,
    pub(crate) cache_write_tokens: i64,
    pub(crate) reasoning_tokens: i64,
    now_ms: i64,
}

impl CallRow {
    pub(crate) fn new(call: &CallRecord, now_ms: i64) -> Result<Self> {
        let text = |text: &str| stored(text).into_owned();
        let maybe = |text: &Option<String>| text.as_deref().map(stored).map(Cow::into_owned);
        let cost = CostColumns::of(&call.cost);
        let usage = &call.usage;
        let mut row = Self {
            id: call.id.to_string(),
            conversation_id: call.conversation_id.as_ref().map(|id| text(id.as_str())),
            model_id: text(&call.model_id),
            layer: call.layer.map(|layer| layer.as_str().to_owned()),
            input_tokens: rows::int(usage.total_input()),
            output_tokens: rows::int(usage.total_output()),
            duration_ms: rows::int(call.duration_ms),
            success: call.status.is_ok(),
            created_at: call.started_at_ms,
            cost_pico: call.cost.amount().map(Money::pico),
            cost_state: cost.state.to_owned(),
            unpriced_reason: cost.unpriced_reason.map(text),
            cached: call.cached,
            demo: call.demo,
            stream: call.stream,
            first_token_ms: call.first_token_ms.map(rows::int),
            user_id: maybe(&call.user_id),
            project_id: maybe(&call.project_id),
            key_id: maybe(&call.key_id),
            door: text(&call.door),
            provider: text(&call.provider),
            model: text(&call.model),
            requested_model: text(&call.requested_model),
            task: call.task.as_str().to_owned(),
            complexity: call.complexity.as_str().to_owned(),
            status: text(call.status.as_str()),
            error_message: match &call.status {
                CallStatus::Failed { message, .. } => Some(text(message)),
                CallStatus::Ok | CallStatus::Cancelled => None,
            },
            route_reason: text(&call.route_reason),
            usage: rows::to_json(usage)?,
            attempts: rows::to_json(&call.attempts)?,
            metadata: rows::to_json(&call.metadata)?,
            scopes: rows::to_json(&call.scopes)?,
            row_bytes: 0,
            baseline_pico: call.savings.baseline.map(Money::pico),
            prompt_cache_saved_pico: call.savings.prompt_cache.map(Money::pico),
            response_cache_saved_pico: call.savings.response_cache.map(Money::pico),
            cache_read_tokens: rows::int(usage.cache_read.saturating_add(usage.cache_read_audio)),
            cache_write_tokens: rows::int(usage.cache_write.saturating_add(usage.cache_write_long)),
            reasoning_tokens: rows::int(usage.reasoning),
            now_ms,
        };
        row.row_bytes = i64::try_from(row.weight()).unwrap_or(i64::MAX);
        Ok(row)
    }

    /// About how many bytes it adds to a transaction and to the table.
    pub(crate) fn weight(&self) -> usize {
        512 + self.attempts.len()
            + self.metadata.len()
            + self.scopes.len()
            + self.route_reason.len()
    }

    /// Every account it goes on.
    pub(crate) fn scopes(&self) -> Vec<Scope> {
        serde_json::from_str(&self.scopes).unwrap_or_default()
    }

    /// The conversation that it adds to.
    pub(crate) fn touch(&self) -> Option<Touch> {
        let id = text::read(self.conversation_id.clone()?);
        Some(Touch {
            id: key(&id).into_owned(),
            user_id: self.user_id.clone(),
            project_id: self.project_id.clone(),
            owner: self.key_id.clone(),
            began_at_ms: self.created_at.min(self.now_ms),
            now_ms: self.now_ms,
        })
    }
}

struct CostColumns<'a> {
    state: &'static str,
    unpriced_reason: Option<&'a str>,
}

impl<'a> CostColumns<'a> {
    fn of(cost: &'a Cost) -> Self {
        match cost {
            Cost::Priced { source, .. } => {
                let state = match source {
                    CostSource::Reported => "reported",
                    CostSource::Catalogue => "catalogue",
                    CostSource::Estimated => "estimated",
                };
                Self { state, unpriced_reason: None }
            }
            Cost::Unpriced { reason } => Self { state: "unpriced", unpriced_reason: Some(reason) },
        }
    }
}

#[async_trait]
impl CallLog for PostgresStore {
    async fn record(&self, call: CallRecord) -> Result<()> {
        let row = CallRow::new(&call, self.clock().unix_ms())?;
        self.keep(Body::Call(Box::new(row))).await
    }

    fn has_room(&self) -> bool {
        self.has_journal_room()
    }

    async fn stats(&self, filter: StatsFilter) -> Result<Stats> {
        self.sums_between(&filter).await
    }

    async fn conversation_stats(&self, id: &ConversationId) -> Result<Option<ConversationStats>> {
        let sql = format!(
            "SELECT calls.*, talk.created_at, talk.updated_at,
                 (SELECT count(*) FROM gateway.messages WHERE conversation_id = $1) AS messages
             FROM gateway.conversations AS talk,
                 (SELECT {SUMS} FROM gateway.llm_calls
                  WHERE conversation_id = $2 AND left(conversation_id, 200) = left($2, 200)) AS calls
             WHERE talk.id = $1"
        );
        let found = self.kept(&sql, &[&key(id.as_str()), &stored(id.as_str())]).await?;
        self.read(|| found.first().map(conversation_stats).transpose())
    }

    async fn recent_calls(&self, limit: usize) -> Result<Vec<CallRecord>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = "SELECT * FROM gateway.llm_calls ORDER BY created_at DESC, id DESC LIMIT $1";
        let found = self.kept(sql, &[&limit]).await?;
        self.read(|| found.iter().map(read).collect())
    }
}

impl PostgresStore {
    /// One call, as long as its row is kept.
    pub(crate) async fn one_call(&self, id: CallId) -> Result<Option<CallRecord>> {
        let sql = "SELECT * FROM gateway.llm_calls WHERE id = $1";
        let found = self.kept(sql, &[&id.to_string()]).await?;
        self.read(|| found.first().map(read).transpose())
    }
}

fn read(row: &Row) -> Result<CallRecord, Fault> {
    Ok(CallRecord {
        id: rows::word(row, "id", CallId::parse)?,
        started_at_ms: row.try_get("created_at")?,
        conversation_id: rows::text_or_none(row, "conversation_id")?.map(Into::into),
        user_id: rows::text_or_none(row, "user_id")?,
        project_id: rows::text_or_none(row, "project_id")?,
        key_id: rows::text_or_none(row, "key_id")?,
        scopes: rows::json_or_default(row, "scopes")?,
        door: rows::text(row, "door")?,
        requested_model: rows::text(row, "requested_model")?,
        model: rows::text(row, "model")?,
        model_id: rows::text(row, "model_id")?,
        provider: rows::text(row, "provider")?,
        layer: layer(row)?,
        route_reason: rows::text(row, "route_reason")?,
        task: rows::word(row, "task", |text| text.parse::<TaskType>().ok())?,
        complexity: rows::word(row, "complexity", |text| text.parse::<Complexity>().ok())?,
        stream: row.try_get("stream")?,
        status: status(row)?,
        attempts: rows::json(row, "attempts")?,
        usage: rows::json(row, "usage")?,
        cost: cost(row)?,
        duration_ms: rows::unsigned(row, "duration_ms")?,
        first_token_ms: row
            .try_get::<_, Option<i64>>("first_token_ms")?
            .map(|ms| u64::try_from(ms).unwrap_or(0)),
        cached: row.try_get("cached")?,
        demo: row.try_get("demo")?,
        savings: Savings {
            baseline: row.try_get::<_, Option<i64>>("baseline_pico")?.map(Money::from_pico),
            prompt_cache: row
                .try_get::<_, Option<i64>>("prompt_cache_saved_pico")?
                .map(Money::from_pico),
            response_cache: row
                .try_get::<_, Option<i64>>("response_cache_saved_pico")?
                .map(Money::from_pico),
        },
        metadata: rows::json_or_default(row, "metadata")?,
    })
}

pub(crate) fn layer(row: &Row) -> Result<Option<Layer>, Fault> {
    match row.try_get::<_, Option<&str>>("layer")?.filter(|layer| !layer.is_empty()) {
        Some(_) => rows::word(row, "layer", |text| text.parse().ok()).map(Some),
        None => Ok(None),
    }
}

fn status(row: &Row) -> Result<CallStatus, Fault> {
    if let Some(message) = rows::text_or_none(row, "error_message")? {
        return Ok(CallStatus::Failed { code: rows::text(row, "status")?, message });
    }
    rows::word(row, "status", |text| match text {
        "ok" => Some(CallStatus::Ok),
        "cancelled" => Some(CallStatus::Cancelled),
        _ => None,
    })
}

fn cost(row: &Row) -> Result<Cost, Fault> {
    let Some(pico) = row.try_get("cost_pico")? else {
        let reason = rows::text_or_none(row, "unpriced_reason")?;
        return Ok(Cost::Unpriced { reason: reason.unwrap_or_default() });
    };
    let source = rows::word(row, "cost_state", |text| match text {
        "reported" => Some(CostSource::Reported),
        "catalogue" => Some(CostSource::Catalogue),
        "estimated" => Some(CostSource::Estimated),
        _ => None,
    })?;
    Ok(Cost::Priced { amount: Money::from_pico(pico), source })
}

fn conversation_stats(row: &Row) -> Result<ConversationStats, Fault> {
    Ok(ConversationStats {
        messages: rows::unsigned(row, "messages")?,
        calls: Sum::read(row)?.into_row(),
        created_at_ms: row.try_get("created_at")?,
        updated_at_ms: row.try_get("updated_at")?,
    })
}
