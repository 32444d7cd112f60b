//! Keys, budgets and limits as callers meet them: who may use which door, and what headers say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gw_core::budget::{Amount, Budget, Limit, LimitKind, Window};
use gw_core::key::{KeyRecord, Policy};
use gw_core::seam::{Clock, Entropy};
use gw_core::{Money, Scope, ScopeKind};
use gw_ledger::{EmbeddedBudgets, Keyring};
use gw_store::{Store, StoreOptions};
use serde_json::{Value, json};

use super::fixture::{Gateway, Seen, governed, question, request};

struct Noon;

impl Clock for Noon {
    fn unix_ms(&self) -> i64 {
        1_763_640_000_000
    }
    fn monotonic_ms(&self) -> u64 {
        5_000
    }
}

struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            *byte = self.0.fetch_add(7, Ordering::Relaxed).to_le_bytes()[0];
        }
    }
}

/// A gateway that wants a key, and one key.
struct World {
    gateway: Gateway,
    key: String,
    scope: Scope,
    budgets: Arc<EmbeddedBudgets>,
    store: Store,
}

async fn world(policy: Policy) -> World {
    let store = Store::open(StoreOptions::memory(), Arc::new(Noon)).expect("opened");
    let entropy = Arc::new(Counting(AtomicU64::new(1)));
    let ring = Keyring::load(Arc::new(store.clone()), Arc::new(Noon), entropy).await.expect("read");
    let record = KeyRecord { policy, ..KeyRecord::default() };
    let made = ring.create(record).await.expect("made");
    let budgets = Arc::new(EmbeddedBudgets::new(Arc::new(Noon)));
    let gateway = governed(
        |options| options.allow_anonymous = false,
        Arc::<EmbeddedBudgets>::clone(&budgets),
        Arc::new(ring),
    );
    let scope = Scope::new(ScopeKind::Key, made.record.id.as_str());
    World { gateway, key: made.key, scope, budgets, store }
}

impl World {
    async fn ask(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Seen {
        let headers = [&[("x-api-key", self.key.as_str())][..], headers].concat();
        self.gateway.ask(request("POST", path, &headers, &body.to_string())).await
    }

    async fn limit(&self, id: &str, kind: LimitKind, max: u64) {
        let limit = Limit {
            id: id.into(),
            scope: self.scope.clone(),
            kind,
            max,
            when_away: None,
            wait_ms: None,
        };
        self.budgets.put_limit(&self.store, limit).await.expect("kept");
    }

    async fn cap(&self, scope: Scope, usd: &str) {
        let budget = Budget {
            id: format!("cap-{scope}"),
            scope,
            cap: Amount::Dollars(Money::from_usd_decimal(usd).expect("an amount")),
            window: Window::Lifetime,
            is_hard: true,
            max_layer: None,
            alerts: Vec::new(),
            when_away: None,
        };
        self.budgets.put_budget(&self.store, budget).await.expect("kept");
    }
}

#[tokio::test]
async fn a_key_opens_the_doors_of_its_policy_only() {
    let policy = Policy { endpoints: vec!["/v1/chat/*".into()], ..Policy::default() };
    let world = world(policy).await;
    let body = question("acme/tiny");
    assert_eq!(world.ask("/v1/chat/completions", &[], &body).await.status, 200);
    assert_eq!(world.ask("/chat/completions", &[], &body).await.status, 200, "its other name");
    let refused = world.ask("/v1/messages", &[], &body).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["error"]["type"], "permission_error");
    let health = world.gateway.ask(request("GET", "/health", &[], "")).await;
    assert_eq!(health.status, 200, "public doors stay open");
}

#[tokio::test]
async fn headers_say_how_limits_stand_in_the_words_of_the_dialect() {
    let world = world(Policy::default()).await;
    world.limit("a", LimitKind::RequestsPerMinute, 3).await;
    world.limit("b", LimitKind::TokensPerMinute, 1_000_000).await;
    let body = question("acme/tiny");
    let seen = world.ask("/v1/chat/completions", &[], &body).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    assert_eq!(seen.header("x-ratelimit-limit-requests"), "3");
    assert_eq!(seen.header("x-ratelimit-remaining-requests"), "2");
    assert!(seen.header("x-ratelimit-reset-requests").ends_with('s'));
    assert_eq!(seen.header("x-ratelimit-limit-tokens"), "1000000");
    assert_eq!(seen.header("x-ratelimit-remaining-tokens"), "999984", "14 read and 2 written");
    let mut body = question("acme/tiny");
    body["max_tokens"] = json!(16);
    let seen = world.ask("/v1/messages", &[], &body).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    assert_eq!(seen.header("anthropic-ratelimit-requests-remaining"), "1");
    assert!(seen.header("anthropic-ratelimit-requests-reset").starts_with("2025-11-20T12:"));
    world.ask("/v1/messages", &[], &body).await;
    let refused = world.ask("/v1/messages", &[], &body).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("anthropic-ratelimit-requests-remaining"), "0");
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=61).contains(&wait), "{wait}");
}

#[tokio::test]
async fn a_spent_budget_is_told_in_402_and_its_rest_in_a_header() {
    let world = world(Policy::default()).await;
    world.cap(world.scope.clone(), "1").await;
    let body = question("acme/tiny");
    let seen = world.ask("/v1/chat/completions", &[], &body).await;
    // 14 read at a dollar a million and 2 written at two.
    assert_eq!(seen.header("x-gateway-budget-remaining-usd"), "0.999982");
    world.cap(Scope::new(ScopeKind::Tag, "crawler"), "0").await;
    let refused = world.ask("/v1/messages", &[("x-gateway-tags", "crawler")], &body).await;
    assert_eq!((refused.status, refused.header("x-should-retry")), (402, "false"));
    assert_eq!(refused.json()["error"]["type"], "billing_error");
    assert!(refused.text().contains("tag:crawler"), "{}", refused.text());
    assert_eq!(refused.header("x-gateway-budget-remaining-usd"), "0");
    let other = world.ask("/v1/messages", &[], &body).await;
    assert_eq!(other.status, 200, "{}", other.text());
}

#[tokio::test]
async fn the_end_user_of_header_or_body_is_an_account() {
    let world = world(Policy::default()).await;
    world.cap(Scope::new(ScopeKind::EndUser, "eve"), "0").await;
    let mut body = question("acme/tiny");
    let by_header = [("x-gateway-end-user", "eve")];
    assert_eq!(world.ask("/v1/chat/completions", &by_header, &body).await.status, 402);
    body["user"] = json!("eve");
    assert_eq!(world.ask("/v1/chat/completions", &[], &body).await.status, 402);
    body["user"] = json!("bob");
    assert_eq!(world.ask("/v1/chat/completions", &[], &body).await.status, 200);
}
