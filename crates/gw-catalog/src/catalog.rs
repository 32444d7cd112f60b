//! The catalogue: every offering, found by name, provider or layer.
//!
//! A snapshot: built once from the embedded tables and configuration ([`crate::assemble`]), then only
//! read. Which name means which offering is [`crate::resolve`]'s work.

use std::collections::HashMap;
use std::sync::Arc;

use gw_core::{Layer, ProviderId, Result};

use crate::assemble;
use crate::embedded::Data;
use crate::layers::{Bands, is_plain_chat, layer_by_price};
use crate::offering::Offering;
use crate::price::DatedPrice;

pub use crate::options::CatalogOptions;

/// An immutable snapshot of all offerings.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    offerings: Vec<Arc<Offering>>,
    by_provider: HashMap<ProviderId, HashMap<String, usize>>,
    by_model: HashMap<String, Vec<usize>>,
    pub(crate) aliases: HashMap<String, String>,
    pub(crate) sources: Arc<Sources>,
}

/// What is known of providers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// What a configured provider is called in the catalogue, where that differs.
    pub(crate) catalogs: HashMap<ProviderId, String>,
    /// Providers that charge nothing.
    pub(crate) local: Vec<ProviderId>,
    pub(crate) bands: Bands,
    /// Layers whose models configuration lists: nothing else may enter them.
    pub(crate) closed_layers: Vec<Layer>,
}

impl Sources {
    /// What the catalogue calls a provider.
    pub(crate) fn catalog_of<'a>(&'a self, provider: &'a ProviderId) -> &'a str {
        self.catalogs.get(provider).map_or(provider.as_str(), String::as_str)
    }
}

impl Catalog {
    /// The embedded catalogue with the changes of configuration.
    ///
    /// # Errors
    /// [`gw_core::Kind::InvalidRequest`] with the configuration key as its field.
    pub fn build(options: &CatalogOptions) -> Result<Self> {
        assemble::build(Data::embedded(), options)
    }

    /// Makes a snapshot of these offerings; a later one with the same id replaces an earlier one.
    pub fn from_offerings(offerings: Vec<Offering>) -> Self {
        let mut catalog = Self::default();
        for offering in offerings {
            catalog.put(Arc::new(offering));
        }
        catalog
    }

    /// A snapshot with more offerings, found at run time: each keeps its layer, unless configuration
    /// lists the models of that layer, or the model is no plain chat model. A model that is already there is replaced only where
    /// the catalogue knew no price for it.
    #[must_use]
    pub fn with_discovered(&self, discovered: Vec<Offering>) -> Self {
        let mut catalog = self.clone();
        for mut offering in discovered {
            let known = catalog.offering(&offering.provider, offering.name.as_str());
            if known.is_some_and(|known| known.is_free || !known.prices.is_empty()) {
                continue;
            }
            let is_closed =
                offering.layer.is_some_and(|layer| self.sources.closed_layers.contains(&layer));
            if is_closed || !is_plain_chat(&offering) {
                offering.layer = None;
            }
            catalog.put(Arc::new(offering));
        }
        catalog
    }

    fn put(&mut self, offering: Arc<Offering>) {
        let names = self.by_provider.entry(offering.provider.clone()).or_default();
        let at = match names.get(offering.name.as_str()) {
            Some(&at) => {
                let earlier = self.offerings[at].model.as_str();
                if let Some(places) = self.by_model.get_mut(earlier) {
                    places.retain(|place| *place != at);
                }
                at
            }
            None => {
                names.insert(offering.name.as_str().to_owned(), self.offerings.len());
                self.offerings.len()
            }
        };
        self.by_model.entry(offering.model.as_str().to_owned()).or_default().push(at);
        match self.offerings.get_mut(at) {
            Some(slot) => *slot = offering,
            None => self.offerings.push(offering),
        }
    }

    /// All offerings.
    pub fn offerings(&self) -> &[Arc<Offering>] {
        &self.offerings
    }

    /// A model of a provider by the provider's name for it.
    pub fn offering(&self, provider: &ProviderId, name: &str) -> Option<&Arc<Offering>> {
        self.by_provider.get(provider)?.get(name).map(|&at| &self.offerings[at])
    }

    /// Everyone's offerings of one model, by its identity.
    pub fn of_model(&self, model: &str) -> impl Iterator<Item = &Arc<Offering>> {
        self.by_model.get(model).into_iter().flatten().map(|&at| &self.offerings[at])
    }

    /// A model of a provider, listed or not. What no table knows is priced by the provider's rules,
    /// where one matches, and has the abilities of its identity, where that is known; at a local
    /// provider it is free and taken for a chat model.
    pub fn or_unlisted(&self, provider: &ProviderId, name: &str) -> Arc<Offering> {
        if let Some(offering) = self.offering(provider, name) {
            return Arc::clone(offering);
        }
        let catalog_provider = self.sources.catalog_of(provider);
        let mut offering = Data::embedded().unlisted(provider, catalog_provider, name);
        if self.sources.local.contains(provider) {
            offering.is_free = true;
            offering.capabilities.assume_chat();
        }
        offering.layer = layer_by_price(&offering, &self.sources.bands);
        Arc::new(offering)
    }

    /// The prices of a model by name, listed or by rule; `None`: unpriced. A free model's prices
    /// may be `None` too: see [`Offering::is_free`].
    pub fn price_for(&self, provider: &ProviderId, name: &str) -> Option<Vec<DatedPrice>> {
        let offering = self.or_unlisted(provider, name);
        (!offering.prices.is_empty()).then(|| offering.prices.clone())
    }

    /// Enabled chat models of a layer at the given providers, best rank first.
    pub fn layer(&self, layer: Layer, providers: &[ProviderId]) -> Vec<Arc<Offering>> {
        let mut found: Vec<Arc<Offering>> = self
            .offerings
            .iter()
            .filter(|offering| {
                offering.layer == Some(layer)
                    && offering.is_enabled
                    && providers.contains(&offering.provider)
            })
            .cloned()
            .collect();
        found.sort_by(|a, b| a.rank.cmp(&b.rank).then_with(|| a.name.cmp(&b.name)));
        found
    }

    /// What an alias stands for in the end; `None` for a name that is no alias. The answer may be a
    /// model, or a word of the router (`auto`, `L1`), which only the router understands.
    pub fn alias(&self, name: &str) -> Option<&str> {
        let mut found = self.aliases.get(name)?;
        // Loops are refused when the snapshot is built; the bound only guards that promise.
        for _ in 0..self.aliases.len() {
            match self.aliases.get(found) {
                Some(next) => found = next,
                None => break,
            }
        }
        Some(found)
    }

    /// All aliases, sorted by name.
    pub fn aliases(&self) -> Vec<(&str, &str)> {
        let mut all: Vec<(&str, &str)> =
            self.aliases.iter().map(|(name, target)| (name.as_str(), target.as_str())).collect();
        all.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests;
