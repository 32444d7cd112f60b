use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use gw_core::key::{KeyHash, KeyRecord, KeySecret, Policy, ScopeNode};
use gw_core::seam::{Authenticator, Clock, Entropy, Keys};
use gw_core::{Error, Kind, Layer, Result, Scope, ScopeKind};
use parking_lot::Mutex;

use super::Keyring;
use crate::key;

#[derive(Default)]
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
        let seed = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        for (byte, random) in buffer.iter_mut().zip(blake3::hash(&seed).as_bytes().iter().cycle()) {
            *byte = *random;
        }
    }
}

#[derive(Default)]
struct Shelf {
    keys: Mutex<Vec<KeyRecord>>,
    secrets: Mutex<Vec<KeySecret>>,
    scopes: Mutex<Vec<ScopeNode>>,
    asked: AtomicUsize,
    touched: AtomicUsize,
}

#[async_trait]
impl Keys for Shelf {
    async fn find_key(&self, hash: &KeyHash) -> Result<Option<(KeyRecord, KeySecret)>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let secret = self.secrets.lock().iter().find(|secret| secret.hash == *hash).cloned();
        Ok(secret.and_then(|secret| {
            let keys = self.keys.lock();
            let key = keys.iter().find(|key| key.id == secret.key_id).cloned()?;
            Some((key, secret))
        }))
    }
    async fn create_key(&self, key: KeyRecord, hash: KeyHash) -> Result<()> {
        if self.keys.lock().iter().any(|old| old.id == key.id) {
            return Err(Error::bad_field("id", "taken"));
        }
        self.secrets.lock().push(KeySecret { hash, key_id: key.id.clone(), until_ms: None });
        self.keys.lock().push(key);
        Ok(())
    }
    async fn keys(&self) -> Result<Vec<KeyRecord>> {
        Ok(self.keys.lock().clone())
    }
    async fn secrets(&self, _now_ms: i64) -> Result<Vec<KeySecret>> {
        Ok(self.secrets.lock().clone())
    }
    async fn revoke_key(&self, id: &str, at_ms: i64) -> Result<bool> {
        let mut keys = self.keys.lock();
        let key = keys.iter_mut().find(|key| key.id == id);
        Ok(key.map(|key| key.revoked_at_ms = Some(at_ms)).is_some())
    }
    async fn rotate_key(
        &self,
        id: &str,
        hash: KeyHash,
        shown: &str,
        until_ms: i64,
    ) -> Result<bool> {
        let mut keys = self.keys.lock();
        let Some(key) = keys.iter_mut().find(|key| key.id == id) else { return Ok(false) };
        key.shown = shown.to_owned();
        let mut secrets = self.secrets.lock();
        secrets.iter_mut().for_each(|secret| secret.until_ms = Some(until_ms));
        secrets.push(KeySecret { hash, key_id: id.to_owned(), until_ms: None });
        Ok(true)
    }
    async fn touch_key(&self, _id: &str, _at_ms: i64) -> Result<()> {
        self.touched.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
    async fn put_scope(&self, node: ScopeNode) -> Result<()> {
        let mut scopes = self.scopes.lock();
        scopes.retain(|old| old.scope != node.scope);
        scopes.push(node);
        Ok(())
    }
    async fn remove_scope(&self, scope: &Scope) -> Result<bool> {
        self.scopes.lock().retain(|old| old.scope != *scope);
        Ok(true)
    }
    async fn scopes(&self) -> Result<Vec<ScopeNode>> {
        Ok(self.scopes.lock().clone())
    }
}

struct World {
    store: Arc<Shelf>,
    clock: Arc<Hand>,
    ring: Keyring,
}

async fn world() -> World {
    let (store, clock) = (Arc::new(Shelf::default()), Arc::new(Hand::default()));
    let ring = Keyring::load(store.clone(), clock.clone(), Arc::new(Counting::default()));
    World { ring: ring.await.expect("loaded"), store, clock }
}

fn named(name: &str) -> KeyRecord {
    KeyRecord { name: name.into(), ..KeyRecord::default() }
}

fn refused(result: Result<Arc<gw_core::principal::Principal>>) -> String {
    let error = result.expect_err("refused");
    assert_eq!(error.kind(), Kind::Unauthenticated);
    error.message().to_owned()
}

#[tokio::test]
async fn a_key_opens_until_it_is_revoked() {
    let World { store, ring, .. } = world().await;
    assert!(ring.is_empty());
    let made = ring.create(named("ci")).await.expect("made");
    assert!(!format!("{made:?}").contains(&made.key), "a secret is not printed");
    assert!(!store.keys.lock().iter().any(|key| format!("{key:?}").contains(&made.key)));
    let caller = ring.authenticate(&made.key).await.expect("known");
    assert_eq!(caller.key_id.as_ref(), Some(&made.record.id));
    ring.revoke(&made.record.id).await.expect("revoked");
    assert!(ring.authenticate(&made.key).await.is_err());
    assert!(ring.list()[0].revoked_at_ms.is_some());
    ring.reload().await.expect("reloaded");
    assert_eq!(refused(ring.authenticate(&made.key).await), "the key was revoked");
    assert_eq!(ring.revoke("nobody").await.expect_err("unknown").kind(), Kind::NotFound);
}

