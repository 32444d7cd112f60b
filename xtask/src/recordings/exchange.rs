//! One exchange: which format it has, and the checks of its request and its answer.

use bytes::Bytes;
use gw_core::chat::ChatRequest;
use gw_core::seam::{ClientStream, Dialect, DialectId};
use gw_core::{Error, Kind};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::compare::{Side, compare_replies};
use super::{Findings, difference, requests, shortened, streams, verdicts};

/// The format of an exchange, by its path; `None` for everything that is not a call of one.
pub(super) fn format_of(exchange: &Value) -> Option<DialectId> {
    let request = &exchange["request"];
    let is_post = request["method"].as_str().is_some_and(|it| it.eq_ignore_ascii_case("post"));
    let path = request["uri"].as_str()?.split(['?', '#']).next()?;
    match path {
        _ if !is_post => None,
        path if path.ends_with("/chat/completions") => Some(DialectId::OpenAiChat),
        path if path.ends_with("/v1/messages") => Some(DialectId::AnthropicMessages),
        path if path.ends_with("/responses") => Some(DialectId::OpenAiResponses),
        path if gemini_call(path).is_some() => Some(DialectId::Gemini),
        path if path.ends_with("/api/chat") || path.ends_with("/api/generate") => {
            Some(DialectId::Ollama)
        }
        path if path.ends_with("/v2/chat") => Some(DialectId::CohereChat),
        path if bedrock_call(path).is_some() => Some(DialectId::BedrockConverse),
        _ => None,
    }
}

/// The dialect of a request for a count of its tokens: the request of a call, without the call.
pub(super) fn count_of(exchange: &Value) -> Option<DialectId> {
    let path = exchange["request"]["uri"].as_str()?.split(['?', '#']).next()?;
    if path.ends_with("/messages/count_tokens") {
        return Some(DialectId::AnthropicMessages);
    }
    path.ends_with(":countTokens").then_some(DialectId::Gemini)
}

/// Checks a count: its request decodes, its answer states a number.
pub(super) fn check_count(exchange: &Value, format: DialectId) -> Findings {
    let mut findings = Findings::default();
    let body = body_of(&exchange["request"]).unwrap_or_default();
    let bytes = match format {
        // The request may stand inside.
        DialectId::Gemini => match serde_json::from_str::<Value>(&body) {
            Ok(body) if body["generateContentRequest"].is_object() => {
                body["generateContentRequest"].to_string()
            }
            _ => body,
        },
        _ => body,
    };
    if let Err(error) = gw_dialect::dialect(format).decode_request(bytes.as_bytes()) {
        findings.fail(format!("the request does not decode: {error}"));
    }
    let answer = body_of(&exchange["response"]).unwrap_or_default();
    let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
    let is_counted = answer["input_tokens"].is_u64() || answer["totalTokens"].is_u64();
    if exchange["response"]["status"] == 200 && !is_counted {
        findings.fail("the answer states no count");
    }
    findings
}

/// Why an exchange is not a call of a chat format.
pub(super) fn other_kind(exchange: &Value) -> &'static str {
    const KINDS: [(&str, &str); 22] = [
        ("/embed", "embeddings: no chat"),
        ("EmbedContents", "embeddings: no chat"),
        ("/rerank", "rerank: no chat"),
        ("/moderations", "moderations: no chat"),
        ("/images/", "images: no chat"),
        ("/videos", "videos: no chat"),
        ("/audio/", "audio: no chat"),
        ("/ocr", "reading documents: no chat"),
        ("BatchResult", "batches: calls and answers inside a job"),
        ("batch", "batches: calls and answers inside a job"),
        ("/files", "files: bytes that are kept"),
        ("cachedContents", "prompt caches kept at the provider"),
        ("/operations/", "state of a long operation"),
        (":predictLongRunning", "videos: no chat"),
        (":predict", "models of Vertex AI that are no chat (embeddings, pictures)"),
        ("/models", "list of models"),
        ("titan-embed", "embeddings: no chat"),
        ("embed", "embeddings: no chat"),
        ("/invoke", "a maker's own format through Bedrock"),
        ("/completions", "completions without a chat"),
        ("/v1/", "another endpoint of an API version 1"),
        ("", "another address"),
    ];
    let uri = exchange["request"]["uri"].as_str().unwrap_or_default();
    let found = KINDS.iter().find(|(mark, _)| uri.contains(mark));
    found.map_or("another address", |(_, kind)| kind)
}

