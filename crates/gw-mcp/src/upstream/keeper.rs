//! Keeps one server: connects, reads its lists, listens for changes, closes what is unused, and comes
//! back after failures.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::{Event, LinkKey, State, Upstream};
use crate::caller::Profile;
use crate::limits::{CLIENT_LINK_IDLE_MS, GOOD_LINK_MS, TICK_MS};
use crate::meta;
use crate::options::TransportOptions;
use crate::raw::Fields;
use crate::upstream::link::{Link, Notice};

/// Least wait after a failed attempt, whatever the reason, in milliseconds.
const PAUSE_MS: u64 = 100;

/// Keeps the server until it is stopped.
pub(super) async fn keep(upstream: Arc<Upstream>, mut notices: mpsc::Receiver<Notice>) {
    let stopped = upstream.stopped.clone();
    tokio::select! {
        () = stopped.cancelled() => {}
        () = keep_unbounded(&upstream, &mut notices) => {}
    }
}

async fn keep_unbounded(upstream: &Arc<Upstream>, notices: &mut mpsc::Receiver<Notice>) {
    // Asked here too: after a stop every attempt fails at once, and a loop that never waits would never
    // be cancelled.
    while !upstream.stopped.is_cancelled() {
        match upstream.link(&LinkKey::default(), true).await {
            Ok(link) => {
                upstream.refresh(&link).await;
                settle(upstream);
                tend(upstream, &link, notices).await;
            }
            Err(_) => {
                settle(upstream);
                let _ = upstream.events.send(Event::Lists);
                tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
            }
        }
        rest(upstream, notices).await;
    }
}

fn settle(upstream: &Upstream) {
    // The receivers come and go.
    upstream.settled.send_replace(true);
}

/// Looks after a connection until it ends.
async fn tend(upstream: &Arc<Upstream>, link: &Arc<Link>, notices: &mut mpsc::Receiver<Notice>) {
    let mut tick = tokio::time::interval(Duration::from_millis(TICK_MS));
    let mut listening = std::pin::pin!(listen(upstream, link));
    loop {
        tokio::select! {
            () = link.closed() => break,
            () = &mut listening => {}
            Some(notice) = notices.recv() => take(upstream, link, notice).await,
            _ = tick.tick() => {
                sweep(upstream).await;
                if is_unused(upstream) {
                    upstream.discard(link);
                    upstream.health.lock().state = State::Idle;
                    return;
                }
            }
        }
    }
    let mut health = upstream.health.lock();
    let lived_ms = upstream.clock.monotonic_ms().saturating_sub(health.connected_at_ms);
    if lived_ms >= GOOD_LINK_MS {
        health.failures = 0;
    }
    drop(health);
    if !upstream.stopped.is_cancelled() {
        upstream.discard(link);
        upstream.failed(&super::Failure::Broken(link.why_closed()));
        let _ = upstream.events.send(Event::Lists);
    }
}

async fn take(upstream: &Arc<Upstream>, link: &Arc<Link>, notice: Notice) {
    let name = Arc::clone(&upstream.name);
    // Nobody may be listening to events.
    match notice {
        Notice::ListsChanged => upstream.refresh(link).await,
        Notice::ResourceUpdated(params) => {
            let _ = upstream.events.send(Event::ResourceUpdated(name, params));
        }
        Notice::Log(params) => {
            let _ = upstream.events.send(Event::Log(params));
        }
    }
}

/// Waits before the next attempt: until the wait after a failure is over, or for as long as nobody
/// needs an idle server.
async fn rest(upstream: &Arc<Upstream>, notices: &mut mpsc::Receiver<Notice>) {
    loop {
        let (state, retry_at_ms) = {
            let health = upstream.health.lock();
            (health.state, health.retry_at_ms)
        };
        if state == State::Idle {
            tokio::select! {
                () = upstream.wake.notified() => {}
                Some(_) = notices.recv() => {}
            }
            if upstream.held(&LinkKey::default()).is_some() {
                return;
            }
            continue;
        }
        let wait_ms = retry_at_ms.saturating_sub(upstream.clock.monotonic_ms());
        if wait_ms == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    }
}

