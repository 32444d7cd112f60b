//! Tries the plan's candidates in order until one answers.
//!
//! A provider that asks for a wait loses its turn to the next candidate; the last one is waited for.
//! A refused key is replaced by the next key at once.

use std::sync::Arc;
use std::time::Duration;

use gw_core::limits::{ATTEMPTS_MAX, RETRY_AFTER_WAIT_MS_MAX};
use gw_core::reservation::Reservation;
use gw_core::{Error, Kind, Result, Retry};
use gw_routing::Candidate;

use crate::call::Call;
use crate::exchange::{self, Outcome};
use crate::plan::Planned;
use crate::provider::Provider;
use crate::reserve;

/// A candidate that is tried, with everything needed to call it.
pub(crate) struct Chosen<'a> {
    pub(crate) planned: &'a Planned,
    pub(crate) candidate: &'a Candidate,
    pub(crate) provider: Arc<Provider>,
    /// True where client and provider speak one dialect.
    pub(crate) is_same_dialect: bool,
    /// True where, besides, the client's bytes say what is to be sent.
    pub(crate) is_pass_through: bool,
}

/// Why a try gave no answer.
pub(crate) struct Miss {
    pub(crate) error: Error,
    /// False where nothing was sent: a breaker was open, no key was usable, no time was left.
    pub(crate) is_sent: bool,
}

impl Miss {
    pub(crate) fn unsent(error: Error) -> Self {
        Self { error, is_sent: false }
    }

    /// How much it says to the client, when every candidate failed. What would fail everywhere is
    /// the request's own fault and worth the most; a candidate that was not even tried says least.
    fn weight(&self) -> u8 {
        let is_about_the_request =
            self.error.retry() == Retry::No && self.error.kind() != Kind::ProviderTimeout;
        match (is_about_the_request, self.is_sent) {
            (true, _) => 2,
            (false, true) => 1,
            (false, false) => 0,
        }
    }
}

/// Tries candidates in order. When all fail, the client sees what says most about its request, and
/// among equals the first: that is about the model it asked for.
pub(crate) async fn attempt(
    call: &mut Call,
    planned: &Planned,
    hold: &Reservation,
) -> Result<Outcome> {
    let mut shown: Option<Miss> = None;
    let candidates = &planned.plan.candidates;
    for (at, candidate) in candidates.iter().enumerate() {
        let has_next = at + 1 < candidates.len();
        let miss = match try_candidate(call, planned, candidate, hold, has_next).await {
            Ok(outcome) => return Ok(outcome),
            Err(miss) => miss,
        };
        let is_final = miss.error.retry() == Retry::No || call.attempts.len() >= ATTEMPTS_MAX;
        if shown.as_ref().is_none_or(|shown| miss.weight() > shown.weight()) {
            shown = Some(miss);
        }
        if is_final {
            break;
        }
    }
    Err(shown.map_or_else(|| Error::internal("a plan without candidates"), |miss| miss.error))
}

async fn try_candidate(
    call: &mut Call,
    planned: &Planned,
    candidate: &Candidate,
    hold: &Reservation,
    has_next: bool,
) -> Result<Outcome, Miss> {
    let chosen = chosen(call, planned, candidate).map_err(Miss::unsent)?;
    let mut sent = 0;
    let mut switches = chosen.provider.credentials.len().saturating_sub(1);
    let mut has_waited = false;
    let mut said: Option<Miss> = None;
    loop {
        let held = reserve::extend(call, &candidate.offering, hold).await;
        let tried = match held {
            Ok(()) => exchange::try_once(call, &chosen, hold).await,
            Err(error) => return Err(said.unwrap_or_else(|| Miss::unsent(error))),
        };
        let mut miss = match tried {
            Ok(outcome) => return Ok(outcome),
            Err(miss) => miss,
        };
        miss.error = miss.error.with_provider(chosen.provider.id.clone());
        if !miss.is_sent && said.is_some() {
            // What the provider said is worth more than that it now rests because of it.
            return Err(said.unwrap_or(miss));
        }
        let is_spent = call.attempts.len() >= ATTEMPTS_MAX;
        if !is_spent && switches > 0 && may_switch_key(call, &chosen, &miss) {
            switches -= 1;
            said = Some(miss);
            continue;
        }
        sent += u32::from(miss.is_sent);
        let is_spent = is_spent
            || sent >= call.snapshot.engine.attempts_per_candidate
            || (!miss.is_sent && std::mem::replace(&mut has_waited, true));
        match wait_ms(call, &miss.error, sent, has_next) {
            Some(wait_ms) if !is_spent => tokio::time::sleep(Duration::from_millis(wait_ms)).await,
            _ => return Err(miss),
        }
        said = miss.is_sent.then_some(miss);
    }
}

fn chosen<'a>(call: &Call, planned: &'a Planned, candidate: &'a Candidate) -> Result<Chosen<'a>> {
    let id = &candidate.offering.provider;
    let provider = call.snapshot.providers.get(id).cloned().ok_or_else(|| {
        Error::internal(format!("provider `{id}` is planned but not configured"))
            .with_retry(Retry::Next)
    })?;
    let spoken = call.inbound.raw.as_ref().map(|(dialect, _)| *dialect);
    let is_same_dialect = spoken == Some(provider.dialect.id());
    let is_pass_through = is_same_dialect && !call.is_edited;
    Ok(Chosen { planned, candidate, provider, is_same_dialect, is_pass_through })
}

/// True where the key just used was refused or limited, and another one can be used now.
fn may_switch_key(call: &Call, chosen: &Chosen<'_>, miss: &Miss) -> bool {
    let is_about_the_key = matches!(
        miss.error.kind(),
        Kind::ProviderAuth | Kind::ProviderBilling | Kind::ProviderRateLimited
    );
    let now_ms = call.engine.resources.clock.monotonic_ms();
    miss.is_sent && is_about_the_key && exchange::usable_key(call, chosen, now_ms).is_ok()
}

/// How long to wait before the same candidate is tried again; `None`: not again.
fn wait_ms(call: &Call, error: &Error, sent: u32, has_next: bool) -> Option<u64> {
    let Retry::Same { after_ms } = error.retry() else { return None };
    let options = &call.snapshot.engine;
    let asked_ms = after_ms.filter(|asked_ms| *asked_ms > 0);
    // Another candidate answers sooner than a wait that the provider asked for.
    if has_next && asked_ms.is_some_and(|asked_ms| asked_ms > options.backoff_ms) {
        return None;
    }
    let wait_ms = asked_ms.unwrap_or_else(|| backoff_ms(call, sent));
    let is_in_time = call.elapsed_ms().saturating_add(wait_ms) < options.deadline_ms;
    (wait_ms <= RETRY_AFTER_WAIT_MS_MAX && is_in_time).then_some(wait_ms)
}

/// Half fixed, half random, doubled with every try.
fn backoff_ms(call: &Call, sent: u32) -> u64 {
    let doublings = sent.saturating_sub(1).min(6);
    let full = call.snapshot.engine.backoff_ms.saturating_mul(1 << doublings);
    let full = full.min(RETRY_AFTER_WAIT_MS_MAX);
    let mut byte = [0_u8; 1];
    call.engine.resources.entropy.fill(&mut byte);
    full / 2 + (full - full / 2) * u64::from(byte[0]) / 255
}
