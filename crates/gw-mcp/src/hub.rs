//! The middle: all servers, the merged catalogue, and what clients share.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use gw_core::principal::Principal;
use gw_core::seam::{Clock, Entropy, Jobs as JobStore};
use gw_net::Client;
use parking_lot::Mutex;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::catalogue::{Catalogue, Shown, View};
use crate::jobs::Jobs;
use crate::modern::Parking;
use crate::options::{Exposure, McpOptions};
use crate::own::{self, OWN_SERVER, OwnTools};
use crate::raw::Fields;
use crate::seal::Sealer;
use crate::session::Sessions;
use crate::upstream::connect::Means;
use crate::upstream::{Event, State, Upstream};

/// Events that may wait for a listener; one that is slower reads lists anew.
const EVENTS_WAITING_MAX: usize = 1_024;

/// Changes of several servers within so long are told once, in milliseconds.
const CHANGES_TOGETHER_MS: u64 = 50;

/// What clients are told.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// These lists changed.
    Lists(Changed),
    /// A resource changed; its address as clients know it.
    ResourceUpdated(String, Fields),
    /// A server logged something that belongs to no request.
    Log(Fields),
}

/// Which lists changed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Changed {
    pub(crate) tools: bool,
    pub(crate) prompts: bool,
    pub(crate) resources: bool,
}

/// A server as operators see it.
#[derive(Clone, Debug, Serialize)]
pub struct ServerStatus {
    /// Its name in the configuration.
    pub name: String,
    /// How it is.
    pub state: State,
    /// The protocol revision spoken, once known.
    pub version: Option<&'static str>,
    /// Tools it offers, as last read.
    pub tools: usize,
    /// Resources it offers.
    pub resources: usize,
    /// Prompts it offers.
    pub prompts: usize,
    /// Why it was not reached the last time.
    pub last_error: Option<String>,
    /// What a child last wrote to its standard error.
    pub stderr: Vec<String>,
}

/// A tool as operators see it.
#[derive(Clone, Debug, Serialize)]
pub struct ToolStatus {
    /// `server::tool`
    pub id: String,
    /// Its name for clients.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
}

/// The MCP gateway.
pub struct Hub {
    pub(crate) options: ArcSwap<McpOptions>,
    upstreams: ArcSwap<BTreeMap<Arc<str>, Arc<Upstream>>>,
    catalogue: ArcSwap<Catalogue>,
    means: Arc<Means>,
    pub(crate) clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    events: broadcast::Sender<Event>,
    pub(crate) news: broadcast::Sender<News>,
    pub(crate) sealer: Sealer,
    pub(crate) parking: Parking,
    pub(crate) sessions: Sessions,
    pub(crate) jobs: Jobs,
    /// The gateway's own tools.
    pub(crate) own: Option<Arc<dyn OwnTools>>,
    stopped: CancellationToken,
    digests: Mutex<[blake3::Hash; 3]>,
    next_stream: AtomicU64,
    began_at_ms: u64,
}

impl Hub {
    /// Puts the gateway together and begins to connect to its servers. Must be called in a runtime.
    pub fn begin(
        options: McpOptions,
        client: Client,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        job_store: Option<Arc<dyn JobStore>>,
        own: Option<Arc<dyn OwnTools>>,
    ) -> Arc<Self> {
        let means = Arc::new(Means {
            client,
            identity: options.identity.clone(),
            environment: options.environment.clone(),
            launcher: options.launcher.clone(),
        });
        let mut key = [0; 32];
        entropy.fill(&mut key);
        if let Some(secret) = &options.state_key {
            key = blake3::derive_key(
                "ai-mcp-gateway request states",
                secret.expose_secret().as_bytes(),
            );
        }
        let hub = Arc::new(Self {
            jobs: Jobs::new(job_store, options.jobs_max),
            own,
            options: ArcSwap::from_pointee(options.clone()),
            upstreams: ArcSwap::default(),
            catalogue: ArcSwap::default(),
            means,
            began_at_ms: clock.monotonic_ms(),
            clock,
            entropy,
            events: broadcast::Sender::new(EVENTS_WAITING_MAX),
            news: broadcast::Sender::new(EVENTS_WAITING_MAX),
            sealer: Sealer::new(key),
            parking: Parking::default(),
            sessions: Sessions::default(),
            stopped: CancellationToken::new(),
            digests: Mutex::new([blake3::hash(b""); 3]),
            next_stream: AtomicU64::new(1),
        });
        let events = hub.events.subscribe();
        hub.reload(options);
        tokio::spawn(watch(Arc::clone(&hub), events));
        tokio::spawn(crate::jobs::run(Arc::clone(&hub)));
        hub
    }

