//! `xtask catalog`: makes the embedded catalogue from the model registry and the price list.
//!
//! Merge rule: the registry (`models.jsonl`) says which models there are, their limits and abilities;
//! the price list (`prices.json`) says what they cost wherever one of its rules matches, because it is
//! dated and tiered; only where none matches do the registry's own prices count. Where both
//! price a model and differ, the price list stands, and `--check` lists the difference. Of several rows
//! of one model, the maker's own tells what the model is, and the others only what is different
//! there. Providers that only the price list knows sell what its rules name.
//!
//! Guesses of the registry are not taken over: limits where the answer is longer than the window, and
//! the price that it gives OpenAI and Azure models it knows nothing of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use gw_catalog::embedded::{ModelRow, OfferingRow, rows};
use gw_catalog::identity::{family, has_snapshot_date, identity, maker};
use gw_catalog::price_text::{day_to_ms, usd_per_million};
use gw_catalog::rules::{Clause, RuleBook, rules_provider};
use gw_catalog::{Capabilities, Modality};
use gw_core::TokenClass;

use crate::catalog_source::{SourceModel, SourceProvider, own_prices, read_models, read_prices};

/// Day on which the two sources' prices are compared: when the files were made.
const SOURCES_DAY: &str = "2026-08-15";

/// Whose row tells what a model is, after its maker's.
const TRUSTED: &[&str] = &[
    "openrouter",
    "vertexai",
    "bedrock",
    "ollama_cloud",
    "openai",
    "anthropic",
    "gemini",
    "xai",
    "deepseek",
    "cohere",
    "mistral",
    "perplexity",
    "azure",
];

/// Options of `xtask catalog`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Folder with models.jsonl and prices.json.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/catalog"))]
    data: PathBuf,
    /// Folder of the embedded tables.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/gw-catalog/data"))]
    out: PathBuf,
    /// Writes nothing: tells where the sources differ, and fails where the tables are not up to date.
    #[arg(long)]
    check: bool,
}

