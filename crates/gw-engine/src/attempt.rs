//! Tries the plan's candidates in order until one answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use gw_core::chat::Notice;
use gw_core::limits::{
    ATTEMPTS_MAX, ERROR_BODY_BYTES_MAX, RESPONSE_BODY_BYTES_MAX, RETRY_AFTER_WAIT_MS_MAX,
};
use gw_core::money::CostSource;
use gw_core::record::{AttemptRecord, CallStatus};
use gw_core::reply::ChatReply;
use gw_core::reservation::Reservation;
use gw_core::seam::{
    BodyStream, Edits, IncomingResponse, OutgoingRequest, Target, WireRequest,
};
use gw_core::{Cost, Error, Kind, Money, Result, Retry, Usage, UsageReport};
use gw_routing::{Candidate, Plan};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method};
use secrecy::ExposeSecret;

use crate::answer::Head;
use crate::call::Call;
use crate::events;
use crate::health::Gate;
use crate::provider::{Credential, Provider};
use crate::relay::{self, Live};
use crate::settle;

/// How a candidate answered.
pub(crate) enum Outcome {
    /// All at once.
    Whole(Box<WholeReply>),
    /// With a stream that has begun to say something.
    Streaming(Box<Live>),
}

/// A whole answer with what its door needs.
pub(crate) struct WholeReply {
    pub(crate) reply: ChatReply,
    pub(crate) raw: Option<Bytes>,
    pub(crate) head: Head,
}

/// One candidate with everything needed to call it.
pub(crate) struct Target1<'a> {
    pub(crate) candidate: &'a Candidate,
    pub(crate) provider: Arc<Provider>,
    pub(crate) is_pass_through: bool,
}

/// Tries candidates in order. The error of the first one is what the client sees when all fail: it
/// is about the model that was asked for.
pub(crate) async fn attempt(call: &mut Call, plan: &Plan, hold: &Reservation) -> Result<Outcome> {
    let mut first_error: Option<Error> = None;
    let last = plan.candidates.len().saturating_sub(1);
    for (at, candidate) in plan.candidates.iter().enumerate() {
        match try_candidate(call, plan, candidate, hold, at < last).await {
            Ok(outcome) => return Ok(outcome),
            Err(error) => {
                let is_final = error.retry() == Retry::No || call.attempts.len() >= ATTEMPTS_MAX;
                let shown = first_error.get_or_insert(error);
                if is_final {
                    return Err(shown.clone());
                }
            }
        }
    }
    Err(first_error.unwrap_or_else(|| Error::internal("a plan without candidates")))
}

