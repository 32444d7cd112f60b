//! The budgets and limits of several instances, behind the seam that every call goes through.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use gw_core::budget::{Budget, BudgetStatus, Limit, LimitStatus, Room, WhenAway};
use gw_core::reservation::Claim;
use gw_core::scope::{Scope, ScopeKind};
use gw_core::seam::{BudgetStore, Budgets, Clock, Instances, ManagedBudgets};
use gw_core::{Error, Kind, Money, Result, limits};
use gw_ledger::{Alert, BudgetAlert, Totals};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::account::Definition;
use crate::clerk::Office;
use crate::desk::{Desk, Outcome, Wish};
use crate::link::Link;

/// How long a lease lives without a word of its instance, in milliseconds, unless options say else.
pub const LEASE_MS: u64 = 3_000;

/// How long Redis may take for an answer, in milliseconds, unless options say else.
pub const ANSWER_MS: u64 = 250;

/// How calls go on while Redis is away, where a budget or limit has no word of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnLoss {
    /// Accounts are served out of leases, and beyond them out of an equal part of what was left when
    /// Redis was last heard; otherwise calls beyond the leases are refused.
    pub is_open: bool,
    /// Kinds of accounts for which it is the other way round.
    pub but_kinds: Vec<ScopeKind>,
    /// Accounts for which it is the other way round.
    pub but_scopes: Vec<Scope>,
}

impl OnLoss {
    /// Whether calls go on that are counted by this definition.
    fn is_open(&self, definition: &Definition) -> bool {
        match definition.when_away() {
            Some(own) => own == WhenAway::Open,
            None => self.is_open_for(definition.scope()),
        }
    }

    /// Whether calls of this account go on.
    pub fn is_open_for(&self, scope: &Scope) -> bool {
        let is_other = self.but_kinds.contains(&scope.kind) || self.but_scopes.contains(scope);
        self.is_open != is_other
    }
}

/// How to share budgets.
#[derive(Clone)]
pub struct Options {
    /// `redis://[user:password@]host:port/database`, `rediss://` for TLS, `redis+unix://` for a
    /// socket.
    pub url: String,
    /// The beginning of all keys; instances with the same one share their budgets.
    pub prefix: String,
    /// How long a lease lives without a word of its instance, in milliseconds.
    pub lease_ms: u64,
    /// How long Redis may take for an answer, in milliseconds.
    pub answer_ms: u64,
    /// What happens to calls while Redis is away.
    pub on_loss: OnLoss,
}

impl Options {
    /// With the usual times.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: "ai-mcp-gateway".to_owned(),
            lease_ms: LEASE_MS,
            answer_ms: ANSWER_MS,
            on_loss: OnLoss::default(),
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may hold a password.
        f.debug_struct("Options")
            .field("prefix", &self.prefix)
            .field("lease_ms", &self.lease_ms)
            .field("answer_ms", &self.answer_ms)
            .field("on_loss", &self.on_loss)
            .finish_non_exhaustive()
    }
}

type OnTotal = Box<dyn Fn(Alert) + Send + Sync>;

/// Budgets and limits that hold over all instances.
pub struct ClusterBudgets {
    office: Arc<Office>,
    on_loss: OnLoss,
    on_total: Option<(Money, OnTotal)>,
    wait_ms: u64,
    stop: watch::Sender<bool>,
    clerk: Mutex<Option<JoinHandle<()>>>,
}

