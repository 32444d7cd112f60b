//! Circuit breakers that tell a bad key from a bad model from a bad provider.
//!
//! A refused key rests alone while other keys go on. A model that is not found or fails rests
//! alone while its provider's other models go on. Only what says something about the whole
//! provider (no connection, or failures of several of its models) rests the provider. A request
//! that was wrong (400) says nothing about anybody.

use std::collections::HashMap;

use gw_core::{Error, Kind, ModelName, ProviderId};
use parking_lot::Mutex;

use crate::options::EngineOptions;

/// All breakers of this process.
#[derive(Debug, Default)]
pub(crate) struct Health {
    providers: Mutex<HashMap<ProviderId, Entry>>,
}

#[derive(Debug, Default)]
struct Entry {
    whole: Breaker,
    models: HashMap<ModelName, Breaker>,
    keys: HashMap<String, Breaker>,
}

#[derive(Clone, Debug, Default)]
struct Breaker {
    failures: u32,
    open_until_ms: u64,
    is_probing: bool,
    last: Option<(Kind, String)>,
}

/// Whether something may be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Yes.
    Closed,
    /// It failed before; one call may try it.
    Probe,
    /// Not before this instant (monotonic milliseconds).
    Open { until_ms: u64 },
}

/// A provider's state, for `/health` and the doctor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthReport {
    /// The provider.
    pub provider: ProviderId,
    /// The provider as a whole.
    pub state: ProviderState,
    /// Models that are not simply well.
    pub models: Vec<(ModelName, ModelState)>,
}

/// The state of a provider as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderState {
    /// Usable.
    Healthy,
    /// Every key was refused.
    KeysRefused {
        /// What it said.
        reason: String,
    },
    /// Resting after failures.
    Resting {
        /// What it said.
        reason: String,
        /// How long it still rests, in milliseconds.
        for_ms: u64,
    },
}

/// The state of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelState {
    /// What its provider said.
    pub reason: String,
    /// How long it still rests, in milliseconds.
    pub for_ms: u64,
}

impl Breaker {
    fn gate(&self, now_ms: u64) -> Gate {
        if self.open_until_ms == 0 {
            Gate::Closed
        } else if now_ms >= self.open_until_ms && !self.is_probing {
            Gate::Probe
        } else {
            Gate::Open { until_ms: self.open_until_ms.max(now_ms + 1) }
        }
    }

    fn rest(&mut self, until_ms: u64, error: &Error) {
        self.open_until_ms = self.open_until_ms.max(until_ms);
        self.is_probing = false;
        self.last = Some((error.kind(), error.message().to_owned()));
    }

    fn fail(&mut self, now_ms: u64, options: &EngineOptions, error: &Error) -> bool {
        self.failures = self.failures.saturating_add(1);
        let was_probe = self.open_until_ms != 0;
        if was_probe || self.failures >= options.breaker_failures {
            self.rest(now_ms + options.breaker_open_ms, error);
            return true;
        }
        self.last = Some((error.kind(), error.message().to_owned()));
        false
    }
}

impl Health {
    /// Whether a model may be called now.
    pub(crate) fn gate(&self, provider: &ProviderId, model: &ModelName, now_ms: u64) -> Gate {
        let providers = self.providers.lock();
        let Some(entry) = providers.get(provider) else { return Gate::Closed };
        let model = entry.models.get(model).map_or(Gate::Closed, |breaker| breaker.gate(now_ms));
        stricter(entry.whole.gate(now_ms), model)
    }

    /// Takes the place of the one call that may probe, so that others do not.
    pub(crate) fn begin(&self, provider: &ProviderId, model: &ModelName, now_ms: u64) {
        let mut providers = self.providers.lock();
        let Some(entry) = providers.get_mut(provider) else { return };
        if entry.whole.gate(now_ms) == Gate::Probe {
            entry.whole.is_probing = true;
        }
        if let Some(breaker) = entry.models.get_mut(model)
            && breaker.gate(now_ms) == Gate::Probe
        {
            breaker.is_probing = true;
        }
    }

    /// A call that says nothing about the provider (cancelled, refused as malformed) gives the
    /// place of the probe back.
    pub(crate) fn abandon(&self, provider: &ProviderId, model: &ModelName) {
        let mut providers = self.providers.lock();
        let Some(entry) = providers.get_mut(provider) else { return };
        entry.whole.is_probing = false;
        if let Some(breaker) = entry.models.get_mut(model) {
            breaker.is_probing = false;
        }
    }

