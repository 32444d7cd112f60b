//! Calls that are no chats: vectors, orders, verdicts, pictures and sound, each in the shape of the
//! API that its path belongs to. Equal texts get equal vectors, documents that share words with the
//! query come first, and a text that speaks of violence is flagged.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gw_dialect::operation::form;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::answer::{Speech, WireAnswer};

/// Length of a vector where none is asked for.
const DIMENSIONS: u64 = 8;

/// Longest vector made.
const DIMENSIONS_MAX: u64 = 4_096;

/// Pictures made at most.
const PICTURES_MAX: u64 = 10;

/// One red pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";

/// The answer to a call that is no chat; `None` for any other path.
pub(super) fn answer(path: &str, headers: &HeaderMap, body: &[u8]) -> Option<WireAnswer> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or("");
    if path.ends_with("/audio/transcriptions") || path.ends_with("/audio/translations") {
        return Some(heard(content_type, body));
    }
    if path.ends_with("/images/edits") && form::boundary(content_type).is_some() {
        return Some(edited(content_type, body));
    }
    let read: fn(&Value) -> Value = match path {
        _ if path.ends_with("/v2/embed") => cohere_vectors,
        _ if path.ends_with("/embeddings") => openai_vectors,
        _ if path.ends_with("/api/embed") => ollama_vectors,
        _ if path.ends_with(":batchEmbedContents") => google_vectors,
        _ if path.ends_with(":embedContent") => google_vector,
        _ if path.ends_with("/v2/rerank") => cohere_order,
        _ if path.ends_with("/rerank") => jina_order,
        _ if path.ends_with("/moderations") => verdicts,
        _ if path.ends_with("/images/generations") || path.ends_with("/images/edits") => pictures,
        _ if path.ends_with("/audio/speech") => return Some(spoken(body)),
        _ => return None,
    };
    Some(match serde_json::from_slice::<Value>(body) {
        Ok(body) => WireAnswer::json(200, &read(&body)),
        Err(_) => Speech::OpenAi.error(400, "the body is not valid JSON"),
    })
}

/// A vector of length one that only the text decides.
fn vector(text: &str, wanted: Option<u64>) -> Vec<f32> {
    let length = wanted.unwrap_or(DIMENSIONS).clamp(1, DIMENSIONS_MAX);
    let mut state = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut numbers: Vec<f32> = (0..length)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            let high = u16::try_from(state >> 48).unwrap_or_default();
            f32::from(high) / 32_768.0 - 1.0
        })
        .collect();
    let norm = numbers.iter().map(|number| number * number).sum::<f32>().sqrt().max(f32::EPSILON);
    numbers.iter_mut().for_each(|number| *number /= norm);
    numbers
}

fn tokens(text: &str) -> usize {
    text.len().div_ceil(4)
}

/// What stands for a text: itself, or the tokens.
fn words(input: &Value) -> String {
    input.as_str().map_or_else(|| input.to_string(), str::to_owned)
}

/// A text, several, or tokens.
fn texts(input: &Value) -> Vec<String> {
    match input {
        Value::Array(items) if !items.iter().all(Value::is_u64) => {
            items.iter().map(words).collect()
        }
        one => vec![words(one)],
    }
}

