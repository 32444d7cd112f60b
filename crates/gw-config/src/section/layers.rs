//! `[layers]`: bands of price, and which models belong to each.

use gw_core::Layer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::UsdPerMillion;

/// Bands of price, L0 (free) to L3 (premium), and which models belong to each.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Layers {
    /// Free models.
    #[serde(rename = "L0")]
    pub l0: LayerSwitch,
    /// Cheap models.
    #[serde(rename = "L1")]
    pub l1: LayerSwitch,
    /// Mid-priced models.
    #[serde(rename = "L2")]
    pub l2: LayerSwitch,
    /// Premium models.
    #[serde(rename = "L3")]
    pub l3: LayerSwitch,
    /// Where one layer ends and the next begins.
    pub bands: Bands,
}

impl Layers {
    /// The settings of one layer.
    pub fn of(&self, layer: Layer) -> &LayerSwitch {
        match layer {
            Layer::L0 => &self.l0,
            Layer::L1 => &self.l1,
            Layer::L2 => &self.l2,
            Layer::L3 => &self.l3,
        }
    }
}

/// One layer.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LayerSwitch {
    /// Whether the router may use it.
    pub enabled: bool,
    /// Its models, best first, in place of those that follow from the price. `provider/name`, or
    /// a provider's own name.
    #[schemars(extend("x-example" = ["ollama/llama3:8b"]))]
    pub models: Vec<String>,
}

impl Default for LayerSwitch {
    fn default() -> Self {
        Self { enabled: true, models: Vec::new() }
    }
}

/// Where one layer ends and the next begins: the blended price of a model, in US dollars for a
/// million tokens. Free models are L0; what is not below `l2_below_usd_per_million` is L3.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Bands {
    /// Below this price a model is L1.
    #[schemars(extend("x-example" = 1.0))]
    pub l1_below_usd_per_million: Option<UsdPerMillion>,
    /// Below this price a model is L2.
    #[schemars(extend("x-example" = 6.0))]
    pub l2_below_usd_per_million: Option<UsdPerMillion>,
}
