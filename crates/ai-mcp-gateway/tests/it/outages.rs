//! Replicas while what they share is away: Redis that is frozen, slow or killed, PostgreSQL that is
//! stopped. Calls go on where their budget says open and are refused in clear words where it says
//! closed; no record is lost.
//!
//! An outage lasts twice as long as a lease: after that nothing changes any more however long it takes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use gw_core::Money;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::gateway::{Gateway, Launch, until};
use crate::replicas::{ADMIN, CALL_COST, Shared, fixed_call, say};

const OUTAGE: Duration = Duration::from_millis(2 * gw_redis::LEASE_MS);

/// Answers by what they were.
#[derive(Default, Debug)]
struct Tally {
    served: AtomicUsize,
    /// Refused since the counters are away: 503 that says so and when to come back.
    away: AtomicUsize,
    /// Refused since the budget is used up.
    spent: AtomicUsize,
}

impl Tally {
    fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }
}

/// A key of its own budget, and what became of its calls.
#[derive(Clone)]
struct Account {
    id: String,
    key: String,
    tally: Arc<Tally>,
}

impl Account {
    async fn new(launch: &Launch, calls: i64, loss: &str) -> Self {
        let made = say(launch, &format!("keys create --name {loss}")).await;
        let word = |name: &str| made[name].as_str().unwrap().to_owned();
        let (id, key) = (word("id"), word("key"));
        let usd = Money::from_pico(calls * CALL_COST.pico()).to_usd_string();
        say(launch, &format!("budgets set key:{id} --usd {usd} --redis-loss {loss}")).await;
        Self { id, key, tally: Arc::default() }
    }

    /// One call; what it became is counted.
    async fn call(&self, address: SocketAddr) {
        let reply = fixed_call(address, &self.key).await.expect("an answer");
        let tally = &self.tally;
        match reply.status {
            200 => tally.served.fetch_add(1, Ordering::SeqCst),
            402 => tally.spent.fetch_add(1, Ordering::SeqCst),
            503 => {
                let error = &reply.json()["error"];
                assert_eq!(error["code"], "store_unavailable", "{}", reply.text());
                assert!(error["message"].as_str().unwrap().contains("redis_loss"), "{error}");
                assert_ne!(reply.header("retry-after"), "", "{error}");
                tally.away.fetch_add(1, Ordering::SeqCst)
            }
            status => panic!("{status}: {}", reply.text()),
        };
    }

    /// How its budget stands on one gateway: spent and held.
    async fn standing(&self, gateway: &Gateway) -> (Money, Money) {
        let there = Launch::new().env("GATEWAY_URL", gateway.url()).env("GATEWAY_KEY", ADMIN);
        let page = say(&there, &format!("budgets list key:{}", self.id)).await;
        let budget = &page["budgets"][0];
        let money = |name: &str| Money::from_usd_decimal(budget[name].as_str().unwrap()).unwrap();
        (money("spent"), money("reserved"))
    }
}

/// Callers on all gateways with all accounts, until they are told to stop.
struct Load {
    is_over: Arc<AtomicBool>,
    callers: JoinSet<()>,
}

