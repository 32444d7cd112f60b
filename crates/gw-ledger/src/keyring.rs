//! The keys of one process in memory, in front of the store that keeps them.
//!
//! A presented key is judged by its form, then by its hash among those known here. Only a well-formed
//! hash that is not known is asked of the store, once: what the store does not know either is
//! remembered, so that a flood of made-up keys costs no look-ups. Changes through this keyring hold at
//! once; those that another program makes hold after [`Keyring::reload`].

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use gw_core::key::{KeyHash, KeyRecord, KeySecret, NewKey, ScopeNode};
use gw_core::principal::Principal;
use gw_core::seam::{Authenticator, Clock, Entropy, Keys};
use gw_core::{Error, Kind, Result, Scope, limits};
use parking_lot::{Mutex, RwLock};

use crate::hierarchy::Tree;
use crate::key;

/// How late the store may know that a key was used, in milliseconds.
const TOUCH_MS: i64 = 60_000;

/// What is done before a key that another program made is taken for known.
pub type BeforeNew =
    Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync>;

/// All keys.
pub struct Keyring {
    store: Arc<dyn Keys>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    known: RwLock<Known>,
    before_new: Option<BeforeNew>,
    asked: Mutex<Asked>,
    /// When keys were last used that is not written yet: one entry for each key at most.
    last_uses: Mutex<HashMap<String, i64>>,
}

/// How often the store was asked for unknown keys within a second.
#[derive(Default)]
struct Asked {
    second: u64,
    times: u32,
}

#[derive(Default)]
struct Known {
    tree: Tree,
    keys: HashMap<String, Arc<Entry>>,
    secrets: HashMap<KeyHash, KeySecret>,
    unknown: HashSet<KeyHash>,
}

struct Entry {
    record: KeyRecord,
    principal: Arc<Principal>,
    touched_ms: AtomicI64,
}

