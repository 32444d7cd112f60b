//! Sends a streamed answer to a client as it comes.
//!
//! The provider's own frames go out as they are where client and provider speak one dialect;
//! otherwise an encoder writes them anew. While nothing comes, a sign of life is sent. Dropping the
//! body drops the answer, and with it the provider's exchange.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use gw_core::event::StreamEvent;
use gw_core::seam::{ClientStream, Dialect, DialectId, FrameKind, StreamEncoder};
use gw_core::unfold::unfold;
use gw_engine::{Answer, AnswerBody, AnswerStream, Head, Piece, Receipt};
use http_body::Frame;
use http_body_util::StreamBody;

use crate::ask::{AtEnd, Running, fallback_id};
use crate::{escalation, respond};

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
    /// True where answers of other formats shall bear an id of this gateway.
    pub(crate) names_answers: bool,
}

/// How a stream is written.
pub(crate) struct Stream {
    pub(crate) dialect: Arc<dyn Dialect>,
    pub(crate) client: ClientStream,
    pub(crate) manners: Manners,
    pub(crate) at_end: Option<AtEnd>,
}

impl Stream {
    /// With what is known of the answer before its first byte.
    pub(crate) fn answered_by(mut self, head: &Head) -> Self {
        self.client.fallback_id = fallback_id(self.manners.dialect, head);
        self
    }
}

/// Where the answer comes from.
pub(crate) enum Source {
    /// It has begun.
    Coming(AnswerStream),
    /// The call still looks for a model that answers.
    Awaited(Running),
    /// It was there all at once: what is left to say.
    Said(Vec<StreamEvent>),
}

struct Relay {
    source: Source,
    stream: Stream,
    encoder: Option<Box<dyn StreamEncoder>>,
    receipt: Option<Box<Receipt>>,
    has_begun: bool,
    has_ended: bool,
}

/// The body of a streamed answer.
pub(crate) fn body(stream: Stream, source: Source) -> Body {
    // A call that is still awaited has kept its client waiting: the first sign of life goes at once.
    let has_begun = !matches!(source, Source::Awaited(_));
    let relay = Relay { source, stream, encoder: None, receipt: None, has_begun, has_ended: false };
    let frames = stream::unfold(relay, |mut relay| async move {
        let frame = relay.next().await?;
        Some((Ok::<_, Infallible>(frame), relay))
    });
    Body::new(StreamBody::new(Box::pin(frames)))
}

impl Relay {
    async fn next(&mut self) -> Option<Frame<Bytes>> {
        loop {
            if self.has_ended {
                return None;
            }
            if !std::mem::replace(&mut self.has_begun, true) {
                return Some(Frame::data(self.sign_of_life()));
            }
            let silence = Duration::from_millis(self.stream.manners.keep_alive_ms.max(1));
            let (bytes, is_last) = match &mut self.source {
                Source::Awaited(run) => match tokio::time::timeout(silence, run).await {
                    Err(_) => (self.sign_of_life(), false),
                    Ok(Ok(answer)) => {
                        // Its headers are gone already.
                        let offer = escalation::comment(&answer.head);
                        self.open(answer);
                        match offer {
                            Some(offer) => (offer, false),
                            None => continue,
                        }
                    }
                    Ok(Err(failure)) => {
                        self.has_ended = true;
                        let event = StreamEvent::Error(Box::new(failure.error));
                        (self.encoded(FrameKind::End, vec![event]), true)
                    }
                },
                Source::Said(events) => {
                    let events = std::mem::take(events);
                    self.has_ended = true;
                    (self.encoded(FrameKind::End, events), true)
                }
                Source::Coming(pieces) => {
                    match tokio::time::timeout(silence, pieces.next()).await {
                        Err(_) => (self.sign_of_life(), false),
                        Ok(Some(Piece::Frame { raw, kind, events })) => {
                            let bytes = match raw {
                                Some(raw) => self.passed(raw, kind),
                                None => self.encoded(kind, events),
                            };
                            (bytes, kind == FrameKind::End)
                        }
                        Ok(Some(Piece::Receipt(receipt))) => {
                            self.receipt = Some(receipt);
                            continue;
                        }
                        Ok(None) => {
                            self.has_ended = true;
                            return self.trailers();
                        }
                    }
                }
            };
            if is_last && let Some(at_end) = self.stream.at_end.take() {
                at_end(bytes.clone()).await;
            }
            if !bytes.is_empty() {
                return Some(Frame::data(bytes));
            }
        }
    }

    /// Goes on with an answer that was waited for.
    fn open(&mut self, answer: Answer) {
        self.stream.client.fallback_id = fallback_id(self.stream.manners.dialect, &answer.head);
        self.source = match answer.body {
            AnswerBody::Stream(pieces) => Source::Coming(pieces),
            AnswerBody::Whole(whole) => Source::Said(unfold(&whole.reply)),
        };
    }

    fn passed(&self, raw: Bytes, kind: FrameKind) -> Bytes {
        match kind {
            FrameKind::UsageOnly if !self.stream.manners.include_usage => Bytes::new(),
            FrameKind::Data | FrameKind::UsageOnly | FrameKind::KeepAlive | FrameKind::End => raw,
        }
    }

    fn encoded(&mut self, kind: FrameKind, events: Vec<StreamEvent>) -> Bytes {
        let stream = &self.stream;
        let encoder = self
            .encoder
            .get_or_insert_with(|| stream.dialect.stream_encoder(stream.client.clone()));
        let mut out = Vec::new();
        for mut event in events {
            if let StreamEvent::Start { id, .. } = &mut event
                && stream.manners.names_answers
            {
                id.clear();
            }
            encoder.push(&event, &mut out);
        }
        if out.is_empty() && kind == FrameKind::KeepAlive {
            return self.sign_of_life();
        }
        Bytes::from(out)
    }

    fn sign_of_life(&self) -> Bytes {
        Bytes::from_static(sign_of_life(self.stream.manners.dialect))
    }

    fn trailers(&mut self) -> Option<Frame<Bytes>> {
        let receipt = self.receipt.take()?;
        self.stream.manners.wants_trailers.then(|| Frame::trailers(respond::trailers(&receipt)))
    }
}

/// True where a stream may be kept alive before it says anything.
pub(crate) const fn can_wait(dialect: DialectId) -> bool {
    !sign_of_life(dialect).is_empty()
}

/// Comments are understood by every OpenAI client measured; Anthropic has an event for it. Empty where
/// the format has nothing that says nothing.
const fn sign_of_life(dialect: DialectId) -> &'static [u8] {
    match dialect {
        DialectId::OpenAiChat | DialectId::OpenAiResponses | DialectId::CohereChat => {
            b": keep-alive\n\n"
        }
        DialectId::AnthropicMessages => b"event: ping\ndata: {\"type\": \"ping\"}\n\n",
        // Gemini's clients break on a comment, Ollama's lines and Amazon's frames have none.
        DialectId::Gemini | DialectId::Ollama | DialectId::BedrockConverse => b"",
    }
}
