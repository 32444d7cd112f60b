//! Carries a stream from the provider to the client.
//!
//! The pump owns the provider's body, the money and the record, so whatever happens to the client,
//! the call is settled. The last frame is held back until the record is durable.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use gw_catalog::Offering;
use gw_core::event::{PartDelta, PartHead, StreamEvent};
use gw_core::fold::Fold;
use gw_core::limits::{REMEMBERED_TEXT_BYTES_MAX, STREAM_FRAMES_WAITING_MAX};
use gw_core::record::CallStatus;
use gw_core::reply::ChatReply;
use gw_core::seam::{BodyStream, Frame, FrameKind, StreamDecoder};
use gw_core::unfold::unfold;
use gw_core::{Error, ProviderId, Result, Usage, UsageReport};
use tokio::sync::mpsc;

use crate::answer::{Answer, AnswerBody, AnswerStream, Head, Piece, Receipt};
use crate::attempt::Target1;
use crate::call::Call;
use crate::inbound::Recall;
use crate::{remember, settle};

/// Frames that may come before the first content; a provider that sends more is let through.
const FRAMES_BEFORE_CONTENT_MAX: usize = 256;

/// How long the end of the body is waited for after the last frame, so that the connection can be
/// used again.
const TAIL_WAIT: Duration = Duration::from_millis(50);

/// A stream that has begun to say something.
pub(crate) struct Live {
    head: Head,
    offering: Arc<Offering>,
    frames: VecDeque<Frame>,
    source: Source,
}

/// Where further frames come from.
enum Source {
    /// The provider's body.
    Body { body: BodyStream, decoder: Box<dyn StreamDecoder> },
    /// Nowhere: all frames are there.
    Done,
}

/// Reads a stream up to its first content, so that a failure before it can still be mended by
/// another candidate.
pub(crate) async fn open(
    call: &mut Call,
    target: &Target1<'_>,
    head: Head,
    body: BodyStream,
) -> Result<Live> {
    let decoder = target.provider.dialect.stream_decoder();
    let mut live = Live {
        head,
        offering: Arc::clone(&target.candidate.offering),
        frames: VecDeque::new(),
        source: Source::Body { body, decoder },
    };
    let mut looked_at = 0;
    loop {
        while let Some(frame) = live.frames.get(looked_at) {
            looked_at += 1;
            if let Some(error) = failure(&frame.events) {
                return Err(error);
            }
            if frame.events.iter().any(is_content) || looked_at >= FRAMES_BEFORE_CONTENT_MAX {
                call.first_token_ms = Some(call.elapsed_ms());
                return Ok(live);
            }
        }
        if !live.source.read(&mut live.frames).await? && looked_at == live.frames.len() {
            // Ended properly without a word: an empty answer is an answer.
            return Ok(live);
        }
    }
}

/// A stream made of one whole answer.
pub(crate) fn replay(
    call: &mut Call,
    target: &Target1<'_>,
    mut head: Head,
    reply: &ChatReply,
) -> Live {
    head.is_pass_through = false;
    call.first_token_ms = Some(call.elapsed_ms());
    let frames = unfold(reply).into_iter().map(|event| Frame {
        raw: bytes::Bytes::new(),
        kind: match event {
            StreamEvent::End => FrameKind::End,
            _ => FrameKind::Data,
        },
        events: vec![event],
    });
    Live {
        head,
        offering: Arc::clone(&target.candidate.offering),
        frames: frames.collect(),
        source: Source::Done,
    }
}

/// Hands the stream to a pump of its own and gives the client's end.
pub(crate) fn relay(call: Box<Call>, live: Live) -> Answer {
    let (sender, pieces) = mpsc::channel(STREAM_FRAMES_WAITING_MAX);
    let head = live.head.clone();
    let tasks = call.engine.tasks.clone();
    tasks.spawn(pump(call, live, sender));
    Answer { head, body: AnswerBody::Stream(AnswerStream { pieces }) }
}

