//! Sends a streamed answer to a client as it comes.
//!
//! The provider's own frames go out as they are where client and provider speak one dialect;
//! otherwise an encoder writes them anew. While nothing comes, a sign of life is sent. Dropping the
//! body drops the answer, and with it the provider's exchange.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use gw_core::seam::{DialectId, FrameKind, StreamEncoder};
use gw_engine::{AnswerStream, Piece, Receipt};
use http_body::Frame;
use http_body_util::StreamBody;

use crate::respond;

/// What the client of a stream is owed besides its events.
pub(crate) struct Manners {
    /// The client's dialect.
    pub(crate) dialect: DialectId,
    /// True where the client asked for a usage event.
    pub(crate) include_usage: bool,
    /// True where the client takes trailers.
    pub(crate) wants_trailers: bool,
    /// Silence after which a sign of life is sent, in milliseconds.
    pub(crate) keep_alive_ms: u64,
}

struct Relay {
    pieces: AnswerStream,
    encoder: Box<dyn StreamEncoder>,
    manners: Manners,
    receipt: Option<Box<Receipt>>,
    has_ended: bool,
}

/// The body of a streamed answer.
pub(crate) fn body(
    pieces: AnswerStream,
    encoder: Box<dyn StreamEncoder>,
    manners: Manners,
) -> Body {
    let relay = Relay { pieces, encoder, manners, receipt: None, has_ended: false };
    Body::new(StreamBody::new(Box::pin(frames(relay))))
}

fn frames(relay: Relay) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
    stream::unfold(relay, |mut relay| async move {
        let frame = relay.next().await?;
        Some((Ok(frame), relay))
    })
}

impl Relay {
    async fn next(&mut self) -> Option<Frame<Bytes>> {
        if self.has_ended {
            return None;
        }
        let silence = Duration::from_millis(self.manners.keep_alive_ms.max(1));
        loop {
            let bytes = match tokio::time::timeout(silence, self.pieces.next()).await {
                Err(_) => Bytes::from_static(sign_of_life(self.manners.dialect)),
                Ok(Some(Piece::Frame { raw, kind, events })) => match raw {
                    Some(raw) => self.passed(raw, kind),
                    None => self.encoded(kind, &events),
                },
                Ok(Some(Piece::Receipt(receipt))) => {
                    self.receipt = Some(receipt);
                    continue;
                }
                Ok(None) => {
                    self.has_ended = true;
                    return self.trailers();
                }
            };
            if !bytes.is_empty() {
                return Some(Frame::data(bytes));
            }
        }
    }

    fn passed(&self, raw: Bytes, kind: FrameKind) -> Bytes {
        match kind {
            FrameKind::UsageOnly if !self.manners.include_usage => Bytes::new(),
            FrameKind::Data | FrameKind::UsageOnly | FrameKind::KeepAlive | FrameKind::End => raw,
        }
    }

    fn encoded(&mut self, kind: FrameKind, events: &[gw_core::event::StreamEvent]) -> Bytes {
        let mut out = Vec::new();
        for event in events {
            self.encoder.push(event, &mut out);
        }
        if out.is_empty() && kind == FrameKind::KeepAlive {
            return Bytes::from_static(sign_of_life(self.manners.dialect));
        }
        Bytes::from(out)
    }

    fn trailers(&mut self) -> Option<Frame<Bytes>> {
        let receipt = self.receipt.take()?;
        self.manners.wants_trailers.then(|| Frame::trailers(respond::trailers(&receipt)))
    }
}

/// Comments are understood by every OpenAI client measured; Anthropic has an event for it. Empty where
/// the format has nothing that says nothing.
const fn sign_of_life(dialect: DialectId) -> &'static [u8] {
    match dialect {
        DialectId::OpenAiChat | DialectId::OpenAiResponses => b": keep-alive\n\n",
        DialectId::AnthropicMessages => b"event: ping\ndata: {\"type\": \"ping\"}\n\n",
        // Gemini's clients break on a comment, Ollama's lines have none.
        DialectId::Gemini | DialectId::Ollama => b"",
    }
}
