//! Requests of real clients: every one is answered, over both kinds of provider, in a form that its
//! client reads: what the client's own dialect decodes.
//!
//! They lie beside the checkout; where they are absent the test says so and passes.

use std::collections::BTreeMap;
use std::path::Path;

use futures_util::{SinkExt as _, StreamExt as _};
use gw_core::event::StreamEvent;
use gw_core::seam::DialectId;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::gateway::{Gateway, Launch, PATIENCE};
use crate::http::{self, Reply};
use crate::upstream::{both_dialects, simulator};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/clients");

/// What is not asked of a model, or not offered yet: a piece of the path, and why.
const SKIPPED: &[(&str, &str)] = &[
    ("/gw/mcp", "MCP"),
    ("/.well-known/", "MCP authorization"),
    ("/register", "MCP authorization"),
];

/// What cannot be said in the other dialect, so that a refusal is the honest answer: part of the
/// file's name, the provider, and what the refusal must speak of.
const REFUSED: &[(&str, &str, &str)] = &[("server-tool-websearch", "o", "web_search")];

struct Recorded {
    name: String,
    scenario: String,
    method: String,
    path: String,
    note: String,
    headers: Vec<(String, String)>,
    body: Value,
}

fn recorded(path: &Path) -> Option<Recorded> {
    let name = path.file_name()?.to_str()?.to_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let mut exchange: Value = serde_json::from_str(&text).ok()?;
    let word = |key: &str| exchange[key].as_str().map(str::to_owned);
    let (method, path) = (word("method")?, word("path")?);
    let note = word("note").unwrap_or_default();
    let scenario = name.rsplit_once("__").map(|(start, _)| start.to_owned())?;
    let headers = exchange["headers"].as_array()?.iter().filter_map(|pair| {
        let (name, value) = (pair[0].as_str()?.to_lowercase(), pair[1].as_str()?.to_owned());
        let is_of_connection =
            ["host", "connection", "content-length", "accept-encoding", "upgrade"]
                .contains(&name.as_str())
                || name.starts_with("sec-websocket-");
        // What was redacted is no header value any more.
        let is_text = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        (!is_of_connection && is_text && name != "authorization").then_some((name, value))
    });
    let headers = headers.collect();
    let mut body = exchange["body"].take();
    inflate(&mut body);
    Some(Recorded { name, scenario, method, path, note, headers, body })
}

