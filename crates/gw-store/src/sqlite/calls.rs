//! Calls as rows of `llm_calls`: writing one, reading it back whole.

use gw_core::money::CostSource;
use gw_core::record::{CallRecord, CallStatus, ConversationStats, Savings};
use gw_core::task::{Complexity, TaskType};
use gw_core::{CallId, ConversationId, Cost, Layer, Money, Result};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::conversations::Conversation;
use super::rows;
use super::stats::{self, Sum};

const INSERT: &str = "
    INSERT INTO llm_calls (
        id, conversation_id, model_id, layer, input_tokens, output_tokens, estimated_cost,
        duration_ms, success, created_at, cost_pico, cost_state, unpriced_reason, cached, demo,
        stream, first_token_ms, user_id, project_id, key_id, door, provider, model,
        requested_model, task, complexity, status, error_message, route_reason, usage, attempts,
        metadata, scopes, row_bytes, baseline_pico, prompt_cache_saved_pico,
        response_cache_saved_pico
    ) VALUES (
        :id, :conversation_id, :model_id, :layer, :input_tokens, :output_tokens, :estimated_cost,
        :duration_ms, :success, :created_at, :cost_pico, :cost_state, :unpriced_reason, :cached,
        :demo, :stream, :first_token_ms, :user_id, :project_id, :key_id, :door, :provider, :model,
        :requested_model, :task, :complexity, :status, :error_message, :route_reason, :usage,
        :attempts, :metadata, :scopes, :row_bytes, :baseline_pico, :prompt_cache_saved_pico,
        :response_cache_saved_pico
    ) ON CONFLICT (id) DO NOTHING";

const RECENT: &str = "SELECT * FROM llm_calls ORDER BY created_at DESC, id DESC LIMIT ?1";

/// A call made ready for its row; the JSON is made by the caller's task, not by the writer.
#[derive(Debug)]
pub(super) struct CallRow {
    record: CallRecord,
    conversation: Option<Conversation>,
    usage: String,
    attempts: String,
    metadata: String,
    scopes: String,
    pub(super) now_ms: i64,
}

impl CallRow {
    pub(super) fn new(record: CallRecord, now_ms: i64) -> Result<Self> {
        let conversation = record.conversation_id.clone().map(|id| Conversation {
            id,
            user_id: record.user_id.clone(),
            project_id: record.project_id.clone(),
            owner: record.key_id.clone(),
            began_at_ms: record.started_at_ms.min(now_ms),
            now_ms,
        });
        Ok(Self {
            usage: rows::to_json(&record.usage)?,
            attempts: rows::to_json(&record.attempts)?,
            metadata: rows::to_json(&record.metadata)?,
            scopes: rows::to_json(&record.scopes)?,
            now_ms,
            conversation,
            record,
        })
    }

    /// About how many bytes it adds to a transaction.
    pub(super) fn weight(&self) -> usize {
        512 + self.attempts.len()
            + self.metadata.len()
            + self.scopes.len()
            + self.record.route_reason.len()
    }

    pub(super) fn record(&self) -> &CallRecord {
        &self.record
    }

    /// The same, as the row says it.
    pub(super) fn bytes(&self) -> i64 {
        i64::try_from(self.weight()).unwrap_or(i64::MAX)
    }

