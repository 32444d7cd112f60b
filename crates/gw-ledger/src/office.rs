//! Where keys, accounts, budgets and limits are governed: every check in one order, whoever asks.
//!
//! A definition is first checked by itself ([`define`]), then against what stands above it in the
//! tree as the store has it now, and only then kept. What binds a key is kept before the key is, so
//! that no instant exists in which it opens anything unbound; where a later step fails, the earlier
//! ones are taken back.
//!
//! A check and its change are two steps: of two changes at one instant, each may be checked without
//! the other. That breaks no promise, because a call is held against every account it goes on.

use std::sync::Arc;

use async_trait::async_trait;
use gw_core::budget::{Amount, Budget, BudgetStatus, BudgetTerms, Limit, LimitStatus, LimitTerms};
use gw_core::key::{KeyOrder, KeyRecord, NewKey, Policy, ScopeNode};
use gw_core::seam::{Budgets, Clock, Entropy, Governance, Keys, ManagedBudgets};
use gw_core::{Error, Kind, Result, Scope, ScopeKind, limits};

use crate::hierarchy::{Tree, budget_within, limit_within};
use crate::{Keyring, define, key};

/// Most keys named in an error.
const NAMED_MAX: usize = 3;

/// Governs what one store keeps.
pub struct Office {
    /// The keys in memory that callers are judged by.
    pub keyring: Arc<Keyring>,
    /// Where keys and accounts are kept; the same that the keyring reads.
    pub keys: Arc<dyn Keys>,
    /// The counters.
    pub counters: Arc<dyn ManagedBudgets>,
    /// Where budgets and limits are kept.
    pub definitions: Arc<dyn Budgets>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for ids.
    pub entropy: Arc<dyn Entropy>,
}

impl Office {
    /// The tree as the store has it now.
    async fn tree(&self) -> Result<Tree> {
        Ok(Tree::new(self.keys.scopes().await?))
    }

    async fn above(&self, scope: &Scope) -> Result<Vec<Scope>> {
        let tree = self.tree().await?;
        if scope.kind != ScopeKind::Key {
            return Ok(tree.above(scope));
        }
        let Some(record) = self.known_key(&scope.id).await? else {
            return Err(Error::new(Kind::NotFound, format!("there is no key `{}`", scope.id))
                .with_field("scope")
                .with_hint("Name it by its id; the list of keys shows it."));
        };
        Ok(tree.above_key(&record))
    }

    /// A key in memory, or one that another process made since.
    async fn known_key(&self, id: &str) -> Result<Option<KeyRecord>> {
        if let Some(record) = self.keyring.find(id) {
            return Ok(Some(record));
        }
        self.keyring.reload().await?;
        Ok(self.keyring.find(id))
    }

    async fn checked_budget(&self, budget: &Budget, above: &[Scope]) -> Result<Option<Budget>> {
        define::check_budget(budget)?;
        let others = self.definitions.budgets().await?;
        budget_within(budget, above, &others)?;
        let old = others.iter().find(|other| other.id == budget.id).cloned();
        room_for(old.is_some(), others.len(), "budgets")?;
        Ok(old)
    }

    async fn checked_limit(&self, limit: &Limit, above: &[Scope]) -> Result<Option<Limit>> {
        define::check_limit(limit)?;
        let others = self.definitions.limits().await?;
        limit_within(limit, above, &others)?;
        let old = others.iter().find(|other| other.id == limit.id).cloned();
        room_for(old.is_some(), others.len(), "limits")?;
        Ok(old)
    }

    async fn keep_budget(&self, budget: &Budget, old: Option<Budget>) -> Result<()> {
        let store = self.definitions.as_ref();
        let Err(error) = self.counters.put_budget(store, budget.clone()).await else {
            return Ok(());
        };
        let undone = match old {
            Some(old) => self.counters.put_budget(store, old).await,
            None => self.counters.remove_budget(store, &budget.id).await.map(drop),
        };
        Err(after_undo(error, undone, &format!("budget {} of {}", budget.id, budget.scope)))
    }

