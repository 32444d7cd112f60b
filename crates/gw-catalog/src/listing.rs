//! Rows for people: what is in a catalogue, and what one catalogue has that another has not.

use std::collections::BTreeMap;
use std::sync::Arc;

use gw_core::{Layer, ProviderId, TokenClass};
use serde::Serialize;

use crate::catalog::Catalog;
use crate::offering::{Modality, Offering};
use crate::price_text;

/// Which models a list shows. Nothing set: all that are enabled.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of these providers; empty: of all.
    pub providers: Vec<ProviderId>,
    /// Only of this layer.
    pub layer: Option<Layer>,
    /// Only those with this text in id, identity or display name, whatever the case.
    pub text: Option<String>,
    /// Only free ones.
    pub free: bool,
    /// Those that are switched off, too.
    pub disabled: bool,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// `provider/name`.
    pub id: String,
    /// The identity.
    pub model: String,
    /// For people.
    pub display_name: String,
    /// Its layer.
    pub layer: Option<Layer>,
    /// Dollars per million tokens read, now; `None`: unpriced.
    pub input_usd_per_million: Option<String>,
    /// Dollars per million tokens written, now; `None`: unpriced.
    pub output_usd_per_million: Option<String>,
    /// True where it costs nothing.
    pub is_free: bool,
    /// Most tokens of prompt and answer.
    pub context_window: Option<u64>,
    /// Most tokens of an answer.
    pub max_output_tokens: Option<u64>,
    /// `tools`, `json`, `thinking`, `code`, `image`, `pdf`, `audio`, `video`.
    pub abilities: Vec<&'static str>,
    /// The day it came out.
    pub released: Option<String>,
    /// False where configuration switched it off.
    pub is_enabled: bool,
}

/// The offerings that pass, by layer and rank; those without a layer last, by id.
pub fn list(catalog: &Catalog, filter: &Filter, at_ms: i64) -> Vec<Row> {
    let text = filter.text.as_deref().map(str::to_lowercase);
    let mut found: Vec<&Arc<Offering>> = catalog
        .offerings()
        .iter()
        .filter(|offering| {
            filter.providers.is_empty() || filter.providers.contains(&offering.provider)
        })
        .filter(|offering| filter.layer.is_none() || offering.layer == filter.layer)
        .filter(|offering| {
            (!filter.free || offering.is_free) && (filter.disabled || offering.is_enabled)
        })
        .filter(|offering| {
            text.as_deref().is_none_or(|text| {
                let fields =
                    [offering.id(), offering.model.to_string(), offering.display_name.clone()];
                fields.iter().any(|field| field.to_lowercase().contains(text))
            })
        })
        .collect();
    found.sort_by_cached_key(|offering| {
        (offering.layer.map_or(Layer::ALL.len(), Layer::index), offering.rank, offering.id())
    });
    found.into_iter().map(|offering| row(offering, at_ms)).collect()
}

/// The line of one offering.
pub fn row(offering: &Offering, at_ms: i64) -> Row {
    let price = |class| {
        let rate = offering.price_at(at_ms)?.rate(class, 0)?;
        Some(price_text::usd_per_million(rate))
    };
    Row {
        id: offering.id(),
        model: offering.model.to_string(),
        display_name: offering.display_name.clone(),
        layer: offering.layer,
        input_usd_per_million: price(TokenClass::Input),
        output_usd_per_million: price(TokenClass::Output),
        is_free: offering.is_free,
        context_window: offering.context_window,
        max_output_tokens: offering.max_output_tokens,
        abilities: abilities(offering),
        released: offering.released.clone(),
        is_enabled: offering.is_enabled,
    }
}

/// What is different between two catalogues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Difference {
    /// Only the second has it.
    Added {
        /// `provider/name`.
        id: String,
    },
    /// Only the first has it.
    Removed {
        /// `provider/name`.
        id: String,
    },
    /// Both have it, but not alike.
    Changed {
        /// `provider/name`.
        id: String,
        /// What changed, in the words of the list.
        field: &'static str,
        /// In the first.
        from: String,
        /// In the second.
        to: String,
    },
}

/// What the second catalogue changes of the first, by id.
pub fn diff(a: &Catalog, b: &Catalog) -> Vec<Difference> {
    let by_id = |catalog: &Catalog| -> BTreeMap<String, Arc<Offering>> {
        catalog.offerings().iter().map(|offering| (offering.id(), Arc::clone(offering))).collect()
    };
    let (first, second) = (by_id(a), by_id(b));
    let mut all = Vec::new();
    for (id, before) in &first {
        match second.get(id) {
            None => all.push(Difference::Removed { id: id.clone() }),
            Some(after) => changes(id, before, after, &mut all),
        }
    }
    let added = second.keys().filter(|id| !first.contains_key(*id));
    all.extend(added.map(|id| Difference::Added { id: id.clone() }));
    all
}

fn changes(id: &str, before: &Offering, after: &Offering, all: &mut Vec<Difference>) {
    let mut compare = |field, from: String, to: String| {
        if from != to {
            all.push(Difference::Changed { id: id.to_owned(), field, from, to });
        }
    };
    let number =
        |tokens: Option<u64>| tokens.map_or("unknown".to_owned(), |tokens| tokens.to_string());
    let layer = |layer: Option<Layer>| layer.map_or("none", Layer::as_str).to_owned();
    let price = |offering: &Offering| match (offering.is_free, offering.prices.is_empty()) {
        (true, _) => "free".to_owned(),
        (false, true) => "unpriced".to_owned(),
        (false, false) => price_text::format(&offering.prices),
    };
    compare("model", before.model.to_string(), after.model.to_string());
    compare("price", price(before), price(after));
    compare("layer", layer(before.layer), layer(after.layer));
    compare("context_window", number(before.context_window), number(after.context_window));
    compare("max_output_tokens", number(before.max_output_tokens), number(after.max_output_tokens));
    compare("abilities", abilities(before).join(" "), abilities(after).join(" "));
    compare("enabled", before.is_enabled.to_string(), after.is_enabled.to_string());
}

fn abilities(offering: &Offering) -> Vec<&'static str> {
    let can = &offering.capabilities;
    let all = [
        (can.tools, "tools"),
        (can.structured_output, "json"),
        (can.reasoning, "thinking"),
        (can.code, "code"),
        (can.reads(Modality::Image), "image"),
        (can.reads(Modality::Pdf), "pdf"),
        (can.reads(Modality::Audio), "audio"),
        (can.reads(Modality::Video), "video"),
    ];
    all.into_iter().filter(|(has, _)| *has).map(|(_, word)| word).collect()
}

#[cfg(test)]
mod tests;
