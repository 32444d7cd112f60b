//! `POST /v1/feedback`: says how good the answer of a call was, so that routing learns from it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use gw_core::outcome::{Outcome, OutcomeSource};
use gw_core::record::CallRecord;
use gw_core::{CallId, Error, Kind};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::body;
use crate::errors::Refusal;
use crate::fields::Fields;
use crate::http::Route;
use crate::openapi::{BODY_ERRORS, DOOR_ERRORS, Operation};
use crate::respond;
use crate::surface::Surface;

pub(super) fn door() -> Route {
    Route {
        path: "/v1/feedback",
        aliases: &[],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(give) },
        operations,
    }
}

/// What is said of a call's answer: `good`, or `score`, which wins where both are there.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "read field by field; this is its description")]
struct FeedbackRequest {
    /// The call, as its `x-gateway-call-id` header had it.
    #[schema(min_length = 1)]
    call_id: String,
    /// True for a good answer, false for a bad one; not needed beside `score`.
    good: bool,
    /// How good it was, 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    score: Option<f64>,
    /// What says so: `feedback` (a person), `test`, `validator`, `judge` or `retry`.
    #[schema(pattern = "^(feedback|test|validator|judge|retry)$")]
    source: Option<String>,
}

/// What was kept.
#[derive(Debug, Serialize, ToSchema)]
struct FeedbackAnswer {
    /// The call.
    call_id: String,
    /// The model that answered it.
    model: String,
    /// How good its answer counts, 0 to 1.
    score: f64,
    /// What said so.
    source: String,
}

async fn give(State(server): State<Arc<Server>>, request: Request) -> Result<Response, Refusal> {
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    let bytes = body::read(&server.app.options, request).await?;
    let fields = Fields::parse(&bytes)?;
    fields.require(&["call_id"])?;
    let id = fields.text("call_id")?.unwrap_or_default();
    let unknown = || {
        Error::new(Kind::NotFound, format!("no call `{id}` of yours is kept"))
            .with_field("call_id")
            .with_hint("The id stands in the x-gateway-call-id header of the answer.")
    };
    let call_id = CallId::parse(id).ok_or_else(unknown)?;
    let score = score(&fields)?;
    let source = source(&fields)?;
    let call = server.app.reports.call(call_id).await?.ok_or_else(unknown)?;
    let is_own = call.key_id == caller.principal.key_id;
    if !is_own && !caller.principal.is_admin {
        return Err(unknown().into());
    }
    let model = answered(&call)?;
    let at_ms = server.now_ms();
    let outcome = Outcome { call_id, model: model.clone(), source, score, at_ms };
    server.app.outcomes.keep_outcome(outcome).await?;
    let source = source.as_str().to_owned();
    let answer = FeedbackAnswer { call_id: call_id.to_string(), model, score, source };
    Ok(respond::json_of(&answer)?)
}

/// The model that answered a call.
///
/// # Errors
/// [`Kind::InvalidRequest`] where none did.
fn answered(call: &CallRecord) -> Result<String, Error> {
    if call.model_id.is_empty() {
        return Err(Error::bad_field("call_id", "no model answered that call"));
    }
    Ok(call.model_id.clone())
}

fn score(fields: &Fields) -> Result<f64, Error> {
    let good = match fields.value("good") {
        None => None,
        Some(value) => {
            let good = value.as_bool();
            Some(good.ok_or_else(|| Error::bad_field("good", "must be true or false"))?)
        }
    };
    match (good, fields.number("score", 0.0, 1.0)?) {
        (_, Some(score)) => Ok(score),
        (Some(good), None) => Ok(if good { 1.0 } else { 0.0 }),
        (None, None) => Err(Error::bad_field("good", "is missing")
            .with_hint("Send `good` (true or false) or `score` (0 to 1).")),
    }
}

/// Who says so. What the gateway finds out by itself is not taken from callers.
fn source(fields: &Fields) -> Result<OutcomeSource, Error> {
    let Some(word) = fields.text("source")? else { return Ok(OutcomeSource::Feedback) };
    let known = OutcomeSource::parse(word).filter(|it| *it != OutcomeSource::CrossCheck);
    known.ok_or_else(|| {
        Error::bad_field("source", format!("`{word}` is no source of feedback"))
            .with_hint("Sources are feedback, test, validator, judge and retry.")
    })
}

fn operations() -> Vec<Operation> {
    let id = "0197f0a0-7b1c-7c3e-9d4f-2a6b8c0d1e2f";
    let answer = json!({"call_id": id, "model": "openai/gpt-4o-mini", "score": 1.0,
        "source": "feedback"});
    let post = Operation::new("post", "giveFeedback", "Routing", "Says how good an answer was.")
        .body::<FeedbackRequest>(json!({"call_id": id, "good": true}))
        .answers::<FeedbackAnswer>(
            "It is kept, in place of what the same source said before.",
            answer,
        )
        .errors(Surface::General, &BODY_ERRORS)
        .errors(Surface::General, &[Kind::NotFound, Kind::StoreUnavailable])
        .errors(Surface::General, &DOOR_ERRORS);
    vec![post]
}
