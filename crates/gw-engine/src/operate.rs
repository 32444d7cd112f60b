//! The life of a call that is no chat: the steps of [`crate::run`] without conversation, with a plan
//! over those who sell the named model and have such calls.

use std::sync::Arc;

use bytes::Bytes;
use gw_catalog::Offering;
use gw_core::chat::ChatRequest;
use gw_core::operation::{
    Operation, OperationInput, OperationOutput, OperationReply, WireOperation,
};
use gw_core::principal::Principal;
use gw_core::record::CallStatus;
use gw_core::seam::{BodyStream, OutgoingRequest, Target};
use gw_core::{Error, Kind, Result, UsageReport};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderValue};

use crate::answer::{Failure, Head, Receipt};
use crate::attempt::Chosen;
use crate::call::Call;
use crate::encode;
use crate::engine::Engine;
use crate::exchange::{Outcome, read_whole};
use crate::head::head;
use crate::inbound::{CallContext, Door, Inbound};
use crate::operate_stream::{LiveBytes, OperationStream};
use crate::plan::{self, Planned};
use crate::provider::Credential;
use crate::{admit, attempt, operate_stream, remember, reserve};

/// An operation with everything known about its caller.
#[derive(Clone, Debug)]
pub struct OperationInbound {
    /// Where it came in.
    pub door: Door,
    /// What is asked.
    pub operation: Operation,
    /// Who calls.
    pub principal: Principal,
    /// What else the caller said.
    pub context: CallContext,
}

/// The answer to an operation.
#[derive(Debug)]
pub struct OperationAnswer {
    /// What is known before the first byte.
    pub head: Head,
    /// Content type of the provider's body.
    pub content_type: HeaderValue,
    /// The answer itself.
    pub body: OperationBody,
}

/// The answer itself.
#[derive(Debug)]
pub enum OperationBody {
    /// All at once. Its record is durable already.
    Whole(Box<OperationWhole>),
    /// As it comes: sound, or events.
    Stream(OperationStream),
}

/// A whole answer.
#[derive(Debug)]
pub struct OperationWhole {
    /// What came out.
    pub output: OperationOutput,
    /// The provider's body, where it passes through.
    pub raw: Option<Bytes>,
    /// What was used, as billed.
    pub used: UsageReport,
    /// What it took.
    pub receipt: Receipt,
}

/// A whole answer before it is recorded.
pub(crate) struct Done {
    head: Head,
    content_type: HeaderValue,
    output: OperationOutput,
    raw: Option<Bytes>,
    pub(crate) used: UsageReport,
    pub(crate) model: String,
}

impl Done {
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }
}

/// Runs one operation.
pub(crate) async fn operate(
    engine: &Arc<Engine>,
    inbound: OperationInbound,
) -> Result<OperationAnswer, Failure> {
    let OperationInbound { door, operation, principal, context } = inbound;
    let request = ChatRequest {
        model: operation.model.trim().to_owned(),
        stream: operation.is_streaming,
        ..ChatRequest::default()
    };
    let mut call = Call::begin(engine, Inbound { door, request, raw: None, principal, context });
    call.features.input_tokens = operation.most.total_input();
    call.features.likely_input_tokens = operation.likely.total_input();
    call.operation = Some(Arc::new(operation));
    match answer(&mut call).await {
        Ok(Outcome::Operation(done)) => Ok(whole(call, *done).await),
        Ok(Outcome::Bytes(live)) => Ok(operate_stream::relay(call, *live)),
        Ok(_) => Err(call.fail(Error::internal("an operation was answered as a chat")).await),
        Err(error) => Err(call.fail(error).await),
    }
}

async fn answer(call: &mut Call) -> Result<Outcome> {
    admit::open(call)?;
    if call.inbound.request.model.is_empty() {
        return Err(Error::bad_field("model", "`model` is required"));
    }
    let mut planned: Planned = plan::plan_operation(call)?;
    let hold = reserve::reserve(call, &mut planned).await?;
    attempt::attempt(call, &planned, &hold).await
}

