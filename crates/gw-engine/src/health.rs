//! Who may be called now: breakers and pauses that tell a bad key from a bad model from a bad
//! provider.
//!
//! A *pause* is what a provider says plainly: this key is refused (401, 402), this key may not use
//! this model (403), this model does not exist (404), come back in three seconds (`Retry-After`).
//! It ends by itself. A *breaker* is what is concluded from failures in a row; when its rest is
//! over, one call probes and its answer decides. Failures count against a model; no connection, or
//! three failing models, count against the provider. A request that was wrong (400) says nothing
//! about anybody.

mod breaker;
mod report;

use std::collections::HashMap;

use gw_core::limits::{HEALTH_ENTRIES_MAX, PAUSE_MS_MAX};
use gw_core::{Error, Kind, ModelName, ProviderId};
use parking_lot::Mutex;

use self::breaker::Breaker;
use crate::options::EngineOptions;

pub use self::report::{HealthReport, ModelState, ProviderState};

/// Models of one provider whose breakers are open that make the provider itself rest.
const FAILING_MODELS: usize = 3;

/// Pause of a key that was limited without a `Retry-After`, where another key can be used meanwhile.
const KEY_SWITCH_MS: u64 = 1_000;

/// All breakers and pauses of this process.
#[derive(Debug, Default)]
pub(crate) struct Health {
    providers: Mutex<HashMap<ProviderId, Entry>>,
}

#[derive(Debug, Default)]
struct Entry {
    whole: Breaker,
    models: HashMap<ModelName, Breaker>,
    pauses: Vec<Pause>,
}

/// Something that is not to be used for a while. `None` stands for every key or every model.
#[derive(Clone, Debug)]
struct Pause {
    key: Option<String>,
    model: Option<ModelName>,
    rest: Rest,
}

/// Why something may not be used, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    /// The end, in monotonic milliseconds.
    pub(crate) until_ms: u64,
    /// What was wrong.
    pub(crate) kind: Kind,
    /// What was said. For operators: it may be about somebody else's call.
    pub(crate) message: String,
    /// True for a breaker, false for a pause.
    pub(crate) is_breaker: bool,
}

/// Whether something may be used now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Yes.
    Closed,
    /// It failed before; one call may try it.
    Probe,
    /// Not before the end of this rest.
    Open(Rest),
}

/// Which breakers a call probes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pass {
    whole: bool,
    model: bool,
}

/// What was called, for judging how it went.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    /// The provider.
    pub(crate) provider: ProviderId,
    /// The model.
    pub(crate) model: ModelName,
    /// The key, by name; `None` for a provider that wants none.
    pub(crate) key: Option<String>,
    /// True where the provider has more than one key.
    pub(crate) has_other_key: bool,
    /// What it probes.
    pub(crate) pass: Pass,
    /// The status answered with, once there is one.
    pub(crate) status: Option<u16>,
}

