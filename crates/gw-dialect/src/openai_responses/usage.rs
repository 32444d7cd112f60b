//! Consumption. The counts are those of chat completions under other names; searches stand beside
//! them (OpenAI's `tool_usage`) or inside them (xAI). Nothing is counted that nobody states: whether a
//! provider charges for the searches in its output is not to be seen there.

use gw_core::UsageReport;
use serde_json::{Map, Value, json};

use crate::openai_chat::usage as chat;
use crate::openai_chat::value::{count, object, text};

/// This format's name and that of chat completions.
const NAMES: [(&str, &str); 4] = [
    ("input_tokens", "prompt_tokens"),
    ("output_tokens", "completion_tokens"),
    ("input_tokens_details", "prompt_tokens_details"),
    ("output_tokens_details", "completion_tokens_details"),
];

/// Reads the usage of a response object; `None` where it states none.
pub(crate) fn decode(response: &Map<String, Value>) -> Option<UsageReport> {
    let usage = object(response, "usage")?;
    let mut renamed = usage.clone();
    for (own, other) in NAMES {
        if let Some(value) = renamed.shift_remove(own) {
            renamed.insert(other.to_owned(), value);
        }
    }
    let mut report = chat::decode(&renamed, text(response, "service_tier"));
    if report.usage.web_search == 0 {
        report.usage.web_search = searches(response, usage);
    }
    Some(report)
}

fn searches(response: &Map<String, Value>, usage: &Map<String, Value>) -> u64 {
    let told = object(response, "tool_usage").and_then(|tools| object(tools, "web_search"));
    if told.is_some_and(|told| told.contains_key("num_requests")) {
        return count(told, "num_requests");
    }
    count(object(usage, "server_side_tool_usage_details"), "web_search_calls")
}

/// Writes `usage` and `tool_usage` into a response object, such that [`decode`] loses nothing.
pub(super) fn encode(report: &UsageReport, response: &mut Map<String, Value>) {
    let Value::Object(mut usage) = chat::encode(report) else { return };
    usage.shift_remove("server_tool_use");
    let mut renamed = Map::new();
    for (key, value) in usage {
        let own = NAMES.iter().find(|(_, other)| *other == key).map(|(own, _)| (*own).to_owned());
        renamed.insert(own.unwrap_or(key), value);
    }
    response.insert("usage".to_owned(), Value::Object(renamed));
    let searches = json!({ "web_search": { "num_requests": report.usage.web_search } });
    response.insert("tool_usage".to_owned(), searches);
    if let Some(tier) = &report.service_tier {
        response.insert("service_tier".to_owned(), json!(tier));
    }
}