async fn try_candidate(
    call: &mut Call,
    plan: &Plan,
    candidate: &Candidate,
    hold: &Reservation,
    has_next: bool,
) -> Result<Outcome> {
    let offering = &candidate.offering;
    let provider = call.snapshot.providers.get(&offering.provider).cloned().ok_or_else(|| {
        Error::internal(format!("provider `{}` is planned but not configured", offering.provider))
    })?;
    let is_pass_through = !call.is_edited
        && call.inbound.raw.as_ref().is_some_and(|(dialect, _)| *dialect == provider.dialect.id());
    let target = Target1 { candidate, provider, is_pass_through };
    let mut tried = 0;
    loop {
        let error = match try_once(call, plan, &target, hold).await {
            Ok(outcome) => return Ok(outcome),
            Err(error) => error.with_provider(target.provider.id.clone()),
        };
        tried += 1;
        let Retry::Same { after_ms } = error.retry() else { return Err(error) };
        let is_spent = tried >= call.snapshot.engine.attempts_per_candidate
            || call.attempts.len() >= ATTEMPTS_MAX;
        // Another candidate answers sooner than a wait that the provider asked for.
        let wait_ms = after_ms.unwrap_or_else(|| backoff_ms(call, tried));
        let is_too_long = wait_ms > RETRY_AFTER_WAIT_MS_MAX
            || call.elapsed_ms().saturating_add(wait_ms) >= call.snapshot.engine.deadline_ms;
        if is_spent || is_too_long || (has_next && after_ms.is_some()) {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    }
}

/// Half fixed, half random, doubled with every try.
fn backoff_ms(call: &Call, tried: u32) -> u64 {
    let full = call.snapshot.engine.backoff_ms.saturating_mul(1 << tried.min(6).saturating_sub(1));
    let mut byte = [0_u8; 1];
    call.engine.resources.entropy.fill(&mut byte);
    full / 2 + full * u64::from(byte[0]) / 510
}

async fn try_once(
    call: &mut Call,
    plan: &Plan,
    target: &Target1<'_>,
    hold: &Reservation,
) -> Result<Outcome> {
    let clock = Arc::clone(&call.engine.resources.clock);
    let (provider, offering) = (&target.provider, &target.candidate.offering);
    let now_ms = clock.monotonic_ms();
    if let Gate::Open { until_ms } = call.engine.health.gate(&provider.id, &offering.name, now_ms) {
        return Err(resting(provider, until_ms.saturating_sub(now_ms)));
    }
    let key = usable_key(call, provider, now_ms)?;
    let wire = encode(call, target)?;
    let request = outgoing(call, target, &wire, key)?;
    call.engine.health.begin(&provider.id, &offering.name, now_ms);
    call.is_answering = false;
    call.in_flight = Some(in_flight(call, target));
    let left_ms = call.snapshot.engine.deadline_ms.saturating_sub(call.elapsed_ms());
    let exchange = exchange(call, plan, target, hold, request, wire.notices);
    let result = tokio::time::timeout(Duration::from_millis(left_ms), exchange).await;
    let result = result.unwrap_or_else(|_| Err(too_late(call.snapshot.engine.deadline_ms)));
    let now_ms = clock.monotonic_ms();
    let key = key.map(|key| key.name.as_str());
    match &result {
        Ok(_) => call.engine.health.succeed(&provider.id, &offering.name, key),
        Err(error) => {
            let options = &call.snapshot.engine;
            call.engine.health.fail(&provider.id, &offering.name, key, error, now_ms, options);
            note_failure(call, error);
        }
    }
    result
}

/// Sends the request and reads the answer, or a stream up to its first content.
async fn exchange(
    call: &mut Call,
    plan: &Plan,
    target: &Target1<'_>,
    hold: &Reservation,
    request: OutgoingRequest,
    notices: Vec<Notice>,
) -> Result<Outcome> {
    let provider = &target.provider;
    let IncomingResponse { status, headers, body } =
        provider.upstream.send(hold, request).await?;
    if !(200..300).contains(&status) {
        let body = read_up_to(body, ERROR_BODY_BYTES_MAX).await;
        return Err(refusal(provider, status, &headers, &body));
    }
    call.is_answering = true;
    let head = head(call, plan, target, notices, &headers);
    let is_stream = call.inbound.request.stream && !is_json(&headers);
    if is_stream {
        let live = relay::open(call, target, head, body).await?;
        return Ok(Outcome::Streaming(Box::new(live)));
    }
    let body = read_whole(body).await?;
    let reply = provider.dialect.decode_reply(&body)?;
    if call.inbound.request.stream {
        // The provider answered a request for a stream with one whole answer.
        let live = relay::replay(call, target, head, &reply);
        return Ok(Outcome::Streaming(Box::new(live)));
    }
    note_success(call, target, &reply.usage);
    let raw = target.is_pass_through.then_some(body);
    Ok(Outcome::Whole(Box::new(WholeReply { reply, raw, head })))
}

fn encode(call: &Call, target: &Target1<'_>) -> Result<WireRequest> {
    let provider = &target.provider;
    let wanted = Target {
        model: target.candidate.offering.name.as_str(),
        quirks: &provider.quirks,
        max_output_tokens: target.candidate.offering.max_output_tokens,
    };
    match &call.inbound.raw {
        Some((_, body)) if target.is_pass_through => {
            let is_stream = call.inbound.request.stream;
            let edits = Edits { target: wanted, wants_usage: is_stream, is_stream };
            provider.dialect.pass_request(body, &edits)
        }
        _ => provider.dialect.encode_request(&call.inbound.request, &wanted),
    }
}

fn outgoing(
    call: &Call,
    target: &Target1<'_>,
    wire: &WireRequest,
    key: Option<&Credential>,
) -> Result<OutgoingRequest> {
    let provider = &target.provider;
    let mut headers = provider.headers.clone();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in &wire.headers {
        headers.insert(name, value.clone());
    }
    if target.is_pass_through {
        for (name, value) in &call.inbound.context.forward_headers {
            headers.insert(name, value.clone());
        }
    }
    if let Some(key) = key {
        let text = format!("{}{}", key.prefix, key.secret.expose_secret());
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            Error::new(Kind::ProviderAuth, format!("key `{}` holds a line break", key.name))
                .with_hint("Check the key for stray white space.")
        })?;
        value.set_sensitive(true);
        headers.insert(&key.header, value);
    }
    Ok(OutgoingRequest {
        provider: provider.id.clone(),
        method: Method::POST,
        url: provider.address(&wire.path),
        headers,
        body: wire.body.clone(),
        timeouts: provider.timeouts,
        response_bytes_max: RESPONSE_BODY_BYTES_MAX,
    })
}

