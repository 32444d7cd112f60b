//! Ollama's dialect: lines of JSON, lists, and models that are always ready.

use serde_json::{Value, json};

use super::fixture::{STREAM, Script, gateway, hello};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[tokio::test]
async fn a_chat_streams_lines_unless_told_not_to() {
    let gateway = gateway();
    let mut body = json!({"model": "acme/tiny", "messages": [{"role": "user", "content": "Hi"}]});
    gateway.upstream.then(Script::Stream(STREAM.to_vec()));
    let seen = gateway.post("/api/chat", &body).await;
    assert_eq!((seen.status, seen.header("content-type")), (200, "application/x-ndjson"));
    let lines = lines(seen.text());
    let said: String = lines.iter().filter_map(|it| it["message"]["content"].as_str()).collect();
    assert_eq!(said, "Hello.");
    assert_eq!(
        lines.last().map(|it| (&it["done"], &it["prompt_eval_count"])),
        Some((&json!(true), &json!(14)))
    );
    body["stream"] = json!(false);
    gateway.upstream.then(hello(14, 2));
    let seen = gateway.post("/api/chat", &body).await.json();
    assert_eq!(seen["message"]["content"], "Hello.");
}

#[tokio::test]
async fn a_prompt_is_answered_in_its_own_form() {
    let gateway = gateway();
    gateway.upstream.then(hello(14, 2));
    let body = json!({"model": "tiny:latest", "prompt": "Hi", "stream": false});
    let seen = gateway.post("/api/generate", &body).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    assert_eq!(seen.json()["response"], "Hello.");
}

#[tokio::test]
async fn a_model_without_a_question_is_ready() {
    let gateway = gateway();
    let body = json!({"model": "acme/tiny"});
    let seen = gateway.post("/api/generate", &body).await.json();
    assert_eq!((&seen["done_reason"], &seen["response"]), (&json!("load"), &json!("")));
    let body = json!({"model": "acme/tiny", "messages": [], "keep_alive": 0});
    let seen = gateway.post("/api/chat", &body).await.json();
    assert_eq!(seen["done_reason"], "unload");
    let seen = gateway.post("/api/chat", &json!({"model": "nobody"})).await;
    assert_eq!((seen.status, seen.json()["error"].is_string()), (404, true));
    assert!(gateway.upstream.seen.lock().is_empty());
}

#[tokio::test]
async fn lists_and_cards_are_ollamas() {
    let gateway = gateway();
    let tags = gateway.get("/api/tags").await.json();
    assert_eq!(tags["models"][0]["name"], "auto");
    assert!(tags["models"][0]["digest"].is_string());
    assert_eq!(gateway.get("/api/ps").await.json(), json!({"models": []}));
    assert!(gateway.get("/api/version").await.json()["version"].is_string());
    for body in [json!({"model": "acme/tiny"}), json!({"name": "acme/tiny:latest"})] {
        let card = gateway.post("/api/show", &body).await;
        assert_eq!(card.status, 200, "{}", card.text());
        assert_eq!(card.json()["model_info"]["acme.context_length"], 128_000);
        assert_eq!(card.json()["capabilities"], json!(["completion", "tools"]));
    }
    assert_eq!(gateway.post("/api/show", &json!({})).await.status, 400);
    assert_eq!(gateway.post("/api/show", &json!({"model": "nobody"})).await.status, 404);
    let seen = gateway.get("/api/nothing").await;
    assert_eq!((seen.status, seen.json()["error"].is_string()), (404, true));
}
