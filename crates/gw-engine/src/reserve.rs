//! Holds what a call may cost before anything is sent: the first candidate's worst case, and more
//! before anything dearer, or a further try after one that was billed.
//!
//! Holding the dearest candidate's price from the start would refuse calls that can be paid.

use std::sync::Arc;

use gw_catalog::Offering;
use gw_core::budget::Room;
use gw_core::record::AttemptRecord;
use gw_core::reservation::{Claim, Reservation};
use gw_core::{Error, Kind, Money, Result, Retry};

use crate::call::Call;
use crate::plan::Planned;

/// Tokens an answer is reckoned with where neither the request nor the catalogue limits it.
const UNLIMITED_OUTPUT_TOKENS: u64 = 128_000;

/// Models named in a reason at most.
const NAMED_MAX: usize = 4;

/// What may be needed at worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// `None` where a price is not known and that is allowed.
    pub(crate) money: Option<Money>,
    /// Tokens read and written.
    pub(crate) tokens: u64,
}

impl Default for Need {
    fn default() -> Self {
        Self { money: Some(Money::ZERO), tokens: 0 }
    }
}

impl Need {
    /// What is left of it after these attempts.
    pub(crate) fn less(self, attempts: &[AttemptRecord]) -> Self {
        let (billed, used) = consumed(attempts);
        Self {
            money: self.money.map(|money| money.saturating_sub(billed).max(Money::ZERO)),
            tokens: self.tokens.saturating_sub(used),
        }
    }

    /// Both together.
    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            money: Some(self.money.unwrap_or_default() + other.money.unwrap_or_default()),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }

    /// What is left of it when a part is given away.
    pub(crate) fn without(self, part: Self) -> Self {
        let left = self.money.unwrap_or_default().saturating_sub(part.money.unwrap_or_default());
        Self { money: Some(left), tokens: self.tokens.saturating_sub(part.tokens) }
    }

    fn fits(self, room: &Room) -> bool {
        let money = self.money.unwrap_or_default();
        let has_money = money.is_zero() || room.dollars.is_none_or(|left| money <= left);
        has_money && room.tokens.is_none_or(|left| self.tokens <= left)
    }
}

/// Reserves the first candidate's worst case. Candidates that may not or cannot be paid for are left
/// out, and the plan's reason says so; where no other is left, the reservation itself says which
/// budget cannot pay.
pub(crate) async fn reserve(call: &mut Call, planned: &mut Planned) -> Result<Arc<Reservation>> {
    leave_out_unpriced(call, planned)?;
    leave_out_too_dear(call, planned);
    let first = planned.plan.candidates.first();
    let first = first.ok_or_else(|| Error::internal("a plan without candidates"))?;
    let need = need(call, &first.offering)?;
    keep_to_policy(call, need.money.unwrap_or_default())?;
    let claim = Claim {
        call_id: call.id,
        principal: call.inbound.principal.clone(),
        at_ms: call.started_at_ms(),
        scopes: call.scopes.clone(),
        conversation: call.inbound.context.conversation.as_ref().map(|it| it.id.clone()),
        worst_case: need.money,
        worst_tokens: need.tokens,
        // The gateway's own question is none of the caller's requests.
        requests: u64::from(!call.inbound.door.is_own()),
    };
    let budgets = Arc::clone(&call.engine.resources.budgets);
    let hold = Arc::new(Reservation::make(budgets, claim).await?);
    call.hold = Some(Arc::clone(&hold));
    call.held = need;
    Ok(hold)
}

/// Holds more where what was billed so far and one more try at this model need it.
///
/// # Errors
/// [`gw_core::Kind::BudgetExhausted`] and [`gw_core::Kind::RateLimited`]; a cheaper candidate may still be tried.
pub(crate) async fn extend(call: &mut Call, offering: &Offering, hold: &Reservation) -> Result<()> {
    let need = need(call, offering)?;
    let (billed, used) = consumed(&call.attempts);
    let wanted = billed + need.money.unwrap_or_default();
    keep_to_policy(call, wanted)?;
    let held = call.held.money.unwrap_or_default();
    let more = (wanted > held).then(|| wanted.saturating_sub(held));
    let tokens = used.saturating_add(need.tokens);
    let more_tokens = tokens.saturating_sub(call.held.tokens);
    if more.is_none() && more_tokens == 0 {
        return Ok(());
    }
    let more = more.unwrap_or_default();
    let extended = hold.extend(Some(more), more_tokens).await;
    extended.map_err(|error| error.with_retry(Retry::Next))?;
    call.held = Need { money: Some(held + more), tokens: call.held.tokens + more_tokens };
    Ok(())
}

