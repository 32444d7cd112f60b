//! Money through the real program: a cap under a thousand callers, kill -9 in the middle, a store that
//! takes nothing for a while.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gw_core::Money;
use gw_core::budget::Amount;
use rusqlite::Connection;
use serde_json::json;
use tokio::task::JoinSet;

use crate::gateway::{Gateway, Launch, until};
use crate::http;
use crate::keys::{Beside, ask};
use crate::upstream::{Stub, both_dialects, fail_key, simulator};

const BUSY_MS: &str = "GATEWAY_STORE__BUSY_TIMEOUT_MS";

/// A key with a cap, made before the gateway starts.
async fn capped(launch: &Launch, usd: &str) -> String {
    let beside = Beside::open(&launch.database()).await;
    let key = beside.key("capped").await;
    beside.cap(&key, usd).await;
    key.key
}

fn usd(text: &str) -> Money {
    Money::from_usd_decimal(text).unwrap_or_else(|| panic!("{text:?} is no amount"))
}

/// What the gateway says is left, with nothing of ours under way.
async fn left(gateway: &Gateway, key: &str) -> Money {
    let headers = [("x-api-key", key)];
    let reply = http::send(gateway.address, "GET", "/v1/models", &headers, Bytes::new()).await;
    usd(reply.header("x-gateway-budget-remaining-usd"))
}

/// What a gateway that starts now would find spent and held.
async fn kept(launch: &Launch) -> (Money, Money) {
    let beside = Beside::open(&launch.database()).await;
    let status = beside.budgets.budgets().pop().expect("a budget");
    match (status.spent, status.reserved) {
        (Amount::Dollars(spent), Amount::Dollars(reserved)) => (spent, reserved),
        other => panic!("{other:?}"),
    }
}