    /// True where this key may be used now.
    pub(crate) fn key_is_usable(&self, provider: &ProviderId, key: &str, now_ms: u64) -> bool {
        let providers = self.providers.lock();
        providers
            .get(provider)
            .and_then(|entry| entry.keys.get(key))
            .is_none_or(|breaker| now_ms >= breaker.open_until_ms)
    }

    /// An answer closes every breaker it passed.
    pub(crate) fn succeed(&self, provider: &ProviderId, model: &ModelName, key: Option<&str>) {
        let mut providers = self.providers.lock();
        let Some(entry) = providers.get_mut(provider) else { return };
        entry.whole = Breaker::default();
        entry.models.remove(model);
        if let Some(key) = key {
            entry.keys.remove(key);
        }
    }

    /// A failure counts against whoever it says something about.
    pub(crate) fn fail(
        &self,
        provider: &ProviderId,
        model: &ModelName,
        key: Option<&str>,
        error: &Error,
        now_ms: u64,
        options: &EngineOptions,
    ) {
        let mut providers = self.providers.lock();
        let entry = providers.entry(provider.clone()).or_default();
        match error.kind() {
            Kind::ProviderAuth | Kind::ProviderBilling => {
                let name = key.unwrap_or_default().to_owned();
                let breaker = entry.keys.entry(name).or_default();
                breaker.rest(now_ms + options.key_rest_ms, error);
            }
            Kind::ModelNotFound => {
                let breaker = entry.models.entry(model.clone()).or_default();
                breaker.rest(now_ms + options.breaker_open_ms, error);
            }
            Kind::ProviderRateLimited => {
                let wait_ms = error.retry_after_ms().unwrap_or(1_000).min(options.breaker_open_ms);
                let breaker = entry.models.entry(model.clone()).or_default();
                breaker.rest(now_ms + wait_ms, error);
            }
            Kind::ProviderUnreachable => {
                entry.whole.fail(now_ms, options, error);
            }
            Kind::ProviderOverloaded
            | Kind::ProviderFailed
            | Kind::ProviderTimeout
            | Kind::ProviderMalformed => {
                let breaker = entry.models.entry(model.clone()).or_default();
                let has_opened = breaker.fail(now_ms, options, error);
                let open = entry.models.values().filter(|b| b.open_until_ms > now_ms).count();
                if has_opened && open >= 3 {
                    entry.whole.rest(now_ms + options.breaker_open_ms, error);
                }
            }
            _ => {
                drop(providers);
                self.abandon(provider, model);
            }
        }
    }

    /// The state of every provider that was ever in trouble.
    pub(crate) fn report(&self, provider: &ProviderId, keys: &[&str], now_ms: u64) -> HealthReport {
        let providers = self.providers.lock();
        let mut report = HealthReport {
            provider: provider.clone(),
            state: ProviderState::Healthy,
            models: Vec::new(),
        };
        let Some(entry) = providers.get(provider) else { return report };
        let reason = |breaker: &Breaker| {
            breaker.last.as_ref().map_or_else(String::new, |(_, message)| message.clone())
        };
        for (model, breaker) in &entry.models {
            if breaker.open_until_ms > now_ms {
                let for_ms = breaker.open_until_ms - now_ms;
                report.models.push((model.clone(), ModelState { reason: reason(breaker), for_ms }));
            }
        }
        report.models.sort_by(|a, b| a.0.cmp(&b.0));
        let refused = |key: &&str| entry.keys.get(*key).filter(|key| key.open_until_ms > now_ms);
        if !keys.is_empty() && keys.iter().all(|key| refused(key).is_some()) {
            let reason = keys.iter().find_map(|key| refused(key).map(reason)).unwrap_or_default();
            report.state = ProviderState::KeysRefused { reason };
        } else if entry.whole.open_until_ms > now_ms {
            let for_ms = entry.whole.open_until_ms - now_ms;
            report.state = ProviderState::Resting { reason: reason(&entry.whole), for_ms };
        }
        report
    }
}

fn stricter(a: Gate, b: Gate) -> Gate {
    match (a, b) {
        (Gate::Open { until_ms: x }, Gate::Open { until_ms: y }) => Gate::Open { until_ms: x.max(y) },
        (open @ Gate::Open { .. }, _) | (_, open @ Gate::Open { .. }) => open,
        (Gate::Probe, _) | (_, Gate::Probe) => Gate::Probe,
        (Gate::Closed, Gate::Closed) => Gate::Closed,
    }
}

#[cfg(test)]
mod tests;
