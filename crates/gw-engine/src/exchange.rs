//! One try: gate, key, request, answer, and what it says about the provider's health.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use gw_core::chat::Notice;
use gw_core::event::StreamEvent;
use gw_core::fold::Fold;
use gw_core::limits::ERROR_BODY_BYTES_MAX;
use gw_core::record::CallStatus;
use gw_core::reply::ChatReply;
use gw_core::reservation::Reservation;
use gw_core::seam::{BodyStream, Dialect, IncomingResponse, OutgoingRequest};
use gw_core::{Error, Kind, Result, Retry};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::answer::Head;
use crate::attempt::{Chosen, Miss};
use crate::call::Call;
use crate::encode::{encode, outgoing};
use crate::head::{adopt, head};
use crate::health::{Gate, Rest, Tried};
use crate::in_flight::InFlight;
use crate::meter;
use crate::operate::{self, Done};
use crate::operate_stream::LiveBytes;
use crate::provider::{Credential, Provider};
use crate::relay::{self, Live};

/// How a candidate answered.
pub(crate) enum Outcome {
    /// All at once.
    Whole(Box<WholeReply>),
    /// With a stream that has begun to say something.
    Streaming(Box<Live>),
    /// With what an operation came to.
    Operation(Box<Done>),
    /// With the bytes of an operation, which have begun.
    Bytes(Box<LiveBytes>),
}

/// A whole answer with what its door needs.
pub(crate) struct WholeReply {
    pub(crate) reply: ChatReply,
    pub(crate) raw: Option<Bytes>,
    pub(crate) head: Head,
}

/// Tries a candidate once.
pub(crate) async fn try_once(
    call: &mut Call,
    chosen: &Chosen<'_>,
    hold: &Reservation,
) -> Result<Outcome, Miss> {
    let Ready { request, notices, is_pass_through } =
        set_out(call, chosen).map_err(Miss::unsent)?;
    let deadline_ms = call.snapshot.engine.deadline_ms;
    let left_ms = deadline_ms.saturating_sub(call.elapsed_ms());
    let exchange = async {
        match call.operation.clone() {
            Some(operation) => {
                let answer = send(call, chosen, hold, request).await?;
                let (headers, body) = (answer.headers, answer.body);
                operate::read(call, &operation, chosen, is_pass_through, &headers, body, notices)
                    .await
            }
            None => exchange(call, chosen, hold, request, notices).await,
        }
    };
    let result = tokio::time::timeout(Duration::from_millis(left_ms), exchange).await;
    let is_cut_short = result.is_err() && left_ms < deadline_ms / 2;
    let result = result.unwrap_or_else(|_| Err(too_late(deadline_ms)));
    let now_ms = call.engine.resources.clock.monotonic_ms();
    let options = &call.snapshot.engine;
    let health = &call.engine.health;
    let Some(tried) = call.in_flight.as_ref().map(|attempt| &attempt.tried) else {
        return result.map_err(Miss::unsent);
    };
    match &result {
        Ok(Outcome::Whole(_) | Outcome::Operation(_)) => health.succeed(tried),
        Ok(Outcome::Streaming(_) | Outcome::Bytes(_)) => health.answering(tried, options),
        // Others used up the time that this one was not given.
        Err(_) if is_cut_short => health.leave(tried),
        Err(error) => health.fail(tried, error, now_ms, options),
    }
    match result {
        Ok(Outcome::Whole(whole)) => {
            let report = meter::of_reply(&whole.reply, call.features.likely_input_tokens);
            call.first_token_ms = Some(call.elapsed_ms());
            call.answered_as(&whole.reply.model);
            call.end_attempt(CallStatus::Ok, Some(&report));
            adopt(call, &whole.head);
            Ok(Outcome::Whole(whole))
        }
        Ok(Outcome::Streaming(live)) => {
            call.first_token_ms = Some(call.elapsed_ms());
            adopt(call, &live.head);
            Ok(Outcome::Streaming(live))
        }
        Ok(Outcome::Operation(done)) => {
            call.first_token_ms = Some(call.elapsed_ms());
            call.answered_as(&done.model);
            call.end_attempt(CallStatus::Ok, Some(&done.used));
            adopt(call, done.head());
            Ok(Outcome::Operation(done))
        }
        Ok(Outcome::Bytes(live)) => {
            call.first_token_ms = Some(call.elapsed_ms());
            adopt(call, &live.head);
            Ok(Outcome::Bytes(live))
        }
        Err(error) => {
            call.end_attempt_failed(&error);
            Err(Miss { error, is_sent: true })
        }
    }
}

