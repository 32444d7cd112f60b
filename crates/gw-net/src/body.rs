//! A response body as a stream, with its idle and total timeouts and its size cap.

use bytes::Bytes;
use futures_util::stream;
use gw_core::Result;
use gw_core::seam::BodyStream;
use http::HeaderMap;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::client::after;
use crate::failure::{Peer, Waited};

/// What a body may cost in time and bytes.
pub(crate) struct Bounds {
    pub(crate) idle_ms: u64,
    pub(crate) total_ms: u64,
    /// When the total runs out.
    pub(crate) total_at: Option<Instant>,
    pub(crate) bytes_max: usize,
    /// Who wants to know what the other side says after the body.
    pub(crate) trailers: Option<oneshot::Sender<HeaderMap>>,
}

/// Wraps a body. Dropping the stream drops the body, and with it the connection.
pub(crate) fn stream_of(body: Incoming, peer: Peer, bounds: Bounds) -> BodyStream {
    let reader = Reader { body, peer, bytes_left: bounds.bytes_max, bounds };
    Box::pin(stream::unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        match reader.next().await? {
            Ok(piece) => Some((Ok(piece), Some(reader))),
            // After an error nothing follows; the body is dropped with the reader.
            Err(error) => Some((Err(error), None)),
        }
    }))
}

struct Reader {
    body: Incoming,
    peer: Peer,
    bytes_left: usize,
    bounds: Bounds,
}

impl Reader {
    async fn next(&mut self) -> Option<Result<Bytes>> {
        let bytes_left = u64::try_from(self.bytes_left).unwrap_or(u64::MAX);
        if self.body.size_hint().lower() > bytes_left {
            return Some(Err(self.peer.too_large(self.bounds.bytes_max)));
        }
        loop {
            let idle_at = after(self.bounds.idle_ms);
            let (until, waited, limit_ms) = match (self.bounds.total_at, idle_at) {
                (Some(total_at), idle_at) if idle_at.is_none_or(|idle_at| total_at <= idle_at) => {
                    (Some(total_at), Waited::Total, self.bounds.total_ms)
                }
                (_, idle_at) => (idle_at, Waited::Idle, self.bounds.idle_ms),
            };
            let frame = match until {
                Some(until) => match timeout_at(until, self.body.frame()).await {
                    Ok(frame) => frame,
                    Err(_) => return Some(Err(self.peer.timeout(waited, limit_ms))),
                },
                None => self.body.frame().await,
            };
            match frame? {
                Err(error) => return Some(Err(self.peer.broke_off(error))),
                Ok(frame) => {
                    let piece = match frame.into_data() {
                        Ok(piece) => piece,
                        Err(frame) => {
                            let wanted = self.bounds.trailers.take();
                            if let (Some(wanted), Ok(trailers)) = (wanted, frame.into_trailers()) {
                                // Whoever asked may have left.
                                let _ = wanted.send(trailers);
                            }
                            continue;
                        }
                    };
                    if piece.is_empty() {
                        continue;
                    }
                    let Some(bytes_left) = self.bytes_left.checked_sub(piece.len()) else {
                        return Some(Err(self.peer.too_large(self.bounds.bytes_max)));
                    };
                    self.bytes_left = bytes_left;
                    return Some(Ok(piece));
                }
            }
        }
    }
}
