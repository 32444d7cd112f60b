//! Numbers the parts of a stream, and opens and closes them in order.

use gw_core::event::{PartDelta, PartHead, StreamEvent};

/// The parts of the one answer of a stream.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    count: u32,
}

impl Parts {
    /// Opens the next part and gives its number.
    pub(crate) fn start(&mut self, head: PartHead, events: &mut Vec<StreamEvent>) -> u32 {
        let part = self.count;
        self.count += 1;
        events.push(StreamEvent::PartStart { choice: 0, part, head });
        part
    }

    /// A part that comes whole.
    pub(crate) fn whole(&mut self, head: PartHead, events: &mut Vec<StreamEvent>) {
        let part = self.start(head, events);
        stop(part, events);
    }
}

/// Adds to a part, unless there is nothing to add.
pub(crate) fn add(part: u32, delta: PartDelta, events: &mut Vec<StreamEvent>) {
    let is_empty = match &delta {
        PartDelta::Text(text)
        | PartDelta::Thinking(text)
        | PartDelta::Signature(text)
        | PartDelta::Arguments(text) => text.is_empty(),
        PartDelta::Citation(_) | PartDelta::Opaque(_) => false,
    };
    if !is_empty {
        events.push(StreamEvent::PartDelta { choice: 0, part, delta });
    }
}

/// Closes a part.
pub(crate) fn stop(part: u32, events: &mut Vec<StreamEvent>) {
    events.push(StreamEvent::PartStop { choice: 0, part });
}
