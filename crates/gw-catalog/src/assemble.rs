//! Builds a catalogue from the embedded tables and configuration, and refuses what makes no sense.
//!
//! Every error names its configuration key. Pure: what is found at run time comes later, through
//! [`Catalog::with_discovered`].

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use gw_core::{Error, Layer, ModelName, ProviderId, Rate, Result, TokenClass};

use crate::catalog::{Catalog, Sources};
use crate::embedded::Data;
use crate::layers;
use crate::offering::Offering;
use crate::options::{CatalogOptions, Decimal, ModelOverride, ModelPrices};
use crate::price::{DatedPrice, PriceTable};
use crate::resolve::nearest;

struct Draft<'a> {
    data: &'a Data,
    options: &'a CatalogOptions,
    sources: Sources,
    offerings: Vec<Offering>,
    by_id: HashMap<String, usize>,
    /// Offerings whose layer configuration set.
    fixed: HashSet<usize>,
    providers: HashSet<ProviderId>,
}

/// See [`Catalog::build`].
pub(crate) fn build(data: &Data, options: &CatalogOptions) -> Result<Catalog> {
    let mut draft = Draft::begin(data, options);
    for (id, change) in &options.models {
        draft.change_model(id, change)?;
    }
    draft.set_layers();
    for (layer, names) in &options.layers {
        draft.close_layer(*layer);
        draft.list_layer(*layer, names)?;
    }
    draft.set_ranks();
    let aliases = check_aliases(&options.aliases)?;
    let mut catalog = Catalog::from_offerings(draft.offerings);
    catalog.aliases = aliases;
    catalog.sources = Arc::new(draft.sources);
    Ok(catalog)
}

impl<'a> Draft<'a> {
    fn begin(data: &'a Data, options: &'a CatalogOptions) -> Self {
        let sources = Sources {
            catalogs: options.provider_catalogs.iter().cloned().collect(),
            local: options.local_providers.clone(),
            bands: options.bands,
            closed_layers: options.layers.iter().map(|(layer, _)| *layer).collect(),
        };
        let mut draft = Self {
            data,
            options,
            sources,
            offerings: Vec::with_capacity(data.offerings.len()),
            by_id: HashMap::with_capacity(data.offerings.len()),
            fixed: HashSet::new(),
            providers: options.local_providers.iter().cloned().collect(),
        };
        for offering in &data.offerings {
            // A provider configured under a catalogue name but mapped elsewhere sells other things.
            if !draft.sources.catalogs.contains_key(&offering.provider) {
                draft.add(offering.clone());
            }
        }
        for (provider, catalog_provider) in &options.provider_catalogs {
            let sold =
                data.offerings.iter().filter(|sold| sold.provider.as_str() == catalog_provider);
            for offering in sold {
                draft.add(Offering { provider: provider.clone(), ..offering.clone() });
            }
            draft.providers.insert(provider.clone());
        }
        draft
    }

    fn add(&mut self, mut offering: Offering) -> usize {
        offering.is_free |= self.sources.local.contains(&offering.provider);
        self.providers.insert(offering.provider.clone());
        let at = self.offerings.len();
        self.by_id.insert(offering.id(), at);
        self.offerings.push(offering);
        at
    }

    /// The offering of an id, made where no table lists it; `None` for an unknown provider.
    fn at_id(&mut self, id: &str) -> Option<usize> {
        if let Some(&at) = self.by_id.get(id) {
            return Some(at);
        }
        let (provider, name) = id.split_once('/')?;
        let provider = ProviderId::from(provider);
        if name.is_empty() || !self.providers.contains(&provider) {
            return None;
        }
        let catalog_provider = self.sources.catalog_of(&provider);
        let mut offering = self.data.unlisted(&provider, catalog_provider, name);
        offering.capabilities.assume_chat();
        Some(self.add(offering))
    }

