use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use gw_core::budget::{Amount, Budget, BudgetStatus, Limit, LimitKind, Spending, Window};
use gw_core::principal::Principal;
use gw_core::reservation::{Claim, Reservation};
use gw_core::seam::{BudgetStore, Budgets, Clock};
use gw_core::{CallId, Kind, Money, Result, Scope, ScopeKind};
use parking_lot::Mutex;

use super::EmbeddedBudgets;

#[derive(Default)]
struct Hand {
    unix_ms: AtomicI64,
    monotonic_ms: AtomicU64,
}

impl Clock for Hand {
    fn unix_ms(&self) -> i64 {
        self.unix_ms.load(Ordering::Relaxed)
    }
    fn monotonic_ms(&self) -> u64 {
        self.monotonic_ms.load(Ordering::Relaxed)
    }
}

/// A store that holds definitions and knows nothing of the past but one sum.
#[derive(Default)]
struct Shelf {
    budgets: Mutex<Vec<Budget>>,
    limits: Mutex<Vec<Limit>>,
    spent: Mutex<Vec<Spending>>,
}

#[async_trait]
impl Budgets for Shelf {
    async fn put_budget(&self, budget: Budget) -> Result<()> {
        let mut budgets = self.budgets.lock();
        budgets.retain(|old| old.id != budget.id);
        budgets.push(budget);
        Ok(())
    }
    async fn remove_budget(&self, id: &str) -> Result<bool> {
        let mut budgets = self.budgets.lock();
        let before = budgets.len();
        budgets.retain(|old| old.id != id);
        Ok(budgets.len() < before)
    }
    async fn budgets(&self) -> Result<Vec<Budget>> {
        Ok(self.budgets.lock().clone())
    }
    async fn put_limit(&self, limit: Limit) -> Result<()> {
        let mut limits = self.limits.lock();
        limits.retain(|old| old.id != limit.id);
        limits.push(limit);
        Ok(())
    }
    async fn remove_limit(&self, id: &str) -> Result<bool> {
        self.limits.lock().retain(|old| old.id != id);
        Ok(true)
    }
    async fn limits(&self) -> Result<Vec<Limit>> {
        Ok(self.limits.lock().clone())
    }
    async fn spending(&self, _scope: &Scope, from_ms: i64) -> Result<Vec<Spending>> {
        Ok(self.spent.lock().iter().filter(|slot| slot.slot_ms >= from_ms).copied().collect())
    }
    async fn lifetime_spending(&self, _scope: &Scope) -> Result<Spending> {
        let mut sum = Spending::default();
        for slot in self.spent.lock().iter() {
            sum.spent += slot.spent;
            sum.tokens += slot.tokens;
        }
        Ok(sum)
    }
}

fn principal() -> Principal {
    Principal {
        organisation: Some("org".into()),
        team: Some("team".into()),
        user_id: Some("user".into()),
        key_id: Some("key_0123456789".into()),
        ..Principal::default()
    }
}

fn claim(pico: i64) -> Claim {
    let call_id = CallId::parse("01890000-0000-7000-8000-000000000000").expect("a UUID");
    Claim {
        worst_case: Some(Money::from_pico(pico)),
        worst_tokens: 100,
        ..Claim::new(call_id, principal(), 0)
    }
}

fn budget(id: &str, scope: Scope, cap: i64) -> Budget {
    Budget {
        id: id.into(),
        scope,
        cap: Amount::Dollars(Money::from_pico(cap)),
        window: Window::Day,
        is_hard: true,
        max_layer: None,
        alerts: vec![80],
        when_away: None,
    }
}

async fn four_scopes(cap: i64, limit: u64) -> (Arc<EmbeddedBudgets>, Shelf) {
    let store = Shelf::default();
    for (at, scope) in principal().scopes(None).into_iter().enumerate() {
        store.put_budget(budget(&format!("b{at}"), scope.clone(), cap)).await.expect("kept");
        for kind in [LimitKind::RequestsPerMinute, LimitKind::TokensPerMinute] {
            let id = format!("l{at}-{}", kind.as_str());
            let limit = Limit {
                id,
                scope: scope.clone(),
                kind,
                max: limit,
                when_away: None,
                wait_ms: None,
            };
            store.put_limit(limit).await.expect("kept");
        }
    }
    let budgets = EmbeddedBudgets::load(&store, Arc::new(Hand::default())).await.expect("loaded");
    (Arc::new(budgets), store)
}

