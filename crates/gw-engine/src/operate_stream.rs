//! Carries sound and events of an operation from the provider to the client, byte for byte.
//!
//! The pump owns the provider's body, the money and the record, so whatever happens to the client,
//! the call is settled. The last piece is held back until the record is durable.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use gw_core::limits::{CLIENT_STALL_MS_MAX, STREAM_EVENT_BYTES_MAX, STREAM_FRAMES_WAITING_MAX};
use gw_core::operation::{Operation, OperationKind};
use gw_core::record::CallStatus;
use gw_core::seam::{BodyStream, OperationFormat};
use gw_core::{Error, Usage, UsageReport};
use http::HeaderValue;
use tokio::sync::mpsc;

use crate::answer::Head;
use crate::call::Call;
use crate::in_flight::failed;
use crate::operate::{self, OperationAnswer, OperationBody};
use crate::remember;

/// A body that has begun.
pub(crate) struct LiveBytes {
    pub(crate) head: Head,
    pub(crate) content_type: HeaderValue,
    pub(crate) body: BodyStream,
    /// True for server-sent events, whose last one says what was used.
    pub(crate) is_events: bool,
    pub(crate) format: Arc<dyn OperationFormat>,
}

/// Pieces of an answer. An error ends it. Dropping it cancels the provider.
#[derive(Debug)]
pub struct OperationStream {
    pieces: mpsc::Receiver<Result<Bytes, Error>>,
}

impl Stream for OperationStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.pieces.poll_recv(cx)
    }
}

/// Hands the body to a pump of its own and gives the client's end.
pub(crate) fn relay(call: Box<Call>, live: LiveBytes) -> OperationAnswer {
    let (sender, pieces) = mpsc::channel(STREAM_FRAMES_WAITING_MAX);
    let (head, content_type) = (live.head.clone(), live.content_type.clone());
    let tasks = call.engine.tasks.clone();
    tasks.spawn(pump(call, live, sender));
    OperationAnswer { head, content_type, body: OperationBody::Stream(OperationStream { pieces }) }
}

type Client = mpsc::Sender<Result<Bytes, Error>>;

async fn pump(mut call: Box<Call>, live: LiveBytes, client: Client) {
    let LiveBytes { mut body, is_events, format, .. } = live;
    let kind = call.operation.as_ref().map(|operation| operation.kind);
    let mut meter = EventMeter::new(is_events, format, kind);
    let (status, last) = carry(&mut body, &mut meter, &client).await;
    // Dropping the body now stops the provider before the books are closed.
    drop(body);
    judge(&call, &last, &status);
    let report = report(&call, meter.reported, status.is_ok());
    call.end_attempt(status.clone(), report.as_ref());
    let (record, _) = call.finish(status);
    remember::keep_record(&call.engine, record).await;
    if let Some(last) = last {
        // A client that leaves now has lost nothing but the end.
        let _ = send(&client, last).await;
    }
}

/// Sends piece after piece; gives how it ended, and the piece that is still to be sent.
async fn carry(
    body: &mut BodyStream,
    meter: &mut EventMeter,
    client: &Client,
) -> (CallStatus, Option<Result<Bytes, Error>>) {
    let mut held: Option<Bytes> = None;
    loop {
        let read = tokio::select! {
            biased;
            () = client.closed() => return (CallStatus::Cancelled, None),
            read = body.next() => read,
        };
        match read {
            None => return (CallStatus::Ok, held.map(Ok)),
            Some(Ok(piece)) => {
                meter.observe(&piece);
                if let Some(before) = held.replace(piece)
                    && !send(client, Ok(before)).await
                {
                    return (CallStatus::Cancelled, None);
                }
            }
            Some(Err(error)) => {
                if let Some(before) = held
                    && !send(client, Ok(before)).await
                {
                    return (CallStatus::Cancelled, None);
                }
                return (failed(&error), Some(Err(error)));
            }
        }
    }
}

fn judge(call: &Call, last: &Option<Result<Bytes, Error>>, status: &CallStatus) {
    let Some(tried) = call.in_flight.as_ref().map(|attempt| &attempt.tried) else { return };
    let now_ms = call.engine.resources.clock.monotonic_ms();
    match last {
        Some(Err(error)) => {
            call.engine.health.fail(tried, error, now_ms, &call.snapshot.engine);
        }
        _ if status.is_ok() => call.engine.health.succeed(tried),
        _ => {}
    }
}

/// What is billed: as reported; else as reckoned, of which a stream that was cut off has cost what it
/// was asked with at least.
fn report(call: &Call, reported: Option<UsageReport>, is_whole: bool) -> Option<UsageReport> {
    let operation: &Operation = call.operation.as_deref()?;
    let offering = call.in_flight.as_ref().map(|attempt| Arc::clone(&attempt.offering))?;
    let mut report = operate::used(call, operation, &offering, reported);
    if !is_whole && report.usage == Usage::default() {
        report = call.prompt_alone();
    }
    Some(report)
}

/// False: the client is gone, or takes nothing any more.
async fn send(client: &Client, piece: Result<Bytes, Error>) -> bool {
    let patience = Duration::from_millis(CLIENT_STALL_MS_MAX);
    client.send_timeout(piece, patience).await.is_ok()
}

/// Looks for what was used in events that pass by.
struct EventMeter {
    format: Option<(Arc<dyn OperationFormat>, OperationKind)>,
    line: BytesMut,
    reported: Option<UsageReport>,
}

impl EventMeter {
    fn new(is_events: bool, format: Arc<dyn OperationFormat>, kind: Option<OperationKind>) -> Self {
        let format = kind.filter(|_| is_events).map(|kind| (format, kind));
        Self { format, line: BytesMut::new(), reported: None }
    }

    fn observe(&mut self, piece: &[u8]) {
        let Some((format, kind)) = &self.format else { return };
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            // A line that is too long to be looked at says nothing about usage.
            if self.line.len() + part.len() <= STREAM_EVENT_BYTES_MAX {
                self.line.extend_from_slice(part);
            }
            if !part.ends_with(b"\n") {
                continue;
            }
            if let Some(data) = self.line.strip_prefix(b"data:")
                && let Some(report) = format.usage_of_event(*kind, data.trim_ascii())
            {
                self.reported = Some(report);
            }
            self.line.clear();
        }
    }
}
