//! The task that talks to Redis for an instance: one message at a time, soon when calls wait, ten
//! times a second when they do not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gw_core::budget::Budget;
use gw_core::ids::InstanceId;
use gw_core::seam::{Budgets, Clock, Instances};
use gw_core::{Error, Kind, Result};
use gw_ledger::BudgetAlert;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::account::Definition;
use crate::desk::{Desk, Granted, Sending};
use crate::link::Link;
use crate::message::{Reply, Request};
use crate::past;

/// Longest wait for the durable store, in milliseconds: less than calls wait for their counters.
const STORE_MS_MAX: u64 = 4_000;

/// Pause between two questions to a durable store that does not answer, in milliseconds.
const STORE_AGAIN_MS: u64 = 100;

/// How often dead instances are looked for in the durable store, in milliseconds.
const LOOK_MS: u64 = 5_000;

/// An instance that was silent for so long is forgotten by the durable store, in milliseconds.
const FORGET_MS: u64 = 120_000;

/// Counters of a dead instance in one message.
const REAP_COUNTERS_MAX: usize = 128;

pub(crate) type OnBudget = Box<dyn Fn(BudgetAlert) + Send + Sync>;

/// What the task and the callers share.
pub(crate) struct Office {
    pub(crate) desk: Arc<Mutex<Desk>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) link: Link,
    pub(crate) budgets: Arc<dyn Budgets>,
    pub(crate) instances: Arc<dyn Instances>,
    pub(crate) wake: Notify,
    /// Counts answers of Redis, for those who want to see a new one.
    pub(crate) answers: watch::Sender<u64>,
    pub(crate) on_budget: Mutex<Option<OnBudget>>,
    pub(crate) is_up: AtomicBool,
    /// When Redis answered last, on the monotonic clock; before that, the start.
    answered_ms: AtomicU64,
    /// Counters whose base is being read.
    seeding: Mutex<BTreeSet<String>>,
    is_looking: AtomicBool,
    lease_ms: u64,
    /// Makes names of generations; see [`Office::new_generation`].
    drawn: AtomicU64,
}

impl Office {
    pub(crate) fn new(
        desk: Desk,
        clock: Arc<dyn Clock>,
        link: Link,
        budgets: Arc<dyn Budgets>,
        instances: Arc<dyn Instances>,
    ) -> Self {
        let (lease_ms, started_ms) = (desk.lease_ms, clock.monotonic_ms());
        Self {
            desk: Arc::new(Mutex::new(desk)),
            clock,
            link,
            budgets,
            instances,
            wake: Notify::new(),
            answers: watch::Sender::new(0),
            on_budget: Mutex::new(None),
            is_up: false.into(),
            answered_ms: started_ms.into(),
            seeding: Mutex::default(),
            is_looking: false.into(),
            lease_ms,
            drawn: 0.into(),
        }
    }

    fn id(&self) -> String {
        self.instances.instance().as_str().to_owned()
    }

