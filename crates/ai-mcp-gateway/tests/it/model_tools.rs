//! The gateway's own MCP tools through the real program: system B's `chat_completion` over every kind
//! of provider, and what stands beside it.

use serde_json::{Value, json};

use crate::gateway::Launch;
use crate::mcp::Stdio;
use crate::upstream::{Stub, both_dialects, last, simulator};

fn question(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "hi"}]})
}

/// The JSON in a tool's one text.
fn body(answer: &Value) -> Value {
    let text = answer["result"]["content"][0]["text"].as_str();
    serde_json::from_str(text.unwrap_or_else(|| panic!("{answer}"))).unwrap()
}

async fn names(client: &mut Stdio) -> Vec<String> {
    let list = client.request("tools/list", json!({})).await;
    let tools = list["result"]["tools"].as_array().unwrap();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_system_b_finds_its_tool_and_its_answer() {
    let simulator = simulator().await;
    let launch = Launch::new()
        .env("API_KEY", "key-b")
        .env("API_ENDPOINT", format!("{}/v1", simulator.base_url()))
        .env("DEFAULT_MODEL", "house-model")
        .env("DESCRIPTION", "Use house-model for houses.");
    let mut client = Stdio::start(&launch, "search", false, json!({})).await;
    let list = client.request("tools/list", json!({})).await;
    let tools = list["result"]["tools"].as_array().unwrap();
    let tool = tools.iter().find(|tool| tool["name"] == "chat_completion").unwrap();
    let text = tool["description"].as_str().unwrap();
    assert!(text.ends_with("\n\nUse house-model for houses."), "{text}");
    assert_eq!(tool["inputSchema"]["required"], json!(["messages"]));
    let about = tool["inputSchema"]["properties"]["model"]["description"].as_str().unwrap();
    assert!(about.contains("house-model"), "{about}");

    let arguments = json!({
        "messages": [
            {"role": "system", "content": "one"},
            {"role": "system", "content": "two"},
            {"role": "user", "content": "hi"},
        ],
        "stop": "END", "top_p": 0.5, "response_format": {"type": "json_object"},
    });
    let answer = client.call("chat_completion", arguments).await;
    let answer_body = body(&answer);
    assert_eq!(answer_body["object"], "chat.completion", "{answer}");
    assert!(answer_body["choices"][0]["message"]["content"].is_string());
    let about = &answer["result"]["_meta"]["ai-mcp-gateway/call"];
    assert_eq!(about["model"], "default/house-model", "{about}");
    let sent = last(&simulator).json();
    assert_eq!(sent["model"], "house-model");
    assert_eq!(sent["messages"].as_array().unwrap().len(), 3);
    assert_eq!((&sent["stop"], &sent["top_p"]), (&json!("END"), &json!(0.5)));
    assert_eq!(sent["response_format"], json!({"type": "json_object"}));

    // What is wrong is told as a result, with its code.
    for arguments in [json!({}), json!({"messages": []}), json!({"messages": "hi"})] {
        let answer = client.call("chat_completion", arguments).await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        let error = &answer["result"]["_meta"]["ai-mcp-gateway/error"];
        assert_eq!(error["code"], "invalid_request", "{answer}");
    }
}

/// System B's Anthropic users read Anthropic's answers; every system message reaches the provider (B3).
#[tokio::test(flavor = "multi_thread")]
async fn an_anthropic_endpoint_answers_in_its_own_format() {
    let simulator = simulator().await;
    let launch = Launch::new()
        .env("API_FORMAT", "anthropic")
        .env("API_KEY", "key-b")
        .env("API_ENDPOINT", simulator.base_url());
    let mut client = Stdio::start(&launch, "all", true, json!({})).await;
    let arguments = json!({
        "model": "claude-x",
        "messages": [
            {"role": "system", "content": "one"},
            {"role": "user", "content": "hi"},
            {"role": "system", "content": "two"},
        ],
    });
    let answer = client.call("chat_completion", arguments).await;
    let answer_body = body(&answer);
    assert_eq!(answer_body["type"], "message", "{answer}");
    assert!(answer_body["content"][0]["text"].is_string(), "{answer}");
    let sent = last(&simulator).json();
    let whole = sent.to_string();
    assert!(whole.contains("one") && whole.contains("two"), "{sent}");
    assert!(sent["max_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_carries_the_words_and_the_call_is_on_record() {
    let simulator = simulator().await;
    let launch = Launch::new().toml(&both_dialects(&simulator.base_url()));
    for model in ["o/sim-small", "a/sim-small"] {
        let mut client = Stdio::start(&launch, "search", false, json!({})).await;
        let params = json!({"name": "chat_completion", "arguments": question(model),
            "_meta": {"progressToken": "mine"}});
        let answer = client.request("tools/call", params).await;
        let told: String = client
            .heard
            .iter()
            .filter(|it| it["params"]["progressToken"] == "mine")
            .map(|it| it["params"]["message"].as_str().unwrap())
            .collect();
        let whole = body(&answer);
        assert_eq!(whole["choices"][0]["message"]["content"], json!(told), "{model}");
        assert!(whole["usage"]["total_tokens"].as_u64().unwrap() > 0, "{whole}");
        let about = &answer["result"]["_meta"]["ai-mcp-gateway/call"];
        assert_ne!(about["costUsd"], json!(null), "{about}");
    }
    // The same sums as on every other door.
    let mut client = Stdio::start(&launch, "all", false, json!({})).await;
    let sums = body(&client.call("usage_stats", json!({"groupBy": "model"})).await);
    assert_eq!(sums["totalCalls"], 2, "{sums}");
    assert_eq!(sums["byModel"]["a/sim-small"]["calls"], 1, "{sums}");
    assert!(sums["totalCost"].as_f64().unwrap() > 0.0);
    let models = body(&client.call("list_models", json!({"query": "sim-small"})).await);
    assert_eq!(models["found"], 2, "{models}");
    assert_eq!(models["models"][0]["layer"], "L1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_asked_before_a_paid_model_answers() {
    let simulator = simulator().await;
    let launch = Launch::new().toml(&both_dialects(&simulator.base_url()));
    let form = json!({"elicitation": {"form": {}}});
    for is_modern in [false, true] {
        let mut client = Stdio::start(&launch, "search", is_modern, form.clone()).await;
        let before = simulator.requests().len();
        client.says = Some(json!({"action": "decline"}));
        let answer = client.call("chat_completion", question("o/sim-small")).await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        let asked = client.heard.iter().map(Value::to_string).collect::<String>();
        assert!(asked.contains("o/sim-small") && asked.contains("costs at most $"), "{asked}");
        assert_eq!(simulator.requests().len(), before, "nobody agreed and a model was asked");

        client.says = Some(json!({"action": "accept", "content": {"remember": true}}));
        let answer = client.call("chat_completion", question("o/sim-small")).await;
        assert!(answer["result"].get("isError").is_none(), "{answer}");
        client.heard.clear();
        client.says = Some(json!({"action": "decline"}));
        let answer = client.call("chat_completion", question("o/sim-small")).await;
        assert!(answer["result"].get("isError").is_none(), "asked again: {answer}");
        assert!(client.heard.is_empty(), "{:?}", client.heard);
    }
    // Where nobody can be asked, and where nobody wants to be.
    let mut client = Stdio::start(&launch, "search", false, json!({})).await;
    let answer = client.call("chat_completion", question("o/sim-small")).await;
    assert!(answer["result"].get("isError").is_none(), "{answer}");
    let launch = launch.env("GATEWAY_MCP__CONFIRM_PAID", "false");
    let mut client = Stdio::start(&launch, "search", false, form).await;
    client.says = Some(json!({"action": "decline"}));
    let answer = client.call("chat_completion", question("o/sim-small")).await;
    assert!(answer["result"].get("isError").is_none(), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn own_tools_are_searched_described_invoked_and_run_as_jobs() {
    let simulator = simulator().await;
    let launch = Launch::new().toml(&both_dialects(&simulator.base_url()));
    let mut client = Stdio::start(&launch, "search", false, json!({})).await;
    let found = client.text("gateway.search", json!({"query": "coding task"})).await;
    assert!(found.contains("gateway::code_agent"), "{found}");
    let told = client.text("gateway.describe", json!({"id": "gateway::code_agent"})).await;
    assert!(told.contains("existingCode"), "{told}");
    let arguments = json!({"id": "gateway::code_agent",
        "args": {"task": "sort a list", "context": {"language": "rust", "requirements": ["fast"]}}});
    let answer = body(&client.call("gateway.invoke", arguments).await);
    assert_eq!(answer["success"], true, "{answer}");
    assert!(answer["data"]["routing"]["tokens"]["total"].as_u64().unwrap() > 0);
    let sent = last(&simulator).json();
    assert!(sent.to_string().contains("1. fast"), "{sent}");

    let arguments = json!({"id": "gateway::chat_completion", "args": question("o/sim-small")});
    let job = body(&client.call("gateway.invoke_async", arguments).await);
    let deadline = tokio::time::Instant::now() + crate::gateway::PATIENCE;
    let job = loop {
        let job = body(&client.call("gateway.invoke_status", json!({"jobId": job["jobId"]})).await);
        if job["status"] == "completed" {
            break job;
        }
        assert!(tokio::time::Instant::now() < deadline, "{job}");
    };
    let text = job["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("chat.completion"), "{job}");
}

/// A call that took too long is ended at the provider too.
#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_call_is_withdrawn_from_the_model() {
    let simulator = simulator().await;
    let launch = Launch::new().toml(&both_dialects(&simulator.base_url()));
    crate::upstream::fail_key(&simulator, "key-o", "never");
    let mut client = Stdio::start(&launch, "search", false, json!({})).await;
    let arguments = json!({"id": "gateway::chat_completion", "args": question("o/sim-small"),
        "timeoutMs": 300});
    let answer = client.call("gateway.invoke", arguments).await;
    assert_eq!(answer["result"]["content"][0]["text"], "TIMEOUT", "{answer}");
    crate::upstream::seen(&simulator, |seen| seen.client_left).await;
}

#[tokio::test]
async fn without_a_provider_standard_input_has_no_model_tools() {
    let mut client = Stdio::start(&Launch::new(), "all", false, json!({})).await;
    assert!(names(&mut client).await.is_empty());
    let launch = Launch::new().env("GATEWAY_MCP__MODEL_TOOLS", "on");
    let mut client = Stdio::start(&launch, "all", false, json!({})).await;
    let all = ["chat_completion", "code_agent", "list_models", "usage_stats", "get_context"];
    assert_eq!(names(&mut client).await, all);
    let stub = Stub::start(|_| (500, String::new())).await;
    let launch = Launch::new()
        .env("API_KEY", "k")
        .env("API_ENDPOINT", stub.url())
        .env("GATEWAY_MCP__MODEL_TOOLS", "off");
    let mut client = Stdio::start(&launch, "all", false, json!({})).await;
    assert!(names(&mut client).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_the_models_alone_have_an_address() {
    let simulator = simulator().await;
    let launch = Launch::new().toml(&both_dialects(&simulator.base_url()));
    let gateway = launch.serve().await;
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "chat_completion", "arguments": question("a/sim-small"), "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {}}}});
    let headers = [
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "chat_completion"),
    ];
    let open = gateway.post_bytes("/mcp/gateway", &headers, call.to_string().into()).await;
    let answer = open.ok();
    assert_eq!(body(&answer)["model"], "sim-small", "{answer}");
}
