//! MCP through the real program: both eras on both sides, over stdio and HTTP, with servers that do
//! well and servers that do not.

use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

use crate::gateway::{Launch, PATIENCE};

fn fixture() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/mcp/fixture.mjs");
    path.to_str().unwrap().to_owned()
}

fn node() -> String {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|folder| folder.join("node"));
    found.into_iter().find(|file| file.is_file()).unwrap().to_str().unwrap().to_owned()
}

/// A server of the given era, as the configuration names it.
fn server(name: &str, era: &str, more: &str) -> String {
    format!(
        "[mcp.servers.{name}]\ncommand = [{:?}, {:?}, \"--era\", {era:?}]\n{more}\n",
        node(),
        fixture()
    )
}

/// A client on the program's standard input and output.
pub(crate) struct Stdio {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    next: u64,
    /// What came beside answers.
    pub(crate) heard: Vec<Value>,
    is_modern: bool,
    capabilities: Value,
    /// What a person says when asked; the usual where not set.
    pub(crate) says: Option<Value>,
}

impl Stdio {
    pub(crate) async fn start(
        launch: &Launch,
        show: &str,
        is_modern: bool,
        capabilities: Value,
    ) -> Self {
        let mut command = launch.command();
        command.args(["stdio", "--show", show]).stdin(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut client = Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()).lines(),
            _child: child,
            next: 0,
            heard: Vec::new(),
            is_modern,
            capabilities: capabilities.clone(),
            says: None,
        };
        if !is_modern {
            let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities,
                "clientInfo": {"name": "test", "version": "1"}});
            let hello = client.request("initialize", params).await;
            assert_eq!(hello["result"]["protocolVersion"], "2025-11-25", "{hello}");
            client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        }
        client
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        self.input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    /// The next message; every line of the output is one.
    async fn next(&mut self) -> Value {
        let line = timeout(PATIENCE, self.output.next_line()).await.expect("an answer in time");
        let line = line.unwrap().expect("the program still speaks");
        let message: Value = serde_json::from_str(&line).expect("every line is JSON");
        assert_eq!(message["jsonrpc"], "2.0");
        message
    }

    pub(crate) async fn begin(&mut self, method: &str, mut params: Value) -> u64 {
        self.next += 1;
        if self.is_modern {
            params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
            params["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
                self.capabilities.clone();
        }
        let id = self.next;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
        id
    }

    /// Asks, and answers what is asked back.
    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, params.clone()).await;
        let answer = self.answer_to(id).await;
        if answer["result"]["resultType"] != "input_required" {
            return answer;
        }
        assert!(self.is_modern);
        self.heard.push(answer.clone());
        let mut again = params;
        let mut responses = json!({});
        for (key, question) in answer["result"]["inputRequests"].as_object().unwrap() {
            responses[key] = self.says.clone().unwrap_or_else(|| reply_to(question));
        }
        again["inputResponses"] = responses;
        if let Some(state) = answer["result"].get("requestState") {
            again["requestState"] = state.clone();
        }
        Box::pin(self.request(method, again)).await
    }

    pub(crate) async fn answer_to(&mut self, id: u64) -> Value {
        loop {
            let message = self.next().await;
            if message.get("method").is_some() && message.get("id").is_some() {
                assert!(!self.is_modern, "a modern client is never asked: {message}");
                self.heard.push(message.clone());
                let result = self.says.clone().unwrap_or_else(|| reply_to(&message));
                self.send(&json!({"jsonrpc": "2.0", "id": message["id"], "result": result})).await;
            } else if message["id"] == id {
                return message;
            } else {
                self.heard.push(message);
            }
        }
    }

    pub(crate) async fn call(&mut self, name: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({"name": name, "arguments": arguments})).await
    }

    pub(crate) async fn text(&mut self, name: &str, arguments: Value) -> String {
        let answer = self.call(name, arguments).await;
        let text = answer["result"]["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("{answer}")).to_owned()
    }
}

