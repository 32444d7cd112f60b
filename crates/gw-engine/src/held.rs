//! An answer that is held back: whole, read, and not given to the client yet.

use std::sync::Arc;
use std::time::Duration;

use gw_catalog::Offering;
use gw_core::chat::Part;
use gw_core::limits::CHECKED_ANSWER_BYTES_MAX;
use gw_core::record::{AttemptRecord, CallStatus};
use gw_core::reply::{ChatReply, StopReason};
use gw_core::reservation::Reservation;
use gw_core::{Error, Kind, Layer, ProviderId, Result};
use gw_routing::verify::{self, Fault};

use crate::answer::Head;
use crate::attempt;
use crate::call::Call;
use crate::exchange::Outcome;
use crate::in_flight::failed;
use crate::meter::Meter;
use crate::plan::Planned;
use crate::relay::{Gathered, Live};

/// An answer that is held back.
pub(crate) struct Held {
    pub(crate) outcome: Outcome,
    /// What it says; of a stream that is too long, only its beginning.
    pub(crate) reply: ChatReply,
    /// What it cost.
    pub(crate) attempt: AttemptRecord,
    pub(crate) offering: Arc<Offering>,
    pub(crate) layer: Layer,
    /// Why it cannot stand, by the checks that need no second model.
    pub(crate) fault: Option<Fault>,
    /// False for a stream that is too long to be held: it goes to the client as it is.
    pub(crate) is_whole: bool,
}

impl Held {
    /// The parts of the first choice.
    pub(crate) fn parts(&self) -> &[Part] {
        self.reply.choices.first().map_or(&[], |choice| &choice.parts)
    }

    /// What is known of it before its first byte.
    pub(crate) fn head(&mut self) -> &mut Head {
        self.outcome.head_mut()
    }

    /// True where it may be given to the client as far as the hard checks know.
    pub(crate) fn is_sound(&self) -> bool {
        self.fault.is_none()
    }
}

/// Gets an answer of the plan's candidates, whole. A stream is read to its end before anybody has it;
/// one that breaks off in the middle is no answer, and the next candidate is asked.
pub(crate) async fn hear(call: &mut Call, planned: &Planned, hold: &Reservation) -> Result<Held> {
    let mut left = planned.without(&[]);
    loop {
        let outcome = attempt::attempt(call, &left, hold).await?;
        let mut live = match outcome {
            Outcome::Whole(whole) => {
                let reply = whole.reply.clone();
                return held(call, planned, Outcome::Whole(whole), reply, true);
            }
            Outcome::Streaming(live) => live,
            Outcome::Operation(_) | Outcome::Bytes(_) => {
                return Err(Error::internal("a chat was answered as an operation"));
            }
        };
        let mut meter = Meter::new(true);
        match gather(call, &mut live, &mut meter).await {
            Ok(Gathered::Whole) => {
                end(call, &live, &meter, None);
                let reply = meter.into_reply().unwrap_or_default();
                return held(call, planned, Outcome::Streaming(live), reply, true);
            }
            Ok(Gathered::TooLong) => {
                let reply = meter.into_reply().unwrap_or_default();
                return held(call, planned, Outcome::Streaming(live), reply, false);
            }
            Err(error) => {
                let error = error.with_provider(ProviderId::from(live.head.provider.as_str()));
                end(call, &live, &meter, Some(&error));
                left = left.after(&live.head.model_id);
                if left.plan.candidates.is_empty() {
                    return Err(error);
                }
            }
        }
    }
}

async fn gather(call: &Call, live: &mut Live, meter: &mut Meter) -> Result<Gathered> {
    let deadline_ms = call.snapshot.engine.deadline_ms;
    let left_ms = deadline_ms.saturating_sub(call.elapsed_ms());
    let gathering = live.gather(meter, CHECKED_ANSWER_BYTES_MAX);
    match tokio::time::timeout(Duration::from_millis(left_ms), gathering).await {
        Ok(gathered) => gathered,
        Err(_) => {
            let message = format!("no whole answer within {deadline_ms} ms");
            Err(Error::new(Kind::ProviderTimeout, message))
        }
    }
}

/// Closes the attempt that a gathered stream was.
fn end(call: &mut Call, live: &Live, meter: &Meter, error: Option<&Error>) {
    let Some(tried) = call.in_flight.as_ref().map(|attempt| &attempt.tried) else { return };
    let health = &call.engine.health;
    match error {
        None => health.succeed(tried),
        Some(error) => {
            let now_ms = call.engine.resources.clock.monotonic_ms();
            health.fail(tried, error, now_ms, &call.snapshot.engine);
        }
    }
    let report = meter.report(call.features.likely_input_tokens, error.is_none());
    let model = if meter.model().is_empty() { &live.head.model } else { meter.model() }.to_owned();
    call.answered_as(&model);
    call.end_attempt(error.map_or(CallStatus::Ok, failed), Some(&report));
}

fn held(
    call: &Call,
    planned: &Planned,
    outcome: Outcome,
    reply: ChatReply,
    is_whole: bool,
) -> Result<Held> {
    let head = outcome.head();
    let candidates = &planned.plan.candidates;
    let found = candidates.iter().find(|candidate| candidate.offering.id() == head.model_id);
    let candidate = found.ok_or_else(|| Error::internal("an answer of nobody who was asked"))?;
    let attempt =
        call.attempts.last().cloned().filter(|_| is_whole).unwrap_or_else(|| nothing(head));
    let fault = if is_whole { fault(call, &reply) } else { None };
    let (offering, layer) = (Arc::clone(&candidate.offering), candidate.layer);
    Ok(Held { outcome, reply, attempt, offering, layer, fault, is_whole })
}

/// Stands in for an attempt that is still under way.
fn nothing(head: &Head) -> AttemptRecord {
    AttemptRecord {
        purpose: gw_core::record::Purpose::Answer,
        provider: head.provider.clone(),
        model: head.model.clone(),
        layer: head.layer,
        status: CallStatus::Ok,
        usage: gw_core::Usage::default(),
        cost: crate::in_flight::NOTHING_SPENT,
        duration_ms: 0,
    }
}

/// The hard checks. An answer that ended at the limit that its client set is as long as was asked for.
fn fault(call: &Call, reply: &ChatReply) -> Option<Fault> {
    let Some(choice) = reply.choices.first() else { return Some(Fault::Empty) };
    let request = &call.inbound.request;
    let reason = choice.stop.as_ref().map(|stop| &stop.reason);
    let has_own_limit = request.max_output_tokens.is_some() && !call.filled.max_output_tokens;
    match reason {
        Some(StopReason::MaxTokens) if has_own_limit => return None,
        Some(StopReason::Refusal) => return Some(Fault::Refused),
        Some(StopReason::PauseTurn) => return None,
        _ => {}
    }
    let is_cut = matches!(reason, Some(StopReason::MaxTokens | StopReason::ContextWindow));
    verify::fault(request, &choice.parts, is_cut)
}