fn openai_vectors(body: &Value) -> Value {
    let all = texts(&body["input"]);
    let dimensions = body["dimensions"].as_u64().or_else(|| body["output_dimension"].as_u64());
    let data: Vec<Value> = all
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector(text, dimensions);
            let embedding = match body["encoding_format"].as_str() {
                Some("base64") => {
                    let bytes: Vec<u8> = vector.iter().flat_map(|it| it.to_le_bytes()).collect();
                    json!(STANDARD.encode(bytes))
                }
                _ => json!(vector),
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let used: usize = all.iter().map(|text| tokens(text)).sum();
    json!({"object": "list", "data": data, "model": body["model"],
        "usage": {"prompt_tokens": used, "total_tokens": used}})
}

fn ollama_vectors(body: &Value) -> Value {
    let all = texts(&body["input"]);
    let used: usize = all.iter().map(|text| tokens(text)).sum();
    let dimensions = body["dimensions"].as_u64();
    let vectors: Vec<Vec<f32>> = all.iter().map(|text| vector(text, dimensions)).collect();
    json!({"model": body["model"], "embeddings": vectors, "prompt_eval_count": used,
        "total_duration": 1, "load_duration": 1})
}

fn cohere_vectors(body: &Value) -> Value {
    let all = texts(&body["texts"]);
    let used: usize = all.iter().map(|text| tokens(text)).sum();
    let dimensions = body["output_dimension"].as_u64();
    let vectors: Vec<Vec<f32>> = all.iter().map(|text| vector(text, dimensions)).collect();
    json!({"id": "simulated", "texts": all, "embeddings": {"float": vectors},
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": used}}})
}

fn google_values(request: &Value) -> Value {
    let parts = request["content"]["parts"].as_array();
    let text: String =
        parts.into_iter().flatten().filter_map(|part| part["text"].as_str()).collect();
    json!({"values": vector(&text, request["outputDimensionality"].as_u64())})
}

fn google_vectors(body: &Value) -> Value {
    let requests = body["requests"].as_array();
    let all: Vec<Value> = requests.into_iter().flatten().map(google_values).collect();
    json!({"embeddings": all})
}

fn google_vector(body: &Value) -> Value {
    json!({"embedding": google_values(body)})
}

/// Documents by how many words of the query they hold.
fn order(body: &Value) -> Vec<Value> {
    let query = words(&body["query"]).to_lowercase();
    let asked: Vec<&str> = query.split_whitespace().collect();
    let share = |text: &str| {
        let text = text.to_lowercase();
        let held = asked.iter().filter(|word| text.contains(**word)).count();
        let share = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        share(held) / share(asked.len().max(1))
    };
    let documents = body["documents"].as_array();
    let mut ranked: Vec<(usize, f64)> = documents
        .into_iter()
        .flatten()
        .map(|document| share(&words(document)))
        .enumerate()
        .collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let most = body["top_n"].as_u64().or_else(|| body["top_k"].as_u64());
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    ranked
        .into_iter()
        .take(most)
        .map(|(index, score)| json!({"index": index, "relevance_score": score}))
        .collect()
}

fn cohere_order(body: &Value) -> Value {
    json!({"id": "simulated", "results": order(body),
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}})
}

fn jina_order(body: &Value) -> Value {
    let used = tokens(&body["documents"].to_string());
    json!({"model": body["model"], "results": order(body), "usage": {"total_tokens": used}})
}

fn verdicts(body: &Value) -> Value {
    let results: Vec<Value> = texts(&body["input"])
        .iter()
        .map(|text| {
            let is_flagged = text.to_lowercase().contains("violence");
            let score = if is_flagged { 0.9 } else { 0.001 };
            json!({"flagged": is_flagged, "categories": {"violence": is_flagged},
                "category_scores": {"violence": score}})
        })
        .collect();
    json!({"id": "modr-simulated", "model": body["model"], "results": results})
}

fn pictures(body: &Value) -> Value {
    made(body["n"].as_u64().unwrap_or(1), tokens(&words(&body["prompt"])), 0)
}

fn made(wanted: u64, text_tokens: usize, image_tokens: usize) -> Value {
    let wanted = wanted.min(PICTURES_MAX);
    let data: Vec<Value> = (0..wanted).map(|_| json!({"b64_json": PIXEL})).collect();
    let input = text_tokens + image_tokens;
    let output = wanted * 1_056;
    json!({"created": 1_790_000_000, "data": data, "usage": {
        "input_tokens": input, "output_tokens": output,
        "total_tokens": u64::try_from(input).unwrap_or(u64::MAX).saturating_add(output),
        "input_tokens_details": {"text_tokens": text_tokens, "image_tokens": image_tokens},
    }})
}

fn edited(content_type: &str, body: &[u8]) -> WireAnswer {
    let Ok(parts) = form::parts(content_type, &Bytes::copy_from_slice(body)) else {
        return Speech::OpenAi.error(400, "the form cannot be read");
    };
    let text = |name: &str| parts.iter().find(|part| part.name == name).map_or("", |it| it.text());
    if parts.iter().all(|part| part.name.trim_end_matches("[]") != "image") {
        return Speech::OpenAi.error(400, "`image` is required");
    }
    let wanted = text("n").parse().unwrap_or(1);
    WireAnswer::json(200, &made(wanted, tokens(text("prompt")), 300))
}

/// Sound that is none: a mark, and what was to be said, in frames as it would be spoken.
fn spoken(body: &[u8]) -> WireAnswer {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return Speech::OpenAi.error(400, "the body is not valid JSON");
    };
    let text = words(&body["input"]);
    let mut answer = WireAnswer::whole(200, "audio/mpeg", Bytes::from_static(b"ID3"));
    answer.frames.extend(text.split_inclusive(' ').map(|word| Bytes::from(word.to_owned())));
    answer
}

fn heard(content_type: &str, body: &[u8]) -> WireAnswer {
    let Ok(parts) = form::parts(content_type, &Bytes::copy_from_slice(body)) else {
        return Speech::OpenAi.error(400, "the form cannot be read");
    };
    let text = |name: &str| parts.iter().find(|part| part.name == name).map_or("", |it| it.text());
    let Some(file) = parts.iter().find(|part| part.name == "file") else {
        return Speech::OpenAi.error(400, "`file` is required");
    };
    let seconds = file.bytes.len().div_ceil(32_000).max(1);
    let said = format!("[simulated] {} bytes of sound", file.bytes.len());
    let model = text("model");
    match text("response_format") {
        "text" => WireAnswer::whole(200, "text/plain; charset=utf-8", format!("{said}\n")),
        "srt" => {
            let srt = format!("1\n00:00:00,000 --> 00:00:{seconds:02},000\n{said}\n\n");
            WireAnswer::whole(200, "text/plain; charset=utf-8", srt)
        }
        "verbose_json" => WireAnswer::json(
            200,
            &json!({"task": "transcribe", "text": said, "duration": seconds, "segments": [],
                "usage": {"type": "duration", "seconds": seconds}}),
        ),
        _ if text("stream") == "true" => WireAnswer::events(vec![
            event(&json!({"type": "transcript.text.delta", "delta": said})),
            event(&json!({"type": "transcript.text.done", "text": said,
                "usage": usage_in_tokens(seconds)})),
        ]),
        _ if model.contains("transcribe") => {
            WireAnswer::json(200, &json!({"text": said, "usage": usage_in_tokens(seconds)}))
        }
        _ => WireAnswer::json(
            200,
            &json!({"text": said, "usage": {"type": "duration", "seconds": seconds}}),
        ),
    }
}

fn usage_in_tokens(seconds: usize) -> Value {
    let heard = seconds * 10;
    json!({"type": "tokens", "input_tokens": heard, "output_tokens": 8, "total_tokens": heard + 8,
        "input_token_details": {"text_tokens": 0, "audio_tokens": heard}})
}

fn event(value: &Value) -> Bytes {
    Bytes::from(format!("data: {value}\n\n"))
}
