//! A connection that must say something soon.
//!
//! The automatic choice between HTTP/1.1 and HTTP/2 reads up to 24 bytes before either protocol's
//! own time limit begins; a client that sends fewer would hold its place for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// Length of the preface by which HTTP/2 is told.
const PREFACE_BYTES: usize = 24;

/// A stream that fails unless its first bytes come in time.
pub(super) struct FirstBytes {
    stream: TcpStream,
    seen: usize,
    limit: Option<Pin<Box<Sleep>>>,
}

impl FirstBytes {
    pub(super) fn new(stream: TcpStream, limit: Duration) -> Self {
        Self { stream, seen: 0, limit: Some(Box::pin(tokio::time::sleep(limit))) }
    }
}

impl AsyncRead for FirstBytes {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let Some(limit) = &mut self.limit else { return read };
        if read.is_pending() {
            return match limit.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Poll::Pending => Poll::Pending,
            };
        }
        self.seen += buffer.filled().len() - before;
        if self.seen >= PREFACE_BYTES {
            self.limit = None;
        }
        read
    }
}

impl AsyncWrite for FirstBytes {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
