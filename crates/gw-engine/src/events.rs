//! Every log line and metric of the engine, so that the two cannot disagree.

use gw_context::Composed;
use gw_core::record::{AttemptRecord, CallRecord};
use gw_core::{CallId, Error, Money};
use metrics::{counter, histogram};

use crate::call::Call;

/// A call ended, however.
#[expect(clippy::cast_precision_loss, reason = "metrics are floats")]
pub(crate) fn call_ended(record: &CallRecord) {
    let layer = record.layer.map_or("none", |layer| layer.as_str());
    let labels = [
        ("door", record.door.clone()),
        ("provider", record.provider.clone()),
        ("model", record.model.clone()),
        ("layer", layer.to_owned()),
        ("status", record.status.as_str().to_owned()),
    ];
    counter!("gateway_calls_total", &labels).increment(1);
    let model = [("provider", record.provider.clone()), ("model", record.model.clone())];
    histogram!("gateway_call_duration_seconds", &model).record(record.duration_ms as f64 / 1e3);
    if let Some(first_ms) = record.first_token_ms {
        histogram!("gateway_first_token_seconds", &model).record(first_ms as f64 / 1e3);
    }
    counter!("gateway_input_tokens_total", &model).increment(record.usage.total_input());
    counter!("gateway_output_tokens_total", &model).increment(record.usage.total_output());
    match record.cost.amount() {
        Some(amount) => {
            let pico = u64::try_from(amount.pico()).unwrap_or(0);
            counter!("gateway_cost_pico_usd_total", &model).increment(pico);
        }
        None => counter!("gateway_unpriced_calls_total", &model).increment(1),
    }
    tracing::debug!(
        call_id = %record.id,
        door = %record.door,
        model = %record.model_id,
        layer,
        status = record.status.as_str(),
        duration_ms = record.duration_ms,
        input_tokens = record.usage.total_input(),
        output_tokens = record.usage.total_output(),
        cost_pico_usd = record.cost.amount().map(Money::pico),
        "call ended"
    );
}

/// An attempt failed; another may follow.
pub(crate) fn attempt_failed(call_id: CallId, attempt: &AttemptRecord, error: &Error) {
    // No model: callers can name any number of models that fail.
    let labels =
        [("provider", attempt.provider.clone()), ("code", error.kind().row().code.to_owned())];
    counter!("gateway_attempts_failed_total", &labels).increment(1);
    tracing::warn!(
        call_id = %call_id,
        provider = %attempt.provider,
        model = %attempt.model,
        code = error.kind().row().code,
        duration_ms = attempt.duration_ms,
        message = error.message(),
        "attempt failed"
    );
}

/// A call cost more than was held for it.
pub(crate) fn spent_beyond_hold(call_id: CallId, held: Money, spent: Money) {
    counter!("gateway_calls_beyond_hold_total").increment(1);
    tracing::warn!(%call_id, %held, %spent, "call cost more than was held for it");
}

/// The response cache was asked; `result` is [`crate::CacheState::as_str`].
pub(crate) fn cache_looked_up(result: &'static str) {
    counter!("gateway_cache_lookups_total", "result" => result).increment(1);
}

/// An answer from the cache spared its price.
pub(crate) fn cache_saved(saved: Money) {
    let pico = u64::try_from(saved.pico()).unwrap_or(0);
    counter!("gateway_cache_saved_pico_usd_total").increment(pico);
}

/// The cache's store did not answer; the call goes on without it.
pub(crate) fn cache_failed(step: &'static str, error: &Error) {
    counter!("gateway_cache_failures_total", "step" => step).increment(1);
    tracing::debug!(step, message = error.message(), "the response cache is away");
}

/// A record could not be kept. The log is its last resort, so it holds all of it.
pub(crate) fn record_not_kept(record: &CallRecord, error: &Error) {
    counter!("gateway_records_not_kept_total").increment(1);
    let record = serde_json::to_string(record).unwrap_or_default();
    tracing::error!(%record, message = error.message(), "call record could not be stored");
}

/// Turns of a conversation could not be kept.
pub(crate) fn turns_not_kept(call_id: CallId, error: &Error) {
    counter!("gateway_turns_not_kept_total").increment(1);
    tracing::error!(%call_id, message = error.message(), "conversation turns could not be stored");
}

/// A history was composed for a call.
pub(crate) fn composed(call: &Call, made: &Composed) {
    if made.tokens_after >= made.tokens_before {
        return;
    }
    let saved = made.tokens_before - made.tokens_after;
    counter!("gateway_context_tokens_saved_total").increment(saved);
    tracing::debug!(
        call_id = %call.id,
        tokens_before = made.tokens_before,
        tokens_after = made.tokens_after,
        turns_absorbed = made.absorbed,
        "history made short"
    );
}

/// A summary could not be kept; the next call makes it again.
pub(crate) fn summary_not_kept(call_id: CallId, error: &Error) {
    counter!("gateway_summaries_not_kept_total").increment(1);
    tracing::warn!(%call_id, message = error.message(), "summary could not be stored");
}
