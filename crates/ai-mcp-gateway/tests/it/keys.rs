//! Who is served: the first start's key, keys and budgets that another program writes beside a
//! running gateway, and what stays open.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use gw_core::budget::{Amount, Budget, Window};
use gw_core::key::KeyRecord;
use gw_core::seam::{Clock, Entropy};
use gw_core::{Money, Scope, ScopeKind};
use gw_ledger::{EmbeddedBudgets, Keyring, NewKey};
use gw_store::{Store, StoreOptions};
use serde_json::json;

use crate::gateway::{Gateway, Launch, until};
use crate::http::Reply;
use crate::upstream::{both_dialects, simulator};

/// The machine's clock: what is written beside the gateway is judged by the same time.
pub(crate) struct Now;

impl Clock for Now {
    fn unix_ms(&self) -> i64 {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        i64::try_from(since.as_millis()).unwrap()
    }

    fn monotonic_ms(&self) -> u64 {
        0
    }
}

struct Dice;

impl Entropy for Dice {
    fn fill(&self, buffer: &mut [u8]) {
        for piece in buffer.chunks_mut(16) {
            piece.copy_from_slice(&uuid::Uuid::now_v7().into_bytes()[..piece.len()]);
        }
        // The end of the id is what differs most.
        buffer.reverse();
    }
}

/// Another program at the gateway's file, as the command line is.
pub(crate) struct Beside {
    pub(crate) store: Store,
    pub(crate) keyring: Keyring,
    pub(crate) budgets: EmbeddedBudgets,
}

impl Beside {
    pub(crate) async fn open(path: &Path) -> Self {
        let store = Store::open(StoreOptions::file(path), Arc::new(Now)).unwrap();
        let keyring =
            Keyring::load(Arc::new(store.clone()), Arc::new(Now), Arc::new(Dice)).await.unwrap();
        let budgets = EmbeddedBudgets::load(&store, Arc::new(Now)).await.unwrap();
        Self { store, keyring, budgets }
    }

    pub(crate) async fn key(&self, name: &str) -> NewKey {
        let record = KeyRecord { name: name.to_owned(), ..KeyRecord::default() };
        self.keyring.create(record).await.unwrap()
    }

    pub(crate) async fn cap(&self, key: &NewKey, usd: &str) {
        let budget = Budget {
            id: format!("cap-{}", key.record.id),
            scope: Scope::new(ScopeKind::Key, key.record.id.as_str()),
            cap: Amount::Dollars(Money::from_usd_decimal(usd).unwrap()),
            window: Window::Lifetime,
            is_hard: true,
            max_layer: None,
            alerts: vec![50],
            when_away: None,
        };
        self.budgets.put_budget(&self.store, budget).await.unwrap();
    }
}

/// Asks with a key.
pub(crate) async fn ask(gateway: &Gateway, key: &str, model: &str) -> Reply {
    let body = json!({"model": model, "max_tokens": 50,
        "messages": [{"role": "user", "content": "hi"}]});
    let headers = [("authorization", &*format!("Bearer {key}"))];
    gateway.post_bytes("/v1/chat/completions", &headers, Bytes::from(body.to_string())).await
}

fn printed_key(gateway: &Gateway) -> Option<String> {
    let said = gateway.stderr();
    let line = said.lines().find_map(|line| line.trim().strip_prefix("key    "));
    line.map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_prints_an_admin_key_once_and_nobody_is_served_without_a_key() {
    let launch = Launch::new().closed().env("LOG_FILE", "gateway.log").env("LOG_LEVEL", "debug");
    let gateway = launch.serve().await;
    let key = until("the key", async || printed_key(&gateway)).await;
    assert!(key.starts_with("gw-") && key.len() == 41, "{key}");
    let refused = gateway.post("/v1/route", &json!({"message": "hi"})).await;
    assert_eq!((refused.status, refused.header("x-should-retry")), (401, "false"));
    assert_eq!(ask(&gateway, "gw-nonsense", "auto").await.status, 401);
    ask(&gateway, &key, "auto").await.ok();
    assert!(gateway.end("TERM").await.success());
    let log = std::fs::read_to_string(launch.folder().join("gateway.log")).unwrap();
    assert!(!log.contains(&key), "the key stands in the log");
    let again = launch.serve().await;
    ask(&again, &key, "auto").await.ok();
    assert_eq!(printed_key(&again), None, "{}", again.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_key_is_key_enough() {
    let launch = Launch::new().closed().env("GATEWAY_SERVER__KEY", "my-own-key");
    let gateway = launch.serve().await;
    ask(&gateway, "my-own-key", "auto").await.ok();
    assert_eq!(ask(&gateway, "another-key", "auto").await.status, 401);
    assert_eq!(printed_key(&gateway), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_open_door_is_asked_for_and_announced() {
    let by_flag = Launch::new().closed().args(&["serve", "--open", "--port", "0"]);
    let as_system_a = Launch::new().closed().args(&[]).env("MODE", "api").env("API_PORT", "0");
    for launch in [by_flag, as_system_a.clone()] {
        let gateway = launch.serve().await;
        let question = json!({"conversationId": "a", "message": "hi"});
        gateway.post("/v1/route", &question).await.ok();
        until("the warning", async || gateway.stderr().contains("OPEN: callers").then_some(()))
            .await;
    }
    for launch in [
        as_system_a.clone().env("GATEWAY_SERVER__REQUIRE_KEY", "true"),
        as_system_a.clone().env("GATEWAY_SERVER__KEY", "my-own-key"),
        as_system_a.env("API_HOST", "0.0.0.0"),
    ] {
        let gateway = launch.serve().await;
        assert_eq!(gateway.get("/v1/models").await.status, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_program_writes_holds_within_seconds() {
    let simulator = simulator().await;
    let launch = Launch::new().closed().toml(&both_dialects(&simulator.base_url()));
    let gateway = launch.serve().await;
    let beside = Beside::open(&launch.database()).await;
    let key = beside.key("laptop").await;
    // A new key at once, without waiting for the next look.
    ask(&gateway, &key.key, "o/sim-small").await.ok();
    beside.cap(&key, "0.000001").await;
    let refused = until("the budget to hold", async || {
        let reply = ask(&gateway, &key.key, "o/sim-small").await;
        (reply.status == 402).then_some(reply)
    })
    .await;
    assert_eq!(refused.header("x-should-retry"), "false");
    assert!(refused.text().contains(&format!("key:{}", key.record.id)), "{}", refused.text());
    beside.keyring.revoke(&key.record.id).await.unwrap();
    until("the revocation to hold", async || {
        (ask(&gateway, &key.key, "o/sim-small").await.status == 401).then_some(())
    })
    .await;
}