/// Model and wish for a stream in the address of a Gemini call, as a door reads them.
fn gemini_call(path: &str) -> Option<(&str, bool)> {
    let (rest, method) = path.rsplit_once(':')?;
    let (_, model) = rest.rsplit_once("/models/")?;
    match method {
        "generateContent" => Some((model, false)),
        "streamGenerateContent" => Some((model, true)),
        _ => None,
    }
}

/// Model and wish for a stream in the address of a Bedrock call.
fn bedrock_call(path: &str) -> Option<(&str, bool)> {
    let (rest, method) = path.rsplit_once('/')?;
    let (_, model) = rest.rsplit_once("/model/")?;
    match method {
        "converse" => Some((model, false)),
        "converse-stream" => Some((model, true)),
        _ => None,
    }
}

/// Every format that an exchange is written in: its own first.
pub(super) fn targets(format: DialectId) -> Vec<DialectId> {
    let others = gw_dialect::all().iter().map(|dialect| dialect.id()).filter(|id| *id != format);
    std::iter::once(format).chain(others).collect()
}

/// Checks both halves.
pub(super) fn check(exchange: &Value, format: DialectId, cut_bytes_max: usize) -> Findings {
    let mut findings = Findings::default();
    let dialect = gw_dialect::dialect(format);
    match body_of(&exchange["request"]) {
        None => findings.except("the request has no body"),
        Some(body) => check_request(&*dialect, &body, exchange, &mut findings),
    }
    let response = &exchange["response"];
    let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    match (status, body_of(response)) {
        (None, _) => findings.except("the response has no status"),
        (Some(200..=299), None) => findings.except("the response has no body"),
        (Some(200..=299), Some(body)) if is_stream(format, response, &body) => {
            streams::check(&*dialect, &body, cut_bytes_max, &mut findings);
        }
        (Some(200..=299), Some(body)) => check_reply(&*dialect, &body, &mut findings),
        (Some(status), body) => {
            let body = Bytes::from(body.unwrap_or_default());
            check_refusal(&*dialect, status, &headers_of(response), &body, &mut findings);
        }
    }
    findings
}

fn check_request(dialect: &dyn Dialect, body: &str, exchange: &Value, findings: &mut Findings) {
    if serde_json::from_str::<Value>(body).is_err() {
        findings.except("the request body is not JSON");
        return;
    }
    let mut request: ChatRequest = match dialect.decode_request(body.as_bytes()) {
        Ok(request) => request,
        // A provider that refused the request as well proves the decoder right.
        Err(error) if exchange["response"]["status"] == 400 => {
            findings.except(format!("the recorded request is refused, as it was: {error}"));
            return;
        }
        Err(error) => return findings.fail(format!("the request does not decode: {error}")),
    };
    let path = exchange["request"]["uri"].as_str().and_then(|uri| uri.split(['?', '#']).next());
    if let Some((model, is_stream)) =
        path.and_then(|path| gemini_call(path).or_else(|| bedrock_call(path)))
    {
        (request.model, request.stream) = (model.to_owned(), is_stream);
    }
    for target in targets(dialect.id()) {
        requests::check_round_trip(&request, target, findings);
    }
    requests::check_pass(dialect, body, &request, findings);
}

