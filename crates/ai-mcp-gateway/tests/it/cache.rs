//! Answers that are paid for once, through the real program.

use futures_util::future::join_all;
use gw_redis::testbed::RedisServer;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Launch};
use crate::http::Reply;
use crate::upstream::{Stub, completion, model, provider};

const ON: &str = "GATEWAY_CACHE__MODE";

async fn stub() -> Stub {
    Stub::start(|_| (200, completion("Hello."))).await
}

fn launch(stub: &Stub) -> Launch {
    let config = [provider("o", "openai-chat", &stub.url()), model("o/m")].concat();
    Launch::new().toml(&config).env(ON, "on")
}

fn question() -> Value {
    json!({"model": "o/m", "max_tokens": 50,
        "messages": [{"role": "user", "content": "Say hello."}]})
}

async fn ask(gateway: &Gateway) -> Reply {
    gateway.post("/v1/chat/completions", &question()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hit_costs_nothing_and_is_shown_everywhere() {
    let stub = stub().await;
    let launch = launch(&stub);
    let gateway = launch.serve().await;
    let first = ask(&gateway).await;
    assert_eq!(first.header("x-gateway-cache"), "miss");
    let cost = first.header("x-gateway-cost-usd").to_owned();
    let hit = ask(&gateway).await;
    assert_eq!((hit.header("x-gateway-cache"), hit.header("age")), ("hit", "0"));
    assert_eq!(hit.header("x-gateway-cost-usd"), "0");
    assert_eq!(hit.ok()["choices"][0]["message"]["content"], "Hello.");
    // What the answer took when a model gave it, in the client's own words.
    assert_eq!(hit.ok()["usage"]["total_tokens"], first.ok()["usage"]["total_tokens"]);
    let streaming = {
        let mut body = question();
        body["stream"] = json!(true);
        gateway.post("/v1/chat/completions", &body).await
    };
    assert_eq!(streaming.header("x-gateway-cache"), "hit");
    assert!(streaming.text().contains("Hello.") && streaming.text().ends_with("[DONE]\n\n"));
    assert_eq!(stub.seen().len(), 1);

    let stats = gateway.get("/v1/cache/stats").await.ok();
    assert_eq!(
        (&stats["hits"], &stats["misses"], &stats["entries"]),
        (&json!(2), &json!(1), &json!(1))
    );
    let twice = 2 * gw_core::Money::from_usd_decimal(&cost).unwrap().pico();
    assert_eq!(stats["savedPicoUsd"], twice);
    let usage = launch.run(&["usage", "--json"], None).await.json();
    assert_eq!(usage["total"]["cached_calls"], 2);
    assert_eq!(usage["total"]["response_cache_saved_pico_usd"], twice);
    assert_eq!(usage["total"]["cost_usd"], cost);
    let told = launch.run(&["usage"], None).await.stdout;
    assert!(told.contains("2 calls answered from the response cache"), "{told}");

    let url = gateway.url();
    let told = launch.run(&["cache", "stats", "--url", &url], None).await;
    assert!(told.stdout.contains("2 from the cache"), "{told:?}");
    let told = launch.run(&["cache", "clear", "--url", &url], None).await;
    assert_eq!(told.stdout, "forgot 1 (llm:cache:*)\n");
    assert_eq!(ask(&gateway).await.header("x-gateway-cache"), "miss");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_may_outlive_the_process() {
    let stub = stub().await;
    let launch = launch(&stub).env("GATEWAY_CACHE__PERSIST", "true");
    let gateway = launch.serve().await;
    assert_eq!(ask(&gateway).await.header("x-gateway-cache"), "miss");
    gateway.end("KILL").await;
    let gateway = launch.serve().await;
    assert_eq!(ask(&gateway).await.header("x-gateway-cache"), "hit");
    assert_eq!(stub.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_every_dialect_get_one_answer() {
    let stub = stub().await;
    let gateway = launch(&stub).serve().await;
    assert_eq!(ask(&gateway).await.header("x-gateway-cache"), "miss");
    let text = "Say hello.";
    let doors = [
        (
            "/v1/messages",
            json!({"model": "o/m", "max_tokens": 50,
            "messages": [{"role": "user", "content": text}]}),
        ),
        ("/v1/responses", json!({"model": "o/m", "max_output_tokens": 50, "input": text})),
        (
            "/v1beta/models/o%2Fm:generateContent",
            json!({
            "contents": [{"role": "user", "parts": [{"text": text}]}],
            "generationConfig": {"maxOutputTokens": 50}}),
        ),
        (
            "/api/chat",
            json!({"model": "o/m", "stream": false, "options": {"num_predict": 50},
            "messages": [{"role": "user", "content": text}]}),
        ),
    ];
    for (path, body) in doors {
        let reply = gateway.post(path, &body).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert_eq!(reply.header("x-gateway-cache"), "hit", "{path}");
        assert!(reply.text().contains("Hello."), "{path}: {}", reply.text());
    }
    for path in ["/v1/messages", "/v1/responses"] {
        let mut body = json!({"model": "o/m", "stream": true});
        match path {
            "/v1/messages" => {
                body["max_tokens"] = json!(50);
                body["messages"] = question()["messages"].clone();
            }
            _ => {
                body["max_output_tokens"] = json!(50);
                body["input"] = json!(text);
            }
        }
        let reply = gateway.post(path, &body).await;
        assert_eq!(reply.header("x-gateway-cache"), "hit", "{path}");
        assert!(reply.header("content-type").starts_with("text/event-stream"), "{path}");
        assert!(reply.text().contains("Hello."), "{path}: {}", reply.text());
    }
    assert_eq!(stub.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_at_once_are_one_call() {
    let stub = stub().await;
    let gateway = launch(&stub).serve().await;
    let replies = join_all((0..100).map(|_| ask(&gateway))).await;
    assert!(replies.iter().all(|reply| reply.status == 200));
    assert_eq!(stub.seen().len(), 1);
    let misses = replies.iter().filter(|it| it.header("x-gateway-cache") == "miss").count();
    assert_eq!(misses, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn system_a_clears_what_is_kept_and_says_what_came_from_the_cache() {
    let stub = stub().await;
    let gateway = launch(&stub).serve().await;
    let turn = json!({"conversationId": "c1", "message": "Say hello.", "model": "o/m"});
    assert_eq!(gateway.post("/v1/route", &turn).await.ok()["routing"]["fromCache"], false);
    let elsewhere = json!({"conversationId": "c2", "message": "Say hello.", "model": "o/m"});
    assert_eq!(gateway.post("/v1/route", &elsewhere).await.ok()["routing"]["fromCache"], true);
    let context = gateway.get("/v1/context/c2").await.ok();
    assert_eq!(
        context["recentMessages"][1]["content"], "Hello.",
        "an answer from the cache is a turn"
    );
    let cleared = gateway.post("/v1/cache/clear", &json!({"conversationId": "c1"})).await.ok();
    let expected = json!({"success": true, "clearedCount": 1, "pattern": "conversation:c1"});
    assert_eq!(cleared, expected);
    let cleared = gateway.post("/v1/cache/clear", &json!({"pattern": "llm:*"})).await.ok();
    let expected = json!({"success": true, "clearedCount": 1, "pattern": "llm:*"});
    assert_eq!(cleared, expected);
    let neither = gateway.post("/v1/cache/clear", &json!({})).await;
    assert_eq!(neither.status, 400, "{}", neither.text());
    assert_eq!(
        gateway.get("/v1/context/c1").await.ok()["recentMessages"].as_array().unwrap().len(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_share_answers_through_redis_and_go_on_without_it() {
    let mut redis = RedisServer::start();
    let stub = stub().await;
    let shared = || launch(&stub).env("REDIS_URL", redis.url()).env("GATEWAY_CACHE__SHARE", "all");
    let (one, other) = (shared().serve().await, shared().serve().await);
    let replies = join_all((0..60).map(|at| ask(if at % 2 == 0 { &one } else { &other }))).await;
    assert!(replies.iter().all(|reply| reply.status == 200));
    assert_eq!(stub.seen().len(), 1, "one replica asks for all");
    let stats = other.get("/v1/cache/stats").await.ok();
    assert_eq!((&stats["store"], &stats["entries"]), (&json!("redis"), &json!(1)));
    drop(one);
    // A replica that starts is warm.
    let late = shared().serve().await;
    assert_eq!(ask(&late).await.header("x-gateway-cache"), "hit");
    redis.kill();
    let alone = ask(&late).await;
    assert_eq!((alone.status, alone.header("x-gateway-cache")), (200, "miss"));
    assert_eq!(stub.seen().len(), 2);
}
