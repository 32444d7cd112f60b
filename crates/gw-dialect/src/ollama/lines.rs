//! Cuts a byte stream into lines, each with its line break. The lines do not depend on where the bytes
//! were cut.

use bytes::Bytes;
use gw_core::limits::STREAM_EVENT_BYTES_MAX;
use gw_core::{Error, Kind, Result};

/// Collects bytes until lines are whole.
#[derive(Debug, Default)]
pub(super) struct LineFramer {
    buffer: Vec<u8>,
    /// How much of `buffer` has been scanned.
    scanned: usize,
}

impl LineFramer {
    /// Takes the next bytes and gives every line that is now whole.
    ///
    /// # Errors
    /// [`Kind::ProviderTooLarge`] for a line over [`STREAM_EVENT_BYTES_MAX`]; lines before it are
    /// given all the same.
    pub(super) fn push(&mut self, bytes: &[u8], lines: &mut Vec<Bytes>) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        let mut start = 0;
        let mut outcome = Ok(());
        while let Some(length) = self.buffer[self.scanned..].iter().position(|it| *it == b'\n') {
            let end = self.scanned + length + 1;
            if end - start > STREAM_EVENT_BYTES_MAX {
                outcome = Err(too_large());
                break;
            }
            lines.push(Bytes::copy_from_slice(&self.buffer[start..end]));
            start = end;
            self.scanned = end;
        }
        if outcome.is_ok() {
            self.scanned = self.buffer.len();
        }
        if self.buffer.len() - start > STREAM_EVENT_BYTES_MAX {
            outcome = Err(too_large());
        }
        self.buffer.drain(..start);
        self.scanned -= start;
        outcome
    }

    /// Gives a last line whose line break never came.
    pub(super) fn finish(&mut self, lines: &mut Vec<Bytes>) {
        if !self.buffer.is_empty() {
            lines.push(Bytes::from(std::mem::take(&mut self.buffer)));
        }
        *self = Self::default();
    }
}

fn too_large() -> Error {
    Error::new(
        Kind::ProviderTooLarge,
        format!("one line of the provider's stream is over {STREAM_EVENT_BYTES_MAX} bytes"),
    )
}