fn usable_key<'a>(
    call: &Call,
    provider: &'a Provider,
    now_ms: u64,
) -> Result<Option<&'a Credential>> {
    if provider.credentials.is_empty() {
        return Ok(None);
    }
    let health = &call.engine.health;
    let usable = |key: &&Credential| health.key_is_usable(&provider.id, &key.name, now_ms);
    provider.credentials.iter().find(usable).map(Some).ok_or_else(|| {
        let message = format!("every key of provider `{}` was refused lately", provider.id);
        Error::new(Kind::ProviderAuth, message)
            .with_hint("Run `ai-mcp-gateway doctor` to see which key fails and why.")
    })
}

fn head(
    call: &mut Call,
    plan: &Plan,
    target: &Target1<'_>,
    notices: Vec<Notice>,
    headers: &HeaderMap,
) -> Head {
    let (candidate, provider) = (target.candidate, &target.provider);
    let is_first = plan.candidates.first().is_some_and(|first| {
        Arc::ptr_eq(&first.offering, &candidate.offering)
    });
    let model_id = candidate.offering.id();
    let reason = if is_first {
        plan.reason.clone()
    } else {
        format!("{}; then {}", plan.reason, candidate.why)
    };
    call.route.model = candidate.offering.name.as_str().to_owned();
    call.route.model_id.clone_from(&model_id);
    call.route.provider = provider.id.as_str().to_owned();
    call.route.layer = Some(candidate.layer);
    call.route.is_demo = provider.is_demo;
    if !is_first {
        // The summary names the model that answered, not the one that was tried first.
        call.route.summary = format!("Fallback: {model_id} (layer {})", candidate.layer);
    }
    Head {
        call_id: call.id,
        model_id,
        model: call.route.model.clone(),
        provider: call.route.provider.clone(),
        layer: candidate.layer,
        summary: call.route.summary.clone(),
        reason,
        task: call.inbound.context.task.unwrap_or(call.features.task),
        complexity: call.inbound.context.complexity.unwrap_or(call.features.complexity),
        is_pass_through: target.is_pass_through,
        is_demo: provider.is_demo,
        notices,
        upstream_headers: kept_headers(headers),
    }
}