/// Refuses what may cost more than a policy lets one call cost.
fn keep_to_policy(call: &Call, wanted: Money) -> Result<()> {
    match call.ruling.cost_max {
        Some(most) if wanted > most && !wanted.is_zero() => {
            let message = format!(
                "this call may cost ${} at worst; a policy allows ${}",
                wanted.to_usd_string(),
                most.to_usd_string()
            );
            Err(Error::new(Kind::BudgetExhausted, message)
                .with_retry(Retry::Next)
                .with_hint("Lower max_tokens, shorten the prompt or ask for a cheaper layer."))
        }
        _ => Ok(()),
    }
}

/// Money and tokens of attempts.
fn consumed(attempts: &[AttemptRecord]) -> (Money, u64) {
    let billed = attempts.iter().map(|attempt| attempt.cost.amount_or_zero()).sum();
    let used = attempts.iter().fold(0_u64, |sum, attempt| {
        let usage = &attempt.usage;
        sum.saturating_add(usage.total_input()).saturating_add(usage.total_output())
    });
    (billed, used)
}

/// What one try at a model may need at worst.
pub(crate) fn need(call: &Call, offering: &Offering) -> Result<Need> {
    if let Some(operation) = &call.operation {
        let most = &operation.most;
        let tokens = most.total_input().saturating_add(most.total_output());
        let priced = gw_ledger::worst_case_of(offering, most, call.started_at_ms());
        let money = call.snapshot.engine.unpriced.worst_case(priced, tokens, &offering.id());
        return Ok(Need { money: money.map_err(|error| error.with_field("model"))?, tokens });
    }
    let input = call.features.input_tokens;
    let output = output_tokens(call, offering);
    let tokens = input.saturating_add(output);
    let tier = call.inbound.request.service_tier.as_deref();
    let priced = gw_ledger::worst_case_in(tier, offering, input, output, call.started_at_ms());
    let unpriced = call.snapshot.engine.unpriced;
    let money = unpriced.worst_case(priced, tokens, &offering.id());
    Ok(Need { money: money.map_err(|error| error.with_field("model"))?, tokens })
}

fn leave_out_unpriced(call: &Call, planned: &mut Planned) -> Result<()> {
    let mut refused: Option<Error> = None;
    planned.plan.candidates.retain(|candidate| match need(call, &candidate.offering) {
        Ok(_) => true,
        Err(error) => {
            refused.get_or_insert(error);
            false
        }
    });
    match refused {
        Some(refused) if planned.plan.candidates.is_empty() => Err(refused),
        _ => Ok(()),
    }
}

/// Leaves out what budgets cannot pay for now, but never the last candidate, nor every form of a
/// model that was asked for by name.
fn leave_out_too_dear(call: &Call, planned: &mut Planned) {
    let mut room = planned.room;
    // A policy's limit for one call leaves candidates out like a budget does.
    room.dollars = match (room.dollars, call.ruling.cost_max) {
        (Some(left), Some(most)) => Some(left.min(most)),
        (left, most) => left.or(most),
    };
    let is_payable = |offering: &Offering| need(call, offering).is_ok_and(|need| need.fits(&room));
    let candidates = &mut planned.plan.candidates;
    let stays = |offering: &Offering| {
        is_payable(offering) && (!planned.is_named || offering.model == planned.first.model)
    };
    if !candidates.iter().any(|candidate| stays(&candidate.offering)) {
        candidates.truncate(1);
        return;
    }
    let mut left_out = Vec::new();
    candidates.retain(|candidate| {
        let is_payable = is_payable(&candidate.offering);
        if !is_payable {
            left_out.push(candidate.offering.id());
        }
        is_payable
    });
    if !left_out.is_empty() {
        left_out.truncate(NAMED_MAX);
        let names = left_out.join(", ");
        planned.plan.reason.push_str(&format!("; over what the budget has left: {names}"));
    }
}

/// The most that all answers asked for can be long together.
fn output_tokens(call: &Call, offering: &Offering) -> u64 {
    let each = call
        .inbound
        .request
        .max_output_tokens
        .or(offering.max_output_tokens)
        .unwrap_or(UNLIMITED_OUTPUT_TOKENS);
    each.saturating_mul(u64::from(call.features.answers.max(1)))
}
