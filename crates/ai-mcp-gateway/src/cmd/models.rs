//! `models`: the catalogue as it stands.

use anyhow::Result;
use gw_catalog::listing::{Difference, Filter, Row, diff, list, row};
use gw_catalog::{Catalog, CatalogOptions, MatchedBy, Resolution, price_text};
use gw_config::Purpose;
use gw_core::seam::Clock;
use gw_core::{Error, Kind, ProviderId};
use serde_json::json;

use crate::assemble;
use crate::cli::ModelsCommand;
use crate::cmd::price;
use crate::output::Output;
use crate::real::SystemClock;
use crate::setup::Setup;

/// Runs the command.
pub(crate) fn run(command: &ModelsCommand, setup: &Setup, output: Output) -> Result<()> {
    let loaded = setup.load(Purpose::Other, &[])?;
    let configured: Vec<ProviderId> =
        loaded.settings.enabled_providers().map(|(id, _)| ProviderId::from(id)).collect();
    let catalog = assemble::catalog(&loaded.settings, &configured)?;
    let now_ms = SystemClock::new().unix_ms();
    match command {
        ModelsCommand::List { search, provider, layer, all } => {
            let providers = match provider {
                Some(provider) => vec![ProviderId::from(provider.as_str())],
                None if *all => Vec::new(),
                None => configured,
            };
            if providers.is_empty() && !all {
                output.note("no provider is configured: these are the models of all providers");
            }
            let filter =
                Filter { providers, layer: *layer, text: search.clone(), ..Filter::default() };
            print_list(&list(&catalog, &filter, now_ms), output)
        }
        ModelsCommand::Show { model, at } => {
            let at_ms = match at {
                Some(day) => price_text::day_to_ms(day).ok_or_else(|| {
                    Error::bad_field("--at", format!("`{day}` is not a day"))
                        .with_hint("Write it as 2026-11-21.")
                })?,
                None => now_ms,
            };
            show(&catalog, &configured, model, at_ms, output)
        }
        ModelsCommand::Diff => {
            let embedded = Catalog::build(&CatalogOptions::default())?;
            print_diff(&diff(&embedded, &catalog), output)
        }
        ModelsCommand::Price(args) => price::run(args, &catalog, now_ms, output),
    }
}

fn print_list(rows: &[Row], output: Output) -> Result<()> {
    if output.is_json() {
        return output.json(&json!({ "models": rows }));
    }
    let width = rows.iter().map(|row| row.id.len()).max().unwrap_or_default();
    let mut text = format!(
        "{:5} {:width$} {:>12} {:>12} {:>9}  can\n",
        "layer", "model", "in $/M", "out $/M", "context"
    );
    for row in rows {
        let price = |price: &Option<String>| {
            if row.is_free {
                "free".to_owned()
            } else {
                price.clone().unwrap_or_else(|| "unpriced".to_owned())
            }
        };
        text.push_str(&format!(
            "{:5} {:width$} {:>12} {:>12} {:>9}  {}\n",
            row.layer.map_or("-", |layer| layer.as_str()),
            row.id,
            price(&row.input_usd_per_million),
            price(&row.output_usd_per_million),
            row.context_window.map_or_else(|| "-".to_owned(), |tokens| tokens.to_string()),
            row.abilities.join(" "),
        ));
    }
    text.push_str(&format!("{} models\n", rows.len()));
    output.write(&text)
}

fn show(
    catalog: &Catalog,
    configured: &[ProviderId],
    name: &str,
    at_ms: i64,
    output: Output,
) -> Result<()> {
    let mut everyone: Vec<ProviderId> = configured.to_vec();
    let others = catalog.offerings().iter().map(|offering| offering.provider.clone());
    everyone.extend(others.filter(|provider| !configured.contains(provider)));
    everyone.dedup();
    let candidates = match catalog.resolve(name, &everyone) {
        Resolution::Found { candidates, by: MatchedBy::Unlisted } => {
            let error =
                Error::new(Kind::ModelNotFound, format!("`{name}` is not in the catalogue"));
            let provider = candidates.first().map_or("", |offering| offering.provider.as_str());
            let hint = format!(
                "A request for it would go to provider `{provider}` under that name, without a known \
                 price. `ai-mcp-gateway models list` shows what is known."
            );
            return Err(error.with_field("model").with_hint(hint).into());
        }
        Resolution::Found { candidates, .. } => candidates,
        Resolution::NotFound { nearest } => {
            let error = Error::new(Kind::ModelNotFound, format!("no model is called `{name}`"));
            let error = if nearest.is_empty() {
                error
            } else {
                error.with_hint(format!("Did you mean {}?", nearest.join(", ")))
            };
            return Err(error.into());
        }
    };
    let rows: Vec<serde_json::Value> = candidates
        .iter()
        .map(|offering| {
            let mut value = serde_json::to_value(row(offering, at_ms)).unwrap_or_default();
            if let Some(object) = value.as_object_mut() {
                object.insert("prices".to_owned(), price_text::format(&offering.prices).into());
                object.insert("family".to_owned(), offering.family.clone().into());
                object.insert(
                    "is_configured".to_owned(),
                    configured.contains(&offering.provider).into(),
                );
            }
            value
        })
        .collect();
    if output.is_json() {
        return output.json(&json!({ "name": name, "offerings": rows }));
    }
    let mut text = String::new();
    for row in rows {
        let Some(fields) = row.as_object() else { continue };
        for (field, value) in fields {
            let value = match value {
                serde_json::Value::String(value) => value.clone(),
                serde_json::Value::Null => "unknown".to_owned(),
                serde_json::Value::Array(values) => {
                    let words: Vec<&str> = values.iter().filter_map(|word| word.as_str()).collect();
                    words.join(" ")
                }
                other => other.to_string(),
            };
            text.push_str(&format!("{field:22} {value}\n"));
        }
        text.push('\n');
    }
    output.write(&text)
}

fn print_diff(differences: &[Difference], output: Output) -> Result<()> {
    if output.is_json() {
        return output.json(&json!({ "differences": differences }));
    }
    let mut text = String::new();
    for difference in differences {
        text.push_str(&match difference {
            Difference::Added { id } => format!("+ {id}\n"),
            Difference::Removed { id } => format!("- {id}\n"),
            Difference::Changed { id, field, from, to } => {
                format!("~ {id} {field}: {from} -> {to}\n")
            }
        });
    }
    text.push_str(&format!("{} differences from the embedded catalogue\n", differences.len()));
    output.write(&text)
}
