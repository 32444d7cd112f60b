//! The engine: what all calls share.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use gw_catalog::Offering;
use gw_context::{Handoff, Summary};
use gw_core::limits::TURNS_READ_MAX;
use gw_core::principal::Principal;
use gw_core::record::{ConversationRef, TodoItem};
use gw_core::seam::{BudgetStore, CallLog, Clock, Conversations, Entropy, Hot, StoreHealth};
use gw_core::{ConversationId, Layer};
use secrecy::ExposeSecret;
use tokio_util::task::TaskTracker;

use crate::answer::{Answer, Failure};
use crate::cache::{Cache, CacheReport};
use crate::confirm::Pending;
use crate::context::Summariser;
use crate::health::{Health, HealthReport};
use crate::inbound::Inbound;
use crate::learning::{Pace, Warm};
use crate::operate::{OperationAnswer, OperationInbound};
use crate::options::Snapshot;
use crate::policy::{Shadows, TrialReport, Trials};
use crate::preview::Preview;
use crate::refresh;
use crate::totals::{Totals, TotalsReport};
use crate::watch::Paying;

/// What the binary gives the engine once and for all.
#[derive(Clone)]
pub struct Resources {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Money.
    pub budgets: Arc<dyn BudgetStore>,
    /// Records of calls.
    pub calls: Arc<dyn CallLog>,
    /// Conversations.
    pub conversations: Arc<dyn Conversations>,
    /// Whether the store answers.
    pub store: Arc<dyn StoreHealth>,
    /// Answers that may be given again.
    pub hot: Arc<dyn Hot>,
}

/// Conversations that may be added to at one time, where turns are compared first.
const TURN_LOCKS: usize = 64;

/// Runs calls. One a process; shared by every door.
pub struct Engine {
    pub(crate) resources: Resources,
    pub(crate) health: Health,
    pub(crate) totals: Totals,
    pub(crate) cache: Cache,
    pub(crate) tasks: TaskTracker,
    /// One turn at a time is added to a conversation whose turns must be compared first.
    pub(crate) turn_locks: Vec<tokio::sync::Mutex<()>>,
    /// Offers to ask a higher layer.
    pub(crate) pending: Pending,
    /// What experiments delivered.
    pub(crate) trials: Trials,
    pub(crate) shadows: Shadows,
    /// Whether checks pay, by application.
    pub(crate) paying: Paying,
    /// The value of an answer under a budget.
    pub(crate) pace: Pace,
    /// Which model answered a conversation last.
    pub(crate) warm: Warm,
    snapshot: ArcSwap<Snapshot>,
    /// What calls are compared with, chosen once for a snapshot.
    reference: ArcSwapOption<Offering>,
}

impl Engine {
    /// An engine with its first snapshot.
    pub fn new(resources: Resources, snapshot: Snapshot) -> Arc<Self> {
        let pending = Pending::new(resources.entropy.as_ref());
        Arc::new(Self {
            cache: Cache::new(Arc::clone(&resources.hot)),
            resources,
            health: Health::default(),
            totals: Totals::default(),
            tasks: TaskTracker::new(),
            turn_locks: (0..TURN_LOCKS).map(|_| tokio::sync::Mutex::new(())).collect(),
            pending,
            trials: Trials::default(),
            shadows: Shadows::default(),
            paying: Paying::default(),
            pace: Pace::default(),
            warm: Warm::default(),
            reference: ArcSwapOption::new(reference(&snapshot)),
            snapshot: ArcSwap::from_pointee(snapshot),
        })
    }

    /// Runs one call; see the crate's documentation for its steps.
    ///
    /// # Errors
    /// A [`Failure`] holds the error to show and the id under which the call is recorded.
    pub async fn run(self: &Arc<Self>, inbound: Inbound) -> Result<Answer, Failure> {
        crate::run::run(self, inbound).await
    }

