//! How an answer is delivered: when, in which pieces, and how it ends.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::answer::WireAnswer;
use crate::fault::{Cut, Fault};
use crate::journal::Entry;

/// The frames that a body without events counts as, in bytes.
const PIECE_BYTES: usize = 64;

/// The body of every answer of the server.
pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, io::Error>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Whole,
    Stall,
    Reset,
    Close,
}

/// A plan of delivery.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// Silence before the head; `None` for ever.
    pub(crate) delay: Option<Duration>,
    /// What the head says of the body's length.
    pub(crate) content_length: Option<usize>,
    pace: Duration,
    frames: Vec<Bytes>,
    ending: Ending,
}

impl Delivery {
    pub(crate) fn plan(answer: &WireAnswer, faults: &[Fault]) -> Self {
        let is_stream = answer.is_stream();
        let whole_bytes: usize = answer.frames.iter().map(Bytes::len).sum();
        let mut plan = Self {
            delay: Some(Duration::ZERO),
            content_length: (!is_stream).then_some(whole_bytes),
            pace: Duration::ZERO,
            frames: answer.frames.clone(),
            ending: Ending::Whole,
        };
        let mut split = None;
        for fault in faults {
            match fault {
                Fault::Slow(ms) => {
                    plan.delay = plan.delay.map(|it| it + Duration::from_millis(*ms));
                }
                Fault::Never => plan.delay = None,
                Fault::Pace(ms) => plan.pace = Duration::from_millis(*ms),
                Fault::Split(bytes) => split = Some((*bytes).max(1)),
                Fault::Stall(cut) => plan.cut(*cut, Ending::Stall, is_stream),
                Fault::Reset(cut) => plan.cut(*cut, Ending::Reset, is_stream),
                Fault::Close(cut) => plan.cut(*cut, Ending::Close, is_stream),
                Fault::End(cut) => {
                    plan.cut(*cut, Ending::Whole, is_stream);
                    let kept_bytes = plan.frames.iter().map(Bytes::len).sum();
                    plan.content_length = (!is_stream).then_some(kept_bytes);
                }
                _ => {}
            }
        }
        let kept_bytes: usize = plan.frames.iter().map(Bytes::len).sum();
        if plan.ending != Ending::Whole && plan.content_length == Some(kept_bytes) {
            // The cut fell behind the end: without a length the break is still one.
            plan.content_length = None;
        }
        if let Some(bytes) = split {
            // Joined first, so that a piece may hold the end of one event and the start of the next.
            plan.frames = pieces(&Bytes::from(plan.frames.concat()), bytes).collect();
        }
        plan
    }

    fn cut(&mut self, cut: Cut, ending: Ending, is_stream: bool) {
        if !is_stream {
            self.frames = self.frames.iter().flat_map(|frame| pieces(frame, PIECE_BYTES)).collect();
        }
        match cut {
            Cut::Frames(count) => self.frames.truncate(count),
            Cut::Bytes(count) => {
                let mut bytes_left = count;
                self.frames.retain_mut(|frame| {
                    frame.truncate(bytes_left);
                    bytes_left -= frame.len();
                    !frame.is_empty()
                });
            }
        }
        self.ending = ending;
    }

    /// The body, which carries the plan out. `resets` makes the socket reset when it closes.
    pub(crate) fn body(self, mut entry: Entry, resets: Arc<AtomicBool>) -> AnswerBody {
        if self.frames.is_empty() && self.ending == Ending::Whole {
            entry.finish();
        }
        let sending = Sending {
            frames: self.frames.into_iter(),
            pace: self.pace,
            ending: self.ending,
            is_begun: false,
            entry,
            resets,
        };
        let frames = stream::unfold(Some(sending), |sending| async {
            let mut sending = sending?;
            match sending.next().await? {
                Ok(frame) => Some((Ok(Frame::data(frame)), Some(sending))),
                Err(error) => Some((Err(error), None)),
            }
        });
        UnsyncBoxBody::new(StreamBody::new(frames))
    }
}

fn pieces(frame: &Bytes, bytes: usize) -> impl Iterator<Item = Bytes> {
    let frame = frame.clone();
    (0..frame.len()).step_by(bytes).map(move |at| frame.slice(at..frame.len().min(at + bytes)))
}

struct Sending {
    frames: std::vec::IntoIter<Bytes>,
    pace: Duration,
    ending: Ending,
    is_begun: bool,
    entry: Entry,
    resets: Arc<AtomicBool>,
}

impl Sending {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        // Being idle for a moment makes hyper send what it has: each frame travels alone.
        yield_now().await;
        if let Some(frame) = self.frames.next() {
            if self.is_begun && !self.pace.is_zero() {
                sleep(self.pace).await;
            }
            self.is_begun = true;
            // Of a body with a length hyper asks for no more than that, so the end is noted here.
            if self.ending == Ending::Whole && self.frames.len() == 0 {
                self.entry.finish();
            }
            return Some(Ok(frame));
        }
        match self.ending {
            Ending::Whole => None,
            Ending::Stall => std::future::pending().await,
            Ending::Reset => {
                self.entry.finish();
                self.resets.store(true, Ordering::Relaxed);
                Some(Err(io::ErrorKind::ConnectionReset.into()))
            }
            Ending::Close => {
                self.entry.finish();
                Some(Err(io::ErrorKind::ConnectionAborted.into()))
            }
        }
    }
}
