//! What configuration decides for the engine, and the snapshot a call holds from start to end.

use std::collections::HashMap;
use std::sync::Arc;

use gw_catalog::Catalog;
use gw_core::seam::Timeouts;
use gw_core::{Money, ProviderId};
use gw_ledger::Unpriced;
use gw_routing::RoutingOptions;

use crate::cache::CacheOptions;
use crate::context::ContextOptions;
use crate::learning::Learning;
use crate::policy::Policies;
use crate::provider::Provider;

/// Everything a call needs to know of configuration. Immutable, swapped whole.
pub struct Snapshot {
    /// Models.
    pub catalog: Arc<Catalog>,
    /// Configured providers, by id.
    pub providers: HashMap<ProviderId, Arc<Provider>>,
    /// Their ids, in order of preference.
    pub provider_ids: Vec<ProviderId>,
    /// Routing.
    pub routing: RoutingOptions,
    /// The engine's own options.
    pub engine: EngineOptions,
}

/// The engine's own options.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Tries at one candidate before the next is taken.
    pub attempts_per_candidate: u32,
    /// First pause before a second try, in milliseconds; doubles, with jitter.
    pub backoff_ms: u64,
    /// Longest a call may take until its first content, all attempts together, in milliseconds.
    pub deadline_ms: u64,
    /// Failures in a row that open a breaker.
    pub breaker_failures: u32,
    /// How long a breaker stays open, in milliseconds.
    pub breaker_open_ms: u64,
    /// How long a refused key is not used, in milliseconds.
    pub key_rest_ms: u64,
    /// How conversations are made short and told apart.
    pub context: ContextOptions,
    /// True asks a free model how hard a request is; false goes by routing's own rules.
    pub classify_by_model: bool,
    /// What a good answer is worth, by the quality asked for: normal, high, critical. A higher layer is
    /// asked where it promises more than it costs.
    pub answer_values: [Money; 3],
    /// Rules and experiments.
    pub policies: Policies,
    /// What is done with models without a known price.
    pub unpriced: Unpriced,
    /// How what was learned is used.
    pub learning: Learning,
    /// Defaults for fields a client leaves out (system B's `DEFAULT_*`).
    pub defaults: RequestDefaults,
    /// Timeouts of providers that set none.
    pub timeouts: Timeouts,
    /// The response cache.
    pub cache: CacheOptions,
}

/// Values for fields a client leaves out.
#[derive(Clone, Debug, Default)]
pub struct RequestDefaults {
    /// `DEFAULT_MODEL`
    pub model: Option<String>,
    /// `DEFAULT_TEMPERATURE`
    pub temperature: Option<f64>,
    /// `DEFAULT_MAX_TOKENS`
    pub max_tokens: Option<u64>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            attempts_per_candidate: 2,
            backoff_ms: 250,
            deadline_ms: 600_000,
            breaker_failures: 5,
            breaker_open_ms: 30_000,
            key_rest_ms: 60_000,
            context: ContextOptions::default(),
            classify_by_model: false,
            answer_values: [250, 1_000, 5_000].map(|milli| Money::from_pico(milli * 1_000_000_000)),
            policies: Policies::default(),
            unpriced: Unpriced::Allow,
            learning: Learning::default(),
            defaults: RequestDefaults::default(),
            timeouts: Timeouts::default(),
            cache: CacheOptions::default(),
        }
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("providers", &self.providers.keys())
            .finish_non_exhaustive()
    }
}
