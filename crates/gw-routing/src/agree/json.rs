//! JSON compared by meaning: keys in any order, numbers by value, texts without case and edges.

use std::collections::BTreeMap;

use serde_json::Value;

/// Deepest nesting that is compared; what lies below counts as text.
const DEPTH_MAX: usize = 64;

/// The canonical text of a value: keys sorted, numbers by value, texts trimmed and in small letters.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, DEPTH_MAX, &mut text);
    text
}

/// True where two values mean the same.
pub fn same_json(one: &Value, other: &Value) -> bool {
    canonical(one) == canonical(other)
}

/// Share of fields that two objects have alike, over all fields that either has; 1 or 0 for values
/// that are no objects.
#[expect(clippy::cast_precision_loss, reason = "counts of fields")]
pub fn field_share(one: &Value, other: &Value) -> f64 {
    let (Value::Object(one), Value::Object(other)) = (one, other) else {
        return if same_json(one, other) { 1.0 } else { 0.0 };
    };
    let all = one.len() + other.keys().filter(|key| !one.contains_key(*key)).count();
    if all == 0 {
        return 1.0;
    }
    let is_same = |(key, value): &(&String, &Value)| {
        other.get(key.as_str()).is_some_and(|second| same_json(value, second))
    };
    one.iter().filter(is_same).count() as f64 / all as f64
}

/// The JSON object or list that a text is, fenced or bare.
pub(super) fn read(text: &str) -> Option<Value> {
    let text = text.trim();
    let inner = super::code::block(text).unwrap_or(text).trim();
    if !inner.starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str(inner).ok()
}

fn write(value: &Value, depth: usize, text: &mut String) {
    if depth == 0 {
        text.push_str(&value.to_string());
        return;
    }
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&by_value(number)),
        Value::String(words) => {
            let words = words.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
            text.push_str(&Value::String(words).to_string());
        }
        Value::Array(values) => {
            text.push('[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write(value, depth - 1, text);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            text.push('{');
            for (at, (key, value)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                text.push_str(&Value::String(key.clone()).to_string());
                text.push(':');
                write(value, depth - 1, text);
            }
            text.push('}');
        }
    }
}

/// `1`, `1.0` and `1e0` are one number; whole ones beyond what a float holds keep their digits.
fn by_value(number: &serde_json::Number) -> String {
    if number.is_i64() || number.is_u64() {
        return number.to_string();
    }
    match number.as_f64() {
        Some(value) if value.fract() == 0.0 && value.abs() < 9e15 => format!("{value:.0}"),
        Some(value) => format!("{value}"),
        None => number.to_string(),
    }
}
