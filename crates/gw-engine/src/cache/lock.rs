//! The lock under which one of several replicas asks for an answer that all of them want.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gw_core::limits::CACHE_LOCK_MS;
use gw_core::seam::Hot;
use gw_core::seam::hot::{ANSWER_LOCKS, ANSWERS};
use tokio::task::AbortHandle;

use crate::engine::Engine;

/// First pause between two looks at a lock that another replica holds, in milliseconds; it doubles.
const LOOK_EVERY_MS: u64 = 10;

/// Longest of these pauses, in milliseconds.
const LOOK_EVERY_MS_MAX: u64 = 160;

/// A lock that is held, and renewed for as long as this lives. One that is not released runs out.
pub(super) struct Lock {
    hot: Arc<dyn Hot>,
    name: String,
    token: Bytes,
    renewing: AbortHandle,
    tasks: tokio_util::task::TaskTracker,
}

/// Waits until this replica may ask: it has the lock, or the answer is there, or the shared store is
/// away and everyone asks for themselves (`None`).
pub(super) async fn acquire(engine: &Engine, hot: &Arc<dyn Hot>, key: &str) -> Option<Lock> {
    let name = format!("{ANSWER_LOCKS}{}", key.strip_prefix(ANSWERS).unwrap_or(key));
    let mut random = [0_u8; 16];
    engine.resources.entropy.fill(&mut random);
    let token = Bytes::copy_from_slice(&random);
    let mut pause_ms = LOOK_EVERY_MS;
    loop {
        match hot.replace(&name, None, Some(token.clone()), CACHE_LOCK_MS).await {
            Ok(true) => return Some(Lock::keep(engine, hot, name, token)),
            Ok(false) => {}
            Err(_) => return None,
        }
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        pause_ms = pause_ms.saturating_mul(2).min(LOOK_EVERY_MS_MAX);
        match hot.get(key).await {
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => return None,
        }
    }
}

impl Lock {
    fn keep(engine: &Engine, hot: &Arc<dyn Hot>, name: String, token: Bytes) -> Self {
        let tasks = engine.tasks.clone();
        let (store, own, mine) = (Arc::clone(hot), name.clone(), token.clone());
        let renewing = tasks.spawn(async move {
            let third = Duration::from_millis(CACHE_LOCK_MS / 3);
            loop {
                tokio::time::sleep(third).await;
                let renewed = store.replace(&own, Some(&mine), Some(mine.clone()), CACHE_LOCK_MS);
                if matches!(renewed.await, Ok(false)) {
                    return;
                }
            }
        });
        let renewing = renewing.abort_handle();
        Self { hot: Arc::clone(hot), name, token, renewing, tasks }
    }

    /// Lets others go on.
    pub(super) async fn release(mut self) {
        self.renewing.abort();
        let name = std::mem::take(&mut self.name);
        // Where this fails the lock runs out by itself.
        let _ = self.hot.replace(&name, Some(&self.token), None, 0).await;
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.renewing.abort();
        // Released already; or, outside a runtime, the process is going down.
        if !self.name.is_empty() && tokio::runtime::Handle::try_current().is_ok() {
            let (hot, name) = (Arc::clone(&self.hot), std::mem::take(&mut self.name));
            let token = self.token.clone();
            self.tasks.spawn(async move {
                let _ = hot.replace(&name, Some(&token), None, 0).await;
            });
        }
    }
}
