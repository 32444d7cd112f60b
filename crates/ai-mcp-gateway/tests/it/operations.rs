//! Calls that are no chats, through the real program: vectors across all formats, orders, verdicts,
//! pictures and sound, priced, recorded, moved to the next provider, refused in the caller's words.

use base64::Engine as _;
use bytes::Bytes;
use gw_simulator::Simulator;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Launch};
use crate::http::Reply;
use crate::keys::Beside;
use crate::upstream::{fail_key, last, model, provider, simulator};

/// Providers of every format at one simulator. `openai` has the catalogue's prices.
fn providers(url: &str) -> String {
    [
        provider("openai", "openai-chat", url),
        provider("spare", "openai-chat", url),
        provider("g", "gemini", url),
        provider("l", "ollama", url),
        provider("a", "anthropic-messages", url),
        provider("voyage", "openai-chat", url),
        model("spare/text-embedding-3-small"),
    ]
    .concat()
}

async fn begin() -> (Simulator, Gateway) {
    let simulator = simulator().await;
    let gateway = Launch::new().toml(&providers(&simulator.base_url())).serve().await;
    (simulator, gateway)
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn cost_pico(gateway: &Gateway, reply: &Reply) -> (String, Option<i64>) {
    let kept = gateway.store().call(reply.header("x-gateway-call-id")).unwrap();
    assert!(kept.is_success, "{kept:?}");
    (kept.door, kept.cost_pico)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_of_vectors_reaches_every_format() {
    let (_simulator, gateway) = begin().await;
    let text = "the moon is a stone";
    let mut seen: Vec<Vec<f64>> = Vec::new();
    for model in
        ["openai/text-embedding-3-small", "g/gemini-embedding-001", "l/nomic", "voyage/voyage-4"]
    {
        let body = json!({"model": model, "input": [text, "other"], "dimensions": 4});
        let openai = gateway.post("/v1/embeddings", &body).await.ok();
        assert_eq!(openai["data"].as_array().unwrap().len(), 2, "{model}");
        assert!(openai["usage"]["prompt_tokens"].as_u64().unwrap() > 0);
        seen.push(numbers(&openai["data"][0]["embedding"]));

        let path = format!("/v1beta/models/{model}:batchEmbedContents");
        let one = json!({"content": {"parts": [{"text": text}]}, "outputDimensionality": 4});
        let google = gateway.post(&path, &json!({"requests": [one.clone()]})).await.ok();
        seen.push(numbers(&google["embeddings"][0]["values"]));
        let path = format!("/v1beta/models/{model}:embedContent");
        let google = gateway.post(&path, &one).await.ok();
        seen.push(numbers(&google["embedding"]["values"]));

        let body = json!({"model": model, "input": text, "dimensions": 4});
        let ollama = gateway.post("/api/embed", &body).await.ok();
        seen.push(numbers(&ollama["embeddings"][0]));

        let body = json!({"model": model, "texts": [text], "input_type": "search_query",
            "embedding_types": ["float", "base64"], "output_dimension": 4});
        let cohere = gateway.post("/v2/embed", &body).await.ok();
        seen.push(numbers(&cohere["embeddings"]["float"][0]));
        let text64 = cohere["embeddings"]["base64"][0].as_str().unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(text64).unwrap();
        let floats =
            bytes.chunks(4).map(|it| f64::from(f32::from_le_bytes(it.try_into().unwrap())));
        let close = |(a, b): (f64, &f64)| (a - b).abs() < 1e-6;
        assert!(floats.zip(&numbers(&cohere["embeddings"]["float"][0])).all(close));

        let legacy =
            gateway.post("/api/embeddings", &json!({"model": model, "prompt": text})).await;
        assert_eq!(numbers(&legacy.ok()["embedding"]).len(), 8);
    }
    for other in &seen {
        assert!(other.iter().zip(&seen[0]).all(|(a, b)| (a - b).abs() < 1e-6), "{other:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_of_the_same_format_pass_through_and_are_billed_by_what_is_reported() {
    let (simulator, gateway) = begin().await;
    let body = json!({"model": "openai/text-embedding-3-small", "input": "sixteen letters.",
        "encoding_format": "base64", "made_up": {"kept": true}});
    let reply = gateway.post("/v1/embeddings", &body).await;
    assert!(reply.ok()["data"][0]["embedding"].is_string());
    let sent: Value = serde_json::from_slice(&last(&simulator).body).unwrap();
    assert_eq!(sent["made_up"], json!({"kept": true}));
    assert_eq!(sent["model"], "text-embedding-3-small");
    // Four tokens at $0.02 a million.
    assert_eq!(cost_pico(&gateway, &reply), ("embeddings".to_owned(), Some(80_000)));
    assert_eq!(reply.header("x-gateway-cost-usd"), "0.00000008");
    assert_eq!(reply.header("x-gateway-model"), "openai/text-embedding-3-small");
    // Tokens can be sent where the format has them.
    let body = json!({"model": "openai/text-embedding-3-small", "input": [[1, 2, 3], [4]]});
    assert_eq!(
        gateway.post("/v1/embeddings", &body).await.ok()["data"].as_array().unwrap().len(),
        2
    );
    let refused =
        gateway.post("/v1/embeddings", &json!({"model": "l/nomic", "input": [1, 2]})).await;
    assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("input")));
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_come_from_the_same_model_elsewhere_and_from_no_other() {
    let (simulator, gateway) = begin().await;
    fail_key(&simulator, "key-openai", "503");
    let body = json!({"model": "text-embedding-3-small", "input": "hello"});
    let reply = gateway.post("/v1/embeddings", &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("x-gateway-model"), "spare/text-embedding-3-small");
    fail_key(&simulator, "key-spare", "503");
    let reply = gateway.post("/v1/embeddings", &body).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    // Nobody falls over to a model that makes other vectors.
    let models: Vec<String> = simulator.requests().into_iter().map(|seen| seen.model).collect();
    assert!(models.iter().all(|model| model == "text-embedding-3-small"), "{models:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_in_the_words_of_the_caller() {
    let (_simulator, gateway) = begin().await;
    let at = async |path: &str, body: Value| gateway.post(path, &body).await;
    let reply = at("/v1/embeddings", json!({"model": "a/claude-x", "input": "x"})).await;
    assert_eq!((reply.status, &reply.json()["error"]["param"]), (400, &json!("model")));
    let reply = at("/v1/embeddings", json!({"model": "auto", "input": "x"})).await;
    assert_eq!((reply.status, &reply.json()["error"]["param"]), (400, &json!("model")));
    let reply = at("/v1/embeddings", json!({"model": "m", "input": []})).await;
    assert_eq!((reply.status, &reply.json()["error"]["param"]), (400, &json!("input")));
    let reply =
        at("/v1beta/models/none-such:embedContent", json!({"content": {"parts": [{"text": "x"}]}}))
            .await;
    assert_eq!((reply.status, &reply.json()["error"]["status"]), (404, &json!("NOT_FOUND")));
    let reply = at("/api/embed", json!({"model": "none-such", "input": "x"})).await;
    assert!(reply.status == 404 && reply.json()["error"].is_string(), "{}", reply.text());
    let reply =
        at("/v2/rerank", json!({"model": "none-such", "query": "x", "documents": ["y"]})).await;
    assert!(reply.status == 404 && reply.json()["message"].is_string(), "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_ordered_and_priced_by_tokens_or_searches() {
    let (_simulator, gateway) = begin().await;
    let body = json!({"model": "voyage/rerank-2.5", "query": "ruby language", "top_n": 2,
        "return_documents": true,
        "documents": ["Paris is in France", {"text": "Ruby is a language"}, "Rails needs Ruby"]});
    for path in ["/v1/rerank", "/v2/rerank", "/rerank"] {
        let reply = gateway.post(path, &body).await;
        let answer = reply.ok();
        let indexes: Vec<_> =
            answer["results"].as_array().unwrap().iter().map(|it| it["index"].as_u64()).collect();
        assert_eq!(indexes, [Some(1), Some(2)]);
        assert_eq!(answer["results"][0]["document"]["text"], "Ruby is a language");
        let (door, cost) = cost_pico(&gateway, &reply);
        assert!(door == "rerank" && cost.unwrap() > 0);
    }
}

fn form(parts: &[(&str, Option<&str>, &[u8])]) -> (Vec<(&'static str, &'static str)>, Bytes) {
    let mut body = Vec::new();
    for (name, file, bytes) in parts {
        let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
        let head =
            format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--edge--\r\n");
    (vec![("content-type", "multipart/form-data; boundary=edge")], body.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_pictures_and_sound_pass_through_at_their_price() {
    let (simulator, gateway) = begin().await;
    let reply = gateway.post("/v1/moderations", &json!({"input": ["peace", "violence"]})).await;
    assert_eq!(reply.ok()["results"][1]["flagged"], true);
    assert_eq!(cost_pico(&gateway, &reply), ("moderations".to_owned(), Some(0)));

    let body = json!({"model": "openai/gpt-image-1", "prompt": "a grey stone", "n": 2});
    let reply = gateway.post("/v1/images/generations", &body).await;
    assert_eq!(reply.ok()["data"].as_array().unwrap().len(), 2);
    // Three tokens of text at $5, 2,112 of pictures at $40 a million.
    let cost = 3 * 5_000_000 + 2_112 * 40_000_000;
    assert_eq!(cost_pico(&gateway, &reply), ("images".to_owned(), Some(cost)));

    let (headers, body) = form(&[
        ("model", None, b"openai/gpt-image-1"),
        ("prompt", None, b"make it red"),
        ("image[]", Some("a.png"), b"\x89PNG\r\n--edgy\r\n"),
    ]);
    let reply = gateway.post_bytes("/v1/images/edits", &headers, body).await;
    assert_eq!(reply.ok()["data"].as_array().unwrap().len(), 1);
    let sent = String::from_utf8_lossy(&last(&simulator).body).into_owned();
    assert!(sent.contains("\r\n\r\ngpt-image-1\r\n") && sent.contains("--edgy"), "{sent}");

    let body = json!({"model": "openai/tts-1", "input": "hello there", "voice": "alloy"});
    let reply = gateway.post("/v1/audio/speech", &body).await;
    assert_eq!(
        (reply.header("content-type"), &reply.body[..]),
        ("audio/mpeg", &b"ID3hello there"[..])
    );
    // Eleven letters at $15 a million.
    assert_eq!(cost_pico(&gateway, &reply), ("audio".to_owned(), Some(11 * 15_000_000)));

    for (form_name, expected) in [("json", "{"), ("srt", "1\n"), ("text", "[simulated]")] {
        let (headers, body) = form(&[
            ("model", None, b"openai/whisper-1"),
            ("response_format", None, form_name.as_bytes()),
            ("file", Some("a.wav"), &[7; 40_000]),
        ]);
        let reply = gateway.post_bytes("/v1/audio/transcriptions", &headers, body).await;
        assert!(reply.status == 200 && reply.text().starts_with(expected), "{}", reply.text());
        let (_, cost) = cost_pico(&gateway, &reply);
        // Two seconds at $0.006 a minute; a text alone does not say how long it was.
        let expected = if form_name == "text" { 3 } else { 2 };
        assert_eq!(cost, Some(expected * 100_000_000), "{form_name}");
    }

    let (headers, body) = form(&[
        ("model", None, b"openai/gpt-4o-transcribe"),
        ("stream", None, b"true"),
        ("file", Some("a.wav"), &[7; 32_000]),
    ]);
    let reply = gateway.post_bytes("/v1/audio/transcriptions", &headers, body).await;
    assert!(reply.text().contains("transcript.text.done"), "{}", reply.text());
    // Ten tokens of sound at $6 and eight written at $10 a million, from the last event.
    let cost = 10 * 6_000_000 + 8 * 10_000_000;
    assert_eq!(cost_pico(&gateway, &reply).1, Some(cost));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_cannot_pay_refuses_before_anything_is_sent() {
    let simulator = simulator().await;
    let launch = Launch::new().toml(&providers(&simulator.base_url())).closed();
    let beside = Beside::open(&launch.database()).await;
    let key = beside.key("small").await;
    beside.cap(&key, "0.01").await;
    let secret = key.key;
    drop(beside);
    let gateway = launch.serve().await;
    let headers = [("x-api-key", secret.as_str())];
    let post = async |path: &str, body: Value| {
        gateway.post_bytes(path, &headers, body.to_string().into()).await
    };
    let dear = json!({"model": "openai/gpt-image-1", "prompt": "a stone"});
    let reply = post("/v1/images/generations", dear).await;
    assert_eq!((reply.status, &reply.json()["error"]["type"]), (402, &json!("insufficient_quota")));
    assert_eq!(reply.header("x-should-retry"), "false");
    assert!(simulator.requests().is_empty());
    let cheap = json!({"model": "openai/text-embedding-3-small", "input": "a stone"});
    let reply = post("/v1/embeddings", cheap).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}
