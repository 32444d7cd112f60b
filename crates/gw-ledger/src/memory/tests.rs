use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gw_core::principal::Principal;
use gw_core::reservation::{Claim, Reservation};
use gw_core::seam::{BudgetStore, Clock, Entropy};
use gw_core::{CallId, Money};

use super::MemoryBudgets;

struct Fixed;

impl Clock for Fixed {
    fn unix_ms(&self) -> i64 {
        0
    }
    fn monotonic_ms(&self) -> u64 {
        0
    }
}

impl Entropy for Fixed {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

fn claim(pico: i64) -> Claim {
    Claim {
        worst_case: Some(Money::from_pico(pico)),
        worst_tokens: 1,
        ..Claim::new(CallId::new(&Fixed, &Fixed), Principal::default(), 0)
    }
}

#[tokio::test]
async fn a_reservation_holds_settles_and_releases() {
    let budgets = Arc::new(MemoryBudgets::new());
    let store: Arc<dyn BudgetStore> = budgets.clone();
    let first = Reservation::make(Arc::clone(&store), claim(100)).await.unwrap();
    let second = Reservation::make(store, claim(50)).await.unwrap();
    assert_eq!(budgets.totals().reserved, Money::from_pico(150));
    first.settle(Money::from_pico(130), 9);
    drop(second);
    let totals = budgets.totals();
    assert_eq!(
        (totals.reserved, totals.spent, totals.tokens),
        (Money::ZERO, Money::from_pico(130), 9)
    );
    assert_eq!((totals.open, totals.settled, totals.released), (0, 1, 1));
}

#[tokio::test]
async fn a_ticket_counts_once() {
    let budgets = MemoryBudgets::new();
    let claim = claim(10);
    let ticket = budgets.reserve(&claim).await.unwrap();
    budgets.settle(ticket, &claim, Money::from_pico(4), 1);
    budgets.settle(ticket, &claim, Money::from_pico(4), 1);
    budgets.release(ticket, &claim);
    budgets.release(999, &claim);
    let totals = budgets.totals();
    assert_eq!((totals.spent, totals.settled, totals.released), (Money::from_pico(4), 1, 0));
}

#[tokio::test]
async fn the_alert_comes_once() {
    let alerts = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&alerts);
    let budgets = MemoryBudgets::with_alert(Money::from_pico(10), move |alert| {
        assert!(alert.spent >= alert.threshold);
        seen.fetch_add(1, Ordering::Relaxed);
    });
    for spent in [4, 5, 1, 100, 0] {
        let claim = claim(1);
        let ticket = budgets.reserve(&claim).await.unwrap();
        budgets.settle(ticket, &claim, Money::from_pico(spent), 0);
        let expected = usize::from(budgets.totals().spent >= Money::from_pico(10));
        assert_eq!(alerts.load(Ordering::Relaxed), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sums_are_exact_under_concurrency() {
    let alerts = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&alerts);
    let budgets = Arc::new(MemoryBudgets::with_alert(Money::from_pico(5_000), move |_| {
        seen.fetch_add(1, Ordering::Relaxed);
    }));
    let tasks = (0..8_i64).map(|worker| {
        let budgets = Arc::clone(&budgets);
        tokio::spawn(async move {
            for call in 0..1_000_i64 {
                let store: Arc<dyn BudgetStore> = budgets.clone();
                let held = Reservation::make(store, claim(call + 1)).await.unwrap();
                if (call + worker) % 3 == 0 {
                    drop(held);
                } else {
                    held.settle(Money::from_pico(call), 2);
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let expected: i64 = (0..8_i64)
        .flat_map(|worker| (0..1_000_i64).filter(move |call| (call + worker) % 3 != 0))
        .sum();
    let totals = budgets.totals();
    assert_eq!((totals.spent, totals.reserved), (Money::from_pico(expected), Money::ZERO));
    assert_eq!((totals.open, totals.settled + totals.released), (0, 8_000));
    assert_eq!(alerts.load(Ordering::Relaxed), 1);
}
