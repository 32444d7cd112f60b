//! A gateway without doors: real dialects, catalogue, routing and budgets; scripted providers.
//!
//! `alpha`, `beta` (OpenAI's dialect) and `gamma` (Anthropic's) all sell model `m`; `solo` is
//! alpha's alone, `claude` gamma's alone, `mystery` has no price.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use gw_catalog::{Capabilities, Catalog, DatedPrice, Modality, Offering, PriceTable};
use gw_core::chat::ChatRequest;
use gw_core::event::{PartDelta, StreamEvent};
use gw_core::principal::Principal;
use gw_core::record::{CallRecord, ConversationStats, Stats, StatsFilter};
use gw_core::reply::ChatReply;
use gw_core::seam::{
    CallLog, Clock, Conversations, DialectId, Entropy, FrameKind, Hot, Quirks, StoreHealth,
    Timeouts,
};
use gw_core::{ConversationId, Error, Kind, Layer, Money, ProviderId, Rate, Result, TokenClass};
use gw_engine::{
    Answer, AnswerBody, AnswerStream, CallContext, Credential, Door, Engine, EngineOptions,
    Failure, Inbound, Piece, Provider, Receipt, Resources, Snapshot, Whole,
};
use gw_ledger::EmbeddedBudgets;
use gw_store::{MemoryHot, Store, StoreOptions};
use http::HeaderMap;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::script::Script;

/// A clock that follows tokio's.
pub(crate) struct TestClock {
    began: Instant,
}

impl Clock for TestClock {
    fn unix_ms(&self) -> i64 {
        1_760_000_000_000 + i64::try_from(self.began.elapsed().as_millis()).expect("is short")
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).expect("is short")
    }
}

/// The same bytes in every run; no two draws of ten bytes alike.
struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        let mut state = self.0.fetch_add(1, Ordering::SeqCst);
        for byte in buffer {
            // SplitMix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            *byte = mixed.to_be_bytes()[0];
        }
    }
}

/// Records in memory; the test decides when one is durable.
pub(crate) struct Log {
    records: Mutex<Vec<CallRecord>>,
    pub(crate) permits: Semaphore,
    pub(crate) fails: Mutex<bool>,
}

#[async_trait]
impl CallLog for Log {
    async fn record(&self, call: CallRecord) -> Result<()> {
        self.permits.acquire().await.expect("is never closed").forget();
        if *self.fails.lock() {
            return Err(Error::new(Kind::StoreUnavailable, "the disk is full"));
        }
        self.records.lock().push(call);
        Ok(())
    }

    async fn stats(&self, _: StatsFilter) -> Result<Stats> {
        Ok(Stats::default())
    }

    async fn conversation_stats(&self, _: &ConversationId) -> Result<Option<ConversationStats>> {
        Ok(None)
    }

    async fn recent_calls(&self, _: usize) -> Result<Vec<CallRecord>> {
        Ok(self.records.lock().clone())
    }
}

#[async_trait]
impl StoreHealth for Log {
    async fn check(&self) -> Result<()> {
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        Ok(())
    }
}

/// A gateway, and what a test looks at behind it.
pub(crate) struct World {
    pub(crate) engine: Arc<Engine>,
    pub(crate) script: Arc<Script>,
    pub(crate) log: Arc<Log>,
    pub(crate) budgets: Arc<EmbeddedBudgets>,
    pub(crate) store: Store,
}

/// What a test may change before the gateway stands.
pub(crate) struct Setup {
    pub(crate) options: EngineOptions,
    pub(crate) offerings: Vec<Offering>,
    /// Names of alpha's keys; each one's secret is its name.
    pub(crate) alpha_keys: Vec<&'static str>,
    /// The models that alpha may be asked for; empty: all.
    pub(crate) alpha_allows: Vec<&'static str>,
    /// Where answers are kept; an empty memory unless set.
    pub(crate) hot: Option<Arc<dyn Hot>>,
    /// `ENABLE_AUTO_ESCALATE`
    pub(crate) auto_escalate: bool,
}

impl Default for Setup {
    fn default() -> Self {
        let options = EngineOptions {
            attempts_per_candidate: 2,
            backoff_ms: 200,
            deadline_ms: 60_000,
            breaker_failures: 3,
            breaker_open_ms: 10_000,
            key_rest_ms: 60_000,
            ..EngineOptions::default()
        };
        let offerings = vec![
            offering("alpha", "m", 1, 2),
            offering("beta", "m", 3, 4),
            offering("gamma", "m", 5, 6),
            offering("alpha", "solo", 1, 2),
            offering("alpha", "other", 1, 2),
            offering("alpha", "third", 1, 2),
            offering("gamma", "claude", 5, 6),
            Offering { prices: Vec::new(), layer: None, ..offering("alpha", "mystery", 1, 2) },
        ];
        Self {
            options,
            offerings,
            alpha_keys: Vec::new(),
            alpha_allows: Vec::new(),
            hot: None,
            auto_escalate: true,
        }
    }
}