/// The status and cost of one call; nothing where the gateway is gone.
async fn call(address: SocketAddr, key: String) -> Option<(u16, Money)> {
    let body = json!({"model": "o/sim-small", "max_tokens": 50,
        "messages": [{"role": "user", "content": "the sea"}]});
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let body = Bytes::from(body.to_string());
    let open = http::try_open(address, "POST", "/v1/chat/completions", &headers, body).await?;
    let reply = open.whole().await;
    if !reply.is_whole {
        return None;
    }
    let cost = match reply.status {
        200 => usd(reply.header("x-gateway-cost-usd")),
        _ => Money::ZERO,
    };
    Some((reply.status, cost))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_callers_never_pass_the_cap_and_all_that_fits_is_served() {
    let simulator = simulator().await;
    let launch = Launch::new().closed().toml(&both_dialects(&simulator.base_url()));
    let cap = usd("0.02");
    let key = capped(&launch, "0.02").await;
    let gateway = launch.serve().await;
    let mut calls = JoinSet::new();
    for _ in 0..1_000 {
        calls.spawn(call(gateway.address, key.clone()));
    }
    let (mut served, mut refused, mut spent) = (0, 0, Money::ZERO);
    while let Some(done) = calls.join_next().await {
        match done.unwrap().expect("an answer") {
            (200, cost) => {
                served += 1;
                spent += cost;
            }
            (402, _) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(served > 0 && refused > 0, "{served} served, {refused} refused");
    assert!(spent <= cap, "{spent} spent");
    assert_eq!(left(&gateway, &key).await, cap.saturating_sub(spent), "nothing stays held");
    // What still fits is served, one by one, to the last.
    let last = loop {
        match call(gateway.address, key.clone()).await.expect("an answer") {
            (200, cost) => spent += cost,
            (status, _) => break status,
        }
    };
    assert_eq!(last, 402);
    let rest = cap.saturating_sub(spent);
    let dearest = usd("0.0002");
    assert!(spent <= cap && rest < dearest, "{rest} would still have paid for a call");
    assert_eq!(kept(&launch).await, (spent, Money::ZERO), "the store says the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kill_9_nothing_stays_held_and_nothing_spent_is_lost() {
    let simulator = simulator().await;
    let launch = Launch::new().closed().toml(&both_dialects(&simulator.base_url()));
    let key = capped(&launch, "0.02").await;
    let gateway = launch.serve().await;
    fail_key(&simulator, "key-o", "slow=20");
    let mut calls = JoinSet::new();
    let address = gateway.address;
    for _ in 0..24 {
        let key = key.clone();
        calls.spawn(async move {
            let mut heard = Money::ZERO;
            while let Some((_, cost)) = call(address, key.clone()).await {
                heard += cost;
            }
            heard
        });
    }
    let before = simulator.requests().len();
    until("calls under way", async || (simulator.requests().len() > before + 60).then_some(()))
        .await;
    assert!(!gateway.end("KILL").await.success());
    let mut heard = Money::ZERO;
    while let Some(done) = calls.join_next().await {
        heard += done.unwrap();
    }
    let (spent, reserved) = kept(&launch).await;
    assert!(spent >= heard && !heard.is_zero(), "{spent} kept of {heard}");
    assert_eq!(reserved, Money::ZERO);
    let gateway = launch.serve().await;
    assert_eq!(left(&gateway, &key).await, usd("0.02").saturating_sub(spent));
}

#[tokio::test(flavor = "multi_thread")]
async fn spending_that_the_store_refused_is_there_after_kill_9() {
    let simulator = simulator().await;
    let launch =
        Launch::new().closed().env(BUSY_MS, "50").toml(&both_dialects(&simulator.base_url()));
    let key = capped(&launch, "1").await;
    let gateway = launch.serve().await;
    let mut spent = call(gateway.address, key.clone()).await.expect("an answer").1;
    let other = Connection::open(launch.database()).unwrap();
    other.busy_timeout(Duration::from_secs(5)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..3 {
        let (status, cost) = call(gateway.address, key.clone()).await.expect("an answer");
        assert_eq!(status, 200, "served while the store takes nothing");
        spent += cost;
    }
    assert!(!gateway.end("KILL").await.success());
    other.execute_batch("ROLLBACK").unwrap();
    let again = launch.serve().await;
    assert_eq!(left(&again, &key).await, usd("1").saturating_sub(spent));
    assert_eq!(again.store().calls().len(), 4);
    // And without a restart: what waited arrives when the store takes it again.
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let reply = ask(&again, &key, "o/sim-small").await;
    reply.ok();
    other.execute_batch("ROLLBACK").unwrap();
    again.store().call_in_time(reply.header("x-gateway-call-id")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_reaches_a_webhook_that_fails_twice_signed_and_health() {
    let simulator = simulator().await;
    let tries = std::sync::atomic::AtomicUsize::new(0);
    let receiver = Stub::start(move |_| {
        let tried = tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        (if tried < 2 { 500 } else { 204 }, String::new())
    })
    .await;
    let launch = Launch::new()
        .closed()
        .env("COST_ALERT_THRESHOLD", "0.000001")
        .env("GATEWAY_ALERTS__WEBHOOK__URL", format!("{}/hook", receiver.url()))
        .env("GATEWAY_ALERTS__WEBHOOK__SECRET", "between-us")
        .toml(&both_dialects(&simulator.base_url()));
    let key = capped(&launch, "1").await;
    let gateway = launch.serve().await;
    assert_eq!(call(gateway.address, key.clone()).await.expect("an answer").0, 200);
    let seen =
        until("three posts", async || Some(receiver.seen()).filter(|seen| seen.len() >= 3)).await;
    assert_eq!(seen[0].body, seen[2].body, "the same message until it is taken");
    let message: serde_json::Value = serde_json::from_slice(&seen[0].body).unwrap();
    let header = |name: &str| seen[0].headers.get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(message["id"], header("x-gateway-event-id"));
    let signed = [header("x-gateway-timestamp").as_bytes(), b".", &seen[0].body].concat();
    let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"between-us");
    let signature = ring::hmac::sign(&secret, &signed);
    let hexadecimal: String = signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(header("x-gateway-signature"), format!("v1={hexadecimal}"));
    assert_eq!(message["type"], "total.threshold");
    let headers = [("x-api-key", key.as_str())];
    let health = http::send(gateway.address, "GET", "/health", &headers, Bytes::new()).await;
    assert!(health.text().contains("COST_ALERT_THRESHOLD"), "{}", health.text());
}
