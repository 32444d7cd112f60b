//! Checks, escalation and policies through the real program: what each door shows, what it cost and
//! what is on record.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Launch};
use crate::http::{self, Reply};
use crate::upstream::{Stub, completion, provider};

const FREE: &str = "{ input = 0, output = 0 }";

/// `p/free` and `q/free` in L0, `p/cheap` in L1 at $1 and $2 a million, `q/good` in L2 at $10 and $20.
fn configuration(url: &str) -> String {
    let model = |id: &str, layer: &str, price: &str| {
        format!(
            "[[models]]\nid = \"{id}\"\nlayer = \"{layer}\"\nusd_per_million = {price}\n\
             capabilities = [\"tools\", \"structured_output\", \"reasoning\", \"code\"]\n"
        )
    };
    [
        provider("p", "openai-chat", url),
        provider("q", "openai-chat", url),
        model("p/llama-free", "L0", FREE),
        model("q/qwen-free", "L0", FREE),
        model("p/cheap", "L1", "{ input = 1, output = 2 }"),
        model("q/good", "L2", "{ input = 10, output = 20 }"),
    ]
    .concat()
}

/// What a model is asked, and by what name.
struct Question {
    model: String,
}

/// Models that answer as a function says.
async fn models(answer: impl Fn(&Question) -> (u16, String) + Send + Sync + 'static) -> Stub {
    Stub::start(move |asked| {
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let model = body["model"].as_str().unwrap_or_default().to_owned();
        answer(&Question { model })
    })
    .await
}

/// Two free models that differ, and better ones that know.
async fn disagreeing() -> Stub {
    models(|question| {
        let text = match question.model.as_str() {
            "qwen-free" => "4",
            _ => "5",
        };
        (200, completion(text))
    })
    .await
}

async fn confirming(stub: &Stub) -> (Launch, Gateway) {
    let launch =
        Launch::new().toml(&configuration(&stub.url())).env("ENABLE_AUTO_ESCALATE", "false");
    let gateway = launch.serve().await;
    (launch, gateway)
}

fn turn(more: &Value) -> Value {
    let mut body = json!({"conversationId": "talk", "message": "What is 2 + 2?", "maxTokens": 16});
    for (name, value) in more.as_object().expect("is an object") {
        body[name] = value.clone();
    }
    body
}

/// Purposes and models of a recorded call, in order.
fn attempts(gateway: &Gateway, reply: &Reply) -> Vec<(String, String)> {
    let kept = gateway.store().call(reply.header("x-gateway-call-id")).expect("is recorded");
    let attempts = kept.attempts.as_array().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    attempts.iter().map(|it| (word(&it["purpose"]), word(&it["model"]))).collect()
}

fn pairs(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
    wanted.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
}

#[tokio::test]
async fn a_conflict_is_offered_at_both_places_and_a_yes_runs_there() {
    let stub = disagreeing().await;
    let (_launch, gateway) = confirming(&stub).await;
    let reply = gateway.post("/v1/chat", &turn(&json!({"crossCheck": true}))).await;
    let first = reply.ok();
    assert_eq!(first["result"]["response"], "4");
    assert_eq!(first["requiresEscalationConfirm"], true);
    assert_eq!(first["suggestedLayer"], "L1");
    assert_eq!(first["escalationReason"], "models gave different answers");
    assert!(first["optimizedPrompt"].as_str().is_some_and(|it| it.contains("What is 2 + 2?")));
    assert!(first["expectedGain"].as_f64().is_some_and(|gain| gain > 0.0));
    assert!(first["expectedCostUsd"].as_f64().is_some_and(|cost| cost > 0.0));
    let block = &first["escalation"];
    assert_eq!((&block["required"], &block["currentLayer"]), (&true.into(), &"L0".into()));
    assert_eq!(block["suggestedLayer"], "L1");
    assert_eq!(first["crossCheck"]["agreed"], false);
    assert_eq!(reply.header("x-gateway-escalation"), "required");
    assert_eq!(
        attempts(&gateway, &reply),
        pairs(&[("answer", "qwen-free"), ("cross_check", "llama-free")])
    );
    let token = block["token"].as_str().expect("a token").to_owned();
    let yes = json!({"conversationId": "talk", "escalationToken": token});
    let elsewhere = json!({"conversationId": "other", "escalationToken": token});
    assert_eq!(gateway.post("/v1/chat", &elsewhere).await.status, 403);
    let reply = gateway.post("/v1/chat", &yes).await;
    let second = reply.ok();
    assert_eq!(
        (&second["result"]["response"], &second["result"]["layer"]),
        (&"5".into(), &"L1".into())
    );
    assert!(second["performance"]["costPicoUsd"].as_i64().is_some_and(|cost| cost > 0));
    assert_eq!(attempts(&gateway, &reply), pairs(&[("answer", "cheap")]));
    let replayed = gateway.post("/v1/chat", &yes).await;
    assert_eq!(replayed.status, 409, "{}", replayed.text());
    assert!(replayed.text().contains("used already"));
    for wrong in ["esc_1", &format!("esc_{}", "0".repeat(64))] {
        let lost = json!({"conversationId": "talk", "escalationToken": wrong});
        assert_eq!(gateway.post("/v1/chat", &lost).await.status, 404);
    }
    let context = gateway.get("/v1/context/talk").await.ok();
    let said: Vec<&str> = context["recentMessages"]
        .as_array()
        .expect("turns")
        .iter()
        .filter_map(|turn| turn["content"].as_str())
        .collect();
    assert_eq!(said, ["What is 2 + 2?", "4", "5"], "the question stands there once");
}

