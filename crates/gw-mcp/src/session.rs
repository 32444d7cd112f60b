//! Sessions of legacy clients: what `initialize` agreed on, and what is under way.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use gw_core::principal::Principal;
use parking_lot::Mutex;
use tokio::sync::{broadcast, oneshot};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::caller::{Caller, ClientKey, Profile, log_rank};
use crate::desk::{self, Desk};
use crate::hub::{Hub, News};
use crate::limits::{
    CLIENT_REQUESTS_MAX, SESSION_IDLE_MS, SESSIONS_MAX, STREAMS_KEPT_MAX, WATCHED_MAX,
};
use crate::message::{self, Id, Message, Outcome, RpcError};
use crate::options::Exposure;
use crate::outbox::Outbox;
use crate::raw::{self, Fields};
use crate::version::Version;

/// Clients that search among tools by themselves: they are better off with all names.
const SEARCHING_CLIENTS: [&str; 2] = ["claude-code", "qwen-cli"];

/// What `/mcp` shows to a client of this name.
pub(crate) fn exposure_for(chosen: &Exposure, client: &str) -> Exposure {
    if *chosen != Exposure::Auto {
        return chosen.clone();
    }
    let searches = SEARCHING_CLIENTS.iter().any(|known| client.starts_with(known));
    if searches { Exposure::All } else { Exposure::Search }
}

/// Every session by its id.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<String, Arc<Session>>>);

impl Sessions {
    /// The session of a caller; those of others do not exist for it.
    pub(crate) fn find(
        &self,
        id: &str,
        principal: &Principal,
        now_ms: u64,
    ) -> Option<Arc<Session>> {
        let found = self.0.lock().get(id).cloned()?;
        if found.principal.key_id != principal.key_id {
            return None;
        }
        found.used_at_ms.store(now_ms, Ordering::Relaxed);
        Some(found)
    }

    pub(crate) fn add(&self, session: &Arc<Session>) -> Result<(), RpcError> {
        let mut sessions = self.0.lock();
        if sessions.len() >= SESSIONS_MAX {
            return Err(RpcError::internal("too many sessions; try again later"));
        }
        sessions.insert(session.id.clone(), Arc::clone(session));
        Ok(())
    }

    pub(crate) fn end(&self, id: &str) {
        let ended = self.0.lock().remove(id);
        if let Some(session) = ended {
            session.end();
        }
    }

    /// Ends sessions that were silent for long.
    pub(crate) fn sweep(&self, now_ms: u64) {
        let mut old = Vec::new();
        self.0.lock().retain(|_, session| {
            let idle_ms = now_ms.saturating_sub(session.used_at_ms.load(Ordering::Relaxed));
            let is_kept = idle_ms < SESSION_IDLE_MS
                || session.listeners.load(Ordering::Relaxed) > 0
                || !session.under_way.lock().is_empty();
            if !is_kept {
                old.push(Arc::clone(session));
            }
            is_kept
        });
        for session in old {
            session.end();
        }
    }
}

/// A request's task, and its stream where it has one of its own.
type UnderWay = (AbortHandle, Option<Arc<Outbox>>);

/// A legacy client.
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) version: Version,
    hub: Arc<Hub>,
    principal: Arc<Principal>,
    key: ClientKey,
    capabilities: Fields,
    profile: Profile,
    exposure: Exposure,
    log_level: Mutex<Option<String>>,
    asked: Mutex<HashMap<u64, oneshot::Sender<Outcome>>>,
    next_ask: AtomicU64,
    under_way: Mutex<HashMap<Id, UnderWay>>,
    watched: Mutex<BTreeMap<String, (Arc<str>, String)>>,
    /// What belongs to no request.
    pub(crate) general: Arc<Outbox>,
    streams: Mutex<VecDeque<Arc<Outbox>>>,
    used_at_ms: AtomicU64,
    /// Streams that are held open.
    pub(crate) listeners: AtomicU64,
    ended: CancellationToken,
}