async fn whole(mut call: Box<Call>, done: Done) -> OperationAnswer {
    let (record, receipt) = call.finish(CallStatus::Ok);
    remember::keep_surely(&call.engine, remember::keep_record(&call.engine, record)).await;
    let Done { head, content_type, output, raw, used, .. } = done;
    let whole = OperationWhole { output, raw, used, receipt };
    OperationAnswer { head, content_type, body: OperationBody::Whole(Box::new(whole)) }
}

/// Writes the operation for one candidate.
pub(crate) fn outgoing(
    operation: &Operation,
    chosen: &Chosen<'_>,
    key: Option<&Credential>,
) -> Result<(OutgoingRequest, WireOperation)> {
    let provider = &chosen.provider;
    let format = provider.operations.format(operation.kind).ok_or_else(|| {
        let message = format!("provider `{}` has no {}", provider.id, operation.kind);
        Error::new(Kind::UnsupportedFeature, message).with_field("model")
    })?;
    let target = Target {
        model: chosen.candidate.offering.name.as_str(),
        quirks: &provider.quirks,
        max_output_tokens: None,
    };
    let wire = format.encode(operation, &target)?;
    let url = provider.operations.address(&wire.path);
    let mut request = encode::request(chosen, url, wire.body.clone(), key)?;
    let content_type = HeaderValue::from_str(&wire.content_type).map_err(|_| {
        Error::bad_field("Content-Type", "the content type holds characters no header can carry")
    })?;
    request.headers.insert(CONTENT_TYPE, content_type);
    Ok((request, wire))
}

/// Reads an answer of status 2xx.
pub(crate) async fn read(
    call: &mut Call,
    operation: &Operation,
    chosen: &Chosen<'_>,
    is_pass_through: bool,
    headers: &HeaderMap,
    body: BodyStream,
    notices: Vec<gw_core::chat::Notice>,
) -> Result<Outcome> {
    let mut head = head(call, chosen, notices, headers);
    head.is_pass_through = is_pass_through;
    let json = HeaderValue::from_static("application/json");
    let content_type = headers.get(CONTENT_TYPE).cloned().unwrap_or(json);
    let kind = content_type.to_str().unwrap_or_default();
    if kind.starts_with("text/html") {
        let message = "the provider answered with a page for browsers";
        return Err(Error::new(Kind::ProviderMalformed, message));
    }
    let format = provider_format(chosen, operation)?;
    let is_whole = kind.starts_with("application/json");
    if operation.is_streaming && is_pass_through && !is_whole {
        let is_events = kind.starts_with("text/event-stream");
        let live = LiveBytes { head, content_type, body, is_events, format };
        return Ok(Outcome::Bytes(Box::new(live)));
    }
    let body = read_whole(body).await?;
    let reply = format.decode(operation, &body, !is_pass_through)?;
    let OperationReply { output, usage, model } = reply;
    let is_silent = matches!(output, OperationOutput::Raw) && !is_pass_through;
    if is_silent && !matches!(operation.input, OperationInput::Raw) {
        return Err(Error::internal("an answer was not read"));
    }
    let used = used(call, operation, &chosen.candidate.offering, usage);
    let raw = is_pass_through.then_some(body);
    let done = Done { head, content_type, output, raw, used, model };
    Ok(Outcome::Operation(Box::new(done)))
}

fn provider_format(
    chosen: &Chosen<'_>,
    operation: &Operation,
) -> Result<Arc<dyn gw_core::seam::OperationFormat>> {
    let format = chosen.provider.operations.format(operation.kind);
    format.cloned().ok_or_else(|| Error::internal("a provider lost its format"))
}

/// What was used: as the provider says, else as it was reckoned. Pieces that were counted before the
/// call (letters to be spoken, searches) are exact all the same.
pub(crate) fn used(
    call: &Call,
    operation: &Operation,
    offering: &Offering,
    reported: Option<UsageReport>,
) -> UsageReport {
    let says_something =
        |it: &UsageReport| it.usage != gw_core::Usage::default() || it.reported_cost.is_some();
    if let Some(report) = reported.filter(says_something) {
        return report;
    }
    let usage = gw_ledger::billable(offering, &operation.likely, call.started_at_ms());
    let is_counted = usage.character > 0 || usage.image > 0;
    UsageReport { usage, is_estimate: !is_counted, ..UsageReport::default() }
}