/// `<text:N>` becomes a text of N characters.
fn inflate(value: &mut Value) {
    match value {
        Value::String(text) => {
            let length = text.strip_prefix("<text:").and_then(|rest| rest.strip_suffix('>'));
            if let Some(length) = length.and_then(|length| length.parse::<usize>().ok()) {
                *text = "lorem ipsum ".chars().cycle().take(length).collect();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(inflate),
        Value::Object(fields) => fields.values_mut().for_each(inflate),
        _ => {}
    }
}

/// The dialect of a request for an answer, by its path.
fn dialect_of(path: &str) -> Option<DialectId> {
    let bare = path.split('?').next()?;
    if bare.ends_with("/chat/completions") {
        Some(DialectId::OpenAiChat)
    } else if bare.ends_with("/v2/chat") {
        Some(DialectId::CohereChat)
    } else if bare.ends_with("/messages") {
        Some(DialectId::AnthropicMessages)
    } else if bare.ends_with("/responses") {
        Some(DialectId::OpenAiResponses)
    } else if bare.ends_with("enerateContent") {
        Some(DialectId::Gemini)
    } else if ["/api/chat", "/api/generate"].contains(&bare) {
        Some(DialectId::Ollama)
    } else {
        None
    }
}

/// The path with our model in it, and without what the recording stood behind.
fn path_of(recorded: &Recorded, model: &str) -> String {
    let path = &recorded.path;
    let Some((start, rest)) = path.split_once("/models/") else { return path.clone() };
    let method = rest.split_once(':').map(|(_, method)| format!(":{method}"));
    format!("{start}/models/{model}{}", method.unwrap_or_default())
}

/// Why an answer is not one that its client reads.
async fn problem(gateway: &Gateway, recorded: &Recorded, upstream: &str) -> Result<(), String> {
    let model = format!("{upstream}/sim-small");
    let path = path_of(recorded, &model);
    let mut body = recorded.body.clone();
    let bytes = if body.is_object() {
        // Older clients of Ollama say `name`.
        for key in ["model", "name"] {
            if body.get(key).is_some() {
                body[key] = model.as_str().into();
            }
        }
        body.to_string()
    } else {
        String::new()
    };
    let headers: Vec<(&str, &str)> =
        recorded.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let reply = http::send(gateway.address, &recorded.method, &path, &headers, bytes.into()).await;
    let known = REFUSED
        .iter()
        .find(|(name, provider, _)| recorded.name.contains(name) && *provider == upstream);
    let text = reply.text();
    match known {
        Some((_, _, say)) if reply.status == 400 => {
            return if text.contains(say) { Ok(()) } else { Err(format!("refused: {text:.300}")) };
        }
        _ if reply.status != 200 => return Err(format!("{} {text:.300}", reply.status)),
        _ => {}
    }
    if recorded.method == "HEAD" {
        return Ok(());
    }
    match dialect_of(&path) {
        Some(dialect) => decoded(dialect, &reply),
        None => listed(&path, &reply.json()),
    }
}

/// Reads an answer as its client does.
fn decoded(id: DialectId, reply: &Reply) -> Result<(), String> {
    let dialect = gw_dialect::dialect(id);
    let content_type = reply.header("content-type").to_owned();
    if content_type.starts_with("application/json") {
        let answer = dialect.decode_reply(&reply.body).map_err(|error| error.to_string())?;
        let parts = answer.choices.first().map_or(0, |choice| choice.parts.len());
        return if parts > 0 { Ok(()) } else { Err("an empty answer".to_owned()) };
    }
    let wanted = match id {
        DialectId::Ollama => "application/x-ndjson",
        _ => "text/event-stream",
    };
    if content_type != wanted {
        return Err(format!("a stream of type {content_type}"));
    }
    if id == DialectId::Gemini && reply.text().lines().any(|line| line.starts_with(':')) {
        return Err("a comment, on which Google's clients break".to_owned());
    }
    let mut decoder = dialect.stream_decoder();
    let mut frames = Vec::new();
    decoder.push(&reply.body, &mut frames).map_err(|error| error.to_string())?;
    decoder.finish(&mut frames).map_err(|error| error.to_string())?;
    let events: Vec<&StreamEvent> = frames.iter().flat_map(|frame| &frame.events).collect();
    let error = events.iter().find_map(|event| match event {
        StreamEvent::Error(error) => Some(error.to_string()),
        _ => None,
    });
    if let Some(error) = error {
        return Err(error);
    }
    let says = events.iter().any(|event| matches!(event, StreamEvent::PartDelta { .. }));
    let ends = events.iter().any(|event| matches!(event, StreamEvent::End));
    if says && ends { Ok(()) } else { Err(format!("says: {says}, ends: {ends}")) }
}

/// Looks at answers that are no completions.
fn listed(path: &str, body: &Value) -> Result<(), String> {
    let is_well = if path.contains("/embeddings") {
        body["data"][0]["embedding"].is_array() || body["data"][0]["embedding"].is_string()
    } else if path.contains("/api/embed") {
        body["embeddings"][0].is_array()
    } else if path.contains("count_tokens") {
        body["input_tokens"].is_u64()
    } else if path.contains(":countTokens") {
        body["totalTokens"].is_u64()
    } else if path.starts_with("/api/show") {
        body["model_info"].is_object() && body["capabilities"].is_array()
    } else if path.contains("client_version=") || path.starts_with("/api/tags") {
        body["models"].is_array()
    } else if path.contains("/models/") {
        body["id"].is_string()
    } else {
        let list = body["data"].as_array().or_else(|| body["models"].as_array());
        list.is_some_and(|list| !list.is_empty())
    };
    if is_well { Ok(()) } else { Err(format!("not as its client reads it: {body:.300}")) }
}

/// Everything that was said on one connection, message by message.
async fn socket(gateway: &Gateway, messages: &[&Recorded], upstream: &str) -> Result<(), String> {
    let url = format!("ws://{}/v1/responses", gateway.address);
    let mut request = url.into_client_request().unwrap();
    let first = messages.first().ok_or("a connection without its request")?;
    for (name, value) in &first.headers {
        let name: ::http::HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let opened = tokio_tungstenite::client_async(request, stream).await;
    let (mut socket, _) = opened.map_err(|error| error.to_string())?;
    let mut last = Value::Null;
    for message in messages.iter().filter(|message| message.body.is_object()) {
        let mut body = message.body.clone();
        body["model"] = format!("{upstream}/sim-small").into();
        if body.get("previous_response_id").is_some() {
            body["previous_response_id"] = last.clone();
        }
        // An output that answers no call of this run is said by the user: another model called.
        if let Some(items) = body["input"].as_array_mut() {
            items.retain(|item| item["type"] != "function_call_output");
            if items.is_empty() {
                items.push(json!({"type": "message", "role": "user",
                    "content": [{"type": "input_text", "text": "Go on."}]}));
            }
        }
        socket.send(Message::text(body.to_string())).await.map_err(|error| error.to_string())?;
        last = loop {
            let next = timeout(PATIENCE, socket.next()).await.map_err(|_| "silence")?;
            let received = next.ok_or("closed")?.map_err(|error| error.to_string())?;
            let Message::Text(text) = received else { continue };
            let event: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            match event["type"].as_str() {
                Some("response.completed") => break event["response"]["id"].clone(),
                Some("response.failed" | "error") => return Err(format!("{event:.300}")),
                _ => {}
            }
        };
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_real_clients_are_answered() {
    let Ok(folder) = std::fs::read_dir(FOLDER) else {
        println!("skipped: the clients' requests are not beside this checkout");
        return;
    };
    let simulator = simulator().await;
    let gateway = Launch::new().toml(&both_dialects(&simulator.base_url())).serve().await;
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let all: Vec<Recorded> = files.iter().filter_map(|path| recorded(path)).collect();
    assert!(all.len() > 250, "only {} requests were found", all.len());
    let mut skipped: BTreeMap<&str, usize> = BTreeMap::new();
    let mut connections: Vec<Vec<&Recorded>> = Vec::new();
    let (mut problems, mut answered) = (Vec::new(), 0);
    for request in &all {
        let skip = SKIPPED.iter().find(|(piece, _)| request.path.contains(piece));
        if let Some((_, why)) = skip {
            *skipped.entry(why).or_default() += 1;
            continue;
        }
        answered += 1;
        match request.note.as_str() {
            "ws message" => match connections.last_mut() {
                Some(last) if last[0].scenario == request.scenario => last.push(request),
                _ => problems.push(format!("{}: no connection before it", request.name)),
            },
            note if note.starts_with("websocket upgrade") => connections.push(vec![request]),
            _ => {
                for upstream in ["o", "a"] {
                    if let Err(why) = problem(&gateway, request, upstream).await {
                        problems.push(format!("{} over {upstream}: {why}", request.name));
                    }
                }
            }
        }
    }
    for messages in &connections {
        for upstream in ["o", "a"] {
            if let Err(why) = socket(&gateway, messages, upstream).await {
                problems.push(format!("{} over {upstream}: {why}", messages[0].name));
            }
        }
    }
    let left_out: usize = skipped.values().sum();
    println!("{} requests: {answered} answered, {left_out} skipped {skipped:?}", all.len());
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}