fn body_of(half: &Value) -> Option<String> {
    match &half["body"] {
        Value::String(body) if body.trim().is_empty() => None,
        Value::String(body) => Some(body.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

fn is_stream(format: DialectId, response: &Value, body: &str) -> bool {
    let start = body.trim_start_matches('\u{feff}').trim_start();
    match format {
        // A stream of the Gemini format may be one JSON array; one of Ollama's is lines.
        DialectId::Gemini if start.starts_with('[') => return true,
        DialectId::Ollama => return start.trim_end().lines().count() > 1,
        _ => {}
    }
    if start.starts_with('{') || start.starts_with('[') || start.starts_with('<') {
        return false;
    }
    let says_so = headers_of(response)
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("text/event-stream"));
    says_so || ["data:", "event:", "id:", "retry:", ":"].iter().any(|it| start.starts_with(it))
}

/// Header values are texts or lists of texts.
fn headers_of(response: &Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in response["headers"].as_object().into_iter().flatten() {
        let values = match value {
            Value::Array(values) => values.iter().collect(),
            value => vec![value],
        };
        for value in values.into_iter().filter_map(Value::as_str) {
            let name = HeaderName::from_bytes(name.to_lowercase().as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                headers.append(name, value);
            }
        }
    }
    headers
}

/// A client of the answers that are written here.
pub(super) fn client() -> ClientStream {
    ClientStream {
        model: String::new(),
        include_usage: true,
        input_tokens_estimate: 1,
        created_s: 1,
        fallback_id: "fallback".to_owned(),
        echo: serde_json::Map::new(),
    }
}

fn check_reply(dialect: &dyn Dialect, body: &str, findings: &mut Findings) {
    if serde_json::from_str::<Value>(body).is_err() {
        findings.except("the response body is not JSON (cut in the recording)");
        return;
    }
    let reply = match dialect.decode_reply(body.as_bytes()) {
        Ok(reply) => reply,
        Err(error) if error.kind() != Kind::ProviderMalformed => {
            return check_error(dialect, &error, findings);
        }
        Err(error) => return findings.fail(format!("the answer does not decode: {error}")),
    };
    for target in targets(dialect.id()) {
        let written = gw_dialect::dialect(target).encode_reply(&reply, &client());
        match gw_dialect::dialect(target).decode_reply(&written) {
            Ok(again) => {
                let from = Side { format: dialect.id(), reply: &reply };
                let to = Side { format: target, reply: &again };
                compare_replies(&format!("the answer in {target}"), &from, &to, findings);
            }
            Err(error) => {
                findings.fail(format!("the answer written in {target} does not decode: {error}"));
            }
        }
    }
}

fn check_refusal(
    dialect: &dyn Dialect,
    status: u16,
    headers: &HeaderMap,
    body: &Bytes,
    findings: &mut Findings,
) {
    let error = dialect.decode_error(status, headers, body);
    verdicts::check(status, &String::from_utf8_lossy(body), &error, findings);
    check_error(dialect, &error, findings);
}

/// An error written in either dialect must be read back with the same status, and the same words
/// in the other one.
fn check_error(dialect: &dyn Dialect, error: &Error, findings: &mut Findings) {
    if error.message().is_empty() {
        findings.fail("the error has no message");
    }
    for target in targets(dialect.id()) {
        let written = gw_dialect::dialect(target).encode_error(error);
        if serde_json::from_slice::<Value>(&written).is_err() {
            let text = shortened(&String::from_utf8_lossy(&written));
            findings.fail(format!("the error written in {target} is not JSON: {text}"));
            continue;
        }
        let status = status_in(target, error);
        let again = gw_dialect::dialect(target).decode_error(status, &HeaderMap::new(), &written);
        if status_in(target, &again) != status {
            let what = format!("the kind of the error in {target}");
            findings.fail(difference(&what, &error.kind(), &again.kind()));
        }
        let words = [again.message(), error.message()];
        let is_kept = words[0].contains(words[1]) || error.kind() == Kind::ContextTooLong;
        let is_hidden = matches!(error.kind(), Kind::ProviderAuth | Kind::ProviderBilling);
        if !is_kept && !is_hidden {
            let what = format!("the message of the error in {target}");
            findings.fail(difference(&what, &words[1], &words[0]));
        }
    }
}

fn status_in(format: DialectId, error: &Error) -> u16 {
    match format {
        DialectId::OpenAiChat
        | DialectId::OpenAiResponses
        | DialectId::Gemini
        | DialectId::Ollama
        | DialectId::CohereChat
        | DialectId::BedrockConverse => error.kind().row().status,
        DialectId::AnthropicMessages => error.kind().row().anthropic_status,
    }
}
