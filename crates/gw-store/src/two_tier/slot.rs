//! What may stand under a conversation's name in the hot store, and how it is written.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How every entry of ours begins. Other programs' entries (system A used the same names) are free to
/// be overwritten; ours that cannot be read, such as a later version's, are left alone.
const BEGINNING: &[u8] = b"{\"gateway\":";

/// The form of entries.
const VERSION: u32 = 1;

/// What stands under a name.
pub(super) enum Slot<T> {
    /// A value that may be used.
    Kept(T),
    /// Somebody writes.
    Writing(Writers),
    /// Nothing of use: nothing at all, a reader's lease, or another program's entry.
    Free,
    /// An entry of ours in a form that this version does not know.
    Unreadable,
}

/// Those who write.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Writers {
    by: Vec<Writer>,
    /// Grows with everyone who comes or goes.
    #[serde(default)]
    spoiled: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Writer {
    token: String,
    /// When it began, in milliseconds since 1970.
    at_ms: i64,
}

#[derive(Deserialize)]
struct Entry<T> {
    gateway: u32,
    #[serde(flatten)]
    state: State<T>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State<T> {
    Kept(T),
    Reading(String),
    Writing(Writers),
}

/// The same with what is written borrowed.
#[derive(Serialize)]
struct Written<'a, T> {
    gateway: u32,
    #[serde(flatten)]
    state: &'a State<T>,
}

impl<T: DeserializeOwned> Slot<T> {
    pub(super) fn read(found: Option<&Bytes>) -> Self {
        let Some(bytes) = found.filter(|bytes| bytes.starts_with(BEGINNING)) else {
            return Self::Free;
        };
        match serde_json::from_slice::<Entry<T>>(bytes) {
            Ok(Entry { gateway: VERSION, state }) => match state {
                State::Kept(value) => Self::Kept(value),
                State::Reading(_) => Self::Free,
                State::Writing(writers) => Self::Writing(writers),
            },
            _ => Self::Unreadable,
        }
    }
}

fn write<T: Serialize>(state: &State<T>) -> Option<Bytes> {
    serde_json::to_vec(&Written { gateway: VERSION, state }).ok().map(Bytes::from)
}

/// A value that may be used; `None` for one that cannot be written.
pub(super) fn kept<T: Serialize>(value: &T) -> Option<Bytes> {
    write(&State::Kept(value))
}

/// A reader's lease.
pub(super) fn lease(token: &str) -> Bytes {
    write(&State::<()>::Reading(token.to_owned())).unwrap_or_default()
}

impl Writers {
    pub(super) fn write(&self) -> Bytes {
        write(&State::<()>::Writing(self.clone())).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by.is_empty()
    }

    pub(super) fn add(&mut self, token: &str, at_ms: i64) {
        self.by.push(Writer { token: token.to_owned(), at_ms });
    }

    pub(super) fn remove(&mut self, token: &str) {
        self.by.retain(|writer| writer.token != token);
    }

    /// Makes the mark another one: a writer that was alone finds that it no longer is, even where
    /// those who met it have gone again.
    pub(super) fn spoil(&mut self) {
        self.spoiled = self.spoiled.wrapping_add(1);
    }

    /// Those that began less than `ttl_ms` ago: the dead must not keep an entry away for ever. One
    /// that lives after all finds its mark gone and removes what came after it.
    pub(super) fn living(mut self, now_ms: i64, ttl_ms: u64) -> Self {
        let ttl_ms = i64::try_from(ttl_ms).unwrap_or(i64::MAX);
        self.by.retain(|writer| writer.at_ms > now_ms.saturating_sub(ttl_ms));
        self
    }
}
