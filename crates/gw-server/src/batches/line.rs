//! One request of a batch: how it stands in the file, and how it is answered.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use gw_core::batch::{Batch, BatchLine};
use gw_core::limits::{BATCH_REQUESTS_MAX, RESPONSE_BODY_BYTES_MAX};
use http::HeaderValue;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::{Map, Value, json};

use super::object::fault;
use crate::app::Server;
use crate::auth::Caller;
use crate::errors::Refusal;
use crate::http::{chat_completions, embeddings, images, messages, moderations, rerank, responses};
use crate::surface::Surface;

/// Paths that the requests of a batch may be for.
pub(crate) const ENDPOINTS: [&str; 7] = [
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/messages",
    "/v1/rerank",
];

/// Tries of a request that is limited or finds nobody who has room.
const TRIES_MAX: u32 = 6;

/// Longest wait between two of them, in seconds.
const WAIT_S_MAX: u64 = 60;

/// Faults of a file that are told.
const FAULTS_MAX: usize = 20;

/// A request of a batch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// Its place in the file, from 0.
    pub(crate) number: u64,
    /// What its client calls it.
    pub(crate) custom_id: String,
    /// What it asks.
    pub(crate) body: Map<String, Value>,
}

/// Reads the file of requests.
///
/// # Errors
/// One object for each fault, in OpenAI's words, the first [`FAULTS_MAX`] of them.
pub(crate) fn parse(content: &[u8], endpoint: &str) -> Result<Vec<Line>, Vec<Value>> {
    let mut lines = Vec::new();
    let mut faults = Vec::new();
    let mut names = HashSet::new();
    let texts = content.split(|byte| *byte == b'\n').enumerate();
    for (at, text) in texts.filter(|(_, text)| !text.trim_ascii().is_empty()) {
        match read(text, endpoint) {
            Ok((custom_id, body)) if names.insert(custom_id.clone()) => {
                lines.push(Line { number: lines.len() as u64, custom_id, body });
            }
            Ok(_) => {
                faults.push(fault("duplicate_custom_id", "`custom_id` stands twice", Some(at)));
            }
            Err((code, message)) => faults.push(fault(code, &message, Some(at))),
        }
        if faults.len() >= FAULTS_MAX {
            break;
        }
        if lines.len() > BATCH_REQUESTS_MAX {
            let message = format!("a batch holds at most {BATCH_REQUESTS_MAX} requests");
            faults.push(fault("too_many_tasks", &message, Some(at)));
            break;
        }
    }
    if lines.is_empty() && faults.is_empty() {
        faults.push(fault("empty_file", "the file holds no request", None));
    }
    if faults.is_empty() { Ok(lines) } else { Err(faults) }
}

