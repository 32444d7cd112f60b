//! How long a call takes that the response cache answers, record on disk included:
//! `cargo run -p gw-engine --example cache_speed -- 20000`. Prints percentiles in microseconds.

#![expect(clippy::print_stdout, reason = "prints what it measured")]
#![expect(clippy::panic, reason = "a measurement that cannot be made ends")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use gw_catalog::{Capabilities, Catalog, DatedPrice, Modality, Offering, PriceTable};
use gw_core::principal::Principal;
use gw_core::reservation::Reservation;
use gw_core::seam::{
    Clock, DialectId, Entropy, IncomingResponse, OutgoingRequest, Quirks, Timeouts, Upstream,
};
use gw_core::{Layer, Rate, TokenClass};
use gw_engine::{
    Answer, AnswerBody, CacheMode, CacheOptions, CacheState, CallContext, Door, Engine,
    EngineOptions, Inbound, Operations, Provider, Resources, Snapshot,
};
use gw_ledger::EmbeddedBudgets;
use gw_store::{MemoryHot, Store, StoreOptions};
use serde_json::json;
use tokio::time::Instant;

struct Now(Instant);

impl Clock for Now {
    fn unix_ms(&self) -> i64 {
        1_790_000_000_000_i64.saturating_add(i64::try_from(self.monotonic_ms()).unwrap_or(0))
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        let drawn = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        buffer.iter_mut().rev().zip(drawn.iter().rev()).for_each(|(to, from)| *to = *from);
    }
}

/// A provider that gives one answer of two kilobytes.
struct Fixed;

#[async_trait]
impl Upstream for Fixed {
    async fn send(&self, _: &Reservation, _: OutgoingRequest) -> gw_core::Result<IncomingResponse> {
        let text = "An answer of some length. ".repeat(80);
        let body = json!({"id": "x", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop",
                "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 500, "total_tokens": 600}});
        let body = Bytes::from(body.to_string());
        let body = Box::pin(futures_util::stream::once(std::future::ready(Ok(body))));
        let mut headers = http::HeaderMap::new();
        let json = http::HeaderValue::from_static("application/json");
        headers.insert(http::header::CONTENT_TYPE, json);
        Ok(IncomingResponse { status: 200, headers, body })
    }

    async fn fetch(&self, _: OutgoingRequest) -> gw_core::Result<IncomingResponse> {
        panic!("nothing is fetched")
    }
}

fn offering() -> Offering {
    let rates = [TokenClass::Input, TokenClass::Output]
        .map(|class| (class, Rate::from_pico_per_unit(1_000_000)));
    Offering {
        provider: "p".into(),
        name: "m".into(),
        model: "m".into(),
        display_name: "m".to_owned(),
        family: "m".to_owned(),
        context_window: Some(128_000),
        max_output_tokens: Some(1_000),
        capabilities: Capabilities {
            input: vec![Modality::Text],
            output: vec![Modality::Text],
            ..Capabilities::default()
        },
        prices: vec![DatedPrice::always(PriceTable {
            rates: rates.to_vec(),
            ..PriceTable::default()
        })],
        is_free: false,
        layer: Some(Layer::L1),
        rank: 0,
        is_enabled: true,
        released: None,
        is_demo: false,
    }
}

fn provider() -> Provider {
    Provider {
        id: "p".into(),
        display_name: "p".to_owned(),
        dialect: gw_dialect::dialect(DialectId::OpenAiChat),
        url: "http://p.invalid/v1".to_owned(),
        models_url: None,
        credentials: Vec::new(),
        headers: http::HeaderMap::new(),
        quirks: Quirks::default(),
        timeouts: Timeouts::default(),
        upstream: Arc::new(Fixed),
        is_local: false,
        is_demo: false,
        model_filter: None,
        operations: Operations::default(),
    }
}

fn engine(folder: &std::path::Path) -> Arc<Engine> {
    let clock = Arc::new(Now(Instant::now()));
    let path = folder.join("cache_speed.sqlite");
    let store = Store::open(StoreOptions::file(path), Arc::<Now>::clone(&clock));
    let store = Arc::new(store.expect("a file in the temporary folder"));
    let cache = CacheOptions { mode: CacheMode::On, ..CacheOptions::default() };
    let resources = Resources {
        clock: Arc::<Now>::clone(&clock),
        entropy: Arc::new(Counter(AtomicU64::new(0))),
        budgets: Arc::new(EmbeddedBudgets::new(Arc::<Now>::clone(&clock))),
        calls: Arc::<Store>::clone(&store),
        conversations: Arc::<Store>::clone(&store),
        store,
        hot: Arc::new(MemoryHot::new(clock, 64 << 20)),
    };
    let snapshot = Snapshot {
        catalog: Arc::new(Catalog::from_offerings(vec![offering()])),
        providers: HashMap::from([("p".into(), Arc::new(provider()))]),
        provider_ids: vec!["p".into()],
        routing: gw_routing::RoutingOptions::default(),
        engine: EngineOptions { cache, ..EngineOptions::default() },
    };
    Engine::new(resources, snapshot)
}

fn inbound() -> Inbound {
    let body = json!({"model": "m", "messages": [
        {"role": "system", "content": "You answer at some length. ".repeat(40)},
        {"role": "user", "content": "How are you?"}]});
    let raw = Bytes::from(body.to_string());
    let request = gw_dialect::dialect(DialectId::OpenAiChat).decode_request(&raw);
    Inbound {
        door: Door::OpenAiChat,
        request: request.expect("is a request"),
        raw: Some((DialectId::OpenAiChat, raw)),
        principal: Principal { key_id: Some("key_1".to_owned()), ..Principal::default() },
        context: CallContext::default(),
    }
}

async fn call(engine: &Arc<Engine>) -> CacheState {
    let Ok(Answer { head, body }) = engine.run(inbound()).await else { panic!("no answer") };
    let AnswerBody::Whole(whole) = body else { panic!("a stream") };
    assert!(!whole.reply.choices.is_empty());
    head.cache
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let rounds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(20_000_usize);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = engine(folder.path());
    assert_eq!(call(&engine).await, CacheState::Miss);
    let mut micros = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let began = Instant::now();
        let state = call(&engine).await;
        micros.push(began.elapsed().as_micros());
        assert!(matches!(state, CacheState::Hit { .. }));
    }
    micros.sort_unstable();
    let at = |share: usize| micros[(micros.len() - 1) * share / 1_000];
    println!(
        "{rounds} hits, record on disk: p50 {} us, p99 {} us, p99.9 {} us",
        at(500),
        at(990),
        at(999)
    );
}
