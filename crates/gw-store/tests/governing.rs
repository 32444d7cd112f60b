//! Governing keys, accounts, budgets and limits over the real store: the order of checks, children
//! within their parents, and nothing left behind where a step fails.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use gw_core::budget::{Amount, BudgetTerms, LimitKind, LimitTerms, Window};
use gw_core::key::{KeyHash, KeyOrder, KeyRecord, KeySecret, Policy, ScopeNode};
use gw_core::seam::{Authenticator, Clock, Entropy, Governance, Keys};
use gw_core::{Error, Kind, Layer, Money, Result, Scope, ScopeKind};
use gw_ledger::{EmbeddedBudgets, Keyring, Office};
use gw_store::{Store, StoreOptions};
use proptest::prelude::{any, prop_assert, proptest};

const NOW_MS: i64 = 1_790_000_000_000;

struct Hand(AtomicI64);

impl Clock for Hand {
    fn unix_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
    fn monotonic_ms(&self) -> u64 {
        0
    }
}

#[derive(Default)]
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        let mut state = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for byte in buffer {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = state.to_be_bytes()[0];
        }
    }
}

/// The store, which on demand refuses to take a key at the last step.
struct Moody {
    store: Store,
    is_full: AtomicBool,
}

#[async_trait]
impl Keys for Moody {
    async fn find_key(&self, hash: &KeyHash) -> Result<Option<(KeyRecord, KeySecret)>> {
        self.store.find_key(hash).await
    }
    async fn create_key(&self, key: KeyRecord, hash: KeyHash) -> Result<()> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::StoreUnavailable, "the disk is full"));
        }
        self.store.create_key(key, hash).await
    }
    async fn keys(&self) -> Result<Vec<KeyRecord>> {
        self.store.keys().await
    }
    async fn secrets(&self, now_ms: i64) -> Result<Vec<KeySecret>> {
        self.store.secrets(now_ms).await
    }
    async fn revoke_key(&self, id: &str, at_ms: i64) -> Result<bool> {
        self.store.revoke_key(id, at_ms).await
    }
    async fn rotate_key(
        &self,
        id: &str,
        hash: KeyHash,
        shown: &str,
        old_until_ms: i64,
    ) -> Result<bool> {
        self.store.rotate_key(id, hash, shown, old_until_ms).await
    }
    async fn touch_key(&self, id: &str, at_ms: i64) -> Result<()> {
        self.store.touch_key(id, at_ms).await
    }
    async fn put_scope(&self, node: ScopeNode) -> Result<()> {
        self.store.put_scope(node).await
    }
    async fn remove_scope(&self, scope: &Scope) -> Result<bool> {
        self.store.remove_scope(scope).await
    }
    async fn scopes(&self) -> Result<Vec<ScopeNode>> {
        self.store.scopes().await
    }
}

struct House {
    office: Office,
    keyring: Arc<Keyring>,
    keys: Arc<Moody>,
    clock: Arc<Hand>,
}

async fn house() -> House {
    let clock = Arc::new(Hand(AtomicI64::new(NOW_MS)));
    let store = Store::open(StoreOptions::memory(), clock.clone()).unwrap();
    on(store, clock).await
}

/// An office of its own on a store that others may hold too.
async fn on(store: Store, clock: Arc<Hand>) -> House {
    let keys = Arc::new(Moody { store: store.clone(), is_full: AtomicBool::new(false) });
    // Offices on one store must not draw the same ids.
    let drawn = store.keys().await.unwrap().len() as u64 + 1;
    let entropy = Arc::new(Counting(AtomicU64::new(drawn * 1_000)));
    let keyring = Keyring::load(keys.clone(), clock.clone(), entropy.clone()).await.unwrap();
    let keyring = Arc::new(keyring);
    let counters = Arc::new(EmbeddedBudgets::load(&store, clock.clone()).await.unwrap());
    let office = Office {
        keyring: keyring.clone(),
        keys: keys.clone(),
        counters,
        definitions: Arc::new(store),
        clock: clock.clone(),
        entropy,
    };
    House { office, keyring, keys, clock }
}

fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}

