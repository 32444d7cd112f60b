//! `POST /v1beta/models/{model}:{method}`: Google's dialect. Model, method and form of the stream
//! stand in the address.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::seam::DialectId;
use gw_core::{Error, Kind};
use gw_dialect::gemini::GeminiArray;
use gw_dialect::operation::gemini;
use gw_engine::Door;
use http::{HeaderValue, Uri};
use serde_json::{Value, json};

use crate::app::Server;
use crate::ask::{self, Ask, Manner};
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::listing::Shape;
use crate::http::{Route, model};
use crate::openapi::{BODY_ERRORS, CALL_ERRORS, DOOR_ERRORS, Operation};
use crate::operate::{self, Taken};
use crate::surface::Surface;
use crate::{estimate, respond};

const MANNER: Manner =
    Manner { door: Door::Gemini, dialect: DialectId::Gemini, surface: Surface::Gemini };

pub(super) fn door() -> Route {
    Route {
        path: "/v1beta/models/{*call}",
        aliases: &[],
        allow: "GET, HEAD, POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(show).post(call) },
        operations,
    }
}

async fn show(
    State(server): State<Arc<Server>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(id) = path.map_err(|rejection| model::wrong_path(&rejection))?;
    Ok(model::entry(&server, &id, Shape::Google)?)
}

/// What is asked of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    /// A whole answer.
    Generate,
    /// An answer as it comes.
    Stream,
    /// The length of a prompt.
    Count,
    /// The vector of one text.
    Embed,
    /// The vectors of several.
    EmbedBatch,
}

