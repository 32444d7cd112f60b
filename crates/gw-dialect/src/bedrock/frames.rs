//! Frames of `application/vnd.amazon.eventstream`: lengths, headers, payload, and two CRC-32 sums
//! (of the first eight bytes, and of all before the last four). Source: Smithy's specification of the
//! Amazon event stream.

use bytes::Bytes;
use gw_core::limits::STREAM_EVENT_BYTES_MAX;
use gw_core::{Error, Kind, Result};

/// Lengths and their sum.
const PRELUDE: usize = 12;
/// The prelude and the sum at the end.
const FRAME_MIN: usize = PRELUDE + 4;
/// Of the header types, the one for text.
const STRING: u8 = 7;

/// A whole frame.
#[derive(Debug)]
pub(super) struct Message {
    /// Its bytes.
    pub(super) raw: Bytes,
    headers: Vec<(String, String)>,
    /// Where the payload lies in `raw`.
    payload: std::ops::Range<usize>,
}

impl Message {
    /// The text of a header; empty where it has none.
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    /// What it carries.
    pub(super) fn payload(&self) -> &[u8] {
        &self.raw[self.payload.clone()]
    }
}

/// Collects bytes until frames are whole. The frames do not depend on where the bytes were cut.
#[derive(Debug, Default)]
pub(super) struct Framer {
    buffer: Vec<u8>,
}

