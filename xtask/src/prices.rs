//! `xtask prices`: what calls cost, reckoned twice.
//!
//! Every usage object in the recordings of the chat-completions, messages and responses formats is priced by the
//! price list read literally ([`crate::prices_rules`]) and by the gateway's own way: dialect, usage,
//! catalogue, ledger, without the charge that the provider reports. They must agree within a
//! pico-dollar a class. Where the price list knows less than the format says (searches, thinking or
//! audio counted apart, one-hour cache writes), the difference must be exactly that, and is listed.
//! Charges that providers report are compared, too, and listed where they differ.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use gw_catalog::price_text::day_to_ms;
use gw_catalog::{Catalog, CatalogOptions, Offering};
use gw_core::fold::Fold;
use gw_core::seam::DialectId;
use gw_core::{Cost, Money, ProviderId, TokenClass, UsageReport};
use gw_ledger::cost::catalogue_cost;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::catalog::show;
use crate::prices_rules::{Moment, PriceList, Units, charge, prices_at, rate};

/// Moments at which everything is priced: two hours of a day, and a later day with new prices.
const MOMENTS: [(Moment, i64); 3] = [
    (Moment { day: "2026-08-15", time: "12:00:00Z" }, 12),
    (Moment { day: "2026-08-15", time: "20:00:00Z" }, 20),
    (Moment { day: "2026-09-02", time: "12:00:00Z" }, 12),
];

/// Options of `xtask prices`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Folder of recordings, one exchange a line.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/recordings"))]
    recordings: PathBuf,
    /// The price list.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/catalog/prices.json"))]
    rules: PathBuf,
}

#[derive(Deserialize)]
struct Exchange {
    #[serde(default)]
    cassette: String,
    #[serde(default)]
    i: u64,
    provider: String,
    request: Request,
    response: Response,
}

#[derive(Deserialize)]
struct Request {
    uri: String,
    #[serde(default)]
    body: Value,
}

#[derive(Deserialize)]
struct Response {
    status: u16,
    #[serde(default)]
    body: Value,
}

/// What an exchange says of its consumption, read without the dialects.
struct Stated {
    model: Option<String>,
    usage: Map<String, Value>,
}

#[derive(Default)]
struct Findings {
    passed: usize,
    failed: Vec<String>,
    /// What differs, and why it may, with the number of times.
    explained: BTreeMap<String, usize>,
}

/// Runs the check.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let rules = &options.rules;
    let text =
        std::fs::read_to_string(rules).with_context(|| format!("reading {}", rules.display()))?;
    let list = PriceList::read(&text)?;
    let catalog = Catalog::build(&CatalogOptions::default())?;
    let mut findings = Findings::default();
    for path in files(&options.recordings)? {
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("reading {}", path.display()))?;
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let label = format!("{}:{}", path.file_name().unwrap_or_default().display(), at + 1);
            match serde_json::from_str::<Exchange>(line) {
                Ok(exchange) => check(&exchange, &label, &list, &catalog, &mut findings),
                Err(error) => findings.failed.push(format!("{label}: not an exchange: {error}")),
            }
        }
    }
    let mut text = String::new();
    for (what, count) in &findings.explained {
        let _ = writeln!(text, "explained, {count} times: {what}");
    }
    for failure in &findings.failed {
        let _ = writeln!(text, "FAILED {failure}");
    }
    let _ = writeln!(text, "{} passed, {} failed", findings.passed, findings.failed.len());
    show(&text)?;
    Ok(if findings.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut all: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    all.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    all.sort();
    if all.is_empty() {
        bail!("no *.jsonl in {}", folder.display());
    }
    Ok(all)
}

fn format_of(uri: &str) -> Option<DialectId> {
    let path = uri.split('?').next().unwrap_or_default();
    if path.ends_with("/chat/completions") {
        Some(DialectId::OpenAiChat)
    } else if path.ends_with("/responses") {
        Some(DialectId::OpenAiResponses)
    } else {
        path.ends_with("/messages").then_some(DialectId::AnthropicMessages)
    }
}

/// Names of a recording's provider: in the price list, and in the catalogue.
fn names_of(provider: &str) -> (&str, &str) {
    match provider {
        "bedrock" => ("aws", "bedrock"),
        "xai" => ("x-ai", "xai"),
        "vertexai" | "gemini" => ("google", provider),
        other => (other, other),
    }
}

