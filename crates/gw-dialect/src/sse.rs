//! Cuts a byte stream into server-sent events (WHATWG HTML, section 9.2.6).
//!
//! Every frame keeps its bytes, so that a relay of the same dialect forwards what came. What the
//! data means is the dialect's business. The frames do not depend on where the bytes were cut.

use bytes::Bytes;
use gw_core::limits::STREAM_EVENT_BYTES_MAX;
use gw_core::{Error, Kind, Result};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// One block of lines up to and with its blank line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SseFrame {
    /// The bytes as they came, blank line included.
    pub(crate) raw: Bytes,
    /// The last `event:` field; empty where there was none.
    pub(crate) event: String,
    /// The `data:` lines joined by line breaks; `None` where there was none (comments).
    pub(crate) data: Option<String>,
    /// The last `id:` field.
    pub(crate) id: Option<String>,
}

/// Where the scan stands within a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Scan {
    /// At the start of a line.
    #[default]
    LineStart,
    /// After at least one byte of a line.
    InLine,
    /// After the CR of a line that held something; an LF may belong to it.
    AfterCr,
    /// After the CR of a blank line; an LF may belong to it, and then the frame is whole.
    AfterBlankCr,
}

/// Collects bytes until frames are whole.
#[derive(Debug, Default)]
pub(crate) struct SseFramer {
    buffer: Vec<u8>,
    /// How much of `buffer` has been scanned.
    scanned: usize,
    scan: Scan,
    has_begun: bool,
}

impl SseFramer {
    /// Takes the next bytes and gives every frame that is now whole.
    ///
    /// A frame that ends in a lone CR is given with the next byte, or by [`Self::finish`]: only
    /// then is it known whether an LF belongs to it.
    ///
    /// # Errors
    /// [`Kind::ProviderTooLarge`] for a frame over [`STREAM_EVENT_BYTES_MAX`]; frames before it are
    /// given all the same.
    pub(crate) fn push(&mut self, bytes: &[u8], frames: &mut Vec<SseFrame>) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        let mut frame_start = 0;
        let mut outcome = Ok(());
        while let Some(end) = self.next_end() {
            if end - frame_start > STREAM_EVENT_BYTES_MAX {
                outcome = Err(too_large());
                break;
            }
            frames.push(self.frame(frame_start, end));
            frame_start = end;
        }
        if outcome.is_ok() && self.buffer.len() - frame_start > STREAM_EVENT_BYTES_MAX {
            outcome = Err(too_large());
        }
        self.buffer.drain(..frame_start);
        self.scanned -= frame_start;
        outcome
    }

    /// Gives what is left: a last frame whose blank line never came.
    pub(crate) fn finish(&mut self, frames: &mut Vec<SseFrame>) {
        if !self.buffer.is_empty() {
            frames.push(self.frame(0, self.buffer.len()));
        }
        *self = Self::default();
    }

    /// The end of the next whole frame, or `None` once all bytes are scanned.
    fn next_end(&mut self) -> Option<usize> {
        while self.scanned < self.buffer.len() {
            let at = self.scanned;
            let byte = self.buffer[at];
            if self.scan == Scan::AfterBlankCr {
                self.scan = Scan::LineStart;
                let end = if byte == b'\n' { at + 1 } else { at };
                self.scanned = end;
                return Some(end);
            }
            if self.scan == Scan::AfterCr {
                self.scan = Scan::LineStart;
                if byte == b'\n' {
                    self.scanned += 1;
                    continue;
                }
            }
            match (byte, self.scan) {
                (b'\n', Scan::LineStart) => {
                    self.scanned += 1;
                    return Some(self.scanned);
                }
                (b'\n', _) => self.scan = Scan::LineStart,
                (b'\r', Scan::LineStart) => self.scan = Scan::AfterBlankCr,
                (b'\r', _) => self.scan = Scan::AfterCr,
                _ => {
                    self.scan = Scan::InLine;
                    let rest = &self.buffer[at..];
                    let length = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
                    self.scanned += length.unwrap_or(rest.len());
                    continue;
                }
            }
            self.scanned += 1;
        }
        None
    }

    fn frame(&mut self, start: usize, end: usize) -> SseFrame {
        let raw = Bytes::copy_from_slice(&self.buffer[start..end]);
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        read_fields(raw, is_first)
    }
}

fn too_large() -> Error {
    Error::new(
        Kind::ProviderTooLarge,
        format!("one event of the provider's stream is over {STREAM_EVENT_BYTES_MAX} bytes"),
    )
}

fn read_fields(raw: Bytes, is_first: bool) -> SseFrame {
    let mut frame = SseFrame { raw, event: String::new(), data: None, id: None };
    let text = String::from_utf8_lossy(match frame.raw.strip_prefix(BOM) {
        Some(rest) if is_first => rest,
        _ => &frame.raw,
    })
    .into_owned();
    // CRLF splits into a line and an empty one; empty lines carry nothing.
    for line in text.split(['\r', '\n']) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut frame.event),
            "data" => match &mut frame.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => frame.data = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => frame.id = Some(value.to_owned()),
            _ => {}
        }
    }
    frame
}

/// Writes one event.
pub(crate) fn write_event(event: &str, data: &str, out: &mut Vec<u8>) {
    if !event.is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event.as_bytes());
        out.push(b'\n');
    }
    for line in data.split('\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests;
