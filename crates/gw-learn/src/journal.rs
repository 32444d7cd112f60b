//! A gateway's own log as outcome data: judged calls become a folder of the documented shape.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use gw_core::outcome::{Decision, Judged, Outcome};
use gw_core::{Error, Kind, Result};
use serde_json::{Value, json};

/// What a folder was made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Exported {
    /// Calls that were written.
    pub calls: usize,
    /// Calls that were left out because they were not routed by learning.
    pub without_decision: usize,
    /// Calls whose words were not kept; they teach tags, not texts.
    pub without_words: usize,
    /// Models.
    pub models: usize,
}

/// Writes judged calls. `price` gives a model's list price, dollars for a million tokens read and
/// written, as decimals.
///
/// # Errors
/// [`Kind::InvalidRequest`] where the folder cannot be written.
pub fn write(
    folder: &Path,
    judged: &[Judged],
    price: &dyn Fn(&str) -> Option<(String, String)>,
) -> Result<Exported> {
    let bad = |error: std::io::Error| {
        Error::new(Kind::InvalidRequest, format!("{}: {error}", folder.display()))
            .with_field("--out")
    };
    fs::create_dir_all(folder).map_err(bad)?;
    let (rows, mut exported) = rows(judged);
    let models: BTreeSet<&str> =
        rows.iter().flat_map(|row| row.scores.keys().map(String::as_str)).collect();
    exported.models = models.len();
    let mut prompts = String::new();
    let tables = ["quality", "propensity", "in_tokens", "out_tokens"];
    let mut sheets: Vec<csv::Writer<Vec<u8>>> =
        tables.iter().map(|_| csv::Writer::from_writer(Vec::new())).collect();
    let head = || std::iter::once("id").chain(models.iter().copied());
    for sheet in &mut sheets {
        sheet.write_record(head()).map_err(|error| bad(error.into()))?;
    }
    for row in &rows {
        prompts.push_str(&row.line.to_string());
        prompts.push('\n');
        for (table, sheet) in sheets.iter_mut().enumerate() {
            let cells = models.iter().map(|model| row.cell(table, model));
            let record = std::iter::once(row.id.clone()).chain(cells);
            sheet.write_record(record).map_err(|error| bad(error.into()))?;
        }
    }
    for (table, sheet) in tables.iter().zip(sheets) {
        let bytes = sheet.into_inner().map_err(|error| bad(error.into_error()))?;
        fs::write(folder.join(format!("{table}.csv")), bytes).map_err(bad)?;
    }
    let prices: BTreeMap<&str, Value> = models
        .iter()
        .map(|model| {
            (
                *model,
                price(model).map_or(Value::Null, |(read, written)| {
                    let number = |text: String| {
                        text.parse::<serde_json::Number>().map_or(Value::Null, Value::Number)
                    };
                    json!({"in": number(read), "out": number(written)})
                }),
            )
        })
        .collect();
    fs::write(folder.join("prompts.jsonl"), prompts).map_err(bad)?;
    let prices = serde_json::to_string_pretty(&prices).unwrap_or_default();
    fs::write(folder.join("models.json"), prices).map_err(bad)?;
    Ok(exported)
}

struct Row {
    id: String,
    line: Value,
    scores: BTreeMap<String, f64>,
    chosen: String,
    propensity: f64,
    input: u64,
    output: u64,
}

impl Row {
    fn cell(&self, table: usize, model: &str) -> String {
        let Some(score) = self.scores.get(model) else { return String::new() };
        let is_chosen = model == self.chosen;
        match table {
            0 => score.to_string(),
            // What was asked besides was asked whatever came of it.
            1 => if is_chosen { self.propensity } else { 1.0 }.to_string(),
            2 => self.input.to_string(),
            _ if is_chosen => self.output.to_string(),
            _ => String::new(),
        }
    }
}

fn rows(judged: &[Judged]) -> (Vec<Row>, Exported) {
    let mut exported = Exported::default();
    let mut rows = Vec::new();
    for Judged { call, outcomes } in judged {
        let decision = call.metadata.get(Decision::KEY);
        let decision: Option<Decision> =
            decision.and_then(|value| serde_json::from_value(value.clone()).ok());
        let Some(decision) = decision else {
            exported.without_decision += 1;
            continue;
        };
        exported.calls += 1;
        exported.without_words += usize::from(decision.said.is_none());
        let chosen = call.model_id.clone();
        let weighed = decision.models.iter().find(|model| model.model == chosen);
        let propensity = weighed.map_or(1.0, |model| f64::from(model.propensity_ppm) / 1e6);
        let tag = decision.tag.as_deref();
        rows.push(Row {
            id: call.id.to_string(),
            line: json!({
                "id": call.id.to_string(),
                // Without an application the class of work stands for it.
                "task": tag.unwrap_or(&decision.class),
                "sub": decision.class,
                "prompt": decision.said.unwrap_or_default(),
                "tag": tag,
                "at_ms": call.started_at_ms,
            }),
            scores: most_telling(outcomes),
            chosen,
            propensity,
            input: call.usage.total_input(),
            output: call.usage.total_output(),
        });
    }
    (rows, exported)
}

/// One score for each model: that of the most telling source.
fn most_telling(outcomes: &[Outcome]) -> BTreeMap<String, f64> {
    let mut sorted: Vec<&Outcome> = outcomes.iter().collect();
    sorted.sort_by_key(|outcome| outcome.source);
    sorted.into_iter().map(|outcome| (outcome.model.clone(), outcome.score)).collect()
}

/// Whether promises still hold: what was promised against what was delivered, over the newest judged
/// calls.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Drift {
    /// Calls looked at.
    pub calls: usize,
    /// Mean probability that was promised.
    pub promised: f64,
    /// Mean score that came of it.
    pub delivered: f64,
    /// The difference in standard errors; below zero where less was delivered.
    pub deviation: f64,
    /// True where that is no chance any more.
    pub is_alarming: bool,
}

/// Calls that drift is looked for in, at most and at least.
const DRIFT_CALLS: (usize, usize) = (400, 30);
/// Standard errors from which on it is no chance.
const ALARM_AT: f64 = 3.5;

/// Looks for drift; `None` below thirty judged calls. `judged` is in order of time.
pub fn drift(judged: &[Judged]) -> Option<Drift> {
    let mut pairs = Vec::new();
    for Judged { call, outcomes } in judged.iter().rev() {
        let decision = call.metadata.get(Decision::KEY).cloned().unwrap_or_default();
        let Ok(decision) = serde_json::from_value::<Decision>(decision) else { continue };
        let promised = decision.models.iter().find(|model| model.model == call.model_id);
        let scores = most_telling(outcomes);
        if let (Some(promised), Some(score)) = (promised, scores.get(&call.model_id)) {
            pairs.push((f64::from(promised.success_ppm) / 1e6, *score));
        }
        if pairs.len() == DRIFT_CALLS.0 {
            break;
        }
    }
    let calls = pairs.len();
    if calls < DRIFT_CALLS.1 {
        return None;
    }
    let count = calls as f64;
    let promised = pairs.iter().map(|(promised, _)| promised).sum::<f64>() / count;
    let delivered = pairs.iter().map(|(_, score)| score).sum::<f64>() / count;
    let variance: f64 = pairs.iter().map(|(p, _)| p * (1.0 - p)).sum();
    let deviation = (delivered - promised) * count / variance.max(0.25).sqrt();
    Some(Drift { calls, promised, delivered, deviation, is_alarming: deviation.abs() > ALARM_AT })
}

#[cfg(test)]
mod tests;
