//! Reads the two sources of the catalogue: the model registry and the price list.
//!
//! Prices stay the decimal text of the file until they are integers: no float touches them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use gw_catalog::price_text::day_to_ms;
use gw_catalog::rules::{Clause, Rule};
use gw_catalog::{DatedPrice, PriceTable};
use gw_core::{Rate, TokenClass};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A price as it stands in the file.
type Decimal = Box<RawValue>;

/// One line of the model registry.
#[derive(Deserialize)]
pub(crate) struct SourceModel {
    pub(crate) id: String,
    pub(crate) provider: String,
    pub(crate) name: String,
    pub(crate) family: Option<String>,
    pub(crate) created_at: Option<String>,
    pub(crate) context_window: Option<u64>,
    pub(crate) max_output_tokens: Option<u64>,
    pub(crate) modalities: Modalities,
    #[serde(default)]
    pub(crate) capabilities: Vec<String>,
    #[serde(default)]
    pub(crate) pricing: Pricing,
    #[serde(default)]
    pub(crate) reasoning_options: Vec<ReasoningOption>,
    pub(crate) temperature: Option<bool>,
}

#[derive(Deserialize)]
pub(crate) struct Modalities {
    pub(crate) input: Vec<String>,
    pub(crate) output: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct ReasoningOption {
    #[serde(default)]
    pub(crate) values: Vec<Option<String>>,
}

#[derive(Default, Deserialize)]
pub(crate) struct Pricing {
    #[serde(default)]
    text_tokens: Tokens,
    #[serde(default)]
    audio_tokens: Tokens,
    #[serde(default)]
    images: Tokens,
}

#[derive(Default, Deserialize)]
struct Tokens {
    #[serde(default)]
    standard: BTreeMap<String, Decimal>,
    #[serde(default)]
    long_context: BTreeMap<String, Decimal>,
    long_context_threshold: Option<u64>,
}

/// One provider of the price list.
pub(crate) struct SourceProvider {
    pub(crate) id: String,
    pub(crate) fallbacks: Vec<String>,
    pub(crate) rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct RawProvider {
    id: String,
    #[serde(default)]
    fallback_model_providers: Vec<String>,
    models: Vec<RawRule>,
}

#[derive(Deserialize)]
struct RawRule {
    id: String,
    r#match: Value,
    prices: Box<RawValue>,
    context_window: Option<u64>,
    #[serde(default)]
    deprecated: bool,
}

#[derive(Deserialize)]
struct Conditional {
    #[serde(default)]
    constraint: Constraint,
    prices: BTreeMap<String, Decimal>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Constraint {
    start_date: Option<String>,
    start_time: Option<String>,
    end_time: Option<String>,
}

#[derive(Deserialize)]
struct Tiered {
    base: Decimal,
    tiers: Vec<Tier>,
}

#[derive(Deserialize)]
struct Tier {
    start: u64,
    price: Decimal,
}

/// Reads the registry.
pub(crate) fn read_models(folder: &Path) -> Result<Vec<SourceModel>> {
    let path = folder.join("models.jsonl");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| {
            serde_json::from_str(line).with_context(|| format!("models.jsonl line {}", at + 1))
        })
        .collect()
}

/// Reads the price list; what has no place in the catalogue is told in `notices`.
pub(crate) fn read_prices(folder: &Path, notices: &mut Vec<String>) -> Result<Vec<SourceProvider>> {
    let path = folder.join("prices.json");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let providers: Vec<RawProvider> = serde_json::from_str(&text).context("prices.json")?;
    providers.into_iter().map(|provider| source_provider(provider, notices)).collect()
}

fn source_provider(raw: RawProvider, notices: &mut Vec<String>) -> Result<SourceProvider> {
    let mut rules = Vec::new();
    for rule in raw.models {
        let at = format!("{}/{}", raw.id, rule.id);
        let mut clauses = Vec::new();
        read_match(&rule.r#match, &at, &mut clauses, notices);
        if clauses.is_empty() {
            notices.push(format!("{at}: no rule that the catalogue can hold; left out"));
            continue;
        }
        let mut prices = read_dated(&rule.prices, &at, notices).with_context(|| at.clone())?;
        if clauses.iter().any(|clause| clause.to_text().contains("claude")) {
            prices.iter_mut().for_each(|price| add_long_cache_writes(&mut price.table));
        }
        rules.push(Rule {
            id: rule.id,
            clauses,
            prices,
            context_window: rule.context_window,
            is_deprecated: rule.deprecated,
        });
    }
    Ok(SourceProvider { id: raw.id, fallbacks: raw.fallback_model_providers, rules })
}

fn read_match(logic: &Value, at: &str, clauses: &mut Vec<Clause>, notices: &mut Vec<String>) {
    for (kind, value) in logic.as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default().to_owned();
        match (kind.as_str(), value) {
            ("or", Value::Array(all)) => {
                for one in all {
                    read_match(one, at, clauses, notices);
                }
            }
            ("equals", Value::String(_)) => clauses.push(Clause::Equals(text)),
            ("starts_with", Value::String(_)) => clauses.push(Clause::StartsWith(text)),
            ("ends_with", Value::String(_)) => clauses.push(Clause::EndsWith(text)),
            ("contains", Value::String(_)) => clauses.push(Clause::Contains(text)),
            ("regex", Value::String(_)) => match digits_pattern(&text) {
                Some(clause) => clauses.push(clause),
                None => notices
                    .push(format!("{at}: pattern `{text}` is beyond the catalogue; left out")),
            },
            _ => notices.push(format!("{at}: rule `{kind}` is not known; left out")),
        }
    }
}

/// Turns `^grok-4\.3-\d{8}$` into the catalogue's own form; `None` for anything richer.
pub(crate) fn digits_pattern(regex: &str) -> Option<Clause> {
    let mut rest = regex.strip_prefix('^')?;
    let is_whole = rest.ends_with('$') && !rest.ends_with("\\$");
    rest = rest.strip_suffix('$').filter(|_| is_whole).unwrap_or(rest);
    let mut pattern = String::new();
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match letter {
            '\\' if rest.starts_with('d') => {
                rest = &rest[1..];
                let (count, after) = match rest.strip_prefix('{') {
                    Some(inside) => {
                        let (count, after) = inside.split_once('}')?;
                        (count.parse::<usize>().ok().filter(|count| *count <= 32)?, after)
                    }
                    None => (1, rest),
                };
                rest = after;
                pattern.extend(std::iter::repeat_n('#', count));
            }
            '\\' => {
                let escaped = rest.chars().next().filter(char::is_ascii_punctuation)?;
                rest = &rest[escaped.len_utf8()..];
                pattern.push(escaped);
            }
            '.' | '*' | '+' | '?' | '[' | ']' | '(' | ')' | '{' | '}' | '|' | '#' | '$' | '^' => {
                return None;
            }
            _ => pattern.push(letter),
        }
        if rest.starts_with(['*', '+', '?', '{']) {
            return None;
        }
    }
    Some(Clause::Digits(pattern, is_whole))
}

fn read_dated(raw: &RawValue, at: &str, notices: &mut Vec<String>) -> Result<Vec<DatedPrice>> {
    if raw.get().trim_start().starts_with('{') {
        let fields: BTreeMap<String, Decimal> = serde_json::from_str(raw.get())?;
        return Ok(vec![DatedPrice::always(read_table(&fields, at, notices)?)]);
    }
    let entries: Vec<Conditional> = serde_json::from_str(raw.get())?;
    let mut all = Vec::new();
    for entry in entries {
        let mut price = DatedPrice::always(read_table(&entry.prices, at, notices)?);
        if let Some(day) = &entry.constraint.start_date {
            price.from_ms = Some(day_to_ms(day).with_context(|| format!("`{day}` is not a day"))?);
        }
        if let Some((from, until)) = entry.constraint.start_time.zip(entry.constraint.end_time) {
            price.daily = Some((clock(&from)?, clock(&until)?));
        }
        all.push(price);
    }
    Ok(all)
}

/// Seconds since midnight of `00:30:00Z`.
fn clock(text: &str) -> Result<u32> {
    let parts: Vec<u32> = text
        .trim_end_matches('Z')
        .split(':')
        .map(|part| part.parse::<u32>().with_context(|| format!("`{text}` is not a time")))
        .collect::<Result<_>>()?;
    match parts.as_slice() {
        [hours, minutes] | [hours, minutes, 0] => Ok(hours * 3600 + minutes * 60),
        _ => bail!("`{text}` is not a whole minute"),
    }
}

fn read_table(
    fields: &BTreeMap<String, Decimal>,
    at: &str,
    notices: &mut Vec<String>,
) -> Result<PriceTable> {
    let mut table = PriceTable::default();
    let mut tiers: BTreeMap<u64, Vec<(TokenClass, Rate)>> = BTreeMap::new();
    for (field, raw) in fields {
        let class = match field.as_str() {
            "input_mtok" => TokenClass::Input,
            "cache_read_mtok" => TokenClass::CacheRead,
            "cache_write_mtok" => TokenClass::CacheWrite,
            "output_mtok" => TokenClass::Output,
            "input_audio_mtok" => TokenClass::InputAudio,
            "cache_audio_read_mtok" => TokenClass::CacheReadAudio,
            "output_audio_mtok" => TokenClass::OutputAudio,
            "requests_kcount" => {
                // A million requests cost a thousand times what a thousand do.
                let kilo = per_million(raw)?;
                table.per_request = Some(Rate::from_pico_per_unit(kilo.pico_per_unit() * 1000));
                continue;
            }
            _ => {
                notices
                    .push(format!("{at}: price `{field}` has no class in the catalogue; left out"));
                continue;
            }
        };
        if raw.get().trim_start().starts_with('{') {
            let tiered: Tiered = serde_json::from_str(raw.get())?;
            table.set(class, per_million(&tiered.base)?);
            for tier in tiered.tiers {
                tiers.entry(tier.start).or_default().push((class, per_million(&tier.price)?));
            }
        } else {
            table.set(class, per_million(raw)?);
        }
    }
    table.tiers = tiers.into_iter().collect();
    Ok(table)
}

fn per_million(raw: &RawValue) -> Result<Rate> {
    let text = raw.get().trim().trim_matches('"');
    Rate::from_usd_per_million(text).with_context(|| format!("`{text}` is not a price"))
}

/// Anthropic's rule: a write to the cache that lives an hour costs twice the input, wherever Claude is
/// sold with prompt caching (Anthropic pricing page, "Prompt caching").
pub(crate) fn add_long_cache_writes(table: &mut PriceTable) {
    let add = |rates: &mut Vec<(TokenClass, Rate)>| {
        let find = |class| rates.iter().find(|(listed, _)| *listed == class).map(|(_, rate)| *rate);
        if let (Some(input), Some(_), None) = (
            find(TokenClass::Input),
            find(TokenClass::CacheWrite),
            find(TokenClass::CacheWriteLong),
        ) {
            let double = Rate::from_pico_per_unit(input.pico_per_unit() * 2);
            rates.push((TokenClass::CacheWriteLong, double));
        }
    };
    add(&mut table.rates);
    table.tiers.iter_mut().for_each(|(_, rates)| add(rates));
}

/// The registry's own prices of a model; empty: unpriced.
pub(crate) fn own_prices(model: &SourceModel) -> Result<Vec<DatedPrice>> {
    let base = rates(&model.pricing.text_tokens.standard)?;
    let mut table = PriceTable { rates: base, ..PriceTable::default() };
    for (class, rate) in rates(&model.pricing.audio_tokens.standard)? {
        match class {
            TokenClass::Input => table.set(TokenClass::InputAudio, rate),
            TokenClass::Output => table.set(TokenClass::OutputAudio, rate),
            TokenClass::CacheRead => table.set(TokenClass::CacheReadAudio, rate),
            _ => {}
        }
    }
    for (class, rate) in rates(&model.pricing.images.standard)? {
        match class {
            TokenClass::Input => table.set(TokenClass::InputImage, rate),
            TokenClass::Output => table.set(TokenClass::OutputImage, rate),
            TokenClass::CacheRead => table.set(TokenClass::CacheReadImage, rate),
            _ => {}
        }
    }
    let long = rates(&model.pricing.text_tokens.long_context)?;
    if let (Some(above), false) =
        (model.pricing.text_tokens.long_context_threshold, long.is_empty())
    {
        table.tiers = vec![(above, long)];
    }
    if model.id.contains("claude") {
        add_long_cache_writes(&mut table);
    }
    Ok(if table.rates.is_empty() { Vec::new() } else { vec![DatedPrice::always(table)] })
}

fn rates(fields: &BTreeMap<String, Decimal>) -> Result<Vec<(TokenClass, Rate)>> {
    let mut all = Vec::new();
    for (field, raw) in fields {
        let class = match field.as_str() {
            "input_per_million" => TokenClass::Input,
            "output_per_million" => TokenClass::Output,
            "cache_read_input_per_million" => TokenClass::CacheRead,
            "cache_write_input_per_million" => TokenClass::CacheWrite,
            "reasoning_output_per_million" => TokenClass::Reasoning,
            _ => continue,
        };
        if raw.get() != "null" {
            all.push((class, per_million(raw)?));
        }
    }
    all.sort_by_key(|(class, _)| *class);
    Ok(all)
}
