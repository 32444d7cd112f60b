//! The catalogue that ships inside the binary: three reviewable tables, read once.
//!
//! `models.tsv` says what each model is, `offerings.tsv` who sells it under which name, `rules.tsv`
//! what names cost, `fees.toml` what is charged beside tokens. `cargo run -p xtask -- catalog` makes the tables;
//! only `fees.toml` is edited by hand.

use std::collections::HashMap;
use std::sync::OnceLock;

use gw_core::{ModelName, ProviderId, TokenClass};

use crate::identity::is_coder;
use crate::offering::{Capabilities, Offering};
use crate::price::{DatedPrice, PriceTable};
use crate::rules::RuleBook;

pub mod fees;
pub mod rows;

pub use fees::Fees;
pub use rows::{ModelRow, OfferingRow};

const MODELS: &str = include_str!("../data/models.tsv");
const OFFERINGS: &str = include_str!("../data/offerings.tsv");
const RULES: &str = include_str!("../data/rules.tsv");
const FEES: &str = include_str!("../data/fees.toml");

/// The tables, joined.
#[derive(Clone, Debug, Default)]
pub struct Data {
    /// Every offering, named by catalogue provider; not yet in a layer.
    pub offerings: Vec<Offering>,
    /// What is known of each model, by identity.
    pub models: HashMap<String, ModelRow>,
    /// Prices by name.
    pub rules: RuleBook,
    /// Fees by the piece, and prices of service tiers.
    pub fees: Fees,
}

impl Data {
    /// The tables of this build.
    pub fn embedded() -> &'static Self {
        static DATA: OnceLock<Data> = OnceLock::new();
        DATA.get_or_init(|| {
            Self::parse(MODELS, OFFERINGS, RULES, FEES).expect("a test reads the embedded tables")
        })
    }

    /// Joins tables given as text.
    ///
    /// # Errors
    /// The line that is not understood.
    pub fn parse(models: &str, offerings: &str, rules: &str, fees: &str) -> Result<Self, String> {
        let mut data =
            Self { rules: rows::parse_rules(rules)?, fees: Fees::parse(fees)?, ..Self::default() };
        for line in rows::lines(models) {
            let row = ModelRow::parse(line).ok_or_else(|| format!("models.tsv: `{line}`"))?;
            data.models.insert(row.model.clone(), row);
        }
        for line in rows::lines(offerings) {
            let row = OfferingRow::parse(line).ok_or_else(|| format!("offerings.tsv: `{line}`"))?;
            let offering = data.join(row);
            data.offerings.push(offering);
        }
        Ok(data)
    }

    /// True where the price list says that the provider withdraws it.
    pub fn is_deprecated(&self, catalog_provider: &str, name: &str) -> bool {
        self.rules.find(catalog_provider, name).is_some_and(|rule| rule.is_deprecated)
    }

    /// What would be known of a model that no table lists: facts of its identity, prices by rule.
    pub fn unlisted(&self, provider: &ProviderId, catalog_provider: &str, name: &str) -> Offering {
        let model = crate::identity::identity(catalog_provider, name);
        let row = OfferingRow {
            provider: catalog_provider.to_owned(),
            name: name.to_owned(),
            model,
            ..OfferingRow::default()
        };
        Offering { provider: provider.clone(), ..self.join(row) }
    }

    /// An offering: the model's facts, the provider's departures, the price by rule before its own.
    fn join(&self, row: OfferingRow) -> Offering {
        let facts = self.models.get(row.model.as_str());
        let rule = self.rules.find(&row.provider, &row.name);
        let prices = match rule {
            Some(rule) => with_pictures(&rule.prices, &row.prices),
            None => row.prices.clone(),
        };
        let prices = self.fees.complete(&row.provider, &row.name, &prices);
        let own = facts.map(|facts| facts.capabilities.clone()).unwrap_or_default();
        let mut capabilities: Capabilities = row.flags.unwrap_or_else(|| own.clone());
        capabilities.input = row.input.unwrap_or_else(|| own.input.clone());
        capabilities.output = row.output.unwrap_or_else(|| own.output.clone());
        capabilities.efforts = own.efforts;
        capabilities.code = is_coder(&row.model);
        let is_free = row.name.ends_with(":free")
            || (rule.is_none() && row.prices.iter().any(|price| PriceTable::is_zero(&price.table)));
        let limit =
            |own: Option<u64>, fact: fn(&ModelRow) -> Option<u64>| own.or(facts.and_then(fact));
        Offering {
            context_window: limit(row.context_window, |facts| facts.context_window)
                .or(rule.and_then(|rule| rule.context_window)),
            max_output_tokens: limit(row.max_output_tokens, |facts| facts.max_output_tokens),
            display_name: facts
                .map_or_else(|| row.name.clone(), |facts| facts.display_name.clone()),
            family: facts
                .map_or_else(|| crate::identity::family(&row.model), |facts| facts.family.clone()),
            released: row.released.or_else(|| facts.and_then(|facts| facts.released.clone())),
            provider: ProviderId::from(row.provider),
            name: ModelName::from(row.name),
            model: ModelName::from(row.model),
            capabilities,
            prices,
            is_free,
            layer: None,
            rank: u32::MAX,
            is_enabled: true,
            is_demo: false,
        }
    }
}

/// The rule's prices with those of pictures from the registry, which the price list has no words for.
fn with_pictures(rule: &[DatedPrice], own: &[DatedPrice]) -> Vec<DatedPrice> {
    const PICTURES: [TokenClass; 3] =
        [TokenClass::InputImage, TokenClass::CacheReadImage, TokenClass::OutputImage];
    let mut prices = rule.to_vec();
    let Some(own) = own.first() else { return prices };
    for price in &mut prices {
        for class in PICTURES {
            if let (None, Some(rate)) = (price.table.listed(class, 0), own.table.listed(class, 0)) {
                price.table.set(class, rate);
            }
        }
    }
    prices
}

#[cfg(test)]
mod tests;
