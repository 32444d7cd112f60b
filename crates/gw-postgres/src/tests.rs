//! The suite on PostgreSQL, and what only this store promises.

mod faults;
mod kill;
mod replicas;
mod schema;
mod tls;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use gw_core::budget::Spending;
use gw_core::money::CostSource;
use gw_core::record::{CallRecord, UsageQuery};
use gw_core::seam::{Budgets, CallLog, Clock, Entropy, Instances, StoreHealth, UsageReports};
use gw_core::{Cost, Money, Scope, ScopeKind};
use gw_store::suite;
use tempfile::TempDir;

use crate::testbed::TestDatabase;
use crate::{PostgresOptions, PostgresStore};

/// A clock that tests set.
struct SetClock(AtomicI64);

impl SetClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(suite::NOW_MS)))
    }

    fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn unix_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic_ms(&self) -> u64 {
        0
    }
}

/// Counts, so that ids differ.
struct Counted;

impl Entropy for Counted {
    fn fill(&self, buffer: &mut [u8]) {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number =
            COUNT.fetch_add(1, Ordering::Relaxed).wrapping_add(u64::from(std::process::id()) << 32);
        for (byte, value) in buffer.iter_mut().zip(number.to_be_bytes().iter().cycle()) {
            *byte = *value;
        }
    }
}

fn options(database: &TestDatabase, folder: &TempDir) -> PostgresOptions {
    PostgresOptions {
        connections: 4,
        // A loaded machine is slow; what is slow on purpose says so itself.
        slow_ms: 30_000,
        retry_ms: 20,
        ..PostgresOptions::new(database.url.clone(), folder.path().join("deep/er"))
    }
}

async fn open_with(options: PostgresOptions) -> gw_core::Result<PostgresStore> {
    PostgresStore::open(options, SetClock::new(), &Counted).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_passes_the_suite() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = TestDatabase::new().await;
    suite::run(async || {
        let database = TestDatabase::new().await;
        Arc::new(open_with(options(&database, &folder)).await.expect("opened"))
    })
    .await;
    suite::run_responses(async || {
        let database = TestDatabase::new().await;
        Arc::new(open_with(options(&database, &folder)).await.expect("opened"))
    })
    .await;
    suite::run_personal(async || {
        let database = TestDatabase::new().await;
        Arc::new(open_with(options(&database, &folder)).await.expect("opened"))
    })
    .await;
    drop(server);
}

/// A store on a database of its own.
struct Bed {
    database: TestDatabase,
    folder: TempDir,
    clock: Arc<SetClock>,
}

impl Bed {
    async fn shared() -> Self {
        Self::on(TestDatabase::new().await)
    }

    async fn alone() -> Self {
        Self::on(TestDatabase::alone().await)
    }

    fn on(database: TestDatabase) -> Self {
        Self { database, folder: tempfile::tempdir().expect("a folder"), clock: SetClock::new() }
    }

    fn options(&self) -> PostgresOptions {
        options(&self.database, &self.folder)
    }

    async fn open(&self) -> PostgresStore {
        self.open_with(self.options()).await.expect("opened")
    }

    async fn open_with(&self, options: PostgresOptions) -> gw_core::Result<PostgresStore> {
        PostgresStore::open(options, Arc::clone(&self.clock) as _, &Counted).await
    }
}

fn team() -> Scope {
    Scope::new(ScopeKind::Team, "t")
}

/// A call of 7 pico-dollars and 13 tokens on the team's account.
fn spent(number: u64) -> CallRecord {
    let cost = Cost::Priced { amount: Money::from_pico(7), source: CostSource::Catalogue };
    CallRecord {
        scopes: vec![team(), Scope::new(ScopeKind::Key, "k")],
        cost,
        ..suite::call(number)
    }
}

/// Panics unless exactly these many calls of [`spent`] are in every sum.
async fn check_sums(store: &PostgresStore, calls: u64) {
    let pico = Money::from_pico(i64::try_from(calls * 7).expect("small"));
    let kept = store.recent_calls(usize::MAX).await.expect("listed");
    let ids: BTreeSet<_> = kept.iter().map(|call| call.id).collect();
    assert_eq!((kept.len() as u64, ids.len() as u64), (calls, calls));
    for scope in [team(), Scope::new(ScopeKind::Key, "k")] {
        let lifetime = store.lifetime_spending(&scope).await.expect("asked");
        assert_eq!((lifetime.calls, lifetime.spent, lifetime.tokens), (calls, pico, calls * 13));
        let mut of_all = Spending::default();
        for instance in store.instances().await.expect("listed") {
            for (of, spent) in store.instance_spending(&instance.id).await.expect("asked") {
                if of == scope {
                    of_all.calls += spent.calls;
                    of_all.spent += spent.spent;
                    of_all.tokens += spent.tokens;
                }
            }
        }
        assert_eq!((of_all.calls, of_all.spent, of_all.tokens), (calls, pico, calls * 13));
    }
    let usage = store.usage(UsageQuery::default()).await.expect("asked");
    assert_eq!((usage[0].calls, usage[0].cost), (calls, pico));
}

/// Waits until the database answers and the journal is replayed.
async fn recovered(store: &PostgresStore) {
    let recovered = async {
        while store.journaled() > 0 || store.check().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), recovered).await.expect("recovered");
}