/// Everything up to the sending: what fails here cost nobody anything. From here on the call has an
/// attempt in flight.
fn set_out(call: &mut Call, chosen: &Chosen<'_>) -> Result<Ready> {
    let (provider, candidate) = (&chosen.provider, chosen.candidate);
    let model = &call.health_name(&candidate.offering.name);
    let now_ms = call.engine.resources.clock.monotonic_ms();
    if call.elapsed_ms() >= call.snapshot.engine.deadline_ms {
        return Err(too_late(call.snapshot.engine.deadline_ms));
    }
    if let Gate::Open(rest) = call.engine.health.gate(&provider.id, model, now_ms) {
        return Err(resting(chosen, &rest, now_ms));
    }
    let key = usable_key(call, chosen, now_ms)?;
    let ready = match &call.operation {
        Some(operation) => {
            let (request, wire) = operate::outgoing(operation, chosen, key)?;
            let is_pass_through = wire.is_pass_through;
            Ready { request, notices: wire.notices, is_pass_through }
        }
        None => {
            let wire = encode(call, chosen)?;
            let request = outgoing(call, chosen, &wire, key)?;
            Ready { request, notices: wire.notices, is_pass_through: chosen.is_pass_through }
        }
    };
    let pass = call.engine.health.enter(&provider.id, model, now_ms);
    let pass = pass.map_err(|rest| resting(chosen, &rest, now_ms))?;
    let tried = Tried {
        provider: provider.id.clone(),
        model: model.clone(),
        key: key.map(|key| key.name.clone()),
        has_other_key: provider.credentials.len() > 1,
        pass,
        status: None,
    };
    call.in_flight = Some(InFlight {
        tried,
        offering: Arc::clone(&candidate.offering),
        layer: candidate.layer,
        began_ms: call.elapsed_ms(),
        answered_as: String::new(),
    });
    Ok(ready)
}

/// A request that may be sent.
struct Ready {
    request: OutgoingRequest,
    notices: Vec<Notice>,
    is_pass_through: bool,
}

/// Sends the request and reads the answer, or a stream up to its first content.
async fn exchange(
    call: &mut Call,
    chosen: &Chosen<'_>,
    hold: &Reservation,
    request: OutgoingRequest,
    notices: Vec<Notice>,
) -> Result<Outcome> {
    let dialect = chosen.provider.dialect.as_ref();
    let IncomingResponse { headers, body, .. } = send(call, chosen, hold, request).await?;
    let mut head = head(call, chosen, notices, &headers);
    let wants_stream = call.inbound.request.stream;
    // A web page (a login, a proxy's notice) is read whole, to be refused as what it is.
    if wants_stream
        && !is_of_type(&headers, "application/json")
        && !is_of_type(&headers, "text/html")
    {
        let live = relay::open(dialect, head, body).await?;
        return Ok(Outcome::Streaming(Box::new(live)));
    }
    let body = read_whole(body).await?;
    let reply = match dialect.decode_reply(&body) {
        Ok(reply) => reply,
        // Events, whatever the content type says and whatever was asked for.
        Err(_) if wants_stream && looks_like_events(&body) => {
            let whole = futures_util::stream::once(std::future::ready(Ok(body)));
            let live = relay::open(dialect, head, Box::pin(whole)).await?;
            return Ok(Outcome::Streaming(Box::new(live)));
        }
        Err(_) if looks_like_events(&body) => {
            head.is_pass_through = false;
            sum_of_events(dialect, &body)?
        }
        Err(error) => return Err(error),
    };
    if wants_stream {
        // The provider answered a request for a stream with one whole answer.
        return Ok(Outcome::Streaming(Box::new(relay::replay(head, &reply))));
    }
    let raw = head.is_pass_through.then_some(body);
    Ok(Outcome::Whole(Box::new(WholeReply { reply, raw, head })))
}

/// Sends the request; gives an answer of status 2xx.
async fn send(
    call: &mut Call,
    chosen: &Chosen<'_>,
    hold: &Reservation,
    request: OutgoingRequest,
) -> Result<IncomingResponse> {
    let provider = &chosen.provider;
    let answer = provider.upstream.send(hold, request).await?;
    if let Some(attempt) = &mut call.in_flight {
        attempt.tried.status = Some(answer.status);
    }
    if !(200..300).contains(&answer.status) {
        let body = read_up_to(answer.body, ERROR_BODY_BYTES_MAX).await;
        return Err(refusal(provider, answer.status, &answer.headers, &body));
    }
    Ok(answer)
}

