//! The demo in process: the seam's contract without a socket.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use gw_core::money::Money;
use gw_core::principal::Principal;
use gw_core::reservation::{Claim, Reservation};
use gw_core::seam::{BudgetStore, Clock, OutgoingRequest, Timeouts, Upstream as _};
use gw_core::{CallId, Error, Kind};
use gw_simulator::{DEMO_MODELS, DEMO_PROVIDER, DemoUpstream};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

struct Noon;

impl Clock for Noon {
    fn unix_ms(&self) -> i64 {
        1_800_000_000_000
    }
    fn monotonic_ms(&self) -> u64 {
        0
    }
}

struct Bottomless;

#[async_trait]
impl BudgetStore for Bottomless {
    async fn reserve(&self, _claim: &Claim) -> Result<u64, Error> {
        Ok(1)
    }
    fn settle(&self, _ticket: u64, _claim: &Claim, _spent: Money, _tokens: u64) {}
    fn release(&self, _ticket: u64, _claim: &Claim) {}
}

async fn hold() -> Reservation {
    let call_id = CallId::parse("01890000-0000-7000-8000-000000000000").unwrap();
    let claim = Claim::new(call_id, Principal::default(), 0);
    Reservation::make(Arc::new(Bottomless), claim).await.unwrap()
}

fn request(method: Method, path: &str, body: &str) -> OutgoingRequest {
    OutgoingRequest {
        provider: DEMO_PROVIDER.into(),
        method,
        url: format!("http://demo.invalid{path}"),
        headers: HeaderMap::new(),
        body: Bytes::from(body.to_owned()),
        timeouts: Timeouts::default(),
        response_bytes_max: 1 << 20,
    }
}

fn chat(model: &str, is_streaming: bool) -> OutgoingRequest {
    let body = json!({
        "model": model, "stream": is_streaming, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "What is rust?"}],
    });
    request(Method::POST, "/v1/chat/completions", &body.to_string())
}

async fn frames(demo: &DemoUpstream, request: OutgoingRequest) -> (u16, Vec<Bytes>) {
    let response = demo.send(&hold().await, request).await.unwrap();
    let frames = response.body.map(Result::unwrap).collect().await;
    (response.status, frames)
}

#[tokio::test]
async fn every_demo_model_answers_marked_and_dated() {
    let demo = DemoUpstream::new(Arc::new(Noon));
    for model in DEMO_MODELS {
        let (status, frames) = frames(&demo, chat(model, false)).await;
        assert_eq!(status, 200);
        let reply: Value = serde_json::from_slice(&frames.concat()).unwrap();
        let text = reply["choices"][0]["message"]["content"].as_str().unwrap();
        assert!(text.starts_with("[demo] ") && text.contains("What is rust?"), "{text}");
        assert_eq!((&reply["created"], &reply["model"]), (&json!(1_800_000_000), &json!(model)));
    }
    let (status, _) = frames(&demo, chat("gpt-5", false)).await;
    assert_eq!(status, 404);
}

#[tokio::test(start_paused = true)]
async fn it_streams_at_its_pace() {
    let began = tokio::time::Instant::now();
    let demo = DemoUpstream::new(Arc::new(Noon)).with_pace_ms(10);
    let (_, frames) = frames(&demo, chat("demo-mid", true)).await;
    assert_eq!(frames.last().unwrap(), "data: [DONE]\n\n");
    let text: String = frames
        .iter()
        .filter_map(|frame| {
            let data = std::str::from_utf8(frame).unwrap().strip_prefix("data: ")?;
            let chunk: Value = serde_json::from_str(data.trim()).ok()?;
            Some(chunk.pointer("/choices/0/delta/content")?.as_str()?.to_owned())
        })
        .collect();
    assert!(text.starts_with("[demo] You asked: \"What is rust?\"."), "{text}");
    assert!(began.elapsed().as_millis() >= 10 * frames.len() as u128);
}

#[tokio::test]
async fn it_lists_its_models_and_keeps_the_contract() {
    let demo = DemoUpstream::new(Arc::new(Noon));
    let response = demo.fetch(request(Method::GET, "/v1/models", "")).await.unwrap();
    let body: Vec<Bytes> = response.body.map(Result::unwrap).collect().await;
    let list: Value = serde_json::from_slice(&body.concat()).unwrap();
    let ids: Vec<&str> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, DEMO_MODELS);
    let error = demo.fetch(chat("demo-free", false)).await.err().unwrap();
    assert_eq!(error.kind(), Kind::Internal);
    let mut small = chat("demo-free", false);
    small.response_bytes_max = 10;
    let error = demo.send(&hold().await, small).await.err().unwrap();
    assert_eq!(error.kind(), Kind::ProviderTooLarge);
}
