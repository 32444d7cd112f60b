//! System A's doors.

use serde_json::{Value, json};

use super::fixture::{Script, completion, gateway, hello};

fn turn(message: &str) -> Value {
    json!({"conversationId": "c-1", "message": message, "userId": "u-1"})
}

#[tokio::test]
async fn route_answers_in_system_as_shape() {
    let gateway = gateway();
    gateway.upstream.then(hello(14, 2));
    let seen = gateway.post("/v1/route", &turn("hi")).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    let answer = seen.json();
    assert_eq!(
        answer["result"],
        json!({"response": "Hello.", "model": "acme/tiny", "provider": "acme"})
    );
    assert_eq!(answer["routing"]["summary"], "Single model: acme/tiny (layer L0)");
    assert_eq!(answer["routing"]["fromCache"], false);
    assert_eq!(answer["routing"]["layer"], "L0");
    assert_eq!(answer["routing"]["complexity"], "low");
    assert_eq!(answer["routing"]["taskType"], "general");
    assert!(answer["routing"]["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
    assert_eq!(answer["context"], json!({"conversationId": "c-1"}));
    assert_eq!(answer["performance"]["tokens"], json!({"input": 14, "output": 2}));
    assert_eq!(answer["performance"]["cost"], 0.000_018);
    assert_eq!(answer["performance"]["costUsd"], "0.000018");
    assert_eq!(answer["performance"]["costPicoUsd"], 18_000_000);
    assert_eq!(answer["performance"]["costState"], "priced");
    assert!(answer["performance"]["durationMs"].is_u64());
    assert_eq!(seen.header("x-gateway-call-id"), answer["callId"].as_str().unwrap_or_default());
}

#[tokio::test]
async fn an_unpriced_turn_costs_null_not_zero() {
    let gateway = gateway();
    gateway.upstream.then(super::fixture::mystery());
    let mut body = turn("hi");
    body["model"] = json!("acme/mystery");
    let answer = gateway.post("/v1/route", &body).await.json();
    assert_eq!(answer["performance"]["cost"], Value::Null);
    assert_eq!(answer["performance"]["costPicoUsd"], Value::Null);
    assert_eq!(answer["performance"]["costState"], "unpriced");
}

#[tokio::test]
async fn the_second_turn_sees_the_first() {
    for door in ["/v1/chat", "/v1/route"] {
        let gateway = gateway();
        gateway.post(door, &turn("my name is Ada")).await;
        gateway.post(door, &turn("what is my name?")).await;
        let sent = gateway.upstream.last_body()["messages"].to_string();
        assert!(sent.contains("my name is Ada") && sent.contains("Hello."), "{door}: {sent}");
        assert_eq!(
            gateway.upstream.last_body()["messages"].as_array().map(Vec::len),
            Some(3),
            "{door}"
        );
    }
}

#[tokio::test]
async fn what_a_turn_asks_for_reaches_the_provider() {
    let gateway = gateway();
    let mut body = turn("hi");
    body["systemPrompt"] = json!("Be brief.");
    body["maxTokens"] = json!(7);
    body["temperature"] = json!(0);
    body["preferredLayer"] = json!("L2");
    let answer = gateway.post("/v1/route", &body).await.json();
    assert_eq!(answer["routing"]["layer"], "L2");
    let sent = gateway.upstream.last_body();
    assert_eq!(sent["messages"][0]["content"], "Be brief.");
    assert_eq!(sent["temperature"].as_f64(), Some(0.0));
    assert!(sent["max_tokens"] == 7 || sent["max_completion_tokens"] == 7, "{sent}");
}

#[tokio::test]
async fn an_empty_answer_is_an_error_not_an_invention() {
    let gateway = gateway();
    for door in ["/v1/route", "/v1/chat"] {
        gateway.upstream.then(Script::Whole(200, Vec::new(), completion("", 3, 0)));
        let mut body = turn("hi");
        // Where the router decides, another model would be asked.
        body["preferredLayer"] = json!("L0");
        let seen = gateway.post(door, &body).await;
        assert_eq!(seen.status, 502, "{door}: {}", seen.text());
        assert!(!seen.header("x-gateway-call-id").is_empty());
    }
}

#[tokio::test]
async fn context_shows_turns_and_keeps_summaries() {
    let gateway = gateway();
    let unknown = gateway.get("/v1/context/nobody").await;
    assert_eq!(unknown.status, 200);
    assert_eq!(
        unknown.json(),
        json!({"conversationId": "nobody", "summary": null, "recentMessages": []})
    );
    gateway.post("/v1/chat", &turn("hi")).await;
    let stored =
        gateway.post("/v1/context/c-1", &json!({"summary": {"currentTask": "greeting"}})).await;
    assert_eq!(stored.json(), json!({"success": true, "conversationId": "c-1", "version": 1}));
    let shown = gateway.get("/v1/context/c-1").await.json();
    assert_eq!(shown["summary"]["currentTask"], "greeting");
    assert_eq!(shown["summary"]["conversationId"], "c-1");
    assert_eq!(shown["summary"]["lastUpdated"], "2025-11-20T12:00:00.000Z");
    assert_eq!(shown["recentMessages"][0]["role"], "user");
    assert_eq!(shown["recentMessages"][0]["content"], "hi");
    assert_eq!(shown["recentMessages"][1]["role"], "assistant");
    assert_eq!(shown["recentMessages"][1]["content"], "Hello.");
    assert!(shown["recentMessages"][0]["metadata"].is_object());
    assert!(shown["recentMessages"][0]["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')));
}

#[tokio::test]
async fn context_ids_come_out_of_paths_decoded_and_bounded() {
    let gateway = gateway();
    assert_eq!(gateway.get("/v1/context/a%2Fb%20c").await.json()["conversationId"], "a/b c");
    assert_eq!(gateway.get("/v1/context/%ff").await.status, 400);
    assert_eq!(gateway.get("/v1/context/a%00").await.status, 400);
    assert_eq!(gateway.get(&format!("/v1/context/{}", "x".repeat(257))).await.status, 400);
}

#[tokio::test]
async fn stats_are_sums_and_never_null() {
    let gateway = gateway();
    let empty = gateway.get("/v1/stats").await.json();
    assert_eq!(empty["totalCalls"], 0);
    assert_eq!(empty["cacheHitRate"].as_f64(), Some(0.0));
    assert_eq!(gateway.get("/v1/stats/conversation/c-1").await.status, 404);
    assert_eq!(
        gateway.get("/v1/stats/conversation/c-1").await.json()["error"],
        "Conversation not found"
    );
    for _ in 0..3 {
        gateway.upstream.then(hello(2, 1));
        gateway.post("/v1/chat", &turn("hi")).await;
    }
    let stats = gateway.get("/v1/stats").await.json();
    assert_eq!(
        (&stats["totalCalls"], &stats["totalTokens"]),
        (&json!(3), &json!({"input": 6, "output": 3}))
    );
    let one = gateway.get("/v1/stats/conversation/c-1").await.json();
    assert_eq!((&one["messageCount"], &one["llmCalls"]), (&json!(6), &json!(3)));
    assert_eq!(one["totalTokens"], json!({"input": 6, "output": 3}));
    for wrong in ["?groupBy=user", "?startDate=soon", "?endDate=x", "?userId=%00"] {
        assert_eq!(gateway.get(&format!("/v1/stats{wrong}")).await.status, 400, "{wrong}");
    }
    for fine in
        ["?groupBy=model", "?groupBy=layer&startDate=2026-01-01&endDate=2026-12-31", "?userId=u-1"]
    {
        assert_eq!(gateway.get(&format!("/v1/stats{fine}")).await.status, 200, "{fine}");
    }
}