/// A model at so many dollars a million tokens read and written.
pub(crate) fn offering(provider: &str, name: &str, input: u64, output: u64) -> Offering {
    let rate = |usd: u64| Rate::from_pico_per_unit(usd * 1_000_000);
    let rates = vec![(TokenClass::Input, rate(input)), (TokenClass::Output, rate(output))];
    Offering {
        provider: provider.into(),
        name: name.into(),
        model: name.into(),
        display_name: name.to_owned(),
        family: name.to_owned(),
        context_window: Some(128_000),
        max_output_tokens: Some(1_000),
        capabilities: Capabilities {
            input: vec![Modality::Text],
            output: vec![Modality::Text],
            tools: true,
            ..Capabilities::default()
        },
        prices: vec![DatedPrice::always(PriceTable { rates, ..PriceTable::default() })],
        is_free: false,
        layer: Some(Layer::L1),
        rank: 0,
        is_enabled: true,
        released: None,
        is_demo: false,
    }
}

impl Setup {
    pub(crate) fn snapshot(&self, script: &Arc<Script>) -> Snapshot {
        let ids: Vec<ProviderId> = ["alpha", "beta", "gamma"].map(ProviderId::from).to_vec();
        let providers = ids.iter().map(|id| (id.clone(), Arc::new(self.provider(id, script))));
        Snapshot {
            catalog: Arc::new(Catalog::from_offerings(self.offerings.clone())),
            providers: providers.collect::<HashMap<_, _>>(),
            provider_ids: ids,
            routing: gw_routing::RoutingOptions {
                enable_auto_escalate: self.auto_escalate,
                ..gw_routing::RoutingOptions::default()
            },
            engine: self.options.clone(),
        }
    }

    fn provider(&self, id: &ProviderId, script: &Arc<Script>) -> Provider {
        let dialect = match id.as_str() {
            "gamma" => DialectId::AnthropicMessages,
            _ => DialectId::OpenAiChat,
        };
        let keys = if id.as_str() == "alpha" { self.alpha_keys.clone() } else { Vec::new() };
        let allows = self.alpha_allows.clone();
        let is_filtered = id.as_str() == "alpha" && !allows.is_empty();
        Provider {
            id: id.clone(),
            display_name: id.to_string(),
            dialect: gw_dialect::dialect(dialect),
            url: format!("http://{id}.invalid/v1"),
            operations: gw_engine::Operations::default(),
            models_url: None,
            credentials: keys
                .into_iter()
                .map(|name| Credential {
                    name: name.to_owned(),
                    header: http::header::AUTHORIZATION,
                    prefix: "Bearer ",
                    secret: name.to_owned().into(),
                })
                .collect(),
            headers: HeaderMap::new(),
            quirks: Quirks::default(),
            timeouts: Timeouts::default(),
            upstream: Arc::<Script>::clone(script),
            is_local: false,
            is_demo: false,
            model_filter: is_filtered
                .then(|| Box::new(move |name: &str| allows.contains(&name)) as Box<_>),
        }
    }

    pub(crate) fn build(self) -> World {
        let script = Script::new();
        let clock = Arc::new(TestClock { began: Instant::now() });
        let budgets = Arc::new(EmbeddedBudgets::new(Arc::<TestClock>::clone(&clock)));
        let log = Arc::new(Log {
            records: Mutex::default(),
            permits: Semaphore::new(10_000),
            fails: Mutex::new(false),
        });
        let store = Store::open(StoreOptions::memory(), Arc::<TestClock>::clone(&clock));
        let store = store.expect("memory is there");
        let resources = Resources {
            clock: Arc::<TestClock>::clone(&clock),
            entropy: Arc::new(Seeded(AtomicU64::new(7))),
            budgets: Arc::<EmbeddedBudgets>::clone(&budgets),
            calls: Arc::<Log>::clone(&log),
            conversations: Arc::new(store.clone()) as Arc<dyn Conversations>,
            store: Arc::<Log>::clone(&log),
            hot: self.hot.clone().unwrap_or_else(|| Arc::new(MemoryHot::new(clock, 1 << 20))),
        };
        let engine = Engine::new(resources, self.snapshot(&script));
        World { engine, script, log, budgets, store }
    }
}

/// A gateway as most tests want it.
pub(crate) fn world() -> World {
    Setup::default().build()
}

/// A gateway with other options.
pub(crate) fn world_with(change: impl FnOnce(&mut Setup)) -> World {
    let mut setup = Setup::default();
    change(&mut setup);
    setup.build()
}

/// A request in a dialect, as a door hands it in.
pub(crate) fn inbound(dialect: DialectId, body: &Value) -> Inbound {
    let raw = Bytes::from(body.to_string());
    let request = gw_dialect::dialect(dialect).decode_request(&raw).expect("is a request");
    let door = match dialect {
        DialectId::AnthropicMessages => Door::AnthropicMessages,
        _ => Door::OpenAiChat,
    };
    Inbound {
        door,
        request,
        raw: Some((dialect, raw)),
        principal: Principal::default(),
        context: CallContext::default(),
    }
}