    async fn keep_limit(&self, limit: &Limit, old: Option<Limit>) -> Result<()> {
        let store = self.definitions.as_ref();
        let Err(error) = self.counters.put_limit(store, limit.clone()).await else {
            return Ok(());
        };
        let undone = match old {
            Some(old) => self.counters.put_limit(store, old).await,
            None => self.counters.remove_limit(store, &limit.id).await.map(drop),
        };
        Err(after_undo(error, undone, &format!("limit {} of {}", limit.id, limit.scope)))
    }

    /// Keeps what binds a key, and then the key.
    async fn issue(
        &self,
        record: KeyRecord,
        budgets: &[Budget],
        limits: &[Limit],
    ) -> Result<NewKey> {
        for budget in budgets {
            self.keep_budget(budget, None).await?;
        }
        for limit in limits {
            self.keep_limit(limit, None).await?;
        }
        self.keyring.create(record).await
    }

    /// Takes back what was kept for a key that could not be made.
    async fn take_back(&self, budgets: &[Budget], limits: &[Limit]) -> Result<()> {
        let store = self.definitions.as_ref();
        let mut undone = Ok(());
        for budget in budgets {
            undone = undone.and(self.counters.remove_budget(store, &budget.id).await.map(drop));
        }
        for limit in limits {
            undone = undone.and(self.counters.remove_limit(store, &limit.id).await.map(drop));
        }
        undone
    }

    /// Says whether the keys in use still fit an account that changes.
    async fn check_keys_under(&self, tree: &Tree, node: &ScopeNode) -> Result<()> {
        let mut contradicted = None;
        for key in self.usable_keys().await? {
            if let Err(error) = tree.complete(&mut key.clone()) {
                contradicted = Some((key, error));
                break;
            }
        }
        let Some((key, error)) = contradicted else { return Ok(()) };
        let message =
            format!("{} is in use under {}: {}", name_of(&key), node.scope, error.message());
        Err(Error::conflict("parent", message)
            .with_hint("Revoke the key first, or give the account another id."))
    }

    async fn usable_keys(&self) -> Result<Vec<KeyRecord>> {
        let now_ms = self.clock.unix_ms();
        let is_usable = |key: &KeyRecord| {
            key.revoked_at_ms.is_none() && key.expires_at_ms.is_none_or(|end_ms| end_ms > now_ms)
        };
        Ok(self.keys.keys().await?.into_iter().filter(is_usable).collect())
    }
}

#[async_trait]
impl Governance for Office {
    async fn keys(&self) -> Result<Vec<KeyRecord>> {
        Ok(self.keyring.list())
    }

    async fn key(&self, id: &str) -> Result<Option<KeyRecord>> {
        self.known_key(id).await
    }

    async fn create_key(&self, order: KeyOrder) -> Result<NewKey> {
        let KeyOrder { mut record, budgets, limits } = order;
        check_record(&record, self.clock.unix_ms())?;
        room_for(false, self.keyring.len(), "keys")?;
        if record.id.is_empty() {
            record.id = key::generate_id(self.entropy.as_ref());
        }
        let tree = self.tree().await?;
        tree.place_key(&mut record)?;
        let scope = Scope::new(ScopeKind::Key, record.id.as_str());
        let above = tree.above_key(&record);
        let budgets: Vec<Budget> = budgets
            .into_iter()
            .map(|terms| terms.clone().budget(budget_id(&scope, &terms), scope.clone()))
            .collect();
        let limits: Vec<Limit> = limits
            .into_iter()
            .map(|terms| terms.limit(limit_id(&scope, &terms), scope.clone()))
            .collect();
        for budget in &budgets {
            self.checked_budget(budget, &above).await?;
        }
        for limit in &limits {
            self.checked_limit(limit, &above).await?;
        }
        let id = record.id.clone();
        match self.issue(record, &budgets, &limits).await {
            Ok(made) => Ok(made),
            Err(error) => {
                let undone = self.take_back(&budgets, &limits).await;
                Err(after_undo(error, undone, &format!("budgets and limits of key:{id}")))
            }
        }
    }