impl ClusterBudgets {
    /// Takes up what the store defines and begins to talk to Redis. Redis need not be there yet.
    ///
    /// # Errors
    /// [`gw_core::Kind::InvalidRequest`] where the address makes no sense;
    /// [`gw_core::Kind::StoreUnavailable`] where the durable store does not answer.
    pub async fn start(
        options: Options,
        budgets: Arc<dyn Budgets>,
        instances: Arc<dyn Instances>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let link = Link::open(&options.url, &options.prefix, options.answer_ms)?;
        let now_ms = i64::try_from(clock.monotonic_ms()).unwrap_or(i64::MAX);
        let ahead_ms = clock.unix_ms().saturating_sub(now_ms);
        let instance = instances.instance().as_str().to_owned();
        let desk = Desk::new(instance, options.lease_ms, ahead_ms);
        let office = Arc::new(Office::new(desk, clock, link, budgets, instances));
        let (stop, stopped) = watch::channel(false);
        let this = Self {
            office: Arc::clone(&office),
            on_loss: options.on_loss,
            on_total: None,
            wait_ms: options.lease_ms.saturating_mul(2),
            stop,
            clerk: Mutex::new(None),
        };
        this.reload().await?;
        let clerk = start_clerk(office, stopped)
            .map_err(|error| Error::internal("no thread for shared counters").with_source(error))?;
        *this.clerk.lock() = Some(clerk);
        Ok(this)
    }

    /// Calls `on_alert` when a budget's spending reaches one of its thresholds; of all instances only
    /// the one whose report reaches it. It must not block.
    #[must_use]
    pub fn with_alerts(self, on_alert: impl Fn(BudgetAlert) + Send + Sync + 'static) -> Self {
        *self.office.on_budget.lock() = Some(Box::new(on_alert));
        self
    }

    /// Calls `on_alert` once, when what this process spent in all reaches the threshold. A threshold
    /// of nothing never alerts.
    #[must_use]
    pub fn with_total_alert(
        mut self,
        threshold: Money,
        on_alert: impl Fn(Alert) + Send + Sync + 'static,
    ) -> Self {
        self.on_total =
            (threshold > Money::ZERO).then(|| (threshold, Box::new(on_alert) as OnTotal));
        self
    }

    /// Sums over the calls of this process.
    pub fn totals(&self) -> Totals {
        self.office.desk.lock().totals()
    }

    /// True while Redis answers.
    pub fn is_up(&self) -> bool {
        self.office.is_up.load(Ordering::Relaxed)
    }

    /// Asks Redis for a sign of life.
    ///
    /// # Errors
    /// [`gw_core::Kind::StoreUnavailable`].
    pub async fn check(&self) -> Result<()> {
        self.office.link.ping().await
    }

    /// How all budgets stand as far as this instance knows, by id: its own part exactly, the others'
    /// by the last word of Redis.
    pub fn budgets(&self) -> Vec<BudgetStatus> {
        let at_ms = self.office.clock.unix_ms();
        self.office.desk.lock().budgets(at_ms)
    }

    /// How all budgets stand, by id, after asking Redis; what is known where it does not answer.
    pub async fn budgets_now(&self) -> Vec<BudgetStatus> {
        let (now_ms, at_ms) = (self.office.clock.monotonic_ms(), self.office.clock.unix_ms());
        let mut answers = self.office.answers.subscribe();
        let is_up = self.is_up();
        if is_up {
            self.office.desk.lock().touch_budgets(at_ms, now_ms);
            self.office.wake.notify_one();
        }
        // The answer after next surely belongs to a message that has everything in it; counters
        // without a base take one more.
        let all_answers = async {
            for _ in 0..3 {
                if answers.changed().await.is_err() {
                    break;
                }
                self.office.wake.notify_one();
            }
        };
        let wait = Duration::from_millis(if is_up { 2_000 } else { 0 });
        drop(tokio::time::timeout(wait, all_answers).await);
        self.budgets()
    }

    /// How all limits stand as far as this instance knows, by id.
    pub fn all_limits(&self) -> Vec<LimitStatus> {
        let now_ms = self.office.clock.monotonic_ms();
        self.office.desk.lock().limits(None, now_ms)
    }

    /// Gives back what reservations hold that outlived their lease; how many there were.
    pub fn expire(&self) -> usize {
        let now_ms = self.office.clock.monotonic_ms();
        self.office.desk.lock().expire(now_ms)
    }

