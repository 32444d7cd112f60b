//! Carries a stream from the provider to the client.
//!
//! The pump owns the provider's body, the money and the record, so whatever happens to the client,
//! the call is settled. The last frame is held back until the record is durable.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use gw_core::event::{PartHead, StreamEvent};
use gw_core::limits::{CLIENT_STALL_MS_MAX, STREAM_FRAMES_WAITING_MAX, STREAM_SLICE_BYTES_MAX};
use gw_core::record::CallStatus;
use gw_core::reply::ChatReply;
use gw_core::seam::{BodyStream, Dialect, Frame, FrameKind, StreamDecoder};
use gw_core::unfold::unfold;
use gw_core::{Error, ProviderId, Result};
use tokio::sync::mpsc;

use crate::answer::{Answer, AnswerBody, AnswerStream, Head, Piece, Receipt};
use crate::cache::{self, Flight};
use crate::call::Call;
use crate::in_flight::failed;
use crate::inbound::Recall;
use crate::meter::Meter;
use crate::{group, refresh, remember};

/// Frames that may come before the first content; a provider that sends more is let through.
const FRAMES_BEFORE_CONTENT_MAX: usize = 256;

/// How long the end of the body is waited for after the last frame, so that the connection can be
/// used again.
const TAIL_WAIT: Duration = Duration::from_millis(50);

/// A stream that has begun to say something.
pub(crate) struct Live {
    pub(crate) head: Head,
    frames: VecDeque<Frame>,
    source: Source,
}

/// Where further frames come from.
enum Source {
    /// The provider's body; `waiting` has arrived and is not decoded yet.
    Body { body: BodyStream, waiting: Bytes, decoder: Box<dyn StreamDecoder> },
    /// Nowhere: all frames are there.
    Done,
}

/// Reads a stream up to its first content, so that a failure before it can still be mended by
/// another candidate.
pub(crate) async fn open(dialect: &dyn Dialect, head: Head, body: BodyStream) -> Result<Live> {
    let decoder = dialect.stream_decoder();
    let source = Source::Body { body, waiting: Bytes::new(), decoder };
    let mut live = Live { head, frames: VecDeque::new(), source };
    let mut looked_at = 0;
    loop {
        while let Some(frame) = live.frames.get(looked_at) {
            looked_at += 1;
            if let Some(error) = failure(&frame.events) {
                return Err(error);
            }
            if frame.events.iter().any(is_content) || looked_at >= FRAMES_BEFORE_CONTENT_MAX {
                return Ok(live);
            }
        }
        if !live.source.read(&mut live.frames).await? && looked_at == live.frames.len() {
            // Ended properly without a word: an empty answer is an answer.
            return Ok(live);
        }
    }
}

/// How the gathering of a stream ended.
pub(crate) enum Gathered {
    /// All frames are there.
    Whole,
    /// It is too long to be held back; it goes on where it stands.
    TooLong,
}

impl Live {
    /// Reads on until everything is there, counting with `meter`, which keeps what is said.
    ///
    /// # Errors
    /// What the provider failed of in the middle of its answer.
    pub(crate) async fn gather(&mut self, meter: &mut Meter, bytes_max: usize) -> Result<Gathered> {
        let mut looked_at = 0;
        let mut bytes = 0_usize;
        loop {
            while let Some(frame) = self.frames.get(looked_at) {
                looked_at += 1;
                bytes = bytes.saturating_add(weight(frame));
                meter.observe(&frame.events);
                if let Some(error) = failure(&frame.events) {
                    return Err(error);
                }
                if frame.kind == FrameKind::End {
                    return Ok(Gathered::Whole);
                }
            }
            if bytes > bytes_max {
                return Ok(Gathered::TooLong);
            }
            if !self.source.read(&mut self.frames).await? && looked_at == self.frames.len() {
                return Ok(Gathered::Whole);
            }
        }
    }
}

/// Bytes that a frame takes, about.
fn weight(frame: &Frame) -> usize {
    const EACH: usize = 64;
    frame.raw.len() + EACH * (1 + frame.events.len())
}

