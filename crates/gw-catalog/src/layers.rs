//! The rule that puts a model into a layer, and the order within it.
//!
//! L0 is free. Otherwise the blended price of a million tokens, three read for one written, decides:
//! L1 below $0.50, L2 below $5.00, L3 from there on (the bands can be configured). A price that changes
//! on a known day counts as from then on, and at its dearest hour. Models that are no plain chat
//! models, or have no price, stand in no layer. Within a layer the curated models of
//! `data/preferred.toml` come first, then the newest; deprecated ones and previews come last.

use std::cmp::Reverse;
use std::sync::OnceLock;

use gw_core::{Layer, Rate, TokenClass};
use serde::Deserialize;

use crate::identity::maker;
use crate::offering::{Modality, Offering};
use crate::price::DatedPrice;

const PREFERRED: &str = include_str!("../data/preferred.toml");

/// Words in names of models that answer with text but are no partners for a chat.
const NO_CHAT: &[&str] = &[
    "transcribe",
    "whisper",
    "-asr",
    "-stt",
    "parakeet",
    "ocr",
    "guard",
    "moderation",
    "content-safety",
    "embed",
    "rerank",
    "-tts",
    "realtime",
    "-audio",
    "audio-",
    "-image",
    "deep-research",
    "computer-use",
    "robotics",
    "-search",
    "search-",
    "router",
    "-fim",
    "translate",
    "-instruct-0914",
    "davinci",
    "babbage",
    "relace",
    "morph-",
    "customtools",
    "multi-agent",
    "document-ai",
    "live-",
    "-live",
    "codex-mini-latest",
];

/// OpenRouter's own names that stand for whatever it picks.
const MOVING_TARGETS: &[&str] = &[
    "openrouter/auto",
    "openrouter/auto-beta",
    "openrouter/free",
    "openrouter/fusion",
    "openrouter/bodybuilder",
];

/// Where one layer ends and the next begins, in blended price per token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bands {
    /// First price of L2; below it is L1.
    pub l2_from: Rate,
    /// First price of L3; below it is L2.
    pub l3_from: Rate,
}

impl Default for Bands {
    fn default() -> Self {
        Self {
            l2_from: Rate::from_pico_per_unit(500_000),
            l3_from: Rate::from_pico_per_unit(5_000_000),
        }
    }
}

impl Bands {
    /// The layer of a price.
    pub fn layer(&self, blended: Rate) -> Layer {
        if blended < self.l2_from {
            Layer::L1
        } else if blended < self.l3_from {
            Layer::L2
        } else {
            Layer::L3
        }
    }
}

/// The price of a token, three read for one written, rounded up; `None` where either is unpriced.
pub fn blended(prices: &[DatedPrice]) -> Option<Rate> {
    let newest = prices.iter().map(|price| price.from_ms).max()?;
    prices
        .iter()
        .filter(|price| price.from_ms == newest)
        .map(|price| {
            let input = price.table.rate(TokenClass::Input, 0)?.pico_per_unit();
            let output = price.table.rate(TokenClass::Output, 0)?.pico_per_unit();
            let four = u128::from(input) * 3 + u128::from(output);
            Some(Rate::from_pico_per_unit(u64::try_from(four.div_ceil(4)).unwrap_or(u64::MAX)))
        })
        .collect::<Option<Vec<Rate>>>()?
        .into_iter()
        .max()
}

/// The layer the rule gives an offering.
pub fn layer_of(offering: &Offering, bands: &Bands) -> Option<Layer> {
    if !is_plain_chat(offering) {
        return None;
    }
    layer_by_price(offering, bands)
}

/// The layer of its price alone, for a model that somebody asked for by name.
pub fn layer_by_price(offering: &Offering, bands: &Bands) -> Option<Layer> {
    if offering.is_free {
        return Some(Layer::L0);
    }
    blended(&offering.prices).map(|price| bands.layer(price))
}

/// True for a model that reads and writes text, at once, and does nothing else in place of it.
pub fn is_plain_chat(offering: &Offering) -> bool {
    let name = offering.name.as_str();
    let lower = name.to_ascii_lowercase();
    offering.capabilities.reads(Modality::Text)
        && offering.capabilities.output == [Modality::Text]
        && offering.variant() != Some("batch")
        && !MOVING_TARGETS.contains(&name)
        && !NO_CHAT.iter().any(|word| lower.contains(word))
}

/// The curated models of a layer, best first, by identity.
pub fn preferred(layer: Layer) -> &'static [String] {
    static TABLE: OnceLock<Preferred> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        toml::from_str(PREFERRED).expect("a test reads the embedded list of preferred models")
    });
    match layer {
        Layer::L0 => &table.l0.models,
        Layer::L1 => &table.l1.models,
        Layer::L2 => &table.l2.models,
        Layer::L3 => &table.l3.models,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Preferred {
    #[serde(rename = "L0")]
    l0: List,
    #[serde(rename = "L1")]
    l1: List,
    #[serde(rename = "L2")]
    l2: List,
    #[serde(rename = "L3")]
    l3: List,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    models: Vec<String>,
}

/// What a place within a layer is decided by; smaller comes first.
pub(crate) fn sort_key(
    offering: &Offering,
    catalog_provider: &str,
    is_deprecated: bool,
) -> impl Ord + use<> {
    let listed = offering.layer.map(preferred).unwrap_or_default();
    let place = listed.iter().position(|model| model == offering.model.as_str());
    let name = offering.name.as_str();
    let is_preview = ["preview", "-exp", "beta"].iter().any(|word| name.contains(word));
    let is_resold = maker(offering.model.as_str()) != Some(catalog_provider);
    (
        is_deprecated,
        place.unwrap_or(usize::MAX),
        place.is_some() && is_resold,
        place.is_some() && name.starts_with('~'),
        is_preview,
        Reverse(offering.released.clone()),
        blended(&offering.prices),
        name.len(),
        offering.id(),
    )
}

#[cfg(test)]
mod tests;
