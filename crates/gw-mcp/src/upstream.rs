//! One upstream server: its connections, its health, its last known lists, its bound on work.
//!
//! Nothing here waits for another server. A server that fails is left alone for a while, each time
//! longer; then one attempt finds out whether it is back.

pub(crate) mod connect;
pub(crate) mod http;
pub(crate) mod link;
pub(crate) mod lists;
pub(crate) mod sse_legacy;
pub(crate) mod stdio;
pub(crate) mod wire;

mod keeper;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use gw_core::seam::Clock;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::caller::{Caller, ClientKey, Nobody, Profile};
use crate::limits::{CALLS_WAITING_MAX, LINKS_MAX, RETRY_MS_MAX, RETRY_MS_MIN};
use crate::message::{HEADER_MISMATCH, Outcome, RpcError, UNSUPPORTED_VERSION};
use crate::meta;
use crate::options::{EraChoice, ServerOptions, TransportOptions};
use crate::raw::{Fields, Raw};
use crate::upstream::connect::{Attempt, Means};
use crate::upstream::link::{Link, NOTICES_WAITING_MAX, Notice};
use crate::upstream::lists::Lists;
use crate::upstream::stdio::Ring;
use crate::upstream::wire::Failure;

/// What a server tells the rest of the gateway.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// What it offers changed, or whether it is there.
    Lists,
    /// A resource changed.
    ResourceUpdated(Arc<str>, Fields),
    /// It logged something that belongs to no request.
    Log(Fields),
}

/// How a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not yet reached for the first time.
    Starting,
    /// Connected.
    Ready,
    /// Stopped for want of use; starts when it is needed.
    Idle,
    /// Not reached; tried again later.
    Failing,
    /// Switched off.
    Disabled,
}

/// Which connection serves a caller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct LinkKey {
    profile: Profile,
    client: Option<ClientKey>,
}

struct Held {
    link: Arc<Link>,
    used_at_ms: u64,
}

#[derive(Debug)]
struct Health {
    state: State,
    failures: u32,
    retry_at_ms: u64,
    last_error: Option<String>,
    connected_at_ms: u64,
}

/// One server.
pub(crate) struct Upstream {
    pub(crate) name: Arc<str>,
    pub(crate) options: ServerOptions,
    means: Arc<Means>,
    clock: Arc<dyn Clock>,
    links: Mutex<HashMap<LinkKey, Held>>,
    /// One connection of a kind is made at a time.
    making: tokio::sync::Mutex<()>,
    making_more: Semaphore,
    health: Mutex<Health>,
    era: Mutex<Option<EraChoice>>,
    places: Semaphore,
    waiting: AtomicUsize,
    lists: ArcSwap<Lists>,
    stderr: Ring,
    events: broadcast::Sender<Event>,
    notices: mpsc::Sender<Notice>,
    /// Wakes the keeper: something is wanted, or lists are old.
    wake: Notify,
    stopped: CancellationToken,
    settled: watch::Sender<bool>,
    /// Resources that clients watch, and how many do.
    watched: Mutex<BTreeMap<String, usize>>,
    watch_changed: Notify,
    nobody: Arc<dyn Caller>,
}

impl Upstream {
    /// Makes a server and starts to keep it.
    pub(crate) fn begin(
        name: Arc<str>,
        options: ServerOptions,
        means: Arc<Means>,
        clock: Arc<dyn Clock>,
        events: broadcast::Sender<Event>,
    ) -> Arc<Self> {
        let (notices, incoming) = mpsc::channel(NOTICES_WAITING_MAX);
        let is_enabled = options.is_enabled;
        let upstream = Arc::new(Self {
            places: Semaphore::new(options.concurrency_max.clamp(1, Semaphore::MAX_PERMITS)),
            name,
            options,
            means,
            clock,
            links: Mutex::default(),
            making: tokio::sync::Mutex::new(()),
            making_more: Semaphore::new(8),
            health: Mutex::new(Health {
                state: if is_enabled { State::Starting } else { State::Disabled },
                failures: 0,
                retry_at_ms: 0,
                last_error: None,
                connected_at_ms: 0,
            }),
            era: Mutex::new(None),
            waiting: AtomicUsize::new(0),
            lists: ArcSwap::from_pointee(Lists::default()),
            stderr: Ring::default(),
            events,
            notices,
            wake: Notify::new(),
            stopped: CancellationToken::new(),
            settled: watch::Sender::new(!is_enabled),
            watched: Mutex::default(),
            watch_changed: Notify::new(),
            nobody: Nobody::caller(),
        });
        if is_enabled {
            tokio::spawn(keeper::keep(Arc::clone(&upstream), incoming));
        }
        upstream
    }