    /// A name that no other instance gives: its own id, and a number.
    fn new_generation(&self) -> String {
        format!("{}.{}", self.id(), self.drawn.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs until `stop` says so.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut looked_ms = self.clock.monotonic_ms();
        loop {
            if *stop.borrow() {
                break;
            }
            let is_well = self.exchange().await;
            let now_ms = self.clock.monotonic_ms();
            if is_well && now_ms >= looked_ms.saturating_add(LOOK_MS) {
                looked_ms = now_ms;
                self.desk.lock().tidy(now_ms, self.clock.unix_ms());
                self.look_for_dead(Vec::new());
            }
            let pause_ms = if is_well { self.desk.lock().pause_ms() } else { 100 };
            // A message a millisecond at most: what comes in between goes in one.
            tokio::time::sleep(Duration::from_millis(1)).await;
            if pause_ms > 0 {
                tokio::select! {
                    () = self.wake.notified(), if is_well => {}
                    () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
                    _ = stop.changed() => {}
                }
            }
        }
        self.leave().await;
    }

    /// One message and its answer; false where Redis does not answer.
    async fn exchange(self: &Arc<Self>) -> bool {
        let has_joined = self.desk.lock().has_joined();
        if !has_joined && !self.join().await {
            return false;
        }
        let (now_ms, at_ms) = (self.clock.monotonic_ms(), self.clock.unix_ms());
        let message = self.desk.lock().message(now_ms, at_ms);
        let Some((sync, sent)) = message else { return false };
        match self.link.ask(&Request::Sync(Box::new(sync))).await {
            Ok(reply) => {
                let now_ms = self.clock.monotonic_ms();
                let effects = self.desk.lock().apply(&reply, sent, now_ms);
                self.is_up.store(true, Ordering::Relaxed);
                self.answered_ms.store(now_ms, Ordering::Relaxed);
                self.send(effects.sendings);
                if !effects.alerts.is_empty()
                    && let Some(on_budget) = self.on_budget.lock().as_ref()
                {
                    effects.alerts.into_iter().for_each(on_budget);
                }
                for key in effects.unseeded {
                    self.seed(key);
                }
                if !effects.dead.is_empty() {
                    self.look_for_dead(effects.dead);
                }
                self.answers.send_modify(|count| *count += 1);
                true
            }
            Err(error) => {
                self.is_away(&error, Some(sent));
                false
            }
        }
    }

    /// A single answer may be late, of a machine that is busy: calls wait for the next one. Only after
    /// half a lease without any Redis counts as away.
    fn is_away(self: &Arc<Self>, error: &Error, sent: Option<crate::desk::InFlight>) {
        let now_ms = self.clock.monotonic_ms();
        let away_ms = self.answered_ms.load(Ordering::Relaxed).saturating_add(self.lease_ms / 2);
        if now_ms < away_ms {
            if let Some(sent) = sent {
                self.desk.lock().take_back(sent);
            }
            return;
        }
        if self.is_up.swap(false, Ordering::Relaxed) {
            tracing::warn!(%error, "the shared counters do not answer");
        }
        let sendings = self.desk.lock().go_down(sent, now_ms);
        self.send(sendings);
        self.look_up_pasts();
        self.answers.send_modify(|count| *count += 1);
    }

    /// While Redis is away, asks the durable store what was spent of budgets that nobody told of.
    pub(crate) fn look_up_pasts(self: &Arc<Self>) {
        for key in self.desk.lock().unknown_pasts() {
            let office = Arc::clone(self);
            tokio::spawn(async move {
                let at_ms = office.clock.unix_ms();
                let found = office.desk.lock().counter_of(&key, at_ms);
                let Some((_, of_ms, Definition::Budget(budget))) = found else { return };
                let sum = past::sum(&*office.budgets, &budget, of_ms);
                let spent = past::in_time(sum, STORE_MS_MAX).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, counter = key, "nobody knows what was spent before");
                    0
                });
                let now_ms = office.clock.monotonic_ms();
                let sendings = office.desk.lock().learn_past(&key, spent, now_ms);
                office.send(sendings);
            });
        }
    }

    async fn join(self: &Arc<Self>) -> bool {
        let (seq, bad) = self.desk.lock().joining();
        let known = past::in_time(self.instances.instances(), STORE_MS_MAX).await;
        let mut expect: Vec<String> = match known {
            Ok(all) => {
                let is_live = |silent_ms: u64| silent_ms < self.lease_ms.saturating_mul(2);
                let live = all.into_iter().filter(|one| is_live(one.silent_ms));
                live.map(|one| one.id.as_str().to_owned()).collect()
            }
            // Nobody knows who else there is: a name that never comes makes all wait for the lease.
            Err(_) => vec!["?".to_owned()],
        };
        if !expect.contains(&self.id()) {
            expect.push(self.id());
        }
        let request = Request::Join {
            i: self.id(),
            lease: self.lease_ms,
            seq,
            fresh: self.new_generation(),
            bad,
            expect,
        };
        match self.link.ask(&request).await {
            Ok(Reply { era: Some(era), .. }) => {
                self.desk.lock().joined(era, seq);
                tracing::info!("this instance takes part in the shared counters");
                true
            }
            Ok(_) => {
                self.is_away(&Error::internal("Redis gave no generation"), None);
                false
            }
            Err(error) => {
                self.is_away(&error, None);
                false
            }
        }
    }

    /// Reads the base of a counter and gives it to Redis, beside the messages.
    fn seed(self: &Arc<Self>, key: String) {
        if !self.seeding.lock().insert(key.clone()) {
            return;
        }
        let office = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = office.seed_now(&key).await {
                tracing::warn!(%error, counter = key, "what was spent before could not be read");
                let now_ms = office.clock.monotonic_ms();
                let sendings = office.desk.lock().cut(&key, now_ms);
                office.send(sendings);
            }
            office.seeding.lock().remove(&key);
            office.desk.lock().touch(&key);
            office.wake.notify_one();
        });
    }

    /// # Errors
    /// The durable store's. A Redis that does not take the base asks for it again.
    async fn seed_now(&self, key: &str) -> Result<()> {
        let at_ms = self.clock.unix_ms();
        let (found, era) = {
            let desk = self.desk.lock();
            (desk.counter_of(key, at_ms), desk.generation().map(str::to_owned))
        };
        let (Some((counter, of_ms, Definition::Budget(budget))), Some(era)) = (found, era) else {
            return Ok(());
        };
        let base = self.base(&budget, of_ms).await?;
        let request = Request::Seed {
            i: self.id(),
            lease: self.lease_ms,
            era,
            account: counter,
            rest: base.rest,
            owns: base.owns,
        };
        if let Err(error) = self.link.ask(&request).await {
            tracing::debug!(%error, counter = key, "Redis did not take what was spent before");
        }
        Ok(())
    }

    /// What was spent before, from a durable store that may be overloaded for a moment.
    async fn base(&self, budget: &Budget, at_ms: i64) -> Result<past::Base> {
        let until_ms = self.clock.monotonic_ms().saturating_add(STORE_MS_MAX);
        loop {
            let left_ms = until_ms.saturating_sub(self.clock.monotonic_ms());
            let base = past::base(&*self.budgets, &*self.instances, budget, at_ms);
            match past::in_time(base, left_ms).await {
                Err(_) if self.clock.monotonic_ms() < until_ms => {
                    tokio::time::sleep(Duration::from_millis(STORE_AGAIN_MS)).await;
                }
                done => return done,
            }
        }
    }

    /// Accounts for instances that are gone, beside the messages, one search at a time.
    fn look_for_dead(self: &Arc<Self>, dead: Vec<String>) {
        if self.is_looking.swap(true, Ordering::AcqRel) {
            return;
        }
        let office = Arc::clone(self);
        tokio::spawn(async move {
            for id in dead {
                if let Err(error) = office.reap(&InstanceId::new(id.as_str())).await {
                    tracing::warn!(%error, instance = id, "a dead instance is not accounted for yet");
                }
            }
            let known = past::in_time(office.instances.instances(), STORE_MS_MAX).await;
            for one in known.unwrap_or_default() {
                let is_other = one.id != *office.instances.instance();
                if is_other
                    && one.silent_ms > office.lease_ms.saturating_mul(4)
                    && office.reap(&one.id).await.unwrap_or(false)
                    && one.silent_ms > FORGET_MS
                {
                    let forgotten = office.instances.forget_instance(&one.id);
                    if let Err(error) = past::in_time(forgotten, STORE_MS_MAX).await {
                        tracing::debug!(%error, "a dead instance stays known");
                    }
                }
            }
            office.is_looking.store(false, Ordering::Release);
        });
    }

    /// Books what a dead instance spent and gives back what it held; false where it lives.
    async fn reap(&self, dead: &InstanceId) -> Result<bool> {
        let spent = self.instances.instance_spending(dead);
        let spent = past::in_time(spent, STORE_MS_MAX).await?;
        let at_ms = self.clock.unix_ms();
        let (definitions, era) = {
            let desk = self.desk.lock();
            let definitions: Vec<Definition> = desk.definitions().cloned().collect();
            (definitions, desk.generation().map(str::to_owned))
        };
        let era = era.ok_or_else(|| Error::new(Kind::StoreUnavailable, "Redis is away"))?;
        let mut accounts = past::by_counter(&spent, &definitions, at_ms);
        loop {
            let rest = accounts.split_off(accounts.len().min(REAP_COUNTERS_MAX));
            let request = Request::Reap {
                i: self.id(),
                lease: self.lease_ms,
                era: era.clone(),
                dead: dead.as_str().to_owned(),
                last: rest.is_empty(),
                accounts,
            };
            let reply = self.link.ask(&request).await?;
            if reply.alive || reply.again.is_some() {
                return Ok(false);
            }
            if rest.is_empty() {
                return Ok(true);
            }
            accounts = rest;
        }
    }

    /// Tells Redis what was spent last and gives up everything else.
    async fn leave(self: &Arc<Self>) {
        if !self.exchange().await {
            return;
        }
        let is_idle = self.desk.lock().open_calls() == 0;
        if is_idle {
            let request = Request::Leave { i: self.id(), lease: self.lease_ms };
            if let Err(error) = self.link.ask(&request).await {
                tracing::debug!(%error, "the lease of this instance runs out by itself");
            }
        }
    }

    fn send(&self, sendings: Vec<Sending>) {
        for (to, verdict, is_new) in sendings {
            let granted = verdict
                .map(|ticket| Granted { ticket, desk: is_new.then(|| Arc::downgrade(&self.desk)) });
            // A caller that left drops what it was granted.
            drop(to.send(granted));
        }
    }
}
