//! Cuts a stream into pieces, whichever of the format's two forms it has: server-sent events, or one
//! JSON array whose items come one after the other. The first byte tells.

use bytes::Bytes;
use gw_core::limits::STREAM_EVENT_BYTES_MAX;
use gw_core::{Error, Kind, Result};

use crate::sse::{SseFrame, SseFramer};

/// One piece: its bytes with what separates it, and its JSON; `None` for a comment.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) raw: Bytes,
    pub(super) data: Option<String>,
}

impl From<SseFrame> for Piece {
    fn from(frame: SseFrame) -> Self {
        Self { raw: frame.raw, data: frame.data }
    }
}

/// Collects bytes until pieces are whole.
#[derive(Debug)]
pub(super) enum Framer {
    /// White space so far.
    Unknown(Vec<u8>),
    Events(SseFramer),
    Array(ArrayFramer),
}

impl Default for Framer {
    fn default() -> Self {
        Self::Unknown(Vec::new())
    }
}

impl Framer {
    /// Takes the next bytes and gives every piece that is now whole.
    ///
    /// # Errors
    /// [`Kind::ProviderTooLarge`] for a piece over [`STREAM_EVENT_BYTES_MAX`].
    pub(super) fn push(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) -> Result<()> {
        match self {
            Self::Unknown(held) => {
                held.extend_from_slice(bytes);
                // A byte order mark belongs to the events.
                let Some(first) = held.iter().find(|byte| !byte.is_ascii_whitespace()) else {
                    let is_too_large = held.len() > STREAM_EVENT_BYTES_MAX;
                    return if is_too_large { Err(too_large()) } else { Ok(()) };
                };
                let is_array = *first == b'[';
                let held = std::mem::take(held);
                *self = if is_array {
                    Self::Array(ArrayFramer::default())
                } else {
                    Self::Events(SseFramer::default())
                };
                self.push(&held, pieces)
            }
            Self::Events(framer) => {
                let mut frames = Vec::new();
                let outcome = framer.push(bytes, &mut frames);
                pieces.extend(frames.into_iter().map(Piece::from));
                outcome
            }
            Self::Array(framer) => framer.push(bytes, pieces),
        }
    }

    /// Gives what is left: a last event whose blank line never came, and the bytes that end an array.
    pub(super) fn finish(&mut self, pieces: &mut Vec<Piece>) -> Bytes {
        match std::mem::take(self) {
            Self::Unknown(held) => Bytes::from(held),
            Self::Events(mut framer) => {
                let mut frames = Vec::new();
                framer.finish(&mut frames);
                pieces.extend(frames.into_iter().map(Piece::from));
                Bytes::new()
            }
            Self::Array(framer) => Bytes::from(framer.buffer),
        }
    }
}

/// Cuts a JSON array into its items.
#[derive(Debug, Default)]
pub(super) struct ArrayFramer {
    buffer: Vec<u8>,
    /// How much of `buffer` has been scanned.
    scanned: usize,
    /// Where the item begins that is being scanned.
    start: usize,
    /// Brackets open within the item.
    depth: usize,
    is_in_string: bool,
    is_escaped: bool,
}

impl ArrayFramer {
    fn push(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        let mut frame_start = 0;
        while let Some(end) = self.next_end() {
            let json = String::from_utf8_lossy(&self.buffer[self.start..end]).into_owned();
            let raw = Bytes::copy_from_slice(&self.buffer[frame_start..end]);
            pieces.push(Piece { raw, data: Some(json) });
            frame_start = end;
        }
        self.buffer.drain(..frame_start);
        self.scanned -= frame_start;
        self.start = self.start.saturating_sub(frame_start);
        if self.buffer.len() > STREAM_EVENT_BYTES_MAX { Err(too_large()) } else { Ok(()) }
    }

    /// The end of the next whole item, or `None` once all bytes are scanned.
    fn next_end(&mut self) -> Option<usize> {
        while let Some(byte) = self.buffer.get(self.scanned).copied() {
            self.scanned += 1;
            if self.is_in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.is_in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                // The array's own brackets stand outside of every item.
                b'[' | b']' if self.depth == 0 => {}
                b'"' if self.depth > 0 => self.is_in_string = true,
                b'{' | b'[' => {
                    if self.depth == 0 {
                        self.start = self.scanned - 1;
                    }
                    self.depth += 1;
                }
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(self.scanned);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

fn too_large() -> Error {
    Error::new(
        Kind::ProviderTooLarge,
        format!("one piece of the provider's stream is over {STREAM_EVENT_BYTES_MAX} bytes"),
    )
}
