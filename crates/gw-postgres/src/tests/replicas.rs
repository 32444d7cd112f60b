//! Several replicas on one database.

use std::time::Duration;

use gw_core::budget::{Amount, Budget, SPEND_SLOT_MS, Window};
use gw_core::key::{KeyHash, KeyRecord};
use gw_core::record::CallRecord;
use gw_core::seam::{Budgets, CallLog, Changes, Conversations, Instances, Keys};
use gw_core::{InstanceId, Money, Scope, ScopeKind};
use gw_store::suite::{NOW_MS, conversation, turn};
use tokio::task::JoinSet;

use super::{Bed, check_sums, spent, team};
use crate::Retention;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_together_migrate_once() {
    let bed = Bed::shared().await;
    let stores = tokio::join!(bed.open(), bed.open(), bed.open());
    let instances = stores.0.instances().await.expect("listed");
    assert_eq!(instances.len(), 3);
    assert!(instances.iter().all(|instance| instance.silent_ms < 60_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_write_at_once_conserve_sums() {
    const EACH: u64 = 150;
    let bed = Bed::shared().await;
    let mut writers = JoinSet::new();
    for replica in 0..2_u64 {
        let store = bed.open().await;
        for task in 0..8_u64 {
            let store = store.clone();
            writers.spawn(async move {
                for step in 0..EACH {
                    // Every id is sent by both, and scopes come in every order.
                    let number = task * EACH + step;
                    let mut record = spent(number);
                    record.conversation_id = Some(format!("talk {}", number % 7).into());
                    if (replica + step) % 2 == 0 {
                        record.scopes.reverse();
                    }
                    store.record(record).await.expect("recorded");
                    if step % 10 == 0 {
                        let talk = conversation(&format!("talk {}", number % 7));
                        store.append(talk, vec![turn("x")]).await.expect("appended");
                    }
                }
            });
        }
    }
    while let Some(writer) = writers.join_next().await {
        writer.expect("a writer broke off");
    }
    let store = bed.open().await;
    check_sums(&store, 8 * EACH).await;
    let mut turns = 0;
    for talk in 0..7 {
        let id = format!("talk {talk}").into();
        turns += store.recent(&id, usize::MAX).await.expect("read").len();
    }
    assert_eq!(turns, 2 * 8 * 15);
    assert_eq!(store.journaled(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_reach_the_other_replica_within_a_second() {
    let bed = Bed::shared().await;
    let (here, there) = (bed.open().await, bed.open().await);
    let second = Duration::from_secs(1);
    let mut seen = there.revision();
    let mut noticed = async |what: &str| {
        // Only what comes of the change itself.
        let changed = tokio::time::timeout(second * 5, there.changed(seen)).await;
        seen = changed.unwrap_or_else(|_| panic!("{what} not noticed"));
    };
    let key = KeyRecord { id: "k".into(), created_at_ms: NOW_MS, ..KeyRecord::default() };
    here.create_key(key, KeyHash([1; 32])).await.expect("made");
    noticed("a new key").await;
    here.revoke_key("k", NOW_MS).await.expect("revoked");
    noticed("a revocation").await;
    let budget = Budget {
        id: "b".into(),
        scope: team(),
        cap: Amount::Dollars(Money::from_pico(1)),
        window: Window::Day,
        is_hard: true,
        max_layer: None,
        alerts: Vec::new(),
        when_away: None,
    };
    here.put_budget(budget).await.expect("kept");
    noticed("a new budget").await;
    // By hand, past every replica.
    let other = bed.database.connect().await;
    other.batch_execute("DELETE FROM gateway.budgets").await.expect("removed");
    noticed("a change by hand").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn use_of_keys_and_calls_are_no_changes() {
    let bed = Bed::shared().await;
    let store = bed.open().await;
    let key = KeyRecord { id: "k".into(), created_at_ms: NOW_MS, ..KeyRecord::default() };
    store.create_key(key, KeyHash([1; 32])).await.expect("made");
    let client = bed.database.connect().await;
    let revision = async || -> i64 {
        let sql = "SELECT revision FROM gateway.definitions";
        client.query_one(sql, &[]).await.expect("read").get(0)
    };
    let before = revision().await;
    store.touch_key("k", NOW_MS).await.expect("noted");
    store.record(spent(1)).await.expect("recorded");
    assert_eq!(revision().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn totals_tell_replicas_apart_until_they_are_forgotten() {
    let bed = Bed::shared().await;
    let (one, two) = (bed.open().await, bed.open().await);
    one.record(spent(1)).await.expect("recorded");
    for number in 2..5 {
        two.record(spent(number)).await.expect("recorded");
    }
    let calls = async |id: &InstanceId| {
        let spending = one.instance_spending(id).await.expect("asked");
        let of_team = spending.iter().filter(|(scope, _)| *scope == team());
        of_team.map(|(_, spent)| spent.calls).sum::<u64>()
    };
    assert_eq!((calls(one.instance()).await, calls(two.instance()).await), (1, 3));
    let id = two.instance().clone();
    assert!(one.forget_instance(&id).await.expect("forgotten"));
    assert!(!one.forget_instance(&InstanceId::from("nobody")).await.expect("asked"));
    assert_eq!(calls(&id).await, 0);
    assert_eq!(one.lifetime_spending(&team()).await.expect("asked").calls, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_go_and_sums_stay() {
    let bed = Bed::shared().await;
    let store = bed.open().await;
    for number in 0..100 {
        let age = i64::try_from(number).expect("small");
        let record = CallRecord { started_at_ms: NOW_MS - age * 1_000, ..spent(number) };
        store.record(record).await.expect("recorded");
    }
    store.set_retention(Retention { calls_kept_ms: Some(50_000), calls_bytes_max: None });
    store.trim().await.expect("trimmed");
    assert_eq!(store.recent_calls(999).await.expect("listed").len(), 51);
    store.set_retention(Retention { calls_kept_ms: None, calls_bytes_max: Some(10 * 1_024) });
    store.trim().await.expect("trimmed");
    let kept = store.recent_calls(999).await.expect("listed");
    assert!((2..20).contains(&kept.len()), "{}", kept.len());
    assert!(kept.iter().all(|call| call.started_at_ms > NOW_MS - 20_000), "the newest stay");
    assert_eq!(store.lifetime_spending(&team()).await.expect("asked").calls, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_slots_are_folded_and_lifetimes_stay() {
    let bed = Bed::shared().await;
    let store = bed.open().await;
    let old = NOW_MS - gw_core::limits::SPENDING_KEPT_MS - 2 * SPEND_SLOT_MS;
    for (number, started_at_ms) in [(1, old), (2, old - 400_000), (3, NOW_MS)] {
        store.record(CallRecord { started_at_ms, ..spent(number) }).await.expect("recorded");
    }
    store.trim().await.expect("trimmed");
    store.trim().await.expect("trimmed");
    let slots = store.spending(&team(), i64::MIN).await.expect("asked");
    assert_eq!(slots.len(), 1, "{slots:?}");
    let lifetime = store.lifetime_spending(&team()).await.expect("asked");
    assert_eq!((lifetime.spent, lifetime.calls), (Money::from_pico(21), 3));
    let own = store.instance_spending(store.instance()).await.expect("asked");
    assert_eq!(own.len(), 2, "{own:?}");
    assert_eq!(own[0].0, Scope::new(ScopeKind::Key, "k"));
}