/// What a person or a model would say.
fn reply_to(question: &Value) -> Value {
    match question["method"].as_str().unwrap() {
        "elicitation/create" => {
            json!({"action": "accept", "content": {"name": "Ada", "username": "Ada", "email": "a@b.c"}})
        }
        "sampling/createMessage" => json!({"role": "assistant", "model": "m",
            "content": {"type": "text", "text": "Paris"}}),
        "roots/list" => json!({"roots": [{"uri": "file:///r"}]}),
        other => panic!("{other}"),
    }
}

fn everything() -> Value {
    json!({"elicitation": {"form": {}}, "sampling": {}, "roots": {}})
}

#[tokio::test]
async fn four_cells_of_eras_serve_questions_progress_and_cancellation() {
    let launch = Launch::new().toml(&format!(
        "{}{}",
        server("old", "legacy", ""),
        server("new", "modern", "")
    ));
    for is_modern_client in [false, true] {
        let mut client = Stdio::start(&launch, "all", is_modern_client, everything()).await;
        let said = client.text("old__test_elicitation", json!({"message": "Who?"})).await;
        assert!(said.contains("action=accept") && said.contains("Ada"), "{said}");
        let said = client.text("old__test_sampling", json!({"prompt": "?"})).await;
        assert_eq!(said, "LLM response: Paris");
        let said = client.text("new__test_input_required_result_elicitation", json!({})).await;
        assert_eq!(said, "Hello, Ada!");
        let said = client.text("new__test_input_required_result_sampling", json!({})).await;
        assert_eq!(said, "Paris");
        let said = client.text("new__test_input_required_result_multi_round", json!({})).await;
        assert!(said.starts_with("Your color"), "{said}");
        for server in ["old", "new"] {
            client.heard.clear();
            let params = json!({"name": format!("{server}__test_tool_with_progress"),
                "arguments": {}, "_meta": {"progressToken": "mine"}});
            client.request("tools/call", params).await;
            let steps = client.heard.iter().filter(|it| it["params"]["progressToken"] == "mine");
            assert_eq!(steps.count(), 3, "{server} {:?}", client.heard);

            let params = json!({"name": format!("{server}__wait"), "arguments": {"ms": 20_000}});
            let id = client.begin("tools/call", params).await;
            // Long enough under way to be known at the server.
            client.text(&format!("{server}__wait"), json!({"ms": 100})).await;
            let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
                "params": {"requestId": id}});
            client.send(&cancel).await;
            let name = format!("{server}__cancelled");
            let deadline = tokio::time::Instant::now() + PATIENCE;
            while client.text(&name, json!({})).await == "0" {
                assert!(tokio::time::Instant::now() < deadline, "{server} is never told");
            }
        }
    }
}

#[tokio::test]
async fn unknown_fields_and_numbers_pass_unchanged() {
    let launch = Launch::new().toml(&server("one", "both", ""));
    let mut client = Stdio::start(&launch, "all", false, json!({})).await;
    let line = r#"{"jsonrpc":"2.0","id":77,"method":"tools/call","params":{"name":"one__echo","arguments":{"big":12345678901234567890,"half":1.50}}}"#;
    client.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    let answer = client.answer_to(77).await;
    assert_eq!(answer["result"]["futureField"], json!([1.5]));
    let list = client.request("tools/list", json!({})).await;
    let tools = list["result"]["tools"].as_array().unwrap();
    assert!(tools.iter().all(|tool| tool["x-unknown"] == json!({"kept": 1})), "{}", tools[0]);
}

