//! Sums since the process began, for `/v1/server-stats`.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use gw_core::Money;
use gw_core::record::CallStatus;

use crate::answer::Receipt;

/// Running sums.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    calls: AtomicU64,
    failed: AtomicU64,
    unpriced: AtomicU64,
    input_tokens: AtomicU64,
    output_tokens: AtomicU64,
    cost_pico: AtomicI64,
    duration_ms: AtomicU64,
}

/// Sums since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TotalsReport {
    /// Calls ended.
    pub calls: u64,
    /// How many of them failed; a client that left is no failure.
    pub failed: u64,
    /// How many of them have no known price.
    pub unpriced: u64,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Known costs.
    pub cost: Money,
    /// Sum of durations, in milliseconds.
    pub duration_ms: u64,
}

impl Totals {
    pub(crate) fn add(&self, receipt: &Receipt, status: &CallStatus) {
        let Receipt { usage, cost, duration_ms, .. } = receipt;
        let has_failed = matches!(status, CallStatus::Failed { .. });
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(u64::from(has_failed), Ordering::Relaxed);
        self.unpriced.fetch_add(u64::from(cost.amount().is_none()), Ordering::Relaxed);
        self.input_tokens.fetch_add(usage.total_input(), Ordering::Relaxed);
        self.output_tokens.fetch_add(usage.total_output(), Ordering::Relaxed);
        self.cost_pico.fetch_add(cost.amount_or_zero().pico(), Ordering::Relaxed);
        self.duration_ms.fetch_add(*duration_ms, Ordering::Relaxed);
    }

    pub(crate) fn report(&self) -> TotalsReport {
        TotalsReport {
            calls: self.calls.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            unpriced: self.unpriced.load(Ordering::Relaxed),
            input_tokens: self.input_tokens.load(Ordering::Relaxed),
            output_tokens: self.output_tokens.load(Ordering::Relaxed),
            cost: Money::from_pico(self.cost_pico.load(Ordering::Relaxed)),
            duration_ms: self.duration_ms.load(Ordering::Relaxed),
        }
    }
}
