//! `[cost]`: what is counted, and when to speak up.

use gw_core::Money;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::usd;

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
}

impl Default for Cost {
    fn default() -> Self {
        Self {
            enable_cost_tracking: true,
            alert_threshold_usd: Money::from_pico(gw_core::money::PICO_PER_USD),
            unpriced: Unpriced::Allow,
        }
    }
}

/// What happens to models whose price is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unpriced {
    /// They may be used; their cost is recorded as unknown, never as nothing.
    Allow,
    /// They may not be used.
    Deny,
}