/// How the pumping ended.
enum Ending {
    /// The provider was done; its last frame is still to be sent.
    Proper(Frame),
    /// The client left.
    ClientGone,
    /// The provider failed; the frame tells the client.
    Broken(Error, Frame),
}

async fn pump(mut call: Box<Call>, mut live: Live, client: mpsc::Sender<Piece>) {
    let wants_fold = call.inbound.context.recall == Recall::History;
    let mut meter = Meter::new(wants_fold);
    let ending = carry(&mut live, &mut meter, &client).await;
    if matches!(ending, Ending::ClientGone | Ending::Broken(..)) {
        // Dropping the body now stops the provider before the books are closed.
        live.source = Source::Done;
    }
    let status = match &ending {
        Ending::Proper(_) => CallStatus::Ok,
        Ending::ClientGone => CallStatus::Cancelled,
        Ending::Broken(error, _) => {
            let now_ms = call.engine.resources.clock.monotonic_ms();
            let provider = ProviderId::from(call.route.provider.as_str());
            let options = &call.snapshot.engine;
            let model = &live.offering.name;
            call.engine.health.fail(&provider, model, None, error, now_ms, options);
            CallStatus::Failed {
                code: error.kind().row().code.to_owned(),
                message: error.message().to_owned(),
            }
        }
    };
    let receipt = close_books(&mut call, &live.offering, &mut meter, status).await;
    if let Ending::Proper(last) | Ending::Broken(_, last) = ending {
        // A client that leaves now has lost nothing but the end.
        let _ = client.send(Piece::Receipt(Box::new(receipt))).await;
        let _ = client.send(piece(&live.head, last)).await;
    }
    drop(client);
    if let Source::Body { body, .. } = &mut live.source {
        let _ = tokio::time::timeout(TAIL_WAIT, body.next()).await;
    }
}

/// Sends frame after frame until the stream ends one way or another.
async fn carry(live: &mut Live, meter: &mut Meter, client: &mpsc::Sender<Piece>) -> Ending {
    loop {
        while let Some(frame) = live.frames.pop_front() {
            meter.observe(&frame.events);
            if let Some(error) = failure(&frame.events) {
                return Ending::Broken(error, frame);
            }
            if frame.kind == FrameKind::End {
                return Ending::Proper(frame);
            }
            if client.send(piece(&live.head, frame)).await.is_err() {
                return Ending::ClientGone;
            }
        }
        let read = tokio::select! {
            biased;
            () = client.closed() => return Ending::ClientGone,
            read = live.source.read(&mut live.frames) => read,
        };
        match read {
            Ok(true) => {}
            Ok(false) if live.frames.is_empty() => return Ending::Proper(synthetic(StreamEvent::End)),
            Ok(false) => {}
            Err(error) => {
                // What came before the failure still belongs to the client.
                while let Some(frame) = live.frames.pop_front() {
                    meter.observe(&frame.events);
                    if client.send(piece(&live.head, frame)).await.is_err() {
                        return Ending::ClientGone;
                    }
                }
                let event = StreamEvent::Error(Box::new(error.clone()));
                return Ending::Broken(error, synthetic(event));
            }
        }
    }
}

/// Settles the attempt, records the call and keeps the turns.
async fn close_books(
    call: &mut Call,
    offering: &Offering,
    meter: &mut Meter,
    status: CallStatus,
) -> Receipt {
    let report = meter.report(call.features.input_tokens, status.is_ok());
    let cost = settle::settle(offering, &report, call.started_at_ms());
    let elapsed_ms = call.elapsed_ms();
    if let Some(mut attempt) = call.in_flight.take() {
        attempt.status = status.clone();
        attempt.usage = report.usage;
        attempt.cost = cost;
        attempt.duration_ms = elapsed_ms.saturating_sub(attempt.duration_ms);
        call.attempts.push(attempt);
    }
    let is_ok = status.is_ok();
    let (record, receipt) = call.finish(status);
    remember::keep_record(&call.engine, record).await;
    if is_ok && let Some(fold) = meter.fold.take() {
        remember::keep_turns(call, fold.reply()).await;
    }
    receipt
}

