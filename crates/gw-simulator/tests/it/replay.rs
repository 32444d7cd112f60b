//! Replaying recordings: a small set of our own, and the whole folder where it is there.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use gw_simulator::{Recording, Simulator, SimulatorOptions};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::client::{Answer, asked, connect, send};

const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/recordings");

async fn replaying(folder: &Path) -> Simulator {
    let options =
        SimulatorOptions { recordings: Some(folder.to_owned()), ..SimulatorOptions::default() };
    Simulator::start(options).await.unwrap()
}

/// The recording's own request, below its provider's name.
fn own_request(recording: &Recording) -> Request<Full<Bytes>> {
    let path = recording.path.replace('<', "%3C").replace('>', "%3E");
    let query = match recording.query.as_str() {
        "" => String::new(),
        query => format!("?{query}"),
    };
    Request::builder()
        .method(recording.method.as_str())
        .uri(format!("/{}{path}{query}", recording.provider))
        .header("content-type", &recording.content_type)
        .body(Full::from(recording.body.clone()))
        .unwrap()
}

fn check(recording: &Recording, answer: &Answer) {
    let name = &recording.name;
    assert_eq!(answer.header("x-simulator-recording"), name);
    assert_eq!(answer.header("x-simulator-match"), "exact", "{name}");
    assert_eq!(answer.status, recording.answer.status, "{name}");
    assert_eq!(answer.body, recording.answer.body(), "{name}");
    for (header, value) in &recording.answer.headers {
        assert_eq!(answer.headers.get(header), Some(value), "{name} {header}");
    }
}

#[tokio::test]
async fn every_recording_is_the_answer_to_its_own_request() {
    let folder = PathBuf::from(SHARED);
    if !folder.is_dir() {
        println!("skipped: the recordings folder is not there");
        return;
    }
    let simulator = replaying(&folder).await;
    let recordings = simulator.library().recordings();
    assert!(!recordings.is_empty());
    let mut sender = connect(simulator.addr()).await;
    for recording in recordings {
        let answer = send(&mut sender, own_request(recording)).await;
        check(recording, &answer);
        if recording.answer.is_stream() && recording.answer.frames.len() > 1 {
            assert!(answer.pieces > 1, "{} came in one piece", recording.name);
        }
    }
    // By name, whatever is asked; and split at every byte, the bytes are the same.
    for recording in recordings.iter().filter(|it| it.answer.body().len() < 2_000).step_by(40) {
        let mut request = own_request(recording);
        let named = format!("{}/{}", recording.provider, recording.name);
        request.headers_mut().insert("x-simulator-recording", named.parse().unwrap());
        request.headers_mut().insert("x-simulator-fault", "split=1".parse().unwrap());
        check(recording, &send(&mut sender, request).await);
    }
}

fn line(cassette: &str, body: &Value, content_type: &str, answer: &str) -> String {
    json!({
        "cassette": cassette, "i": 0, "provider": "acme",
        "request": {
            "method": "POST", "uri": "https://acme.test/v1/chat/completions",
            "headers": {"content-type": "application/json"}, "body": body.to_string(),
        },
        "response": {
            "status": 200, "body": answer,
            "headers": {"content-type": content_type, "x-request-id": "r1", "content-length": "3"},
        },
    })
    .to_string()
}

#[tokio::test]
async fn equal_similar_and_unknown_requests_each_get_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let hello = json!({"model": "m1", "messages": [{"role": "user", "content": "hello"}]});
    let mut streamed = hello.clone();
    streamed["stream"] = json!(true);
    let sse = "data: {\"a\":1}\n\ndata: [DONE]\n\n";
    let lines = [
        line("plain", &hello, "application/json", "{\"b\": 2}"),
        line("streamed", &streamed, "text/event-stream", sse),
    ];
    std::fs::write(folder.path().join("acme.jsonl"), lines.join("\n")).unwrap();
    let simulator = replaying(folder.path()).await;
    let path = "/acme/v1/chat/completions";
    let source = |answer: &Answer| {
        format!("{} {}", answer.header("x-simulator-recording"), answer.header("x-simulator-match"))
    };

    let turned = json!({"messages": [{"content": "hello", "role": "user"}], "model": "m1"});
    let answer = asked(&simulator, path, &turned).await;
    assert_eq!((source(&answer).as_str(), answer.text().as_str()), ("plain#0 exact", "{\"b\": 2}"));
    assert_eq!(answer.header("x-request-id"), "r1");
    let answer = asked(&simulator, "/chat/completions", &streamed).await;
    assert_eq!((source(&answer).as_str(), answer.text().as_str()), ("streamed#0 exact", sse));
    streamed["temperature"] = json!(0);
    assert_eq!(source(&asked(&simulator, path, &streamed).await), "streamed#0 similar");

    let mut with_tools = hello.clone();
    with_tools["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    let answer = asked(&simulator, path, &with_tools).await;
    assert_eq!(source(&answer), " ");
    assert_eq!(answer.json()["object"], "chat.completion");

    let request = Request::get("/acme/v1/models").body(Full::default()).unwrap();
    let models = send(&mut connect(simulator.addr()).await, request).await.json();
    assert!(models["data"].as_array().unwrap().iter().any(|model| model["id"] == "m1"));
    let seen = simulator.requests();
    assert_eq!(seen[0].recording.as_deref(), Some("plain#0"));
}

#[tokio::test]
async fn recordings_can_be_exact_only_and_must_be_readable() {
    let folder = tempfile::tempdir().unwrap();
    let hello = json!({"model": "m1", "messages": [{"role": "user", "content": "hello"}]});
    let text = line("plain", &hello, "application/json", "{}");
    std::fs::write(folder.path().join("acme.jsonl"), text).unwrap();
    let options = SimulatorOptions {
        recordings: Some(folder.path().to_owned()),
        is_exact: true,
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let mut other = hello.clone();
    other["messages"][0]["content"] = json!("bye");
    let answer = asked(&simulator, "/v1/chat/completions", &other).await;
    assert_eq!(answer.header("x-simulator-recording"), "");
    std::fs::write(folder.path().join("bad.jsonl"), "{}").unwrap();
    let options = SimulatorOptions {
        recordings: Some(folder.path().to_owned()),
        ..SimulatorOptions::default()
    };
    let error = Simulator::start(options).await.err().unwrap();
    assert!(error.message().contains("bad.jsonl, line 1"), "{error}");
}
