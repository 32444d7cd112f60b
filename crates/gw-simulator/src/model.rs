//! A model that understands requests well enough to be built against, and knows nothing.
//!
//! It speaks OpenAI chat completions, Anthropic messages (also at the addresses of Vertex AI), Cohere's
//! chat and Bedrock's converse, streamed or not, answers calls that are no chats (`operations.rs`), counts
//! usage at about
//! four characters a token, calls tools it is forced to (or that the question speaks of), fills
//! JSON schemas with least instances, and honours stop sequences and limits. Deterministic: the
//! same body and seed give the same bytes.

mod anthropic;
mod ask;
mod bedrock;
mod cohere;
mod openai;
mod operations;
mod reply;
mod schema;

pub(crate) use bedrock::frame as event_frame;

use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::answer::{Speech, WireAnswer};

/// The simulated model, as a function from requests to answers.
#[derive(Clone, Debug)]
pub struct SimulatedModel {
    seed: u64,
    marker: String,
    models: Vec<String>,
    takes_any_model: bool,
}

impl SimulatedModel {
    /// A model for tests: it answers to any name and lists `models`.
    pub fn new(seed: u64, models: &[&str]) -> Self {
        Self {
            seed,
            marker: "[simulated] ".to_owned(),
            models: models.iter().map(|name| (*name).to_owned()).collect(),
            takes_any_model: true,
        }
    }

    /// The demo's model: its texts begin with `[demo]`, and it answers to its own names only.
    pub fn demo(models: &[&str]) -> Self {
        Self { marker: "[demo] ".to_owned(), takes_any_model: false, ..Self::new(0, models) }
    }

    /// Answers a request; `created_s` dates it, in seconds since 1970. `more_models` are listed
    /// besides its own. Never fails: what it does not understand gets an error answer.
    pub fn answer(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
        created_s: i64,
    ) -> WireAnswer {
        self.answer_with_models(method, path, headers, body, created_s, &[])
    }

    pub(crate) fn answer_with_models(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
        created_s: i64,
        more_models: &[String],
    ) -> WireAnswer {
        let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
        let speech = Speech::of_path(path);
        let is_about = |suffix: &str| path.ends_with(suffix);
        if *method == Method::GET {
            let names: Vec<&String> = self.models.iter().chain(more_models).collect();
            return match () {
                () if is_about("/models") => models(&names, headers, created_s),
                () if is_about("/api/tags") => tags(&names),
                () if is_about("/api/version") => {
                    WireAnswer::json(200, &json!({ "version": "0.0.0-simulated" }))
                }
                () => unknown_path(speech, method, path),
            };
        }
        if *method == Method::POST
            && let Some(answer) = operations::answer(path, headers, body)
        {
            return answer;
        }
        let is_known = *method == Method::POST
            && [
                "/chat/completions",
                "/messages",
                "/messages/count_tokens",
                "/v2/chat",
                "/converse",
                "/converse-stream",
                ":rawPredict",
                ":streamRawPredict",
            ]
            .iter()
            .any(|it| is_about(it));
        if !is_known {
            return unknown_path(speech, method, path);
        }
        let Ok(parsed) = serde_json::from_slice::<Value>(body) else {
            return speech.error(400, "the body is not valid JSON");
        };
        self.chat(path, &parsed, ask::stamp(self.seed, body), created_s)
    }

    fn chat(&self, path: &str, body: &Value, stamp: u64, created_s: i64) -> WireAnswer {
        let is_count = path.ends_with("/count_tokens");
        let speech = Speech::of_path(path);
        let ask = match speech {
            Speech::OpenAi => openai::read(body, stamp),
            Speech::Anthropic => {
                let named = vertex_model(path).map(|model| {
                    let mut body = body.clone();
                    body["model"] = json!(model);
                    body
                });
                anthropic::read(named.as_ref().unwrap_or(body), stamp, !is_count)
            }
            Speech::Cohere => cohere::read(body, stamp),
            Speech::Bedrock => bedrock::read(path, body, stamp),
        };
        let ask = match ask {
            Ok(ask) => ask,
            Err(message) => return speech.error(400, &message),
        };
        if !self.takes_any_model && !self.models.contains(&ask.model) {
            return speech.error(404, &format!("the model `{}` does not exist", ask.model));
        }
        if is_count {
            return WireAnswer::json(200, &json!({ "input_tokens": ask.input_tokens() }));
        }
        let reply = reply::reply_to(&ask, &self.marker);
        match speech {
            Speech::OpenAi => openai::write(&ask, &reply, created_s),
            Speech::Anthropic => anthropic::write(&ask, &reply),
            Speech::Cohere => cohere::write(&ask, &reply),
            Speech::Bedrock => bedrock::write(&ask, &reply),
        }
    }
}

/// The model that an address of Vertex AI names.
fn vertex_model(path: &str) -> Option<&str> {
    let (rest, method) = path.rsplit_once(':')?;
    method.ends_with("awPredict").then(|| rest.rsplit('/').next().unwrap_or_default())
}

fn unknown_path(speech: Speech, method: &Method, path: &str) -> WireAnswer {
    speech.error(404, &format!("the simulator has no recording and no model for {method} {path}"))
}

fn models(names: &[&String], headers: &HeaderMap, created_s: i64) -> WireAnswer {
    if headers.contains_key("anthropic-version") {
        let list: Vec<Value> = names
            .iter()
            .map(|name| {
                json!({
                    "type": "model", "id": name, "display_name": name,
                    "created_at": "2026-01-01T00:00:00Z",
                })
            })
            .collect();
        let (first, last) = (names.first(), names.last());
        return WireAnswer::json(
            200,
            &json!({ "data": list, "has_more": false, "first_id": first, "last_id": last }),
        );
    }
    let list: Vec<Value> = names
        .iter()
        .map(|name| {
            json!({ "id": name, "object": "model", "created": created_s, "owned_by": "simulator" })
        })
        .collect();
    WireAnswer::json(200, &json!({ "object": "list", "data": list }))
}

fn tags(names: &[&String]) -> WireAnswer {
    let list: Vec<Value> = names
        .iter()
        .map(|name| {
            json!({
                "name": name, "model": name, "modified_at": "2026-01-01T00:00:00Z", "size": 1,
                "digest": "0000000000000000000000000000000000000000000000000000000000000000",
                "details": {
                    "parent_model": "", "format": "gguf", "family": "simulated",
                    "families": ["simulated"], "parameter_size": "1B", "quantization_level": "Q4_0",
                },
            })
        })
        .collect();
    WireAnswer::json(200, &json!({ "models": list }))
}

#[cfg(test)]
mod tests;