type Fault = (&'static str, String);

fn read(text: &[u8], endpoint: &str) -> Result<(String, Map<String, Value>), Fault> {
    let wrong = |message: &str| ("invalid_request", message.to_owned());
    let Ok(Value::Object(mut line)) = serde_json::from_slice::<Value>(text) else {
        return Err(("invalid_json_line", "the line is no JSON object".to_owned()));
    };
    let custom_id = line.get("custom_id").and_then(Value::as_str).unwrap_or_default().to_owned();
    if custom_id.is_empty() {
        return Err(wrong("`custom_id` is required"));
    }
    if line.get("method").and_then(Value::as_str).is_some_and(|method| method != "POST") {
        return Err(wrong("`method` must be `POST`"));
    }
    if line.get("url").and_then(Value::as_str).is_some_and(|url| url != endpoint) {
        return Err(("mismatched_endpoint", format!("`url` must be `{endpoint}`")));
    }
    match line.remove("body") {
        Some(Value::Object(mut body)) => {
            // Nobody listens while it is answered.
            for field in ["stream", "stream_options", "background"] {
                body.shift_remove(field);
            }
            Ok((custom_id, body))
        }
        _ => Err(wrong("`body` must be an object")),
    }
}

/// Asks it at its door, again where it is limited; `None` where the gateway is about to stop.
pub(super) async fn answer(server: &Arc<Server>, batch: &Batch, line: &Line) -> Option<BatchLine> {
    for tried in 1.. {
        let response = ask(server, batch, line).await;
        let status = response.status().as_u16();
        let wait_s = wait_s(&response, tried);
        let request_id = header(&response, "x-gateway-call-id");
        let body = to_bytes(response.into_body(), RESPONSE_BODY_BYTES_MAX).await;
        if server.app.lifecycle.is_stopping() && status >= 500 {
            return None;
        }
        if matches!(status, 429 | 503 | 529) && tried < TRIES_MAX {
            tokio::time::sleep(Duration::from_secs(wait_s)).await;
            if server.app.lifecycle.is_stopping() {
                return None;
            }
            continue;
        }
        let bytes = body.unwrap_or_default();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let text = json!({
            "id": format!("batch_req_{}", request_id.replace('-', "")),
            "custom_id": line.custom_id,
            "response": {"status_code": status, "request_id": request_id, "body": body},
            "error": null,
        });
        let is_error = status != 200;
        return Some(BatchLine { line: line.number, is_error, text: text.to_string() });
    }
    None
}

async fn ask(server: &Arc<Server>, batch: &Batch, line: &Line) -> Response {
    let body = Bytes::from(Value::Object(line.body.clone()).to_string());
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = http::Method::POST;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let noted = json!({"batch_id": batch.id}).to_string();
    if let Ok(noted) = HeaderValue::from_str(&noted) {
        headers.insert("x-gateway-metadata", noted);
    }
    let caller = Caller { principal: batch.principal.clone(), is_trusted: true };
    request.extensions_mut().insert(caller);
    let state = State(Arc::clone(server));
    let (answered, surface) = match batch.endpoint.as_str() {
        "/v1/responses" => (responses::create(state, request).await, Surface::OpenAi),
        "/v1/embeddings" => (embeddings::embed(state, request).await, Surface::OpenAi),
        "/v1/moderations" => (moderations::moderate(state, request).await, Surface::OpenAi),
        "/v1/images/generations" => (images::generate(state, request).await, Surface::OpenAi),
        "/v1/messages" => (messages::message(state, request).await, Surface::Anthropic),
        "/v1/rerank" => (rerank::rerank(state, request).await, Surface::Cohere),
        _ => (chat_completions::complete(state, request).await, Surface::OpenAi),
    };
    answered.unwrap_or_else(|refusal: Refusal| refusal.render(server, surface))
}

fn header(response: &Response, name: &str) -> String {
    let value = response.headers().get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

/// How long to wait before it is asked again: as told, else twice as long each time.
fn wait_s(response: &Response, tried: u32) -> u64 {
    let told =
        response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    told.unwrap_or_else(|| 1_u64 << tried.min(6)).clamp(1, WAIT_S_MAX)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn faults_name_their_line() {
        let file = concat!(
            "{\"custom_id\": \"a\", \"method\": \"POST\", \"url\": \"/v1/chat/completions\", \"body\": {\"stream\": true, \"x\": 1}}\n",
            "\n",
            "{\"custom_id\": \"b\", \"body\": {}}\n",
        );
        let lines = parse(file.as_bytes(), "/v1/chat/completions").expect("a good file");
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].body.len(), lines[1].number), (1, 1));
        let check = |file: &str, code: &str, line: Option<u64>| {
            let faults = parse(file.as_bytes(), "/v1/chat/completions").expect_err("a fault");
            assert_eq!(
                (faults[0]["code"].as_str(), faults[0]["line"].as_u64()),
                (Some(code), line)
            );
        };
        check("", "empty_file", None);
        check("{", "invalid_json_line", Some(1));
        check(
            "{\"custom_id\": \"a\", \"body\": {}, \"url\": \"/v1/x\"}",
            "mismatched_endpoint",
            Some(1),
        );
        let twice = "{\"custom_id\": \"a\", \"body\": {}}\n{\"custom_id\": \"a\", \"body\": {}}";
        check(twice, "duplicate_custom_id", Some(2));
        check("{\"body\": {}}", "invalid_request", Some(1));
    }
}