fn piece(head: &Head, frame: Frame) -> Piece {
    let raw = (head.is_pass_through && !frame.raw.is_empty()).then_some(frame.raw);
    Piece::Frame { raw, kind: frame.kind, events: frame.events }
}

fn synthetic(event: StreamEvent) -> Frame {
    Frame { raw: bytes::Bytes::new(), kind: FrameKind::End, events: vec![event] }
}

fn failure(events: &[StreamEvent]) -> Option<Error> {
    events.iter().find_map(|event| match event {
        StreamEvent::Error(error) => Some(error.as_ref().clone()),
        _ => None,
    })
}

/// True once another candidate can no longer take over unseen.
fn is_content(event: &StreamEvent) -> bool {
    matches!(
        event,
        StreamEvent::PartStart { .. }
            | StreamEvent::PartDelta { .. }
            | StreamEvent::Stop { .. }
            | StreamEvent::End
    )
}

impl Source {
    /// Reads until at least one more byte has been decoded. False: nothing more will come.
    async fn read(&mut self, frames: &mut VecDeque<Frame>) -> Result<bool> {
        let Self::Body { body, decoder } = self else { return Ok(false) };
        let mut decoded = Vec::new();
        let result = match body.next().await {
            Some(Ok(bytes)) => decoder.push(&bytes, &mut decoded).map(|()| true),
            Some(Err(error)) => Err(error),
            None => decoder.finish(&mut decoded).map(|()| false),
        };
        frames.extend(decoded);
        if !matches!(result, Ok(true)) {
            *self = Self::Done;
        }
        result
    }
}

/// Counts what is delivered.
struct Meter {
    reported: Option<UsageReport>,
    written_bytes: u64,
    fold: Option<Fold>,
}

impl Meter {
    fn new(wants_fold: bool) -> Self {
        Self { reported: None, written_bytes: 0, fold: wants_fold.then(Fold::default) }
    }

    fn observe(&mut self, events: &[StreamEvent]) {
        for event in events {
            self.written_bytes += written(event);
            if let StreamEvent::Usage(report) = event {
                self.reported = Some(report.clone());
            }
            if self.written_bytes <= REMEMBERED_TEXT_BYTES_MAX as u64
                && let Some(fold) = &mut self.fold
            {
                fold.push(event);
            }
        }
    }

    /// What the provider reported, completed by what was seen where the stream was cut before its
    /// own final count. Four bytes are reckoned as a token.
    fn report(&self, input_tokens_estimate: u64, is_whole: bool) -> UsageReport {
        let mut report = self.reported.clone().unwrap_or_default();
        if is_whole && self.reported.is_some() {
            return report;
        }
        report.is_estimate = true;
        if report.usage.total_input() == 0 {
            report.usage.input = input_tokens_estimate;
        }
        let seen = self.written_bytes.div_ceil(4);
        let counted = report.usage.total_output();
        let missing = seen.saturating_sub(counted);
        report.usage = report.usage.plus(&Usage { output: missing, ..Usage::default() });
        report
    }
}

fn written(event: &StreamEvent) -> u64 {
    let bytes = match event {
        StreamEvent::PartDelta { delta, .. } => match delta {
            PartDelta::Text(text) | PartDelta::Thinking(text) | PartDelta::Arguments(text) => {
                text.len()
            }
            PartDelta::Signature(_) | PartDelta::Citation(_) | PartDelta::Opaque(_) => 0,
        },
        StreamEvent::PartStart { head: PartHead::ToolCall { name, .. }, .. } => name.len(),
        _ => 0,
    };
    bytes as u64
}