/// The figures of the issue: one cap, a thousand callers at one time, of whom 625 fit. All of them
/// hold before any ends, so exactly those that fit are served.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_callers_on_one_cap() {
    const CAP: i64 = 5_000;
    const WORST: i64 = 8;
    let (budgets, _store) = four_scopes(CAP, u64::MAX).await;
    let gate = Arc::new(tokio::sync::Barrier::new(1_000));
    let overspent = |budgets: &EmbeddedBudgets| {
        let used = |status: &BudgetStatus| status.spent.number() + status.reserved.number();
        budgets.budgets().iter().filter(|status| used(status) > i128::from(CAP)).count()
    };
    let callers: Vec<_> = (0..1_000)
        .map(|_| {
            let (budgets, gate) = (Arc::clone(&budgets), Arc::clone(&gate));
            tokio::spawn(async move {
                gate.wait().await;
                let store: Arc<dyn BudgetStore> = budgets.clone();
                let held = Reservation::make(store, claim(WORST)).await.ok();
                (held, overspent(&budgets))
            })
        })
        .collect();
    let (mut served, mut overspends) = (Vec::new(), 0);
    for caller in callers {
        let (held, overspent) = caller.await.expect("ended");
        served.extend(held);
        overspends += overspent;
    }
    let false_blocks = 625 - served.len();
    // Now they end, each in its way, while others ask for what comes free.
    let endings: Vec<_> = (0..)
        .zip(served)
        .map(|(number, held): (i64, Reservation)| {
            let budgets = Arc::clone(&budgets);
            tokio::spawn(async move {
                let spent = if number % 4 == 0 { None } else { Some(number % WORST) };
                match spent {
                    None => drop(held),
                    Some(spent) => held.settle(Money::from_pico(spent), 1),
                }
                let again = Reservation::make(budgets.clone(), claim(1)).await.is_ok();
                (spent.unwrap_or(0), usize::from(!again), overspent(&budgets))
            })
        })
        .collect();
    let (mut spent, mut blocked) = (0, 0);
    for ending in endings {
        let (own, own_blocked, overspent) = ending.await.expect("ended");
        spent += own;
        blocked += own_blocked;
        overspends += overspent;
    }
    let leaks: i128 = budgets.budgets().iter().map(|status| status.reserved.number()).sum();
    assert_eq!((overspends, false_blocks, leaks), (0, 0, 0), "overspend, false blocks, leaks");
    // Whoever spent all it held freed nothing; everyone else freed at least one.
    assert!(blocked <= 625 / 8 + 1, "{blocked}");
    assert!(budgets.budgets().iter().all(|status| status.spent.number() == i128::from(spent)));
    assert_eq!(budgets.totals().open, 0);
}

#[tokio::test]
async fn what_was_spent_before_the_start_counts() {
    let store = Shelf::default();
    let key = Scope::new(ScopeKind::Key, "key_0123456789");
    store.put_budget(budget("b", key, 10)).await.expect("kept");
    let slot =
        |slot_ms, pico| Spending { slot_ms, spent: Money::from_pico(pico), ..Default::default() };
    store.spent.lock().extend([slot(-300_000, 5), slot(0, 7)]);
    let budgets = EmbeddedBudgets::load(&store, Arc::new(Hand::default())).await.expect("loaded");
    let error = budgets.reserve(&claim(4)).await.expect_err("7 of 10 are spent");
    assert_eq!(error.kind(), Kind::BudgetExhausted);
    assert!(error.message().contains("key:key_0123456789"), "{error}");
    let yesterday = Claim { at_ms: -1, ..claim(5) };
    let ticket = budgets.reserve(&yesterday).await.expect("5 of 10 are spent");
    assert!(budgets.reserve(&yesterday).await.is_err());
    budgets.release(ticket, &yesterday);
    assert!(budgets.reserve(&claim(3)).await.is_ok());
}

