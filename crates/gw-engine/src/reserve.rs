//! Holds the plan's worst case before anything is sent.

use std::sync::Arc;

use gw_core::reservation::{Claim, Reservation};
use gw_core::{Error, Kind, Money, Result};
use gw_routing::Plan;

use crate::call::Call;

/// Tokens an answer is reckoned with where neither the request nor the catalogue limits it.
const UNLIMITED_OUTPUT_TOKENS: u64 = 128_000;

/// Reserves the dearest candidate's worst case: one candidate answers, the others fail unbilled.
pub(crate) async fn reserve(call: &mut Call, plan: &Plan) -> Result<Arc<Reservation>> {
    let input_tokens = call.features.input_tokens;
    let mut worst: Option<Money> = Some(Money::ZERO);
    let mut worst_output = 0;
    for candidate in &plan.candidates {
        let offering = &candidate.offering;
        let output = call
            .inbound
            .request
            .max_output_tokens
            .or(offering.max_output_tokens)
            .unwrap_or(UNLIMITED_OUTPUT_TOKENS);
        worst_output = worst_output.max(output);
        let at_ms = call.started_at_ms();
        let price = gw_ledger::worst_case(offering, input_tokens, output, at_ms);
        if price.is_none() && !call.snapshot.engine.allow_unpriced {
            let message = format!("model `{}` has no known price", offering.id());
            return Err(Error::new(Kind::Forbidden, message).with_hint(
                "Give it a price under [[models]] in gateway.toml, or set cost.unpriced = \"allow\".",
            ));
        }
        worst = worst.zip(price).map(|(worst, price)| worst.max(price));
    }
    let claim = Claim {
        call_id: call.id,
        principal: call.inbound.principal.clone(),
        worst_case: worst,
        worst_tokens: input_tokens.saturating_add(worst_output),
    };
    let budgets = Arc::clone(&call.engine.resources.budgets);
    let hold = Arc::new(Reservation::make(budgets, claim).await?);
    call.hold = Some(Arc::clone(&hold));
    Ok(hold)
}
