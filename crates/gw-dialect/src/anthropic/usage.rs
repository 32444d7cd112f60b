//! `usage` objects to disjoint token classes and back.

use gw_core::money::Money;
use gw_core::{Usage, UsageReport};
use serde_json::{Map, Value, json};

use crate::json::natural;

/// Adds what a later event says about usage; its numbers are cumulative, so they replace.
pub(super) fn merge(sum: &mut Map<String, Value>, more: &Value) {
    let Some(more) = more.as_object() else { return };
    for (key, value) in more.iter().filter(|(_, value)| !value.is_null()) {
        sum.insert(key.clone(), value.clone());
    }
}

/// Reads usage. `input_tokens` leaves cached tokens out and `output_tokens` has thinking in it.
pub(crate) fn read(usage: &Map<String, Value>) -> UsageReport {
    let count = |key: &str| usage.get(key).and_then(natural);
    let nested = |key: &str, inner: &str| usage.get(key)?.get(inner).and_then(natural);
    let short = nested("cache_creation", "ephemeral_5m_input_tokens").unwrap_or(0);
    let long = nested("cache_creation", "ephemeral_1h_input_tokens").unwrap_or(0);
    // The total may come from a later event than the split.
    let written = count("cache_creation_input_tokens").unwrap_or(short.saturating_add(long));
    let long = long.min(written);
    let output = count("output_tokens").unwrap_or(0);
    let thinking = nested("output_tokens_details", "thinking_tokens").unwrap_or(0).min(output);
    UsageReport {
        usage: Usage {
            input: count("input_tokens").unwrap_or(0),
            cache_read: count("cache_read_input_tokens").unwrap_or(0),
            cache_write: written - long,
            cache_write_long: long,
            output: output - thinking,
            reasoning: thinking,
            web_search: nested("server_tool_use", "web_search_requests").unwrap_or(0),
            ..Usage::default()
        },
        // OpenRouter states its charge on this format as well.
        reported_cost: match usage.get("cost") {
            Some(Value::Number(cost)) => Money::from_usd_decimal(&cost.to_string()),
            _ => None,
        },
        service_tier: usage.get("service_tier").and_then(Value::as_str).map(str::to_owned),
        is_estimate: false,
    }
}

/// Writes usage. The format has no class for sound and pictures: they count as plain input and output.
pub(super) fn write(report: &UsageReport) -> Map<String, Value> {
    let usage = &report.usage;
    let written = usage.cache_write.saturating_add(usage.cache_write_long);
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    let plain = usage.input.saturating_add(usage.input_audio).saturating_add(usage.input_image);
    put("input_tokens", json!(plain));
    put("cache_creation_input_tokens", json!(written));
    put("cache_read_input_tokens", json!(usage.total_cache_read()));
    if written > 0 {
        let split = json!({
            "ephemeral_5m_input_tokens": usage.cache_write,
            "ephemeral_1h_input_tokens": usage.cache_write_long,
        });
        put("cache_creation", split);
    }
    put("output_tokens", json!(usage.total_output()));
    if usage.reasoning > 0 {
        put("output_tokens_details", json!({"thinking_tokens": usage.reasoning}));
    }
    if usage.web_search > 0 {
        put("server_tool_use", json!({"web_search_requests": usage.web_search}));
    }
    if let Some(tier) = &report.service_tier {
        put("service_tier", Value::from(tier.as_str()));
    }
    out
}