impl Framer {
    /// Takes the next bytes and gives every frame that is now whole.
    ///
    /// # Errors
    /// [`Kind::ProviderTooLarge`] for a frame over [`STREAM_EVENT_BYTES_MAX`],
    /// [`Kind::ProviderMalformed`] for lengths or sums that do not fit; frames before are given.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<Message>) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        let mut start = 0;
        let outcome = loop {
            match frame_length(&self.buffer[start..]) {
                Ok(Some(length)) if self.buffer.len() - start >= length => {
                    let raw = Bytes::copy_from_slice(&self.buffer[start..start + length]);
                    match read(raw) {
                        Ok(message) => out.push(message),
                        Err(error) => break Err(error),
                    }
                    start += length;
                }
                Ok(_) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.buffer.drain(..start);
        outcome
    }

    /// True where a frame has begun and not ended.
    pub(super) fn is_within_frame(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// What is left over.
    pub(super) fn rest(&self) -> &[u8] {
        &self.buffer
    }
}

/// The length of the frame that begins here; `None` while its prelude is not whole.
fn frame_length(buffer: &[u8]) -> Result<Option<usize>> {
    let (Some(total), Some(headers), Some(sum)) =
        (number(buffer, 0), number(buffer, 4), number(buffer, 8))
    else {
        return Ok(None);
    };
    if crc32fast::hash(&buffer[..8]) != sum {
        return Err(malformed("a frame of the provider's stream begins with a wrong check sum"));
    }
    let (total, headers) = (length(total), length(headers));
    if total > STREAM_EVENT_BYTES_MAX {
        return Err(Error::new(
            Kind::ProviderTooLarge,
            format!("one frame of the provider's stream is over {STREAM_EVENT_BYTES_MAX} bytes"),
        ));
    }
    if total < FRAME_MIN || headers > total - FRAME_MIN {
        return Err(malformed("a frame of the provider's stream states impossible lengths"));
    }
    Ok(Some(total))
}

fn length(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn number(buffer: &[u8], at: usize) -> Option<u32> {
    let bytes = buffer.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn read(raw: Bytes) -> Result<Message> {
    let end = raw.len() - 4;
    if number(&raw, end) != Some(crc32fast::hash(&raw[..end])) {
        return Err(malformed("a frame of the provider's stream ends with a wrong check sum"));
    }
    let headers_end = PRELUDE + length(number(&raw, 4).unwrap_or(0));
    let headers = read_headers(&raw[PRELUDE..headers_end])
        .ok_or_else(|| malformed("a frame of the provider's stream has broken headers"))?;
    Ok(Message { headers, payload: headers_end..end, raw })
}

/// Texts by name; headers of other types are stepped over.
fn read_headers(mut bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let mut headers = Vec::new();
    while let Some((&name_length, rest)) = bytes.split_first() {
        let (name, rest) = rest.split_at_checked(name_length.into())?;
        let (&kind, rest) = rest.split_first()?;
        let (value, rest) = match kind {
            0 | 1 => (&[][..], rest),
            2 => rest.split_at_checked(1)?,
            3 => rest.split_at_checked(2)?,
            4 => rest.split_at_checked(4)?,
            5 | 8 => rest.split_at_checked(8)?,
            6 | STRING => {
                let (length, rest) = rest.split_at_checked(2)?;
                let length = u16::from_be_bytes(length.try_into().ok()?);
                rest.split_at_checked(length.into())?
            }
            9 => rest.split_at_checked(16)?,
            _ => return None,
        };
        if kind == STRING {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            headers.push((text(name), text(value)));
        }
        bytes = rest;
    }
    Some(headers)
}

/// Writes a frame of JSON with these headers.
pub(super) fn write(headers: &[(&str, &str)], payload: &[u8], out: &mut Vec<u8>) {
    let mut head = Vec::new();
    let content_type = [(":content-type", "application/json")];
    for (name, value) in headers.iter().chain(&content_type) {
        head.push(u8::try_from(name.len()).unwrap_or(0));
        head.extend_from_slice(name.as_bytes());
        head.push(STRING);
        head.extend_from_slice(&u16::try_from(value.len()).unwrap_or(0).to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let start = out.len();
    let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
    out.extend_from_slice(&word(FRAME_MIN + head.len() + payload.len()));
    out.extend_from_slice(&word(head.len()));
    out.extend_from_slice(&crc32fast::hash(&out[start..]).to_be_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(&out[start..]).to_be_bytes());
}

fn malformed(message: &str) -> Error {
    Error::new(Kind::ProviderMalformed, message)
}

#[cfg(test)]
mod tests {
    use gw_core::Kind;
    use proptest::prelude::{any, prop_assert_eq};

    use super::{Framer, write};

    /// The frame that Smithy's specification gives as an example: no headers, no payload.
    const EMPTY: [u8; 16] = [
        0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8,
        0xff,
    ];

    #[test]
    fn the_example_of_the_specification_is_read() {
        let (mut framer, mut out) = (Framer::default(), Vec::new());
        framer.push(&EMPTY, &mut out).expect("is whole");
        assert_eq!(out.len(), 1);
        assert!(out[0].payload().is_empty() && out[0].header(":event-type").is_empty());
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let mut frame = Vec::new();
        write(&[(":event-type", "messageStart")], b"{\"role\":\"assistant\"}", &mut frame);
        for at in 0..frame.len() * 8 {
            let mut broken = frame.clone();
            broken[at / 8] ^= 1 << (at % 8);
            let (mut framer, mut out) = (Framer::default(), Vec::new());
            let outcome = framer.push(&broken, &mut out);
            assert_eq!(outcome.map_err(|error| error.kind()), Err(Kind::ProviderMalformed));
            assert!(out.is_empty());
        }
    }

    proptest::proptest! {
        #[test]
        fn frames_do_not_depend_on_the_cuts(
            payloads in proptest::collection::vec(any::<Vec<u8>>(), 0..5),
            size in 1_usize..40,
        ) {
            let mut bytes = Vec::new();
            for payload in &payloads {
                write(&[(":message-type", "event"), (":event-type", "x")], payload, &mut bytes);
            }
            let (mut framer, mut out) = (Framer::default(), Vec::new());
            for piece in bytes.chunks(size) {
                framer.push(piece, &mut out).expect("is well-formed");
            }
            prop_assert_eq!(framer.is_within_frame(), false);
            let found: Vec<Vec<u8>> = out.iter().map(|it| it.payload().to_vec()).collect();
            prop_assert_eq!(found, payloads);
        }
    }
}