    pub(crate) fn lists(&self) -> Arc<Lists> {
        self.lists.load_full()
    }

    pub(crate) fn state(&self) -> State {
        self.health.lock().state
    }

    pub(crate) fn last_error(&self) -> Option<String> {
        self.health.lock().last_error.clone()
    }

    pub(crate) fn stderr(&self) -> Vec<String> {
        self.stderr.lines()
    }

    /// Done once the first attempt to reach it has come to something.
    pub(crate) async fn settled(&self) {
        let mut settled = self.settled.subscribe();
        // The sender lives as long as this does.
        let _ = settled.wait_for(|is_settled| *is_settled).await;
    }

    /// True once the first attempt to reach it has come to something.
    pub(crate) fn is_settled(&self) -> bool {
        *self.settled.borrow()
    }

    /// Ends all connections.
    pub(crate) async fn stop(&self) {
        self.stopped.cancel();
        let held: Vec<Arc<Link>> = self.links.lock().drain().map(|(_, held)| held.link).collect();
        futures_util::future::join_all(held.iter().map(|link| link.close())).await;
    }

    /// Watches a resource, or no longer.
    pub(crate) fn watch(&self, uri: &str, wants: bool) {
        let mut watched = self.watched.lock();
        if wants {
            *watched.entry(uri.to_owned()).or_default() += 1;
        } else if let Some(count) = watched.get_mut(uri) {
            *count -= 1;
            if *count == 0 {
                watched.remove(uri);
            }
        }
        drop(watched);
        self.watch_changed.notify_one();
        self.wake.notify_one();
    }

