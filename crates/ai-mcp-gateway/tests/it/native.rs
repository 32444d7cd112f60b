//! Clients of one format on providers of Cohere, Amazon and Google: addresses, credentials, tools,
//! streams and errors, through the running program.

use gw_simulator::{Fault, FaultRule};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Launch};
use crate::sse;
use crate::upstream::{last, model, provider, simulator};

const ACCESS_KEY: &str = "aws_access_key_id = \"AKIDEXAMPLE\"\naws_secret_access_key = \"secret\"\n\
                          aws_session_token = \"session\"\n";

/// Bedrock, Cohere and Claude on Vertex AI, all at one simulator.
fn config(url: &str) -> String {
    let key_file = "service_account_file = \"google.json\"\n";
    [
        format!("[providers.bedrock]\nbase_url = \"{url}\"\nregion = \"eu-west-1\"\n{ACCESS_KEY}"),
        provider("cohere", "cohere-chat", url),
        format!(
            "[providers.vertex-anthropic]\n\
             base_url = \"{url}/v1/projects/{{project}}/locations/{{region}}/publishers/anthropic\"\n\
             region = \"europe-west1\"\n{key_file}"
        ),
        format!(
            "[providers.vertex]\n\
             base_url = \"{url}/v1/projects/{{project}}/locations/{{region}}/publishers/google\"\n\
             {key_file}"
        ),
        model("bedrock/us.anthropic.claude-sim-v1:0"),
        model("cohere/command-sim"),
        model("vertex-anthropic/claude-sim"),
        model("vertex/gemini-sim"),
    ]
    .concat()
}

async fn gateway(url: &str) -> Gateway {
    let key = include_str!("../../../gw-net/src/sign/google/test_key.pem");
    let account = json!({"type": "service_account", "client_email": "a@b.example",
        "private_key": key, "private_key_id": "k", "project_id": "my-project"});
    Launch::new().toml(&config(url)).file("google.json", &account.to_string()).serve().await
}

fn ask(model: &str, more: &Value) -> Value {
    let mut body = json!({"model": model, "max_tokens": 300,
        "messages": [{"role": "user", "content": "What is the weather in Bonn?"}]});
    for (key, value) in more.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    body
}

fn with_tool() -> Value {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}},
        "required": ["city"]});
    json!({"tools": [{"type": "function", "function": {"name": "weather", "parameters": schema}}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_client_talks_to_every_native_format() {
    let simulator = simulator().await;
    let gateway = gateway(&simulator.base_url()).await;
    for (model, path) in [
        ("bedrock/us.anthropic.claude-sim-v1:0", "/model/us.anthropic.claude-sim-v1%3A0/converse"),
        ("cohere/command-sim", "/v2/chat"),
        (
            "vertex-anthropic/claude-sim",
            "/v1/projects/my-project/locations/europe-west1/publishers/anthropic/models/\
             claude-sim:rawPredict",
        ),
    ] {
        let whole = gateway.post("/v1/chat/completions", &ask(model, &json!({}))).await.ok();
        let text = whole["choices"][0]["message"]["content"].as_str().unwrap_or_default();
        assert!(text.contains("weather in Bonn"), "{whole}");
        assert!(whole["usage"]["prompt_tokens"].as_u64() > Some(0), "{whole}");
        assert_eq!(last(&simulator).path, path);

        let call = gateway.post("/v1/chat/completions", &ask(model, &with_tool())).await.ok();
        let choice = &call["choices"][0];
        assert_eq!(choice["finish_reason"], "tool_calls", "{call}");
        assert_eq!(choice["message"]["tool_calls"][0]["function"]["name"], "weather");

        let mut body =
            ask(model, &json!({"stream": true, "stream_options": {"include_usage": true}}));
        let streamed = gateway.post("/v1/chat/completions", &body).await;
        let events = sse::events(&streamed.body);
        assert_eq!(sse::text(&events), text, "{}", streamed.text());
        let usage = events.iter().rev().find_map(|it| it.data["usage"]["prompt_tokens"].as_u64());
        assert_eq!(usage, whole["usage"]["prompt_tokens"].as_u64(), "{}", streamed.text());

        // The result of the tool goes back to the model.
        body = ask(model, &with_tool());
        let messages = body["messages"].as_array_mut().expect("messages");
        messages.push(choice["message"].clone());
        let id = &choice["message"]["tool_calls"][0]["id"];
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": "Rain."}));
        let end = gateway.post("/v1/chat/completions", &body).await.ok();
        let text = end["choices"][0]["message"]["content"].as_str().unwrap_or_default();
        assert!(text.contains("Rain."), "{end}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_proofs_and_not_keys() {
    let simulator = simulator().await;
    let gateway = gateway(&simulator.base_url()).await;
    let model = "bedrock/us.anthropic.claude-sim-v1:0";
    gateway.post("/v1/chat/completions", &ask(model, &json!({}))).await.ok();
    let seen = last(&simulator);
    let authorization = seen.headers["authorization"].to_str().expect("text");
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
            && authorization.contains("/eu-west-1/bedrock/aws4_request, SignedHeaders=")
            && authorization.contains("host;x-amz-date;x-amz-security-token, Signature="),
        "{authorization}"
    );
    assert_eq!(seen.headers["x-amz-security-token"], "session");
    // The simulator does not speak Google's format: the address and the token are what counts.
    let refused = gateway.post("/v1/chat/completions", &ask("vertex/gemini-sim", &json!({}))).await;
    assert_ne!(refused.status, 200);
    let seen = last(&simulator);
    let path = "/v1/projects/my-project/locations/global/publishers/google/models/gemini-sim:\
                generateContent";
    assert_eq!(seen.path, path);
    let token = seen.headers["authorization"].to_str().expect("text");
    assert_eq!(token.strip_prefix("Bearer ").map(|it| it.split('.').count()), Some(3), "{token}");
    assert!(!gateway.stderr().contains("session"), "secrets are in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_and_broken_streams_are_told_in_the_clients_words() {
    let simulator = simulator().await;
    let gateway = gateway(&simulator.base_url()).await;
    for model in ["bedrock/us.anthropic.claude-sim-v1:0", "cohere/command-sim"] {
        simulator.set_fault(FaultRule::always(Fault::parse_all("context-overflow").unwrap()));
        let body = ask(model, &json!({}));
        let refused = gateway.post("/v1/messages", &body).await;
        assert_eq!(refused.status, 400, "{}", refused.text());
        let message = refused.json()["error"]["message"].clone();
        let message = message.as_str().unwrap_or_default();
        assert!(message.contains("prompt is too long"), "{message}");
    }
}
