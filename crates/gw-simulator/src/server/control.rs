//! The control API below `/_simulator/`: faults in, requests out.

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{FaultRule, State};
use crate::answer::{Speech, WireAnswer};
use crate::delivery::AnswerBody;
use crate::fault::Fault;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleBody {
    #[serde(rename = "match", default)]
    condition: Condition,
    fault: String,
    #[serde(default)]
    times: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Condition {
    path: Option<String>,
    model: Option<String>,
    key: Option<String>,
}

/// The answer to a control request; `None` for every other request.
pub(super) fn answer(
    state: &State,
    method: &Method,
    path: &str,
    body: &[u8],
) -> Option<WireAnswer> {
    let name = path.strip_prefix("/_simulator/")?;
    Some(match (method, name) {
        (&Method::POST, "faults") => match rule(body) {
            Ok(rule) => {
                let mut rules = state.rules.lock();
                rules.push(rule);
                WireAnswer::json(200, &json!({ "rules": rules.len() }))
            }
            Err(message) => Speech::OpenAi.error(400, &message),
        },
        (&Method::GET, "requests") => {
            let requests: Vec<Value> =
                state.journal.all().iter().map(|seen| seen.to_json()).collect();
            WireAnswer::json(200, &json!({ "requests": requests }))
        }
        (&Method::POST, "reset") => {
            state.reset();
            WireAnswer::json(200, &json!({}))
        }
        _ => Speech::OpenAi.error(
            404,
            "the control API has POST /_simulator/faults, GET /_simulator/requests and POST \
             /_simulator/reset",
        ),
    })
}

fn rule(body: &[u8]) -> Result<FaultRule, String> {
    let body: RuleBody = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok(FaultRule {
        path: body.condition.path,
        model: body.condition.model,
        key: body.condition.key,
        faults: Fault::parse_all(&body.fault)?,
        times: body.times,
    })
}

/// An answer sent at once, outside the journal.
pub(super) fn plain(answer: &WireAnswer) -> Response<AnswerBody> {
    let body = Full::<Bytes>::new(answer.body()).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or_default();
    *response.headers_mut() = answer.headers.clone();
    response
}