    /// Inserts it and gives its rowid; `None` where a call with its id was kept before.
    pub(super) fn insert(&self, connection: &Connection) -> rusqlite::Result<Option<i64>> {
        let call = &self.record;
        let cost = CostColumns::of(&call.cost);
        let error_message = match &call.status {
            CallStatus::Failed { message, .. } => Some(message.as_str()),
            CallStatus::Ok | CallStatus::Cancelled => None,
        };
        let inserted = connection.prepare_cached(INSERT)?.execute(named_params! {
            ":id": call.id.to_string(),
            ":conversation_id": call.conversation_id.as_ref().map(ConversationId::as_str),
            ":model_id": call.model_id,
            ":layer": call.layer.map(Layer::as_str),
            ":input_tokens": rows::int(call.usage.total_input()),
            ":output_tokens": rows::int(call.usage.total_output()),
            ":estimated_cost": call.cost.amount().map(Money::as_usd_f64),
            ":duration_ms": rows::int(call.duration_ms),
            ":success": call.status.is_ok(),
            ":created_at": call.started_at_ms,
            ":cost_pico": call.cost.amount().map(Money::pico),
            ":cost_state": cost.state,
            ":unpriced_reason": cost.unpriced_reason,
            ":cached": call.cached,
            ":demo": call.demo,
            ":stream": call.stream,
            ":first_token_ms": call.first_token_ms.map(rows::int),
            ":user_id": call.user_id,
            ":project_id": call.project_id,
            ":key_id": call.key_id,
            ":door": call.door,
            ":provider": call.provider,
            ":model": call.model,
            ":requested_model": call.requested_model,
            ":task": call.task.as_str(),
            ":complexity": call.complexity.as_str(),
            ":status": call.status.as_str(),
            ":error_message": error_message,
            ":route_reason": call.route_reason,
            ":usage": self.usage,
            ":attempts": self.attempts,
            ":metadata": self.metadata,
            ":scopes": self.scopes,
            ":row_bytes": self.bytes(),
            ":baseline_pico": call.savings.baseline.map(Money::pico),
            ":prompt_cache_saved_pico": call.savings.prompt_cache.map(Money::pico),
            ":response_cache_saved_pico": call.savings.response_cache.map(Money::pico),
        })?;
        if inserted == 0 {
            return Ok(None);
        }
        let rowid = connection.last_insert_rowid();
        if let Some(conversation) = &self.conversation {
            conversation.touch(connection)?;
        }
        Ok(Some(rowid))
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

pub(super) fn recent(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<CallRecord>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection.prepare_cached(RECENT)?.query_map([limit], read)?.collect()
}

pub(super) fn one(connection: &Connection, id: CallId) -> rusqlite::Result<Option<CallRecord>> {
    connection
        .prepare_cached("SELECT * FROM llm_calls WHERE id = ?1")?
        .query_row([id.to_string()], read)
        .optional()
}

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<CallRecord> {
    Ok(CallRecord {
        id: rows::word(row, "id", CallId::parse)?,
        started_at_ms: row.get("created_at")?,
        conversation_id: row.get::<_, Option<String>>("conversation_id")?.map(Into::into),
        user_id: row.get("user_id")?,
        project_id: row.get("project_id")?,
        key_id: row.get("key_id")?,
        scopes: rows::json_or_default(row, "scopes")?,
        door: row.get("door")?,
        requested_model: row.get("requested_model")?,
        model: row.get("model")?,
        model_id: row.get("model_id")?,
        provider: row.get("provider")?,
        layer: match row.get_ref("layer")?.as_str_or_null()? {
            Some(_) => Some(rows::word(row, "layer", |text| text.parse().ok())?),
            None => None,
        },
        route_reason: row.get("route_reason")?,
        task: rows::word(row, "task", |text| text.parse::<TaskType>().ok())?,
        complexity: rows::word(row, "complexity", |text| text.parse::<Complexity>().ok())?,
        stream: row.get("stream")?,
        status: status(row)?,
        attempts: rows::json(row, "attempts")?,
        usage: rows::json(row, "usage")?,
        cost: cost(row)?,
        duration_ms: rows::unsigned(row, "duration_ms")?,
        first_token_ms: match row.get::<_, Option<i64>>("first_token_ms")? {
            Some(_) => Some(rows::unsigned(row, "first_token_ms")?),
            None => None,
        },
        cached: row.get("cached")?,
        demo: row.get("demo")?,
        savings: Savings {
            baseline: row.get::<_, Option<i64>>("baseline_pico")?.map(Money::from_pico),
            prompt_cache: row
                .get::<_, Option<i64>>("prompt_cache_saved_pico")?
                .map(Money::from_pico),
            response_cache: row
                .get::<_, Option<i64>>("response_cache_saved_pico")?
                .map(Money::from_pico),
        },
        metadata: rows::json_or_default(row, "metadata")?,
    })
}

fn status(row: &Row<'_>) -> rusqlite::Result<CallStatus> {
    if let Some(message) = row.get("error_message")? {
        return Ok(CallStatus::Failed { code: row.get("status")?, message });
    }
    rows::word(row, "status", |text| match text {
        "ok" => Some(CallStatus::Ok),
        "cancelled" => Some(CallStatus::Cancelled),
        _ => None,
    })
}

fn cost(row: &Row<'_>) -> rusqlite::Result<Cost> {
    let Some(pico) = row.get("cost_pico")? else {
        let reason: Option<String> = row.get("unpriced_reason")?;
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

pub(super) fn conversation_stats(
    connection: &Connection,
    id: &ConversationId,
) -> rusqlite::Result<Option<ConversationStats>> {
    let times = connection
        .prepare_cached("SELECT created_at, updated_at FROM conversations WHERE id = ?1")?
        .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((created_at_ms, updated_at_ms)) = times else {
        return Ok(None);
    };
    let messages = connection
        .prepare_cached("SELECT count(*) FROM messages WHERE conversation_id = ?1")?
        .query_row([id.as_str()], |row| rows::unsigned(row, 0))?;
    let calls = connection
        .prepare_cached(&format!(
            "SELECT {} FROM llm_calls WHERE conversation_id = ?1",
            stats::SUMS
        ))?
        .query_row([id.as_str()], Sum::read)?
        .into_row();
    Ok(Some(ConversationStats { messages, calls, created_at_ms, updated_at_ms }))
}
