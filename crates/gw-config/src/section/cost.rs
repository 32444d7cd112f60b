//! `[cost]`: what is counted, and when to speak up.

use gw_core::{Money, Rate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{UsdPerMillion, usd};

/// What is counted, and when to speak up.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cost {
    /// Counts what calls cost.
    pub enable_cost_tracking: bool,
    /// Total cost at which a warning is logged, in US dollars; 0 for none.
    #[serde(with = "usd")]
    #[schemars(schema_with = "usd::schema", extend("x-not-negative" = true))]
    pub alert_threshold_usd: Money,
    /// What happens to models whose price is not known.
    pub unpriced: Unpriced,
    /// What each token of a model without a price counts where `unpriced` is `estimate`, read or
    /// written, in US dollars for a million.
    pub unpriced_usd_per_million: UsdPerMillion,
}

impl Default for Cost {
    fn default() -> Self {
        Self {
            enable_cost_tracking: true,
            alert_threshold_usd: Money::from_pico(gw_core::money::PICO_PER_USD),
            unpriced: Unpriced::Allow,
            unpriced_usd_per_million: UsdPerMillion(Rate::from_pico_per_unit(100_000_000)),
        }
    }
}

/// What happens to models whose price is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unpriced {
    /// They may be used; their cost is recorded as unknown, never as nothing.
    Allow,
    /// They may be used; each token is held and booked at `unpriced_usd_per_million`, marked as an
    /// estimate.
    Estimate,
    /// They may not be used.
    Deny,
}
