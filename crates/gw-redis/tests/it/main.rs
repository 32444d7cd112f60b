//! Several instances on one real Redis.

use std::sync::Arc;
use std::time::Duration;

use gw_core::budget::{Amount, Budget, Limit, LimitKind, Window};
use gw_core::ids::CallId;
use gw_core::principal::Principal;
use gw_core::reservation::{Claim, Reservation};
use gw_core::seam::{BudgetStore, Clock};
use gw_core::{Money, Scope, ScopeKind};
use gw_redis::testbed::RedisServer;
use gw_redis::{ClusterBudgets, OnLoss, Options};

mod cap;
mod hot;
mod loss;
mod processes;
mod rates;
mod store;

use store::{At, Durable, RealClock};

const USD: i64 = 1_000_000_000_000;

/// One instance.
struct Replica {
    budgets: Arc<ClusterBudgets>,
    store: Arc<At>,
    clock: Arc<RealClock>,
}

impl Replica {
    async fn start(url: &str, durable: &Durable, name: &str, on_loss: OnLoss) -> Self {
        let (store, clock) = (durable.at(name), RealClock::new());
        let options = Options { on_loss, lease_ms: 1_000, ..Options::new(url) };
        let budgets =
            ClusterBudgets::start(options, store.clone(), store.clone(), clock.clone()).await;
        Self { budgets: Arc::new(budgets.expect("an address")), store, clock }
    }

    fn claim(&self, teams: &[&str], worst: i64, tokens: u64) -> Claim {
        let id = CallId::parse("00000000-0000-7000-8000-000000000000").expect("an id");
        let mut claim = Claim::new(id, Principal::default(), self.clock.unix_ms());
        claim.scopes = teams.iter().map(|team| Scope::new(ScopeKind::Team, *team)).collect();
        claim.worst_case = Some(Money::from_pico(worst));
        claim.worst_tokens = tokens;
        claim
    }

    async fn reserve(&self, team: &str, worst: i64, tokens: u64) -> gw_core::Result<Reservation> {
        let store: Arc<dyn BudgetStore> = self.budgets.clone();
        Reservation::make(store, self.claim(&[team], worst, tokens)).await
    }

    async fn reserve_all(&self, teams: &[&str], worst: i64) -> gw_core::Result<Reservation> {
        let store: Arc<dyn BudgetStore> = self.budgets.clone();
        Reservation::make(store, self.claim(teams, worst, 0)).await
    }

    fn settle(&self, reservation: &Reservation, spent: i64, tokens: u64) {
        let money = Money::from_pico(spent);
        let claim = reservation.claim();
        reservation.settle(money, tokens);
        self.store.record(&claim.scopes, claim.at_ms, money, tokens);
    }

    /// Spent and held of the first budget, in pico-dollars, after asking Redis.
    async fn sums(&self) -> (i128, i128) {
        let status = &self.budgets.budgets_now().await[0];
        (status.spent.number(), status.reserved.number())
    }

    /// Waits until the first budget stands so.
    async fn until(&self, wanted: (i128, i128)) {
        let mut seen = (0, 0);
        let reached = tokio::time::timeout(Duration::from_secs(20), async {
            while seen != wanted {
                seen = self.sums().await;
            }
        });
        assert!(reached.await.is_ok(), "{seen:?}, not {wanted:?}");
    }
}

async fn replicas(url: &str, durable: &Durable, on_loss: &OnLoss) -> Vec<Arc<Replica>> {
    let mut all = Vec::new();
    for name in ["one", "two", "three"] {
        all.push(Arc::new(Replica::start(url, durable, name, on_loss.clone()).await));
    }
    all
}

fn budget(id: &str, team: &str, cap: i64) -> Budget {
    Budget {
        id: id.into(),
        scope: Scope::new(ScopeKind::Team, team),
        cap: Amount::Dollars(Money::from_pico(cap)),
        window: Window::Lifetime,
        is_hard: true,
        max_layer: None,
        alerts: vec![50, 100],
        when_away: None,
    }
}

fn limit(id: &str, team: &str, kind: LimitKind, max: u64) -> Limit {
    Limit {
        id: id.into(),
        scope: Scope::new(ScopeKind::Team, team),
        kind,
        max,
        when_away: None,
        wait_ms: None,
    }
}
