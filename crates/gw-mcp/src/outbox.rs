//! What is on its way to a client: a bounded queue that keeps what was read, so that a stream that
//! broke can be taken up where it ended.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::limits::{STREAM_BYTES_MAX, STREAM_MESSAGES_MAX};

/// A stream of messages to one client.
pub(crate) struct Outbox {
    /// Names the stream in event ids.
    pub(crate) id: u64,
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    lines: VecDeque<(u64, Arc<str>)>,
    next: u64,
    bytes: usize,
    is_ended: bool,
}

impl Outbox {
    pub(crate) fn new(id: u64) -> Arc<Self> {
        let inner = Inner { next: 1, ..Inner::default() };
        Arc::new(Self { id, inner: Mutex::new(inner), changed: Notify::new() })
    }

    /// Adds a message. Where the client does not read, the oldest ones are lost.
    pub(crate) fn push(&self, line: String) {
        {
            let mut inner = self.inner.lock();
            if inner.is_ended {
                return;
            }
            inner.bytes += line.len();
            let number = inner.next;
            inner.next += 1;
            inner.lines.push_back((number, line.into()));
            while inner.lines.len() > 1
                && (inner.lines.len() > STREAM_MESSAGES_MAX || inner.bytes > STREAM_BYTES_MAX)
            {
                if let Some((_, lost)) = inner.lines.pop_front() {
                    inner.bytes -= lost.len();
                }
            }
        }
        self.changed.notify_waiters();
    }

    /// Says that nothing more will come.
    pub(crate) fn end(&self) {
        self.inner.lock().is_ended = true;
        self.changed.notify_waiters();
    }

    /// The first message after this number; `None` at the end.
    pub(crate) async fn next(&self, after: u64) -> Option<(u64, Arc<str>)> {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            // Registered before looking, so that nothing comes between.
            changed.as_mut().enable();
            {
                let inner = self.inner.lock();
                let next = inner.lines.iter().find(|(number, _)| *number > after);
                if let Some((number, line)) = next {
                    return Some((*number, Arc::clone(line)));
                }
                if inner.is_ended {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// Forgets what is no longer needed: for streams that are read once.
    pub(crate) fn forget(&self, upto: u64) {
        let mut inner = self.inner.lock();
        while inner.lines.front().is_some_and(|(number, _)| *number <= upto) {
            if let Some((_, line)) = inner.lines.pop_front() {
                inner.bytes -= line.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Outbox;
    use crate::limits::STREAM_MESSAGES_MAX;

    #[tokio::test]
    async fn a_stream_is_read_again_from_any_place_and_stays_bounded() {
        let outbox = Outbox::new(1);
        for at in 0..STREAM_MESSAGES_MAX + 10 {
            outbox.push(at.to_string());
        }
        outbox.end();
        outbox.push("too late".to_owned());
        let (first, line) = outbox.next(0).await.unwrap();
        assert_eq!((first, &*line), (11, "10"));
        assert_eq!(outbox.next(first).await.unwrap().0, 12);
        let last = u64::try_from(STREAM_MESSAGES_MAX).unwrap() + 10;
        assert!(outbox.next(last).await.is_none());
    }
}
