//! Counts of an answer to token classes and back. The format knows two: tokens read and tokens
//! written, thinking and cached ones included.

use gw_core::{Usage, UsageReport};
use serde_json::{Map, Value};

use crate::json::natural;

/// Reads the counts that stand in the last message.
pub(crate) fn read(message: &Map<String, Value>) -> UsageReport {
    let count = |key: &str| message.get(key).and_then(natural).unwrap_or(0);
    let (input, output) = (count("prompt_eval_count"), count("eval_count"));
    UsageReport { usage: Usage { input, output, ..Usage::default() }, ..UsageReport::default() }
}

/// Writes the counts.
pub(super) fn write(report: &UsageReport, message: &mut Map<String, Value>) {
    message.insert("prompt_eval_count".to_owned(), Value::from(report.usage.total_input()));
    message.insert("eval_count".to_owned(), Value::from(report.usage.total_output()));
}
