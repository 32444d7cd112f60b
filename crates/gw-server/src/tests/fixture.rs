//! A gateway in memory: real engine and dialects, a provider that says what the test scripts.

mod memory;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use gw_catalog::{Capabilities, Catalog, DatedPrice, Modality, Offering, PriceTable};
use gw_core::principal::Principal;
use gw_core::reservation::{Claim, Reservation};
use gw_core::seam::{
    Authenticator, BudgetStore, Clock, DialectId, Entropy, IncomingResponse, Keys, OutgoingRequest,
    Quirks, Timeouts, Upstream,
};
use gw_core::{Error, Kind, Layer, Money, ProviderId, Rate, TokenClass};
use gw_engine::{Engine, EngineOptions, Provider, Resources, Snapshot};
use gw_ledger::{EmbeddedBudgets, Keyring, Office};
use gw_store::{MemoryHot, Store, StoreOptions};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use metrics_exporter_prometheus::PrometheusBuilder;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::app::{App, CallerKey, HealthView, Lifecycle, ServerOptions};

pub(super) use memory::Memory;

/// What the provider does with the next call.
pub(super) enum Script {
    /// Answers whole.
    Whole(u16, Vec<(&'static str, &'static str)>, String),
    /// Streams these pieces, then ends.
    Stream(Vec<&'static str>),
    /// Streams this and then stays silent until it is dropped.
    Stall(&'static str),
    /// Never answers.
    Hang,
    /// Panics.
    Panic,
}

/// A provider that follows a script and keeps what it was asked.
#[derive(Default)]
pub(super) struct Scripted {
    scripts: Mutex<VecDeque<Script>>,
    pub(super) seen: Mutex<Vec<(HeaderMap, Value)>>,
    /// Exchanges that began and are not over.
    pub(super) open: Arc<watch::Sender<usize>>,
}

struct Open(Arc<watch::Sender<usize>>);

impl Open {
    fn new(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(Arc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Scripted {
    pub(super) fn then(&self, script: Script) {
        self.scripts.lock().push_back(script);
    }

    /// Waits until this many exchanges are under way.
    pub(super) async fn open_becomes(&self, count: usize) {
        let mut changes = self.open.subscribe();
        changes.wait_for(|open| *open == count).await.expect("the sender lives");
    }

    /// The last body that the provider was sent.
    pub(super) fn last_body(&self) -> Value {
        self.seen.lock().last().expect("was called").1.clone()
    }
}

#[async_trait]
impl Upstream for Scripted {
    async fn send(
        &self,
        _: &Reservation,
        request: OutgoingRequest,
    ) -> gw_core::Result<IncomingResponse> {
        let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        self.seen.lock().push((request.headers.clone(), body));
        let script = self.scripts.lock().pop_front();
        let open = Open::new(&self.open);
        match script.unwrap_or_else(|| hello(14, 2)) {
            Script::Whole(status, named, body) => {
                let mut headers = HeaderMap::new();
                headers.insert("content-type", HeaderValue::from_static("application/json"));
                for (name, value) in named {
                    headers.insert(name, HeaderValue::from_static(value));
                }
                let body = stream::once(async move {
                    let _open = open;
                    Ok(Bytes::from(body))
                });
                Ok(IncomingResponse { status, headers, body: Box::pin(body) })
            }
            Script::Stream(pieces) => Ok(streaming(pieces, open, false)),
            Script::Stall(piece) => Ok(streaming(vec![piece], open, true)),
            Script::Hang => {
                std::future::pending::<()>().await;
                drop(open);
                Err(Error::internal("unreachable"))
            }
            Script::Panic => std::panic::panic_any("scripted"),
        }
    }

    async fn fetch(&self, _: OutgoingRequest) -> gw_core::Result<IncomingResponse> {
        Err(Error::new(Kind::ProviderUnreachable, "nothing to fetch"))
    }
}

fn streaming(pieces: Vec<&'static str>, open: Open, stalls: bool) -> IncomingResponse {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("text/event-stream"));
    let said = stream::iter(pieces).map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
    let rest = stream::once(async move {
        let _open = open;
        if stalls {
            std::future::pending::<()>().await;
        }
        Ok(Bytes::new())
    });
    IncomingResponse { status: 200, headers, body: Box::pin(said.chain(rest)) }
}

/// A whole answer in OpenAI's dialect.
pub(super) fn hello(input: u64, output: u64) -> Script {
    Script::Whole(200, vec![("x-request-id", "req_up")], completion("Hello.", input, output))
}

/// A whole answer of the model without a price: who answers is named by the answer itself.
pub(super) fn mystery() -> Script {
    let body = completion("Hello.", 14, 2).replace("\"tiny\"", "\"mystery\"");
    Script::Whole(200, Vec::new(), body)
}

/// The body of a whole answer in OpenAI's dialect, with a field that no canonical type knows.
pub(super) fn completion(text: &str, input: u64, output: u64) -> String {
    json!({
        "id": "chatcmpl-up", "object": "chat.completion", "created": 1_700_000_000, "model": "tiny",
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": null,
            "message": {"role": "assistant", "content": text, "refusal": null}}],
        "usage": {"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output},
        "unknown_to_us": {"kept": true},
    })
    .to_string()
}

/// A stream in OpenAI's dialect, usage chunk included.
pub(super) const STREAM: [&str; 5] = [
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"tiny\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"tiny\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"tiny\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo.\"},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"tiny\",\"choices\":[],\"usage\":{\"prompt_tokens\":14,\"completion_tokens\":2,\"total_tokens\":16}}\n\n",
    "data: [DONE]\n\n",
];

/// A clock that moves only when told.
pub(super) struct Hands {
    pub(super) unix_ms: AtomicI64,
    pub(super) monotonic_ms: AtomicU64,
}

impl Clock for Hands {
    fn unix_ms(&self) -> i64 {
        self.unix_ms.load(Ordering::SeqCst)
    }

    fn monotonic_ms(&self) -> u64 {
        self.monotonic_ms.load(Ordering::SeqCst)
    }
}

struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        let next = self.0.fetch_add(1, Ordering::SeqCst).to_le_bytes();
        for (at, byte) in buffer.iter_mut().enumerate() {
            *byte = next[at % next.len()];
        }
    }
}

/// A key ring without a key.
pub(crate) struct NoKeys;

#[async_trait]
impl Authenticator for NoKeys {
    async fn authenticate(&self, _: &str) -> gw_core::Result<Arc<Principal>> {
        Err(Error::new(Kind::Unauthenticated, "the key is not known here"))
    }

    fn is_meant(&self, key: &str) -> bool {
        key.starts_with("gw-")
    }
}

struct NoLimits;

#[async_trait]
impl BudgetStore for NoLimits {
    async fn reserve(&self, _: &Claim) -> gw_core::Result<u64> {
        Ok(1)
    }
    fn settle(&self, _: u64, _: &Claim, _: Money, _: u64) {}
    fn release(&self, _: u64, _: &Claim) {}
}

/// A gateway and the things a test looks at behind it.
pub(super) struct Gateway {
    pub(super) router: Router,
    pub(super) upstream: Arc<Scripted>,
    pub(super) store: Arc<Memory>,
    pub(super) clock: Arc<Hands>,
    pub(super) lifecycle: Lifecycle,
    pub(super) engine: Arc<Engine>,
}

/// The text of the key that [`admin_key`] configures.
pub(super) const ADMIN: &str = "the-admin-key";

/// Configures an admin key and one that is none (`plain-key`).
pub(super) fn admin_key(options: &mut ServerOptions) {
    let key = |id: &str, secret: &str, is_admin| CallerKey {
        id: id.to_owned(),
        name: id.to_owned(),
        secret: secret.to_owned().into(),
        is_admin,
    };
    options.keys = vec![key("boss", ADMIN, true), key("plain", "plain-key", false)];
}

/// A gateway with default options.
pub(super) fn gateway() -> Gateway {
    gateway_with(|_| {})
}

/// A gateway whose options the test changes.
pub(super) fn gateway_with(change: impl FnOnce(&mut ServerOptions)) -> Gateway {
    governed(change, Arc::new(NoLimits), Arc::new(NoKeys))
}

/// A gateway with budgets and keys.
pub(super) fn governed(
    change: impl FnOnce(&mut ServerOptions),
    budgets: Arc<dyn BudgetStore>,
    authenticator: Arc<dyn Authenticator>,
) -> Gateway {
    let upstream = Arc::new(Scripted::default());
    let store = Arc::new(Memory::default());
    let clock = Arc::new(Hands {
        unix_ms: AtomicI64::new(1_763_640_000_000),
        monotonic_ms: AtomicU64::new(5_000),
    });
    let resources = Resources {
        clock: Arc::<Hands>::clone(&clock),
        entropy: Arc::new(Counting(AtomicU64::new(1))),
        budgets,
        calls: Arc::<Memory>::clone(&store),
        conversations: Arc::<Memory>::clone(&store),
        store: Arc::<Memory>::clone(&store),
        hot: Arc::new(MemoryHot::new(Arc::<Hands>::clone(&clock), 1 << 20)),
    };
    let engine = Engine::new(resources, snapshot(&upstream));
    let mut options = ServerOptions {
        health_view: HealthView { log_level: "info".to_owned(), ..HealthView::default() },
        ..ServerOptions::default()
    };
    change(&mut options);
    let lifecycle = Lifecycle::default();
    let app = App {
        engine: Arc::clone(&engine),
        authenticator,
        reports: Arc::<Memory>::clone(&store),
        outcomes: Arc::<Memory>::clone(&store),
        governance: Arc::new(office(&clock)),
        alerts: Arc::new(|| vec!["budget `b` passed".to_owned()]),
        dialects: gw_dialect::all().to_vec(),
        responses: Arc::<Memory>::clone(&store),
        batches: None,
        personal: Arc::<Memory>::clone(&store),
        options,
        version: "0.0.0-test".to_owned(),
        started_at_ms: 5_000,
        is_demo: false,
        store_name: "sqlite".to_owned(),
        metrics: PrometheusBuilder::new().build_recorder().handle(),
        lifecycle: lifecycle.clone(),
        mcp: tokio::runtime::Handle::try_current().ok().map(|_| {
            let client = gw_net::Client::new(&gw_net::NetOptions::default()).expect("a client");
            let entropy = Arc::new(Counting(AtomicU64::new(1)));
            let clock = Arc::<Hands>::clone(&clock);
            gw_mcp::Hub::begin(gw_mcp::McpOptions::default(), client, clock, entropy, None, None)
        }),
    };
    Gateway { router: crate::router(app), upstream, store, clock, lifecycle, engine }
}

/// The real office over a store in memory.
fn office(clock: &Arc<Hands>) -> Office {
    let store = Store::open(StoreOptions::memory(), Arc::<Hands>::clone(clock)).expect("a store");
    let entropy = Arc::new(Counting(AtomicU64::new(1_000)));
    let keys: Arc<dyn Keys> = Arc::new(store.clone());
    let clock: Arc<dyn Clock> = Arc::<Hands>::clone(clock);
    let ring = Keyring::new(Arc::clone(&keys), Arc::clone(&clock), entropy.clone());
    Office {
        keyring: Arc::new(ring),
        keys,
        counters: Arc::new(EmbeddedBudgets::new(Arc::clone(&clock))),
        definitions: Arc::new(store),
        clock,
        entropy,
    }
}

fn snapshot(upstream: &Arc<Scripted>) -> Snapshot {
    let id = ProviderId::from("acme");
    let provider = Provider {
        id: id.clone(),
        display_name: "Acme".to_owned(),
        dialect: gw_dialect::dialect(DialectId::OpenAiChat),
        url: "http://127.0.0.1:9/v1/chat/completions".to_owned(),
        operations: gw_engine::Operations::default(),
        models_url: None,
        model_filter: None,
        credentials: Vec::new(),
        headers: HeaderMap::new(),
        quirks: Quirks::default(),
        timeouts: Timeouts::default(),
        upstream: Arc::<Scripted>::clone(upstream),
        is_local: false,
        is_demo: false,
    };
    let catalog = Catalog::from_offerings(vec![
        offering("acme", "tiny", Some(Layer::L0), false),
        offering("acme", "vendor/large", Some(Layer::L2), false),
        offering("acme", "mystery", None, true),
        offering("other", "elsewhere", Some(Layer::L1), false),
    ]);
    Snapshot {
        catalog: Arc::new(catalog),
        providers: HashMap::from([(id.clone(), Arc::new(provider))]),
        provider_ids: vec![id],
        routing: gw_routing::RoutingOptions::default(),
        engine: EngineOptions { attempts_per_candidate: 1, ..EngineOptions::default() },
    }
}

fn offering(provider: &str, name: &str, layer: Option<Layer>, is_unpriced: bool) -> Offering {
    let rate = |pico| Rate::from_pico_per_unit(pico);
    let table = PriceTable {
        rates: vec![(TokenClass::Input, rate(1_000_000)), (TokenClass::Output, rate(2_000_000))],
        ..PriceTable::default()
    };
    let price = DatedPrice { from_ms: None, daily: None, table };
    Offering {
        provider: provider.into(),
        name: name.into(),
        model: name.into(),
        display_name: format!("The {name}"),
        family: name.to_owned(),
        context_window: Some(128_000),
        max_output_tokens: Some(4_096),
        capabilities: Capabilities {
            input: vec![Modality::Text],
            output: vec![Modality::Text],
            tools: true,
            ..Capabilities::default()
        },
        prices: if is_unpriced { Vec::new() } else { vec![price] },
        is_free: false,
        layer,
        rank: 0,
        is_enabled: true,
        released: Some("2026-01-02".to_owned()),
        is_demo: false,
    }
}

/// A response read to its end.
pub(super) struct Seen {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) trailers: Option<HeaderMap>,
}

impl Seen {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| std::panic::panic_any(format!("{error}: {:?}", self.body)))
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("is text")
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("is ASCII"))
    }
}

impl Gateway {
    pub(super) async fn send(&self, request: Request<Body>) -> Response<Body> {
        let router = self.router.clone();
        router.oneshot(request).await.unwrap_or_else(|never| match never {})
    }

    pub(super) async fn ask(&self, request: Request<Body>) -> Seen {
        let (parts, body) = self.send(request).await.into_parts();
        let collected = body.collect().await.expect("body ends");
        let trailers = collected.trailers().cloned();
        Seen {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: collected.to_bytes(),
            trailers,
        }
    }

    pub(super) async fn get(&self, path: &str) -> Seen {
        self.ask(request("GET", path, &[], "")).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Seen {
        self.ask(request("POST", path, &[("content-type", "application/json")], &body.to_string()))
            .await
    }
}

/// A request to a gateway known as localhost.
pub(super) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        builder = builder.header("host", "localhost:3000");
    }
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Body::from(body.to_owned())).expect("is a request")
}

/// A question in OpenAI's dialect.
pub(super) fn question(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Say hello."}]})
}