    /// Applies other options: servers that are new, gone, changed or switched off become so; those
    /// that stay as they are keep their connections.
    pub fn reload(&self, options: McpOptions) {
        let before = self.upstreams.load_full();
        let mut after: BTreeMap<Arc<str>, Arc<Upstream>> = BTreeMap::new();
        for (name, wanted) in &options.servers {
            let name: Arc<str> = name.as_str().into();
            let kept = before.get(&name).filter(|known| known.options == *wanted);
            let upstream = match kept {
                Some(known) => Arc::clone(known),
                None => Upstream::begin(
                    Arc::clone(&name),
                    wanted.clone(),
                    Arc::clone(&self.means),
                    Arc::clone(&self.clock),
                    self.events.clone(),
                ),
            };
            after.insert(name, upstream);
        }
        let gone = before
            .values()
            .filter(|old| !after.get(&old.name).is_some_and(|new| Arc::ptr_eq(old, new)));
        for old in gone {
            let old = Arc::clone(old);
            tokio::spawn(async move { old.stop().await });
        }
        self.upstreams.store(Arc::new(after));
        self.options.store(Arc::new(options));
        self.rebuild();
    }

    /// Ends everything: children are stopped before this is done.
    pub async fn stop(&self) {
        self.stopped.cancel();
        let upstreams = self.upstreams.load_full();
        futures_util::future::join_all(upstreams.values().map(|it| it.stop())).await;
    }

    /// Done once the gateway is stopped.
    pub(crate) async fn stopped(&self) {
        self.stopped.cancelled().await;
    }

    /// Every server.
    pub fn servers(&self) -> Vec<ServerStatus> {
        let upstreams = self.upstreams.load();
        let statuses = upstreams.values().map(|upstream| {
            let lists = upstream.lists();
            ServerStatus {
                name: upstream.name.to_string(),
                state: upstream.state(),
                version: lists.version.map(crate::version::Version::as_str),
                tools: lists.tools.len(),
                resources: lists.resources.len(),
                prompts: lists.prompts.len(),
                last_error: upstream.last_error(),
                stderr: upstream.stderr(),
            }
        });
        statuses.collect()
    }

    /// Every tool, those hidden by another's name left out.
    pub fn tools(&self) -> Vec<ToolStatus> {
        let catalogue = self.catalogue.load();
        let tools = catalogue.tools.entries.iter().map(|entry| ToolStatus {
            id: entry.id(),
            name: entry.exposed.clone(),
            description: entry.source.text("description"),
        });
        tools.collect()
    }

    /// Waits until every server was tried once, but no longer than the time that the gateway takes for
    /// its start.
    pub async fn settled(&self) {
        let wait_ms = self.options.load().startup_wait_ms;
        let passed_ms = self.clock.monotonic_ms().saturating_sub(self.began_at_ms);
        let limit = Duration::from_millis(wait_ms.saturating_sub(passed_ms));
        let upstreams = self.upstreams.load_full();
        let all = futures_util::future::join_all(upstreams.values().map(|it| it.settled()));
        // What is not there yet is announced when it comes.
        let _ = tokio::time::timeout(limit, all).await;
        self.rebuild();
    }

    /// Waits for the servers where this is the first list of all.
    pub(crate) async fn ready(&self) {
        let wait_ms = self.options.load().startup_wait_ms;
        if self.clock.monotonic_ms().saturating_sub(self.began_at_ms) >= wait_ms {
            return;
        }
        let upstreams = self.upstreams.load_full();
        if upstreams.values().any(|it| !it.is_settled()) {
            self.settled().await;
        }
    }

    pub(crate) fn upstream(&self, name: &str) -> Option<Arc<Upstream>> {
        self.upstreams.load().get(name).cloned()
    }