#[tokio::test]
async fn the_five_tools_search_describe_invoke_and_run_jobs() {
    let launch = Launch::new().toml(&server("one", "both", ""));
    let mut client = Stdio::start(&launch, "search", false, json!({})).await;
    let list = client.request("tools/list", json!({})).await;
    assert_eq!(list["result"]["tools"].as_array().unwrap().len(), 5);
    let found: Value = serde_json::from_str(
        &client.text("gateway.search", json!({"query": "simple text", "limit": 3})).await,
    )
    .unwrap();
    assert_eq!(found["results"][0]["id"], "one::test_simple_text");
    let described = client.text("gateway_describe", json!({"id": "one::echo"})).await;
    assert!(described.contains("\"inputSchema\"") && described.contains("x-unknown"));
    let answer =
        client.call("gateway.invoke", json!({"id": "one::test_error_handling", "args": {}})).await;
    assert_eq!(answer["result"]["isError"], true);
    for (arguments, code) in [
        (json!({"id": "one::nothing", "args": {}}), "TOOL_NOT_FOUND: one::nothing"),
        (json!({"id": "no::thing", "args": {}}), "SERVER_NOT_FOUND: no"),
        (json!({"id": "nothing", "args": {}}), "Invalid tool ID format: nothing"),
        (json!({"id": "one::hang", "args": {}, "timeoutMs": 50}), "TIMEOUT"),
    ] {
        let answer = client.call("gateway.invoke", arguments).await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        assert_eq!(answer["result"]["content"][0]["text"], code);
    }
    let queued: Value = serde_json::from_str(
        &client.text("gateway.invoke_async", json!({"id": "one::echo", "args": {"a": 1}})).await,
    )
    .unwrap();
    assert_eq!(queued["status"], "queued");
    let job = job_end(&mut client, &queued["jobId"]).await;
    assert_eq!(job["status"], "completed");
    assert_eq!(job["result"]["structuredContent"], json!({"a": 1}));
    let missing = client.call("gateway.invoke_status", json!({"jobId": "job_0"})).await;
    assert_eq!(missing["result"]["content"][0]["text"], "JOB_NOT_FOUND: job_0");
    drop(client);

    // Another process finds the result, for it is in the store.
    let mut again = Stdio::start(&launch, "search", false, json!({})).await;
    let job = job_end(&mut again, &queued["jobId"]).await;
    assert_eq!(job["status"], "completed");
}

async fn job_end(client: &mut Stdio, id: &Value) -> Value {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let text = client.text("gateway.invoke_status", json!({"jobId": id})).await;
        let job: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
        if job["finishedAt"].is_number() {
            return job;
        }
        assert!(tokio::time::Instant::now() < deadline, "{job}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_or_crashes_or_is_absent_harms_no_other() {
    let absent = "[mcp.servers.absent]\ncommand = [\"/no/such/program\"]\n";
    let silent = "[mcp.servers.silent]\ncommand = [\"/bin/sleep\", \"1000\"]\n";
    let config = format!(
        "[mcp]\nstartup_wait_ms = 3000\n{}{absent}{silent}{}",
        server("good", "both", ""),
        server("bad", "legacy", "")
    );
    let launch = Launch::new().toml(&config);
    let mut client = Stdio::start(&launch, "all", false, json!({})).await;
    client.request("tools/list", json!({})).await;
    let hanging = client.begin("tools/call", json!({"name": "bad__hang", "arguments": {}})).await;
    assert_eq!(client.text("good__echo", json!({})).await, "{}");
    let pid = client.text("bad__pid", json!({})).await;
    let crash = client.call("bad__crash", json!({})).await;
    let message = crash["error"]["message"].as_str().unwrap();
    assert!(message.contains("MCP server `bad`"), "{message}");
    let hung = client.heard.iter().any(|it| it["id"] == hanging);
    assert!(hung || client.answer_to(hanging).await["error"].is_object());
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let answer = client.call("bad__pid", json!({})).await;
        match answer["result"]["content"][0]["text"].as_str() {
            Some(new) => break assert_ne!(new, pid),
            None => assert!(tokio::time::Instant::now() < deadline, "{answer}"),
        }
        assert_eq!(client.text("good__echo", json!({})).await, "{}");
    }
}

