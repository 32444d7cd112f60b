//! `xtask prices`: what calls cost, reckoned twice.
//!
//! Every usage object in the recordings (chats whole and streamed, embeddings, rerank, documents,
//! pictures, batch results) is priced by the price list read literally ([`crate::prices_rules`]) and by
//! the gateway's own way: format, usage, catalogue, ledger, without the charge that the provider
//! reports. They must agree within a pico-dollar a class. Where the price list knows less than the
//! format says (searches, thinking or audio counted apart, one-hour cache writes, batches), the
//! difference must be exactly that, and is listed. Where a dialect reads the answer too, it must read
//! the same; and the classes must sum to the total that the provider states. Charges that providers
//! report are compared and listed where they differ.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use gw_catalog::price_text::day_to_ms;
use gw_catalog::{Catalog, CatalogOptions, Offering};
use gw_core::{Cost, Money, ProviderId, TokenClass, UsageReport};
use gw_dialect::usage::{UsageFormat, decode};
use gw_ledger::cost::catalogue_cost;
use serde_json::{Map, Value};

use crate::catalog::show;
use crate::prices_answers::{Exchange, Stated, by_dialect, dialect_of, stated_total, statements};
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

#[derive(Default)]
struct Findings {
    passed: usize,
    failed: Vec<String>,
    /// What differs, and why it may, with the number of times.
    explained: BTreeMap<String, usize>,
    /// By provider: usage objects, and how many of them the price list prices.
    coverage: BTreeMap<String, (usize, usize)>,
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
    for (provider, (all, listed)) in &findings.coverage {
        let _ = writeln!(text, "{provider}: {all} usage objects, {listed} in the price list");
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
    for stated in statements(exchange) {
        let label = format!("{label} ({} {} {})", exchange.provider, exchange.cassette, exchange.i);
        let answer = Value::Object(stated.answer.clone());
        // What a cache holds is stated with its key, and is no call.
        let (format, mut report) = match decode(&answer) {
            Ok(decoded) => decoded,
            Err(error) => {
                findings.failed.push(format!("{label}: {error:#}"));
                continue;
            }
        };
        if stated.is_batch {
            report.service_tier = Some("batch".to_owned());
        }
        if let Err(error) = agrees(exchange, &stated, &report) {
            findings.failed.push(format!("{label}: {error:#}"));
            continue;
        }
        let (listed, sold) = names_of(&exchange.provider);
        // The model that answered is billed; where nobody prices its name, the one that was asked for.
        let names: Vec<&str> = stated.models.iter().map(String::as_str).collect();
        let known = names.iter().find(|name| list.model(listed, name).is_some());
        let name = known.or(names.first()).copied().unwrap_or_default();
        let coverage = findings.coverage.entry(exchange.provider.clone()).or_default();
        coverage.0 += 1;
        coverage.1 += usize::from(known.is_some());
        let offering = catalog.or_unlisted(&ProviderId::from(sold), name);
        let extracted = extract(list, listed, format, &stated.answer);
        let usage = stated.usage();
        let case = Case { list, listed, name, offering: &offering, report: &report, usage };
        match case.judge(extracted.as_ref()) {
            Ok(explanations) => {
                findings.passed += 1;
                for why in explanations {
                    let what = format!("{} {name}: {why}", exchange.provider);
                    *findings.explained.entry(what).or_default() += 1;
                }
            }
            Err(error) => findings.failed.push(format!("{label} {name}: {error:#}")),
        }
    }
}

/// The dialect of the answer reads the same classes, and they are the provider's own total.
fn agrees(exchange: &Exchange, stated: &Stated, report: &UsageReport) -> Result<()> {
    if let (Some(dialect), false) = (dialect_of(&exchange.request.uri), stated.is_batch) {
        let mut theirs = by_dialect(dialect, &exchange.response.text())?.usage;
        // Searches of Gemini are counted from the answer's grounding.
        theirs.web_search = report.usage.web_search.max(theirs.web_search);
        let mut ours = report.usage;
        ours.web_search = theirs.web_search;
        if ours != theirs {
            bail!("read alone {ours:?}, read by the dialect {theirs:?}");
        }
    }
    let sum = report.usage.total_input() + report.usage.total_output();
    match stated_total(stated) {
        Some(total) if total != sum => {
            bail!("the classes sum to {sum}, the provider's total is {total}")
        }
        _ => Ok(()),
    }
}

/// Units by the provider's own extractor, or by that of whoever made the format.
fn extract(
    list: &PriceList,
    listed: &str,
    format: UsageFormat,
    answer: &Map<String, Value>,
) -> Option<Units> {
    let by = |provider: &str, flavors: &[&str]| list.extract(provider, flavors, answer);
    match format {
        UsageFormat::ChatCompletions => by(listed, &["chat", "default", "embeddings"])
            .or_else(|| by("openai", &["chat", "embeddings"])),
        UsageFormat::Messages => {
            by(listed, &["anthropic", "default"]).or_else(|| by("anthropic", &["default"]))
        }
        UsageFormat::Responses => {
            by(listed, &["responses"]).or_else(|| by("openai", &["responses"]))
        }
        UsageFormat::Gemini => by("google", &["default"]),
        UsageFormat::Converse => by("aws", &["default"]),
        UsageFormat::BilledUnits => by("cohere", &["default", "embeddings"]),
        UsageFormat::Ollama | UsageFormat::Pages => None,
    }
}

struct Case<'a> {
    list: &'a PriceList,
    listed: &'a str,
    name: &'a str,
    offering: &'a Offering,
    report: &'a UsageReport,
    usage: &'a Map<String, Value>,
}

impl Case<'_> {
    /// Compares at every moment; gives what differs for a known reason.
    fn judge(&self, extracted: Option<&Units>) -> Result<Vec<String>> {
        let mut explanations = Vec::new();
        let Some(model) = self.list.model(self.listed, self.name) else {
            let ours = catalogue_cost(self.offering, self.report, 0);
            let why = match ours {
                Cost::Unpriced { .. } if self.report.reported_cost.is_some() => {
                    "unpriced in both; the provider says what it charged"
                }
                Cost::Unpriced { .. } => "unpriced in both",
                Cost::Priced { .. } => {
                    "not in the price list; priced by the registry or by fees.toml, or free"
                }
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
        let (mut dollars, classes) = charge(prices, &adjusted)?;
        if let (Some("batch"), Some(table)) =
            (report.service_tier.as_deref(), self.offering.price_at(at_ms))
            && let Some((_, share)) = table.services.iter().find(|(tier, _)| tier == "batch")
        {
            dollars *= f64::from(share.numerator) / f64::from(share.denominator);
            why.push(format!("a batch costs {share} of the list price (fees.toml)"));
        }
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
            let first = steps.next().and_then(|key| self.usage.get(*key));
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