fn dollars(usd: &str, window: Window) -> BudgetTerms {
    let cap = Amount::Dollars(Money::from_usd_decimal(usd).unwrap());
    BudgetTerms { cap, window, is_hard: true, max_layer: None, alerts: vec![80], when_away: None }
}

fn key(team: Option<&str>) -> KeyRecord {
    KeyRecord { name: "ci".into(), team: team.map(str::to_owned), ..KeyRecord::default() }
}

fn order(record: KeyRecord) -> KeyOrder {
    KeyOrder { record, ..KeyOrder::default() }
}

fn node(of: &str, parent: Option<&str>, max_layer: Option<Layer>) -> ScopeNode {
    ScopeNode {
        scope: scope(of),
        parent: parent.map(scope),
        name: String::new(),
        policy: Policy { max_layer, ..Policy::default() },
    }
}

fn field<T>(result: Result<T>) -> Option<String> {
    match result {
        Ok(_) => panic!("was not refused"),
        Err(error) => {
            let kinds = [Kind::InvalidRequest, Kind::Conflict, Kind::NotFound];
            assert!(kinds.contains(&error.kind()), "{error:?}");
            error.field().map(str::to_owned)
        }
    }
}

#[tokio::test]
async fn a_key_comes_with_what_binds_it() {
    let house = house().await;
    let limits = vec![LimitTerms {
        kind: LimitKind::RequestsPerMinute,
        max: 60,
        when_away: None,
        wait_ms: None,
    }];
    let budgets = vec![dollars("5", Window::Month)];
    let made = house.office.create_key(KeyOrder { record: key(Some("a")), budgets, limits }).await;
    let made = made.unwrap();
    let own = [Scope::new(ScopeKind::Key, made.record.id.as_str())];
    let budgets = house.office.budgets(Some(&own)).await.unwrap();
    assert_eq!(budgets.len(), 1);
    assert_eq!(budgets[0].remaining(), Amount::Dollars(Money::from_usd_decimal("5").unwrap()));
    assert_eq!(house.office.limits(Some(&own)).await.unwrap()[0].remaining, 60);
    // Another process on the same store sees the same.
    let other = on(house.keys.store.clone(), house.clock.clone()).await;
    assert_eq!(other.office.key(&made.record.id).await.unwrap(), Some(made.record.clone()));
    assert_eq!(other.office.budgets(Some(&own)).await.unwrap(), budgets);
    for keyring in [&house.keyring, &other.keyring] {
        assert!(keyring.authenticate(&made.key).await.is_ok());
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_kept_leaves_nothing_behind() {
    let house = house().await;
    house.keys.is_full.store(true, Ordering::Relaxed);
    let limits =
        vec![LimitTerms { kind: LimitKind::Concurrent, max: 2, when_away: None, wait_ms: None }];
    let budgets = vec![dollars("5", Window::Month), dollars("9", Window::Lifetime)];
    let refused = house.office.create_key(KeyOrder { record: key(None), budgets, limits }).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::StoreUnavailable);
    assert_eq!(house.office.budgets(None).await.unwrap(), []);
    assert_eq!(house.office.limits(None).await.unwrap(), []);
    let kept = on(house.keys.store.clone(), house.clock.clone()).await;
    assert_eq!(kept.office.budgets(None).await.unwrap(), []);
    assert_eq!(kept.office.keys().await.unwrap(), []);
}

#[tokio::test]
async fn a_child_stays_within_its_parents() {
    let house = house().await;
    let office = &house.office;
    office.put_account(node("organisation:acme", None, Some(Layer::L2))).await.unwrap();
    office.put_account(node("team:a", Some("organisation:acme"), None)).await.unwrap();
    office.put_budget(scope("organisation:acme"), dollars("100", Window::Month)).await.unwrap();
    let rpm = |max| LimitTerms {
        kind: LimitKind::RequestsPerMinute,
        max,
        when_away: None,
        wait_ms: None,
    };
    office.put_limit(scope("team:a"), rpm(100)).await.unwrap();

    // What is left open is taken over; what is named must fit.
    let made = office.create_key(order(key(Some("a")))).await.unwrap();
    assert_eq!(made.record.organisation.as_deref(), Some("acme"));
    assert_eq!(house.keyring.tree().principal(&made.record).max_layer(), Some(Layer::L2));
    let wide = Policy { max_layer: Some(Layer::L3), ..Policy::default() };
    let record = KeyRecord { policy: wide, ..key(Some("a")) };
    assert_eq!(field(office.create_key(order(record)).await).as_deref(), Some("policy.layers"));

    // Budgets and limits of a key, of its team, and of what stands two steps above it.
    let own = Scope::new(ScopeKind::Key, made.record.id.as_str());
    for of in [own.clone(), scope("team:a")] {
        let put = |usd| office.put_budget(of.clone(), dollars(usd, Window::Month));
        assert_eq!(field(put("100.01").await).as_deref(), Some("cap"));
        assert!(put("100").await.is_ok());
    }
    assert_eq!(field(office.put_limit(own.clone(), rpm(101)).await).as_deref(), Some("max"));
    assert!(office.put_limit(own, rpm(100)).await.is_ok());
    let budgets = vec![dollars("101", Window::Month)];
    let greedy = KeyOrder { record: key(Some("a")), budgets, limits: Vec::new() };
    assert_eq!(field(office.create_key(greedy).await).as_deref(), Some("cap"));
    assert_eq!(office.keys().await.unwrap().len(), 1, "nothing of it was made");
}

#[tokio::test]
async fn setting_again_replaces_and_keeps_what_was_spent() {
    let house = house().await;
    let first = house.office.put_budget(scope("team:a"), dollars("5", Window::Day)).await.unwrap();
    let again = house.office.put_budget(scope("team:a"), dollars("7", Window::Day)).await.unwrap();
    assert_eq!(first.budget.id, again.budget.id);
    let tokens = BudgetTerms { cap: Amount::Tokens(9), ..dollars("1", Window::Day) };
    let other = house.office.put_budget(scope("team:a"), tokens).await.unwrap();
    assert_ne!(other.budget.id, again.budget.id, "another unit is another budget");
    assert_eq!(house.office.budgets(Some(&[scope("team:a")])).await.unwrap().len(), 2);
    assert!(house.office.remove_budget(&again.budget.id).await.unwrap());
    assert!(!house.office.remove_budget(&again.budget.id).await.unwrap());
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_field() {
    let house = house().await;
    let office = &house.office;
    let unnamed = KeyRecord { name: " ".into(), ..KeyRecord::default() };
    assert_eq!(field(office.create_key(order(unnamed)).await).as_deref(), Some("name"));
    let past = KeyRecord { expires_at_ms: Some(NOW_MS), ..key(None) };
    assert_eq!(field(office.create_key(order(past)).await).as_deref(), Some("expires"));
    let long = KeyRecord { tags: vec!["x".repeat(257)], ..key(None) };
    assert_eq!(field(office.create_key(order(long)).await).as_deref(), Some("tags"));
    let policy = Policy { models: vec![String::new()], ..Policy::default() };
    let blank = KeyRecord { policy, ..key(None) };
    assert_eq!(field(office.create_key(order(blank)).await).as_deref(), Some("models"));
    let nobody = office.put_budget(scope("key:nobody"), dollars("1", Window::Day)).await;
    assert_eq!(field(nobody).as_deref(), Some("scope"));
    let never = office.put_budget(scope("team:a"), dollars("1", Window::Sliding(1))).await;
    assert_eq!(field(never).as_deref(), Some("window"));
    assert_eq!(field(office.rotate_key("k", u64::MAX).await).as_deref(), Some("overlap"));
    assert_eq!(office.revoke_key("nobody").await.unwrap_err().kind(), Kind::NotFound);
}

#[tokio::test]
async fn an_account_in_use_is_neither_removed_nor_torn_away() {
    let house = house().await;
    let office = &house.office;
    for (of, parent) in [
        ("organisation:acme", None),
        ("organisation:other", None),
        ("team:a", Some("organisation:acme")),
    ] {
        office.put_account(node(of, parent, None)).await.unwrap();
    }
    let made = office.create_key(order(key(Some("a")))).await.unwrap();
    let elsewhere = node("team:a", Some("organisation:other"), None);
    assert_eq!(field(office.put_account(elsewhere.clone()).await).as_deref(), Some("parent"));
    assert_eq!(field(office.remove_account(&scope("team:a")).await).as_deref(), Some("scope"));
    office.revoke_key(&made.record.id).await.unwrap();
    assert!(office.put_account(elsewhere).await.is_ok());
    assert!(office.remove_account(&scope("team:a")).await.unwrap());
    assert!(!office.remove_account(&scope("team:a")).await.unwrap());
}

#[tokio::test]
async fn a_parent_given_later_pays_and_binds_at_once() {
    let house = house().await;
    let made = house.office.create_key(order(key(Some("a")))).await.unwrap();
    for account in [
        node("organisation:acme", None, Some(Layer::L1)),
        node("team:a", Some("organisation:acme"), None),
    ] {
        house.office.put_account(account).await.unwrap();
    }
    let caller = house.keyring.authenticate(&made.key).await.unwrap();
    assert_eq!(caller.organisation.as_deref(), Some("acme"));
    assert_eq!(caller.max_layer(), Some(Layer::L1));
}

#[tokio::test]
async fn rotation_overlaps_and_revocation_ends_both() {
    let house = house().await;
    let first = house.office.create_key(order(key(None))).await.unwrap();
    let id = first.record.id.clone();
    let second = house.office.rotate_key(&id, 3_600_000).await.unwrap();
    assert_eq!(second.record.id, id);
    for secret in [&first.key, &second.key] {
        assert!(house.keyring.authenticate(secret).await.is_ok());
    }
    house.clock.0.store(NOW_MS + 3_600_000, Ordering::Relaxed);
    assert!(house.keyring.authenticate(&first.key).await.is_err());
    assert!(house.keyring.authenticate(&second.key).await.is_ok());
    let revoked = house.office.revoke_key(&id).await.unwrap();
    assert!(revoked.revoked_at_ms.is_some());
    assert!(house.keyring.authenticate(&second.key).await.is_err());
    assert_eq!(house.office.rotate_key(&id, 0).await.unwrap_err().kind(), Kind::NotFound);
}

proptest! {
    /// Whatever a key asks for, what it may do is within every account above it, and a budget of its
    /// own that is taken is no larger than one above.
    #[test]
    fn no_key_ever_has_more_than_what_is_above(
        organisation in any::<Option<u8>>(),
        team in any::<Option<u8>>(),
        own in any::<Option<u8>>(),
        caps in [1_u8..9, 1..9, 1..9],
    ) {
        let layer = |byte: Option<u8>| byte.map(|byte| Layer::ALL[usize::from(byte % 4)]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = house().await;
            let office = &house.office;
            let top = node("organisation:o", None, layer(organisation));
            office.put_account(top).await.unwrap();
            let below = node("team:t", Some("organisation:o"), layer(team));
            let has_team = office.put_account(below).await.is_ok();
            let budget = |cap: u8| dollars(&cap.to_string(), Window::Day);
            office.put_budget(scope("organisation:o"), budget(caps[0])).await.unwrap();
            let team_cap = office.put_budget(scope("team:t"), budget(caps[1])).await;
            let policy = Policy { max_layer: layer(own), ..Policy::default() };
            let record = KeyRecord {
                policy,
                organisation: Some("o".into()),
                ..key(has_team.then_some("t"))
            };
            let budgets = vec![budget(caps[2])];
            let made = office.create_key(KeyOrder { record, budgets, limits: Vec::new() }).await;
            let Ok(made) = made else { return Ok(()) };
            let caller = house.keyring.authenticate(&made.key).await.unwrap();
            let reach = caller.max_layer();
            for above in [organisation, if has_team { team } else { None }] {
                if let Some(above) = layer(above) {
                    prop_assert!(reach.is_some_and(|reach| reach <= above));
                }
            }
            prop_assert!(caps[2] <= caps[0]);
            if has_team && team_cap.is_ok() {
                prop_assert!(caps[2] <= caps[1]);
            }
            Ok(())
        })?;
    }
}