fn check(
    exchange: &Exchange,
    label: &str,
    list: &PriceList,
    catalog: &Catalog,
    findings: &mut Findings,
) {
    let Some(format) = format_of(&exchange.request.uri) else { return };
    let body = match &exchange.response.body {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    if !(200..300).contains(&exchange.response.status) {
        return;
    }
    let Some(stated) = stated(&body) else { return };
    let label = format!("{label} ({} {} {})", exchange.provider, exchange.cassette, exchange.i);
    let report = match decode(format, &body) {
        Ok(report) => report,
        Err(error) => {
            findings.failed.push(format!("{label}: the dialect refuses the answer: {error:#}"));
            return;
        }
    };
    let asked = match &exchange.request.body {
        Value::String(text) => serde_json::from_str::<Value>(text).unwrap_or_default(),
        other => other.clone(),
    };
    let (listed, sold) = names_of(&exchange.provider);
    let provider = ProviderId::from(sold);
    // The model that answered is billed; where nobody prices its name, the one that was asked for.
    let names = [stated.model.as_deref(), asked["model"].as_str()];
    let names: Vec<&str> = names.into_iter().flatten().collect();
    let name = names
        .iter()
        .find(|name| list.model(listed, name).is_some())
        .or(names.first())
        .copied()
        .unwrap_or_default();
    let offering = catalog.or_unlisted(&provider, name);
    let extracted = extract(list, listed, format, &stated.usage);
    let case = Case { list, listed, name, offering: &offering, report: &report, stated: &stated };
    match case.judge(extracted.as_ref()) {
        Ok(explanations) => {
            findings.passed += 1;
            for why in explanations {
                *findings
                    .explained
                    .entry(format!("{} {name}: {why}", exchange.provider))
                    .or_default() += 1;
            }
        }
        Err(error) => findings.failed.push(format!("{label} {name}: {error:#}")),
    }
}

/// Units by the provider's own extractor, or by OpenAI's and Anthropic's where it has none for the format.
fn extract(
    list: &PriceList,
    listed: &str,
    format: DialectId,
    usage: &Map<String, Value>,
) -> Option<Units> {
    match format {
        DialectId::OpenAiChat => list
            .extract(listed, &["chat", "default"], usage)
            .or_else(|| list.extract("openai", &["chat"], usage)),
        DialectId::AnthropicMessages => list
            .extract(listed, &["anthropic", "default"], usage)
            .or_else(|| list.extract("anthropic", &["default"], usage)),
        DialectId::OpenAiResponses => list
            .extract(listed, &["responses"], usage)
            .or_else(|| list.extract("openai", &["responses"], usage)),
        DialectId::Gemini | DialectId::Ollama => None,
    }
}

struct Case<'a> {
    list: &'a PriceList,
    listed: &'a str,
    name: &'a str,
    offering: &'a Offering,
    report: &'a UsageReport,
    stated: &'a Stated,
}

