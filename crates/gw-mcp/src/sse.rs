//! Server-sent events, read and written (WHATWG HTML, section 9.2).

use crate::limits::MESSAGE_BYTES_MAX;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) data: String,
    /// How long to wait before connecting again, in milliseconds.
    pub(crate) retry_ms: Option<u64>,
}

/// Reads events from pieces of a stream, wherever it is cut.
#[derive(Default)]
pub(crate) struct Decoder {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    after_return: bool,
}

/// An event that is larger than any message may be.
#[derive(Debug)]
pub(crate) struct TooLarge;

impl Decoder {
    /// Takes the next piece and gives the events that it completes.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<Vec<Event>, TooLarge> {
        let mut events = Vec::new();
        let mut rest = piece;
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (before, end) = (&rest[..at], rest[at]);
            rest = &rest[at + 1..];
            if end == b'\n' && self.after_return && before.is_empty() {
                self.after_return = false;
                continue;
            }
            self.after_return = end == b'\r';
            self.line.extend_from_slice(before);
            let line = std::mem::take(&mut self.line);
            self.line_done(&line, &mut events);
            if self.event.data.len() > MESSAGE_BYTES_MAX {
                return Err(TooLarge);
            }
        }
        if !rest.is_empty() {
            self.after_return = false;
            self.line.extend_from_slice(rest);
        }
        if self.line.len() > MESSAGE_BYTES_MAX { Err(TooLarge) } else { Ok(events) }
    }

    fn line_done(&mut self, line: &[u8], events: &mut Vec<Event>) {
        let line = String::from_utf8_lossy(line);
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            let says_something = self.has_data || event.id.is_some() || event.retry_ms.is_some();
            self.has_data = false;
            if says_something {
                events.push(event);
            }
            return;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.has_data = true;
                self.event.data.push_str(value);
            }
            "event" => self.event.kind = Some(value.to_owned()),
            "id" if !value.contains('\0') => self.event.id = Some(value.to_owned()),
            "retry" => self.event.retry_ms = value.parse().ok(),
            _ => {}
        }
    }
}

/// Writes one message, which is one line, as an event.
pub(crate) fn encode(line: &str, id: Option<&str>) -> String {
    match id {
        Some(id) => format!("id: {id}\nevent: message\ndata: {line}\n\n"),
        None => format!("event: message\ndata: {line}\n\n"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

    use super::{Decoder, Event, encode};

    fn read(pieces: &[&[u8]]) -> Vec<Event> {
        let mut decoder = Decoder::default();
        pieces.iter().flat_map(|piece| decoder.push(piece).unwrap()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_place_of_the_cut_does_not_matter(at in 0usize..80, is_dos in any::<bool>()) {
            let text = ": hi\nid: 7\nevent: message\ndata: {\"a\":1}\ndata: x\n\nretry: 5\n\ndata:\n\n";
            let text = if is_dos { text.replace('\n', "\r\n") } else { text.to_owned() };
            let at = at.min(text.len());
            let whole = read(&[text.as_bytes()]);
            prop_assert_eq!(whole.len(), 3);
            prop_assert_eq!(&whole[0].data, "{\"a\":1}\nx");
            prop_assert_eq!(whole, read(&[&text.as_bytes()[..at], &text.as_bytes()[at..]]));
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let event = &read(&[encode("{}", Some("1-2")).as_bytes()])[0];
        assert_eq!((event.data.as_str(), event.id.as_deref()), ("{}", Some("1-2")));
    }
}