#[tokio::test]
async fn a_rotated_key_overlaps_and_then_ends() {
    let World { clock, ring, .. } = world().await;
    let old = ring.create(named("ci")).await.expect("made");
    let new = ring.rotate(&old.record.id, 1_000).await.expect("rotated");
    assert_eq!(new.record.id, old.record.id, "the same account");
    assert_ne!(new.record.shown, old.record.shown);
    for key in [&old.key, &new.key] {
        ring.authenticate(key).await.expect("both are good");
    }
    clock.0.store(1_000, Ordering::Relaxed);
    assert_eq!(refused(ring.authenticate(&old.key).await), "the key was replaced");
    ring.authenticate(&new.key).await.expect("the new one is good");
    assert_eq!(ring.rotate("nobody", 0).await.expect_err("unknown").kind(), Kind::NotFound);
}

#[tokio::test]
async fn a_key_expires() {
    let World { clock, ring, .. } = world().await;
    let expires_at_ms = Some(50);
    let made = ring.create(KeyRecord { expires_at_ms, ..named("ci") }).await.expect("made");
    clock.0.store(49, Ordering::Relaxed);
    ring.authenticate(&made.key).await.expect("still good");
    clock.0.store(50, Ordering::Relaxed);
    assert_eq!(refused(ring.authenticate(&made.key).await), "the key has expired");
    let late = ring.create(KeyRecord { expires_at_ms, ..named("late") }).await;
    assert_eq!(late.expect_err("past").field(), Some("expires"));
}

#[tokio::test]
async fn a_flood_of_keys_does_not_reach_the_store() {
    let World { store, ring, .. } = world().await;
    for number in 0..10_000 {
        refused(ring.authenticate(&format!("gw-{number:038}")).await);
        refused(ring.authenticate(&format!("sk-{number}")).await);
    }
    assert_eq!(store.asked.load(Ordering::Relaxed), 0);
    let forged = key::generate(&Counting(AtomicU64::new(1 << 40)));
    for _ in 0..10 {
        refused(ring.authenticate(&forged).await);
    }
    assert_eq!(store.asked.load(Ordering::Relaxed), 1, "a right checksum is asked for once");
}

#[tokio::test]
async fn a_key_made_elsewhere_is_found() {
    let World { store, clock, ring } = world().await;
    let other = Keyring::load(store.clone(), clock.clone(), Arc::new(Counting(AtomicU64::new(77))));
    let made = other.await.expect("loaded").create(named("cli")).await.expect("made");
    ring.authenticate(&made.key).await.expect("asked of the store");
    ring.authenticate(&made.key).await.expect("known now");
    assert_eq!(store.asked.load(Ordering::Relaxed), 1);
    ring.write_last_uses().await;
    assert_eq!(store.touched.load(Ordering::Relaxed), 1, "noted once a minute");
    clock.0.store(60_000, Ordering::Relaxed);
    ring.authenticate(&made.key).await.expect("known");
    ring.write_last_uses().await;
    assert_eq!(store.touched.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_narrowed_team_narrows_its_keys_at_once() {
    let World { ring, .. } = world().await;
    let team = |max_layer| ScopeNode {
        scope: Scope::new(ScopeKind::Team, "t"),
        parent: None,
        name: String::new(),
        policy: Policy { max_layer, ..Policy::default() },
    };
    ring.put_scope(team(Some(Layer::L2))).await.expect("put");
    let key = |max_layer| KeyRecord {
        team: Some("t".into()),
        policy: Policy { max_layer, ..Policy::default() },
        ..named("ci")
    };
    assert!(ring.create(key(Some(Layer::L3))).await.is_err(), "more than its team");
    let made = ring.create(key(Some(Layer::L2))).await.expect("made");
    ring.put_scope(team(Some(Layer::L0))).await.expect("put");
    let caller = ring.authenticate(&made.key).await.expect("known");
    assert_eq!(caller.max_layer(), Some(Layer::L0));
    assert!(ring.remove_scope(&Scope::new(ScopeKind::Team, "t")).await.expect("removed"));
    let caller = ring.authenticate(&made.key).await.expect("known");
    assert_eq!(caller.max_layer(), Some(Layer::L2));
}

#[tokio::test]
async fn a_flood_of_well_formed_keys_asks_the_store_a_bounded_number_of_times() {
    let World { ring, store, .. } = world().await;
    let made_up = Counting(AtomicU64::new(1_000_000));
    let mut kinds = Vec::new();
    for _ in 0..1_000 {
        let key = key::generate(&made_up);
        kinds.push(ring.authenticate(&key).await.expect_err("unknown").kind());
    }
    let most = gw_core::limits::UNKNOWN_KEYS_ASKED_PER_SECOND_MAX as usize;
    assert_eq!(store.asked.load(Ordering::Relaxed), most);
    assert!(kinds[..most].iter().all(|kind| *kind == Kind::Unauthenticated));
    assert!(kinds[most..].iter().all(|kind| *kind == Kind::RateLimited));
    let own = ring.create(KeyRecord::default()).await.expect("made");
    ring.authenticate(&own.key).await.expect("known keys are not kept waiting");
}