/// Answers any method of a model; also mounted below `/v1`, where Google's Python client asks.
pub(super) async fn call(
    State(server): State<Arc<Server>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Refusal> {
    let Path(call) = path.map_err(|rejection| model::wrong_path(&rejection))?;
    let (model, method) = split(&call)?;
    let wants_events = wants_events(request.uri());
    let (headers, caller, bytes) = ask::take(&server, request).await?;
    if method == Method::Count {
        return count(&server, &bytes);
    }
    if matches!(method, Method::Embed | Method::EmbedBatch) {
        let taken = Taken { headers, caller, bytes };
        return embed(&server, &model, method == Method::EmbedBatch, taken).await;
    }
    let mut ask = Ask::read(&server, MANNER, &headers, caller, bytes)?;
    ask.request.model = model;
    ask.request.stream = method == Method::Stream;
    if ask.request.stream && !wants_events {
        // A provider is always asked for events: its bytes are not what this client wants.
        ask.dialect = Arc::new(GeminiArray);
        ask.raw = None;
    }
    ask::answer(&server, ask).await
}

/// `models/a/b:method` into model and method.
fn split(call: &str) -> Result<(String, Method), Error> {
    let (model, method) = call.rsplit_once(':').unwrap_or((call, ""));
    let method = match method {
        "generateContent" => Method::Generate,
        "streamGenerateContent" => Method::Stream,
        "countTokens" => Method::Count,
        "embedContent" => Method::Embed,
        "batchEmbedContents" => Method::EmbedBatch,
        other => {
            let shown: String = other.chars().take(64).collect();
            let message = format!("models have no method `{shown}` here");
            return Err(Error::new(Kind::NotFound, message).with_hint(
                "use generateContent, streamGenerateContent, countTokens, embedContent or \
                     batchEmbedContents",
            ));
        }
    };
    let model = model.strip_prefix("models/").unwrap_or(model);
    if model.is_empty() {
        return Err(Error::bad_field("model", "the address names no model"));
    }
    Ok((model.to_owned(), method))
}

async fn embed(
    server: &Arc<Server>,
    model: &str,
    is_batch: bool,
    taken: Taken,
) -> Result<Response, Refusal> {
    let operation = gemini::read_embed(model, is_batch, &taken.bytes)?;
    operate::answer(server, Door::Embeddings, Surface::Gemini, taken, operation, |whole, _| {
        Ok(gemini::write_embed(operate::vectors(whole)?, is_batch, &whole.used))
    })
    .await
}

fn wants_events(uri: &Uri) -> bool {
    uri.query().unwrap_or_default().split('&').any(|pair| pair == "alt=sse")
}

fn count(server: &Server, bytes: &[u8]) -> Result<Response, Refusal> {
    let dialect = ask::spoken(server, DialectId::Gemini)?;
    // The request may stand as it would be sent, or within a member of its own.
    let inner = serde_json::from_slice::<Value>(bytes)
        .ok()
        .and_then(|mut body| body.get_mut("generateContentRequest").map(Value::take));
    let decoded = match inner {
        Some(inner) => dialect.decode_request(inner.to_string().as_bytes())?,
        None => dialect.decode_request(bytes)?,
    };
    let mut response = respond::json_of(&json!({"totalTokens": estimate::input_tokens(&decoded)}))?;
    response.headers_mut().insert("x-gateway-estimate", HeaderValue::from_static("true"));
    Ok(response)
}

fn operations() -> Vec<Operation> {
    let request = json!({"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]});
    let answer = json!({
        "candidates": [{"index": 0, "finishReason": "STOP",
            "content": {"role": "model", "parts": [{"text": "Hello."}]}}],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11},
        "modelVersion": "gemini-3-flash",
    });
    let model = json!({"name": "models/auto", "displayName": "The router's choice"});
    let call = json!({"type": "string", "minLength": 1, "pattern": "^[A-Za-z0-9._/-]+:generateContent$",
        "example": "auto:generateContent"});
    let id = json!({"type": "string", "minLength": 1, "example": "auto"});
    let about = "Model and method: `{model}:generateContent`, `:streamGenerateContent` (a JSON array, \
        or events with `?alt=sse`), `:countTokens`, `:embedContent`, `:batchEmbedContents`.";
    let post =
        Operation::new("post", "generateContent", "Google", "A completion in Google's dialect.")
            .parameter("path", "call", about, &call)
            .call_headers()
            .dialect_body("GenerateContentRequest", request)
            .dialect_answer("GenerateContentResponse", "The answer.", answer)
            .with_call_answer_headers()
            .errors(Surface::Gemini, &BODY_ERRORS)
            .errors(Surface::Gemini, &DOOR_ERRORS)
            .errors(Surface::Gemini, &CALL_ERRORS);
    let get = Operation::new("get", "getGoogleModel", "Google", "One model in Google's shape.")
        .parameter("path", "call", "The model.", &id)
        .dialect_answer("GoogleModel", "The model.", model)
        .errors(Surface::Gemini, &[Kind::InvalidRequest, Kind::ModelNotFound])
        .errors(Surface::Gemini, &DOOR_ERRORS);
    vec![post, get]
}

#[cfg(test)]
mod tests {
    use super::{Method, split, wants_events};

    #[test]
    fn addresses_name_model_and_method() {
        let check = |call: &str, expected: Option<(&str, Method)>| {
            let found = split(call).ok();
            let found = found.as_ref().map(|(model, method)| (model.as_str(), *method));
            assert_eq!(found, expected, "{call}");
        };
        check("gemini-3:generateContent", Some(("gemini-3", Method::Generate)));
        check("models/gemini-3:countTokens", Some(("gemini-3", Method::Count)));
        check("ollama/qwen3:8b:streamGenerateContent", Some(("ollama/qwen3:8b", Method::Stream)));
        check("gemini-3", None);
        check("gemini-3:tune", None);
        check(":generateContent", None);
    }

    #[test]
    fn only_alt_sse_asks_for_events() {
        let check = |uri: &str, expected: bool| {
            assert_eq!(wants_events(&uri.parse().expect("an address")), expected, "{uri}");
        };
        check("/m:s?alt=sse", true);
        check("/m:s?key=k&alt=sse", true);
        check("/m:s?alt=json", false);
        check("/m:s", false);
    }
}
