//! A model at a provider: the unit that routing chooses and the ledger prices.

use gw_core::{Layer, ModelName, ProviderId};
use serde::{Deserialize, Serialize};

use crate::price::{DatedPrice, PriceTable, in_force};

/// One model as one provider offers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offering {
    /// The provider.
    pub provider: ProviderId,
    /// The model in the provider's word; what is sent upstream.
    pub name: ModelName,
    /// The model itself, whoever offers it: equal for every provider of the same model
    /// (`claude-sonnet-4-5` at Anthropic and `anthropic/claude-sonnet-4.5` at OpenRouter).
    pub model: ModelName,
    /// For people: `Claude Sonnet 4.5`.
    pub display_name: String,
    /// `claude-sonnet`, `gpt`: models of one family share their errors.
    pub family: String,
    /// Most tokens of prompt and answer together, where known.
    pub context_window: Option<u64>,
    /// Most tokens of an answer, where known.
    pub max_output_tokens: Option<u64>,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Prices by date, oldest first; empty: unpriced.
    pub prices: Vec<DatedPrice>,
    /// True where the provider charges nothing for it: local models, `:free` ones.
    pub is_free: bool,
    /// Where it stands; `None` for a model that routing never picks by itself (no chat, unpriced).
    pub layer: Option<Layer>,
    /// Place within its layer: smaller is tried first.
    pub rank: u32,
    /// False where configuration switched it off.
    pub is_enabled: bool,
    /// When the model came out (`2026-06-07`), where known.
    pub released: Option<String>,
    /// True for a simulated model of the demo.
    pub is_demo: bool,
}

impl Offering {
    /// The catalogue id: `provider/name`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.provider, self.name)
    }

    /// The prices in force at an instant, in milliseconds since 1970; `None`: unpriced.
    pub fn price_at(&self, at_ms: i64) -> Option<&PriceTable> {
        in_force(&self.prices, at_ms)
    }

    /// The mark after the colon of its name (`free`, `batch`, `thinking`), where the provider sells
    /// variants of a model that way.
    pub fn variant(&self) -> Option<&str> {
        self.name.as_str().split_once(':').map(|(_, variant)| variant)
    }
}

/// What goes into a model or comes out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Modality {
    /// Words.
    Text,
    /// Pictures.
    Image,
    /// PDF documents.
    Pdf,
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
    /// Vectors.
    Embeddings,
    /// Ranked documents.
    Rerank,
    /// Verdicts of a moderation model.
    Moderation,
}

/// What a model can do. Unknown counts as "cannot" for routing, never for a model asked by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// What it reads.
    pub input: Vec<Modality>,
    /// What it writes.
    pub output: Vec<Modality>,
    /// Calls tools.
    pub tools: bool,
    /// Follows a JSON schema.
    pub structured_output: bool,
    /// Thinks before it answers.
    pub reasoning: bool,
    /// Is good at code: known from its name or its maker's statement.
    pub code: bool,
    /// False where the provider refuses a temperature.
    pub temperature: Option<bool>,
    /// Words it takes for how much to think (`low`, `high`, `max`); empty where unknown.
    pub efforts: Vec<String>,
}

impl Capabilities {
    /// True for a model that answers with text.
    pub fn is_chat(&self) -> bool {
        self.output.contains(&Modality::Text)
    }

    /// Takes a model of which nothing is known for one that reads and writes text.
    pub fn assume_chat(&mut self) {
        for modalities in [&mut self.input, &mut self.output] {
            if modalities.is_empty() {
                modalities.push(Modality::Text);
            }
        }
    }

    /// True where it reads this.
    pub fn reads(&self, modality: Modality) -> bool {
        self.input.contains(&modality)
    }
}
