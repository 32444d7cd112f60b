//! Usage exports of providers to plain lines: OpenAI's organization usage and costs, Anthropic's usage
//! and cost reports, OpenRouter's activity, and any CSV whose columns are named.
//!
//! The members of one line go by many names; which name means what is the same for all of them.

use anyhow::Result;
use gw_catalog::price_text::{instant_to_ms, ms_to_day};
use gw_core::{Error, Money};
use gw_ledger::reconcile::Statement;
use serde_json::{Map, Value};

use crate::cli::ColumnArgs;

/// One line of an export.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    pub(super) day: String,
    pub(super) model: String,
    pub(super) statement: Statement,
}

const DAYS: [&str; 9] = [
    "date",
    "day",
    "start_time",
    "starting_at",
    "usage_date_utc",
    "start_time_iso",
    "created_at",
    "timestamp",
    "bucket_start",
];
const MODELS: [&str; 6] =
    ["model", "model_permaslug", "model_version", "model_name", "snapshot_id", "line_item"];
const CALLS: [&str; 5] =
    ["num_model_requests", "requests", "n_requests", "num_requests", "request_count"];
/// Tokens read, cached ones included.
const INPUT: [&str; 5] =
    ["input_tokens", "prompt_tokens", "tokens_prompt", "n_context_tokens_total", "promptTokens"];
/// Classes of tokens read that add up to all of them: Anthropic's.
const INPUT_PARTS: [&str; 9] = [
    "uncached_input_tokens",
    "cache_read_input_tokens",
    "ephemeral_5m_input_tokens",
    "ephemeral_1h_input_tokens",
    "usage_input_tokens_no_cache",
    "usage_input_tokens_cache_read",
    "usage_input_tokens_cache_write_5m",
    "usage_input_tokens_cache_write_1h",
    "cache_creation_input_tokens",
];
const OUTPUT: [&str; 6] = [
    "output_tokens",
    "completion_tokens",
    "tokens_completion",
    "n_generated_tokens_total",
    "usage_output_tokens",
    "completionTokens",
];
/// Dollars.
const COSTS: [&str; 6] = ["cost", "cost_usd", "usage", "amount_value", "total_cost", "cost_total"];

/// Deepest nesting of a JSON export.
const DEPTH_MAX: usize = 8;

/// Reads an export: a JSON document, or CSV with a head.
///
/// # Errors
/// [`gw_core::Kind::InvalidRequest`] naming what is missing or cannot be read.
pub(super) fn read(text: &str, columns: &ColumnArgs) -> Result<Vec<Line>> {
    let text = text.trim_start_matches('\u{feff}');
    let rows = if text.trim_start().starts_with(['{', '[']) {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| Error::bad_field("--file", format!("not JSON: {error}")))?;
        if value["has_more"] == true {
            let error = Error::bad_field("--file", "the export is one page of several");
            return Err(error.with_hint("Fetch it with a higher limit, or every page.").into());
        }
        let mut rows = Vec::new();
        gather(&value, &Map::new(), DEPTH_MAX, &mut rows);
        rows
    } else {
        csv_rows(text)?
    };
    let mut lines = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        if let Some(line) = line(row, columns, at + 1)? {
            lines.push(line);
        }
    }
    Ok(lines)
}

/// Every object that states tokens or money, with the members of the objects around it.
fn gather(
    value: &Value,
    around: &Map<String, Value>,
    depth: usize,
    rows: &mut Vec<Map<String, Value>>,
) {
    if depth == 0 {
        return;
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| gather(item, around, depth - 1, rows)),
        Value::Object(object) => {
            let lists = ["data", "results"].iter().filter_map(|key| object.get(*key));
            let mut has_lists = false;
            let mut own = around.clone();
            own.extend(
                object
                    .iter()
                    .filter(|(_, value)| !value.is_array() && !value.is_null())
                    .map(|(key, value)| (key.clone(), value.clone())),
            );
            for list in lists.filter(|list| list.is_array()) {
                has_lists = true;
                gather(list, &own, depth - 1, rows);
            }
            if !has_lists {
                rows.push(flat(own));
            }
        }
        _ => {}
    }
}

