//! Free models that OpenRouter lists today, for a layer L0 that is otherwise empty.
//!
//! Reads the answer of its model list; the request is somebody else's work. The choice is system A's:
//! price 0 or `:free`, the largest context window first.

use gw_core::{Error, Kind, Layer, ModelName, ProviderId, Result};
use serde::Deserialize;

use crate::embedded::Data;
use crate::offering::Offering;

/// Rank of the first discovered model: after every model that the catalogue ranks.
const FIRST_RANK: u32 = 1_000_000;

/// Window of a model whose entry does not say, in tokens (system A's default).
const CONTEXT_WINDOW_DEFAULT: u64 = 8_192;

#[derive(Deserialize)]
struct ModelList {
    data: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    context_length: Option<u64>,
    #[serde(default)]
    pricing: Option<Pricing>,
    #[serde(default)]
    architecture: Option<Architecture>,
    #[serde(default)]
    supported_parameters: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Pricing {
    #[serde(default)]
    prompt: serde_json::Value,
    #[serde(default)]
    completion: serde_json::Value,
}

#[derive(Default, Deserialize)]
struct Architecture {
    #[serde(default)]
    output_modalities: Option<Vec<String>>,
}

/// The free chat models of OpenRouter's model list, the largest context window first, at most
/// `limit`, as offerings of `provider` in layer L0.
///
/// # Errors
/// [`Kind::ProviderMalformed`] for bytes that are no model list.
pub fn openrouter_free(provider: &ProviderId, json: &[u8], limit: usize) -> Result<Vec<Offering>> {
    let list: ModelList = serde_json::from_slice(json).map_err(|error| {
        Error::new(Kind::ProviderMalformed, "the model list of OpenRouter is not of its format")
            .with_provider(provider.clone())
            .with_source(error)
    })?;
    let mut free: Vec<Listed> = list.data.into_iter().filter(is_free_chat).collect();
    free.sort_by(|a, b| b.context_length.cmp(&a.context_length).then_with(|| a.id.cmp(&b.id)));
    free.truncate(limit);
    Ok((FIRST_RANK..).zip(free).map(|(rank, listed)| offering(provider, rank, listed)).collect())
}

fn is_free_chat(listed: &Listed) -> bool {
    let is_zero = |price: &serde_json::Value| match price {
        serde_json::Value::String(text) => {
            gw_core::Rate::from_usd_per_unit(text).is_some_and(|rate| rate == gw_core::Rate::FREE)
        }
        serde_json::Value::Number(number) => number.as_f64() == Some(0.0),
        _ => false,
    };
    let has_no_price = listed.pricing.as_ref().is_some_and(|pricing| {
        is_zero(&pricing.prompt) && (pricing.completion.is_null() || is_zero(&pricing.completion))
    });
    let writes_text = listed
        .architecture
        .as_ref()
        .and_then(|architecture| architecture.output_modalities.as_ref())
        .is_none_or(|written| written.iter().any(|modality| modality == "text"));
    !listed.id.is_empty() && writes_text && (has_no_price || listed.id.contains(":free"))
}

fn offering(provider: &ProviderId, rank: u32, listed: Listed) -> Offering {
    let mut offering = Data::embedded().unlisted(provider, "openrouter", &listed.id);
    let has = |word: &str| listed.supported_parameters.iter().any(|known| known == word);
    offering.name = ModelName::from(listed.id.as_str());
    offering.display_name = listed.name.unwrap_or(offering.display_name);
    offering.context_window =
        listed.context_length.or(offering.context_window).or(Some(CONTEXT_WINDOW_DEFAULT));
    offering.capabilities.tools |= has("tools");
    offering.capabilities.structured_output |= has("structured_outputs");
    offering.capabilities.reasoning |= has("reasoning");
    offering.capabilities.assume_chat();
    offering.is_free = true;
    offering.layer = Some(Layer::L0);
    offering.rank = rank;
    offering
}

#[cfg(test)]
mod tests;