    /// Takes over what the durable store defines now.
    ///
    /// # Errors
    /// [`gw_core::Kind::StoreUnavailable`]; nothing has changed then.
    pub async fn reload(&self) -> Result<()> {
        let budgets = self.office.budgets.budgets().await?;
        let limits = self.office.budgets.limits().await?;
        let wanted: Vec<Definition> = budgets
            .into_iter()
            .map(Definition::Budget)
            .chain(limits.into_iter().map(Definition::Limit))
            .collect();
        let mut desk = self.office.desk.lock();
        let is_budget = |definition: &Definition| matches!(definition, Definition::Budget(_));
        let gone: Vec<(String, bool)> = desk
            .definitions()
            .filter(|old| {
                !wanted.iter().any(|new| new.id() == old.id() && is_budget(new) == is_budget(old))
            })
            .map(|old| (old.id().to_owned(), is_budget(old)))
            .collect();
        for (id, is_budget) in gone {
            desk.remove(&id, is_budget);
        }
        for definition in wanted {
            let is_known = desk.definitions().any(|known| *known == definition);
            if !is_known {
                let is_open = self.on_loss.is_open(&definition);
                desk.put(definition, is_open);
            }
        }
        Ok(())
    }

    /// Keeps a budget in the durable store and lets it hold here from now on; other instances take
    /// it up when they reload.
    ///
    /// # Errors
    /// [`gw_core::Kind::StoreUnavailable`]; nothing has changed then.
    pub async fn put_budget(&self, budget: Budget) -> Result<()> {
        self.office.budgets.put_budget(budget.clone()).await?;
        self.define(Definition::Budget(budget));
        Ok(())
    }

    /// Removes a budget; false where there was none.
    ///
    /// # Errors
    /// [`gw_core::Kind::StoreUnavailable`].
    pub async fn remove_budget(&self, id: &str) -> Result<bool> {
        let was_kept = self.office.budgets.remove_budget(id).await?;
        Ok(self.office.desk.lock().remove(id, true) || was_kept)
    }

    /// Keeps a limit in the durable store and lets it hold here from now on.
    ///
    /// # Errors
    /// [`gw_core::Kind::StoreUnavailable`]; nothing has changed then.
    pub async fn put_limit(&self, limit: Limit) -> Result<()> {
        self.office.budgets.put_limit(limit.clone()).await?;
        self.define(Definition::Limit(limit));
        Ok(())
    }

    /// Removes a limit; false where there was none.
    ///
    /// # Errors
    /// [`gw_core::Kind::StoreUnavailable`].
    pub async fn remove_limit(&self, id: &str) -> Result<bool> {
        let was_kept = self.office.budgets.remove_limit(id).await?;
        Ok(self.office.desk.lock().remove(id, false) || was_kept)
    }

    /// Tells Redis what was spent last and gives up the leases; called before the process ends.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let clerk = self.clerk.lock().take();
        if let Some(clerk) = clerk {
            drop(tokio::task::spawn_blocking(move || clerk.join()).await);
        }
    }

    fn define(&self, definition: Definition) {
        let is_open = self.on_loss.is_open(&definition);
        self.office.desk.lock().put(definition, is_open);
        self.office.wake.notify_one();
    }

    async fn hold(&self, wish: Wish) -> Result<u64> {
        let now_ms = self.office.clock.monotonic_ms();
        let outcome = self.office.desk.lock().reserve(wish, now_ms);
        let waiting = match outcome {
            Outcome::Held(ticket, is_low) => {
                if is_low {
                    self.office.wake.notify_one();
                }
                return Ok(ticket);
            }
            Outcome::Refused(error) => return Err(error),
            Outcome::Wait(waiting) => waiting,
        };
        self.office.wake.notify_one();
        self.office.look_up_pasts();
        match tokio::time::timeout(Duration::from_millis(self.wait_ms), waiting).await {
            Ok(Ok(granted)) => granted.map(crate::desk::Granted::take),
            _ => Err(Error::new(Kind::StoreUnavailable, "the shared counters are too slow")
                .with_retry_after_ms(1_000)),
        }
    }
}

