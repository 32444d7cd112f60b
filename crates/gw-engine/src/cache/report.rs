//! What the cache did since the process began, and what it holds.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use gw_core::Money;
use gw_core::seam::{Hot, HotSize, hot};

use super::{CacheMode, CacheOptions};
use crate::answer::CacheState;
use crate::events;

/// Running counts.
#[derive(Default)]
pub(super) struct Counts {
    hits: AtomicU64,
    shared: AtomicU64,
    misses: AtomicU64,
    bypassed: AtomicU64,
    stored: AtomicU64,
    saved_pico: AtomicI64,
}

/// How the response cache does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheReport {
    /// When it is used.
    pub mode: CacheMode,
    /// Where entries are: `memory`, `redis`.
    pub store: &'static str,
    /// True where other replicas use the same entries.
    pub is_shared: bool,
    /// What it holds; `None` where the store does not say.
    pub size: Option<HotSize>,
    /// Calls answered from it since the process began.
    pub hits: u64,
    /// Calls that waited for another call's answer and got it.
    pub shared: u64,
    /// Calls that it had no answer for.
    pub misses: u64,
    /// Calls that may not be answered from it.
    pub bypassed: u64,
    /// Answers put into it.
    pub stored: u64,
    /// What the answers given from it had cost.
    pub saved: Money,
}

impl Counts {
    pub(super) fn served(&self, state: CacheState, cost: Option<Money>) {
        let count = if state == CacheState::Shared { &self.shared } else { &self.hits };
        count.fetch_add(1, Ordering::Relaxed);
        let saved = cost.unwrap_or_default();
        self.saved_pico.fetch_add(saved.pico(), Ordering::Relaxed);
        events::cache_looked_up(state.as_str());
        events::cache_saved(saved);
    }

    pub(super) fn miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
        events::cache_looked_up(CacheState::Miss.as_str());
    }

    pub(super) fn bypass(&self) {
        self.bypassed.fetch_add(1, Ordering::Relaxed);
        events::cache_looked_up(CacheState::Bypass.as_str());
    }

    pub(super) fn stored(&self) {
        self.stored.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) async fn report(&self, options: &CacheOptions, store: &dyn Hot) -> CacheReport {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheReport {
            mode: options.mode,
            store: store.name(),
            is_shared: store.is_shared(),
            size: store.size(hot::ANSWERS).await.ok(),
            hits: count(&self.hits),
            shared: count(&self.shared),
            misses: count(&self.misses),
            bypassed: count(&self.bypassed),
            stored: count(&self.stored),
            saved: Money::from_pico(self.saved_pico.load(Ordering::Relaxed)),
        }
    }
}