impl Tried {
    /// True once the provider began to answer with success.
    pub(crate) fn is_answering(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

impl Health {
    /// Whether a model may be called now, whatever the key.
    pub(crate) fn gate(&self, provider: &ProviderId, model: &ModelName, now_ms: u64) -> Gate {
        self.providers.lock().get(provider).map_or(Gate::Closed, |entry| entry.gate(model, now_ms))
    }

    /// The rest of a key, for this model; `None`: it may be used.
    pub(crate) fn key_rest(
        &self,
        provider: &ProviderId,
        model: &ModelName,
        key: &str,
        now_ms: u64,
    ) -> Option<Rest> {
        let providers = self.providers.lock();
        providers.get(provider)?.paused(Some(key), model, now_ms).cloned()
    }

    /// Goes through the gate, in one step with looking at it: of calls at one time, one probes.
    pub(crate) fn enter(
        &self,
        provider: &ProviderId,
        model: &ModelName,
        now_ms: u64,
    ) -> Result<Pass, Rest> {
        let mut providers = self.providers.lock();
        let Some(entry) = providers.get_mut(provider) else { return Ok(Pass::default()) };
        if let Gate::Open(rest) = entry.gate(model, now_ms) {
            return Err(rest);
        }
        let whole = entry.whole.begin_probe(now_ms);
        let model = entry.models.get_mut(model).is_some_and(|model| model.begin_probe(now_ms));
        Ok(Pass { whole, model })
    }

    /// A call that says nothing about the provider (cancelled, refused as malformed) gives the
    /// places of its probes back.
    pub(crate) fn leave(&self, tried: &Tried) {
        if let Some(entry) = self.providers.lock().get_mut(&tried.provider) {
            entry.leave(tried);
        }
    }

    /// A stream has begun. Its model is let through again, but one failure more and it rests:
    /// otherwise a model whose streams all break off would never rest.
    pub(crate) fn answering(&self, tried: &Tried, options: &EngineOptions) {
        let mut providers = self.providers.lock();
        let Some(entry) = providers.get_mut(&tried.provider) else { return };
        entry.whole = Breaker::default();
        if tried.pass.model
            && let Some(model) = entry.models.get_mut(&tried.model)
        {
            model.close_on_trial(options);
        }
    }

    /// A whole answer closes every breaker it passed.
    pub(crate) fn succeed(&self, tried: &Tried) {
        let mut providers = self.providers.lock();
        let Some(entry) = providers.get_mut(&tried.provider) else { return };
        entry.whole = Breaker::default();
        entry.models.remove(&tried.model);
    }

    /// A failure counts against whoever it says something about.
    pub(crate) fn fail(&self, tried: &Tried, error: &Error, now_ms: u64, options: &EngineOptions) {
        let mut providers = self.providers.lock();
        let entry = providers.entry(tried.provider.clone()).or_default();
        let (key, model) = (tried.key.as_deref(), Some(&tried.model));
        let asked_ms = error.retry_after_ms().filter(|wait_ms| *wait_ms > 0);
        match error.kind() {
            Kind::ProviderAuth | Kind::ProviderBilling => {
                // 403 is about what a key may do, 401 and 402 about the key.
                let model = model.filter(|_| tried.status == Some(403));
                entry.pause(key, model, error, now_ms, options.key_rest_ms);
            }
            Kind::ModelNotFound => {
                entry.pause(None, model, error, now_ms, options.breaker_open_ms);
            }
            Kind::ProviderRateLimited => {
                match asked_ms.or(tried.has_other_key.then_some(KEY_SWITCH_MS)) {
                    Some(wait_ms) => entry.pause(key, model, error, now_ms, wait_ms),
                    None => return entry.fail_model(tried, error, now_ms, options),
                }
            }
            Kind::ProviderUnreachable if !tried.is_answering() => {
                entry.whole.fail(tried.pass.whole, error, now_ms, options);
                entry.leave_model(tried);
                return;
            }
            Kind::ProviderOverloaded => {
                if let Some(wait_ms) = asked_ms {
                    entry.pause(None, model, error, now_ms, wait_ms);
                }
                return entry.fail_model(tried, error, now_ms, options);
            }
            Kind::ProviderUnreachable
            | Kind::ProviderFailed
            | Kind::ProviderTimeout
            | Kind::ProviderMalformed
            | Kind::ProviderTooLarge => return entry.fail_model(tried, error, now_ms, options),
            _ => {}
        }
        // It answered, if only to refuse.
        if tried.pass.whole {
            entry.whole = Breaker::default();
        }
        entry.leave_model(tried);
    }

    /// Forgets what was said about a key whose secret was replaced.
    pub(crate) fn forget_key(&self, provider: &ProviderId, key: &str) {
        if let Some(entry) = self.providers.lock().get_mut(provider) {
            entry.pauses.retain(|pause| pause.key.as_deref() != Some(key));
        }
    }
}

impl Entry {
    fn gate(&self, model: &ModelName, now_ms: u64) -> Gate {
        let paused = self.paused(None, model, now_ms);
        let paused = paused.map_or(Gate::Closed, |rest| Gate::Open(rest.clone()));
        let model = self.models.get(model).map_or(Gate::Closed, |model| model.gate(now_ms));
        stricter(stricter(self.whole.gate(now_ms), model), paused)
    }

    /// The longest pause of exactly this key (`None`: those of every key) that holds for the model.
    fn paused(&self, key: Option<&str>, model: &ModelName, now_ms: u64) -> Option<&Rest> {
        self.pauses
            .iter()
            .filter(|pause| pause.key.as_deref() == key && pause.rest.until_ms > now_ms)
            .filter(|pause| pause.model.as_ref().is_none_or(|paused| paused == model))
            .map(|pause| &pause.rest)
            .max_by_key(|rest| rest.until_ms)
    }

    fn pause(
        &mut self,
        key: Option<&str>,
        model: Option<&ModelName>,
        error: &Error,
        now_ms: u64,
        for_ms: u64,
    ) {
        self.pauses.retain(|pause| {
            let is_same = pause.key.as_deref() == key && pause.model.as_ref() == model;
            pause.rest.until_ms > now_ms && !is_same
        });
        if self.pauses.len() >= HEALTH_ENTRIES_MAX {
            self.pauses.remove(0);
        }
        let rest = Rest {
            until_ms: now_ms.saturating_add(for_ms.min(PAUSE_MS_MAX)),
            kind: error.kind(),
            message: error.message().to_owned(),
            is_breaker: false,
        };
        self.pauses.push(Pause { key: key.map(str::to_owned), model: model.cloned(), rest });
    }

    fn fail_model(&mut self, tried: &Tried, error: &Error, now_ms: u64, options: &EngineOptions) {
        if self.models.len() >= HEALTH_ENTRIES_MAX {
            self.models.retain(|_, model| model.gate(now_ms) != Gate::Closed);
        }
        let is_new = !self.models.contains_key(&tried.model);
        let mut has_opened = false;
        // Models that fail are as many as callers can name; the first ones count.
        if !is_new || self.models.len() < HEALTH_ENTRIES_MAX {
            let model = self.models.entry(tried.model.clone()).or_default();
            has_opened = model.fail(tried.pass.model, error, now_ms, options);
        }
        let is_open = |model: &&Breaker| matches!(model.gate(now_ms), Gate::Open(_));
        let open = self.models.values().filter(is_open).count();
        if tried.pass.whole {
            self.whole.fail(true, error, now_ms, options);
        } else if has_opened && open >= FAILING_MODELS {
            self.whole.open(error, now_ms, options);
        }
    }

    fn leave(&mut self, tried: &Tried) {
        if tried.pass.whole {
            self.whole.end_probe();
        }
        self.leave_model(tried);
    }

    fn leave_model(&mut self, tried: &Tried) {
        if tried.pass.model
            && let Some(model) = self.models.get_mut(&tried.model)
        {
            model.end_probe();
        }
    }
}

fn stricter(a: Gate, b: Gate) -> Gate {
    match (a, b) {
        (Gate::Open(a), Gate::Open(b)) => Gate::Open(if a.until_ms >= b.until_ms { a } else { b }),
        (open @ Gate::Open(_), _) | (_, open @ Gate::Open(_)) => open,
        (Gate::Probe, _) | (_, Gate::Probe) => Gate::Probe,
        (Gate::Closed, Gate::Closed) => Gate::Closed,
    }
}

#[cfg(test)]
mod tests;
