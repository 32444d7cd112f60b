//! What recorded answers say of their consumption, found without the dialects, for `xtask prices`.

use anyhow::Result;
use gw_core::UsageReport;
use gw_core::fold::Fold;
use gw_core::seam::DialectId;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A recorded exchange.
#[derive(Deserialize)]
pub(crate) struct Exchange {
    #[serde(default)]
    pub(crate) cassette: String,
    #[serde(default)]
    pub(crate) i: u64,
    pub(crate) provider: String,
    pub(crate) request: Request,
    pub(crate) response: Response,
}

#[derive(Deserialize)]
pub(crate) struct Request {
    pub(crate) uri: String,
    #[serde(default)]
    body: Value,
}

#[derive(Deserialize)]
pub(crate) struct Response {
    status: u16,
    #[serde(default)]
    body: Value,
}

impl Response {
    /// The body as it came.
    pub(crate) fn text(&self) -> String {
        match &self.body {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        }
    }
}

/// One statement of consumption.
pub(crate) struct Stated {
    /// Names under which the model may be priced: the one that answered first.
    pub(crate) models: Vec<String>,
    /// The members of the answer that state it.
    pub(crate) answer: Map<String, Value>,
    /// True for a result of a batch.
    pub(crate) is_batch: bool,
}

const USAGE: [&str; 4] = ["usage", "usageMetadata", "usage_info", "meta"];

impl Stated {
    /// The usage object itself.
    pub(crate) fn usage(&self) -> &Map<String, Value> {
        let found = USAGE.iter().find_map(|key| self.answer.get(*key)?.as_object());
        found.unwrap_or(&self.answer)
    }
}

/// Everything an exchange says of consumption. What is counted beforehand, or stands for a stored
/// cache or for a batch that runs, is no consumption.
pub(crate) fn statements(exchange: &Exchange) -> Vec<Stated> {
    let uri = &exchange.request.uri;
    let path = uri.split('?').next().unwrap_or_default();
    let is_no_call = ["/cachedContents", "countTokens", "count_tokens", "/v1/batches"];
    let has_results = path.ends_with("/results") || path.ends_with("/content");
    if !(200..300).contains(&exchange.response.status)
        || (!has_results && is_no_call.iter().any(|part| path.contains(part)))
    {
        return Vec::new();
    }
    let asked = match &exchange.request.body {
        Value::String(text) => serde_json::from_str::<Value>(text).unwrap_or_default(),
        other => other.clone(),
    };
    let others = [asked["model"].as_str().map(str::to_owned), model_in_path(path)];
    let others: Vec<String> = others.into_iter().flatten().collect();
    let body = exchange.response.text();
    if has_results || path.contains("/batches/") || path.contains("/batch/jobs") {
        return batch(&body, &others);
    }
    let found = match serde_json::from_str::<Value>(&body) {
        Ok(Value::Object(whole)) => one(&whole, &others),
        _ => streamed(&body, &others),
    };
    found.into_iter().collect()
}

fn model_in_path(path: &str) -> Option<String> {
    let at = ["/models/", "/model/"].iter().find_map(|part| Some(path.find(part)? + part.len()))?;
    let rest = path[at..].replace("%3A", ":");
    let end = rest.find('/').or_else(|| rest.rfind(":generate")).or_else(|| rest.rfind(":stream"));
    let end = end.or_else(|| rest.rfind(":batch"));
    Some(rest[..end.unwrap_or(rest.len())].to_owned())
}

fn one(whole: &Map<String, Value>, others: &[String]) -> Option<Stated> {
    let answer: Map<String, Value> = whole
        .iter()
        .filter(|(key, value)| {
            let is_usage = USAGE.contains(&key.as_str()) && value.is_object();
            is_usage || ["service_tier", "serviceTier", "tool_usage"].contains(&key.as_str())
        })
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let states = |key: &&str| {
        answer.get(*key).and_then(Value::as_object).is_some_and(|usage| {
            // Cohere's embeddings have a `meta` that states nothing for some inputs.
            !usage.is_empty() && (*key != "meta" || usage.contains_key("billed_units"))
        })
    };
    if !USAGE.iter().any(states) {
        return None;
    }
    let named = ["model", "modelVersion"].iter().find_map(|key| whole.get(*key)?.as_str());
    let mut models: Vec<String> = named.map(str::to_owned).into_iter().collect();
    models.extend_from_slice(others);
    Some(Stated { models, answer, is_batch: false })
}