#[tokio::test]
async fn a_conversation_knows_what_its_yes_is_about() {
    let stub = disagreeing().await;
    let (_launch, gateway) = confirming(&stub).await;
    let body = turn(&json!({"qualityLevel": "normal", "crossCheck": true}));
    assert_eq!(gateway.post("/v1/route", &body).await.ok()["requiresEscalationConfirm"], true);
    let yes = json!({"conversationId": "talk", "confirmEscalation": true});
    let answer = gateway.post("/v1/route", &yes).await.ok();
    assert_eq!(
        (&answer["result"]["response"], &answer["routing"]["layer"]),
        (&"5".into(), &"L1".into())
    );
    assert!(
        answer["routing"]["summary"].as_str().is_some_and(|it| it.ends_with("(escalated from L0)"))
    );
    assert_eq!(gateway.post("/v1/route", &yes).await.status, 409);
}

#[tokio::test]
async fn a_token_does_not_outlive_the_process_that_gave_it() {
    let stub = disagreeing().await;
    let (launch, gateway) = confirming(&stub).await;
    let first = gateway.post("/v1/chat", &turn(&json!({"crossCheck": true}))).await.ok();
    gateway.end("TERM").await;
    let gateway = launch.serve().await;
    let yes = json!({"conversationId": "talk", "escalationToken": first["escalationToken"]});
    let reply = gateway.post("/v1/chat", &yes).await;
    assert_eq!(reply.status, 404, "{}", reply.text());
    assert!(reply.text().contains("preferredLayer"), "says what to do: {}", reply.text());
}

#[tokio::test]
async fn with_leave_it_climbs_and_everything_is_billed() {
    let stub = disagreeing().await;
    let launch =
        Launch::new().toml(&configuration(&stub.url())).env("ENABLE_AUTO_ESCALATE", "true");
    let gateway = launch.serve().await;
    let reply = gateway.post("/v1/route", &turn(&json!({"crossCheck": true}))).await;
    let answer = reply.ok();
    assert_eq!(
        (&answer["result"]["response"], &answer["routing"]["layer"]),
        (&"5".into(), &"L1".into())
    );
    assert_eq!(answer["crossCheck"]["escalatedFrom"], "L0");
    assert_eq!(answer["crossCheck"]["agreed"], true);
    assert!(answer.get("requiresEscalationConfirm").is_none());
    // 7 tokens read at $1 a million, 3 written at $2.
    assert_eq!(answer["performance"]["costPicoUsd"], 13_000_000);
    assert_eq!(answer["performance"]["tokens"], json!({"input": 21, "output": 9}));
    assert_eq!(
        attempts(&gateway, &reply),
        pairs(&[("answer", "qwen-free"), ("cross_check", "llama-free"), ("escalation", "cheap")])
    );
    // The caps of a request hold for what it climbs to.
    let capped = turn(&json!({"crossCheck": true, "maxLayer": "L0", "conversationId": "capped"}));
    let answer = gateway.post("/v1/route", &capped).await.ok();
    assert_eq!(
        (&answer["routing"]["layer"], &answer["crossCheck"]["agreed"]),
        (&"L0".into(), &false.into())
    );
}