/// Members of objects inside (`cache_creation`, `amount`) beside the others.
fn flat(row: Map<String, Value>) -> Map<String, Value> {
    let mut flat = Map::new();
    for (key, value) in row {
        match value {
            // OpenAI's costs: dollars as a number.
            Value::Object(amount) if key == "amount" => {
                if let Some(value) = amount.get("value") {
                    flat.insert("amount_value".to_owned(), value.clone());
                }
            }
            Value::Object(inner) => flat.extend(inner),
            // Anthropic's costs: cents as text.
            Value::String(cents) if key == "amount" => {
                if let Some(cents) = Money::from_usd_decimal(&cents) {
                    let dollars = Money::from_pico(cents.pico() / 100).to_usd_string();
                    flat.insert("amount_value".to_owned(), dollars.into());
                }
            }
            value => {
                flat.insert(key, value);
            }
        }
    }
    flat
}

fn csv_rows(text: &str) -> Result<Vec<Map<String, Value>>> {
    let wrong = |error: csv::Error| Error::bad_field("--file", format!("not CSV: {error}"));
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let head = reader.headers().map_err(wrong)?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(wrong)?;
        let cells = head.iter().zip(record.iter()).filter(|(_, cell)| !cell.is_empty());
        rows.push(cells.map(|(name, cell)| (name.to_owned(), Value::from(cell))).collect());
    }
    Ok(rows)
}

/// The line of a row; `None` for one that says nothing of tokens or money.
fn line(row: &Map<String, Value>, columns: &ColumnArgs, at: usize) -> Result<Option<Line>> {
    let get = |named: &Option<String>, known: &[&str]| -> Option<&Value> {
        match named {
            Some(name) => row.get(name.as_str()),
            None => known.iter().find_map(|name| {
                let found = row.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value).filter(|value| !value.is_object())
            }),
        }
    };
    let count = |named: &Option<String>, known: &[&str]| -> Result<Option<u64>> {
        get(named, known).map(|value| number(value, at)).transpose()
    };
    let mut input = count(&columns.input_column, &INPUT)?;
    if columns.input_column.is_none() && input.is_none() {
        for part in INPUT_PARTS {
            if let Some(tokens) = count(&None, &[part])? {
                input = Some(input.unwrap_or(0).saturating_add(tokens));
            }
        }
    }
    let cost = get(&columns.cost_column, &COSTS).map(|value| money(value, at)).transpose()?;
    let statement = Statement {
        calls: count(&columns.requests_column, &CALLS)?,
        input_tokens: input,
        output_tokens: count(&columns.output_column, &OUTPUT)?,
        cost,
    };
    if statement == Statement::default() {
        return Ok(None);
    }
    let missing = |what: &str, flag: &str| {
        Error::bad_field("--file", format!("line {at} of the export has no {what}"))
            .with_hint(format!("Say which column it is with {flag}."))
    };
    let day = get(&columns.day_column, &DAYS)
        .and_then(day)
        .ok_or_else(|| missing("day", "--day-column"))?;
    let model = get(&columns.model_column, &MODELS)
        .and_then(Value::as_str)
        .ok_or_else(|| missing("model: group it by model, or", "--model-column"))?;
    // OpenAI's costs by line item: `gpt-4o-mini-2024-07-18, input`.
    let model = model.split(", ").next().unwrap_or(model).to_owned();
    Ok(Some(Line { day, model, statement }))
}

fn number(value: &Value, at: usize) -> Result<u64> {
    let text = value.as_str().map(|text| text.replace([',', '_'], ""));
    let whole = text.as_deref().map_or_else(|| value.to_string(), str::to_owned);
    let whole = whole.strip_suffix(".0").unwrap_or(&whole);
    Ok(whole.parse().map_err(|_| {
        Error::bad_field("--file", format!("line {at} of the export: {value} is no count"))
    })?)
}

fn money(value: &Value, at: usize) -> Result<Money> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let text = text.trim().trim_start_matches('$').replace(',', "");
    Ok(Money::from_usd_decimal(&text).ok_or_else(|| {
        Error::bad_field("--file", format!("line {at} of the export: {value} is no amount"))
    })?)
}

/// The day (UTC) of a date, an instant, or seconds or milliseconds since 1970.
fn day(value: &Value) -> Option<String> {
    let seconds = value.as_i64().or_else(|| value.as_str()?.parse().ok());
    if let Some(seconds) = seconds {
        let is_ms = seconds > 100_000_000_000;
        return Some(ms_to_day(if is_ms { seconds } else { seconds.saturating_mul(1_000) }));
    }
    let text = value.as_str()?.trim();
    let iso = text.replacen(' ', "T", 1);
    let at_ms = instant_to_ms(text).or_else(|| instant_to_ms(&iso)).or_else(|| {
        // OpenRouter: `2025-08-24 00:00:00`; others put a zone behind a blank.
        instant_to_ms(text.get(..10)?)
    })?;
    Some(ms_to_day(at_ms))
}

#[cfg(test)]
mod tests;