    /// Runs one call that is no chat: embeddings, reranking, moderation, pictures, sound.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub async fn operate(
        self: &Arc<Self>,
        inbound: OperationInbound,
    ) -> Result<OperationAnswer, Failure> {
        crate::operate::operate(self, inbound).await
    }

    /// Makes a new version of a conversation's summary now; `None` for a conversation without turns.
    ///
    /// # Errors
    /// [`gw_core::Kind::StoreUnavailable`].
    pub async fn summarise(
        self: &Arc<Self>,
        principal: Principal,
        conversation: ConversationRef,
        by: Summariser,
    ) -> gw_core::Result<Option<Summary>> {
        refresh::summarise(self, principal, conversation, by).await
    }

    /// A list of what is to be done for a task; a model that fails leaves it to the words.
    pub async fn todo_list(
        self: &Arc<Self>,
        principal: Principal,
        conversation: ConversationRef,
        task: &str,
        by: Summariser,
    ) -> Vec<TodoItem> {
        refresh::todo_list(self, principal, conversation, task, by).await
    }

    /// What a higher model needs to know of a conversation, within so many tokens.
    ///
    /// # Errors
    /// [`gw_core::Kind::StoreUnavailable`].
    pub async fn handoff(&self, id: &ConversationId, tokens_max: u64) -> gw_core::Result<Handoff> {
        let store = &self.resources.conversations;
        let newest = store.summary(id).await?;
        let summary = newest.map(|newest| Summary::of_value(&newest.body));
        let covered = summary.as_ref().map_or(0, |summary| summary.covers_until);
        let turns = store.turns(id, covered, TURNS_READ_MAX).await?;
        let package = Handoff::of_messages(&crate::recall::messages_of(turns), summary.as_ref());
        Ok(package.within(tokens_max))
    }

    /// Says who would answer a request and what it may cost, without asking anybody.
    ///
    /// # Errors
    /// What would keep a call from a plan.
    pub async fn preview(self: &Arc<Self>, inbound: Inbound) -> gw_core::Result<Preview> {
        crate::preview::preview(self, inbound).await
    }

    /// The configuration in force for calls that begin now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Puts a new configuration in force; calls under way keep theirs. What was said about a key
    /// is forgotten where its secret is another one now.
    pub fn replace_snapshot(&self, snapshot: Snapshot) {
        self.reference.store(reference(&snapshot));
        let snapshot = Arc::new(snapshot);
        let old = self.snapshot.swap(Arc::clone(&snapshot));
        for provider in snapshot.providers.values() {
            let before = old.providers.get(&provider.id).map_or(&[][..], |old| &old.credentials);
            for key in &provider.credentials {
                let secret = key.secret.expose_secret();
                let is_known = before
                    .iter()
                    .any(|old| old.name == key.name && old.secret.expose_secret() == secret);
                if !is_known {
                    self.health.forget_key(&provider.id, &key.name);
                }
            }
        }
    }

    /// The model that "always the top layer" means for the savings of calls; `None` where nothing is
    /// sold for a price.
    pub fn reference(&self) -> Option<Arc<Offering>> {
        self.reference.load_full()
    }

    /// What the engine was given.
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// Sums since the process began.
    pub fn totals(&self) -> TotalsReport {
        self.totals.report()
    }

    /// How the response cache does.
    pub async fn cache(&self) -> CacheReport {
        self.cache.report(&self.snapshot().engine.cache).await
    }

    /// How the configured experiments stand since the process began.
    pub fn trials(&self) -> Vec<TrialReport> {
        self.trials.report(&self.snapshot().engine.policies.trials)
    }

    /// The state of every configured provider, in order of id.
    pub fn health(&self) -> Vec<HealthReport> {
        let snapshot = self.snapshot();
        let now_ms = self.resources.clock.monotonic_ms();
        let mut reports: Vec<HealthReport> = snapshot
            .providers
            .values()
            .map(|provider| {
                let keys: Vec<&str> =
                    provider.credentials.iter().map(|key| key.name.as_str()).collect();
                self.health.report(&provider.id, &keys, now_ms)
            })
            .collect();
        reports.sort_by(|a, b| a.provider.cmp(&b.provider));
        reports
    }

    /// Waits until every stream under way is settled and recorded. No new call may begin.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn reference(snapshot: &Snapshot) -> Option<Arc<Offering>> {
    let enabled = Layer::ALL.into_iter().zip(snapshot.routing.layers_enabled);
    let layers: Vec<Layer> = enabled.filter(|(_, is_on)| *is_on).map(|(layer, _)| layer).collect();
    gw_ledger::savings::reference(&snapshot.catalog, &snapshot.provider_ids, &layers)
}
