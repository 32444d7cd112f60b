//! `models price`: what a provider's own usage object costs, by the catalogue's prices of the day.

use std::io::Read;

use anyhow::{Context, Result};
use gw_catalog::rules::catalog_provider;
use gw_catalog::{Catalog, Offering, price_text};
use gw_core::limits::RESPONSE_BODY_BYTES_MAX;
use gw_core::{Cost, Error, Money, ProviderId, UsageReport};
use gw_dialect::usage::{UsageFormat, decode};
use gw_ledger::Itemised;
use gw_ledger::itemised::itemise;
use serde_json::{Map, Value, json};

use crate::cli::PriceArgs;
use crate::output::Output;

/// Runs the command. `now_ms` prices where no date is given, in milliseconds since 1970.
pub(crate) fn run(args: &PriceArgs, catalog: &Catalog, now_ms: i64, output: Output) -> Result<()> {
    let at_ms = match &args.at {
        Some(text) => price_text::instant_to_ms(text).ok_or_else(|| {
            Error::bad_field("--at", format!("`{text}` is no date"))
                .with_hint("Write it as 2026-11-21 or 2026-11-21T18:30:00Z.")
        })?,
        None => now_ms,
    };
    let text = read_text(&args.usage)?;
    let value: Value = serde_json::from_str(&text).map_err(|error| {
        Error::bad_field("--usage", format!("`{}` is not JSON: {error}", args.usage))
    })?;
    let (format, mut report) = decode(&value)?;
    if let Some(tier) = &args.service_tier {
        report.service_tier = Some(tier.clone());
    }
    let offering = sold(catalog, &args.provider, &args.model);
    let priced = itemise(&offering, &report, at_ms);
    let document = document(&offering, format, &report, &priced, at_ms);
    if output.is_json() {
        return output.json(&document);
    }
    output.write(&words(&offering, &report, &priced))
}

/// The offering of a provider under the gateway's name for it, or the price list's.
fn sold(catalog: &Catalog, provider: &str, model: &str) -> Offering {
    let named = ProviderId::from(provider);
    let known = catalog.offering(&named, model).is_some();
    let name = if known { provider } else { catalog_provider(provider) };
    let model = model.strip_prefix(&format!("{provider}/")).unwrap_or(model);
    Offering::clone(&catalog.or_unlisted(&ProviderId::from(name), model))
}

fn read_text(path: &str) -> Result<String> {
    let most = u64::try_from(RESPONSE_BODY_BYTES_MAX).unwrap_or(u64::MAX);
    let mut text = String::new();
    let read = if path == "-" {
        std::io::stdin().lock().take(most).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(most).read_to_string(&mut text))
    };
    read.map_err(|error| Error::bad_field("--usage", format!("`{path}` cannot be read: {error}")))
        .context("reading the usage object")?;
    Ok(text)
}

fn document(
    offering: &Offering,
    format: UsageFormat,
    report: &UsageReport,
    priced: &Itemised,
    at_ms: i64,
) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    put("provider", offering.provider.as_str().into());
    put("model", offering.name.as_str().into());
    put("at_ms", at_ms.into());
    put("format", format.as_str().into());
    put("usage", json!(report.usage));
    put("service_tier", json!(report.service_tier));
    match priced {
        Itemised::Priced { input, output, fees, request_fee, total, items, .. } => {
            put("input_pico_usd", input.pico().into());
            put("output_pico_usd", output.pico().into());
            put("fees_pico_usd", fees.pico().into());
            put("request_fee_pico_usd", request_fee.pico().into());
            put("total_pico_usd", total.pico().into());
            put("total_usd", total.to_usd_string().into());
            put("is_free", offering.is_free.into());
            let classes: Vec<Value> = items
                .iter()
                .map(|item| {
                    json!({
                        "class": item.class.as_str(),
                        "units": item.units,
                        "rate_pico_usd": item.rate.pico_per_unit(),
                        "amount_pico_usd": item.amount.pico(),
                    })
                })
                .collect();
            put("classes", classes.into());
        }
        Itemised::Unpriced { reason } => {
            put("unpriced", reason.as_str().into());
        }
    }
    // What the gateway books: the provider's own word goes before the price list.
    let booked = gw_ledger::cost(offering, report, at_ms);
    put("reported_pico_usd", json!(report.reported_cost.map(Money::pico)));
    put("booked_pico_usd", json!(booked.amount().map(Money::pico)));
    if let Cost::Priced { source, .. } = booked {
        put("booked_from", json!(source));
    }
    Value::Object(out)
}

fn words(offering: &Offering, report: &UsageReport, priced: &Itemised) -> String {
    let mut text = format!("{}\n", offering.id());
    match priced {
        Itemised::Priced { input, output, fees, request_fee, total, items, .. } => {
            for item in items {
                text.push_str(&format!(
                    "  {:18} {:>12} x {:<12} = {}\n",
                    item.class.as_str(),
                    item.units,
                    format!("${}", price_text::usd_per_million(item.rate)) + "/M",
                    item.amount
                ));
            }
            if !request_fee.is_zero() {
                text.push_str(&format!(
                    "  {:18} {:>12}   {:12} = {request_fee}\n",
                    "request", 1, ""
                ));
            }
            if let Some(tier) = &report.service_tier {
                text.push_str(&format!("service tier {tier}\n"));
            }
            text.push_str(&format!("input {input}  output {output}  fees {fees}  total {total}\n"));
        }
        Itemised::Unpriced { reason } => text.push_str(&format!("unpriced: {reason}\n")),
    }
    if let Some(reported) = report.reported_cost {
        text.push_str(&format!("the provider says it charged {reported}\n"));
    }
    text
}
