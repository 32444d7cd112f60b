//! What arrived at the simulator and how it went, for tests to look at.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

/// Requests remembered; the oldest go first.
const SEEN_MAX: usize = 2_000;
/// Bytes of a request's body that are remembered.
const BODY_BYTES_MAX: usize = 1 << 20;

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its place in the order of arrival, from 0.
    pub number: u64,
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, cut at 1 MiB.
    pub body: Bytes,
    /// The length of the whole body.
    pub body_bytes: usize,
    /// The model it named; empty for none.
    pub model: String,
    /// The faults it met, as a specification; empty for none.
    pub faults: String,
    /// The recording that answered it, where one did.
    pub recording: Option<String>,
    /// The status it was answered with; 0 where no answer began.
    pub status: u16,
    /// True once the answer was sent as far as it was meant to be.
    pub is_finished: bool,
    /// True where the client left before that.
    pub client_left: bool,
}

impl Seen {
    /// The body as JSON, or null.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn to_json(&self) -> Value {
        let headers: serde_json::Map<String, Value> = self
            .headers
            .iter()
            .map(|(name, value)| {
                (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes())))
            })
            .collect();
        json!({
            "number": self.number,
            "method": self.method,
            "path": self.path,
            "headers": headers,
            "body": String::from_utf8_lossy(&self.body),
            "body_bytes": self.body_bytes,
            "model": self.model,
            "faults": self.faults,
            "recording": self.recording,
            "status": self.status,
            "finished": self.is_finished,
            "client_left": self.client_left,
        })
    }
}

/// All that arrived, newest last.
pub(crate) struct Journal {
    seen: Mutex<VecDeque<Seen>>,
    /// Bumped at every change.
    changes: watch::Sender<u64>,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self { seen: Mutex::default(), changes: watch::channel(0).0 }
    }

    /// Notes an arrival; its `number` is set here.
    pub(crate) fn arrive(self: &Arc<Self>, mut seen: Seen, next: u64) -> Entry {
        seen.number = next;
        seen.body_bytes = seen.body.len();
        seen.body.truncate(BODY_BYTES_MAX);
        {
            let mut all = self.seen.lock();
            if all.len() >= SEEN_MAX {
                all.pop_front();
            }
            all.push_back(seen);
        }
        self.changes.send_modify(|count| *count += 1);
        Entry { journal: Arc::clone(self), number: next, is_done: false }
    }

    pub(crate) fn all(&self) -> Vec<Seen> {
        self.seen.lock().iter().cloned().collect()
    }

    pub(crate) fn clear(&self) {
        self.seen.lock().clear();
        self.changes.send_modify(|count| *count += 1);
    }

    /// Waits until what arrived fulfils a condition.
    pub(crate) async fn wait_for(&self, condition: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let mut changes = self.changes.subscribe();
        loop {
            changes.borrow_and_update();
            let all = self.all();
            if condition(&all) {
                return all;
            }
            // The sender lives as long as `self`.
            let _ = changes.changed().await;
        }
    }

    fn edit(&self, number: u64, change: impl FnOnce(&mut Seen)) {
        if let Some(seen) = self.seen.lock().iter_mut().rev().find(|seen| seen.number == number) {
            change(seen);
        }
        self.changes.send_modify(|count| *count += 1);
    }
}

/// One request on its way. Dropped before [`Entry::finish`], the client has left.
pub(crate) struct Entry {
    journal: Arc<Journal>,
    number: u64,
    is_done: bool,
}

impl Entry {
    pub(crate) fn answered(&self, status: u16, recording: Option<String>) {
        self.journal.edit(self.number, |seen| {
            seen.status = status;
            seen.recording = recording;
        });
    }

    pub(crate) fn finish(&mut self) {
        if !self.is_done {
            self.is_done = true;
            self.journal.edit(self.number, |seen| seen.is_finished = true);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.is_done {
            self.journal.edit(self.number, |seen| seen.client_left = true);
        }
    }
}