#[tokio::test]
async fn each_thing_that_can_be_wrong_with_an_answer_takes_its_way() {
    let schema = json!({"type": "json_schema", "json_schema": {"name": "sum", "strict": true, "schema": {
        "type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"],
        "additionalProperties": false}}});
    let cut = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "finish_reason": "length",
            "message": {"role": "assistant", "content": "Once upon"}}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}});
    let call = |arguments: &str| {
        json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
                "role": "assistant", "content": null, "tool_calls": [{"id": "t", "type": "function",
                    "function": {"name": "add", "arguments": arguments}}]}}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}})
        .to_string()
    };
    let tools = json!([{"type": "function", "function": {"name": "add", "parameters": {
        "type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}}]);
    let cases: Vec<(&str, Value, (u16, String), String)> = vec![
        (
            "refused",
            json!({}),
            (200, completion("I'm sorry, but I can't help with that.")),
            completion("yes"),
        ),
        ("truncated", json!({}), (200, cut.to_string()), completion("whole")),
        (
            "broken JSON",
            json!({"response_format": schema}),
            (200, completion("{\"sum\": ")),
            completion("{\"sum\": 4}"),
        ),
        (
            "broken schema",
            json!({"response_format": schema}),
            (200, completion("{\"sum\": \"4\"}")),
            completion("{\"sum\": 4}"),
        ),
        ("broken arguments", json!({"tools": tools}), (200, call("{\"a\": ")), call("{\"a\": 1}")),
        ("empty", json!({}), (200, completion("")), completion("something")),
        (
            "down",
            json!({}),
            (500, "{\"error\": {\"message\": \"down\"}}".to_owned()),
            completion("up"),
        ),
    ];
    for (name, more, bad, good) in cases {
        let (bad, good) = (std::sync::Arc::new(bad), good.clone());
        let answer = good.clone();
        let stub = models(move |question| match question.model.as_str() {
            "cheap" | "good" => (200, answer.clone()),
            _ => (bad.0, bad.1.clone()),
        })
        .await;
        let launch = Launch::new()
            .toml(&configuration(&stub.url()))
            .env("ENABLE_AUTO_ESCALATE", "true")
            .env("ENABLE_CROSS_CHECK", "false");
        let gateway = launch.serve().await;
        let mut body =
            json!({"model": "auto", "messages": [{"role": "user", "content": "Do it."}]});
        for (key, value) in more.as_object().expect("is an object") {
            body[key] = value.clone();
        }
        let reply = gateway.post("/v1/chat/completions", &body).await;
        let answered = reply.ok();
        let wanted: Value = serde_json::from_str(&good).expect("is JSON");
        let (said, meant) = (&answered["choices"][0]["message"], &wanted["choices"][0]["message"]);
        assert_eq!(
            (&said["content"], &said["tool_calls"]),
            (&meant["content"], &meant["tool_calls"]),
            "{name}"
        );
        assert_eq!(reply.header("x-gateway-layer"), "L1", "{name}");
        assert_eq!(reply.header("x-gateway-cost-usd"), "0.000013", "{name}");
        let tried = attempts(&gateway, &reply);
        assert_eq!(tried.last().map(|it| it.1.as_str()), Some("cheap"), "{name}: {tried:?}");
    }
}

#[tokio::test]
async fn doors_of_dialects_carry_the_offer_without_breaking_their_form() {
    let stub = disagreeing().await;
    let (_launch, gateway) = confirming(&stub).await;
    let message = json!([{"role": "user", "content": "What is 2 + 2?"}]);
    let doors = [
        ("/v1/chat/completions", json!({"model": "auto", "max_tokens": 16, "messages": message})),
        ("/v1/messages", json!({"model": "auto", "max_tokens": 16, "messages": message})),
        (
            "/v1/responses",
            json!({"model": "auto", "max_output_tokens": 16, "input": "What is 2 + 2?"}),
        ),
        (
            "/v1beta/models/auto:generateContent",
            json!({"contents": [{"role": "user", "parts": [{"text": "What is 2 + 2?"}]}],
                "generationConfig": {"maxOutputTokens": 16}}),
        ),
        (
            "/api/chat",
            json!({"model": "auto", "stream": false, "messages": message, "options": {"num_predict": 16}}),
        ),
    ];
    for (door, body) in doors {
        let send = async |headers: &[(&str, &str)]| {
            let bytes = Bytes::from(body.to_string());
            http::send(gateway.address, "POST", door, headers, bytes).await
        };
        let reply = send(&[("x-gateway-cross-check", "true")]).await;
        let answer = reply.ok();
        let text = answer.to_string();
        assert!(text.contains("\"4\""), "{door}: {text}");
        let offer = &answer["gateway"];
        assert_eq!(offer["requiresEscalationConfirm"], true, "{door}: {text}");
        assert_eq!(reply.header("x-gateway-escalation-layer"), "L1", "{door}");
        assert_eq!(reply.header("x-gateway-cross-check"), "disputed", "{door}");
        let token = reply.header("x-gateway-escalation-token").to_owned();
        assert_eq!(offer["escalation"]["token"], token.as_str(), "{door}");
        let yes = send(&[("x-gateway-escalation-token", &token)]).await;
        assert_eq!(yes.header("x-gateway-layer"), "L1", "{door}: {}", yes.text());
        assert!(yes.ok().to_string().contains("\"5\""), "{door}");
        assert_eq!(send(&[("x-gateway-escalation-token", &token)]).await.status, 409, "{door}");
    }
}

#[tokio::test]
async fn policies_of_the_file_and_of_projects_decide() {
    let stub = models(|_| (200, completion("hello"))).await;
    let policies = r#"
[[routing.rules]]
name = "sign-in"
when = { files = ["**/auth/**"] }
min_layer = "L2"

[[routing.experiments]]
name = "dearer"
share = 1.0
unit = "project"
when = { projects = ["lab"] }
treatment = { min_layer = "L1" }

[projects.shop.routing]
default_layer = "L1"
max_layer = "L1"
task_overrides = { code = { cross_check = false } }

[projects.shop.routing.file_patterns."*.md"]
preferred_models = ["cheap"]
max_layer = "L0"
"#;
    let launch = Launch::new().toml(&(configuration(&stub.url()) + policies));
    let gateway = launch.serve().await;
    let layer = async |more: Value| {
        let mut body = json!({"conversationId": "c", "message": "hi"});
        for (name, value) in more.as_object().expect("is an object") {
            body[name] = value.clone();
        }
        gateway.post("/v1/route", &body).await.ok()["routing"]["layer"].as_str().map(str::to_owned)
    };
    assert_eq!(layer(json!({})).await.as_deref(), Some("L0"));
    assert_eq!(layer(json!({"files": ["src/auth/login.rs"]})).await.as_deref(), Some("L2"));
    assert_eq!(layer(json!({"projectId": "shop"})).await.as_deref(), Some("L1"));
    let both = json!({"projectId": "shop", "files": ["src/auth/login.rs"]});
    assert_eq!(layer(both).await.as_deref(), Some("L1"), "the lowest cap holds");
    let readme = json!({"projectId": "shop", "files": ["README.md"]});
    assert_eq!(layer(readme).await.as_deref(), Some("L0"));
    assert_eq!(layer(json!({"projectId": "lab"})).await.as_deref(), Some("L1"));
    let wrong = configuration(&stub.url()) + "[projects.x.routing.task_overrides.cooking]\n";
    let ran = Launch::new().toml(&wrong).run(&["config", "check"], None).await;
    assert!(ran.stderr.contains("`cooking` is not one of"), "{ran:?}");
}

#[tokio::test]
async fn the_command_line_shows_an_offer_and_takes_it_up() {
    let stub = disagreeing().await;
    let (launch, gateway) = confirming(&stub).await;
    let url = gateway.url();
    let asked = [
        "chat",
        "--endpoint",
        &url,
        "--json",
        "--cross-check",
        "--max-tokens",
        "16",
        "--no-stream",
        "What is 2 + 2?",
    ];
    let ran = launch.run(&asked, None).await;
    let first = ran.json();
    assert_eq!(
        (&first["message"], &first["requiresEscalationConfirm"]),
        (&"4".into(), &true.into())
    );
    let token = first["escalation"]["token"].as_str().expect("a token").to_owned();
    let ran = launch
        .run(&["chat", "--endpoint", &url, "--json", "--no-stream", "--escalate", &token], None)
        .await;
    let second = ran.json();
    assert_eq!((&second["message"], &second["layer"]), (&"5".into(), &"L1".into()), "{ran:?}");
    let yes = ["chat", "--json", "--cross-check", "--yes", "--max-tokens", "16", "What is 2 + 2?"];
    let ran = launch.run(&yes, None).await;
    assert_eq!(ran.json()["layer"], "L1", "{ran:?}");
}