    async fn rotate_key(&self, id: &str, overlap_ms: u64) -> Result<NewKey> {
        if overlap_ms > limits::KEY_OVERLAP_MS_MAX {
            return Err(Error::bad_field("overlap", "an overlap has 90 days at most"));
        }
        self.keyring.rotate(id, overlap_ms).await
    }

    async fn revoke_key(&self, id: &str) -> Result<KeyRecord> {
        self.keyring.revoke(id).await?;
        let record = self.known_key(id).await?;
        record.ok_or_else(|| Error::internal("a key that was revoked is gone"))
    }

    async fn accounts(&self) -> Result<Vec<ScopeNode>> {
        self.keys.scopes().await
    }

    async fn put_account(&self, node: ScopeNode) -> Result<()> {
        check_policy(&node.policy)?;
        check_text("name", &node.name)?;
        let mut nodes = self.keys.scopes().await?;
        Tree::new(nodes.iter().cloned()).check_node(&node)?;
        let is_known = nodes.iter().any(|known| known.scope == node.scope);
        room_for(is_known, nodes.len(), "accounts")?;
        nodes.push(node.clone());
        self.check_keys_under(&Tree::new(nodes), &node).await?;
        self.keyring.reload().await?;
        self.keyring.put_scope(node).await
    }

    async fn remove_account(&self, scope: &Scope) -> Result<bool> {
        let tree = self.tree().await?;
        tree.check_removal(scope)?;
        let keys = self.usable_keys().await?;
        let under: Vec<&KeyRecord> =
            keys.iter().filter(|key| tree.above_key(key).contains(scope)).collect();
        if let Some(first) = under.first() {
            let named: Vec<String> = under.iter().take(NAMED_MAX).map(|key| name_of(key)).collect();
            let message = match under.len() {
                1 => format!("{} is in use under {scope}", name_of(first)),
                count => format!("{count} keys are in use under {scope}: {}", named.join(", ")),
            };
            return Err(Error::conflict("scope", message).with_hint("Revoke them first."));
        }
        self.keyring.reload().await?;
        self.keyring.remove_scope(scope).await
    }

    async fn budgets(&self, scopes: Option<&[Scope]>) -> Result<Vec<BudgetStatus>> {
        self.counters.budget_statuses(scopes).await
    }

    async fn put_budget(&self, scope: Scope, terms: BudgetTerms) -> Result<BudgetStatus> {
        let budget = terms.clone().budget(budget_id(&scope, &terms), scope.clone());
        define::check_budget(&budget)?;
        let above = self.above(&scope).await?;
        let old = self.checked_budget(&budget, &above).await?;
        self.keep_budget(&budget, old).await?;
        let standing = self.counters.budget_statuses(Some(&[scope])).await?;
        let mine = standing.into_iter().find(|status| status.budget.id == budget.id);
        mine.ok_or_else(|| Error::internal("a budget that was set is not there"))
    }

    async fn remove_budget(&self, id: &str) -> Result<bool> {
        self.counters.remove_budget(self.definitions.as_ref(), id).await
    }

    async fn limits(&self, scopes: Option<&[Scope]>) -> Result<Vec<LimitStatus>> {
        self.counters.limit_statuses(scopes).await
    }

    async fn put_limit(&self, scope: Scope, terms: LimitTerms) -> Result<LimitStatus> {
        let limit = terms.limit(limit_id(&scope, &terms), scope.clone());
        define::check_limit(&limit)?;
        let above = self.above(&scope).await?;
        let old = self.checked_limit(&limit, &above).await?;
        self.keep_limit(&limit, old).await?;
        let standing = self.counters.limit_statuses(Some(&[scope])).await?;
        let mine = standing.into_iter().find(|status| status.limit.id == limit.id);
        mine.ok_or_else(|| Error::internal("a limit that was set is not there"))
    }

    async fn remove_limit(&self, id: &str) -> Result<bool> {
        self.counters.remove_limit(self.definitions.as_ref(), id).await
    }
}