    /// Sends a request for a caller. Names and addresses in it are the server's own.
    pub(crate) async fn request(
        &self,
        method: &str,
        params: Fields,
        caller: &Arc<dyn Caller>,
        limit: Option<Duration>,
    ) -> Outcome {
        let limit = limit.unwrap_or(Duration::from_millis(self.options.timeout_ms));
        let working = self.request_unbounded(method, params, caller);
        match tokio::time::timeout(limit, working).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(failure)) => Err(self.explain(&failure)),
            Err(_) => {
                let ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
                Err(self.explain(&Failure::TimedOut(ms)))
            }
        }
    }

    async fn request_unbounded(
        &self,
        method: &str,
        params: Fields,
        caller: &Arc<dyn Caller>,
    ) -> Result<Raw, Failure> {
        let _place = self.place().await?;
        let mut tries = 0;
        loop {
            tries += 1;
            let link = self.link_for(caller).await?;
            let failure = match self.attempt(&link, method, params.clone(), caller).await {
                Ok(result) => return Ok(result),
                Err(failure) => failure,
            };
            if tries > 1 {
                return Err(failure);
            }
            match &failure {
                // Nothing was done, so it may be asked again, on a new connection.
                Failure::NotSent(_) | Failure::SessionLost => self.discard(&link),
                Failure::Rpc(error) if link.is_modern() && error.code == HEADER_MISMATCH => {
                    // The schema that the headers follow has changed.
                    self.refresh(&link).await;
                }
                Failure::Rpc(error) if link.is_modern() && error.code == UNSUPPORTED_VERSION => {
                    *self.era.lock() = None;
                    self.discard(&link);
                }
                _ => return Err(failure),
            }
        }
    }

    async fn attempt(
        &self,
        link: &Arc<Link>,
        method: &str,
        mut params: Fields,
        caller: &Arc<dyn Caller>,
    ) -> Result<Raw, Failure> {
        let mut about = meta::of(&params);
        let token = about.remove("progressToken");
        meta::strip_hop(&mut about);
        if let Some(token) = token {
            about.set("progressToken", token);
        }
        if link.is_modern() {
            let capabilities = caller.capabilities();
            let level = caller.log_level();
            meta::introduce(&mut about, &self.means.identity, &capabilities, level);
        } else if let Some(level) = caller.log_level() {
            link.want_logs(level, caller).await;
        }
        meta::store(&mut params, &about);
        let lists = self.lists();
        let tool = params.text("name").filter(|_| method == "tools/call");
        let mirrored = tool.and_then(|name| lists.tool(&name).map(|it| Arc::clone(&it.mirrored)));
        link.request(method, params, caller, mirrored.as_deref().unwrap_or_default()).await
    }

    async fn place(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Failure> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(place);
        }
        struct Waiting<'a>(&'a AtomicUsize);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= CALLS_WAITING_MAX {
            return Err(Failure::NotSent("has too many requests waiting".to_owned()));
        }
        let place = self.places.acquire().await;
        place.map_err(|_| Failure::NotSent("was stopped".to_owned()))
    }

    /// The connection for a caller, made where there is none.
    async fn link_for(&self, caller: &Arc<dyn Caller>) -> Result<Arc<Link>, Failure> {
        let base = self.link(&LinkKey::default(), true).await?;
        if base.is_modern() {
            return Ok(base);
        }
        let profile = caller.profile();
        let is_http = !matches!(self.options.transport, TransportOptions::Stdio { .. });
        // The gateway's own jobs have no client.
        let is_own = caller.key() == self.nobody.key();
        let is_apart = !is_own && (self.options.is_per_client || is_http || profile.has_roots());
        let client = is_apart.then(|| caller.key().clone());
        if client.is_none() && profile == Profile::default() {
            return Ok(base);
        }
        self.link(&LinkKey { profile, client }, false).await
    }

    fn held(&self, key: &LinkKey) -> Option<Arc<Link>> {
        let mut links = self.links.lock();
        let held = links.get_mut(key)?;
        if held.link.is_closed() {
            let dead = links.remove(key)?;
            tokio::spawn(async move { dead.link.close().await });
            return None;
        }
        held.used_at_ms = self.clock.monotonic_ms();
        Some(Arc::clone(&held.link))
    }

    async fn link(&self, key: &LinkKey, is_base: bool) -> Result<Arc<Link>, Failure> {
        if let Some(link) = self.held(key) {
            return Ok(link);
        }
        self.may_try()?;
        let _one = if is_base { Some(self.making.lock().await) } else { None };
        let _few = self.making_more.acquire().await;
        if let Some(link) = self.held(key) {
            return Ok(link);
        }
        self.may_try()?;
        self.make_room().await;
        let attempt = Attempt {
            server: &self.name,
            options: &self.options,
            means: &self.means,
            profile: key.profile,
            hint: *self.era.lock(),
            notices: self.notices.clone(),
            stderr: self.stderr.clone(),
        };
        let made = attempt.run().await;
        if self.stopped.is_cancelled()
            && let Ok(link) = &made
        {
            link.close().await;
            return Err(Failure::NotSent("was stopped".to_owned()));
        }
        match made {
            Ok(link) => {
                self.succeeded(&link);
                let used_at_ms = self.clock.monotonic_ms();
                let held = Held { link: Arc::clone(&link), used_at_ms };
                self.links.lock().insert(key.clone(), held);
                self.wake.notify_one();
                Ok(link)
            }
            Err(failure) => {
                self.failed(&failure);
                Err(failure)
            }
        }
    }

    /// Closes the connection that was longest without use, where there are too many.
    async fn make_room(&self) {
        let oldest = {
            let mut links = self.links.lock();
            if links.len() < LINKS_MAX {
                return;
            }
            let idle = links
                .iter()
                .filter(|(key, held)| **key != LinkKey::default() && !held.link.is_busy());
            let oldest = idle.min_by_key(|(_, held)| held.used_at_ms).map(|(key, _)| key.clone());
            oldest.and_then(|key| links.remove(&key))
        };
        if let Some(held) = oldest {
            held.link.close().await;
        }
    }

    fn discard(&self, link: &Arc<Link>) {
        let mut links = self.links.lock();
        links.retain(|_, held| !Arc::ptr_eq(&held.link, link));
        drop(links);
        let link = Arc::clone(link);
        tokio::spawn(async move { link.close().await });
    }

    /// Refuses while the server is left alone after a failure.
    fn may_try(&self) -> Result<(), Failure> {
        let health = self.health.lock();
        if self.stopped.is_cancelled() || health.state == State::Disabled {
            return Err(Failure::NotSent("is switched off".to_owned()));
        }
        let now_ms = self.clock.monotonic_ms();
        if health.retry_at_ms > now_ms {
            let why = health.last_error.clone().unwrap_or_default();
            let wait_s = (health.retry_at_ms - now_ms).div_ceil(1_000);
            return Err(Failure::NotSent(format!("{why} (next attempt in {wait_s} s)")));
        }
        Ok(())
    }

    fn succeeded(&self, link: &Arc<Link>) {
        let era = if link.is_modern() { EraChoice::Modern } else { EraChoice::Legacy };
        *self.era.lock() = Some(era);
        let mut health = self.health.lock();
        health.state = State::Ready;
        health.last_error = None;
        health.retry_at_ms = 0;
        health.connected_at_ms = self.clock.monotonic_ms();
    }

    fn failed(&self, failure: &Failure) {
        // A verdict that led nowhere is not trusted again.
        *self.era.lock() = None;
        let mut health = self.health.lock();
        let wait_ms = RETRY_MS_MIN << health.failures.min(10);
        health.failures = health.failures.saturating_add(1);
        health.retry_at_ms = self.clock.monotonic_ms() + wait_ms.min(RETRY_MS_MAX);
        health.state = State::Failing;
        let text = text_of(failure);
        tracing::warn!(server = &*self.name, error = text, "MCP server not reached");
        health.last_error = Some(text);
    }

    /// Reads the lists anew and says so where they changed.
    async fn refresh(&self, link: &Arc<Link>) {
        let us = &self.means.identity;
        let limit = Duration::from_millis(self.options.start_timeout_ms);
        let reading = lists::read(link, &self.options, us, &self.nobody);
        match tokio::time::timeout(limit, reading).await {
            Ok(Ok(lists)) => {
                let is_new = lists.digest() != self.lists.load().digest();
                self.lists.store(Arc::new(lists));
                if is_new {
                    // Nobody may be listening.
                    let _ = self.events.send(Event::Lists);
                }
            }
            Ok(Err(failure)) => {
                let text = text_of(&failure);
                tracing::warn!(server = &*self.name, error = text, "its lists cannot be read");
                self.health.lock().last_error = Some(format!("its lists cannot be read: {text}"));
            }
            Err(_) => {
                tracing::warn!(server = &*self.name, "its lists cannot be read in time");
            }
        }
    }

    /// A failure in words for the client.
    fn explain(&self, failure: &Failure) -> RpcError {
        let code = match failure {
            Failure::Rpc(error) => return error.clone(),
            Failure::TimedOut(_) => "TIMEOUT",
            _ => "SERVER_UNAVAILABLE",
        };
        let mut data = Fields::default();
        data.put("code", code);
        data.put("server", &*self.name);
        let text = match failure {
            Failure::TimedOut(ms) => format!("no answer within {ms} ms; the request was cancelled"),
            other => text_of(other),
        };
        RpcError::internal(format!("MCP server `{}`: {text}", self.name)).with_data(&data)
    }
}

/// A failure in words that follow the server's name.
fn text_of(failure: &Failure) -> String {
    match failure {
        Failure::Rpc(error) => error.to_string(),
        Failure::NotSent(why) | Failure::Broken(why) => why.clone(),
        Failure::SessionLost => "no longer knows the session".to_owned(),
        Failure::Status(401 | 403, _) => {
            "refuses the gateway's credentials (check its headers in the configuration)".to_owned()
        }
        Failure::Status(status, text) if text.is_empty() => format!("answered with HTTP {status}"),
        Failure::Status(status, text) => format!("answered with HTTP {status}: {text}"),
        Failure::TimedOut(ms) => format!("was not ready within {ms} ms"),
    }
}
