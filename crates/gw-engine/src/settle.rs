//! Turns what all attempts consumed into the call's bill, and gives back what was held beyond it.

use gw_core::Usage;
use gw_core::record::{CallStatus, Savings};
use gw_ledger::savings::touches_cache;

use crate::answer::Receipt;
use crate::call::Call;
use crate::events;
use crate::in_flight::NOTHING_SPENT;

/// Books the sum of all attempts. It may be more than was held, where several attempts broke off
/// after they had cost something: the truth is booked all the same, and noted.
pub(crate) fn settle(call: &mut Call) -> Receipt {
    let receipt = receipt(call);
    if let Some(hold) = call.hold.take() {
        let tokens = receipt.usage.total_input().saturating_add(receipt.usage.total_output());
        let spent = receipt.cost.amount_or_zero();
        hold.settle(spent, tokens);
        if let Some(held) = call.held.money
            && spent > held
        {
            events::spent_beyond_hold(call.id, held, spent);
        }
    }
    receipt
}

/// What the answer saved. Attempts without an answer saved nothing, and simulated models neither.
pub(crate) fn savings(call: &Call) -> Savings {
    if let Some(served) = call.course.served.filter(|_| !call.route.is_demo) {
        let reference = call.engine.reference();
        let at_ms = call.started_at_ms();
        let saved = gw_ledger::savings::savings(reference.as_deref(), None, &served.usage, at_ms);
        return Savings { response_cache: served.cost, ..saved };
    }
    // Nothing that is no chat would have been asked of the top layer.
    let is_chat = call.operation.is_none();
    let answered = call.answered.as_ref().or(call.attempts.last());
    let Some(answered) = answered.filter(|_| is_chat && !call.route.is_demo) else {
        return Savings::default();
    };
    if matches!(answered.status, CallStatus::Failed { .. }) || call.route.layer.is_none() {
        return Savings::default();
    }
    let reference = call.engine.reference();
    let usage = &answered.usage;
    let offering = touches_cache(usage).then(|| {
        call.snapshot.catalog.or_unlisted(&answered.provider.as_str().into(), &answered.model)
    });
    gw_ledger::savings::savings(
        reference.as_deref(),
        offering.as_deref(),
        usage,
        call.started_at_ms(),
    )
}

fn receipt(call: &Call) -> Receipt {
    let usage =
        call.attempts.iter().fold(Usage::default(), |sum, attempt| sum.plus(&attempt.usage));
    let cost = call
        .attempts
        .iter()
        .map(|attempt| attempt.cost.clone())
        .reduce(gw_core::Cost::plus)
        .unwrap_or(NOTHING_SPENT);
    Receipt {
        usage,
        cost,
        duration_ms: call.elapsed_ms(),
        first_token_ms: call.first_token_ms,
        attempts: call.attempts.len(),
    }
}
