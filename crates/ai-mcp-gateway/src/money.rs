//! Keys and budgets of this process: read from the store, and kept in step with what other programs
//! (the command line) write there.

use std::sync::Arc;
use std::time::Duration;

use gw_config::Settings;
use gw_core::key::KeyRecord;
use gw_core::seam::{Clock, Entropy};
use gw_core::{Money, Result};
use gw_ledger::{EmbeddedBudgets, Keyring, NewKey};
use tokio::time::MissedTickBehavior;

use crate::alerts::Alarm;
use crate::store::Store;

/// How often the store is asked whether another program changed it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Who may call and what it may cost.
#[derive(Clone, Debug)]
pub(crate) struct Governance {
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) budgets: Arc<EmbeddedBudgets>,
}

impl Governance {
    /// What the store keeps.
    ///
    /// # Errors
    /// [`gw_core::Kind::StoreUnavailable`].
    pub(crate) async fn load(
        settings: &Settings,
        store: &Store,
        clock: &Arc<dyn Clock>,
        entropy: &Arc<dyn Entropy>,
        alarm: Alarm,
    ) -> Result<Self> {
        let (own_clock, own_entropy) = (Arc::clone(clock), Arc::clone(entropy));
        let keyring = Keyring::load(Arc::clone(&store.keys), own_clock, own_entropy).await?;
        let mut budgets = EmbeddedBudgets::load(&*store.budgets, Arc::clone(clock)).await?;
        let of_budgets = alarm.clone();
        budgets = budgets.with_alerts(move |alert| of_budgets.budget(&alert));
        let threshold = threshold(settings);
        budgets = budgets.with_total_alert(threshold, move |alert| alarm.total(&alert));
        Ok(Self { keyring: Arc::new(keyring), budgets: Arc::new(budgets) })
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
            let expired = self.budgets.expire();
            if expired > 0 {
                tracing::warn!(expired, "reservations outlived their lease and were given back");
            }
            let Ok(edition) = store.edition().await else { continue };
            if seen == Some(edition) {
                continue;
            }
            match self.reload(&store).await {
                Ok(()) => seen = Some(edition),
                Err(error) => {
                    tracing::warn!(message = error.message(), "keys and budgets not read again");
                }
            }
        }
    }

    async fn reload(&self, store: &Store) -> Result<()> {
        self.keyring.reload().await?;
        self.budgets.reload(&*store.budgets).await
    }
}

/// `COST_ALERT_THRESHOLD`, where costs are counted; nothing for no alert.
pub(crate) fn threshold(settings: &Settings) -> Money {
    if settings.cost.enable_cost_tracking { settings.cost.alert_threshold_usd } else { Money::ZERO }
}
