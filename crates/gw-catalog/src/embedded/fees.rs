//! Fees by the piece and prices of service tiers: what neither source of prices has, from
//! `fees.toml`.

use serde::Deserialize;

use crate::price::{DatedPrice, PriceTable};
use crate::price_text;
use crate::rules::catalog_provider;

/// The entries, in the order of the file: the first that says something about a price counts.
#[derive(Clone, Debug, Default)]
pub struct Fees {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    provider: String,
    beginnings: Vec<String>,
    /// No later entry adds to it.
    is_final: bool,
    table: PriceTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    fee: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    provider: String,
    #[serde(default)]
    models: Vec<String>,
    price: String,
    source: String,
    #[serde(default, rename = "final")]
    is_final: bool,
}

impl Fees {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| format!("fees.toml: {error}"))?;
        let entries = file.fee.into_iter().map(entry).collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    /// The prices of a model with what the file adds to them. A model without any price gets one
    /// where the file says what a piece costs that is no search beside a chat.
    pub(super) fn complete(
        &self,
        provider: &str,
        name: &str,
        prices: &[DatedPrice],
    ) -> Vec<DatedPrice> {
        let mut prices = prices.to_vec();
        let provider = catalog_provider(provider);
        for entry in self.entries.iter().filter(|entry| entry.holds_for(provider, name)) {
            if prices.is_empty() && entry.prices_alone() {
                prices.push(DatedPrice::always(PriceTable::default()));
            }
            prices.iter_mut().for_each(|price| add(&mut price.table, &entry.table));
            if entry.is_final {
                break;
            }
        }
        prices
    }
}

impl Entry {
    fn holds_for(&self, provider: &str, name: &str) -> bool {
        let begins = |beginning: &String| name.starts_with(beginning.as_str());
        self.provider == provider
            && (self.beginnings.is_empty() || self.beginnings.iter().any(begins))
    }

    fn prices_alone(&self) -> bool {
        self.table.rates.iter().any(|(class, _)| *class != gw_core::TokenClass::WebSearch)
    }
}

fn entry(line: Line) -> Result<Entry, String> {
    if line.source.trim().is_empty() {
        return Err(format!("fees.toml: `{}` does not say where it is from", line.price));
    }
    let prices = price_text::parse(&line.price).map_err(|word| format!("fees.toml: {word}"))?;
    match <[DatedPrice; 1]>::try_from(prices) {
        Ok([price]) if price.from_ms.is_none() && price.daily.is_none() => Ok(Entry {
            provider: line.provider,
            beginnings: line.models,
            is_final: line.is_final,
            table: price.table,
        }),
        _ => Err(format!("fees.toml: `{}` is not one price for all times", line.price)),
    }
}

fn add(table: &mut PriceTable, more: &PriceTable) {
    for (class, rate) in &more.rates {
        if table.listed(*class, 0).is_none() {
            table.set(*class, *rate);
        }
    }
    for (tier, share) in &more.services {
        if !table.services.iter().any(|(known, _)| known == tier) {
            table.services.push((tier.clone(), *share));
        }
    }
}