    pub(crate) fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.load_full()
    }

    /// A random name that cannot be guessed.
    pub(crate) fn random_name(&self) -> String {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn stream_number(&self) -> u64 {
        self.next_stream.fetch_add(1, Ordering::Relaxed)
    }

    /// What a caller sees behind an address.
    pub(crate) fn view(&self, exposure: &Exposure, principal: &Arc<Principal>) -> View {
        let servers = match exposure {
            Exposure::Group(group) => {
                let options = self.options.load();
                let members = options.groups.get(group).cloned();
                // A server alone is a group too.
                Some(members.unwrap_or_else(|| vec![group.clone()]).into_iter().collect())
            }
            _ => None::<HashSet<String>>,
        };
        View { servers, principal: Arc::clone(principal) }
    }

    /// What clients see at `/mcp`.
    pub fn exposure(&self) -> Exposure {
        self.options.load().exposure.clone()
    }

    /// The gateway's own tools, unless a server was given their name.
    pub(crate) fn own_tools(&self) -> Option<&Arc<dyn OwnTools>> {
        self.own.as_ref().filter(|_| !self.upstreams.load().contains_key(OWN_SERVER))
    }

    /// True where an address names a group or server that exists.
    pub fn has_group(&self, name: &str) -> bool {
        let options = self.options.load();
        options.groups.contains_key(name)
            || options.servers.contains_key(name)
            || (name == OWN_SERVER && self.own.is_some())
    }

    fn rebuild(&self) {
        let options = self.options.load();
        let upstreams = self.upstreams.load();
        let shown = upstreams.values().filter(|it| it.options.is_enabled).map(|it| Shown {
            server: Arc::clone(&it.name),
            priority: it.options.priority,
            lists: it.lists(),
            is_own: false,
        });
        let own = self.own_tools().map(|own| Shown {
            server: OWN_SERVER.into(),
            priority: i64::MAX,
            lists: Arc::new(own::lists(&**own)),
            is_own: true,
        });
        let catalogue = Catalogue::build(options.names, own.into_iter().chain(shown).collect());
        let digests = digests(&catalogue);
        self.catalogue.store(Arc::new(catalogue));
        let before = std::mem::replace(&mut *self.digests.lock(), digests);
        let changed = Changed {
            tools: before[0] != digests[0],
            prompts: before[1] != digests[1],
            resources: before[2] != digests[2],
        };
        if changed.tools || changed.prompts || changed.resources {
            // Nobody may be listening.
            let _ = self.news.send(News::Lists(changed));
        }
    }
}

fn digests(catalogue: &Catalogue) -> [blake3::Hash; 3] {
    let digest = |shelves: &[&crate::catalogue::Shelf]| {
        let mut hasher = blake3::Hasher::new();
        for entry in shelves.iter().flat_map(|shelf| &shelf.entries) {
            hasher.update(entry.shown.to_raw().get().as_bytes());
            hasher.update(b"\n");
        }
        hasher.finalize()
    };
    [
        digest(&[&catalogue.tools]),
        digest(&[&catalogue.prompts]),
        digest(&[&catalogue.resources, &catalogue.templates]),
    ]
}

/// Turns what servers say into what clients are told.
async fn watch(hub: Arc<Hub>, mut events: broadcast::Receiver<Event>) {
    let stopped = hub.stopped.clone();
    let mut tick = tokio::time::interval(Duration::from_secs(30));
    loop {
        let event = tokio::select! {
            () = stopped.cancelled() => return,
            _ = tick.tick() => {
                hub.sessions.sweep(hub.clock.monotonic_ms());
                hub.parking.sweep(hub.clock.monotonic_ms());
                continue;
            }
            event = events.recv() => event,
        };
        match event {
            Ok(Event::Lists) | Err(broadcast::error::RecvError::Lagged(_)) => {
                tokio::time::sleep(Duration::from_millis(CHANGES_TOGETHER_MS)).await;
                hub.rebuild();
            }
            Ok(Event::ResourceUpdated(server, mut params)) => {
                let Some(uri) = params.text("uri") else { continue };
                let outward = hub.catalogue().outward(&server, &uri).unwrap_or(uri);
                params.put("uri", &outward);
                let _ = hub.news.send(News::ResourceUpdated(outward, params));
            }
            Ok(Event::Log(params)) => {
                let _ = hub.news.send(News::Log(params));
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}
