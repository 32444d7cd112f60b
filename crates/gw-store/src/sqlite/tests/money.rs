//! What was spent outlives the process and the rows it came from.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use gw_core::budget::{Amount, Budget, Window};
use gw_core::money::CostSource;
use gw_core::principal::Principal;
use gw_core::record::{CallRecord, StatsFilter, UsageQuery};
use gw_core::reservation::{Claim, Reservation};
use gw_core::seam::{BudgetStore, Budgets, CallLog, StoreHealth, UsageReports};
use gw_core::{Cost, Money, Scope, ScopeKind, limits};
use gw_ledger::EmbeddedBudgets;

use super::{Still, folder, open, open_file, raw};
use crate::suite::{NOW_MS, call, call_id};
use crate::{Retention, Store, StoreOptions};

const PATH: &str = "GW_STORE_TEST_SPEND_PATH";

fn principal() -> Principal {
    Principal { team: Some("t".into()), key_id: Some("k".into()), ..Principal::default() }
}

fn team() -> Scope {
    Scope::new(ScopeKind::Team, "t")
}

fn budget(cap: i64) -> Budget {
    Budget {
        id: "b".into(),
        scope: team(),
        cap: Amount::Dollars(Money::from_pico(cap)),
        window: Window::Month,
        is_hard: true,
        max_layer: None,
        alerts: Vec::new(),
        when_away: None,
    }
}

fn spent(number: u64, pico: i64) -> CallRecord {
    CallRecord {
        scopes: principal().scopes(None),
        cost: Cost::Priced { amount: Money::from_pico(pico), source: CostSource::Catalogue },
        ..call(number)
    }
}

async fn load(store: &Store) -> Arc<EmbeddedBudgets> {
    Arc::new(EmbeddedBudgets::load(store, Arc::new(Still)).await.expect("loaded"))
}