/// A stream made of one whole answer.
pub(crate) fn replay(mut head: Head, reply: &ChatReply) -> Live {
    head.is_pass_through = false;
    let frames = unfold(reply).into_iter().map(|event| Frame {
        raw: Bytes::new(),
        kind: match event {
            StreamEvent::End => FrameKind::End,
            _ => FrameKind::Data,
        },
        events: vec![event],
    });
    Live { head, frames: frames.collect(), source: Source::Done }
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
    let wants_fold = call.inbound.context.recall == Recall::History
        || group::needs_answer(&call)
        || call.course.wants_answer();
    let mut meter = Meter::new(wants_fold);
    let mut audience = Audience { client, is_gone: false, flight: call.course.flight() };
    let ending = carry(&mut live, &mut meter, &mut audience).await;
    if matches!(ending, Ending::ClientGone | Ending::Broken(..)) {
        // Dropping the body now stops the provider before the books are closed.
        live.source = Source::Done;
    }
    judge(&call, &ending);
    let status = match &ending {
        Ending::Proper(_) => CallStatus::Ok,
        Ending::ClientGone => CallStatus::Cancelled,
        Ending::Broken(error, _) => failed(error),
    };
    let receipt = close_books(&mut call, meter, status, &live.head).await;
    if let Ending::Proper(last) | Ending::Broken(_, last) = ending {
        // A client that leaves now has lost nothing but the end.
        let _ = audience.send(Piece::Receipt(Box::new(receipt))).await;
        let _ = audience.send(piece(&live.head, last)).await;
    }
    drop(audience);
    if let Source::Body { body, .. } = &mut live.source {
        let _ = tokio::time::timeout(TAIL_WAIT, body.next()).await;
    }
}

/// What the stream's end says about the provider's health.
fn judge(call: &Call, ending: &Ending) {
    let Some(tried) = call.in_flight.as_ref().map(|attempt| &attempt.tried) else { return };
    let health = &call.engine.health;
    match ending {
        Ending::Proper(_) => health.succeed(tried),
        Ending::ClientGone => {}
        Ending::Broken(error, _) => {
            let now_ms = call.engine.resources.clock.monotonic_ms();
            health.fail(tried, error, now_ms, &call.snapshot.engine);
        }
    }
}

/// Who hears a stream: its client, and equal requests that wait for its end.
struct Audience {
    client: mpsc::Sender<Piece>,
    is_gone: bool,
    flight: Option<Arc<Flight>>,
}

impl Audience {
    /// False: the client is gone, or takes nothing any more, and nobody else waits.
    async fn send(&mut self, piece: Piece) -> bool {
        let patience = Duration::from_millis(CLIENT_STALL_MS_MAX);
        if !self.is_gone {
            self.is_gone = self.client.send_timeout(piece, patience).await.is_err();
        }
        self.is_there()
    }

    /// Ends when the client leaves.
    async fn left(&mut self) {
        if self.is_gone {
            std::future::pending::<()>().await;
        }
        self.client.closed().await;
        self.is_gone = true;
    }

    fn is_there(&self) -> bool {
        !self.is_gone || self.flight.as_ref().is_some_and(|flight| flight.is_awaited())
    }
}

/// Sends frame after frame until the stream ends one way or another.
async fn carry(live: &mut Live, meter: &mut Meter, audience: &mut Audience) -> Ending {
    loop {
        while let Some(mut frame) = live.frames.pop_front() {
            meter.observe(&frame.events);
            if let Some(error) = failure(&frame.events) {
                // Written anew for the client: the provider's words may be about the gateway's key.
                frame.raw = Bytes::new();
                frame.kind = FrameKind::End;
                return broken(error, &live.head, frame);
            }
            if frame.kind == FrameKind::End {
                return Ending::Proper(frame);
            }
            if !audience.send(piece(&live.head, frame)).await {
                return Ending::ClientGone;
            }
        }
        let read = tokio::select! {
            biased;
            () = audience.left() => {
                if !audience.is_there() {
                    return Ending::ClientGone;
                }
                continue;
            }
            read = live.source.read(&mut live.frames) => read,
        };
        match read {
            Ok(true) => {}
            Ok(false) if live.frames.is_empty() => return Ending::Proper(last(StreamEvent::End)),
            Ok(false) => {}
            Err(error) => {
                // What came before the failure still belongs to the client.
                while let Some(frame) = live.frames.pop_front() {
                    meter.observe(&frame.events);
                    if !audience.send(piece(&live.head, frame)).await {
                        return Ending::ClientGone;
                    }
                }
                let frame = last(StreamEvent::Error(Box::new(error.clone())));
                return broken(error, &live.head, frame);
            }
        }
    }
}