#[tokio::test]
async fn servers_of_the_file_come_change_and_go_while_it_runs() {
    let launch = Launch::new().toml("");
    let mut client = Stdio::start(&launch, "all", false, json!({})).await;
    let names = async |client: &mut Stdio, wanted: usize| {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let list = client.request("tools/list", json!({})).await;
            let tools = list["result"]["tools"].as_array().unwrap().clone();
            if tools.len() == wanted {
                return tools;
            }
            assert!(tokio::time::Instant::now() < deadline, "{} of {wanted}", tools.len());
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    names(&mut client, 0).await;
    let launch = launch.toml(&server("one", "both", "tools_allow = [\"echo\", \"pid\"]"));
    let tools = names(&mut client, 2).await;
    assert_eq!(tools[0]["name"], "one__echo");
    let launch = launch.toml(&server("one", "both", "tools_allow = [\"echo\"]"));
    names(&mut client, 1).await;
    launch.toml(&server("one", "both", "enabled = false"));
    names(&mut client, 0).await;
}

#[tokio::test]
async fn no_child_outlives_the_gateway_and_none_sees_its_secrets() {
    let launch = Launch::new().env("OPENAI_API_KEY", "sk-secret").toml(&server(
        "one",
        "both",
        "environment = { SEEN = \"{env:OPENAI_API_KEY}\" }",
    ));
    let mut client = Stdio::start(&launch, "all", false, json!({})).await;
    assert_eq!(client.text("one__env", json!({"name": "OPENAI_API_KEY"})).await, "");
    assert_eq!(client.text("one__env", json!({"name": "SEEN"})).await, "sk-secret");
    let pid = client.text("one__pid", json!({})).await;
    let process = PathBuf::from(format!("/proc/{pid}"));
    assert!(process.exists());
    // As hard as it gets: nothing of the gateway runs after this.
    client._child.start_kill().unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while process.exists() {
        assert!(tokio::time::Instant::now() < deadline, "the server is an orphan");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_command_line_lists_searches_and_calls() {
    let launch = Launch::new().toml(&server("one", "both", ""));
    let ran = launch.run(&["mcp", "servers"], None).await;
    assert!(ran.stdout.contains("one") && ran.stdout.contains("2026-07-28"), "{ran:?}");
    let ran = launch.run(&["mcp", "tools", "simple", "text"], None).await;
    assert!(ran.stdout.contains("one::test_simple_text"), "{ran:?}");
    let ran = launch.run(&["mcp", "call", "one::echo", "{\"a\":1}"], None).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "{\"a\":1}\n"), "{ran:?}");
    let ran = launch.run(&["mcp", "call", "one::test_error_handling"], None).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
}

/// Python's servers take seconds to start on a busy machine, and answer what was asked meanwhile.
#[tokio::test]
async fn a_modern_server_that_is_slow_to_start_is_not_taken_for_an_old_one() {
    const SLOW: &str = "let asked = false; \
        require('readline').createInterface({input: process.stdin}).on('line', line => { \
        const {id, method} = JSON.parse(line); \
        const say = it => console.log(JSON.stringify({jsonrpc: '2.0', id, ...it})); \
        if (method === 'initialize') say({error: {code: -32022, message: 'modern'}}); \
        else if (method === 'server/discover') { if (asked) say({result: {resultType: 'complete', \
        supportedVersions: ['2026-07-28'], capabilities: {tools: {}}}}); asked = true; } \
        else if (method === 'tools/list') say({result: {resultType: 'complete', \
        tools: [{name: 'late', inputSchema: {type: 'object'}}]}}); })";
    let launch = Launch::new().toml(&format!(
        "[mcp.servers.slow]\ncommand = [{:?}, \"-e\", {SLOW:?}]\nstart_timeout_ms = 4000\n",
        node()
    ));
    let ran = launch.run(&["mcp", "test", "slow", "--json"], None).await;
    assert!(ran.stdout.contains("2026-07-28"), "{ran:?}");
}
