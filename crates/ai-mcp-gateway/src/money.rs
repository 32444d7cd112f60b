//! Keys and budgets of this process: read from the store, and kept in step with what other programs
//! (the command line) write there.

use std::sync::Arc;
use std::time::Duration;

use gw_config::Settings;
use gw_config::section::store::{Redis, RedisLoss};
use gw_core::budget::BudgetStatus;
use gw_core::key::KeyRecord;
use gw_core::seam::{BudgetStore, Budgets, Clock, Entropy, ManagedBudgets};
use gw_core::{Money, Result};
use gw_ledger::{EmbeddedBudgets, Keyring, NewKey, Office};
use gw_redis::{ClusterBudgets, OnLoss, Options as ClusterOptions};
use secrecy::ExposeSecret;
use tokio::time::MissedTickBehavior;

use crate::alerts::Alarm;
use crate::queue::Queue;
use crate::store::Store;

/// How often the store is asked whether another program changed it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Who may call and what it may cost.
#[derive(Clone, Debug)]
pub(crate) struct Governance {
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) budgets: Counters,
}

/// Where budgets and limits are counted.
#[derive(Clone, Debug)]
pub(crate) enum Counters {
    /// In this process.
    Own(Arc<EmbeddedBudgets>),
    /// With other replicas, through Redis.
    Shared(Arc<ClusterBudgets>),
}

impl Counters {
    /// Without an alarm no call is made: a command reads and changes what the store defines.
    async fn load(
        settings: &Settings,
        store: &Store,
        clock: &Arc<dyn Clock>,
        alarm: Option<Alarm>,
    ) -> Result<Self> {
        let Some(alarm) = alarm else {
            let own = EmbeddedBudgets::load(&*store.budgets, Arc::clone(clock)).await?;
            return Ok(Self::Own(Arc::new(own)));
        };
        let (threshold, of_budgets) = (threshold(settings), alarm.clone());
        if let (Some(redis), Some(instances)) = (&settings.store.redis, &store.instances) {
            let (budgets, instances) = (Arc::clone(&store.budgets), Arc::clone(instances));
            let options = redis_options(redis);
            let shared =
                ClusterBudgets::start(options, budgets, instances, Arc::clone(clock)).await?;
            let shared = shared
                .with_alerts(move |alert| of_budgets.budget(&alert))
                .with_total_alert(threshold, move |alert| alarm.total(&alert));
            return Ok(Self::Shared(Arc::new(shared)));
        }
        let own = EmbeddedBudgets::load(&*store.budgets, Arc::clone(clock))
            .await?
            .with_alerts(move |alert| of_budgets.budget(&alert))
            .with_total_alert(threshold, move |alert| alarm.total(&alert));
        Ok(Self::Own(Arc::new(own)))
    }

    /// What calls are held on.
    pub(crate) fn store(&self) -> Arc<dyn BudgetStore> {
        let budgets: Arc<dyn BudgetStore> = match self {
            Self::Own(own) => Arc::<EmbeddedBudgets>::clone(own),
            Self::Shared(shared) => Arc::<ClusterBudgets>::clone(shared),
        };
        Arc::new(Queue::new(budgets))
    }

    /// What is governed.
    fn managed(&self) -> Arc<dyn ManagedBudgets> {
        match self {
            Self::Own(own) => Arc::<EmbeddedBudgets>::clone(own),
            Self::Shared(shared) => Arc::<ClusterBudgets>::clone(shared),
        }
    }

    /// What this process spent in all.
    pub(crate) fn spent(&self) -> Money {
        match self {
            Self::Own(own) => own.totals().spent,
            Self::Shared(shared) => shared.totals().spent,
        }
    }

    /// True where other replicas are not heard: their Redis does not answer.
    pub(crate) fn is_cut_off(&self) -> bool {
        matches!(self, Self::Shared(shared) if !shared.is_up())
    }

    /// How all budgets stand, by id.
    pub(crate) fn statuses(&self) -> Vec<BudgetStatus> {
        match self {
            Self::Own(own) => own.budgets(),
            Self::Shared(shared) => shared.budgets(),
        }
    }

