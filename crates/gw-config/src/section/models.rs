//! `[[models]]`: what the catalogue does not know, or knows otherwise.

use gw_core::Layer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{self, Prices, UsdPerThousand};

/// A model that the catalogue does not know, or whose entry is changed.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// `provider/name`, the name as the provider calls it.
    #[schemars(length(min = 3), extend("x-example" = "ollama/llama3:8b"))]
    pub id: String,
    /// The layer, in place of the one that follows from its price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "units::layer_schema", extend("x-example" = "L0"))]
    pub layer: Option<Layer>,
    /// Prices by token class, in US dollars for a million tokens.
    #[serde(default)]
    pub usd_per_million: Prices,
    /// Price of a thousand web searches, in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-example" = 10))]
    pub web_search_usd_per_thousand: Option<UsdPerThousand>,
    /// Tokens that fit into prompt and answer together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("x-example" = 8192))]
    pub context_window: Option<u64>,
    /// Most tokens of an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("x-example" = 4096))]
    pub max_output_tokens: Option<u64>,
    /// What it can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-example" = ["tools", "vision"]))]
    pub capabilities: Option<Vec<Capability>>,
    /// Whether it may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-example" = true))]
    pub enabled: Option<bool>,
}

/// Something a model can do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Good at code.
    Code,
    /// Thinks before it answers.
    Reasoning,
    /// Calls tools.
    Tools,
    /// Reads images.
    Vision,
    /// Reads PDF documents.
    Pdf,
    /// Hears audio.
    AudioInput,
    /// Answers in a given JSON schema.
    StructuredOutput,
    /// Has a prompt cache.
    PromptCache,
}
