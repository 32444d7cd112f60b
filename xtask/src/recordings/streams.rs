//! Streams: the sum must not depend on the cuts, and must be what the other dialect's stream and
//! whole answer amount to.

use std::panic::{AssertUnwindSafe, catch_unwind};

use gw_core::Error;
use gw_core::event::StreamEvent;
use gw_core::fold::Fold;
use gw_core::reply::ChatReply;
use gw_core::seam::{Dialect, DialectId, FrameKind};

use super::compare::{Side, compare_replies};
use super::exchange::{client, targets};
use super::{Findings, difference};

/// What a stream amounts to.
#[derive(Default)]
struct Sum {
    events: Vec<StreamEvent>,
    frames: Vec<(Vec<u8>, FrameKind)>,
    fold: Fold,
    error: Option<Error>,
}

impl Sum {
    /// What two readings of the same stream must agree in.
    fn is_like(&self, other: &Self) -> bool {
        let kind = |sum: &Self| sum.error.as_ref().map(Error::kind);
        self.frames == other.frames
            && self.fold.reply() == other.fold.reply()
            && self.fold.has_ended() == other.fold.has_ended()
            && kind(self) == kind(other)
    }
}

fn read<'a>(dialect: &dyn Dialect, pieces: impl IntoIterator<Item = &'a [u8]>) -> Sum {
    let mut sum = Sum::default();
    let mut decoder = dialect.stream_decoder();
    let mut frames = Vec::new();
    let mut outcome = Ok(());
    for piece in pieces {
        outcome = decoder.push(piece, &mut frames);
        if outcome.is_err() {
            break;
        }
    }
    if outcome.is_ok() {
        outcome = decoder.finish(&mut frames);
    }
    for frame in frames {
        for event in frame.events {
            sum.fold.push(&event);
            if let StreamEvent::Error(error) = &event {
                sum.error = Some((**error).clone());
            }
            sum.events.push(event);
        }
        sum.frames.push((frame.raw.to_vec(), frame.kind));
    }
    if let Err(error) = outcome {
        sum.error = Some(error);
    }
    sum
}

/// Checks one recorded stream.
pub(super) fn check(dialect: &dyn Dialect, body: &str, cut_bytes_max: usize, out: &mut Findings) {
    let whole = read(dialect, [body.as_bytes()]);
    let mark = match dialect.id() {
        DialectId::OpenAiChat | DialectId::CohereChat => "[DONE]",
        DialectId::BedrockConverse => "messageStop",
        DialectId::AnthropicMessages => "message_stop",
        DialectId::OpenAiResponses => "response.completed",
        DialectId::Gemini => "\"finishReason\"",
        DialectId::Ollama => "\"done\":true",
    };
    let raw: Vec<u8> = whole.frames.iter().flat_map(|(raw, _)| raw.clone()).collect();
    // Some providers leave out the end mark that clients wait for: the decoder adds it.
    let with_mark = format!("{body}data: {mark}\n\n");
    let is_all = raw == body.as_bytes() || (!body.contains(mark) && raw == with_mark.as_bytes());
    if whole.error.is_none() && !is_all {
        out.fail("the frames do not add up to the bytes of the stream");
    }
    match &whole.error {
        Some(error) if body.contains(mark) => {
            out.fail(format!("the stream does not decode: {error}"));
        }
        Some(error) => out.except(format!("the recorded stream has no end or an error: {error}")),
        None if !whole.fold.has_ended() => out.fail("the stream has no end event"),
        None => {}
    }
    check_cuts(dialect, body.as_bytes(), &whole, cut_bytes_max, out);
    for target in targets(dialect.id()) {
        check_rewritten(dialect.id(), target, &whole, out);
    }
}

/// A cut at every byte, then pieces of every size up to 64 bytes.
///
/// A short stream is read in two pieces for every byte. A long one would take the square of its
/// length, so one reading makes several cuts, as far apart as `cut_bytes_max` allows; over all
/// readings every byte has its cut.
fn check_cuts(
    dialect: &dyn Dialect,
    body: &[u8],
    whole: &Sum,
    cut_bytes_max: usize,
    out: &mut Findings,
) {
    let affordable =
        if cut_bytes_max == 0 { usize::MAX } else { cut_bytes_max / body.len().max(1) };
    let apart = affordable.clamp(64, body.len().max(64));
    for at in 0..=apart.min(body.len()) {
        out.cuts += 1;
        let (first, rest) = body.split_at(at);
        if !is_same(dialect, [first].into_iter().chain(rest.chunks(apart)), whole) {
            let text = format!("the stream cut at byte {at} and every {apart} bytes on");
            return out.fail(format!("{text} amounts to something else"));
        }
    }
    for size in 1..=64 {
        out.cuts += 1;
        if !is_same(dialect, body.chunks(size), whole) {
            return out.fail(format!("the stream in pieces of {size} amounts to something else"));
        }
    }
}

fn is_same<'a>(
    dialect: &dyn Dialect,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    whole: &Sum,
) -> bool {
    let sum = catch_unwind(AssertUnwindSafe(|| read(dialect, pieces)));
    sum.is_ok_and(|sum| sum.is_like(whole))
}

/// The stream written in a dialect, and the whole answer written in it, say what the stream said.
fn check_rewritten(from: DialectId, target: DialectId, whole: &Sum, out: &mut Findings) {
    if whole.error.is_some() {
        return;
    }
    let dialect = gw_dialect::dialect(target);
    let mut encoder = dialect.stream_encoder(client());
    let mut bytes = Vec::new();
    for event in &whole.events {
        encoder.push(event, &mut bytes);
    }
    let again = read(&*dialect, [bytes.as_slice()]);
    let what = format!("the stream in {target}");
    if let Some(error) = &again.error {
        return out.fail(format!("{what} does not decode: {error}"));
    }
    let source = Side { format: from, reply: whole.fold.reply() };
    compare_replies(&what, &source, &Side { format: target, reply: again.fold.reply() }, out);
    let written = dialect.encode_reply(whole.fold.reply(), &client());
    match dialect.decode_reply(&written) {
        Ok(reply) => {
            let what = format!("the stream's sum in {target}");
            compare_replies(&what, &source, &Side { format: target, reply: &reply }, out);
            compare_sums(target, &reply, again.fold.reply(), out);
        }
        Err(error) => out.fail(format!("the sum written in {target} does not decode: {error}")),
    }
}

/// Streamed and not streamed, the answer is the same also in what only one dialect has.
fn compare_sums(target: DialectId, whole: &ChatReply, streamed: &ChatReply, out: &mut Findings) {
    let shape = |reply: &ChatReply| (reply.id.clone(), reply.model.clone(), reply.usage.usage);
    if shape(whole) != shape(streamed) {
        let what = format!("head and usage, streamed in {target},");
        out.fail(difference(&what, &shape(whole), &shape(streamed)));
    }
}
