//! System A's environment, doors and field names, each defect of its turned into its opposite.

use serde_json::{Value, json};

use crate::gateway::{Gateway, Launch, until};
use crate::upstream::{Stub, completion, fail_key, last, simulator};

/// OpenAI, Anthropic and OpenRouter keys, all at one address.
fn three_providers(url: &str) -> Launch {
    Launch::new()
        .env("OPENAI_API_KEY", "key-openai")
        .env("OPENAI_BASE_URL", format!("{url}/v1"))
        .env("ANTHROPIC_API_KEY", "key-anthropic")
        .env("ANTHROPIC_BASE_URL", url)
        .env("OPENROUTER_API_KEY", "key-openrouter")
        .env("OPENROUTER_BASE_URL", format!("{url}/api/v1"))
        .env("LAYER_L0_MODELS", "openrouter/meta-llama/llama-3.3-70b-instruct:free")
        .env("LAYER_L1_MODELS", "openai/gpt-4o-mini")
        .env("LAYER_L2_MODELS", "anthropic/claude-haiku-4-5,openai/gpt-4o")
        .env("LAYER_L3_MODELS", "anthropic/claude-opus-4-5")
}

async fn route(gateway: &Gateway, message: &str, more: Value) -> Value {
    let mut body = json!({"conversationId": "c", "message": message});
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    gateway.post("/v1/route", &body).await.ok()
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> =
        value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Every key of the contract is there; we may add more.
fn assert_keys(value: &Value, wanted: &[&str]) {
    let found = keys(value);
    for key in wanted {
        assert!(found.contains(key), "`{key}` is not in {value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_start_in_api_mode_serves_as_the_environment_says() {
    let simulator = simulator().await;
    let launch = three_providers(&simulator.base_url())
        .args(&[])
        .env("MODE", "api")
        .env("API_PORT", "0")
        .env("API_HOST", "127.0.0.1")
        .env("API_CORS_ORIGIN", "https://app.example")
        .env("LOG_LEVEL", "warn")
        .env("DEFAULT_LAYER", "L1")
        .env("MAX_ESCALATION_LAYER", "L3")
        .env("ENABLE_CROSS_CHECK", "false")
        .env("ENABLE_AUTO_ESCALATE", "true")
        .env("LAYER_L2_ENABLED", "false")
        .env("COST_ALERT_THRESHOLD", "2.50")
        .env("CHAT_MODELS", "gpt-4o-mini, openai/gpt-4o");
    let gateway = launch.serve().await;
    let health = gateway.get("/health").await.ok();
    assert_eq!(health["status"], "ok");
    let configuration = &health["configuration"];
    for (key, value) in [
        ("logLevel", json!("warn")),
        ("defaultLayer", json!("L1")),
        ("maxEscalationLayer", json!("L3")),
        ("enableCrossCheck", json!(false)),
        ("enableAutoEscalate", json!(true)),
        ("enableCostTracking", json!(true)),
        ("costAlertThreshold", json!(2.5)),
        ("layerControl", json!({"L0": true, "L1": true, "L2": false, "L3": true})),
    ] {
        assert_eq!(configuration[key], value, "{key}");
    }
    let tasks = &configuration["taskSpecificModels"];
    assert_eq!(tasks["chat"], json!(["gpt-4o-mini", "openai/gpt-4o"]));
    assert_eq!(tasks["code"], "default");
    assert_eq!(tasks["createProject"], "default");
    assert_eq!(
        health["healthyProviders"],
        json!(["anthropic", "openai", "openrouter"]),
        "{health}"
    );
    assert_eq!(health["layers"]["L2"]["enabled"], false);
    assert_eq!(health["layers"]["L1"]["models"], json!(["openai/gpt-4o-mini"]));
    let reply = crate::http::send(
        gateway.address,
        "OPTIONS",
        "/v1/route",
        &[("origin", "https://app.example"), ("access-control-request-method", "POST")],
        bytes::Bytes::new(),
    );
    assert_eq!(reply.await.header("access-control-allow-origin"), "https://app.example");
}

/// What the protocol is asked there is in `mcp.rs`.
#[tokio::test(flavor = "multi_thread")]
async fn mode_mcp_without_a_terminal_speaks_mcp_until_its_input_ends() {
    let ran = Launch::new().run(&[], Some("")).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_follow_the_environment() {
    let simulator = simulator().await;
    let url = simulator.base_url();
    let gateway = three_providers(&url).serve().await;
    let answer = route(&gateway, "hi", json!({})).await;
    assert_eq!(answer["routing"]["layer"], "L0", "{answer}");
    let answer = route(&gateway, "hi", json!({"qualityLevel": "critical"})).await;
    assert_eq!(answer["routing"]["layer"], "L2", "{answer}");
    drop(gateway);
    let gateway = three_providers(&url).env("DEFAULT_LAYER", "L1").serve().await;
    let answer = route(&gateway, "hi", json!({})).await;
    assert_eq!(answer["routing"]["layer"], "L1", "{answer}");
    assert_eq!(answer["result"]["model"], "openai/gpt-4o-mini");
    drop(gateway);
    let launch = three_providers(&url)
        .env("DEFAULT_LAYER", "L1")
        .env("LAYER_L1_ENABLED", "false")
        .env("MAX_ESCALATION_LAYER", "L2");
    let gateway = launch.serve().await;
    let answer = route(&gateway, "hi", json!({})).await;
    assert_eq!(answer["routing"]["layer"], "L2", "{answer}");
    drop(gateway);
    let gateway = three_providers(&url).env("MAX_ESCALATION_LAYER", "L1").serve().await;
    for more in [json!({"qualityLevel": "critical"}), json!({"qualityLevel": "high"})] {
        let hard = "Design the architecture of a distributed database and prove it correct.";
        let answer = route(&gateway, hard, more).await;
        assert!(["L0", "L1"].contains(&answer["routing"]["layer"].as_str().unwrap()), "{answer}");
    }
}

/// A3: the lists decide.
#[tokio::test(flavor = "multi_thread")]
async fn task_lists_choose_the_model() {
    let simulator = simulator().await;
    let url = simulator.base_url();
    let code = "```rust\nfn main() { println!(\"{}\", x) }\n```\nfix this function";
    let plain = three_providers(&url).env("DEFAULT_LAYER", "L2").serve().await;
    let before = route(&plain, code, json!({})).await["result"]["model"].clone();
    let other =
        if before == "openai/gpt-4o" { "anthropic/claude-haiku-4-5" } else { "openai/gpt-4o" };
    drop(plain);
    let launch = three_providers(&url).env("DEFAULT_LAYER", "L2").env("CODE_MODELS", other);
    let gateway = launch.serve().await;
    let answer = route(&gateway, code, json!({})).await;
    assert_eq!(answer["result"]["model"], other, "{answer}");
    assert!(answer["routing"]["reason"].as_str().unwrap().contains("CODE_MODELS"), "{answer}");
    // Another task does not follow that list.
    let answer = route(&gateway, "good morning, how are you", json!({})).await;
    assert_ne!(answer["routing"]["taskType"], "code", "{answer}");
    assert!(!answer["routing"]["reason"].as_str().unwrap().contains("CODE_MODELS"), "{answer}");
}

/// With nothing configured a model server of this machine goes before simulated models.
#[tokio::test(flavor = "multi_thread")]
async fn a_local_model_that_is_found_answers_instead_of_the_demo() {
    let simulator = simulator().await;
    let gateway =
        Launch::new().env("GATEWAY_DEMO__LOCAL_ADDRESS", simulator.base_url()).serve().await;
    let health = gateway.get("/health").await.ok();
    assert_eq!(health["demo"], false, "{health}");
    let answer = route(&gateway, "hi", json!({})).await;
    assert_eq!(answer["result"]["provider"], "ollama", "{answer}");
    assert_eq!(answer["demo"], false);
}

/// A2: switched on, the local model is listed in L0 and answers.
#[tokio::test(flavor = "multi_thread")]
async fn the_local_model_answers_for_nothing() {
    let simulator = simulator().await;
    let launch = Launch::new()
        .env("OSS_MODEL_ENABLED", "true")
        .env("OSS_MODEL_ENDPOINT", simulator.base_url())
        .env("OSS_MODEL_NAME", "llama3:8b");
    let gateway = launch.serve().await;
    let health = gateway.get("/health").await.ok();
    assert_eq!(health["layers"]["L0"]["models"], json!(["ollama/llama3:8b"]), "{health}");
    assert_eq!(health["demo"], false);
    let answer = route(&gateway, "hi", json!({})).await;
    assert_eq!(answer["result"]["model"], "ollama/llama3:8b");
    assert_eq!(answer["routing"]["summary"], "Single model: ollama/llama3:8b (layer L0)");
    assert_eq!(answer["performance"]["cost"], 0.0);
    assert_eq!(answer["performance"]["costState"], "priced");
    assert_eq!(answer["demo"], false);
    let sent = last(&simulator);
    assert_eq!(sent.json()["model"], "llama3:8b");
    assert_eq!(sent.path, "/v1/chat/completions");
    let stats = gateway.get("/v1/server-stats").await.ok();
    assert_eq!(stats["providers"]["ossLocal"], true, "{stats}");
    assert_eq!(stats["providers"]["openai"], false, "{stats}");
    let models = gateway.get("/v1/models").await.ok();
    assert!(models.to_string().contains("ollama/llama3:8b"), "{models}");
}

#[tokio::test(flavor = "multi_thread")]
async fn openrouter_stands_in_for_openai_and_anthropic() {
    let simulator = simulator().await;
    let launch = three_providers(&simulator.base_url())
        .env("OPENROUTER_REPLACE_OPENAI", "openai/gpt-4o-mini")
        .env("OPENROUTER_REPLACE_CLAUDE", "anthropic/claude-3.5-haiku");
    let gateway = launch.serve().await;
    fail_key(&simulator, "key-openai", "500");
    fail_key(&simulator, "key-anthropic", "bad-key");
    let answer = route(&gateway, "hi", json!({"preferredLayer": "L1"})).await;
    assert_eq!(answer["result"]["model"], "openrouter/openai/gpt-4o-mini", "{answer}");
    assert_eq!(answer["result"]["provider"], "openrouter");
    assert_eq!(answer["routing"]["layer"], "L1");
    assert!(answer["performance"]["cost"].as_f64().unwrap() > 0.0, "A23: {answer}");
    let summary = answer["routing"]["summary"].as_str().unwrap();
    assert!(summary.contains("openrouter/openai/gpt-4o-mini"), "{summary}");
    let body = json!({"model": "claude-opus-4-5", "max_tokens": 50,
        "messages": [{"role": "user", "content": "hi"}]});
    let reply = gateway.post("/v1/messages", &body).await;
    reply.ok();
    assert!(reply.header("x-gateway-model").starts_with("openrouter/anthropic/"), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn spending_over_the_alert_is_told_once() {
    let simulator = simulator().await;
    let launch = three_providers(&simulator.base_url()).env("COST_ALERT_THRESHOLD", "0.00000001");
    let gateway = launch.serve().await;
    for _ in 0..3 {
        route(&gateway, "hi", json!({"preferredLayer": "L1"})).await;
    }
    let warnings = || gateway.stderr().matches("COST_ALERT_THRESHOLD").count();
    until("the warning", async || (warnings() > 0).then_some(())).await;
    assert_eq!(warnings(), 1, "{}", gateway.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn free_models_are_found_where_layer_zero_is_empty() {
    let listing = json!({"data": [
        {"id": "free-a/small:free", "name": "A", "context_length": 9000,
            "pricing": {"prompt": "0", "completion": "0"},
            "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]}},
        {"id": "free-b/large:free", "name": "B", "context_length": 200_000,
            "pricing": {"prompt": "0", "completion": "0"},
            "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]}},
        {"id": "paid/model", "name": "C", "context_length": 900_000,
            "pricing": {"prompt": "0.001", "completion": "0.002"},
            "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]}},
    ]});
    let stub = Stub::start(move |asked| match asked.method.as_str() {
        "GET" => (200, listing.to_string()),
        _ => (200, completion("found")),
    })
    .await;
    let launch = Launch::new()
        .env("OPENROUTER_API_KEY", "key")
        .env("OPENROUTER_BASE_URL", format!("{}/api/v1", stub.url()))
        .toml("[providers.openrouter]\nmodels_allow = [\"free-*\", \"paid/*\"]\n");
    let gateway = launch.serve().await;
    let health = until("free models", async || {
        let health = gateway.get("/health").await.ok();
        let is_found = health["layers"]["L0"]["models"].as_array().is_some_and(|it| !it.is_empty());
        is_found.then_some(health)
    })
    .await;
    let models = &health["layers"]["L0"]["models"];
    let expected = ["openrouter/free-b/large:free", "openrouter/free-a/small:free"];
    assert_eq!(*models, json!(expected), "largest context first");
    assert!(stub.seen().iter().any(|asked| asked.uri == "/api/v1/models"), "{:?}", stub.seen());
    let answer = route(&gateway, "hi", json!({})).await;
    assert_eq!(answer["result"]["model"], expected[0], "{answer}");
    assert_eq!(answer["routing"]["layer"], "L0");
    assert_eq!(answer["performance"]["cost"], 0.0);
    let sent: Value = serde_json::from_slice(&stub.seen().last().unwrap().body).unwrap();
    assert_eq!(sent["model"], "free-b/large:free");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dot_env_file_is_read_and_gives_way_to_the_environment() {
    let simulator = simulator().await;
    let text = format!(
        "# keys\nexport OPENAI_API_KEY='key-from-file'\nOPENAI_BASE_URL={}/v1\nDEFAULT_LAYER=L3\n\
         LAYER_L1_MODELS=openai/gpt-4o-mini\n",
        simulator.base_url()
    );
    let gateway = Launch::new().file(".env", &text).env("DEFAULT_LAYER", "L1").serve().await;
    let answer = route(&gateway, "hi", json!({})).await;
    assert_eq!(answer["result"]["model"], "openai/gpt-4o-mini", "{answer}");
    assert_eq!(last(&simulator).headers["authorization"], "Bearer key-from-file");
    assert!(!gateway.stderr().contains("key-from-file"));
}

#[tokio::test(flavor = "multi_thread")]
async fn system_a_finds_its_field_names() {
    let simulator = simulator().await;
    let gateway = three_providers(&simulator.base_url()).serve().await;
    let ask = json!({"conversationId": "c7", "message": "hi", "userId": "u", "projectId": "p",
        "qualityLevel": "normal", "model": "L1"});
    let route = gateway.post("/v1/route", &ask).await.ok();
    assert_keys(&route, &["result", "routing", "context", "performance"]);
    assert_keys(&route["result"], &["response", "model", "provider"]);
    assert_keys(&route["routing"], &["summary", "fromCache"]);
    assert_eq!(route["routing"]["fromCache"], false);
    assert_eq!(route["context"]["conversationId"], "c7");
    assert_keys(&route["performance"], &["durationMs", "tokens", "cost"]);
    assert_eq!(keys(&route["performance"]["tokens"]), ["input", "output"]);
    let chat = gateway.post("/v1/chat", &ask).await.ok();
    assert_keys(&chat, &["result", "performance"]);
    assert_keys(&chat["result"], &["response", "model"]);
    assert_keys(&chat["performance"], &["durationMs", "cost"]);

    let empty = gateway.get("/v1/context/nobody").await.ok();
    assert_eq!(empty, json!({"conversationId": "nobody", "summary": null, "recentMessages": []}));
    let summary = json!({"stack": ["rust"], "decisions": ["x"]});
    let stored = gateway.post("/v1/context/c7", &json!({"summary": summary})).await.ok();
    assert_eq!(stored["success"], true);
    assert_eq!(stored["conversationId"], "c7");
    let context = gateway.get("/v1/context/c7").await.ok();
    assert_eq!(context["summary"]["stack"], json!(["rust"]));
    assert_eq!(context["summary"]["conversationId"], "c7");
    assert!(context["summary"]["lastUpdated"].is_string(), "{context}");
    let messages = context["recentMessages"].as_array().unwrap();
    assert_eq!(messages.len(), 4);
    for message in messages {
        assert_keys(message, &["role", "content", "metadata", "timestamp"]);
    }
    // A26: a stored summary does not break what comes after it, and the model sees it.
    gateway.post("/v1/chat", &ask).await.ok();
    assert!(last(&simulator).json().to_string().contains("Key Decisions"));

    let health = gateway.get("/health").await.ok();
    let wanted = [
        "status",
        "redis",
        "database",
        "timestamp",
        "providers",
        "layers",
        "healthyProviders",
        "configuration",
    ];
    assert_keys(&health, &wanted);
    for layer in ["L0", "L1", "L2", "L3"] {
        assert_keys(&health["layers"][layer], &["enabled", "models", "providers"]);
    }
}

/// A10, A11, A12: the figures are those of the answers.
#[tokio::test(flavor = "multi_thread")]
async fn sums_are_those_of_the_answers() {
    let simulator = simulator().await;
    let gateway = three_providers(&simulator.base_url()).serve().await;
    let (mut input, mut output, mut pico) = (0, 0, 0);
    for number in 0..6 {
        let layer = if number % 2 == 0 { "L1" } else { "L2" };
        let more = json!({"preferredLayer": layer, "conversationId": "sum", "userId": "ada"});
        let answer = route(&gateway, &format!("question {number}"), more).await;
        let performance = &answer["performance"];
        input += performance["tokens"]["input"].as_u64().unwrap();
        output += performance["tokens"]["output"].as_u64().unwrap();
        pico += performance["costPicoUsd"].as_i64().unwrap();
    }
    assert!(pico > 0);
    let tokens = json!({"input": input, "output": output});
    let stats = gateway.get("/v1/stats?groupBy=layer").await.ok();
    assert_eq!(stats["totalCalls"], 6);
    assert_eq!(stats["totalTokens"], tokens);
    assert_eq!(stats["totalCostPicoUsd"], pico);
    assert_eq!(stats["cacheHitRate"], 0.0);
    assert_eq!(stats["byLayer"]["L1"]["calls"], 3, "{stats}");
    assert_eq!(stats["byLayer"]["L2"]["calls"], 3, "{stats}");
    let by_model = gateway.get("/v1/stats?groupBy=model&userId=ada").await.ok();
    assert_eq!(by_model["byModel"]["openai/gpt-4o-mini"]["calls"], 3, "{by_model}");
    assert_keys(&by_model["byModel"]["openai/gpt-4o-mini"], &["calls", "cost", "tokens"]);
    assert_eq!(gateway.get("/v1/stats?userId=bob").await.ok()["totalCalls"], 0);
    assert_eq!(gateway.get("/v1/stats?endDate=2001-01-01").await.ok()["totalCalls"], 0);
    let conversation = gateway.get("/v1/stats/conversation/sum").await.ok();
    assert_eq!(conversation["messageCount"], 12);
    assert_eq!(conversation["llmCalls"], 6);
    assert_eq!(conversation["totalTokens"], tokens, "A11");
    assert_eq!(conversation["totalCostPicoUsd"], pico);
    assert_keys(&conversation, &["conversationId", "totalCost", "createdAt", "updatedAt"]);
    let missing = gateway.get("/v1/stats/conversation/none").await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.json()["error"], "Conversation not found");

    let server = gateway.get("/v1/server-stats").await.ok();
    assert_keys(
        &server,
        &["uptime", "requests", "llm", "memory", "providers", "cache", "database", "timestamp"],
    );
    assert_eq!(server["llm"]["totalCalls"], 6);
    assert_eq!(server["llm"]["tokens"]["total"], input + output);
    assert_eq!(server["llm"]["cost"]["totalPicoUsd"], pico);
    assert_eq!(server["llm"]["cost"]["currency"], "USD");
    assert!(server["requests"]["total"].as_u64().unwrap() >= 6);
    for name in ["openai", "anthropic", "openrouter"] {
        assert_eq!(server["providers"][name], true, "A12: {server}");
    }
    assert_eq!(server["providers"]["ossLocal"], false);
    assert!(server["memory"]["rss"].as_f64().unwrap() > 1.0);
}

/// A12: the mean is measured.
#[tokio::test(flavor = "multi_thread")]
async fn the_mean_duration_is_not_zero() {
    let simulator = simulator().await;
    let gateway = three_providers(&simulator.base_url()).serve().await;
    fail_key(&simulator, "key-openai", "slow=120");
    for _ in 0..2 {
        route(&gateway, "hi", json!({"preferredLayer": "L1"})).await;
    }
    let server = gateway.get("/v1/server-stats").await.ok();
    assert!(server["requests"]["averageDuration"].as_u64().unwrap() >= 60, "{server}");
}

/// A8, A13: layer used, reported and stored are one.
#[tokio::test(flavor = "multi_thread")]
async fn the_layer_is_the_same_everywhere() {
    let simulator = simulator().await;
    let gateway = three_providers(&simulator.base_url()).serve().await;
    for layer in ["L0", "L1", "L2"] {
        let body = json!({"conversationId": "c", "message": "hi", "preferredLayer": layer});
        let reply = gateway.post("/v1/route", &body).await;
        let answer = reply.ok();
        assert_eq!(answer["routing"]["layer"], layer);
        assert!(answer["routing"]["summary"].as_str().unwrap().contains(&format!("layer {layer}")));
        assert_eq!(reply.header("x-gateway-layer"), layer);
        let kept = gateway.store().call(answer["callId"].as_str().unwrap()).unwrap();
        assert_eq!(kept.layer.as_deref(), Some(layer));
        assert_eq!(answer["result"]["model"], kept.model_id);
        assert_eq!(reply.header("x-gateway-model"), kept.model_id);
    }
}

/// A9: the second turn sees the first, without any summary.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_turn_sees_the_first() {
    let simulator = simulator().await;
    let gateway = three_providers(&simulator.base_url()).serve().await;
    for path in ["/v1/chat", "/v1/route"] {
        let ask =
            |message: &str| json!({"conversationId": path, "message": message, "model": "L1"});
        gateway.post(path, &ask("the word is plum")).await.ok();
        gateway.post(path, &ask("which word?")).await.ok();
        let sent = last(&simulator).json();
        assert_eq!(sent["messages"].as_array().unwrap().len(), 3, "{sent}");
        assert!(sent["messages"][0]["content"].to_string().contains("plum"), "{sent}");
    }
    // A dialect's door does the same where its headers ask for it.
    let named = [("x-gateway-conversation-id", "/v1/chat"), ("x-gateway-recall", "history")];
    let body = json!({"model": "L1", "messages": [{"role": "user", "content": "again?"}]});
    let bytes = body.to_string();
    gateway.post_bytes("/v1/chat/completions", &named, bytes.into()).await.ok();
    assert_eq!(last(&simulator).json()["messages"].as_array().unwrap().len(), 5);
    gateway.post_bytes("/v1/chat/completions", &named[..1], body.to_string().into()).await.ok();
    assert_eq!(last(&simulator).json()["messages"].as_array().unwrap().len(), 1);
}

/// A21: nothing is invented where the model says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_answer_is_an_error() {
    let simulator = simulator().await;
    let gateway = three_providers(&simulator.base_url()).serve().await;
    for path in ["/v1/route", "/v1/chat"] {
        let body = json!({"conversationId": "c", "message": "sim:words=0", "model": "L1"});
        let reply = gateway.post(path, &body).await;
        assert_eq!(reply.status, 502, "{}", reply.text());
        assert!(reply.json()["error"].as_str().unwrap().contains("without a word"));
    }
}

/// A22: what one request did wrong does not take a provider from the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_takes_nobody_out() {
    let simulator = simulator().await;
    let gateway = three_providers(&simulator.base_url()).serve().await;
    fail_key(&simulator, "key-openai", "400");
    let body =
        json!({"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]});
    for _ in 0..8 {
        assert_eq!(gateway.post("/v1/chat/completions", &body).await.status, 400);
    }
    simulator.reset();
    let reply = gateway.post("/v1/chat/completions", &body).await;
    reply.ok();
    assert_eq!(reply.header("x-gateway-model"), "openai/gpt-4o-mini");
    assert_eq!(gateway.get("/v1/server-stats").await.ok()["providers"]["openai"], true);
}