    fn change_model(&mut self, id: &str, change: &ModelOverride) -> Result<()> {
        let key = format!("models.\"{id}\"");
        let Some(at) = self.at_id(id) else {
            return Err(Error::bad_field(
                key,
                format!("`{id}` is not `provider/model` of a known provider"),
            )
            .with_hint(
                "write the provider's id, a slash, and the provider's own name of the model",
            ));
        };
        let prices = change.prices.as_ref().map(|prices| price_table(&key, prices)).transpose()?;
        if change.context_window == Some(0) || change.max_output_tokens == Some(0) {
            return Err(Error::bad_field(key, "a limit of 0 tokens leaves no room for an answer"));
        }
        let catalog_provider = self.sources.catalog_of(&self.offerings[at].provider).to_owned();
        let facts = change.model.as_ref().map(|model| {
            self.data.unlisted(&self.offerings[at].provider, &catalog_provider, model)
        });
        let offering = &mut self.offerings[at];
        if let Some(facts) = facts {
            let own = std::mem::replace(offering, facts);
            offering.name = own.name;
            offering.display_name = own.display_name;
            if offering.prices.is_empty() {
                offering.prices = own.prices;
            }
            offering.is_free = own.is_free;
        }
        apply(offering, change);
        if let Some(table) = prices {
            offering.is_free = change.free.unwrap_or_else(|| table.is_zero());
            offering.prices = vec![DatedPrice::always(table)];
        }
        if let Some(layer) = change.layer {
            offering.layer = Some(layer);
            self.fixed.insert(at);
        }
        Ok(())
    }

    fn set_layers(&mut self) {
        for (at, offering) in self.offerings.iter_mut().enumerate() {
            if !self.fixed.contains(&at) {
                offering.layer = layers::layer_of(offering, &self.options.bands);
            }
        }
    }

    /// Takes every model out of a layer whose models are listed.
    fn close_layer(&mut self, layer: Layer) {
        for (at, offering) in self.offerings.iter_mut().enumerate() {
            if offering.layer == Some(layer) && !self.fixed.contains(&at) {
                offering.layer = None;
            }
        }
    }

    fn list_layer(&mut self, layer: Layer, names: &[String]) -> Result<()> {
        let mut rank = 0;
        for (place, name) in names.iter().enumerate() {
            let key = format!("layers.{layer}.models[{place}]");
            for at in self.listed(name, &key)? {
                if self.offerings[at].layer.is_some_and(|other| other != layer)
                    && self.fixed.contains(&at)
                {
                    let other = self.offerings[at].layer.map_or("", Layer::as_str);
                    let text =
                        format!("`{name}` is put into {other} as well; a model has one layer");
                    return Err(Error::bad_field(key, text));
                }
                let is_again = self.fixed.contains(&at) && self.offerings[at].rank != u32::MAX;
                if is_again && name.contains('/') {
                    return Err(Error::bad_field(
                        key,
                        format!("`{name}` stands in the list twice"),
                    ));
                }
                if !is_again {
                    self.offerings[at].layer = Some(layer);
                    self.offerings[at].rank = rank;
                    self.fixed.insert(at);
                    rank += 1;
                }
            }
        }
        Ok(())
    }

    /// The offerings that an entry of a layer's list means, the maker's own first.
    fn listed(&mut self, name: &str, key: &str) -> Result<Vec<usize>> {
        if let Some(at) = self.at_id(name) {
            return Ok(vec![at]);
        }
        let is_meant = |offering: &Offering| {
            offering.name.as_str() == name
                || (offering.model.as_str() == name && offering.variant().is_none())
        };
        let mut found: Vec<usize> =
            (0..self.offerings.len()).filter(|&at| is_meant(&self.offerings[at])).collect();
        found.sort_by_key(|&at| {
            let offering = &self.offerings[at];
            let maker = crate::identity::maker(offering.model.as_str());
            (maker != Some(self.sources.catalog_of(&offering.provider)), offering.id())
        });
        if !found.is_empty() {
            return Ok(found);
        }
        let names = self.offerings.iter().map(|offering| offering.name.as_str());
        let mut error = Error::bad_field(key, format!("no model `{name}` in the catalogue"));
        let near = nearest(name, names);
        error = error.with_hint(if near.is_empty() {
            "write `provider/model` for a model that the catalogue does not know".to_owned()
        } else {
            format!(
                "did you mean {}? Write `provider/model` for one that the catalogue does not know",
                near.join(", ")
            )
        });
        Err(error)
    }

