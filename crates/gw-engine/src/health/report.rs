//! The state of a provider as it is told to people.

use std::collections::BTreeMap;

use gw_core::{Kind, ModelName, ProviderId};

use super::{Gate, Health, Rest};

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

impl Health {
    /// The state of a provider whose keys have these names; no names: it wants no key.
    pub(crate) fn report(&self, provider: &ProviderId, keys: &[&str], now_ms: u64) -> HealthReport {
        let mut report = HealthReport {
            provider: provider.clone(),
            state: ProviderState::Healthy,
            models: Vec::new(),
        };
        let providers = self.providers.lock();
        let Some(entry) = providers.get(provider) else { return report };
        let is_refusal = |rest: &Rest| {
            matches!(rest.kind, Kind::ProviderAuth | Kind::ProviderBilling)
                && rest.until_ms > now_ms
        };
        let refusal = |key: Option<&str>| {
            entry
                .pauses
                .iter()
                .find(|pause| {
                    pause.key.as_deref() == key && pause.model.is_none() && is_refusal(&pause.rest)
                })
                .map(|pause| pause.rest.message.clone())
        };
        let refusals: Vec<Option<String>> = if keys.is_empty() {
            vec![refusal(None)]
        } else {
            keys.iter().map(|key| refusal(Some(key))).collect()
        };
        if let Some(reasons) = refusals.into_iter().collect::<Option<Vec<String>>>() {
            let reason = reasons.into_iter().next().unwrap_or_default();
            report.state = ProviderState::KeysRefused { reason };
        } else if let Gate::Open(rest) = entry.whole.gate(now_ms) {
            let for_ms = rest.until_ms.saturating_sub(now_ms);
            report.state = ProviderState::Resting { reason: rest.message, for_ms };
        }
        let mut models = BTreeMap::new();
        let paused = entry.pauses.iter().filter_map(|pause| {
            let is_now = pause.rest.until_ms > now_ms;
            pause.model.as_ref().filter(|_| is_now).map(|model| (model, pause.rest.clone()))
        });
        let broken =
            entry.models.iter().filter_map(|(model, breaker)| match breaker.gate(now_ms) {
                Gate::Open(rest) => Some((model, rest)),
                Gate::Closed | Gate::Probe => None,
            });
        for (model, rest) in paused.chain(broken) {
            let for_ms = rest.until_ms.saturating_sub(now_ms);
            models.insert(model.clone(), ModelState { reason: rest.message, for_ms });
        }
        report.models = models.into_iter().collect();
        report
    }
}
