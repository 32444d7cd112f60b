//! Recorded exchanges: read from a folder of `*.jsonl` files, found again by request.
//!
//! One JSON object a line: `cassette`, `i`, `provider`, `request` (`method`, `uri`, `headers`,
//! `body`) and `response` (`status`, `headers`, `body`).

mod likeness;

use std::collections::HashMap;
use std::path::Path;

use bytes::Bytes;
use gw_core::{Error, Kind, Result};
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;

use crate::answer::{WireAnswer, split_events};
use likeness::Likeness;

/// One recorded exchange.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Its name: `cassette#i`.
    pub name: String,
    /// The provider it was recorded with.
    pub provider: String,
    /// The request's method.
    pub method: String,
    /// The request's path, without host; a placeholder (`<AWS_REGION>`) stands for any segment.
    pub path: String,
    /// The request's query, without `?`; empty for none.
    pub query: String,
    /// The request's content type; empty for none.
    pub content_type: String,
    /// The request's body.
    pub body: Bytes,
    /// The response, frames split at the end of each event of a stream.
    pub answer: WireAnswer,
    json: Option<Value>,
}

#[derive(Deserialize)]
struct Line {
    cassette: String,
    #[serde(default)]
    i: u64,
    provider: String,
    request: RequestLine,
    response: ResponseLine,
}

#[derive(Deserialize)]
struct RequestLine {
    method: String,
    uri: String,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    body: Option<String>,
}

#[derive(Deserialize)]
struct ResponseLine {
    status: u16,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    body: Option<String>,
}

impl Recording {
    /// Reads one line of a recordings file.
    ///
    /// # Errors
    /// [`Kind::InvalidJson`] for a line that is not of the shape.
    pub fn parse(line: &str) -> Result<Self> {
        let line: Line = serde_json::from_str(line)
            .map_err(|error| Error::new(Kind::InvalidJson, format!("no recording: {error}")))?;
        let (path, query) = path_and_query(&line.request.uri);
        let body = Bytes::from(line.request.body.unwrap_or_default());
        let mut headers = HeaderMap::new();
        for (name, value) in &line.response.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value))
                && name != CONTENT_LENGTH
                && name != TRANSFER_ENCODING
            {
                headers.insert(name, value);
            }
        }
        let response = Bytes::from(line.response.body.unwrap_or_default());
        let mut answer =
            WireAnswer { status: line.response.status, headers, frames: vec![response.clone()] };
        if answer.is_stream() {
            answer.frames = split_events(&response);
        }
        Ok(Self {
            name: format!("{}#{}", line.cassette, line.i),
            provider: line.provider,
            method: line.request.method.to_ascii_uppercase(),
            path,
            query,
            content_type: line.request.headers.get("content-type").cloned().unwrap_or_default(),
            json: serde_json::from_slice(&body).ok(),
            body,
            answer,
        })
    }
}

/// Splits a recorded URI, whose host may be a placeholder without scheme (`<BASE>/chat`).
fn path_and_query(uri: &str) -> (String, String) {
    let (whole, query) = uri.split_once('?').unwrap_or((uri, ""));
    let path = match whole.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None if whole.starts_with('<') => whole.split_once('>').map_or("/", |(_, path)| path),
        None => whole,
    };
    (path.to_owned(), query.to_owned())
}

/// All recordings of a folder.
#[derive(Debug, Default)]
pub struct Library {
    recordings: Vec<Recording>,
    /// How often each group of equal requests was asked, by its first member.
    turns: Mutex<HashMap<usize, usize>>,
}

/// What was asked of the library.
pub(crate) struct Wanted<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) json: Option<&'a Value>,
    /// False where only an equal request will do.
    pub(crate) takes_similar: bool,
}

impl Library {
    /// Holds these recordings, in this order.
    pub fn new(recordings: Vec<Recording>) -> Self {
        Self { recordings, turns: Mutex::default() }
    }

