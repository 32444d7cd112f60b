//! The price list read literally: its extractors, its matching rules, its prices.
//!
//! Written apart from the catalogue and the dialects, on floats and raw JSON, so that a fault of theirs
//! cannot hide here. Rules of use come from the price list's own project: the last condition that holds
//! wins, else the first entry; a tier counts for the whole prompt; a class without a price is charged
//! as the class it is part of.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

/// The price list.
pub(crate) struct PriceList {
    providers: Vec<Value>,
}

/// Units by the price list's own names (`input_tokens` holds all the others of the prompt).
pub(crate) type Units = BTreeMap<String, f64>;

/// A moment, as conditions of prices see it.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    /// `2026-08-15`.
    pub(crate) day: &'static str,
    /// `12:00:00Z`.
    pub(crate) time: &'static str,
}

impl PriceList {
    pub(crate) fn read(text: &str) -> Result<Self> {
        Ok(Self {
            providers: serde_json::from_str(text).context("the price list is not a JSON array")?,
        })
    }

    fn provider(&self, id: &str) -> Option<&Value> {
        self.providers.iter().find(|provider| provider["id"] == id)
    }

    /// The units of an answer, by the extractor of this flavour; `None` where the price list has none
    /// whose required fields are there.
    pub(crate) fn extract(
        &self,
        provider: &str,
        flavors: &[&str],
        answer: &Map<String, Value>,
    ) -> Option<Units> {
        let extractors = self.provider(provider)?["extractors"].as_array()?;
        flavors.iter().find_map(|flavor| {
            let extractor =
                extractors.iter().find(|extractor| extractor["api_flavor"] == *flavor)?;
            let usage = match &extractor["root"] {
                Value::String(key) => answer.get(key),
                Value::Array(path) => {
                    let mut steps = path.iter();
                    let first = answer.get(steps.next()?.as_str()?);
                    steps.fold(first, |at, step| at?.get(step.as_str()?))
                }
                _ => None,
            };
            units(extractor, usage?.as_object()?)
        })
    }

    /// The price entry of a model, by the provider's rules in order, then those it falls back to.
    pub(crate) fn model(&self, provider: &str, name: &str) -> Option<&Value> {
        let provider = self.provider(provider)?;
        let own = |provider: &'_ Value| -> Option<usize> {
            provider["models"].as_array()?.iter().position(|model| matches(&model["match"], name))
        };
        if let Some(at) = own(provider) {
            return provider["models"].get(at);
        }
        let fallbacks = provider["fallback_model_providers"].as_array().into_iter().flatten();
        fallbacks.filter_map(Value::as_str).find_map(|other| {
            let other = self.provider(other)?;
            other["models"].get(own(other)?)
        })
    }
}

fn units(extractor: &Value, usage: &Map<String, Value>) -> Option<Units> {
    let mut sums = Units::new();
    for mapping in extractor["mappings"].as_array()? {
        let found = match &mapping["path"] {
            Value::String(key) => usage.get(key),
            Value::Array(path) => {
                let mut steps = path.iter();
                let first = usage.get(steps.next()?.as_str()?);
                steps.fold(first, |at, step| match step {
                    Value::String(key) => at?.get(key),
                    // The first item of a list whose field matches.
                    _ => at?.as_array()?.iter().find(|item| {
                        let field = step["field"].as_str().unwrap_or_default();
                        matches(&step["match"], item[field].as_str().unwrap_or_default())
                    }),
                })
            }
            _ => None,
        };
        match found.and_then(Value::as_f64) {
            Some(count) => *sums.entry(mapping["dest"].as_str()?.to_owned()).or_default() += count,
            None if mapping["required"] == true => return None,
            None => {}
        }
    }
    Some(sums)
}

/// True where the matching rule holds for the name.
pub(crate) fn matches(logic: &Value, name: &str) -> bool {
    let Some((kind, value)) = logic.as_object().and_then(|logic| logic.iter().next()) else {
        return false;
    };
    let text = value.as_str().unwrap_or_default();
    let mut all = value.as_array().into_iter().flatten();
    match kind.as_str() {
        "equals" => name == text,
        "starts_with" => name.starts_with(text),
        "ends_with" => name.ends_with(text),
        "contains" => name.contains(text),
        "regex" => regex_finds(text, name),
        "or" => all.any(|one| matches(one, name)),
        "and" => all.all(|one| matches(one, name)),
        _ => false,
    }
}

