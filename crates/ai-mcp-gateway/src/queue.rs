//! Calls that wait for room under a limit, where the limit says how long they may: first come, first
//! served, one line for each limit. Works over any budgets: it asks again when a call ends and when the
//! limit said that there will be room.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gw_core::budget::{Limit, LimitKind, LimitStatus, Room};
use gw_core::limits::LIMIT_WAITING_MAX;
use gw_core::reservation::Claim;
use gw_core::seam::BudgetStore;
use gw_core::{Kind, Money, Result, Scope};
use parking_lot::Mutex;
use tokio::sync::{Mutex as Turn, Notify};
use tokio::time::{Instant, timeout_at};

/// Longest pause between two tries of the first in a line: other replicas give room back unheard.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// Budgets whose limits may let calls wait.
pub(crate) struct Queue {
    budgets: Arc<dyn BudgetStore>,
    /// The lines, by limit; whoever holds a turn is the first of it.
    lines: Mutex<HashMap<String, Arc<Line>>>,
    waiting: AtomicUsize,
    given_back: Notify,
}

#[derive(Default)]
struct Line {
    turn: Turn<()>,
    waiting: AtomicUsize,
}

impl Queue {
    pub(crate) fn new(budgets: Arc<dyn BudgetStore>) -> Self {
        Self {
            budgets,
            lines: Mutex::default(),
            waiting: AtomicUsize::new(0),
            given_back: Notify::new(),
        }
    }

    /// The limit in whose line this call has to stand: of those that have no room for it, or that others
    /// wait for, the one that gives up soonest. `None`: there is none, or one lets nobody wait.
    fn line_for(&self, claim: &Claim) -> Option<(Arc<Line>, Limit, Duration)> {
        let statuses = self.budgets.limits(&claim.scopes);
        let mut lines = self.lines.lock();
        let in_the_way = statuses.into_iter().filter(|status| {
            let has_line = lines
                .get(&status.limit.id)
                .is_some_and(|line| line.waiting.load(Ordering::Acquire) > 0);
            has_line || status.remaining < asked(claim, status.limit.kind)
        });
        let mut soonest: Option<(Limit, u64)> = None;
        for status in in_the_way {
            let wait_ms = status.limit.wait_ms?;
            if soonest.as_ref().is_none_or(|(_, least_ms)| wait_ms < *least_ms) {
                soonest = Some((status.limit, wait_ms));
            }
        }
        let (limit, wait_ms) = soonest?;
        if lines.len() > LIMIT_WAITING_MAX {
            lines.retain(|_, line| line.waiting.load(Ordering::Acquire) > 0);
        }
        let line = Arc::clone(lines.entry(limit.id.clone()).or_default());
        Some((line, limit, Duration::from_millis(wait_ms)))
    }

    /// Waits in line, then for room.
    async fn wait(&self, claim: &Claim, line: &Line, until: Instant) -> Result<u64> {
        let Ok(_turn) = timeout_at(until, line.turn.lock()).await else {
            return self.budgets.reserve(claim).await;
        };
        loop {
            // Before the try: what is given back after it is not missed.
            let given_back = self.given_back.notified();
            let refused = match self.budgets.reserve(claim).await {
                Err(error) if error.kind() == Kind::RateLimited => error,
                done => return done,
            };
            let now = Instant::now();
            if now >= until {
                return Err(refused);
            }
            let promised = refused.retry_after_ms().map(Duration::from_millis);
            let again = now + promised.unwrap_or(AGAIN_AFTER).min(AGAIN_AFTER);
            drop(timeout_at(again.min(until), given_back).await);
        }
    }
}

/// What a call takes of a limit of this kind.
fn asked(claim: &Claim, kind: LimitKind) -> u64 {
    match kind {
        LimitKind::RequestsPerMinute | LimitKind::Concurrent => claim.requests,
        LimitKind::TokensPerMinute => claim.worst_tokens,
        LimitKind::DollarsPerMinute => {
            u64::try_from(claim.worst_case.unwrap_or_default().pico()).unwrap_or(0)
        }
    }
}

/// Counts a call in a line for as long as it lives.
struct Place<'a>(&'a AtomicUsize, &'a Line);

impl<'a> Place<'a> {
    fn take(all: &'a AtomicUsize, line: &'a Line) -> Self {
        all.fetch_add(1, Ordering::AcqRel);
        line.waiting.fetch_add(1, Ordering::AcqRel);
        Self(all, line)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.1.waiting.fetch_sub(1, Ordering::AcqRel);
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[async_trait]
impl BudgetStore for Queue {
    async fn reserve(&self, claim: &Claim) -> Result<u64> {
        // With nobody waiting a call asks at once.
        if self.waiting.load(Ordering::Acquire) == 0 || self.line_for(claim).is_none() {
            match self.budgets.reserve(claim).await {
                Err(error) if error.kind() == Kind::RateLimited => {
                    let is_full = self.waiting.load(Ordering::Acquire) >= LIMIT_WAITING_MAX;
                    if is_full || self.line_for(claim).is_none() {
                        return Err(error);
                    }
                }
                done => return done,
            }
        }
        let Some((line, limit, wait)) = self.line_for(claim) else {
            return self.budgets.reserve(claim).await;
        };
        let _place = Place::take(&self.waiting, &line);
        tracing::debug!(limit = limit.id, call_id = %claim.call_id, "a call waits for room");
        self.wait(claim, &line, Instant::now() + wait).await
    }

    async fn extend(
        &self,
        ticket: u64,
        claim: &Claim,
        more: Option<Money>,
        more_tokens: u64,
    ) -> Result<()> {
        self.budgets.extend(ticket, claim, more, more_tokens).await
    }

    fn settle(&self, ticket: u64, claim: &Claim, spent: Money, tokens: u64) {
        self.budgets.settle(ticket, claim, spent, tokens);
        self.given_back.notify_waiters();
    }

    fn release(&self, ticket: u64, claim: &Claim) {
        self.budgets.release(ticket, claim);
        self.given_back.notify_waiters();
    }

    fn room(&self, scopes: &[Scope], at_ms: i64) -> Room {
        self.budgets.room(scopes, at_ms)
    }

    fn limits(&self, scopes: &[Scope]) -> Vec<LimitStatus> {
        self.budgets.limits(scopes)
    }
}
