//! One circuit breaker: failures in a row, a rest, one probe.

use gw_core::{Error, Kind};

use super::{Gate, Rest};
use crate::options::EngineOptions;

/// Closed, open until an instant, or being probed.
#[derive(Clone, Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    /// 0 while closed.
    open_until_ms: u64,
    is_probing: bool,
    last: Option<(Kind, String)>,
}

impl Breaker {
    pub(super) fn gate(&self, now_ms: u64) -> Gate {
        if self.open_until_ms == 0 {
            return Gate::Closed;
        }
        if now_ms >= self.open_until_ms && !self.is_probing {
            return Gate::Probe;
        }
        let (kind, message) =
            self.last.clone().unwrap_or_else(|| (Kind::ProviderFailed, String::new()));
        let until_ms = self.open_until_ms.max(now_ms + 1);
        Gate::Open(Rest { until_ms, kind, message, is_breaker: true })
    }

    /// Takes the one place of the probe, where this is the time for it.
    pub(super) fn begin_probe(&mut self, now_ms: u64) -> bool {
        let is_probe = self.gate(now_ms) == Gate::Probe;
        self.is_probing |= is_probe;
        is_probe
    }

    /// Gives the place of the probe back.
    pub(super) fn end_probe(&mut self) {
        self.is_probing = false;
    }

    /// Counts a failure; true where it opened the breaker. One that began before the breaker opened
    /// does not prolong its rest.
    pub(super) fn fail(
        &mut self,
        is_probe: bool,
        error: &Error,
        now_ms: u64,
        options: &EngineOptions,
    ) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.last = Some((error.kind(), error.message().to_owned()));
        let is_enough = self.open_until_ms == 0 && self.failures >= options.breaker_failures;
        if is_probe || is_enough {
            self.open(error, now_ms, options);
            return true;
        }
        false
    }

    /// Opens, or stays open longer.
    pub(super) fn open(&mut self, error: &Error, now_ms: u64, options: &EngineOptions) {
        self.open_until_ms = now_ms.saturating_add(options.breaker_open_ms).max(1);
        self.is_probing = false;
        self.last = Some((error.kind(), error.message().to_owned()));
    }

    /// Closes, but opens again with the next failure.
    pub(super) fn close_on_trial(&mut self, options: &EngineOptions) {
        self.open_until_ms = 0;
        self.is_probing = false;
        self.failures = options.breaker_failures.saturating_sub(1);
    }
}
