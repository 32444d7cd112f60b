//! The attempt under way: what it will be recorded and billed as, however it ends.

use std::sync::Arc;

use gw_catalog::Offering;
use gw_core::money::CostSource;
use gw_core::record::{AttemptRecord, CallStatus};
use gw_core::{Cost, Error, Kind, Layer, Money, Usage, UsageReport};

use crate::call::Call;
use crate::events;
use crate::health::Tried;

/// An attempt under way.
pub(crate) struct InFlight {
    pub(crate) tried: Tried,
    pub(crate) offering: Arc<Offering>,
    pub(crate) layer: Layer,
    /// The model that the provider says it answers with; empty until it does.
    pub(crate) answered_as: String,
    /// When it began, in milliseconds since the call did.
    pub(crate) began_ms: u64,
}

impl Call {
    /// True once the provider began to answer the attempt in flight with success.
    pub(crate) fn is_answering(&self) -> bool {
        self.in_flight.as_ref().is_some_and(|attempt| attempt.tried.is_answering())
    }

    /// What an attempt is reckoned to have consumed when it is cut off: the prompt was read.
    pub(crate) fn prompt_alone(&self) -> UsageReport {
        let usage = Usage { input: self.features.likely_input_tokens, ..Usage::default() };
        UsageReport { usage, is_estimate: true, ..UsageReport::default() }
    }

    /// Ends the attempt in flight; `None` for one that the provider does not charge.
    pub(crate) fn end_attempt(&mut self, status: CallStatus, report: Option<&UsageReport>) {
        let Some(attempt) = self.in_flight.take() else { return };
        let offering = &attempt.offering;
        let (usage, cost) = match report {
            Some(report) => {
                let billed = self.billed(offering, &attempt.answered_as);
                let cost = gw_ledger::cost(&billed, report, self.started_at_ms());
                (report.usage, self.snapshot.engine.unpriced.cost(cost, &report.usage))
            }
            None => (Usage::default(), NOTHING_SPENT),
        };
        self.attempts.push(AttemptRecord {
            purpose: self.purpose,
            provider: offering.provider.as_str().to_owned(),
            model: offering.name.as_str().to_owned(),
            layer: attempt.layer,
            status,
            usage,
            cost,
            duration_ms: self.elapsed_ms().saturating_sub(attempt.began_ms),
        });
    }

    /// Notes which model the provider says it answers with.
    pub(crate) fn answered_as(&mut self, model: &str) {
        if let Some(attempt) = &mut self.in_flight {
            model.clone_into(&mut attempt.answered_as);
        }
    }

    /// The model whose price is charged: the one that answered, where it is another than was asked
    /// (DeepSeek serves `deepseek-chat` with whatever is current) and its price is known.
    fn billed(&self, asked: &Arc<Offering>, answered_as: &str) -> Arc<Offering> {
        if asked.is_free || answered_as.is_empty() || answered_as == asked.name.as_str() {
            return Arc::clone(asked);
        }
        let answered = self.snapshot.catalog.or_unlisted(&asked.provider, answered_as);
        let is_another = answered.model != asked.model && !answered.prices.is_empty();
        if is_another { answered } else { Arc::clone(asked) }
    }

    /// Ends the attempt in flight as failed before its first content. Providers do not charge for
    /// what they refuse; what breaks off in the middle of an answer has cost its prompt at least.
    pub(crate) fn end_attempt_failed(&mut self, error: &Error) {
        let has_broken_off = self.is_answering()
            && matches!(
                error.kind(),
                Kind::ProviderMalformed
                    | Kind::ProviderTimeout
                    | Kind::ProviderTooLarge
                    | Kind::ProviderUnreachable
            );
        let prompt = has_broken_off.then(|| self.prompt_alone());
        self.end_attempt(failed(error), prompt.as_ref());
        if let Some(attempt) = self.attempts.last() {
            events::attempt_failed(self.id, attempt, error);
        }
    }
}

/// The status of what this error ended.
pub(crate) fn failed(error: &Error) -> CallStatus {
    CallStatus::Failed {
        code: error.kind().row().code.to_owned(),
        message: error.message().to_owned(),
    }
}

/// The cost of what no provider charges for.
pub(crate) const NOTHING_SPENT: Cost =
    Cost::Priced { amount: Money::ZERO, source: CostSource::Catalogue };