/// Runs the clerk in a thread and a runtime of its own: however many calls wait for their turn, leases
/// are renewed in time.
fn start_clerk(
    office: Arc<Office>,
    stopped: watch::Receiver<bool>,
) -> std::io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new()
        .name("shared-counters".to_owned())
        .spawn(move || runtime.block_on(office.run(stopped)))
}

impl Drop for ClusterBudgets {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

#[async_trait]
impl BudgetStore for ClusterBudgets {
    async fn reserve(&self, claim: &Claim) -> Result<u64> {
        if claim.scopes.len() > limits::CLAIM_SCOPES_MAX {
            let message = format!("a call has {} accounts at most", limits::CLAIM_SCOPES_MAX);
            return Err(Error::bad_field("tags", message));
        }
        self.hold(Wish {
            scopes: claim.scopes.clone(),
            at_ms: claim.at_ms,
            worst_case: claim.worst_case,
            tokens: claim.worst_tokens,
            requests: claim.requests,
            ticket: None,
        })
        .await
    }

    async fn extend(
        &self,
        ticket: u64,
        claim: &Claim,
        more: Option<Money>,
        more_tokens: u64,
    ) -> Result<()> {
        let wish = Wish {
            scopes: claim.scopes.clone(),
            at_ms: claim.at_ms,
            worst_case: more,
            tokens: more_tokens,
            requests: 0,
            ticket: Some(ticket),
        };
        self.hold(wish).await.map(|_| ())
    }

    fn settle(&self, ticket: u64, claim: &Claim, spent: Money, tokens: u64) {
        let now_ms = self.office.clock.monotonic_ms();
        let (before, after) = {
            let mut desk = self.office.desk.lock();
            let before = desk.totals().spent;
            desk.settle(ticket, &claim.scopes, spent, tokens, now_ms);
            (before, desk.totals().spent)
        };
        // Only the settlement that crosses the threshold sees it between its two sums.
        if let Some((threshold, on_alert)) = &self.on_total
            && before < *threshold
            && after >= *threshold
        {
            on_alert(Alert { threshold: *threshold, spent: after });
        }
    }

    fn release(&self, ticket: u64, _claim: &Claim) {
        self.office.desk.lock().release(ticket);
    }

    fn room(&self, scopes: &[Scope], at_ms: i64) -> Room {
        self.office.desk.lock().room(scopes, at_ms)
    }

    fn limits(&self, scopes: &[Scope]) -> Vec<LimitStatus> {
        let now_ms = self.office.clock.monotonic_ms();
        self.office.desk.lock().limits(Some(scopes), now_ms)
    }
}

/// The durable store is the one that the counters were started with.
#[async_trait]
impl ManagedBudgets for ClusterBudgets {
    async fn put_budget(&self, _store: &dyn Budgets, budget: Budget) -> Result<()> {
        Self::put_budget(self, budget).await
    }

    async fn remove_budget(&self, _store: &dyn Budgets, id: &str) -> Result<bool> {
        Self::remove_budget(self, id).await
    }

    async fn put_limit(&self, _store: &dyn Budgets, limit: Limit) -> Result<()> {
        Self::put_limit(self, limit).await
    }

    async fn remove_limit(&self, _store: &dyn Budgets, id: &str) -> Result<bool> {
        Self::remove_limit(self, id).await
    }

    async fn budget_statuses(&self, scopes: Option<&[Scope]>) -> Result<Vec<BudgetStatus>> {
        let mut all = self.budgets_now().await;
        all.retain(|status| scopes.is_none_or(|scopes| scopes.contains(&status.budget.scope)));
        Ok(all)
    }

    async fn limit_statuses(&self, scopes: Option<&[Scope]>) -> Result<Vec<LimitStatus>> {
        Ok(scopes.map_or_else(|| self.all_limits(), |scopes| BudgetStore::limits(self, scopes)))
    }
}

impl std::fmt::Debug for ClusterBudgets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterBudgets").field("totals", &self.totals()).finish_non_exhaustive()
    }
}
