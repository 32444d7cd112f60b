//! One call under way: what its steps read and what its record will say.

use std::sync::Arc;

use gw_core::operation::Operation;
use gw_core::record::{AttemptRecord, CallRecord, CallStatus, Purpose};
use gw_core::reservation::Reservation;
use gw_core::task::{Complexity, TaskType};
use gw_core::{CallId, Error, Kind, Layer, ModelName, Money, Scope};
use gw_routing::Features;
use gw_routing::policy::Ruling;
use parking_lot::Mutex;

use crate::admit::Filled;
use crate::answer::{Failure, Receipt};
use crate::cache::Course;
use crate::confirm::Resumed;
use crate::engine::Engine;
use crate::in_flight::{InFlight, failed};
use crate::inbound::Inbound;
use crate::learning::{self, Advised};
use crate::options::Snapshot;
use crate::recall::Moved;
use crate::reserve::Need;
use crate::{events, remember, settle};

/// A call under way. Dropped before it is finished (the client left), it settles and records
/// itself as cancelled; a branch hands over to its call instead.
pub(crate) struct Call {
    pub(crate) engine: Arc<Engine>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) id: CallId,
    pub(crate) inbound: Inbound,
    pub(crate) features: Features,
    /// What is asked, where it is no chat; the request then holds no more than the model's name.
    pub(crate) operation: Option<Arc<Operation>>,
    /// True where the request is no longer what the client's bytes say.
    pub(crate) is_edited: bool,
    /// Which of its fields are configured defaults.
    pub(crate) filled: Filled,
    /// Number of messages at the end of the request that the client sent now.
    pub(crate) new_messages: usize,
    /// A summary that moved on while the call was made ready.
    pub(crate) moved: Option<Box<Moved>>,
    /// The hash of everything up to each message as the client sent it, where turns are kept by it.
    pub(crate) chain: Vec<String>,
    pub(crate) attempts: Vec<AttemptRecord>,
    /// The attempt whose answer the client has, where others came after it.
    pub(crate) answered: Option<AttemptRecord>,
    /// What the attempts under way are for.
    pub(crate) purpose: Purpose,
    /// What branches of this call have spent and not handed over yet.
    side: Arc<Mutex<Side>>,
    /// The offer of an earlier call that this one takes up.
    pub(crate) resumed: Option<Resumed>,
    /// What policies decided.
    pub(crate) ruling: Ruling,
    /// The side of the call that this one is a branch of.
    parent: Option<Arc<Mutex<Side>>>,
    pub(crate) hold: Option<Arc<Reservation>>,
    /// What is held, all extensions included.
    pub(crate) held: Need,
    /// Every account it goes on.
    pub(crate) scopes: Vec<Scope>,
    pub(crate) route: Route,
    /// What the response cache has to do with it.
    pub(crate) course: Course,
    pub(crate) in_flight: Option<InFlight>,
    pub(crate) first_token_ms: Option<u64>,
    /// What was learned, where it decides.
    pub(crate) advised: Option<Advised>,
    started_at_ms: i64,
    began_ms: u64,
    is_finished: bool,
}

/// What branches leave behind for their call.
#[derive(Debug, Default)]
struct Side {
    attempts: Vec<AttemptRecord>,
    held: Need,
}