/// The ending that tells the client of a failure, once, and by whom.
fn broken(error: Error, head: &Head, mut frame: Frame) -> Ending {
    let error = error.with_provider(ProviderId::from(head.provider.as_str()));
    let before = frame.events.into_iter().take_while(|it| !matches!(it, StreamEvent::Error(_)));
    frame.events = before.collect();
    frame.events.push(StreamEvent::Error(Box::new(error.clone())));
    Ending::Broken(error, frame)
}

/// Settles the attempt, records the call and keeps the turns.
async fn close_books(call: &mut Call, meter: Meter, status: CallStatus, head: &Head) -> Receipt {
    let is_ok = status.is_ok();
    let report = meter.report(call.features.likely_input_tokens, is_ok);
    call.answered_as(meter.model());
    call.end_attempt(status.clone(), Some(&report));
    let is_whole = !meter.is_cut();
    let reply = meter.into_reply().filter(|_| is_ok);
    if let Some(reply) = &reply {
        group::name_by_answer(call, reply);
    }
    let (record, receipt) = call.finish(status);
    let record = remember::keep_record(&call.engine, record);
    match reply {
        Some(reply) => {
            let turns = remember::keep_turns(call, &reply);
            tokio::join!(record, turns);
            refresh::refresh(call);
            if is_whole {
                cache::keep(call, head, &reply).await;
            }
        }
        None => record.await,
    }
    receipt
}

fn piece(head: &Head, frame: Frame) -> Piece {
    let raw = (head.is_pass_through && !frame.raw.is_empty()).then_some(frame.raw);
    Piece::Frame { raw, kind: frame.kind, events: frame.events }
}

/// A frame that ends the stream, made here.
fn last(event: StreamEvent) -> Frame {
    Frame { raw: Bytes::new(), kind: FrameKind::End, events: vec![event] }
}

fn failure(events: &[StreamEvent]) -> Option<Error> {
    events.iter().find_map(|event| match event {
        StreamEvent::Error(error) => Some(error.as_ref().clone()),
        _ => None,
    })
}

/// True for something said, or the end. A text that only begins says nothing yet; everything else
/// that begins is something, or is followed by a long silence (thinking).
fn is_content(event: &StreamEvent) -> bool {
    match event {
        StreamEvent::PartStart { head, .. } => !matches!(head, PartHead::Text | PartHead::Refusal),
        StreamEvent::PartDelta { .. } | StreamEvent::Stop { .. } | StreamEvent::End => true,
        _ => false,
    }
}

impl Source {
    /// Reads and decodes one slice more. False: nothing more will come.
    async fn read(&mut self, frames: &mut VecDeque<Frame>) -> Result<bool> {
        let Self::Body { body, waiting, decoder } = self else { return Ok(false) };
        let mut decoded = Vec::new();
        let arrived = if waiting.is_empty() { body.next().await } else { None };
        let result = match arrived {
            Some(Err(error)) => Err(error),
            None if waiting.is_empty() => decoder.finish(&mut decoded).map(|()| false),
            arrived => {
                if let Some(Ok(bytes)) = arrived {
                    *waiting = bytes;
                }
                let slice = waiting.split_to(waiting.len().min(STREAM_SLICE_BYTES_MAX));
                decoder.push(&slice, &mut decoded).map(|()| true)
            }
        };
        frames.extend(decoded);
        if !matches!(result, Ok(true)) {
            *self = Self::Done;
        }
        result
    }
}
