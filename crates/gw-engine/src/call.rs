//! One call under way: what its steps read and what its record will say.

use std::sync::Arc;

use gw_core::error::Error;
use gw_core::record::{AttemptRecord, CallRecord, CallStatus};
use gw_core::reservation::Reservation;
use gw_core::{CallId, Cost, Layer, ModelName, Money, ProviderId, Usage};
use gw_routing::Features;

use crate::answer::{Failure, Receipt};
use crate::engine::Engine;
use crate::events;
use crate::inbound::Inbound;
use crate::options::Snapshot;

/// A call under way. Dropped before it is finished (the client left), it settles and records
/// itself as cancelled.
pub(crate) struct Call {
    pub(crate) engine: Arc<Engine>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) id: CallId,
    pub(crate) inbound: Inbound,
    pub(crate) features: Features,
    /// True where the request is no longer what the client's bytes say.
    pub(crate) is_edited: bool,
    /// Number of messages at the end of the request that the client sent now.
    pub(crate) new_messages: usize,
    pub(crate) attempts: Vec<AttemptRecord>,
    pub(crate) hold: Option<Arc<Reservation>>,
    pub(crate) route: Route,
    /// What the attempt in flight will have cost if it is cut off now.
    pub(crate) in_flight: Option<AttemptRecord>,
    /// True once the provider began to answer the attempt in flight with success.
    pub(crate) is_answering: bool,
    pub(crate) first_token_ms: Option<u64>,
    started_at_ms: i64,
    began_ms: u64,
    is_finished: bool,
}

/// What was decided about a call, for its record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Route {
    pub(crate) model: String,
    pub(crate) model_id: String,
    pub(crate) provider: String,
    pub(crate) layer: Option<Layer>,
    pub(crate) summary: String,
    pub(crate) is_demo: bool,
}

impl Call {
    pub(crate) fn begin(engine: &Arc<Engine>, inbound: Inbound) -> Box<Self> {
        let clock = &engine.resources.clock;
        Box::new(Self {
            engine: Arc::clone(engine),
            snapshot: engine.snapshot(),
            id: CallId::new(clock.as_ref(), engine.resources.entropy.as_ref()),
            features: Features::of(&inbound.request),
            new_messages: inbound.request.messages.len(),
            is_edited: false,
            attempts: Vec::new(),
            hold: None,
            route: Route::default(),
            in_flight: None,
            is_answering: false,
            first_token_ms: None,
            started_at_ms: clock.unix_ms(),
            began_ms: clock.monotonic_ms(),
            is_finished: false,
            inbound,
        })
    }

    /// Milliseconds since the call began.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        self.engine.resources.clock.monotonic_ms().saturating_sub(self.began_ms)
    }

    /// When the call began, in milliseconds since 1970.
    pub(crate) fn started_at_ms(&self) -> i64 {
        self.started_at_ms
    }

    /// What all attempts consumed and cost so far.
    pub(crate) fn receipt(&self) -> Receipt {
        let mut usage = Usage::default();
        let mut cost: Option<Cost> = None;
        for attempt in &self.attempts {
            usage = usage.plus(&attempt.usage);
            cost = Some(match cost {
                Some(sum) => sum.plus(attempt.cost.clone()),
                None => attempt.cost.clone(),
            });
        }
        Receipt {
            usage,
            cost: cost.unwrap_or(NOTHING_SPENT),
            duration_ms: self.elapsed_ms(),
            first_token_ms: self.first_token_ms,
            attempts: self.attempts.len(),
        }
    }

    /// Ends the call: settles its money, counts it, and gives its record. Nothing can be changed
    /// after.
    pub(crate) fn finish(&mut self, status: CallStatus) -> (CallRecord, Receipt) {
        self.is_finished = true;
        if let Some(mut attempt) = self.in_flight.take() {
            attempt.duration_ms = self.elapsed_ms().saturating_sub(attempt.duration_ms);
            let provider = ProviderId::from(attempt.provider.as_str());
            self.engine.health.abandon(&provider, &ModelName::from(attempt.model.as_str()));
            self.attempts.push(attempt);
        }
        let receipt = self.receipt();
        if let Some(hold) = self.hold.take() {
            let tokens = receipt.usage.total_input().saturating_add(receipt.usage.total_output());
            hold.settle(receipt.cost.amount_or_zero(), tokens);
        }
        self.engine.totals.add(&receipt.usage, &receipt.cost, receipt.duration_ms, status.is_ok());
        let record = self.record(status, &receipt);
        events::call_ended(&record);
        (record, receipt)
    }

    /// Ends the call without an answer and keeps its record.
    pub(crate) async fn fail(mut self: Box<Self>, error: Error) -> Failure {
        let status = CallStatus::Failed {
            code: error.kind().row().code.to_owned(),
            message: error.message().to_owned(),
        };
        let (record, _) = self.finish(status);
        crate::remember::keep_record(&self.engine, record).await;
        Failure { call_id: self.id, error }
    }

    fn record(&self, status: CallStatus, receipt: &Receipt) -> CallRecord {
        let context = &self.inbound.context;
        let principal = &self.inbound.principal;
        let conversation = context.conversation.as_ref();
        CallRecord {
            id: self.id,
            started_at_ms: self.started_at_ms,
            conversation_id: conversation.map(|conversation| conversation.id.clone()),
            user_id: conversation
                .and_then(|conversation| conversation.user_id.clone())
                .or_else(|| principal.user_id.clone()),
            project_id: conversation
                .and_then(|conversation| conversation.project_id.clone())
                .or_else(|| principal.project_id.clone()),
            key_id: principal.key_id.clone(),
            door: self.inbound.door.as_str().to_owned(),
            requested_model: self.inbound.request.model.clone(),
            model: self.route.model.clone(),
            model_id: self.route.model_id.clone(),
            provider: self.route.provider.clone(),
            layer: self.route.layer,
            route_reason: self.route.summary.clone(),
            task: context.task.unwrap_or(self.features.task),
            complexity: context.complexity.unwrap_or(self.features.complexity),
            stream: self.inbound.request.stream,
            status,
            attempts: self.attempts.clone(),
            usage: receipt.usage,
            cost: receipt.cost.clone(),
            duration_ms: receipt.duration_ms,
            first_token_ms: receipt.first_token_ms,
            cached: false,
            demo: self.route.is_demo,
            metadata: context.metadata.clone(),
        }
    }
}

/// A call that reached no provider.
pub(crate) const NOTHING_SPENT: Cost =
    Cost::Priced { amount: Money::ZERO, source: gw_core::money::CostSource::Catalogue };

impl Drop for Call {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        let (record, _) = self.finish(CallStatus::Cancelled);
        let engine = Arc::clone(&self.engine);
        // Outside a runtime (the process is going down) there is nobody left to write it.
        if tokio::runtime::Handle::try_current().is_ok() {
            let tasks = engine.tasks.clone();
            tasks.spawn(async move { crate::remember::keep_record(&engine, record).await });
        }
    }
}