/// Does nothing unless the test below starts it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_spends_until_it_is_killed() {
    let Some(path) = std::env::var_os(PATH) else {
        return;
    };
    let store = Arc::new(open_file(path.as_ref()));
    store.put_budget(budget(i64::MAX)).await.expect("kept");
    let budgets = load(&store).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8_u64 {
        let (store, budgets) = (Arc::clone(&store), Arc::clone(&budgets));
        tasks.spawn(async move {
            for number in (task..10_000_000).step_by(8) {
                let claim = Claim {
                    worst_case: Some(Money::from_pico(100)),
                    ..Claim::new(call_id(number), principal(), NOW_MS)
                };
                let held = Reservation::make(budgets.clone(), claim).await.expect("fits");
                held.settle(Money::from_pico(7), 13);
                store.record(spent(number, 7)).await.expect("recorded");
                let mut out = std::io::stdout().lock();
                if writeln!(out, "told {number}").and_then(|()| out.flush()).is_err() {
                    return;
                }
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

#[tokio::test]
async fn killed_process_loses_no_spending_and_keeps_nothing_reserved() {
    for kill_after in [1_u64, 500] {
        let (_folder, path) = folder();
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args([
                "sqlite::tests::money::child_spends_until_it_is_killed",
                "--exact",
                "--nocapture",
            ])
            .env(PATH, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut told = 0;
        let is_told = |line: &str| line.starts_with("told ");
        while told < kill_after {
            let line = lines.next().expect("the child ended too early").expect("read");
            told += u64::from(is_told(&line));
        }
        child.kill().expect("killed");
        told += lines.map_while(Result::ok).filter(|line| is_told(line)).count() as u64;
        child.wait().expect("ended");

        let store = open_file(&path);
        let kept = store.recent_calls(usize::MAX).await.expect("listed").len() as u64;
        assert!(kept >= told, "{kept} of {told}");
        let lifetime = store.lifetime_spending(&team()).await.expect("asked");
        let pico = i64::try_from(kept * 7).expect("small");
        assert_eq!((lifetime.calls, lifetime.spent), (kept, Money::from_pico(pico)));
        let status = load(&store).await.budgets().remove(0);
        assert_eq!((status.spent.number(), status.reserved.number()), (pico.into(), 0));
        let sums = store.usage(UsageQuery::default()).await.expect("asked");
        assert_eq!((sums[0].calls, sums[0].cost), (kept, Money::from_pico(pico)));
    }
}

#[tokio::test]
async fn reloaded_budgets_stand_as_they_stood() {
    let (_folder, path) = folder();
    let store = open_file(&path);
    let budgets = load(&store).await;
    budgets.put_budget(&store, budget(100)).await.expect("put");
    for number in 0..10 {
        let claim = Claim {
            worst_case: Some(Money::from_pico(10)),
            ..Claim::new(call_id(number), principal(), NOW_MS - 1)
        };
        let held = Reservation::make(budgets.clone(), claim).await.expect("fits");
        held.settle(Money::from_pico(9), 13);
        let record = CallRecord { started_at_ms: NOW_MS - 1, ..spent(number, 9) };
        store.record(record).await.expect("recorded");
    }
    let stood = budgets.budgets();
    drop((budgets, store));
    let again = load(&open_file(&path)).await;
    assert_eq!(again.budgets(), stood);
    let claim = |pico| Claim {
        worst_case: Some(Money::from_pico(pico)),
        ..Claim::new(call_id(99), principal(), NOW_MS)
    };
    assert!(again.reserve(&claim(11)).await.is_err());
    assert!(again.reserve(&claim(10)).await.is_ok());
}

/// Two processes at one file: what one keeps the other may find behind the mark.
#[tokio::test]
async fn every_kept_call_is_added_once_whoever_kept_it() {
    let (_folder, path) = folder();
    let stores = [open_file(&path), open_file(&path)];
    for number in 0..40 {
        let store = &stores[usize::from(number % 3 == 0)];
        store.record(spent(number, 5)).await.expect("recorded");
        // Twice: the second is known.
        store.record(spent(number, 5)).await.expect("recorded");
        if number % 7 == 0 {
            let sum = stores[0].lifetime_spending(&team()).await.expect("asked");
            assert_eq!(sum.calls, number + 1);
        }
    }
    for store in &stores {
        let sum = store.lifetime_spending(&team()).await.expect("asked");
        assert_eq!((sum.calls, sum.spent), (40, Money::from_pico(200)));
    }
    drop(stores);
    let again = open_file(&path);
    assert_eq!(again.lifetime_spending(&team()).await.expect("asked").calls, 40);
}

/// A rowid that is given again belongs to another call.
#[tokio::test]
async fn a_call_that_takes_the_place_of_a_removed_one_is_added() {
    let (_folder, path) = folder();
    let store = open_file(&path);
    store.set_retention(Retention { calls_kept_ms: Some(50_000), calls_bytes_max: None });
    for number in 0..10 {
        // The newest row is the oldest call, and goes at once.
        let started_at_ms = if number % 2 == 0 { NOW_MS } else { NOW_MS - 60_000 };
        let record = CallRecord { started_at_ms, ..spent(number, 5) };
        store.record(record).await.expect("recorded");
        store.flush().await.expect("added");
    }
    assert_eq!(store.recent_calls(99).await.expect("listed").len(), 5);
    assert_eq!(store.lifetime_spending(&team()).await.expect("asked").calls, 10);
}

#[tokio::test]
async fn rows_go_and_sums_stay() {
    let store = open(StoreOptions::memory()).expect("opened");
    for number in 0..100 {
        let age = i64::try_from(number).expect("small");
        let record = CallRecord { started_at_ms: NOW_MS - age * 1_000, ..spent(number, 1) };
        store.record(record).await.expect("recorded");
    }
    store.set_retention(Retention { calls_kept_ms: Some(50_000), calls_bytes_max: None });
    store.record(spent(100, 1)).await.expect("recorded");
    store.flush().await.expect("trimmed");
    assert_eq!(store.recent_calls(999).await.expect("listed").len(), 52);
    store.set_retention(Retention { calls_kept_ms: None, calls_bytes_max: Some(10 * 1_024) });
    store.record(spent(101, 1)).await.expect("recorded");
    store.flush().await.expect("trimmed");
    let kept = store.recent_calls(999).await.expect("listed");
    assert!((2..20).contains(&kept.len()), "{}", kept.len());
    assert!(kept.iter().all(|call| call.started_at_ms > NOW_MS - 20_000), "the newest stay");
    let sums = store.usage(UsageQuery::default()).await.expect("asked");
    let calls: u64 = sums.iter().map(|sum| sum.calls).sum();
    assert_eq!(calls, 102);
    let stats = async |filter: StatsFilter| store.stats(filter).await.expect("asked");
    let all = stats(StatsFilter::default()).await;
    assert_eq!((all.total.calls, all.total.cost), (102, Money::from_pico(102)));
    assert_eq!((all.by_model[0].1.calls, all.by_layer[0].1.calls), (102, 102));
    let hour = NOW_MS - NOW_MS.rem_euclid(3_600_000);
    for (from_ms, until_ms, wanted) in [
        (hour, hour + 3_600_000, 102),
        (hour + 3_600_000, hour + 7_200_000, 0),
        (hour - 3_600_000, hour, 0),
    ] {
        let filter =
            StatsFilter { from_ms: Some(from_ms), until_ms: Some(until_ms), user_id: None };
        assert_eq!(stats(filter).await.total.calls, wanted, "{from_ms}");
    }
    assert_eq!(store.lifetime_spending(&team()).await.expect("asked").calls, 102);
}

#[tokio::test]
async fn old_slots_are_folded_and_lifetimes_stay() {
    let (_folder, path) = folder();
    let store = open_file(&path);
    let old = NOW_MS - limits::SPENDING_KEPT_MS - 1;
    for (number, started_at_ms) in [(1, old), (2, old - 400_000), (3, NOW_MS)] {
        store.record(CallRecord { started_at_ms, ..spent(number, 5) }).await.expect("recorded");
    }
    let slots = store.spending(&team(), i64::MIN).await.expect("asked");
    assert!(slots.len() <= 2, "{slots:?}");
    let lifetime = store.lifetime_spending(&team()).await.expect("asked");
    assert_eq!((lifetime.spent, lifetime.calls), (Money::from_pico(15), 3));
    drop(store);
    let rows: i64 = raw(&path)
        .query_one("SELECT count(*) FROM spending WHERE kind = 'team'", [], |row| row.get(0))
        .expect("counted");
    assert!(rows <= 3);
}
