//! The durable side, in files: definitions, and what every instance spent, written before the client
//! has the end of its call, as the store writes it. It survives kill -9.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use gw_core::budget::{Budget, Limit, Spending, slot_of};
use gw_core::ids::InstanceId;
use gw_core::seam::{Budgets, Clock, Instance, Instances};
use gw_core::{Error, Kind, Money, Result, Scope};
use parking_lot::Mutex;

/// Time of this process.
pub(crate) struct RealClock(tokio::time::Instant);

impl RealClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(tokio::time::Instant::now()))
    }
}

impl Clock for RealClock {
    #[expect(clippy::disallowed_methods, reason = "the instances of a test share the real time")]
    fn unix_ms(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        i64::try_from(since.expect("after 1970").as_millis()).expect("fits")
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).expect("fits")
    }
}

/// What all instances share: a folder with the definitions, and a file of calls for each instance.
#[derive(Clone)]
pub(crate) struct Durable {
    folder: Arc<TempOrGiven>,
    is_away: Arc<AtomicBool>,
}

enum TempOrGiven {
    Temp(tempfile::TempDir),
    Given(PathBuf),
}

impl Durable {
    pub(crate) fn with(budgets: &[Budget], limits: &[Limit]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let text = serde_json::to_string(&(budgets, limits)).expect("definitions");
        fs::write(folder.path().join("definitions.json"), text).expect("written");
        Self { folder: Arc::new(TempOrGiven::Temp(folder)), is_away: Arc::default() }
    }

    pub(crate) fn open(folder: &Path) -> Self {
        let folder = Arc::new(TempOrGiven::Given(folder.to_owned()));
        Self { folder, is_away: Arc::default() }
    }

    pub(crate) fn folder(&self) -> &Path {
        match &*self.folder {
            TempOrGiven::Temp(folder) => folder.path(),
            TempOrGiven::Given(folder) => folder,
        }
    }

    pub(crate) fn at(&self, instance: &str) -> Arc<At> {
        let path = self.folder().join(format!("{instance}.calls"));
        let file = fs::OpenOptions::new().create(true).append(true).open(path).expect("a file");
        let id = InstanceId::new(instance);
        Arc::new(At { durable: self.clone(), id, file: Mutex::new(file) })
    }

    /// Says that an instance gives no sign of life any more.
    pub(crate) fn die(&self, instance: &str) {
        fs::write(self.folder().join(format!("{instance}.dead")), "").expect("written");
    }

    pub(crate) fn go_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    pub(crate) fn define(&self, budgets: &[Budget], limits: &[Limit]) {
        let text = serde_json::to_string(&(budgets, limits)).expect("definitions");
        fs::write(self.folder().join("definitions.json"), text).expect("written");
    }

    fn definitions(&self) -> Result<(Vec<Budget>, Vec<Limit>)> {
        self.check()?;
        let text = fs::read_to_string(self.folder().join("definitions.json")).expect("read");
        Ok(serde_json::from_str(&text).expect("definitions"))
    }

    fn check(&self) -> Result<()> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::StoreUnavailable, "away"));
        }
        Ok(())
    }

    /// Every call that was recorded, of one instance.
    pub(crate) fn spent(&self, id: &InstanceId) -> BTreeMap<(Scope, i64), Spending> {
        let path = self.folder().join(format!("{}.calls", id.as_str()));
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut totals: BTreeMap<(Scope, i64), Spending> = BTreeMap::new();
        // What a dying process left half written was never acknowledged.
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(words.len(), 4, "{line}");
            let slot_ms = words[1].parse().expect("a slot");
            let entry = totals.entry((words[0].parse().expect("a scope"), slot_ms)).or_default();
            entry.slot_ms = slot_ms;
            entry.spent += Money::from_pico(words[2].parse().expect("an amount"));
            entry.tokens += words[3].parse::<u64>().expect("tokens");
            entry.calls += 1;
        }
        totals
    }

    fn known(&self) -> Vec<InstanceId> {
        let entries = fs::read_dir(self.folder()).expect("a folder").flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut ids: Vec<_> =
            names.filter_map(|name| name.strip_suffix(".calls").map(InstanceId::new)).collect();
        ids.sort();
        ids
    }
}

