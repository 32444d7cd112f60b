//! A usage report as people and programs read it: JSON and CSV. The command line and the HTTP edge
//! write the same.

use serde_json::{Map, Value, json};

use crate::record::{UsageBy, UsageGroup};

/// The groups as JSON objects; what they are grouped by stands in members of that name.
pub fn to_json(by: &[UsageBy], groups: &[UsageGroup]) -> Value {
    groups.iter().map(|group| Value::Object(object(by, group))).collect()
}

/// One group as a JSON object. Money is in whole pico-dollars, and in dollars as exact decimal text.
pub fn object(by: &[UsageBy], group: &UsageGroup) -> Map<String, Value> {
    let keys = by.iter().zip(&group.key);
    let mut object: Map<String, Value> =
        keys.map(|(by, key)| (by.as_str().to_owned(), Value::from(key.as_str()))).collect();
    for (name, value) in columns(group) {
        object.insert(name.to_owned(), value);
    }
    object
}

/// The groups as CSV (RFC 4180) with a head.
pub fn to_csv(by: &[UsageBy], groups: &[UsageGroup]) -> String {
    let head = by.iter().map(|by| by.as_str());
    let empty = UsageGroup::default();
    let names = columns(&empty);
    let head: Vec<&str> = head.chain(names.iter().map(|(name, _)| *name)).collect();
    let mut text = head.join(",") + "\r\n";
    for group in groups {
        let keys = group.key.iter().map(|key| cell(key));
        let numbers = columns(group).into_iter().map(|(_, value)| match value {
            Value::String(text) => text,
            other => other.to_string(),
        });
        let cells: Vec<String> = keys.chain(numbers).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text
}

fn columns(group: &UsageGroup) -> [(&'static str, Value); 22] {
    let saved = group.saved();
    [
        ("calls", json!(group.calls)),
        ("failed_calls", json!(group.failed_calls)),
        ("cached_calls", json!(group.cached_calls)),
        ("unpriced_calls", json!(group.unpriced_calls)),
        ("input_tokens", json!(group.input_tokens)),
        ("cache_read_tokens", json!(group.cache_read_tokens)),
        ("cache_write_tokens", json!(group.cache_write_tokens)),
        ("output_tokens", json!(group.output_tokens)),
        ("reasoning_tokens", json!(group.reasoning_tokens)),
        ("cost_pico_usd", json!(group.cost.pico())),
        ("cost_usd", json!(group.cost.to_usd_string())),
        ("duration_ms", json!(group.duration_ms)),
        ("compared_calls", json!(group.compared_calls)),
        ("compared_cost_pico_usd", json!(group.compared_cost.pico())),
        ("baseline_pico_usd", json!(group.baseline.pico())),
        ("baseline_usd", json!(group.baseline.to_usd_string())),
        ("saved_pico_usd", json!(saved.pico())),
        ("saved_usd", json!(saved.to_usd_string())),
        ("prompt_cache_saved_pico_usd", json!(group.prompt_cache_saved.pico())),
        ("prompt_cache_saved_usd", json!(group.prompt_cache_saved.to_usd_string())),
        ("response_cache_saved_pico_usd", json!(group.response_cache_saved.pico())),
        ("response_cache_saved_usd", json!(group.response_cache_saved.to_usd_string())),
    ]
}

/// A text as a cell. What a spreadsheet would take for a formula is made plain text.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{to_csv, to_json};
    use crate::Money;
    use crate::record::{UsageBy, UsageGroup};

    #[test]
    fn money_is_exact_and_keys_stay_one_cell() {
        let group = UsageGroup {
            key: vec!["2026-08-31".into(), "=a,\"b\"".into()],
            calls: 2,
            cost: Money::from_pico(1_500_000),
            baseline: Money::from_pico(7_000_000),
            compared_cost: Money::from_pico(1_000_000),
            ..UsageGroup::default()
        };
        let by = [UsageBy::Day, UsageBy::Tag];
        let json = to_json(&by, std::slice::from_ref(&group));
        assert_eq!(json[0]["tag"], "=a,\"b\"");
        assert_eq!(json[0]["cost_pico_usd"], 1_500_000);
        assert_eq!(
            (&json[0]["cost_usd"], &json[0]["saved_usd"]),
            (&"0.0000015".into(), &"0.000006".into())
        );
        let csv = to_csv(&by, &[group]);
        let lines: Vec<&str> = csv.split("\r\n").collect();
        assert!(lines[0].starts_with("day,tag,calls,failed_calls"), "{}", lines[0]);
        assert!(lines[1].starts_with("2026-08-31,\"'=a,\"\"b\"\"\",2,0"), "{}", lines[1]);
        assert_eq!(lines[0].split(',').count(), 24);
        assert_eq!(lines.len(), 3);
    }
}