/// The first key that is not resting; `None` for a provider that wants none.
///
/// # Errors
/// Why the key that can be used soonest cannot be used now.
pub(crate) fn usable_key<'a>(
    call: &Call,
    chosen: &'a Chosen<'_>,
    now_ms: u64,
) -> Result<Option<&'a Credential>> {
    let provider = &chosen.provider;
    let model = &call.health_name(&chosen.candidate.offering.name);
    let mut soonest: Option<Rest> = None;
    for key in &provider.credentials {
        match call.engine.health.key_rest(&provider.id, model, &key.name, now_ms) {
            None => return Ok(Some(key)),
            Some(rest) if soonest.as_ref().is_none_or(|it| rest.until_ms < it.until_ms) => {
                soonest = Some(rest);
            }
            Some(_) => {}
        }
    }
    soonest.map_or(Ok(None), |rest| Err(resting(chosen, &rest, now_ms)))
}

/// The error of a candidate that is not to be called now. It says what kind of failure made it rest,
/// not in which words: they were said to somebody else.
fn resting(chosen: &Chosen<'_>, rest: &Rest, now_ms: u64) -> Error {
    let left_ms = rest.until_ms.saturating_sub(now_ms);
    let (id, name) = (chosen.candidate.offering.id(), &chosen.provider.id);
    let error = match rest.kind {
        Kind::ProviderAuth | Kind::ProviderBilling => {
            let message = format!("every key of provider `{name}` was refused lately");
            return Error::new(rest.kind, message)
                .with_hint("Run `ai-mcp-gateway doctor` to see which key fails and why.");
        }
        Kind::ModelNotFound => {
            let message = format!("provider `{name}` said lately that it has no model of `{id}`");
            return Error::new(rest.kind, message).with_field("model");
        }
        kind => {
            let doc = kind.row().doc;
            Error::new(kind, format!("`{id}` is not called for another {left_ms} ms. {doc}"))
        }
    };
    // A breaker is not waited for: nobody said that it will be better then.
    let is_promised = !rest.is_breaker && matches!(error.retry(), Retry::Same { .. });
    let error = error.with_retry_after_ms(left_ms);
    if is_promised { error } else { error.with_retry(Retry::Next) }
}

fn refusal(provider: &Provider, status: u16, headers: &HeaderMap, body: &Bytes) -> Error {
    if (400..600).contains(&status) {
        return provider.dialect.decode_error(status, headers, body);
    }
    let (message, hint) = match status {
        300..400 => (
            format!("provider `{}` answered with a redirect (status {status})", provider.id),
            "Set the provider's base_url to the address it redirects to.",
        ),
        _ => (
            format!("provider `{}` answered with status {status}", provider.id),
            "Check that the provider's base_url is that of its API.",
        ),
    };
    Error::new(Kind::ProviderFailed, message).with_retry(Retry::Next).with_hint(hint)
}

fn too_late(deadline_ms: u64) -> Error {
    let message = format!("no provider answered within {deadline_ms} ms");
    Error::new(Kind::ProviderTimeout, message).with_retry(Retry::No)
}

fn is_of_type(headers: &HeaderMap, wanted: &str) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case(wanted))
}

/// True for the first bytes of server-sent events.
fn looks_like_events(body: &[u8]) -> bool {
    let body = body.trim_ascii_start();
    [&b"data:"[..], b"event:", b"id:", b":"].iter().any(|start| body.starts_with(start))
}

/// The answer that a whole stream amounts to.
fn sum_of_events(dialect: &dyn Dialect, body: &[u8]) -> Result<ChatReply> {
    let mut decoder = dialect.stream_decoder();
    let mut frames = Vec::new();
    decoder.push(body, &mut frames)?;
    decoder.finish(&mut frames)?;
    let mut fold = Fold::default();
    for event in frames.iter().flat_map(|frame| &frame.events) {
        if let StreamEvent::Error(error) = event {
            return Err(error.as_ref().clone());
        }
        fold.push(event);
    }
    Ok(fold.into_reply())
}

pub(crate) async fn read_whole(mut body: BodyStream) -> Result<Bytes> {
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
        let left = bytes_max - start.len();
        start.extend_from_slice(&piece[..piece.len().min(left)]);
    }
    start.freeze()
}