/// Closes connections of single clients that nobody uses.
async fn sweep(upstream: &Upstream) {
    let now_ms = upstream.clock.monotonic_ms();
    let mut old = Vec::new();
    upstream.links.lock().retain(|key, held| {
        let idle_ms =
            if key.client.is_some() { CLIENT_LINK_IDLE_MS } else { upstream.options.idle_ms };
        let is_kept = *key == LinkKey::default()
            || held.link.is_busy()
            || (!held.link.is_closed()
                && (idle_ms == 0 || now_ms.saturating_sub(held.used_at_ms) < idle_ms));
        if !is_kept {
            old.push(Arc::clone(&held.link));
        }
        is_kept
    });
    for link in old {
        link.close().await;
    }
}

fn is_unused(upstream: &Upstream) -> bool {
    let idle_ms = upstream.options.idle_ms;
    if idle_ms == 0 || !matches!(upstream.options.transport, TransportOptions::Stdio { .. }) {
        return false;
    }
    let now_ms = upstream.clock.monotonic_ms();
    let links = upstream.links.lock();
    upstream.watched.lock().is_empty()
        && links.len() == 1
        && links
            .get(&LinkKey::default())
            .is_some_and(|held| now_ms.saturating_sub(held.used_at_ms) >= idle_ms)
}

/// Hears of changes: by a request that stays open with modern servers, by subscriptions with legacy
/// ones.
async fn listen(upstream: &Arc<Upstream>, link: &Arc<Link>) {
    if link.is_modern() {
        listen_modern(upstream, link).await;
    } else {
        subscribe_legacy(upstream, link).await;
    }
    std::future::pending::<()>().await;
}

async fn listen_modern(upstream: &Arc<Upstream>, link: &Arc<Link>) {
    let Some(hello) = link.hello() else { return };
    let tells = |list: &str| {
        let capability = hello.capabilities.object(list);
        capability.and_then(|it| it.read::<bool>("listChanged")).unwrap_or(false)
    };
    let can_watch = hello.capabilities.object("resources");
    let can_watch = can_watch.and_then(|it| it.read::<bool>("subscribe")).unwrap_or(false);
    let mut wait_ms = 1_000;
    loop {
        let mut filter = Fields::default();
        for (list, name) in [
            ("tools", "toolsListChanged"),
            ("prompts", "promptsListChanged"),
            ("resources", "resourcesListChanged"),
        ] {
            if tells(list) {
                filter.put(name, true);
            }
        }
        let watched: Vec<String> = upstream.watched.lock().keys().cloned().collect();
        if can_watch && !watched.is_empty() {
            filter.put("resourceSubscriptions", &watched);
        }
        if filter.is_empty() {
            upstream.watch_changed.notified().await;
            continue;
        }
        let mut params = Fields::default();
        params.put("notifications", &filter);
        let mut about = Fields::default();
        let us = &upstream.means.identity;
        meta::introduce(&mut about, us, &Profile::default().capabilities(), None);
        meta::store(&mut params, &about);
        let asking = link.request("subscriptions/listen", params, &upstream.nobody, &[]);
        tokio::select! {
            ended = asking => match ended {
                // Ended in good order: listen again.
                Ok(_) => {}
                // It does not know the method.
                Err(super::Failure::Rpc(_)) => return,
                Err(_) => wait_ms = (wait_ms * 2).min(60_000),
            },
            () = upstream.watch_changed.notified() => continue,
        }
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        // What changed meanwhile was not heard.
        let _ = upstream.notices.try_send(Notice::ListsChanged);
    }
}

async fn subscribe_legacy(upstream: &Arc<Upstream>, link: &Arc<Link>) {
    let mut known: Vec<String> = Vec::new();
    loop {
        let wanted: Vec<String> = upstream.watched.lock().keys().cloned().collect();
        let gone = known.iter().filter(|uri| !wanted.contains(uri));
        let new = wanted.iter().filter(|uri| !known.contains(uri));
        let changes = gone.map(|uri| (uri, "resources/unsubscribe"));
        for (uri, method) in changes.chain(new.map(|uri| (uri, "resources/subscribe"))) {
            let mut params = Fields::default();
            params.put("uri", uri);
            if let Err(failure) = link.request(method, params, &upstream.nobody, &[]).await {
                tracing::debug!(server = &*upstream.name, ?failure, "a resource is not watched");
            }
        }
        known = wanted;
        upstream.watch_changed.notified().await;
    }
}
