//! Every recorded chat-completions exchange and client request. Skipped where the data is absent.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use gw_core::chat::ResponseFormat;
use gw_core::event::StreamEvent;
use gw_core::fold::Fold;
use gw_core::seam::{ClientStream, Dialect, Frame, FrameKind, Quirks, Target};
use http::HeaderMap;
use serde_json::Value;

use crate::openai_chat::OpenAiChat;

const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
const FILES: [&str; 9] = [
    "openai",
    "openrouter",
    "ollama",
    "deepseek",
    "mistral",
    "xai",
    "azure",
    "perplexity",
    "gpustack",
];

/// The chat-completions exchanges of one file; none where the folder is absent.
fn exchanges(file: &str) -> Vec<Value> {
    let Ok(text) = fs::read_to_string(format!("{SHARED}/recordings/{file}.jsonl")) else {
        eprintln!("skipped: no recordings of {file}");
        return Vec::new();
    };
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines
        .filter(|exchange| {
            let uri = exchange["request"]["uri"].as_str().unwrap_or_default();
            uri.split('?').next().unwrap_or_default().ends_with("/chat/completions")
        })
        .collect()
}

fn frames_of(body: &[u8], piece: usize) -> (Vec<Frame>, bool) {
    let mut decoder = OpenAiChat.stream_decoder();
    let mut frames = Vec::new();
    let mut is_well = true;
    for bytes in body.chunks(piece.max(1)) {
        is_well &= decoder.push(bytes, &mut frames).is_ok();
    }
    is_well &= decoder.finish(&mut frames).is_ok();
    (frames, is_well)
}

fn fold(frames: &[Frame]) -> Fold {
    let mut sum = Fold::default();
    for event in frames.iter().flat_map(|frame| &frame.events) {
        sum.push(event);
    }
    sum
}

#[test]
fn requests_decode_and_round_trip() {
    let quirks = Quirks {
        reasoning_field: "reasoning_content".to_owned(),
        reasoning_details: true,
        reasoning_object: true,
        cache_control: true,
        ..Quirks::default()
    };
    for exchange in FILES.iter().flat_map(|file| exchanges(file)) {
        let body = exchange["request"]["body"].as_str().expect("text");
        let name = &exchange["cassette"];
        let request = OpenAiChat.decode_request(body.as_bytes());
        let mut request = request.unwrap_or_else(|error| panic!("{name}: {error}"));
        // OpenAI wants a name where Perplexity wants none.
        if let Some(ResponseFormat::JsonSchema { name, .. }) = &mut request.response_format {
            name.get_or_insert_with(|| "response".to_owned());
        }
        let target = Target { model: &request.model, quirks: &quirks, max_output_tokens: None };
        let wire = OpenAiChat.encode_request(&request, &target);
        let wire = wire.unwrap_or_else(|error| panic!("{name}: {error}"));
        if wire.notices.iter().any(|notice| notice.feature == "tool_result") {
            continue; // OpenRouter takes pictures in tool results; others want them after.
        }
        assert_eq!(wire.notices, [], "{name}");
        let mut again = OpenAiChat.decode_request(&wire.body).expect("its own words");
        again.include_usage = request.include_usage;
        assert_eq!(again, request, "{name}");
    }
}

#[test]
fn answers_decode_and_round_trip() {
    for exchange in FILES.iter().flat_map(|file| exchanges(file)) {
        let body = exchange["response"]["body"].as_str().expect("text");
        let status = exchange["response"]["status"].as_u64().expect("a status");
        let name = &exchange["cassette"];
        if status != 200 {
            let status = u16::try_from(status).expect("a status");
            let bytes = Bytes::copy_from_slice(body.as_bytes());
            let error = OpenAiChat.decode_error(status, &HeaderMap::new(), &bytes);
            assert!(error.message().len() > 10, "{name}: {error}");
            continue;
        }
        if exchange["request"]["body"].as_str().is_some_and(|body| body.contains("\"stream\":true"))
        {
            check_stream(name, body);
            continue;
        }
        let reply = OpenAiChat.decode_reply(body.as_bytes());
        let reply = reply.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!reply.id.is_empty() && reply.choices[0].stop.is_some(), "{name}");
        assert!(reply.usage.usage.total_input() > 0, "{name}");
        let again = OpenAiChat.encode_reply(&reply, &ClientStream::default());
        assert_eq!(OpenAiChat.decode_reply(&again).expect("its own words"), reply, "{name}");
    }
}

fn check_stream(name: &Value, body: &str) {
    let (frames, is_well) = frames_of(body.as_bytes(), usize::MAX);
    assert!(is_well, "{name}");
    let raw: Vec<u8> = frames.iter().flat_map(|frame| frame.raw.to_vec()).collect();
    assert!(raw.starts_with(body.as_bytes()), "{name}: every byte is in a frame");
    assert_eq!(frames.last().map(|frame| frame.kind), Some(FrameKind::End), "{name}");
    let whole = fold(&frames);
    assert!(whole.has_ended(), "{name}");
    let reply = whole.into_reply();
    assert!(!reply.choices[0].parts.is_empty() && reply.choices[0].stop.is_some(), "{name}");
    assert!(reply.usage.usage.total_output() > 0, "{name}");
    for piece in [1, 7] {
        let (cut, _) = frames_of(body.as_bytes(), piece);
        assert_eq!(fold(&cut).into_reply(), reply, "{name} in pieces of {piece}");
        let kinds = |frames: &[Frame]| frames.iter().map(|frame| frame.kind).collect::<Vec<_>>();
        assert_eq!(kinds(&cut), kinds(&frames), "{name} in pieces of {piece}");
    }
    let client = ClientStream { include_usage: true, ..ClientStream::default() };
    let mut encoder = OpenAiChat.stream_encoder(client);
    let mut out = Vec::new();
    for event in frames.iter().flat_map(|frame| &frame.events) {
        encoder.push(event, &mut out);
    }
    let (again, is_well) = frames_of(&out, usize::MAX);
    assert!(is_well, "{name}");
    assert_eq!(fold(&again).into_reply(), reply, "{name} written and read again");
    assert!(!again.iter().any(|frame| matches!(frame.events.first(), Some(StreamEvent::Error(_)))));
}

#[test]
fn requests_of_real_clients_decode() {
    let folder = Path::new(SHARED).join("clients");
    let Ok(entries) = fs::read_dir(&folder) else {
        eprintln!("skipped: no client requests");
        return;
    };
    let mut count = 0;
    for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let Ok(exchange) = serde_json::from_str::<Value>(&text) else { continue };
        let is_ours =
            exchange["path"].as_str().is_some_and(|path| path.contains("/chat/completions"));
        if !is_ours || exchange["body"].is_null() {
            continue;
        }
        let body = match &exchange["body"] {
            Value::String(body) => body.clone(),
            body => body.to_string(),
        };
        if let Err(error) = OpenAiChat.decode_request(body.as_bytes()) {
            panic!("{}: {error}", path.display());
        }
        count += 1;
    }
    assert!(count > 20, "only {count} requests were found");
}
