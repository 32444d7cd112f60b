//! What is kept at hand for a while: in Redis where one is configured, else in memory, and with it in
//! the store's file where that is wished.

use std::sync::Arc;

use gw_config::Settings;
use gw_config::section::cache::{Cache, Mode, Share};
use gw_core::Result;
use gw_core::seam::{Clock, Conversations, Hot};
use gw_engine::{CacheMode, CacheOptions, CacheShare};
use gw_redis::RedisHot;
use gw_store::{LastingHot, MemoryHot, TwoTier};
use secrecy::ExposeSecret;

use crate::real::SystemEntropy;

const MEGABYTE: u64 = 1_000_000;

/// Opens the configured hot store.
///
/// # Errors
/// [`gw_core::Kind::InvalidRequest`] for an address that makes no sense.
pub(crate) fn open(
    settings: &Settings,
    file: Option<&gw_store::Store>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Hot>> {
    if let Some(hot) = &settings.store.hot {
        let store = RedisHot::open(hot.url.expose_secret(), &hot.key_prefix, Arc::clone(clock))?;
        return Ok(Arc::new(store));
    }
    let cache = &settings.cache;
    let bytes_max = cache.memory_megabytes_max.saturating_mul(MEGABYTE);
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let memory = MemoryHot::new(Arc::clone(clock), bytes_max);
    Ok(match file.filter(|_| cache.persist && cache.mode != Mode::Off) {
        Some(file) => {
            let bytes_max = cache.file_megabytes_max.saturating_mul(MEGABYTE);
            Arc::new(LastingHot::new(memory, file.clone(), Arc::clone(clock), bytes_max))
        }
        None => Arc::new(memory),
    })
}

/// Puts the hot store in front of conversations that all replicas keep in one database.
pub(crate) fn in_front(
    cold: Arc<dyn Conversations>,
    hot: Arc<dyn Hot>,
    clock: &Arc<dyn Clock>,
) -> Arc<dyn Conversations> {
    let tiers = TwoTier::new(cold, hot, Arc::clone(clock), Arc::new(SystemEntropy));
    let tiers = Arc::new(tiers);
    tokio::spawn(Arc::clone(&tiers).keep_tidy());
    tiers
}

/// How answers are kept.
pub(crate) fn cache_options(cache: &Cache) -> CacheOptions {
    CacheOptions {
        mode: match cache.mode {
            Mode::Off => CacheMode::Off,
            Mode::On => CacheMode::On,
            Mode::OptIn => CacheMode::OptIn,
        },
        share: match cache.share {
            Share::Key => CacheShare::Key,
            Share::Organisation => CacheShare::Organisation,
            Share::All => CacheShare::All,
        },
        ttl_ms: cache.ttl_seconds.saturating_mul(1_000),
        temperature_max: cache.temperature_max,
        single_flight: cache.single_flight,
    }
}
