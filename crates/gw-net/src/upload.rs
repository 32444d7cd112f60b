//! A request body that tells how much of it is still to be sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::watch;

/// Bytes handed to the connection at once. Small enough that the connection's own buffer fills and
/// progress follows the network.
const PIECE_BYTES: usize = 64 * 1024;

/// The body, in pieces.
pub(crate) struct Upload {
    rest: Bytes,
    bytes_left: watch::Sender<usize>,
}

impl Upload {
    /// The body, and a view of how many bytes the connection has not taken yet.
    pub(crate) fn new(body: Bytes) -> (Self, watch::Receiver<usize>) {
        let (bytes_left, view) = watch::channel(body.len());
        (Self { rest: body, bytes_left }, view)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(length);
        self.bytes_left.send_replace(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
