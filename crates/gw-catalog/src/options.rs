//! What configuration changes of the embedded catalogue. Only data: [`crate::assemble`] checks it.

use std::fmt;

use gw_core::{Layer, ProviderId};
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use crate::layers::Bands;
use crate::offering::Modality;

/// What configuration changes of the embedded catalogue.
#[derive(Clone, Debug, Default)]
pub struct CatalogOptions {
    /// Changes and additions, by catalogue id (`provider/name`).
    pub models: Vec<(String, ModelOverride)>,
    /// Other names: what a client may write, and what it stands for.
    pub aliases: Vec<(String, String)>,
    /// Layers whose models are listed: these, in this order, and no others.
    pub layers: Vec<(Layer, Vec<String>)>,
    /// Where layers begin by price.
    pub bands: Bands,
    /// Configured providers that sell what a catalogue provider of another name sells.
    pub provider_catalogs: Vec<(ProviderId, String)>,
    /// Providers that charge nothing: models on machines of one's own.
    pub local_providers: Vec<ProviderId>,
}

/// Changes of one model. What is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelOverride {
    /// False switches it off.
    pub enabled: Option<bool>,
    /// Its layer, whatever it costs.
    pub layer: Option<Layer>,
    /// The model it is, where the name does not say (`gpt-4o` for an Azure deployment).
    pub model: Option<String>,
    /// For people.
    pub display_name: Option<String>,
    /// Most tokens of prompt and answer.
    pub context_window: Option<u64>,
    /// Most tokens of an answer.
    pub max_output_tokens: Option<u64>,
    /// What it reads.
    pub input: Option<Vec<Modality>>,
    /// What it writes.
    pub output: Option<Vec<Modality>>,
    /// Calls tools.
    pub tools: Option<bool>,
    /// Follows a JSON schema.
    pub structured_output: Option<bool>,
    /// Thinks before it answers.
    pub reasoning: Option<bool>,
    /// Is good at code.
    pub code: Option<bool>,
    /// Takes a temperature.
    pub temperature: Option<bool>,
    /// True where it costs nothing.
    pub free: Option<bool>,
    /// What it costs, in place of everything the catalogue says.
    pub prices: Option<ModelPrices>,
}

/// Prices as configuration writes them: dollars per million tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelPrices {
    /// Text read.
    pub input: Option<Decimal>,
    /// Text written.
    pub output: Option<Decimal>,
    /// Input from the prompt cache.
    pub cache_read: Option<Decimal>,
    /// Input written to the prompt cache for five minutes.
    pub cache_write: Option<Decimal>,
    /// Input written to the prompt cache for an hour.
    pub cache_write_1h: Option<Decimal>,
    /// Thinking, where it has a price of its own.
    pub reasoning: Option<Decimal>,
    /// Audio heard.
    pub input_audio: Option<Decimal>,
    /// Audio heard, served from the prompt cache.
    pub cache_read_audio: Option<Decimal>,
    /// Audio spoken.
    pub output_audio: Option<Decimal>,
    /// Pictures seen.
    pub input_image: Option<Decimal>,
    /// Pictures seen, served from the prompt cache.
    pub cache_read_image: Option<Decimal>,
    /// Pictures made.
    pub output_image: Option<Decimal>,
    /// One search of the provider's own search tool, in dollars.
    pub web_search: Option<Decimal>,
    /// One request, in dollars.
    pub request: Option<Decimal>,
}

/// A decimal number as it was written, so that no floating point touches money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Decimal(pub String);

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Decimal;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a price such as 0.15 or \"0.15\"")
            }
            fn visit_str<E>(self, text: &str) -> Result<Decimal, E> {
                Ok(Decimal(text.to_owned()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Decimal, E> {
                Ok(Decimal(number.to_string()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Decimal, E> {
                Ok(Decimal(number.to_string()))
            }
            // The shortest text that reads back as the same float is the text that was written.
            fn visit_f64<E>(self, number: f64) -> Result<Decimal, E> {
                Ok(Decimal(number.to_string()))
            }
        }
        deserializer.deserialize_any(Text)
    }
}
