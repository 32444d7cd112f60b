//! The hot store of one process: a map in memory, bounded by bytes. What was used longest ago goes
//! first.

mod lasting;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gw_core::Result;
use gw_core::glob::Glob;
use gw_core::seam::{Clock, Hot, HotSize};
use parking_lot::Mutex;

pub use lasting::LastingHot;

/// What an entry costs beside its name and value, in bytes, about.
const ENTRY_BYTES: usize = 160;

/// Entries kept in memory.
pub struct MemoryHot {
    clock: Arc<dyn Clock>,
    bytes_max: usize,
    shelf: Mutex<Shelf>,
}

/// Entries by name, and their names in order of use.
#[derive(Default)]
struct Shelf {
    entries: HashMap<Arc<str>, Entry>,
    by_use: BTreeMap<u64, Arc<str>>,
    uses: u64,
    bytes: usize,
}

struct Entry {
    value: Bytes,
    expires_ms: u64,
    used: u64,
}

impl MemoryHot {
    /// An empty store of so many bytes at most.
    pub fn new(clock: Arc<dyn Clock>, bytes_max: usize) -> Self {
        Self { clock, bytes_max, shelf: Mutex::default() }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *self.shelf.lock() = Shelf::default();
    }

    /// Bytes in use, expired entries included.
    pub fn bytes(&self) -> usize {
        self.shelf.lock().bytes
    }

    fn now_ms(&self) -> u64 {
        self.clock.monotonic_ms()
    }

    fn keep(&self, shelf: &mut Shelf, key: &str, value: &Bytes, ttl_ms: u64) {
        shelf.remove(key);
        let weight = weight(key, value);
        if weight > self.bytes_max || ttl_ms == 0 {
            return;
        }
        while shelf.bytes.saturating_add(weight) > self.bytes_max && shelf.remove_oldest() {}
        let expires_ms = self.now_ms().saturating_add(ttl_ms);
        // A piece of a larger buffer would keep all of it in memory.
        shelf.insert(key, Bytes::copy_from_slice(value), expires_ms);
    }
}

impl Shelf {
    /// What stands there; what has expired is put away.
    fn get(&mut self, key: &str, now_ms: u64) -> Option<Bytes> {
        let entry = self.entries.get_mut(key)?;
        if entry.expires_ms <= now_ms {
            self.remove(key);
            return None;
        }
        self.uses += 1;
        if let Some(name) = self.by_use.remove(&entry.used) {
            self.by_use.insert(self.uses, name);
        }
        entry.used = self.uses;
        Some(entry.value.clone())
    }

    fn insert(&mut self, key: &str, value: Bytes, expires_ms: u64) {
        self.uses += 1;
        self.bytes = self.bytes.saturating_add(weight(key, &value));
        let name: Arc<str> = key.into();
        self.by_use.insert(self.uses, Arc::clone(&name));
        self.entries.insert(name, Entry { value, expires_ms, used: self.uses });
    }

    fn remove(&mut self, key: &str) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.by_use.remove(&entry.used);
        self.bytes = self.bytes.saturating_sub(weight(key, &entry.value));
        Some(entry)
    }

    fn remove_oldest(&mut self) -> bool {
        let Some((_, name)) = self.by_use.pop_first() else { return false };
        self.remove(&name).is_some()
    }
}

fn weight(key: &str, value: &Bytes) -> usize {
    // The name stands in both maps but is held once.
    ENTRY_BYTES.saturating_add(key.len()).saturating_add(value.len())
}

#[async_trait]
impl Hot for MemoryHot {
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        Ok(self.shelf.lock().get(key, self.now_ms()))
    }

    async fn put(&self, key: &str, value: Bytes, ttl_ms: u64) -> Result<()> {
        self.keep(&mut self.shelf.lock(), key, &value, ttl_ms);
        Ok(())
    }

    async fn replace(
        &self,
        key: &str,
        old: Option<&Bytes>,
        new: Option<Bytes>,
        ttl_ms: u64,
    ) -> Result<bool> {
        let mut shelf = self.shelf.lock();
        if shelf.get(key, self.now_ms()).as_ref() != old {
            return Ok(false);
        }
        match new {
            Some(new) => self.keep(&mut shelf, key, &new, ttl_ms),
            None => drop(shelf.remove(key)),
        }
        Ok(true)
    }

    async fn remove(&self, key: &str) -> Result<bool> {
        let removed = self.shelf.lock().remove(key);
        Ok(removed.is_some_and(|entry| entry.expires_ms > self.now_ms()))
    }

    async fn remove_matching(&self, family: &str, pattern: &Glob) -> Result<u64> {
        let names: Vec<Arc<str>> = {
            let shelf = self.shelf.lock();
            shelf.entries.keys().filter(|name| name.starts_with(family)).cloned().collect()
        };
        let mut removed = 0;
        // Names are matched outside the lock: there may be very many.
        for name in names.iter().filter(|name| pattern.matches(name)) {
            removed += u64::from(self.shelf.lock().remove(name).is_some());
        }
        Ok(removed)
    }

    async fn size(&self, family: &str) -> Result<HotSize> {
        let now_ms = self.now_ms();
        let shelf = self.shelf.lock();
        let mut size = HotSize::default();
        for (name, entry) in &shelf.entries {
            if name.starts_with(family) && entry.expires_ms > now_ms {
                size.entries += 1;
                size.bytes += weight(name, &entry.value) as u64;
            }
        }
        Ok(size)
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn name(&self) -> &'static str {
        "memory"
    }
}

impl std::fmt::Debug for MemoryHot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryHot").field("bytes_max", &self.bytes_max).finish_non_exhaustive()
    }
}