#[tokio::test]
async fn definitions_follow_the_store() {
    let (budgets, store) = four_scopes(10, 100).await;
    assert_eq!((budgets.budgets().len(), budgets.all_limits().len()), (4, 8));
    let ticket = budgets.reserve(&claim(4)).await.expect("fits");
    store.remove_budget("b1").await.expect("removed");
    let team = Scope::new(ScopeKind::Team, "team");
    store.put_budget(budget("b9", team, 3)).await.expect("kept");
    store.put_budget(budget("b0", principal().scopes(None)[0].clone(), 20)).await.expect("kept");
    store.remove_limit("l0-requests_per_minute").await.expect("removed");
    budgets.reload(&store).await.expect("reloaded");
    let caps: Vec<(String, i128, i128)> = budgets
        .budgets()
        .into_iter()
        .map(|status| {
            (status.budget.id.clone(), status.budget.cap.number(), status.reserved.number())
        })
        .collect();
    let wanted = [("b0", 20, 4), ("b2", 10, 4), ("b3", 10, 4), ("b9", 3, 0)];
    assert_eq!(caps, wanted.map(|(id, cap, held)| (id.to_owned(), cap, held)));
    assert_eq!(budgets.all_limits().len(), 7);
    budgets.settle(ticket, &claim(4), Money::from_pico(2), 1);
    assert!(budgets.budgets().iter().all(|status| status.spent.number() == 2));
    assert!(budgets.remove_budget(&store, "b9").await.expect("removed"));
    assert!(!budgets.remove_budget(&store, "b9").await.expect("asked"));
    assert_eq!(store.budgets.lock().len(), 3);
}

#[tokio::test]
async fn alerts_come_once_and_outside_the_lock() {
    let (told, totals) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (seen, seen_totals) = (Arc::clone(&told), Arc::clone(&totals));
    let budgets = EmbeddedBudgets::new(Arc::new(Hand::default()))
        .with_alerts(move |alert| {
            assert_eq!(alert.percent, 80);
            seen.fetch_add(1, Ordering::Relaxed);
        })
        .with_total_alert(Money::from_pico(9), move |alert| {
            assert!(alert.spent >= alert.threshold);
            seen_totals.fetch_add(1, Ordering::Relaxed);
        });
    let key = Scope::new(ScopeKind::Key, "key_0123456789");
    budgets.put_budget(&Shelf::default(), budget("b", key, 10)).await.expect("put");
    for _ in 0..10 {
        let ticket = budgets.reserve(&claim(1)).await.expect("fits");
        budgets.settle(ticket, &claim(1), Money::from_pico(1), 1);
    }
    assert_eq!((told.load(Ordering::Relaxed), totals.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test]
async fn limits_tell_when_to_come_back() {
    let (budgets, _store) = four_scopes(i64::MAX, 250).await;
    let first = budgets.reserve(&claim(1)).await.expect("100 tokens");
    budgets.reserve(&claim(1)).await.expect("200 tokens");
    let error = budgets.reserve(&claim(1)).await.expect_err("300 tokens");
    assert_eq!((error.kind(), error.retry_after_ms()), (Kind::RateLimited, Some(61_000)));
    let scopes = claim(1).scopes;
    let limits = BudgetStore::limits(&*budgets, &scopes[3..]);
    let remaining: Vec<u64> = limits.iter().map(|status| status.remaining).collect();
    assert_eq!(remaining, [248, 50], "the refused call consumed nothing");
    budgets.settle(first, &claim(1), Money::ZERO, 10);
    assert!(budgets.reserve(&claim(1)).await.is_ok());
}

#[tokio::test]
async fn too_many_accounts_are_refused() {
    let (budgets, _store) = four_scopes(10, 10).await;
    let scopes = (0..65).map(|at| Scope::new(ScopeKind::Tag, at.to_string())).collect();
    let error = budgets.reserve(&Claim { scopes, ..claim(1) }).await.expect_err("refused");
    assert_eq!(error.kind(), Kind::InvalidRequest);
}