impl Keyring {
    /// Nothing read yet: every key is asked of the store.
    pub fn new(store: Arc<dyn Keys>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            store,
            clock,
            entropy,
            known: RwLock::default(),
            before_new: None,
            asked: Mutex::default(),
            last_uses: Mutex::default(),
        }
    }

    /// Does this before keys that another program made are served for the first time: what binds a key
    /// was kept before it and must hold. Where it fails, the caller is refused for now.
    #[must_use]
    pub fn with_before_new(
        mut self,
        before_new: impl Fn() -> Pin<Box<dyn Future<Output = Result<()>> + Send>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.before_new = Some(Box::new(before_new));
        self
    }

    /// Reads everything that the store keeps.
    ///
    /// # Errors
    /// [`Kind::StoreUnavailable`].
    pub async fn load(
        store: Arc<dyn Keys>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self> {
        let keyring = Self::new(store, clock, entropy);
        keyring.reload().await?;
        Ok(keyring)
    }

    /// Reads everything again: after another program changed it.
    ///
    /// # Errors
    /// [`Kind::StoreUnavailable`]; what was known stays.
    pub async fn reload(&self) -> Result<()> {
        let now_ms = self.clock.unix_ms();
        let tree = Tree::new(self.store.scopes().await?);
        let keys = self.store.keys().await?;
        let secrets = self.store.secrets(now_ms).await?;
        // What binds a key is kept before it: read after the keys, it holds before they are served.
        if let Some(before_new) = &self.before_new {
            before_new().await?;
        }
        let mut known = self.known.write();
        let touched: HashMap<String, i64> = known
            .keys
            .iter()
            .map(|(id, entry)| (id.clone(), entry.touched_ms.load(Ordering::Relaxed)))
            .collect();
        *known = Known {
            keys: keys
                .into_iter()
                .map(|record| {
                    let touched_ms = touched.get(&record.id).copied();
                    (record.id.clone(), Arc::new(Entry::new(record, &tree, touched_ms)))
                })
                .collect(),
            secrets: secrets.into_iter().map(|secret| (secret.hash, secret)).collect(),
            unknown: HashSet::new(),
            tree,
        };
        Ok(())
    }

    /// True where no key was ever made: the first start makes an admin key.
    pub fn is_empty(&self) -> bool {
        self.known.read().keys.is_empty()
    }

    /// How many keys there are, revoked and expired ones included.
    pub fn len(&self) -> usize {
        self.known.read().keys.len()
    }

    /// All keys, oldest first.
    pub fn list(&self) -> Vec<KeyRecord> {
        let known = self.known.read();
        let mut all: Vec<KeyRecord> =
            known.keys.values().map(|entry| entry.record.clone()).collect();
        all.sort_by(|a, b| (a.created_at_ms, &a.id).cmp(&(b.created_at_ms, &b.id)));
        all
    }

    /// One key by its public id, as far as it is known here.
    pub fn find(&self, id: &str) -> Option<KeyRecord> {
        self.known.read().keys.get(id).map(|entry| entry.record.clone())
    }

    /// The organisations, teams, users and projects as they are known now.
    pub fn tree(&self) -> Tree {
        self.known.read().tree.clone()
    }

    /// The caller of a record that is no key of ours (a token's), with the accounts and policies above
    /// those it names.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] for accounts that contradict each other.
    pub fn principal(&self, mut record: KeyRecord) -> Result<Principal> {
        let known = self.known.read();
        known.tree.place_key(&mut record)?;
        Ok(known.tree.principal(&record))
    }

    /// Makes a key. An empty id is made up; accounts above those it names are filled in.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where it would have more than what is above it; [`Kind::InvalidRequest`] where
    /// the id is taken;
    /// [`Kind::StoreUnavailable`].
    pub async fn create(&self, mut record: KeyRecord) -> Result<NewKey> {
        let now_ms = self.clock.unix_ms();
        if record.expires_at_ms.is_some_and(|expires_at_ms| expires_at_ms <= now_ms) {
            return Err(Error::bad_field("expires", "lies in the past"));
        }
        if record.id.is_empty() {
            record.id = key::generate_id(self.entropy.as_ref());
        }
        self.known.read().tree.place_key(&mut record)?;
        let text = key::generate(self.entropy.as_ref());
        record.shown = key::shown(&text);
        record.created_at_ms = now_ms;
        record.revoked_at_ms = None;
        record.last_used_at_ms = None;
        let hash = key::hash(&text);
        self.store.create_key(record.clone(), hash).await?;
        self.learn(record.clone(), KeySecret { hash, key_id: record.id.clone(), until_ms: None });
        Ok(NewKey { record, key: text })
    }

    /// Gives a key a new secret. The one it has stays good for `overlap_ms` more.
    ///
    /// # Errors
    /// [`Kind::NotFound`] where there is no such key or it is revoked; [`Kind::StoreUnavailable`].
    pub async fn rotate(&self, id: &str, overlap_ms: u64) -> Result<NewKey> {
        let now_ms = self.clock.unix_ms();
        let until_ms = now_ms.saturating_add(i64::try_from(overlap_ms).unwrap_or(i64::MAX));
        let text = key::generate(self.entropy.as_ref());
        let (hash, shown) = (key::hash(&text), key::shown(&text));
        if !self.store.rotate_key(id, hash, &shown, until_ms).await? {
            return Err(no_key(id));
        }
        let record = {
            let mut known = self.known.write();
            for secret in known.secrets.values_mut().filter(|secret| secret.key_id == id) {
                secret.until_ms = Some(secret.until_ms.map_or(until_ms, |end| end.min(until_ms)));
            }
            known.keys.get(id).map(|entry| KeyRecord { shown, ..entry.record.clone() })
        };
        let Some(record) = record else {
            // Made by another program since the last reload.
            self.reload().await?;
            let record = self.list().into_iter().find(|record| record.id == id);
            return record.map(|record| NewKey { record, key: text }).ok_or_else(|| no_key(id));
        };
        self.learn(record.clone(), KeySecret { hash, key_id: id.to_owned(), until_ms: None });
        Ok(NewKey { record, key: text })
    }

    /// Refuses a key from now on, for good.
    ///
    /// # Errors
    /// [`Kind::NotFound`] where there is no such key; [`Kind::StoreUnavailable`].
    pub async fn revoke(&self, id: &str) -> Result<()> {
        let now_ms = self.clock.unix_ms();
        if !self.store.revoke_key(id, now_ms).await? {
            return Err(no_key(id));
        }
        let mut known = self.known.write();
        known.secrets.retain(|_, secret| secret.key_id != id);
        if let Some(entry) = known.keys.get(id) {
            let revoked_at_ms = entry.record.revoked_at_ms.or(Some(now_ms));
            let record = KeyRecord { revoked_at_ms, ..entry.record.clone() };
            let entry = Arc::new(Entry::new(record, &known.tree, None));
            known.keys.insert(id.to_owned(), entry);
        }
        Ok(())
    }

    /// Defines an organisation, team, user or project.
    ///
    /// # Errors
    /// As [`Tree::check_node`]; [`Kind::StoreUnavailable`].
    pub async fn put_scope(&self, node: ScopeNode) -> Result<()> {
        self.known.read().tree.check_node(&node)?;
        self.store.put_scope(node).await?;
        self.reload().await
    }

    /// Removes an organisation, team, user or project; false where there was none.
    ///
    /// # Errors
    /// As [`Tree::check_removal`]; [`Kind::StoreUnavailable`].
    pub async fn remove_scope(&self, scope: &Scope) -> Result<bool> {
        self.known.read().tree.check_removal(scope)?;
        let was_there = self.store.remove_scope(scope).await?;
        self.reload().await?;
        Ok(was_there)
    }

    fn learn(&self, record: KeyRecord, secret: KeySecret) {
        let mut known = self.known.write();
        let entry = Arc::new(Entry::new(record, &known.tree, None));
        known.unknown.remove(&secret.hash);
        known.keys.insert(secret.key_id.clone(), entry);
        known.secrets.insert(secret.hash, secret);
    }

    /// `None`: only the store can tell.
    fn judge(&self, hash: &KeyHash, now_ms: i64) -> Option<Result<Arc<Entry>>> {
        let known = self.known.read();
        let Some(secret) = known.secrets.get(hash) else {
            return known.unknown.contains(hash).then(|| Err(unknown()));
        };
        let entry = known.keys.get(&secret.key_id)?;
        Some(verdict(&entry.record, secret, now_ms).map(|()| Arc::clone(entry)))
    }

    async fn ask(&self, hash: KeyHash, now_ms: i64) -> Result<Arc<Entry>> {
        self.may_ask()?;
        match self.store.find_key(&hash).await? {
            Some((record, secret)) => {
                verdict(&record, &secret, now_ms)?;
                if let Some(before_new) = &self.before_new {
                    before_new().await?;
                }
                self.learn(record, secret);
                self.judge(&hash, now_ms).unwrap_or_else(|| Err(unknown()))
            }
            None => {
                let mut known = self.known.write();
                if known.unknown.len() >= limits::UNKNOWN_KEYS_MAX {
                    known.unknown.clear();
                }
                known.unknown.insert(hash);
                Err(unknown())
            }
        }
    }

    /// Counts a look-up of an unknown key: whoever makes up keys with a right checksum must not keep
    /// the store from its work.
    fn may_ask(&self) -> Result<()> {
        let second = self.clock.monotonic_ms() / 1_000;
        let mut asked = self.asked.lock();
        if asked.second != second {
            *asked = Asked { second, times: 0 };
        }
        if asked.times >= limits::UNKNOWN_KEYS_ASKED_PER_SECOND_MAX {
            return Err(Error::new(Kind::RateLimited, "too many unknown keys are looked up")
                .with_retry_after_ms(1_000)
                .with_hint("a key that was made this moment is known in a second"));
        }
        asked.times += 1;
        Ok(())
    }

    /// Writes down when keys were last used, as far as it is not; off the way of calls. When a key was
    /// last used is worth knowing, and not worth a refused call: what cannot be written is left out.
    pub async fn write_last_uses(&self) {
        let last_uses = std::mem::take(&mut *self.last_uses.lock());
        for (id, at_ms) in last_uses {
            let _ = self.store.touch_key(&id, at_ms).await;
        }
    }

    fn touch(&self, entry: &Entry, now_ms: i64) {
        let before = entry.touched_ms.load(Ordering::Relaxed);
        let is_due = now_ms.saturating_sub(before) >= TOUCH_MS;
        let mine = is_due
            && entry
                .touched_ms
                .compare_exchange(before, now_ms, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if mine {
            self.last_uses.lock().insert(entry.record.id.clone(), now_ms);
        }
    }
}

#[async_trait]
impl Authenticator for Keyring {
    async fn authenticate(&self, key: &str) -> Result<Arc<Principal>> {
        let hash = key::read(key).ok_or_else(unknown)?;
        let now_ms = self.clock.unix_ms();
        let entry = match self.judge(&hash, now_ms) {
            Some(verdict) => verdict?,
            None => self.ask(hash, now_ms).await?,
        };
        self.touch(&entry, now_ms);
        Ok(Arc::clone(&entry.principal))
    }

    fn is_meant(&self, key: &str) -> bool {
        key::is_well_formed(key)
    }
}

impl Entry {
    fn new(record: KeyRecord, tree: &Tree, touched_ms: Option<i64>) -> Self {
        let touched_ms = touched_ms.or(record.last_used_at_ms).unwrap_or(i64::MIN);
        let principal = Arc::new(tree.principal(&record));
        Self { principal, touched_ms: AtomicI64::new(touched_ms), record }
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys = self.known.read().keys.len();
        f.debug_struct("Keyring").field("keys", &keys).finish_non_exhaustive()
    }
}

fn verdict(record: &KeyRecord, secret: &KeySecret, now_ms: i64) -> Result<()> {
    let refuse = |why: &str, hint: &str| {
        Err(Error::new(Kind::Unauthenticated, format!("the key {why}")).with_hint(hint))
    };
    if record.revoked_at_ms.is_some() {
        return refuse("was revoked", "ask the operator of this gateway for another");
    }
    if record.expires_at_ms.is_some_and(|end_ms| end_ms <= now_ms) {
        return refuse("has expired", "ask the operator of this gateway for another");
    }
    if secret.until_ms.is_some_and(|end_ms| end_ms <= now_ms) {
        return refuse("was replaced", "use the new one that was made when it was rotated");
    }
    Ok(())
}

fn unknown() -> Error {
    Error::new(Kind::Unauthenticated, "the key is not known here")
        .with_hint("ask the operator of this gateway for a key, or check it for typing errors")
}

fn no_key(id: &str) -> Error {
    Error::new(Kind::NotFound, format!("there is no key `{id}` that is in use"))
}

#[cfg(test)]
mod tests;
