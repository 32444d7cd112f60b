//! What shared budgets add to a call: `cargo run --release -p gw-redis --example lease_speed`. A real
//! Redis, four accounts with budgets and limits, one caller at a time; times in microseconds.

use std::sync::Arc;

use gw_core::budget::{Amount, Budget, Limit, LimitKind, Spending, Window};
use gw_core::ids::{CallId, InstanceId};
use gw_core::principal::Principal;
use gw_core::reservation::Claim;
use gw_core::seam::{BudgetStore, Budgets, Clock, Instance, Instances};
use gw_core::{Money, Result, Scope, ScopeKind};
use gw_redis::testbed::RedisServer;
use gw_redis::{ClusterBudgets, Options};

const CALLS: usize = 200_000;

struct RealClock(tokio::time::Instant);

impl Clock for RealClock {
    fn unix_ms(&self) -> i64 {
        1_790_000_000_000 + i64::try_from(self.0.elapsed().as_millis()).unwrap_or(0)
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(0)
    }
}

struct Defined(InstanceId, Vec<Budget>, Vec<Limit>);

#[async_trait::async_trait]
impl Instances for Defined {
    fn instance(&self) -> &InstanceId {
        &self.0
    }
    async fn instances(&self) -> Result<Vec<Instance>> {
        Ok(Vec::new())
    }
    async fn instance_spending(&self, _: &InstanceId) -> Result<Vec<(Scope, Spending)>> {
        Ok(Vec::new())
    }
    async fn forget_instance(&self, _: &InstanceId) -> Result<bool> {
        Ok(false)
    }
}

#[async_trait::async_trait]
impl Budgets for Defined {
    async fn put_budget(&self, _: Budget) -> Result<()> {
        Ok(())
    }
    async fn remove_budget(&self, _: &str) -> Result<bool> {
        Ok(false)
    }
    async fn budgets(&self) -> Result<Vec<Budget>> {
        Ok(self.1.clone())
    }
    async fn put_limit(&self, _: Limit) -> Result<()> {
        Ok(())
    }
    async fn remove_limit(&self, _: &str) -> Result<bool> {
        Ok(false)
    }
    async fn limits(&self) -> Result<Vec<Limit>> {
        Ok(self.2.clone())
    }
    async fn spending(&self, _: &Scope, _: i64) -> Result<Vec<Spending>> {
        Ok(Vec::new())
    }
    async fn lifetime_spending(&self, _: &Scope) -> Result<Spending> {
        Ok(Spending::default())
    }
}

fn definitions() -> (Vec<Budget>, Vec<Limit>) {
    let mut budgets = Vec::new();
    let mut limits = Vec::new();
    let kinds = [ScopeKind::Organisation, ScopeKind::Team, ScopeKind::User, ScopeKind::Key];
    for kind in kinds {
        let scope = Scope::new(kind, "x");
        budgets.push(Budget {
            id: kind.to_string(),
            scope: scope.clone(),
            cap: Amount::Dollars(Money::from_pico(1_000_000_000_000_000_000)),
            window: Window::Day,
            is_hard: true,
            max_layer: None,
            alerts: vec![80],
            when_away: None,
        });
        for limit in [LimitKind::RequestsPerMinute, LimitKind::TokensPerMinute] {
            let id = format!("{kind}-{}", limit.as_str());
            limits.push(Limit {
                id,
                scope: scope.clone(),
                kind: limit,
                max: 1_000_000_000_000,
                when_away: None,
                wait_ms: None,
            });
        }
    }
    (budgets, limits)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "figures are what it is for")]
async fn main() -> Result<()> {
    let redis = RedisServer::start();
    let (budgets, limits) = definitions();
    let defined = Arc::new(Defined(InstanceId::new("one"), budgets, limits));
    let clock = Arc::new(RealClock(tokio::time::Instant::now()));
    let options = Options::new(redis.url());
    let shared =
        ClusterBudgets::start(options, defined.clone(), defined.clone(), clock.clone()).await?;
    let Some(id) = CallId::parse("00000000-0000-7000-8000-000000000000") else { return Ok(()) };
    let principal = Principal {
        organisation: Some("x".into()),
        team: Some("x".into()),
        user_id: Some("x".into()),
        key_id: Some("x".into()),
        ..Principal::default()
    };
    let mut claim = Claim::new(id, principal, 0);
    claim.worst_case = Some(Money::from_pico(10_000_000_000));
    claim.worst_tokens = 5_000;
    let mut took = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        claim.at_ms = clock.unix_ms();
        let began = clock.0.elapsed();
        let ticket = shared.reserve(&claim).await?;
        shared.settle(ticket, &claim, Money::from_pico(1_000_000_000), 500);
        took.push(clock.0.elapsed() - began);
    }
    took.sort();
    let at = |part: usize| took[(CALLS - 1) * part / 1_000].as_nanos() as f64 / 1_000.0;
    println!(
        "reserve and settle: median {:.1} us, p99 {:.1} us, p99.9 {:.1} us",
        at(500),
        at(990),
        at(999)
    );
    shared.stop().await;
    Ok(())
}