/// Searches for the few forms of patterns that price lists use: `^`, `$`, `\d`, `\d{8}`, `\.` and letters.
/// A pattern with anything else never matches.
pub(crate) fn regex_finds(pattern: &str, name: &str) -> bool {
    let (from_start, rest) = match pattern.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let (to_end, rest) = match rest.strip_suffix('$') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let mut wanted: Vec<Option<char>> = Vec::new();
    let mut letters = rest.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('d') => wanted.push(None),
                Some(escaped) if escaped.is_ascii_punctuation() => wanted.push(Some(escaped)),
                _ => return false,
            },
            '{' => {
                let count: String = letters.by_ref().take_while(|letter| *letter != '}').collect();
                let Ok(count @ 1..=64) = count.parse::<usize>() else { return false };
                let Some(last) = wanted.last().copied() else { return false };
                wanted.extend(std::iter::repeat_n(last, count - 1));
            }
            '.' | '*' | '+' | '?' | '[' | '(' | '|' | ')' => return false,
            _ => wanted.push(Some(letter)),
        }
    }
    let name: Vec<char> = name.chars().collect();
    (0..=name.len()).filter(|start| !from_start || *start == 0).any(|start| {
        let end = start + wanted.len();
        end <= name.len()
            && (!to_end || end == name.len())
            && name[start..end]
                .iter()
                .zip(&wanted)
                .all(|(have, want)| want.map_or(have.is_ascii_digit(), |want| *have == want))
    })
}

/// The prices of an entry at a moment.
pub(crate) fn prices_at(model: &Value, moment: Moment) -> Option<&Map<String, Value>> {
    match &model["prices"] {
        Value::Object(prices) => Some(prices),
        Value::Array(entries) => {
            let holds = |entry: &&Value| {
                let condition = &entry["constraint"];
                // Days and times of one form compare as text.
                let day = condition["start_date"].as_str().is_none_or(|start| moment.day >= start);
                let time = match (condition["start_time"].as_str(), condition["end_time"].as_str())
                {
                    (Some(start), Some(end)) => start <= moment.time && moment.time < end,
                    _ => true,
                };
                day && time
            };
            let entry = entries.iter().rev().find(holds).or_else(|| entries.first())?;
            entry["prices"].as_object()
        }
        _ => None,
    }
}

/// Dollars for the units, and how many classes were added up.
///
/// # Errors
/// Counts that contradict one another, and classes without any price.
pub(crate) fn charge(prices: &Map<String, Value>, units: &Units) -> Result<(f64, usize)> {
    let of = |name: &str| units.get(name).copied().unwrap_or_default();
    let audio_read = of("cache_audio_read_tokens");
    let audio = of("input_audio_tokens") - audio_read;
    let cached = of("cache_read_tokens") - audio_read;
    let text = of("input_tokens") - audio - of("cache_write_tokens") - of("cache_read_tokens");
    let written = of("output_tokens") - of("output_audio_tokens");
    if [audio, cached, text, written].iter().any(|count| *count < 0.0) {
        bail!("its parts are larger than the whole");
    }
    let classes: [(f64, &[&str]); 7] = [
        (text, &["input_mtok"]),
        (cached, &["cache_read_mtok", "input_mtok"]),
        (of("cache_write_tokens"), &["cache_write_mtok", "input_mtok"]),
        (audio, &["input_audio_mtok", "input_mtok"]),
        (audio_read, &["cache_audio_read_mtok", "input_audio_mtok", "input_mtok"]),
        (written, &["output_mtok"]),
        (of("output_audio_tokens"), &["output_audio_mtok", "output_mtok"]),
    ];
    let mut dollars =
        prices.get("requests_kcount").and_then(Value::as_f64).unwrap_or_default() / 1000.0;
    let mut used = 1;
    for (count, names) in classes.into_iter().filter(|(count, _)| *count > 0.0) {
        let price = names.iter().find_map(|name| rate(prices, name, of("input_tokens")));
        dollars += price.with_context(|| format!("no price for {}", names[0]))? * count / 1e6;
        used += 1;
    }
    Ok((dollars, used))
}

/// Dollars per million of a class, for a prompt of this size.
pub(crate) fn rate(prices: &Map<String, Value>, name: &str, prompt_tokens: f64) -> Option<f64> {
    let price = prices.get(name)?;
    let Some(tiers) = price["tiers"].as_array() else { return price.as_f64() };
    let reached = tiers
        .iter()
        .rev()
        .find(|tier| tier["start"].as_f64().is_some_and(|start| prompt_tokens > start));
    reached.map_or(&price["base"], |tier| &tier["price"]).as_f64()
}

#[cfg(test)]
mod tests;