/// The three tables as text, and what is worth knowing about them.
pub(crate) struct Tables {
    files: Vec<(&'static str, String)>,
    notices: Vec<String>,
    differences: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let tables = make(&options.data)?;
    let mut text = String::new();
    for notice in &tables.notices {
        let _ = writeln!(text, "note: {notice}");
    }
    let mut stale = Vec::new();
    for (name, table) in &tables.files {
        let path = options.out.join(name);
        if options.check {
            if std::fs::read_to_string(&path).unwrap_or_default() != *table {
                stale.push(*name);
            }
        } else {
            std::fs::write(&path, table).with_context(|| format!("writing {}", path.display()))?;
        }
        let (lines, bytes) = (table.lines().count(), table.len());
        let _ = writeln!(text, "{name}: {lines} lines, {bytes} bytes");
    }
    if options.check {
        let count = tables.differences.len();
        let _ =
            writeln!(text, "{count} prices differ between the sources (the price list stands):");
        for difference in &tables.differences {
            let _ = writeln!(text, "  {difference}");
        }
    }
    show(&text)?;
    if !stale.is_empty() {
        bail!("not up to date: {}; run `cargo run -p xtask -- catalog`", stale.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes to standard output; a reader that has seen enough (`| head`) is no fault.
pub(crate) fn show(text: &str) -> Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn make(folder: &Path) -> Result<Tables> {
    let mut notices = Vec::new();
    let models = read_models(folder)?;
    let providers = read_prices(folder, &mut notices)?;
    let mut book = RuleBook::default();
    for provider in &providers {
        provider.rules.iter().for_each(|rule| book.push(&provider.id, rule.clone()));
        book.set_fallbacks(&provider.id, provider.fallbacks.clone());
    }
    let facts = model_rows(&models);
    let mut differences = Vec::new();
    let mut offerings = BTreeMap::new();
    for model in &models {
        let row = offering_row(model, &facts, &book, &mut differences)?;
        offerings.insert((row.provider.clone(), row.name.clone()), row);
    }
    let listed: BTreeSet<&str> =
        models.iter().map(|model| rules_provider(&model.provider)).collect();
    for provider in providers.iter().filter(|provider| !listed.contains(provider.id.as_str())) {
        for row in rule_rows(provider) {
            offerings.entry((row.provider.clone(), row.name.clone())).or_insert(row);
        }
    }
    let lines = |rows: Vec<String>| rows.iter().fold(String::new(), |text, row| text + row + "\n");
    let rules = rules_text(&providers);
    let models = lines(facts.values().map(ModelRow::to_line).collect());
    let offerings = lines(offerings.values().map(OfferingRow::to_line).collect());
    Ok(Tables {
        files: vec![("models.tsv", models), ("offerings.tsv", offerings), ("rules.tsv", rules)],
        notices,
        differences,
    })
}

fn rules_text(providers: &[SourceProvider]) -> String {
    let mut text = String::new();
    for provider in providers {
        if !provider.fallbacks.is_empty() {
            let _ = writeln!(text, "!fallback\t{}\t{}", provider.id, provider.fallbacks.join(" "));
        }
        for rule in &provider.rules {
            let _ = writeln!(text, "{}", rows::rule_line(&provider.id, rule));
        }
    }
    text
}

/// What each model is, from the most trusted row that says.
fn model_rows(models: &[SourceModel]) -> BTreeMap<String, ModelRow> {
    let mut by_identity: BTreeMap<String, Vec<&SourceModel>> = BTreeMap::new();
    for model in models {
        by_identity.entry(identity(&model.provider, &model.id)).or_default().push(model);
    }
    by_identity
        .into_iter()
        .map(|(identity, mut all)| {
            all.sort_by_key(|model| {
                let trust = TRUSTED.iter().position(|name| *name == model.provider);
                (
                    maker(&identity) != Some(model.provider.as_str()),
                    model.id.contains(':') && model.provider == "openrouter",
                    trust.unwrap_or(TRUSTED.len()),
                    has_snapshot_date(&model.id),
                    model.id.len(),
                    model.id.clone(),
                )
            });
            let row = model_row(&identity, &all);
            (identity, row)
        })
        .collect()
}

fn model_row(identity: &str, all: &[&SourceModel]) -> ModelRow {
    let first = |field: fn(&SourceModel) -> Option<u64>| all.iter().find_map(|model| field(model));
    let known = all.iter().find(|model| knows_abilities(model));
    let inputs = all.iter().map(|model| input(model)).find(|found| !found.is_empty());
    let outputs = all.iter().map(|model| output(model)).find(|found| !found.is_empty());
    ModelRow {
        model: identity.to_owned(),
        display_name: all.first().map(|model| clean_name(&model.name)).unwrap_or_default(),
        family: all
            .iter()
            .find_map(|model| model.family.clone().filter(|family| !is_vendor(family, model)))
            .unwrap_or_else(|| family(identity)),
        released: all.iter().find_map(|model| {
            model.created_at.as_deref().and_then(|day| day.get(..10)).map(str::to_owned)
        }),
        context_window: first(|model| limits(model).0),
        max_output_tokens: first(|model| limits(model).1),
        capabilities: Capabilities {
            input: inputs.unwrap_or_default(),
            output: outputs.unwrap_or_default(),
            efforts: all
                .iter()
                .map(|model| efforts(model))
                .find(|found| !found.is_empty())
                .unwrap_or_default(),
            temperature: all.iter().find_map(|model| model.temperature),
            ..known.map(|model| abilities(model)).unwrap_or_default()
        },
    }
}

/// Window and longest answer. An answer longer than the window is a guess of the registry, and so
/// are both numbers then.
fn limits(model: &SourceModel) -> (Option<u64>, Option<u64>) {
    let positive = |tokens: Option<u64>| tokens.filter(|tokens| *tokens > 0);
    match (positive(model.context_window), positive(model.max_output_tokens)) {
        (Some(window), Some(answer)) if answer > window => (None, None),
        known => known,
    }
}

/// True where the registry's family is only the company before the slash.
fn is_vendor(family: &str, model: &SourceModel) -> bool {
    model.id.trim_start_matches('~').split_once('/').is_some_and(|(vendor, _)| vendor == family)
        || maker(&identity(&model.provider, &model.id))
            .is_some_and(|maker| maker == family && !["mistral", "deepseek"].contains(&family))
}

fn clean_name(name: &str) -> String {
    let name = name.split_once(": ").map_or(name, |(_, name)| name);
    let endings = [" (latest)", " (free)", " (batch)"];
    let name = endings.iter().fold(name, |name, ending| name.strip_suffix(ending).unwrap_or(name));
    name.replace('\t', " ").trim().to_owned()
}

fn efforts(model: &SourceModel) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for value in model.reasoning_options.iter().flat_map(|option| &option.values).flatten() {
        if !all.contains(value) && !value.contains([' ', '\t']) {
            all.push(value.clone());
        }
    }
    all
}

/// A row whose only word is `streaming` says nothing of the model.
fn knows_abilities(model: &SourceModel) -> bool {
    model.capabilities.iter().any(|word| word != "streaming")
}

fn abilities(model: &SourceModel) -> Capabilities {
    let has = |word: &str| model.capabilities.iter().any(|known| known == word);
    Capabilities {
        tools: has("function_calling"),
        structured_output: has("structured_output"),
        reasoning: has("reasoning"),
        temperature: model.temperature,
        ..Capabilities::default()
    }
}

fn modalities(words: &[String]) -> Vec<Modality> {
    let mut all: Vec<Modality> = words
        .iter()
        .filter_map(|word| match word.as_str() {
            "text" => Some(Modality::Text),
            "image" => Some(Modality::Image),
            "pdf" | "file" => Some(Modality::Pdf),
            "audio" => Some(Modality::Audio),
            "video" => Some(Modality::Video),
            "embeddings" => Some(Modality::Embeddings),
            "rerank" => Some(Modality::Rerank),
            "moderation" => Some(Modality::Moderation),
            _ => None,
        })
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn input(model: &SourceModel) -> Vec<Modality> {
    modalities(&model.modalities.input)
}

fn output(model: &SourceModel) -> Vec<Modality> {
    if model.id.contains("moderation") {
        vec![Modality::Moderation]
    } else {
        modalities(&model.modalities.output)
    }
}

/// What a provider sells, and what is different there.
fn offering_row(
    model: &SourceModel,
    facts: &BTreeMap<String, ModelRow>,
    book: &RuleBook,
    differences: &mut Vec<String>,
) -> Result<OfferingRow> {
    let identity = identity(&model.provider, &model.id);
    let fact = facts.get(&identity).context("every row has made its identity's facts")?;
    let other = |own: Option<u64>, fact: Option<u64>| own.filter(|tokens| Some(*tokens) != fact);
    let (window, answer) = limits(model);
    let (reads, writes) = (input(model), output(model));
    let own = own_prices(model).with_context(|| format!("{}/{}", model.provider, model.id))?;
    let rule = book.find(&model.provider, &model.id);
    if let Some(rule) = rule {
        compare(model, &own, &rule.prices, differences);
    }
    let can = abilities(model);
    let fact_can = Capabilities {
        input: Vec::new(),
        output: Vec::new(),
        efforts: Vec::new(),
        ..fact.capabilities.clone()
    };
    let temperature = can.temperature.or(fact_can.temperature);
    let can = Capabilities { temperature, ..can };
    Ok(OfferingRow {
        provider: model.provider.clone(),
        name: model.id.clone(),
        model: identity,
        released: None,
        context_window: other(window, fact.context_window),
        max_output_tokens: other(answer, fact.max_output_tokens),
        input: (!reads.is_empty() && reads != fact.capabilities.input).then_some(reads),
        output: (!writes.is_empty() && writes != fact.capabilities.output).then_some(writes),
        flags: (knows_abilities(model) && can != fact_can).then_some(can),
        prices: match rule {
            Some(_) => pictures(own),
            None if is_guess(model, &own) => Vec::new(),
            None => own,
        },
    })
}

/// The registry's prices of pictures: the price list has no words for them.
fn pictures(own: Vec<gw_catalog::DatedPrice>) -> Vec<gw_catalog::DatedPrice> {
    const PICTURES: [TokenClass; 3] =
        [TokenClass::InputImage, TokenClass::CacheReadImage, TokenClass::OutputImage];
    let only = own.into_iter().filter_map(|mut price| {
        price.table.rates.retain(|(class, _)| PICTURES.contains(class));
        price.table.tiers.clear();
        (!price.table.rates.is_empty()).then_some(price)
    });
    only.collect()
}

/// The registry's price for OpenAI and Azure models that it does not know: half a dollar in, one and
/// a half out. No price at all is nearer to the truth.
fn is_guess(model: &SourceModel, own: &[gw_catalog::DatedPrice]) -> bool {
    ["azure", "openai"].contains(&model.provider.as_str())
        && gw_catalog::price_text::format(own) == "in=0.5 out=1.5"
}

/// What a provider sells that only the price list knows: a model for each rule with a name in it.
fn rule_rows(provider: &SourceProvider) -> Vec<OfferingRow> {
    let name_of = |rule: &gw_catalog::rules::Rule| {
        let is_own = rule.clauses.iter().any(|clause| clause.matches(&rule.id));
        let literal = rule.clauses.iter().find_map(|clause| match clause {
            Clause::Equals(name) => Some(name.clone()),
            _ => None,
        });
        if is_own { Some(rule.id.clone()) } else { literal }
    };
    let row = |name: String| OfferingRow {
        provider: provider.id.clone(),
        model: identity(&provider.id, &name),
        name,
        ..OfferingRow::default()
    };
    provider.rules.iter().filter_map(name_of).map(row).collect()
}

/// Tells where both sources price a class, and not alike.
fn compare(
    model: &SourceModel,
    own: &[gw_catalog::DatedPrice],
    rule: &[gw_catalog::DatedPrice],
    differences: &mut Vec<String>,
) {
    let at_ms = day_to_ms(SOURCES_DAY).unwrap_or_default();
    let table = |prices| gw_catalog::price::in_force(prices, at_ms);
    let (Some(own), Some(rule)) = (table(own), table(rule)) else { return };
    for class in TokenClass::ALL {
        if let (Some(a), Some(b)) = (rule.listed(class, 0), own.listed(class, 0))
            && a != b
        {
            let (a, b) = (usd_per_million(a), usd_per_million(b));
            differences.push(format!(
                "{}/{} {class:?}: {a} in the price list, {b} in the registry",
                model.provider, model.id
            ));
        }
    }
}

#[cfg(test)]
mod tests;
