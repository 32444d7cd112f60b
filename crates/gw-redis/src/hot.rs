//! The hot store in Redis: what replicas share for a while. Where Redis does not answer it is left
//! alone for a moment, so that nobody waits for it call by call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use gw_core::glob::Glob;
use gw_core::seam::{Clock, Hot, HotSize};
use gw_core::{Error, Kind, Result};
use redis::aio::ConnectionManager;
use redis::{RedisError, RedisFuture, Script};

use crate::link::{connect, unavailable};

/// How long Redis may take for an answer, in milliseconds.
const ANSWER_MS: u64 = 500;

/// How long Redis is left alone after it did not answer, in milliseconds.
const REST_MS: u64 = 1_000;

/// Names looked at in one step of a walk through all of them.
const STEP: usize = 1_000;

/// Steps of a walk that only counts: a million names; who has more is not told how many.
const COUNTED_STEPS_MAX: usize = 1_000;

/// Puts a value, or nothing, where another one, or nothing, stands.
const REPLACE: &str = "
local found = redis.call('GET', KEYS[1])
if ARGV[1] == '' then
  if found then return 0 end
elseif found ~= string.sub(ARGV[1], 2) then
  return 0
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], string.sub(ARGV[2], 2), 'PX', ARGV[3])
end
return 1";

/// Entries kept in Redis.
pub struct RedisHot {
    connection: ConnectionManager,
    replace: Script,
    prefix: String,
    clock: Arc<dyn Clock>,
    /// Until when Redis is left alone, on the monotonic clock.
    rests_until_ms: AtomicU64,
}

impl RedisHot {
    /// Prepares the connection; Redis need not be there yet. `prefix` begins every name.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] where the address makes no sense.
    pub fn open(url: &str, prefix: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        Ok(Self {
            connection: connect(url, ANSWER_MS)?,
            replace: Script::new(REPLACE),
            prefix: prefix.to_owned(),
            clock,
            rests_until_ms: AtomicU64::new(0),
        })
    }

    fn name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Asks Redis within a bound, unless it rests.
    async fn ask<T>(
        &self,
        step: impl AsyncFnOnce(&mut ConnectionManager) -> Result<T, RedisError>,
    ) -> Result<T> {
        let now_ms = self.clock.monotonic_ms();
        if now_ms < self.rests_until_ms.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::StoreUnavailable, "Redis did not answer a moment ago"));
        }
        let mut connection = self.connection.clone();
        let wait = Duration::from_millis(ANSWER_MS);
        let error = match tokio::time::timeout(wait, step(&mut connection)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => unavailable(&error),
            Err(_) => Error::new(Kind::StoreUnavailable, "Redis does not answer"),
        };
        let until_ms = self.clock.monotonic_ms().saturating_add(REST_MS);
        self.rests_until_ms.store(until_ms, Ordering::Relaxed);
        Err(error)
    }

    /// One step through the names of a family: where to go on (0: it was the last), and the names
    /// found, without the prefix and with it.
    async fn step(&self, family: &str, cursor: u64) -> Result<(u64, Vec<String>)> {
        let pattern = format!("{}*", literally(&self.name(family)));
        let found: (u64, Vec<Vec<u8>>) = self
            .ask(async |connection| {
                let mut scan = redis::cmd("SCAN");
                scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(STEP);
                boxed(scan.query_async(connection)).await
            })
            .await?;
        // What is no text is not ours.
        let names = found.1.into_iter().filter_map(|name| String::from_utf8(name).ok());
        Ok((found.0, names.collect()))
    }
}

/// Names the future's type: those of commands of one kind are not of one type otherwise.
fn boxed<'a, T>(
    future: impl Future<Output = Result<T, RedisError>> + Send + 'a,
) -> RedisFuture<'a, T> {
    Box::pin(future)
}

/// A text as a pattern that matches it alone.
fn literally(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// A value for the script, told apart from none by one byte.
fn argument(value: Option<&Bytes>) -> Vec<u8> {
    value.map_or_else(Vec::new, |value| {
        let mut bytes = Vec::with_capacity(value.len() + 1);
        bytes.push(b'=');
        bytes.extend_from_slice(value);
        bytes
    })
}

#[async_trait]
impl Hot for RedisHot {
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let name = self.name(key);
        let found: Option<Vec<u8>> = self
            .ask(async |connection| {
                boxed(redis::cmd("GET").arg(name).query_async(connection)).await
            })
            .await?;
        Ok(found.map(Bytes::from))
    }

    async fn put(&self, key: &str, value: Bytes, ttl_ms: u64) -> Result<()> {
        if ttl_ms == 0 {
            return self.remove(key).await.map(drop);
        }
        let name = self.name(key);
        self.ask(async |connection| {
            let mut set = redis::cmd("SET");
            set.arg(name).arg(&value[..]).arg("PX").arg(ttl_ms);
            boxed(set.query_async(connection)).await
        })
        .await
    }

    async fn replace(
        &self,
        key: &str,
        old: Option<&Bytes>,
        new: Option<Bytes>,
        ttl_ms: u64,
    ) -> Result<bool> {
        let new = new.filter(|_| ttl_ms > 0);
        let (name, old, new) = (self.name(key), argument(old), argument(new.as_ref()));
        let done: i64 = self
            .ask(async |connection| {
                let mut step = self.replace.prepare_invoke();
                step.key(name).arg(old).arg(new).arg(ttl_ms);
                boxed(step.invoke_async(connection)).await
            })
            .await?;
        Ok(done == 1)
    }

    async fn remove(&self, key: &str) -> Result<bool> {
        let name = self.name(key);
        let removed: i64 = self
            .ask(async |connection| {
                boxed(redis::cmd("DEL").arg(name).query_async(connection)).await
            })
            .await?;
        Ok(removed > 0)
    }

    async fn remove_matching(&self, family: &str, pattern: &Glob) -> Result<u64> {
        let (mut cursor, mut removed) = (0, 0_u64);
        loop {
            let (next, names) = self.step(family, cursor).await?;
            let is_meant = |name: &String| {
                name.strip_prefix(&self.prefix).is_some_and(|key| pattern.matches(key))
            };
            let meant: Vec<String> = names.into_iter().filter(is_meant).collect();
            if !meant.is_empty() {
                removed += self
                    .ask(async |connection| {
                        boxed(redis::cmd("UNLINK").arg(&meant).query_async::<u64>(connection)).await
                    })
                    .await?;
            }
            if next == 0 {
                return Ok(removed);
            }
            cursor = next;
        }
    }

    async fn size(&self, family: &str) -> Result<HotSize> {
        let (mut cursor, mut size) = (0, HotSize::default());
        for _ in 0..COUNTED_STEPS_MAX {
            let (next, names) = self.step(family, cursor).await?;
            if !names.is_empty() {
                let lengths: Vec<u64> = self
                    .ask(async |connection| {
                        let mut pipe = redis::pipe();
                        names.iter().for_each(|name| {
                            pipe.cmd("STRLEN").arg(name);
                        });
                        boxed(pipe.query_async(connection)).await
                    })
                    .await?;
                size.entries += names.len() as u64;
                size.bytes += names.iter().map(|name| name.len() as u64).sum::<u64>();
                size.bytes += lengths.iter().sum::<u64>();
            }
            if next == 0 {
                return Ok(size);
            }
            cursor = next;
        }
        Err(Error::new(Kind::StoreUnavailable, "Redis holds too many names to count them"))
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn name(&self) -> &'static str {
        "redis"
    }
}

impl std::fmt::Debug for RedisHot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may hold a password.
        f.debug_struct("RedisHot").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