impl Session {
    /// Begins a session from the parameters of `initialize`.
    pub(crate) fn begin(
        hub: &Arc<Hub>,
        principal: &Arc<Principal>,
        exposure: &Exposure,
        params: &Fields,
        general: Arc<Outbox>,
    ) -> Arc<Self> {
        let asked = params.text("protocolVersion").unwrap_or_default();
        let client = params.object("clientInfo").and_then(|info| info.text("name"));
        let capabilities = params.object("capabilities").unwrap_or_default();
        let id = hub.random_name();
        let session = Arc::new(Self {
            version: Version::negotiated(&asked),
            hub: Arc::clone(hub),
            principal: Arc::clone(principal),
            key: ClientKey(format!("session:{id}").into()),
            id,
            profile: Profile::of(&capabilities),
            capabilities,
            exposure: exposure_for(exposure, &client.unwrap_or_default()),
            log_level: Mutex::default(),
            asked: Mutex::default(),
            next_ask: AtomicU64::new(1),
            under_way: Mutex::default(),
            watched: Mutex::default(),
            general,
            streams: Mutex::default(),
            used_at_ms: AtomicU64::new(hub.clock.monotonic_ms()),
            listeners: AtomicU64::new(0),
            ended: CancellationToken::new(),
        });
        tokio::spawn(tell(Arc::downgrade(&session), hub.news.subscribe(), session.ended.clone()));
        session
    }

    /// The result of `initialize`.
    pub(crate) fn welcome(&self) -> Fields {
        let options = self.hub.options.load();
        let mut result = Fields::default();
        result.put("protocolVersion", self.version.as_str());
        result.put("capabilities", capabilities(&self.hub));
        result.put("serverInfo", &options.identity);
        if let Some(text) = instructions(&self.hub, &self.exposure) {
            result.put("instructions", text);
        }
        result
    }

    fn end(&self) {
        self.ended.cancel();
        for (_, (task, _)) in self.under_way.lock().drain() {
            task.abort();
        }
        self.asked.lock().clear();
        self.general.end();
        for (_, (server, own)) in std::mem::take(&mut *self.watched.lock()) {
            if let Some(upstream) = self.hub.upstream(&server) {
                upstream.watch(&own, false);
            }
        }
    }

    /// True while a request is under way.
    pub(crate) fn is_busy(&self) -> bool {
        !self.under_way.lock().is_empty()
    }

    /// Ends a session that is no longer in any table.
    pub(crate) fn close(&self) {
        self.end();
    }

    /// The stream with this number, while it is kept.
    pub(crate) fn stream(&self, id: u64) -> Option<Arc<Outbox>> {
        if self.general.id == id {
            return Some(Arc::clone(&self.general));
        }
        self.streams.lock().iter().find(|stream| stream.id == id).cloned()
    }

    /// Takes a message that is no request.
    pub(crate) fn take(&self, message: Message) {
        match message {
            Message::Response { id: Some(id), outcome } => {
                let number: Option<u64> = id.json().parse().ok();
                let waiting = number.and_then(|number| self.asked.lock().remove(&number));
                if let Some(waiting) = waiting {
                    // Whoever asked may have left.
                    let _ = waiting.send(outcome);
                }
            }
            Message::Notification { method, params } if method == "notifications/cancelled" => {
                let id = params.get("requestId").and_then(Id::of);
                let cancelled = id.and_then(|id| self.under_way.lock().remove(&id));
                if let Some((task, stream)) = cancelled {
                    task.abort();
                    if let Some(stream) = stream {
                        stream.end();
                    }
                }
            }
            _ => {}
        }
    }

    /// Runs a request; its answer and all that belongs to it goes to `out`. With `ends`, the stream
    /// ends with the answer and is kept for a while.
    pub(crate) fn run(
        self: &Arc<Self>,
        id: Id,
        method: String,
        params: Fields,
        out: &Arc<Outbox>,
        ends: bool,
    ) {
        let refuse = |error| {
            out.push(message::response(Some(&id), &Err(error)));
            if ends {
                out.end();
            }
        };
        let mut under_way = self.under_way.lock();
        if under_way.contains_key(&id) {
            return refuse(RpcError::new(message::INVALID_REQUEST, "the id is already in use"));
        }
        if under_way.len() >= CLIENT_REQUESTS_MAX {
            return refuse(RpcError::internal("too many requests under way"));
        }
        if ends {
            let mut streams = self.streams.lock();
            if streams.len() == STREAMS_KEPT_MAX {
                streams.pop_front();
            }
            streams.push_back(Arc::clone(out));
        }
        let (session, out, own_id) = (Arc::clone(self), Arc::clone(out), id.clone());
        let stream = ends.then(|| Arc::clone(&out));
        // The table is locked until the task is in it, so that it cannot leave before it came.
        let task = tokio::spawn(async move {
            let outcome = session.answer(&method, params, &out).await;
            session.under_way.lock().remove(&own_id);
            out.push(message::response(Some(&own_id), &outcome));
            if ends {
                out.end();
            }
        });
        under_way.insert(id, (task.abort_handle(), stream));
    }