/// The store as one instance has it.
pub(crate) struct At {
    durable: Durable,
    id: InstanceId,
    file: Mutex<fs::File>,
}

impl At {
    pub(crate) fn record(&self, scopes: &[Scope], at_ms: i64, spent: Money, tokens: u64) {
        let slot = slot_of(at_ms);
        let lines: String = scopes
            .iter()
            .map(|scope| format!("{scope} {slot} {} {tokens}\n", spent.pico()))
            .collect();
        self.file.lock().write_all(lines.as_bytes()).expect("written");
    }
}

#[async_trait]
impl Instances for At {
    fn instance(&self) -> &InstanceId {
        &self.id
    }

    async fn instances(&self) -> Result<Vec<Instance>> {
        self.durable.check()?;
        let is_dead = |id: &InstanceId| self.durable.folder().join(format!("{id}.dead")).exists();
        let all = self.durable.known().into_iter().map(|id| Instance {
            name: id.as_str().to_owned(),
            started_at_ms: 0,
            silent_ms: if is_dead(&id) { 60_000 } else { 0 },
            id,
        });
        Ok(all.collect())
    }

    async fn instance_spending(&self, id: &InstanceId) -> Result<Vec<(Scope, Spending)>> {
        self.durable.check()?;
        Ok(self.durable.spent(id).into_iter().map(|((scope, _), sums)| (scope, sums)).collect())
    }

    async fn forget_instance(&self, _: &InstanceId) -> Result<bool> {
        Ok(false)
    }
}

#[async_trait]
impl Budgets for At {
    async fn put_budget(&self, budget: Budget) -> Result<()> {
        let (mut budgets, limits) = self.durable.definitions()?;
        budgets.retain(|old| old.id != budget.id);
        budgets.push(budget);
        self.durable.define(&budgets, &limits);
        Ok(())
    }

    async fn remove_budget(&self, id: &str) -> Result<bool> {
        let (mut budgets, limits) = self.durable.definitions()?;
        let before = budgets.len();
        budgets.retain(|old| old.id != id);
        self.durable.define(&budgets, &limits);
        Ok(budgets.len() < before)
    }

    async fn budgets(&self) -> Result<Vec<Budget>> {
        Ok(self.durable.definitions()?.0)
    }

    async fn put_limit(&self, limit: Limit) -> Result<()> {
        let (budgets, mut limits) = self.durable.definitions()?;
        limits.retain(|old| old.id != limit.id);
        limits.push(limit);
        self.durable.define(&budgets, &limits);
        Ok(())
    }

    async fn remove_limit(&self, id: &str) -> Result<bool> {
        let (budgets, mut limits) = self.durable.definitions()?;
        let before = limits.len();
        limits.retain(|old| old.id != id);
        self.durable.define(&budgets, &limits);
        Ok(limits.len() < before)
    }

    async fn limits(&self) -> Result<Vec<Limit>> {
        Ok(self.durable.definitions()?.1)
    }

    async fn spending(&self, scope: &Scope, from_ms: i64) -> Result<Vec<Spending>> {
        self.durable.check()?;
        let mut slots: BTreeMap<i64, Spending> = BTreeMap::new();
        for id in self.durable.known() {
            for ((of, slot_ms), spending) in self.durable.spent(&id) {
                if of == *scope && slot_ms >= slot_of(from_ms) {
                    let slot = slots.entry(slot_ms).or_default();
                    slot.slot_ms = slot_ms;
                    slot.spent += spending.spent;
                    slot.tokens += spending.tokens;
                    slot.calls += spending.calls;
                }
            }
        }
        Ok(slots.into_values().collect())
    }

    async fn lifetime_spending(&self, scope: &Scope) -> Result<Spending> {
        let mut all = Spending::default();
        for slot in self.spending(scope, i64::MIN).await? {
            all.spent += slot.spent;
            all.tokens += slot.tokens;
            all.calls += slot.calls;
        }
        Ok(all)
    }
}
