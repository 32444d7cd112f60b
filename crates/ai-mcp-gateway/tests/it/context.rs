//! Long conversations through the running program: made short, summarised, exported, deleted.

use serde_json::{Value, json};

use crate::gateway::{Launch, until};
use crate::upstream::{Stub, completion, model, provider};

fn config(url: &str) -> String {
    [provider("o", "openai-chat", url), model("o/m")].concat()
}

fn turn(message: &str) -> Value {
    json!({"conversationId": "long", "message": message, "model": "o/m", "userId": "ann"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_conversation_is_short_for_the_model_and_ends_when_told() {
    let stub = Stub::start(|_| (200, completion("Noted."))).await;
    let launch = Launch::new().toml(&config(&stub.url()));
    let gateway = launch.serve().await;
    let first = "My name is Ann Lindqvist; we decided to use PostgreSQL 16.2, see src/net/pool.rs.";
    gateway.post("/v1/chat", &turn(first)).await.ok();
    for number in 1..=27 {
        let question = format!("This is question {number}, about nothing but the weather outside.");
        gateway.post("/v1/chat", &turn(&question)).await.ok();
    }
    let seen = stub.seen();
    let last = &seen.last().expect("was asked").body;
    let last: Value = serde_json::from_slice(last).expect("is JSON");
    let messages = last["messages"].as_array().expect("are there").clone();
    assert!(messages.len() < 20, "{} messages", messages.len());
    let summary = messages[0]["content"].as_str().expect("text");
    for kept in ["Ann Lindqvist", "PostgreSQL 16.2", "src/net/pool.rs"] {
        assert!(summary.contains(kept), "{kept}: {summary}");
    }
    // Kept behind the answer, so it may be a moment late.
    let context = until("a summary is kept", async || {
        let context = gateway.get("/v1/context/long").await.ok();
        (!context["summary"].is_null()).then_some(context)
    })
    .await;
    assert!(context["summary"]["decisions"][0].as_str().is_some_and(|it| it.contains("16.2")));
    let made =
        gateway.post("/v1/conversations/long/handoff", &json!({"maxTokens": 300})).await.ok();
    assert!(made["text"].as_str().is_some_and(|text| text.starts_with("[CONTEXT-SUMMARY]")));
    assert!(made["tokens"].as_u64().is_some_and(|tokens| tokens <= 300));
    let list = gateway.get("/v1/conversations?user=ann").await.ok();
    assert_eq!(list["conversations"][0]["messageCount"], 56);
    gateway.end("TERM").await;

    // The same through the command line, on the store.
    let shown = launch.run(&["conversations", "show", "long"], None).await;
    assert!(shown.stdout.contains("Ann Lindqvist"), "{shown:?}");
    let todo = ["conversations", "todo", "long", "--generate", "implement it", "--json"];
    assert_eq!(
        launch.run(&todo, None).await.json()["items"][2]["title"],
        "Implement core functionality"
    );
    let done = ["conversations", "todo", "long", "--done", "2"];
    assert!(launch.run(&done, None).await.stdout.contains("[x] ✅ **Design the solution**"));
    let export = launch.run(&["conversations", "export", "--user", "ann"], None).await;
    for table in ["conversations", "messages", "context_summaries", "todo_lists", "llm_calls"] {
        assert!(export.stdout.contains(&format!("{{\"table\":\"{table}\"")), "{table}");
    }
    let asked = launch.run(&["conversations", "delete", "--user", "ann"], None).await;
    assert_ne!(asked.code, Some(0), "it asks first");
    let gone = launch.run(&["conversations", "delete", "--user", "ann", "--yes"], None).await;
    assert_eq!(gone.code, Some(0), "{gone:?}");
    let export = launch.run(&["conversations", "export", "--user", "ann"], None).await;
    assert_eq!(export.stdout, "");
    let usage = launch.run(&["usage", "--json"], None).await.json();
    assert_eq!(usage["total"]["calls"], 28, "what was paid stays on the books");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_names_no_conversation_is_told_from_others() {
    let stub = Stub::start(|_| (200, completion("A mathematician."))).await;
    let gateway = Launch::new().toml(&config(&stub.url())).serve().await;
    let user = |text: &str| json!({"role": "user", "content": text});
    let said = json!({"role": "assistant", "content": "A mathematician."});
    let ask = |messages: Vec<Value>| json!({"model": "o/m", "messages": messages});
    let door = "/v1/chat/completions";
    gateway.post(door, &ask(vec![user("Who was Ada?")])).await.ok();
    gateway.post(door, &ask(vec![user("Who was Ada?"), said, user("When?")])).await.ok();
    gateway.post(door, &ask(vec![user("Who was Bob?")])).await.ok();
    let list = gateway.get("/v1/conversations").await.ok();
    let ids = list["conversations"].as_array().expect("a list");
    assert_eq!(ids.len(), 2, "{list}");
    assert!(ids.iter().all(|it| it["messageCount"] == 0), "only told apart, not kept");
}
