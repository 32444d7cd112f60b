//! The hot store of one process, of which answers outlive the process: in memory, and in SQLite.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gw_core::Result;
use gw_core::glob::Glob;
use gw_core::seam::hot::ANSWERS;
use gw_core::seam::{Clock, Hot, HotSize};

use super::MemoryHot;
use crate::Store;

/// Names looked at in one step of a walk through all of them.
const STEP: i64 = 1_000;

/// Entries in memory, and those of [`ANSWERS`] in the store's file as well. Memory is asked first and
/// decides; the file answers for what it does not have.
pub struct LastingHot {
    memory: MemoryHot,
    file: Store,
    clock: Arc<dyn Clock>,
    file_bytes_max: i64,
}

impl LastingHot {
    /// Puts `memory` in front of `file`, which takes so many bytes of entries, about.
    pub fn new(memory: MemoryHot, file: Store, clock: Arc<dyn Clock>, file_bytes_max: u64) -> Self {
        let file_bytes_max = i64::try_from(file_bytes_max).unwrap_or(i64::MAX);
        Self { memory, file, clock, file_bytes_max }
    }

    /// Takes over into memory what the file has.
    async fn fetch(&self, key: &str) -> Result<Option<Bytes>> {
        let Some((value, expires_at)) = self.file.entry(key).await? else { return Ok(None) };
        let left_ms = u64::try_from(expires_at.saturating_sub(self.clock.unix_ms())).unwrap_or(0);
        if left_ms == 0 {
            return Ok(None);
        }
        let value = Bytes::from(value);
        self.memory.put(key, value.clone(), left_ms).await?;
        Ok(Some(value))
    }

    async fn write(&self, key: &str, value: Option<&Bytes>, ttl_ms: u64) -> Result<()> {
        let Some(value) = value.filter(|_| ttl_ms > 0) else {
            return self.file.remove_entries(vec![key.to_owned()]).await.map(drop);
        };
        let now_ms = self.clock.unix_ms();
        let expires_at = now_ms.saturating_add(i64::try_from(ttl_ms).unwrap_or(i64::MAX));
        self.file.keep_entry(key, (value.to_vec(), expires_at), now_ms, self.file_bytes_max).await
    }
}

fn lasts(key: &str) -> bool {
    key.starts_with(ANSWERS)
}

#[async_trait]
impl Hot for LastingHot {
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        match self.memory.get(key).await? {
            Some(value) => Ok(Some(value)),
            None if lasts(key) => self.fetch(key).await,
            None => Ok(None),
        }
    }

    async fn put(&self, key: &str, value: Bytes, ttl_ms: u64) -> Result<()> {
        self.memory.put(key, value.clone(), ttl_ms).await?;
        if lasts(key) { self.write(key, Some(&value), ttl_ms).await } else { Ok(()) }
    }

    async fn replace(
        &self,
        key: &str,
        old: Option<&Bytes>,
        new: Option<Bytes>,
        ttl_ms: u64,
    ) -> Result<bool> {
        if !lasts(key) {
            return self.memory.replace(key, old, new, ttl_ms).await;
        }
        self.get(key).await?;
        let done = self.memory.replace(key, old, new.clone(), ttl_ms).await?;
        if done {
            self.write(key, new.as_ref(), ttl_ms).await?;
        }
        Ok(done)
    }

    async fn remove(&self, key: &str) -> Result<bool> {
        let there = self.get(key).await?.is_some();
        self.memory.remove(key).await?;
        if lasts(key) {
            self.write(key, None, 0).await?;
        }
        Ok(there)
    }

    async fn remove_matching(&self, family: &str, pattern: &Glob) -> Result<u64> {
        let from_memory = self.memory.remove_matching(family, pattern).await?;
        let (mut after, mut removed) = (String::new(), 0_u64);
        loop {
            let names = self.file.entry_names(family, &after, STEP).await?;
            let Some(last) = names.last().cloned() else { break };
            let meant: Vec<String> =
                names.into_iter().filter(|name| pattern.matches(name)).collect();
            removed += self.file.remove_entries(meant).await? as u64;
            after = last;
        }
        Ok(removed.max(from_memory))
    }

    async fn size(&self, family: &str) -> Result<HotSize> {
        if family != ANSWERS {
            return self.memory.size(family).await;
        }
        let size = self.file.entries_size(self.clock.unix_ms()).await?;
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        Ok(HotSize { entries: count(size.entries), bytes: count(size.bytes) })
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn name(&self) -> &'static str {
        "sqlite"
    }
}

impl std::fmt::Debug for LastingHot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LastingHot")
            .field("memory", &self.memory)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}