    async fn answer(self: &Arc<Self>, method: &str, params: Fields, out: &Arc<Outbox>) -> Outcome {
        match method {
            "ping" => return Ok(raw::empty()),
            "logging/setLevel" => {
                let level = params.text("level").filter(|level| log_rank(level).is_some());
                let level = level.ok_or_else(|| RpcError::params("`level` is not a log level"))?;
                *self.log_level.lock() = Some(level);
                return Ok(raw::empty());
            }
            "resources/subscribe" => return self.watch(&params),
            "resources/unsubscribe" => return self.unwatch(&params),
            "initialize" => {
                return Err(RpcError::new(message::INVALID_REQUEST, "already initialized"));
            }
            _ => {}
        }
        let caller = Arc::new(LegacyCall {
            session: Arc::clone(self),
            out: Arc::clone(out),
            log_level: self.log_level.lock().clone(),
        });
        let desk = Desk {
            hub: Arc::clone(&self.hub),
            view: self.hub.view(&self.exposure, &self.principal),
            exposure: self.exposure.clone(),
            is_modern: false,
            caller,
        };
        match Box::pin(desk.answer(method, params)).await {
            Some(answer) => desk::legacy(answer),
            None => Err(RpcError::method(method)),
        }
    }

    fn watch(&self, params: &Fields) -> Outcome {
        let uri = params.text("uri").unwrap_or_default();
        let view = self.hub.view(&self.exposure, &self.principal);
        let found = self.hub.catalogue().resource(&uri);
        let found = found.filter(|(server, _)| view.sees_server(server));
        let (server, own) = found.ok_or_else(|| {
            RpcError::new(message::RESOURCE_NOT_FOUND, format!("Resource not found: {uri}"))
        })?;
        let mut watched = self.watched.lock();
        if watched.len() >= WATCHED_MAX {
            return Err(RpcError::internal("too many subscriptions"));
        }
        if let Some(upstream) = self.hub.upstream(&server)
            && watched.insert(uri, (server, own.clone())).is_none()
        {
            upstream.watch(&own, true);
        }
        Ok(raw::empty())
    }

    fn unwatch(&self, params: &Fields) -> Outcome {
        let uri = params.text("uri").unwrap_or_default();
        if let Some((server, own)) = self.watched.lock().remove(&uri)
            && let Some(upstream) = self.hub.upstream(&server)
        {
            upstream.watch(&own, false);
        }
        Ok(raw::empty())
    }

    fn wants_log(&self, params: &Fields) -> bool {
        let wanted = self.log_level.lock().as_deref().and_then(log_rank);
        let level = params.text("level").as_deref().and_then(log_rank);
        match (wanted, level) {
            (Some(wanted), Some(level)) => level >= wanted,
            _ => true,
        }
    }
}

/// Tells a session what concerns no request.
async fn tell(
    session: std::sync::Weak<Session>,
    mut news: broadcast::Receiver<News>,
    ended: CancellationToken,
) {
    loop {
        let news = tokio::select! {
            () = ended.cancelled() => return,
            news = news.recv() => news,
        };
        let Some(session) = session.upgrade() else { return };
        let say = |method: &str, params: &Fields| {
            session.general.push(message::notification(method, params));
        };
        let changed = match news {
            Ok(News::Lists(changed)) => changed,
            Ok(News::ResourceUpdated(uri, params)) => {
                if session.watched.lock().contains_key(&uri) {
                    say("notifications/resources/updated", &params);
                }
                continue;
            }
            Ok(News::Log(params)) => {
                if session.wants_log(&params) {
                    say("notifications/message", &params);
                }
                continue;
            }
            Err(broadcast::error::RecvError::Lagged(_)) => {
                crate::hub::Changed { tools: true, prompts: true, resources: true }
            }
            Err(broadcast::error::RecvError::Closed) => return,
        };
        for (is_changed, list) in [
            (changed.tools, "tools"),
            (changed.prompts, "prompts"),
            (changed.resources, "resources"),
        ] {
            // In search mode the list of tools stays the same.
            if is_changed && !(list == "tools" && session.exposure == Exposure::Search) {
                say(&format!("notifications/{list}/list_changed"), &Fields::default());
            }
        }
    }
}