    /// Numbers the models of each layer; explicit lists keep their numbers.
    fn set_ranks(&mut self) {
        for layer in Layer::ALL {
            let mut places: Vec<usize> = (0..self.offerings.len())
                .filter(|&at| self.offerings[at].layer == Some(layer))
                .collect();
            places.sort_by_cached_key(|&at| {
                let offering = &self.offerings[at];
                let catalog_provider = self.sources.catalog_of(&offering.provider);
                let is_deprecated =
                    self.data.is_deprecated(catalog_provider, offering.name.as_str());
                let key = layers::sort_key(offering, catalog_provider, is_deprecated);
                (offering.rank, key)
            });
            for (rank, at) in (0_u32..).zip(places) {
                self.offerings[at].rank = rank;
            }
        }
    }
}

fn apply(offering: &mut Offering, change: &ModelOverride) {
    let set = |slot: &mut bool, wanted: Option<bool>| {
        if let Some(wanted) = wanted {
            *slot = wanted;
        }
    };
    set(&mut offering.is_enabled, change.enabled);
    set(&mut offering.is_free, change.free);
    let capabilities = &mut offering.capabilities;
    set(&mut capabilities.tools, change.tools);
    set(&mut capabilities.structured_output, change.structured_output);
    set(&mut capabilities.reasoning, change.reasoning);
    set(&mut capabilities.code, change.code);
    capabilities.temperature = change.temperature.or(capabilities.temperature);
    if let Some(input) = &change.input {
        capabilities.input.clone_from(input);
    }
    if let Some(output) = &change.output {
        capabilities.output.clone_from(output);
    }
    offering.context_window = change.context_window.or(offering.context_window);
    offering.max_output_tokens = change.max_output_tokens.or(offering.max_output_tokens);
    if let Some(name) = &change.display_name {
        offering.display_name.clone_from(name);
    }
    if let Some(model) = &change.model {
        offering.model = ModelName::from(model.as_str());
    }
}

fn price_table(key: &str, prices: &ModelPrices) -> Result<PriceTable> {
    let read = |name: &str, price: &Option<Decimal>, parse: fn(&str) -> Option<Rate>| {
        let Some(Decimal(text)) = price else { return Ok(None) };
        parse(text).map(Some).ok_or_else(|| {
            Error::bad_field(
                format!("{key}.prices.{name}"),
                format!("`{text}` is not a price in dollars"),
            )
            .with_hint("write a decimal number that is not negative, such as 0.15")
        })
    };
    let classes = [
        (TokenClass::Input, "input", &prices.input),
        (TokenClass::Output, "output", &prices.output),
        (TokenClass::CacheRead, "cache_read", &prices.cache_read),
        (TokenClass::CacheWrite, "cache_write", &prices.cache_write),
        (TokenClass::CacheWriteLong, "cache_write_1h", &prices.cache_write_1h),
        (TokenClass::Reasoning, "reasoning", &prices.reasoning),
        (TokenClass::InputAudio, "input_audio", &prices.input_audio),
        (TokenClass::CacheReadAudio, "cache_read_audio", &prices.cache_read_audio),
        (TokenClass::OutputAudio, "output_audio", &prices.output_audio),
        (TokenClass::InputImage, "input_image", &prices.input_image),
        (TokenClass::CacheReadImage, "cache_read_image", &prices.cache_read_image),
        (TokenClass::OutputImage, "output_image", &prices.output_image),
    ];
    let mut table = PriceTable::default();
    for (class, name, price) in classes {
        if let Some(rate) = read(name, price, Rate::from_usd_per_million)? {
            table.set(class, rate);
        }
    }
    if let Some(rate) = read("web_search", &prices.web_search, Rate::from_usd_per_unit)? {
        table.set(TokenClass::WebSearch, rate);
    }
    table.per_request = read("request", &prices.request, Rate::from_usd_per_unit)?;
    Ok(table)
}

/// Refuses aliases that lead to themselves.
fn check_aliases(aliases: &[(String, String)]) -> Result<HashMap<String, String>> {
    let all: HashMap<String, String> = aliases.iter().cloned().collect();
    for (name, target) in aliases {
        let key = format!("aliases.{name}");
        if name.trim().is_empty() || target.trim().is_empty() {
            return Err(Error::bad_field(key, "an alias needs a name and a model"));
        }
        let (mut seen, mut next) = (vec![name.as_str()], target.as_str());
        loop {
            if seen.contains(&next) {
                seen.push(next);
                let text = format!("alias leads back to itself: {}", seen.join(" -> "));
                return Err(Error::bad_field(key, text).with_hint("let one of them name a model"));
            }
            seen.push(next);
            match all.get(next) {
                Some(target) => next = target,
                None => break,
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