/// The sum of a stream; later counts replace earlier ones.
fn streamed(body: &str, others: &[String]) -> Option<Stated> {
    let mut sum = Map::new();
    for line in body.lines() {
        let Some(data) = line.strip_prefix("data:") else { continue };
        let Ok(Value::Object(event)) = serde_json::from_str::<Value>(data.trim()) else { continue };
        let inner = ["message", "response", "delta"];
        let around = inner.iter().find_map(|key| event.get(*key)?.as_object());
        for object in [around, Some(&event)].into_iter().flatten() {
            for key in ["model", "modelVersion", "service_tier", "tool_usage"] {
                let is_known = key.starts_with("model") && sum.contains_key(key);
                if let Some(value) = object.get(key).filter(|value| !value.is_null())
                    && value != ""
                    && !is_known
                {
                    sum.insert(key.to_owned(), value.clone());
                }
            }
            for key in USAGE {
                let Some(Value::Object(usage)) = object.get(key) else { continue };
                let slot = sum.entry(key.to_owned()).or_insert_with(|| Value::Object(Map::new()));
                for (name, value) in usage.iter().filter(|(_, value)| !value.is_null()) {
                    slot[name.as_str()] = value.clone();
                }
            }
        }
    }
    one(&sum, others)
}

/// Results of a batch: one JSON document a line, or all of them in one list.
fn batch(body: &str, others: &[String]) -> Vec<Stated> {
    let mut documents: Vec<Value> = match serde_json::from_str::<Value>(body) {
        Ok(whole) => vec![whole],
        Err(_) => body.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
    };
    let mut found = Vec::new();
    while let Some(document) = documents.pop() {
        match document {
            Value::Object(object) => match one(&object, others) {
                Some(stated) => found.push(Stated { is_batch: true, ..stated }),
                None => documents.extend(object.into_iter().map(|(_, value)| value)),
            },
            Value::Array(items) => documents.extend(items),
            _ => {}
        }
    }
    found
}

/// The dialect that reads answers of an address, where the gateway has one.
pub(crate) fn dialect_of(uri: &str) -> Option<DialectId> {
    let path = uri.split('?').next().unwrap_or_default();
    if path.ends_with("/chat/completions") {
        Some(DialectId::OpenAiChat)
    } else if path.ends_with("/responses") {
        Some(DialectId::OpenAiResponses)
    } else if path.ends_with("/messages") {
        Some(DialectId::AnthropicMessages)
    } else {
        (path.ends_with(":generateContent") || path.ends_with(":streamGenerateContent"))
            .then_some(DialectId::Gemini)
    }
}

/// Usage of a whole answer or a stream by the gateway's own dialect.
pub(crate) fn by_dialect(format: DialectId, body: &str) -> Result<UsageReport> {
    let dialect = gw_dialect::dialect(format);
    if serde_json::from_str::<Map<String, Value>>(body).is_ok() {
        return Ok(dialect.decode_reply(body.as_bytes())?.usage);
    }
    let mut decoder = dialect.stream_decoder();
    let mut frames = Vec::new();
    decoder.push(body.as_bytes(), &mut frames)?;
    let mut fold = Fold::default();
    // A stream that was cut still consumed what it said.
    let _ = decoder.finish(&mut frames);
    frames.iter().flat_map(|frame| &frame.events).for_each(|event| fold.push(event));
    Ok(fold.into_reply().usage)
}

/// The sum of tokens that the provider itself states.
pub(crate) fn stated_total(stated: &Stated) -> Option<u64> {
    let usage = stated.usage();
    ["total_tokens", "totalTokenCount", "totalTokens"]
        .iter()
        .find_map(|key| usage.get(*key)?.as_u64())
}
