//! Holds the plan's worst case before anything is sent.

use std::sync::Arc;

use gw_catalog::Offering;
use gw_core::reservation::{Claim, Reservation};
use gw_core::{Error, Kind, Money, Result};

use crate::call::Call;
use crate::plan::Planned;

/// Tokens an answer is reckoned with where neither the request nor the catalogue limits it.
const UNLIMITED_OUTPUT_TOKENS: u64 = 128_000;

/// Reserves the dearest candidate's worst case: one candidate answers, the others fail unbilled.
/// Where prices must be known, candidates without one are left out.
pub(crate) async fn reserve(call: &mut Call, planned: &mut Planned) -> Result<Arc<Reservation>> {
    let mut worst: Option<Money> = Some(Money::ZERO);
    let mut worst_output = 0;
    let mut unpriced: Option<String> = None;
    let allows_unpriced = call.snapshot.engine.allow_unpriced;
    planned.plan.candidates.retain(|candidate| {
        let offering = &candidate.offering;
        let output = output_tokens(call, offering);
        let price = gw_ledger::worst_case_in(
            call.inbound.request.service_tier.as_deref(),
            offering,
            call.features.input_tokens,
            output,
            call.started_at_ms(),
        );
        if price.is_none() && !allows_unpriced {
            unpriced.get_or_insert_with(|| offering.id());
            return false;
        }
        worst_output = worst_output.max(output);
        worst = worst.zip(price).map(|(worst, price)| worst.max(price));
        true
    });
    if planned.plan.candidates.is_empty() {
        let message = format!("model `{}` has no known price", unpriced.unwrap_or_default());
        return Err(Error::new(Kind::Forbidden, message).with_field("model").with_hint(
            "Give it a price under [[models]] in gateway.toml, or set cost.unpriced = \"allow\".",
        ));
    }
    let principal = call.inbound.principal.clone();
    let conversation = call.inbound.context.conversation.as_ref().map(|it| it.id.clone());
    let claim = Claim {
        worst_case: worst,
        worst_tokens: call.features.input_tokens.saturating_add(worst_output),
        ..Claim::new(call.id, principal, call.started_at_ms()).with_conversation(conversation)
    };
    let budgets = Arc::clone(&call.engine.resources.budgets);
    let hold = Arc::new(Reservation::make(budgets, claim).await?);
    call.hold = Some(Arc::clone(&hold));
    call.worst_case = worst;
    Ok(hold)
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