/// A question to a model in OpenAI's dialect.
pub(crate) fn ask(model: &str) -> Inbound {
    inbound(
        DialectId::OpenAiChat,
        &json!({"model": model, "messages": [{"role": "user", "content": "How are you?"}]}),
    )
}

/// The same, streamed.
pub(crate) fn ask_stream(model: &str) -> Inbound {
    inbound(
        DialectId::OpenAiChat,
        &json!({"model": model, "stream": true,
            "messages": [{"role": "user", "content": "How are you?"}]}),
    )
}

/// A request that no door wrote in bytes.
pub(crate) fn bare(request: ChatRequest, context: CallContext) -> Inbound {
    Inbound { door: Door::Chat, request, raw: None, principal: Principal::default(), context }
}

/// A stream read to its end.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) text: String,
    pub(crate) errors: Vec<Error>,
    pub(crate) ends: usize,
    pub(crate) receipt: Option<Receipt>,
    /// `data`, `usage`, `keep-alive`, `receipt`, `end`, in order.
    pub(crate) order: Vec<&'static str>,
    /// Bytes that passed through.
    pub(crate) raw: Vec<u8>,
    pub(crate) is_all_raw: bool,
}

impl Heard {
    pub(crate) fn piece(&mut self, piece: Piece) {
        match piece {
            Piece::Receipt(receipt) => {
                self.order.push("receipt");
                assert!(self.receipt.replace(*receipt).is_none(), "one receipt");
            }
            Piece::Frame { raw, kind, events } => {
                self.order.push(match kind {
                    FrameKind::Data => "data",
                    FrameKind::UsageOnly => "usage",
                    FrameKind::KeepAlive => "keep-alive",
                    FrameKind::End => "end",
                });
                self.is_all_raw &= raw.is_some();
                self.raw.extend(raw.unwrap_or_default());
                for event in events {
                    assert!(self.errors.is_empty() && self.ends == 0, "nothing after the end");
                    match event {
                        StreamEvent::PartDelta { delta: PartDelta::Text(text), .. } => {
                            self.text.push_str(&text);
                        }
                        StreamEvent::Error(error) => self.errors.push(*error),
                        StreamEvent::End => self.ends += 1,
                        _ => {}
                    }
                }
            }
        }
    }
}

/// Reads a stream to its end.
pub(crate) async fn hear(mut stream: AnswerStream) -> Heard {
    let mut heard = Heard { is_all_raw: true, ..Heard::default() };
    while let Some(piece) = stream.next().await {
        heard.piece(piece);
    }
    heard
}

/// The whole answer.
pub(crate) fn whole(answer: Answer) -> Whole {
    match answer.body {
        AnswerBody::Whole(whole) => *whole,
        AnswerBody::Stream(_) => panic!("a whole answer was expected"),
    }
}

/// The stream.
pub(crate) fn streamed(answer: Answer) -> AnswerStream {
    match answer.body {
        AnswerBody::Stream(stream) => stream,
        AnswerBody::Whole(_) => panic!("a stream was expected"),
    }
}

impl World {
    /// An answer's whole reply.
    pub(crate) async fn reply(&self, inbound: Inbound) -> ChatReply {
        whole(self.engine.run(inbound).await.expect("answers")).reply
    }

    /// A stream's whole content.
    pub(crate) async fn hear(&self, inbound: Inbound) -> Heard {
        hear(streamed(self.engine.run(inbound).await.expect("answers"))).await
    }

    /// A call's failure.
    pub(crate) async fn failure(&self, inbound: Inbound) -> Error {
        let Failure { error, call_id } = self.engine.run(inbound).await.expect_err("fails");
        let records = self.log.records.lock();
        assert_eq!(records.last().map(|record| record.id), Some(call_id), "is recorded");
        error
    }

    /// All records, once everything under way has ended. Nothing may be held back then, and what
    /// was spent is what the records say.
    pub(crate) async fn records(&self) -> Vec<CallRecord> {
        self.engine.drain().await;
        let records = self.log.records.lock().clone();
        let totals = self.budgets.totals();
        assert_eq!((totals.reserved, totals.open, totals.released), (Money::ZERO, 0, 0));
        let spent: Money = records.iter().map(|record| record.cost.amount_or_zero()).sum();
        assert_eq!(totals.spent, spent);
        for record in &records {
            let sum: Money =
                record.attempts.iter().map(|attempt| attempt.cost.amount_or_zero()).sum();
            assert_eq!(record.cost.amount_or_zero(), sum, "the cost is that of all attempts");
        }
        assert_eq!(self.script.open_bodies(), 0, "no body is left open");
        records
    }

    /// The one record.
    pub(crate) async fn record(&self) -> CallRecord {
        let records = self.records().await;
        assert_eq!(records.len(), 1, "one call, one record");
        records[0].clone()
    }
}

/// Pico-dollars of so many tokens at so many dollars a million.
pub(crate) fn price(tokens: u64, usd: u64) -> Money {
    Money::from_pico(i64::try_from(tokens * usd * 1_000_000).expect("fits"))
}