/// Headers of the provider that clients read: request ids and rate limits.
fn kept_headers(headers: &HeaderMap) -> HeaderMap {
    let is_kept = |name: &str| {
        matches!(name, "request-id" | "x-request-id")
            || name.starts_with("x-ratelimit-")
            || name.starts_with("anthropic-ratelimit-")
    };
    headers
        .iter()
        .filter(|(name, _)| is_kept(name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The attempt as it would be recorded if it were cut off now: the prompt was read, nothing said.
fn in_flight(call: &Call, target: &Target1<'_>) -> AttemptRecord {
    let offering = &target.candidate.offering;
    let usage = Usage { input: call.features.input_tokens, ..Usage::default() };
    let report = UsageReport { usage, is_estimate: true, ..UsageReport::default() };
    AttemptRecord {
        provider: offering.provider.as_str().to_owned(),
        model: offering.name.as_str().to_owned(),
        layer: target.candidate.layer,
        status: CallStatus::Cancelled,
        usage,
        cost: settle::settle(offering, &report, call.started_at_ms()),
        duration_ms: call.elapsed_ms(),
    }
}

/// Providers do not charge for what they refuse; what breaks off in the middle of an answer has
/// cost its prompt at least, and is booked as estimated before the attempt began.
fn note_failure(call: &mut Call, error: &Error) {
    let elapsed_ms = call.elapsed_ms();
    let Some(mut attempt) = call.in_flight.take() else { return };
    attempt.status = CallStatus::Failed {
        code: error.kind().row().code.to_owned(),
        message: error.message().to_owned(),
    };
    let has_broken_off = call.is_answering
        && matches!(
            error.kind(),
            Kind::ProviderMalformed
                | Kind::ProviderTimeout
                | Kind::ProviderTooLarge
                | Kind::ProviderUnreachable
        );
    if !has_broken_off {
        attempt.usage = Usage::default();
        attempt.cost = Cost::Priced { amount: Money::ZERO, source: CostSource::Catalogue };
    }
    attempt.duration_ms = elapsed_ms.saturating_sub(attempt.duration_ms);
    events::attempt_failed(call.id, &attempt, error);
    call.attempts.push(attempt);
}

fn note_success(call: &mut Call, target: &Target1<'_>, report: &UsageReport) {
    let cost = settle::settle(&target.candidate.offering, report, call.started_at_ms());
    let elapsed_ms = call.elapsed_ms();
    call.first_token_ms = Some(elapsed_ms);
    let Some(mut attempt) = call.in_flight.take() else { return };
    attempt.status = CallStatus::Ok;
    attempt.usage = report.usage;
    attempt.cost = cost;
    attempt.duration_ms = elapsed_ms.saturating_sub(attempt.duration_ms);
    call.attempts.push(attempt);
}

fn refusal(provider: &Provider, status: u16, headers: &HeaderMap, body: &Bytes) -> Error {
    if (300..400).contains(&status) {
        let message = format!("provider `{}` answered with a redirect", provider.id);
        return Error::new(Kind::ProviderFailed, message)
            .with_retry(Retry::Next)
            .with_hint("Set the provider's base_url to the address it redirects to.");
    }
    provider.dialect.decode_error(status, headers, body)
}

fn resting(provider: &Provider, for_ms: u64) -> Error {
    let message = format!("provider `{}` rests after repeated failures", provider.id);
    Error::new(Kind::ProviderOverloaded, message)
        .with_retry_after_ms(for_ms)
        .with_retry(Retry::Next)
        .with_provider(provider.id.clone())
}

fn too_late(deadline_ms: u64) -> Error {
    let message = format!("no answer began within {deadline_ms} ms");
    Error::new(Kind::ProviderTimeout, message).with_retry(Retry::No)
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim_start().starts_with("application/json"))
}

async fn read_whole(mut body: BodyStream) -> Result<Bytes> {
    let mut whole = BytesMut::new();
    while let Some(piece) = body.next().await {
        whole.extend_from_slice(&piece?);
    }
    Ok(whole.freeze())
}

/// Reads what explains a refusal; a body that breaks off explains what it can.
async fn read_up_to(mut body: BodyStream, bytes_max: usize) -> Bytes {
    let mut start = BytesMut::new();
    while start.len() < bytes_max
        && let Some(Ok(piece)) = body.next().await
    {
        start.extend_from_slice(&piece);
    }
    start.truncate(bytes_max);
    start.freeze()
}
