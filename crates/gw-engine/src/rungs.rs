//! Who else may be asked: a second model of the layer, or one further up, and what that will cost.

use std::sync::Arc;

use gw_catalog::Offering;
use gw_core::{Layer, Money};
use gw_routing::Candidate;
use gw_routing::ladder::{Rung, usual_success};

use crate::call::Call;
use crate::plan::{Planned, peers};

/// Tokens of an answer that nothing is known of yet.
const USUAL_OUTPUT_TOKENS: u64 = 400;

/// Models to check an answer with, best first: of the answer's own layer, then of cheaper ones; those
/// of another family before its own, for models of one family share their errors.
pub(crate) fn reviewers(
    call: &Call,
    planned: &Planned,
    layer: Layer,
    asked: &[Arc<Offering>],
) -> Vec<Candidate> {
    let mut found = Vec::new();
    for layer in Layer::ALL.into_iter().rev().filter(|below| *below <= layer) {
        found.extend(peers(call, &planned.room, layer, asked));
    }
    let is_related = |candidate: &Candidate| {
        asked.iter().any(|known| lineage(known) == lineage(&candidate.offering))
    };
    // Stable: within each half the order stays.
    found.sort_by_key(|candidate| (candidate.layer != layer, is_related(candidate)));
    found
}

/// The models of the next layers up that have any, lowest layer first.
pub(crate) fn above(
    call: &Call,
    planned: &Planned,
    layer: Layer,
    ceiling: Layer,
    asked: &[Arc<Offering>],
) -> Vec<(Layer, Vec<Candidate>)> {
    Layer::ALL
        .into_iter()
        .filter(|next| *next > layer && *next <= ceiling)
        .map(|next| (next, peers(call, &planned.room, next, asked)))
        .filter(|(_, candidates)| !candidates.is_empty())
        .collect()
}

/// The first word of a model's family: `claude-sonnet` and `claude-haiku` are of one lineage.
fn lineage(offering: &Offering) -> &str {
    let family = offering.family.as_str();
    family.split(['-', ' ', '/', '.']).next().unwrap_or(family)
}

/// What an answer of a model will probably cost; `None` where no price is known. `output` is the
/// length of an answer that is there already.
pub(crate) fn probable_cost(
    call: &Call,
    offering: &Offering,
    output: Option<u64>,
) -> Option<Money> {
    let output = output.filter(|tokens| *tokens > 0).unwrap_or_else(|| {
        call.inbound.request.max_output_tokens.unwrap_or(u64::MAX).min(USUAL_OUTPUT_TOKENS)
    });
    let input = call.features.likely_input_tokens;
    let tier = call.inbound.request.service_tier.as_deref();
    gw_ledger::worst_case_in(tier, offering, input, output, call.started_at_ms())
}

/// A layer as the ladder sees it: its first model. One without a known price is not bought for what
/// it is worth, only where nothing else helps.
#[expect(clippy::cast_precision_loss, reason = "worths are compared, never booked")]
pub(crate) fn rung(call: &Call, layer: Layer, first: &Offering, output: Option<u64>) -> Rung {
    let cost = probable_cost(call, first, output);
    Rung {
        success: usual_success(layer),
        cost: cost.map_or(f64::INFINITY, |cost| cost.pico() as f64),
    }
}
