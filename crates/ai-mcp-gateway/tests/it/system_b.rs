//! System B's environment, as its README writes it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::gateway::Launch;
use crate::upstream::{Stub, completion, fail_key, last, simulator};

fn ask(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "hi"}]})
}

/// B1: every way to write the address leads to the right path.
#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_completed_as_the_readme_has_them() {
    let simulator = simulator().await;
    let base = simulator.base_url();
    for (format, endings, path) in [
        ("openai", &["", "/", "/v1", "/v1/", "/v1/chat/completions"][..], "/chat/completions"),
        ("anthropic", &["", "/", "/v1", "/v1/messages"][..], "/v1/messages"),
        ("OpenRouter", &["/api/v1", "/api/v1/chat/completions"][..], "/api/v1/chat/completions"),
    ] {
        for ending in endings {
            let launch = Launch::new()
                .env("API_FORMAT", format)
                .env("API_KEY", "key-b")
                .env("API_ENDPOINT", format!("{base}{ending}"))
                .env("ANTHROPIC_VERSION", "2024-01-01")
                .env("OPENAI_ORGANIZATION", "org-7");
            let gateway = launch.serve().await;
            let reply = gateway.post("/v1/chat/completions", &ask("some-model")).await;
            reply.ok();
            let seen = last(&simulator);
            let header = |name: &str| seen.headers.get(name).and_then(|it| it.to_str().ok());
            assert!(seen.path.ends_with(path), "{format} {ending:?}: {}", seen.path);
            assert!(!seen.path.contains("//"), "{}", seen.path);
            assert_eq!(seen.json()["model"], "some-model");
            if format == "anthropic" {
                assert_eq!(header("x-api-key"), Some("key-b"));
                assert_eq!(header("anthropic-version"), Some("2024-01-01"));
                assert_eq!(header("openai-organization"), None);
            } else {
                assert_eq!(header("authorization"), Some("Bearer key-b"));
                assert_eq!(header("openai-organization"), Some("org-7"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_fill_what_a_request_leaves_out() {
    let simulator = simulator().await;
    let launch = Launch::new()
        .env("API_KEY", "key-b")
        .env("API_ENDPOINT", format!("{}/v1", simulator.base_url()))
        .env("DEFAULT_MODEL", "house-model")
        .env("DEFAULT_TEMPERATURE", "0")
        .env("DEFAULT_MAX_TOKENS", "123");
    let gateway = launch.serve().await;
    // Without any name, or with an empty one.
    gateway
        .post("/v1/chat/completions", &json!({"messages": [{"role": "user", "content": "x"}]}))
        .await
        .ok();
    assert_eq!(last(&simulator).json()["model"], "house-model");
    let body = json!({"model": "", "messages": [{"role": "user", "content": "hi"}]});
    gateway.post("/v1/chat/completions", &body).await.ok();
    let sent = last(&simulator).json();
    assert_eq!(sent["model"], "house-model");
    assert_eq!(sent["temperature"].as_f64(), Some(0.0));
    let most = sent.get("max_tokens").or_else(|| sent.get("max_completion_tokens"));
    assert_eq!(most, Some(&json!(123)), "{sent}");
    let body = json!({"model": "mine", "temperature": 0.5, "max_tokens": 7,
        "messages": [{"role": "user", "content": "hi"}]});
    gateway.post("/v1/chat/completions", &body).await.ok();
    let sent = last(&simulator).json();
    assert_eq!((&sent["model"], &sent["temperature"]), (&json!("mine"), &json!(0.5)));
    assert_eq!(sent["max_tokens"], 7);
}

/// One endpoint, one model: whoever leaves the choice open gets that one.
#[tokio::test(flavor = "multi_thread")]
async fn the_one_model_answers_where_the_choice_is_left_open() {
    let simulator = simulator().await;
    let launch = Launch::new()
        .env("API_KEY", "key-b")
        .env("API_ENDPOINT", format!("{}/v1", simulator.base_url()))
        .env("DEFAULT_MODEL", "house-model");
    let gateway = launch.serve().await;
    let body = json!({"conversationId": "c", "message": "hi"});
    let answer = gateway.post("/v1/route", &body).await.ok();
    assert_eq!(answer["result"]["model"], "default/house-model", "{answer}");
    gateway.post("/v1/chat/completions", &ask("auto")).await.ok();
    let ran = launch.run(&["chat", "hi"], None).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let models = gateway.get("/v1/models").await.ok();
    assert!(models.to_string().contains("house-model"), "{models}");
}

/// B2: the usual names of proxies count.
#[tokio::test(flavor = "multi_thread")]
async fn plain_http_goes_through_the_proxy() {
    let proxy = Stub::start(|_| (200, completion("through the proxy"))).await;
    for (name, value) in [("HTTP_PROXY", proxy.url()), ("http_proxy", proxy.url())] {
        let launch = Launch::new()
            .env("API_KEY", "key-b")
            .env("API_ENDPOINT", "http://llm.example/v1")
            .env(name, value);
        let gateway = launch.serve().await;
        let answer = gateway.post("/v1/chat/completions", &ask("m")).await.ok();
        assert_eq!(answer["choices"][0]["message"]["content"], "through the proxy");
        let asked = proxy.seen().pop().unwrap();
        assert_eq!(asked.uri, "http://llm.example/v1/chat/completions");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_proxy_names_hosts_to_reach_directly() {
    let simulator = simulator().await;
    let proxy = Stub::start(|_| (500, "{}".to_owned())).await;
    let launch = Launch::new()
        .env("API_KEY", "key-b")
        .env("API_ENDPOINT", simulator.base_url())
        .env("HTTP_PROXY", proxy.url())
        .env("NO_PROXY", "localhost,127.0.0.1");
    let gateway = launch.serve().await;
    gateway.post("/v1/chat/completions", &ask("m")).await.ok();
    assert!(proxy.seen().is_empty());
}

/// B2: a tunnel is asked for, with the proxy's own password, and its refusal is told.
#[tokio::test(flavor = "multi_thread")]
async fn https_goes_through_a_tunnel() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&heads);
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if stream.read_line(&mut head).await.unwrap_or_default() == 0 {
                    break;
                }
            }
            seen.lock().push(head);
            let answer = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
            let _ = stream.get_mut().write_all(answer).await;
        }
    });
    for name in ["HTTPS_PROXY", "PROXY_URL"] {
        let launch = Launch::new()
            .env("API_FORMAT", "anthropic")
            .env("API_KEY", "key-b")
            .env("API_ENDPOINT", "https://llm.example")
            .env(name, format!("http://ada:s3same@{address}"));
        let gateway = launch.serve().await;
        let reply = gateway.post("/v1/chat/completions", &ask("m")).await;
        assert_eq!(reply.status, 502, "{}", reply.text());
        assert!(reply.text().contains("prox"), "{}", reply.text());
        assert!(!reply.text().contains("s3same"), "{}", reply.text());
        let head = heads.lock().pop().expect("the proxy was not asked");
        assert!(head.starts_with("CONNECT llm.example:443 "), "{head}");
        assert!(head.to_lowercase().contains("proxy-authorization: basic"), "{head}");
        assert!(!head.contains("key-b"), "{head}");
    }
    accepting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn request_timeout_is_in_seconds() {
    let simulator = simulator().await;
    let launch = Launch::new()
        .env("API_KEY", "key-b")
        .env("API_ENDPOINT", simulator.base_url())
        .env("REQUEST_TIMEOUT", "1");
    let gateway = launch.serve().await;
    fail_key(&simulator, "key-b", "never");
    let began = Instant::now();
    let reply = gateway.post("/v1/chat/completions", &ask("m")).await;
    assert_eq!(reply.status, 504, "{}", reply.text());
    let took = began.elapsed();
    assert!(took > Duration::from_millis(900) && took < Duration::from_secs(5), "{took:?}");
}