    fn expire(&self) -> usize {
        match self {
            Self::Own(own) => own.expire(),
            Self::Shared(shared) => shared.expire(),
        }
    }

    async fn reload(&self, store: &dyn Budgets) -> Result<()> {
        match self {
            Self::Own(own) => own.reload(store).await,
            Self::Shared(shared) => shared.reload().await,
        }
    }

    /// Tells other replicas what was spent last, and leaves them what is held; at the end.
    pub(crate) async fn stop(&self) {
        if let Self::Shared(shared) = self {
            shared.stop().await;
        }
    }
}

fn redis_options(redis: &Redis) -> ClusterOptions {
    let on_loss = OnLoss {
        is_open: redis.loss == RedisLoss::Open,
        but_kinds: redis.except_kinds.clone(),
        but_scopes: redis.except_scopes.clone(),
    };
    let prefix = redis.prefix.clone();
    ClusterOptions { prefix, on_loss, ..ClusterOptions::new(redis.url.expose_secret()) }
}

impl Governance {
    /// What the store keeps. Alerts go nowhere without an alarm: where no call is made.
    ///
    /// # Errors
    /// [`gw_core::Kind::StoreUnavailable`].
    pub(crate) async fn load(
        settings: &Settings,
        store: &Store,
        clock: &Arc<dyn Clock>,
        entropy: &Arc<dyn Entropy>,
        alarm: Option<Alarm>,
    ) -> Result<Self> {
        let budgets = Counters::load(settings, store, clock, alarm).await?;
        let (counters, definitions) = (budgets.clone(), Arc::clone(&store.budgets));
        let (own_clock, own_entropy) = (Arc::clone(clock), Arc::clone(entropy));
        let keyring = Keyring::new(Arc::clone(&store.keys), own_clock, own_entropy)
            .with_before_new(move || {
                let (counters, definitions) = (counters.clone(), Arc::clone(&definitions));
                Box::pin(async move { counters.reload(&*definitions).await })
            });
        keyring.reload().await?;
        Ok(Self { keyring: Arc::new(keyring), budgets })
    }

    /// Where surfaces govern.
    pub(crate) fn office(
        &self,
        store: &Store,
        clock: &Arc<dyn Clock>,
        entropy: &Arc<dyn Entropy>,
    ) -> Office {
        Office {
            keyring: Arc::clone(&self.keyring),
            keys: Arc::clone(&store.keys),
            counters: self.budgets.managed(),
            definitions: Arc::clone(&store.budgets),
            clock: Arc::clone(clock),
            entropy: Arc::clone(entropy),
        }
    }

    /// The admin key that a first start makes; `None` where there is any key already.
    ///
    /// # Errors
    /// [`gw_core::Kind::StoreUnavailable`].
    pub(crate) async fn first_key(&self, settings: &Settings) -> Result<Option<NewKey>> {
        if !settings.server.keys.is_empty() || !self.keyring.is_empty() {
            return Ok(None);
        }
        let record = KeyRecord { name: "admin".to_owned(), is_admin: true, ..KeyRecord::default() };
        self.keyring.create(record).await.map(Some)
    }

    /// Takes over what other programs change in the store, and gives back what reservations hold
    /// past their lease; for ever. Costs a look a second while nothing changes.
    pub(crate) async fn keep_in_step(self, store: Store) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Nothing is taken for seen: what changed between loading and now is read again.
        let mut seen = None;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = store.news(seen) => {}
            }
            self.keyring.write_last_uses().await;
            let expired = self.budgets.expire();
            if expired > 0 {
                tracing::warn!(expired, "reservations outlived their lease and were given back");
            }
            let Ok(edition) = store.edition().await else { continue };
            if seen == Some(edition) {
                continue;
            }
            // What binds a key is read with it: see `with_before_new`.
            match self.keyring.reload().await {
                Ok(()) => seen = Some(edition),
                Err(error) => {
                    tracing::warn!(message = error.message(), "keys and budgets not read again");
                }
            }
        }
    }
}

/// `COST_ALERT_THRESHOLD`, where costs are counted; nothing for no alert.
pub(crate) fn threshold(settings: &Settings) -> Money {
    if settings.cost.enable_cost_tracking { settings.cost.alert_threshold_usd } else { Money::ZERO }
}