impl Load {
    fn start(gateways: &[Gateway], accounts: &[&Account]) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut callers = JoinSet::new();
        for gateway in gateways {
            for account in accounts {
                let (address, account) = (gateway.address, Account::clone(account));
                let is_over = Arc::clone(&is_over);
                callers.spawn(async move {
                    while !is_over.load(Ordering::SeqCst) {
                        account.call(address).await;
                        sleep(Duration::from_millis(5)).await;
                    }
                });
            }
        }
        Self { is_over, callers }
    }

    async fn stop(mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        while let Some(done) = self.callers.join_next().await {
            done.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_or_is_slow_fails_no_open_call_and_refuses_closed_ones_clearly() {
    let shared = Shared::start().await;
    let launches = [shared.launch(), shared.launch()];
    let open = Account::new(&launches[0], 1_000_000, "open").await;
    let closed = Account::new(&launches[0], 1_000_000, "closed").await;
    // Used up in the outage: an equal part of what was left for each replica, and no more.
    let tight = Account::new(&launches[0], 60, "open").await;
    let gateways = [launches[0].serve().await, launches[1].serve().await];
    for gateway in &gateways {
        for account in [&open, &closed, &tight] {
            account.call(gateway.address).await;
        }
    }
    let load = Load::start(&gateways, &[&open, &closed, &tight]);
    shared.redis.freeze();
    sleep(OUTAGE).await;
    let hung = (open.tally.served(), closed.tally.away.load(Ordering::SeqCst));
    // A replica that thinks itself cut off alone spends its part beside what the other leases: half of
    // what was left, at most.
    assert!(tight.tally.served() <= 60 + 30, "overspend: {:?}", tight.tally);
    shared.redis.thaw();
    // Slow: it hangs most of the time, and answers late.
    let began = Instant::now();
    while began.elapsed() < OUTAGE {
        shared.redis.freeze();
        sleep(Duration::from_millis(180)).await;
        shared.redis.thaw();
        sleep(Duration::from_millis(40)).await;
    }
    load.stop().await;
    for account in [&open, &closed, &tight] {
        println!("Redis hangs, then is slow: {:?}", account.tally);
    }
    assert!(hung.0 > 20 && hung.1 > 0, "{hung:?}");
    assert_eq!(open.tally.away.load(Ordering::SeqCst), 0, "an open call failed");
    assert_eq!(tight.tally.away.load(Ordering::SeqCst), 0, "an open call failed");
    // When it answers again, all that fits is served, closed ones too, and the sums are exact.
    while tight.tally.served() < 60 {
        let before = tight.tally.served();
        tight.call(gateways[0].address).await;
        assert!(tight.tally.served() > before, "refused with room: {:?}", tight.tally);
    }
    let served = tight.tally.served();
    assert!(served <= 60 + 30, "overspend: {:?}", tight.tally);
    tight.call(gateways[1].address).await;
    assert_eq!(tight.tally.served(), served, "overspend");
    let before = closed.tally.served();
    closed.call(gateways[1].address).await;
    assert_eq!(closed.tally.served(), before + 1);
    for account in [&open, &closed, &tight] {
        let served = i64::try_from(account.tally.served()).unwrap();
        let wanted = (Money::from_pico(served * CALL_COST.pico()), Money::ZERO);
        for gateway in &gateways {
            until("exact sums", async || (account.standing(gateway).await == wanted).then_some(()))
                .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_comes_back_empty_knows_again_what_was_spent() {
    let mut shared = Shared::start().await;
    let launches = [shared.launch(), shared.launch()];
    let open = Account::new(&launches[0], 400, "open").await;
    let gateways = [launches[0].serve().await, launches[1].serve().await];
    for gateway in &gateways {
        open.call(gateway.address).await;
    }
    let load = Load::start(&gateways, &[&open]);
    shared.redis.kill();
    sleep(OUTAGE).await;
    shared.redis.run();
    load.stop().await;
    let away = open.tally.away.load(Ordering::SeqCst);
    assert_eq!(away, 0, "an open call failed: {:?}", open.tally);
    // While Redis was away each gateway had its own part; what one had left, any may spend again.
    until("all that fits is served", async || {
        open.call(gateways[0].address).await;
        (open.tally.served() >= 400).then_some(())
    })
    .await;
    for gateway in &gateways {
        open.call(gateway.address).await;
    }
    assert_eq!(open.tally.served(), 400, "overspend");
}

/// Calls while the database is away: ten minutes of a call a second.
const CALLS_WITHOUT_DATABASE: usize = 600;

#[tokio::test(flavor = "multi_thread")]
async fn ten_minutes_of_calls_without_postgresql_fail_nobody_and_lose_no_record() {
    let shared = Shared::start().await;
    let launches = [shared.launch(), shared.launch(), shared.launch()];
    let account = Account::new(&launches[0], 1_000_000, "closed").await;
    let mut gateways = Vec::new();
    for launch in &launches {
        gateways.push(launch.serve().await);
    }
    for gateway in &gateways {
        account.call(gateway.address).await;
    }
    shared.database.server.stop();
    let load = Load::start(&gateways, &[&account; 4]);
    until("the load", async || (account.tally.served() >= CALLS_WITHOUT_DATABASE).then_some(()))
        .await;
    load.stop().await;
    assert_eq!(account.tally.away.load(Ordering::SeqCst), 0, "{:?}", account.tally);
    // One of them is killed with its records in its journal.
    assert!(!gateways.remove(0).end("KILL").await.success());
    shared.database.server.resume_after_stop();
    let again = launches[0].serve().await;
    let served = i64::try_from(account.tally.served()).unwrap();
    let recorded = until("every record", async || {
        let recorded = shared.recorded().await;
        (recorded.0 >= served).then_some(recorded)
    })
    .await;
    println!("PostgreSQL away: {served} served, {} on record", recorded.0);
    assert_eq!(recorded, (served, Money::from_pico(served * CALL_COST.pico())));
    // The rows, the sums and the shared counters say the same.
    until("the counters", async || {
        (account.standing(&again).await == (recorded.1, Money::ZERO)).then_some(())
    })
    .await;
    let usage: Value = say(&launches[0], "usage --by key").await;
    let text = usage.to_string();
    assert!(text.contains(&account.id), "{text}");
}