/// One request of a legacy client.
struct LegacyCall {
    session: Arc<Session>,
    out: Arc<Outbox>,
    log_level: Option<String>,
}

#[async_trait]
impl Caller for LegacyCall {
    fn key(&self) -> &ClientKey {
        &self.session.key
    }

    fn profile(&self) -> Profile {
        self.session.profile
    }

    fn capabilities(&self) -> Fields {
        self.session.capabilities.clone()
    }

    fn log_level(&self) -> Option<&str> {
        self.log_level.as_deref()
    }

    fn notify(&self, method: &str, params: Fields) {
        if method != "notifications/message" || self.session.wants_log(&params) {
            self.out.push(message::notification(method, &params));
        }
    }

    async fn ask(&self, method: &str, params: Fields) -> Outcome {
        struct Asking<'a> {
            call: &'a LegacyCall,
            number: u64,
        }
        impl Drop for Asking<'_> {
            fn drop(&mut self) {
                if self.call.session.asked.lock().remove(&self.number).is_some() {
                    let mut params = Fields::default();
                    params.put("requestId", self.number);
                    self.call.out.push(message::notification("notifications/cancelled", &params));
                }
            }
        }
        let number = self.session.next_ask.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.session.asked.lock().insert(number, sender);
        let _asking = Asking { call: self, number };
        self.out.push(message::request(&Id::number(number), method, &params));
        answer.await.unwrap_or_else(|_| Err(RpcError::internal("the client has left")))
    }
}

/// What the gateway offers. Servers come and go, so everything that one of them may have is said.
pub(crate) fn capabilities(hub: &Hub) -> Fields {
    let flags = |names: &[&str]| {
        let mut fields = Fields::default();
        for name in names {
            fields.put(name, true);
        }
        fields
    };
    let mut fields = Fields::default();
    fields.put("tools", flags(&["listChanged"]));
    fields.put("prompts", flags(&["listChanged"]));
    fields.put("resources", flags(&["listChanged", "subscribe"]));
    fields.put("completions", Fields::default());
    fields.put("logging", Fields::default());
    let catalogue = hub.catalogue();
    // What a server adds of its own, tasks first of all, is the gateway's too.
    for name in ["tasks", "extensions"] {
        let mut offered = Fields::default();
        for lists in catalogue.lists.values() {
            for (extension, value) in lists.capabilities.object(name).unwrap_or_default().iter() {
                if !offered.has(extension) {
                    offered.set(extension, value.to_owned());
                }
            }
        }
        if catalogue.offers(name) {
            fields.put(name, &offered);
        }
    }
    fields
}

/// Text for the model: how to use the gateway, then what each server says of itself.
pub(crate) fn instructions(hub: &Hub, exposure: &Exposure) -> Option<String> {
    const SEARCH: &str = "Many tools of many servers stand behind this one. Do not ask for all of \
        them: call gateway.search with a few words of what you need (limit 3 to 10), \
        gateway.describe with an id for its input schema, then gateway.invoke with the id \
        (server::tool) and the arguments. For work of more than half a minute use \
        gateway.invoke_async and look at it with gateway.invoke_status.";
    let options = hub.options.load();
    let mut parts = Vec::new();
    parts.extend(options.instructions.clone());
    if *exposure == Exposure::Search {
        parts.push(SEARCH.to_owned());
    } else {
        let catalogue = hub.catalogue();
        for (server, lists) in &catalogue.lists {
            if let Some(text) = &lists.instructions {
                parts.push(format!("# {server}\n{text}"));
            }
        }
    }
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}