    /// Reads every `*.jsonl` file of a folder, in the order of their names.
    ///
    /// # Errors
    /// [`Kind::NotConfigured`] for a folder or file that cannot be read, or a line of another shape
    /// (named by file and number).
    pub fn load(folder: &Path) -> Result<Self> {
        let unreadable = |what: &Path, error: std::io::Error| {
            let what = what.display();
            Error::new(Kind::NotConfigured, format!("`{what}` cannot be read: {error}"))
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
            let path = entry.map_err(|error| unreadable(folder, error))?.path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                files.push(path);
            }
        }
        files.sort();
        let mut recordings = Vec::new();
        for file in files {
            let text = std::fs::read_to_string(&file).map_err(|error| unreadable(&file, error))?;
            for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                recordings.push(Recording::parse(line).map_err(|error| {
                    let place = format!("{}, line {}", file.display(), at + 1);
                    Error::new(Kind::NotConfigured, format!("{place}: {}", error.message()))
                })?);
            }
        }
        Ok(Self::new(recordings))
    }

    /// The recordings, in order.
    pub fn recordings(&self) -> &[Recording] {
        &self.recordings
    }

    /// Models named by the recorded requests of a provider (of all, without one), each once.
    pub(crate) fn models(&self, path: &str) -> Vec<String> {
        let (provider, _) = self.provider_of(path);
        let mut names: Vec<String> = self
            .recordings
            .iter()
            .filter(|recording| provider.is_none_or(|provider| recording.provider == provider))
            .filter_map(|recording| recording.json.as_ref()?.get("model")?.as_str())
            .map(str::to_owned)
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Forgets which of several answers to equal requests was given last.
    pub(crate) fn rewind(&self) {
        self.turns.lock().clear();
    }

    /// The recording of that name, `cassette#i` or `provider/cassette#i`.
    pub(crate) fn named(&self, name: &str) -> Option<&Recording> {
        self.recordings.iter().find(|recording| {
            recording.name == name
                || name.split_once('/').is_some_and(|(provider, name)| {
                    recording.provider == provider && recording.name == name
                })
        })
    }

    /// The recording that answers a request, and whether its own request was equal.
    ///
    /// Of several with equal requests (polling, retries) each is given in turn.
    pub(crate) fn find(&self, wanted: &Wanted<'_>) -> Option<(&Recording, bool)> {
        let (provider, path) = self.provider_of(wanted.path);
        let path = percent_decoded(path);
        let near: Vec<usize> = (0..self.recordings.len())
            .filter(|at| {
                let recording = &self.recordings[*at];
                recording.method == wanted.method
                    && provider.is_none_or(|provider| recording.provider == provider)
                    && is_same_path(&recording.path, &path)
            })
            .collect();
        let mut equal: Vec<usize> = near
            .iter()
            .copied()
            .filter(|at| {
                let recording = &self.recordings[*at];
                match (&recording.json, wanted.json) {
                    (Some(recorded), Some(json)) => recorded == json,
                    _ => recording.body == wanted.body,
                }
            })
            .collect();
        if equal.iter().any(|at| self.recordings[*at].query == wanted.query) {
            equal.retain(|at| self.recordings[*at].query == wanted.query);
        }
        if let Some(first) = equal.first() {
            let mut turns = self.turns.lock();
            let turn = turns.entry(*first).or_insert(0);
            let at = equal[*turn % equal.len()];
            *turn += 1;
            return Some((&self.recordings[at], true));
        }
        if !wanted.takes_similar {
            return None;
        }
        let asked = Likeness::of(wanted.json?);
        let similar = near
            .into_iter()
            .map(|at| &self.recordings[at])
            .filter(|recording| recording.answer.status < 400)
            .filter_map(|recording| {
                let score = asked.score(&Likeness::of(recording.json.as_ref()?))?;
                Some((score, recording))
            });
        // The first of the best, so that the answer does not depend on what else is there.
        let best = similar.reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map(|(_, recording)| (recording, false))
    }

    /// The provider that the first segment names, if it does, and the rest of the path.
    fn provider_of<'a>(&self, path: &'a str) -> (Option<&'a str>, &'a str) {
        let Some(rest) = path.strip_prefix('/') else { return (None, path) };
        let Some(at) = rest.find('/') else { return (None, path) };
        let (first, tail) = rest.split_at(at);
        let is_provider = self.recordings.iter().any(|recording| recording.provider == first);
        if is_provider { (Some(first), tail) } else { (None, path) }
    }
}

/// Says whether one path ends with the other, segment by segment.
fn is_same_path(recorded: &str, asked: &str) -> bool {
    let recorded: Vec<&str> = recorded.trim_matches('/').rsplit('/').collect();
    let asked: Vec<&str> = asked.trim_matches('/').rsplit('/').collect();
    let is_any = |segment: &str| segment.starts_with('<') && segment.ends_with('>');
    recorded.iter().zip(&asked).all(|(recorded, asked)| recorded == asked || is_any(recorded))
        && is_long_enough(recorded.len().min(asked.len()), recorded.len(), asked.len())
}

/// Beyond the common end at most a base path (`/api/v1`) may differ.
fn is_long_enough(common: usize, recorded: usize, asked: usize) -> bool {
    common > 0 && recorded.max(asked) - common <= 3
}

fn percent_decoded(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                decoded.push(byte);
                at += 3;
            }
            _ => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests;