/// What was decided about a call, for its record. Model, provider and layer are those that
/// answered, and empty until one does.
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
            operation: None,
            moved: None,
            chain: Vec::new(),
            is_edited: false,
            filled: Filled::default(),
            attempts: Vec::new(),
            answered: None,
            purpose: Purpose::Answer,
            side: Arc::default(),
            resumed: None,
            ruling: Ruling::default(),
            parent: None,
            hold: None,
            held: Need::default(),
            scopes: inbound
                .principal
                .scopes(inbound.context.conversation.as_ref().map(|conversation| &conversation.id)),
            route: Route::default(),
            course: Course::default(),
            in_flight: None,
            first_token_ms: None,
            advised: None,
            started_at_ms: clock.unix_ms(),
            began_ms: clock.monotonic_ms(),
            is_finished: false,
            inbound,
        })
    }

    /// A further question within this call: it spends what the call holds, and whatever becomes of
    /// it, its attempts stand in the call's record. What is held and not billed yet goes to the first
    /// branch that asks for it.
    pub(crate) fn branch(
        &mut self,
        purpose: Purpose,
        inbound: Inbound,
        is_edited: bool,
    ) -> Box<Self> {
        self.absorb();
        let held = self.held.less(&self.attempts);
        self.held = self.held.without(held);
        let mut ruling = self.ruling.clone();
        let billed = self.attempts.iter().map(|attempt| attempt.cost.amount_or_zero()).sum();
        ruling.cost_max = ruling.cost_max.map(|most| most.saturating_sub(billed).max(Money::ZERO));
        let features =
            if is_edited { Features::of(&inbound.request) } else { self.features.clone() };
        Box::new(Self {
            engine: Arc::clone(&self.engine),
            snapshot: Arc::clone(&self.snapshot),
            id: self.id,
            features,
            is_edited: self.is_edited || is_edited,
            filled: self.filled,
            new_messages: 0,
            attempts: Vec::new(),
            answered: None,
            purpose,
            side: Arc::default(),
            resumed: None,
            ruling,
            parent: Some(Arc::clone(&self.side)),
            hold: None,
            held,
            scopes: self.scopes.clone(),
            route: Route::default(),
            in_flight: None,
            first_token_ms: None,
            advised: None,
            started_at_ms: self.started_at_ms,
            began_ms: self.began_ms,
            is_finished: false,
            inbound,
        })
    }

    /// Takes over what ended branches have spent.
    pub(crate) fn absorb(&mut self) {
        let Side { attempts, held } = std::mem::take(&mut *self.side.lock());
        self.attempts.extend(attempts);
        self.held = self.held.with(held);
    }

    /// Ends a branch: what it tried, finished or not, goes to its call.
    fn hand_over(&mut self, parent: &Mutex<Side>) {
        self.absorb();
        if let Some(attempt) = &self.in_flight {
            self.engine.health.leave(&attempt.tried);
            let prompt = self.prompt_alone();
            self.end_attempt(CallStatus::Cancelled, Some(&prompt));
        }
        let mut side = parent.lock();
        side.attempts.append(&mut self.attempts);
        side.held = side.held.with(self.held);
    }

    /// Milliseconds since the call began.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        self.engine.resources.clock.monotonic_ms().saturating_sub(self.began_ms)
    }

    /// Under which name the health of a model is kept. That it fails at one kind of operation says
    /// nothing about another kind, or about chats.
    pub(crate) fn health_name(&self, model: &ModelName) -> ModelName {
        match &self.operation {
            Some(operation) => ModelName::from(format!("{model} ({})", operation.kind)),
            None => model.clone(),
        }
    }

    /// What the request is for: the caller's word, or the guess.
    pub(crate) fn task(&self) -> TaskType {
        self.inbound.context.task.or(self.ruling.task).unwrap_or(self.features.task)
    }

    /// How hard it is, likewise.
    pub(crate) fn complexity(&self) -> Complexity {
        self.inbound.context.complexity.unwrap_or(self.features.complexity)
    }

    /// When the call began, in milliseconds since 1970.
    pub(crate) fn started_at_ms(&self) -> i64 {
        self.started_at_ms
    }

    /// Ends the call: settles its money, counts it, and gives its record. Nothing can be changed
    /// after.
    pub(crate) fn finish(&mut self, status: CallStatus) -> (CallRecord, Receipt) {
        self.is_finished = true;
        self.absorb();
        if let Some(attempt) = &self.in_flight {
            self.engine.health.leave(&attempt.tried);
            let prompt = self.prompt_alone();
            self.end_attempt(CallStatus::Cancelled, Some(&prompt));
        }
        let receipt = settle::settle(self);
        self.engine.totals.add(&receipt, &status);
        let mut record = self.record(status, &receipt);
        learning::ended(self, &mut record);
        self.engine.trials.observe(&record);
        events::call_ended(&record);
        (record, receipt)
    }

    /// Ends a call that was only looked at: nothing was held or sent, so nothing is recorded.
    pub(crate) fn forget(mut self: Box<Self>) {
        self.is_finished = true;
    }

    /// Ends the call without an answer and keeps its record.
    pub(crate) async fn fail(mut self: Box<Self>, error: Error) -> Failure {
        let (record, _) = self.finish(failed(&error));
        remember::keep_surely(&self.engine, remember::keep_record(&self.engine, record)).await;
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
            scopes: self.scopes.clone(),
            door: self.inbound.door.as_str().to_owned(),
            requested_model: self.inbound.request.model.clone(),
            model: self.route.model.clone(),
            model_id: self.route.model_id.clone(),
            provider: self.route.provider.clone(),
            layer: self.route.layer,
            route_reason: self.route.summary.clone(),
            task: self.task(),
            complexity: self.complexity(),
            stream: self.inbound.request.stream,
            status,
            attempts: self.attempts.clone(),
            usage: receipt.usage,
            cost: receipt.cost.clone(),
            duration_ms: receipt.duration_ms,
            first_token_ms: receipt.first_token_ms,
            cached: self.course.served.is_some(),
            demo: self.route.is_demo,
            savings: settle::savings(self),
            metadata: context.metadata.clone(),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        if let Some(parent) = self.parent.take() {
            self.hand_over(&parent);
            return;
        }
        let (record, _) = self.finish(CallStatus::Cancelled);
        // Outside a runtime the process is going down and nobody is left to write to the store.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.engine.tasks.spawn(remember::keep_record(&self.engine, record));
        } else {
            let error = Error::new(Kind::ShuttingDown, "the runtime is gone");
            events::record_not_kept(&record, &error);
        }
    }
}