impl std::fmt::Debug for Office {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Office").field("keyring", &self.keyring).finish_non_exhaustive()
    }
}

/// The id of an account's budget in one unit over one window: setting it again replaces it.
fn budget_id(scope: &Scope, terms: &BudgetTerms) -> String {
    let unit = match terms.cap {
        Amount::Dollars(_) => "dollars",
        Amount::Tokens(_) => "tokens",
    };
    derived_id("bud", &format!("{scope}\n{unit}\n{}", terms.window))
}

/// The id of an account's limit of one kind.
fn limit_id(scope: &Scope, terms: &LimitTerms) -> String {
    derived_id("lim", &format!("{scope}\n{}", terms.kind.as_str()))
}

/// Scopes hold any text; an id stands in paths, so that it is short and plain.
fn derived_id(prefix: &str, text: &str) -> String {
    let hash = blake3::hash(text.as_bytes()).to_hex();
    format!("{prefix}_{}", &hash.as_str()[..20])
}

fn check_record(record: &KeyRecord, now_ms: i64) -> Result<()> {
    if record.name.trim().is_empty() {
        return Err(Error::bad_field("name", "a key needs a name to be known by"));
    }
    check_text("name", &record.name)?;
    let named = [
        ("owner", &record.owner),
        ("organisation", &record.organisation),
        ("team", &record.team),
        ("user", &record.user_id),
        ("project", &record.project_id),
    ];
    for (field, text) in named {
        let Some(text) = text else { continue };
        if text.is_empty() {
            return Err(Error::bad_field(field, "is empty"));
        }
        check_text(field, text)?;
    }
    if record.tags.len() > limits::CLAIM_SCOPES_MAX / 2 {
        let message = format!("a key has {} tags at most", limits::CLAIM_SCOPES_MAX / 2);
        return Err(Error::bad_field("tags", message));
    }
    for tag in &record.tags {
        if tag.is_empty() {
            return Err(Error::bad_field("tags", "a tag is empty"));
        }
        check_text("tags", tag)?;
    }
    if record.expires_at_ms.is_some_and(|end_ms| end_ms <= now_ms) {
        return Err(Error::bad_field("expires", "lies in the past"));
    }
    check_policy(&record.policy)
}

fn check_policy(policy: &Policy) -> Result<()> {
    let lists =
        [("models", &policy.models), ("endpoints", &policy.endpoints), ("tools", &policy.tools)];
    for (field, list) in lists {
        if list.len() > limits::POLICY_ENTRIES_MAX {
            let message = format!("{} entries at most", limits::POLICY_ENTRIES_MAX);
            return Err(Error::bad_field(field, message));
        }
        for entry in list {
            if entry.is_empty() {
                return Err(Error::bad_field(field, "an entry is empty"));
            }
            check_text(field, entry)?;
        }
    }
    Ok(())
}

fn check_text(field: &str, text: &str) -> Result<()> {
    if text.len() > limits::CLIENT_ID_BYTES_MAX {
        let message = format!("has more than {} bytes", limits::CLIENT_ID_BYTES_MAX);
        return Err(Error::bad_field(field, message));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::bad_field(field, "holds control characters"));
    }
    Ok(())
}

fn room_for(is_known: bool, count: usize, what: &str) -> Result<()> {
    if is_known || count < limits::DEFINITIONS_MAX {
        return Ok(());
    }
    let message = format!("there are {} {what}, the most there can be", limits::DEFINITIONS_MAX);
    Err(Error::new(Kind::Conflict, message))
}

fn name_of(key: &KeyRecord) -> String {
    format!("key {} ({})", key.id, key.name)
}

/// The first failure, and what it left behind where taking back failed as well.
fn after_undo(error: Error, undone: Result<()>, what: &str) -> Error {
    match undone {
        Ok(()) => error,
        Err(second) => {
            let message = format!(
                "{}; {what} may be left behind, taking back failed: {}",
                error.message(),
                second.message()
            );
            Error::new(error.kind(), message)
                .with_hint("Look at the list once the store answers, and remove what is left.")
        }
    }
}
