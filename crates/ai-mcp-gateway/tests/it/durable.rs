//! What a client has the end of is on disk, however the process ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use serde_json::json;
use tokio::task::JoinSet;

use crate::gateway::{Launch, until};
use crate::http;
use crate::sse;
use crate::store::Store;
use crate::upstream::{both_dialects, fail_key, last, simulator};

/// Asks on and on until the gateway is gone; notes the calls of which it heard the end.
async fn pester(address: std::net::SocketAddr, number: usize, heard: Arc<Mutex<Vec<String>>>) {
    let path = if number.is_multiple_of(2) { "/v1/chat/completions" } else { "/v1/messages" };
    let upstream = if number.is_multiple_of(3) { "o" } else { "a" };
    let body = json!({"model": format!("{upstream}/sim-small"), "max_tokens": 500,
        "stream": number % 4 < 2, "messages": [{"role": "user", "content": "the sea"}]});
    loop {
        let sent = http::try_open(address, "POST", path, &[], body.to_string().into());
        let Some(open) = sent.await else { return };
        assert_eq!(open.status, 200);
        let reply = open.whole().await;
        if !reply.is_whole {
            return;
        }
        if reply.header("content-type").starts_with("text/event-stream") {
            let events = sse::events(&reply.body);
            let is_ended =
                events.iter().any(|it| it.data.is_null() || it.data["type"] == "message_stop");
            assert!(is_ended, "{}", reply.text());
        }
        heard.lock().push(reply.header("x-gateway-call-id").to_owned());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_a_client_had_survives_kill_9() {
    let simulator = simulator().await;
    let launch = Launch::new().toml(&both_dialects(&simulator.base_url()));
    for key in ["key-o", "key-a"] {
        fail_key(&simulator, key, "pace=2");
    }
    let mut all_heard: Vec<String> = Vec::new();
    for round in 1..=3 {
        let gateway = launch.serve().await;
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let mut clients = JoinSet::new();
        for number in 0..12 {
            clients.spawn(pester(gateway.address, number, Arc::clone(&heard)));
        }
        until("some answers", async || (heard.lock().len() > 25 * round).then_some(())).await;
        assert!(!gateway.end("KILL").await.success());
        while let Some(done) = clients.join_next().await {
            done.unwrap();
        }
        all_heard.append(&mut heard.lock());
        let store = Store::open(&launch.database());
        let kept: Vec<String> = store.calls().into_iter().map(|call| call.id).collect();
        let lost: Vec<&String> = all_heard.iter().filter(|id| !kept.contains(id)).collect();
        assert!(lost.is_empty(), "round {round}: lost {} of {}", lost.len(), all_heard.len());
    }
    // The same store serves on, and the sums are those of the rows.
    let gateway = launch.serve().await;
    let stats = gateway.get("/v1/stats").await.ok();
    let calls = gateway.store().calls();
    assert_eq!(stats["totalCalls"], calls.len());
    let cost: i64 = calls.iter().filter_map(|call| call.cost_pico).sum();
    assert_eq!(stats["totalCostPicoUsd"], cost);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_streams_end_and_keeps_their_records() {
    let simulator = simulator().await;
    let launch = Launch::new().toml(&both_dialects(&simulator.base_url()));
    let gateway = launch.serve().await;
    fail_key(&simulator, "key-o", "pace=15");
    let started = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for number in 0..6 {
        let (address, started) = (gateway.address, Arc::clone(&started));
        clients.spawn(async move {
            let body = json!({"model": "o/sim-small", "stream": number < 4,
                "messages": [{"role": "user", "content": "sim:words=150"}]});
            let bytes = body.to_string().into();
            if number >= 4 {
                started.fetch_add(1, Ordering::Relaxed);
            }
            let path = "/v1/chat/completions";
            let mut open = http::open(address, "POST", path, &[], bytes).await;
            let mut first = Vec::new();
            if number < 4 {
                first.extend_from_slice(&open.next().await.unwrap().unwrap());
                started.fetch_add(1, Ordering::Relaxed);
            }
            let mut reply = open.whole().await;
            first.extend_from_slice(&reply.body);
            reply.body = first.into();
            reply
        });
    }
    until("all to have begun", async || (started.load(Ordering::Relaxed) == 6).then_some(())).await;
    // The whole ones too have reached the provider.
    until("all to have arrived", async || (simulator.requests().len() == 6).then_some(())).await;
    let status = gateway.end("TERM").await;
    assert_eq!(status.code(), Some(0));
    let store = Store::open(&launch.database());
    while let Some(reply) = clients.join_next().await {
        let reply = reply.unwrap();
        assert!(reply.is_whole && reply.status == 200, "{}", reply.text());
        assert_eq!(reply.text().matches("word").count(), 150, "{}", reply.text());
        let kept = store.call(reply.header("x-gateway-call-id")).unwrap();
        assert_eq!(kept.status, "ok");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_longer_than_the_grace_is_cut_and_booked() {
    let simulator = simulator().await;
    let toml =
        format!("[server]\nshutdown_grace_ms = 300\n{}", both_dialects(&simulator.base_url()));
    let launch = Launch::new().toml(&toml);
    let gateway = launch.serve().await;
    fail_key(&simulator, "key-o", "pace=50");
    let body = json!({"model": "o/sim-small", "stream": true,
        "messages": [{"role": "user", "content": "sim:words=5000"}]});
    let mut open = gateway.open("/v1/chat/completions", &body).await;
    let id = open.headers["x-gateway-call-id"].to_str().unwrap().to_owned();
    open.next().await.unwrap().unwrap();
    let status = gateway.end("TERM").await;
    assert_eq!(status.code(), Some(0));
    let kept = Store::open(&launch.database()).call(&id).expect("the cut call is not on record");
    assert_eq!(kept.status, "cancelled");
    assert!(kept.cost_pico.unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_goes_on_after_kill_9() {
    let simulator = simulator().await;
    let launch = Launch::new().toml(&both_dialects(&simulator.base_url()));
    let gateway = launch.serve().await;
    let ask = |message: &str| json!({"conversationId": "c1", "message": message, "model": "L1"});
    gateway.post("/v1/chat", &ask("my name is Ada")).await.ok();
    gateway.post("/v1/route", &ask("I live in Rome")).await.ok();
    gateway.end("KILL").await;
    let gateway = launch.serve().await;
    let context = gateway.get("/v1/context/c1").await.ok();
    assert_eq!(context["recentMessages"].as_array().unwrap().len(), 4, "{context}");
    gateway.post("/v1/chat", &ask("who am I?")).await.ok();
    let sent = last(&simulator).json();
    let turns: Vec<&str> =
        sent["messages"].as_array().unwrap().iter().filter_map(|it| it["role"].as_str()).collect();
    assert_eq!(turns, ["user", "assistant", "user", "assistant", "user"], "{sent}");
    let text = sent.to_string();
    for turn in ["my name is Ada", "I live in Rome", "who am I?"] {
        assert!(text.contains(turn), "{sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_do_not_hold_up_the_end() {
    for signal in ["TERM", "INT"] {
        let gateway = Launch::new().serve().await;
        let silent = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
        let kept = http::open(gateway.address, "GET", "/livez", &[], bytes::Bytes::new()).await;
        assert_eq!(kept.status, 200);
        let began = tokio::time::Instant::now();
        assert_eq!(gateway.end(signal).await.code(), Some(0));
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
        drop((silent, kept));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streamed_turns_of_a_conversation_survive_kill_9() {
    let simulator = simulator().await;
    let launch = Launch::new().toml(&both_dialects(&simulator.base_url()));
    let named = [("x-gateway-conversation-id", "s1"), ("x-gateway-recall", "history")];
    for (number, upstream) in ["o", "a", "o"].into_iter().enumerate() {
        let gateway = launch.serve().await;
        let body = json!({"model": format!("{upstream}/sim-small"), "stream": true,
            "messages": [{"role": "user", "content": format!("turn {number}")}]});
        let bytes = body.to_string().into();
        let reply = gateway.post_bytes("/v1/chat/completions", &named, bytes).await;
        assert!(reply.text().ends_with("data: [DONE]\n\n"), "{}", reply.text());
        gateway.end("KILL").await;
        let turns = last(&simulator).json()["messages"].as_array().unwrap().len();
        assert_eq!(turns, 2 * number + 1, "turn {number} does not see those before it");
    }
}