impl Case<'_> {
    /// Compares at every moment; gives what differs for a known reason.
    fn judge(&self, extracted: Option<&Units>) -> Result<Vec<String>> {
        let mut explanations = Vec::new();
        let Some(model) = self.list.model(self.listed, self.name) else {
            let ours = catalogue_cost(self.offering, self.report, 0);
            let why = match ours {
                Cost::Unpriced { .. } => "unpriced in both",
                Cost::Priced { .. } => "not in the price list; priced by the registry, or free",
            };
            return Ok(vec![why.to_owned()]);
        };
        let units = extracted.context("no extractor of the price list reads its usage")?;
        for (moment, hour) in MOMENTS {
            let at_ms = day_to_ms(moment.day).context("a moment is a day")? + hour * 3_600_000;
            let prices = prices_at(model, moment).context("the entry has no prices")?;
            let why = self.compare(prices, units, at_ms)?;
            let new: Vec<String> =
                why.into_iter().filter(|why| !explanations.contains(why)).collect();
            explanations.extend(new);
        }
        Ok(explanations)
    }

    fn compare(
        &self,
        prices: &Map<String, Value>,
        units: &Units,
        at_ms: i64,
    ) -> Result<Vec<String>> {
        let mut why = Vec::new();
        let mut report = self.report.clone();
        let fee =
            self.offering.price_at(at_ms).and_then(|table| table.rate(TokenClass::WebSearch, 0));
        // Nobody prices the searches, and nobody needs to: the provider says what it charged.
        if report.usage.web_search > 0 && fee.is_none() && report.reported_cost.is_some() {
            report.usage.web_search = 0;
            why.push("searches have no price; the charge that the provider reports has".to_owned());
        }
        let ours = match catalogue_cost(self.offering, &report, at_ms) {
            Cost::Priced { amount, .. } => amount,
            Cost::Unpriced { reason } => {
                bail!("the price list has a price, the ledger none: {reason}")
            }
        };
        let mut adjusted = units.clone();
        self.adjust(&mut adjusted, &mut why);
        let (dollars, classes) = charge(prices, &adjusted)?;
        let expected = dollars + self.beyond_the_list(prices, &adjusted, at_ms, &mut why);
        let off = (to_pico(expected) - pico(ours)).abs();
        if off > classes as f64 + 1.0 {
            bail!("price list {expected:.12}, ledger {}", ours.to_usd_string());
        }
        if let Some(reported) = self.report.reported_cost
            && (pico(reported) - pico(ours)).abs() > to_pico(1e-9)
        {
            let share = reported.as_usd_f64() / expected.max(f64::MIN_POSITIVE);
            let size = if share < 1.0 { "less" } else { "more" };
            why.push(format!(
                "the provider reports {size} than the price list; its report is what is booked"
            ));
        }
        Ok(why)
    }

    /// Changes the price list's units to what the format says where the two are known to differ.
    fn adjust(&self, units: &mut Units, why: &mut Vec<String>) {
        let count = |path: &[&str]| {
            let mut steps = path.iter();
            let first = steps.next().and_then(|key| self.stated.usage.get(*key));
            steps.fold(first, |at, key| at?.get(*key)).and_then(Value::as_f64).unwrap_or_default()
        };
        let (prompt, completion, total) =
            (count(&["prompt_tokens"]), count(&["completion_tokens"]), count(&["total_tokens"]));
        let thinking = count(&["completion_tokens_details", "reasoning_tokens"]);
        let audio = count(&["prompt_tokens_details", "audio_tokens"]);
        let beyond = total - prompt - completion;
        if audio > 0.0 && (beyond == audio || beyond == audio + thinking) {
            *units.entry("input_tokens".to_owned()).or_default() += audio;
            units.insert("input_audio_tokens".to_owned(), audio);
            why.push("audio is counted beside prompt_tokens (total_tokens says so)".to_owned());
        }
        if thinking > 0.0 && (beyond == thinking || beyond == audio + thinking) {
            *units.entry("output_tokens".to_owned()).or_default() += thinking;
            why.push(
                "thinking is counted beside completion_tokens (total_tokens says so)".to_owned(),
            );
        }
        let cached = units.get("cache_read_tokens").copied().unwrap_or_default();
        if cached > prompt && prompt > 0.0 {
            units.insert("cache_read_tokens".to_owned(), prompt);
            why.push("more cached tokens than prompt tokens; the prompt is the bound".to_owned());
        }
    }

    /// Dollars for what the price list has no words for.
    fn beyond_the_list(
        &self,
        prices: &Map<String, Value>,
        units: &Units,
        at_ms: i64,
        why: &mut Vec<String>,
    ) -> f64 {
        let mut dollars = 0.0;
        let searches = self.report.usage.web_search;
        let fee =
            self.offering.price_at(at_ms).and_then(|table| table.rate(TokenClass::WebSearch, 0));
        if let (1.., Some(fee)) = (searches, fee) {
            dollars += fee.times(searches).as_usd_f64();
            why.push("web searches are charged apart (fees.toml)".to_owned());
        }
        let long = self
            .stated
            .usage
            .get("cache_creation")
            .and_then(|split| split.get("ephemeral_1h_input_tokens").and_then(Value::as_f64));
        let prompt = units.get("input_tokens").copied().unwrap_or_default();
        let rates =
            rate(prices, "input_mtok", prompt).zip(rate(prices, "cache_write_mtok", prompt));
        if let (Some(long), Some((input, write))) = (long.filter(|long| *long > 0.0), rates) {
            dollars += long * (2.0 * input - write) / 1e6;
            why.push(
                "one-hour cache writes cost twice the input (Anthropic's pricing page)".to_owned(),
            );
        }
        dollars
    }
}

fn to_pico(dollars: f64) -> f64 {
    dollars * 1e12
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a comparison within a pico-dollar; amounts are small"
)]
fn pico(amount: Money) -> f64 {
    amount.pico() as f64
}

/// Model and usage of an answer, whole or streamed; later counts of a stream replace earlier ones.
fn stated(body: &str) -> Option<Stated> {
    if let Ok(Value::Object(whole)) = serde_json::from_str::<Value>(body) {
        let usage = whole.get("usage")?.as_object()?.clone();
        return Some(Stated { model: whole["model"].as_str().map(str::to_owned), usage });
    }
    let mut model = None;
    let mut usage = Map::new();
    for line in body.lines() {
        let Some(data) = line.strip_prefix("data:") else { continue };
        let Ok(event) = serde_json::from_str::<Value>(data.trim()) else { continue };
        let message = event.get("message").unwrap_or(&event);
        if model.is_none() {
            model = message["model"].as_str().filter(|name| !name.is_empty()).map(str::to_owned);
        }
        let found = message.get("usage").or_else(|| event.get("usage")).and_then(Value::as_object);
        for (key, value) in found.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            usage.insert(key.clone(), value.clone());
        }
    }
    (!usage.is_empty()).then_some(Stated { model, usage })
}

/// Usage by the gateway's own dialect.
fn decode(format: DialectId, body: &str) -> Result<UsageReport> {
    let dialect = gw_dialect::dialect(format);
    if serde_json::from_str::<Map<String, Value>>(body).is_ok() {
        return Ok(dialect.decode_reply(body.as_bytes())?.usage);
    }
    let mut decoder = dialect.stream_decoder();
    let mut frames = Vec::new();
    decoder.push(body.as_bytes(), &mut frames)?;
    let mut fold = Fold::default();
    // A stream that was cut still consumed what it said.
    let _ = decoder.finish(&mut frames);
    frames.iter().flat_map(|frame| &frame.events).for_each(|event| fold.push(event));
    Ok(fold.into_reply().usage)
}
