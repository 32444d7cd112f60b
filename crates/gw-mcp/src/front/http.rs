//! Streamable HTTP at one address for both eras, without an HTTP framework: a request's parts in, an
//! answer's parts out.
//!
//! A request that comes to its answer at once is answered with JSON; as soon as anything else is to be
//! said before, the answer becomes a stream of events.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt as _, stream};
use gw_core::principal::Principal;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::headers;
use crate::hub::Hub;
use crate::limits::BATCH_MAX;
use crate::message::{
    self, HEADER_MISMATCH, Id, MISSING_CAPABILITY, Malformed, Message, Outcome, RpcError,
    UNSUPPORTED_VERSION,
};
use crate::meta;
use crate::modern::{self, Sender};
use crate::options::Exposure;
use crate::outbox::Outbox;
use crate::raw::{Fields, Raw};
use crate::session::Session;
use crate::sse;
use crate::version::Version;

const SESSION: &str = "mcp-session-id";
const LAST_EVENT: &str = "last-event-id";

/// How long a request may be silent before its answer becomes a stream.
const STREAM_AFTER: Duration = Duration::from_secs(5);

/// How often a silent stream gives a sign of life.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A request as the edge hands it over.
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, already bounded.
    pub body: Bytes,
    /// Who sends it.
    pub principal: Arc<Principal>,
    /// What its address shows.
    pub exposure: Exposure,
}

/// Pieces of a stream of events.
pub type Events = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// What to answer.
pub enum HttpAnswer {
    /// A whole body, which may be empty.
    Whole {
        /// The status.
        status: StatusCode,
        /// The headers.
        headers: HeaderMap,
        /// The body.
        body: Bytes,
    },
    /// Events, with status 200. Dropping the stream of a modern request cancels it.
    Stream {
        /// The headers.
        headers: HeaderMap,
        /// The events.
        events: Events,
    },
}

impl Hub {
    /// Answers one HTTP request.
    pub async fn http(self: &Arc<Self>, request: HttpRequest) -> HttpAnswer {
        match request.method {
            Method::POST => self.post(request).await,
            Method::GET => self.get(&request),
            Method::DELETE => self.delete(&request),
            _ => empty(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    async fn post(self: &Arc<Self>, request: HttpRequest) -> HttpAnswer {
        let Ok(text) = std::str::from_utf8(&request.body) else {
            let error = RpcError::new(message::PARSE_ERROR, "Parse error: the body is not UTF-8");
            return refuse(None, &error);
        };
        let text = text.trim();
        if text.starts_with('[') {
            return self.batch(&request, text);
        }
        let parsed = match Message::parse(text) {
            Ok(parsed) => parsed,
            Err(Malformed { id, error }) => return refuse(id.as_ref(), &error),
        };
        if is_modern(&request.headers, &parsed) {
            self.post_modern(request, parsed).await
        } else {
            self.post_legacy(request, parsed).await
        }
    }

    async fn post_modern(self: &Arc<Self>, request: HttpRequest, parsed: Message) -> HttpAnswer {
        let (id, method, params) = match parsed {
            Message::Request { id, method, params } => (id, method, params),
            // Closing its stream cancels a request, so no notification means anything here.
            Message::Notification { .. } => return empty(StatusCode::ACCEPTED),
            Message::Response { .. } => {
                let text = "Invalid request: responses are not sent in this revision";
                return refuse(None, &RpcError::new(message::INVALID_REQUEST, text));
            }
        };
        if let Err(error) = self.check_modern(&request.headers, &method, &params) {
            return refuse(Some(&id), &error);
        }
        let sender = Sender {
            hub: Arc::clone(self),
            principal: request.principal,
            exposure: request.exposure,
        };
        let out = Outbox::new(self.stream_number());
        let (own_out, own_id) = (Arc::clone(&out), id.clone());
        let answer =
            Box::pin(async move { sender.answer(&own_id, &method, params, &own_out).await });
        let relay = Relay { id, answer: Some(answer), out, after: 0, numbered: false };
        relay.start(accepts_events(&request.headers), HeaderMap::new()).await
    }

    fn check_modern(
        &self,
        headers: &HeaderMap,
        method: &str,
        params: &Fields,
    ) -> Result<(), RpcError> {
        let version = meta::of(params).text(meta::PROTOCOL_VERSION);
        if let Some(version) = &version {
            headers::check(headers, version, method, params)?;
        }
        modern::read_about(params)?;
        if method == "tools/call"
            && let Some(name) = params.text("name")
        {
            let catalogue = self.catalogue();
            if let Some(entry) = catalogue.tools.find(&name)
                && let Some(lists) = catalogue.lists.get(&entry.server)
                && let Some(tool) = lists.tool(&entry.own)
            {
                headers::check_params(headers, &tool.mirrored, params.get("arguments"))?;
            }
        }
        Ok(())
    }

    async fn post_legacy(self: &Arc<Self>, request: HttpRequest, parsed: Message) -> HttpAnswer {
        if let Message::Request { id, method, params } = &parsed
            && method == "initialize"
        {
            return self.initialize(&request, id, params);
        }
        let session = match self.session(&request) {
            Ok(session) => session,
            Err(answer) => return *answer,
        };
        let Message::Request { id, method, params } = parsed else {
            session.take(parsed);
            return empty(StatusCode::ACCEPTED);
        };
        let out = Outbox::new(self.stream_number());
        session.run(id.clone(), method, params, &out, true);
        let relay = Relay { id, answer: None, out, after: 0, numbered: true };
        relay.start(accepts_events(&request.headers), HeaderMap::new()).await
    }

    fn initialize(self: &Arc<Self>, request: &HttpRequest, id: &Id, params: &Fields) -> HttpAnswer {
        let general = Outbox::new(self.stream_number());
        let session = Session::begin(self, &request.principal, &request.exposure, params, general);
        if let Err(error) = self.sessions.add(&session) {
            session.close();
            return refuse(Some(id), &error);
        }
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(&session.id) {
            headers.insert(HeaderName::from_static(SESSION), value);
        }
        let outcome = Ok(session.welcome().to_raw());
        json(StatusCode::OK, headers, message::response(Some(id), &outcome))
    }

    /// The session that a request names.
    fn session(&self, request: &HttpRequest) -> Result<Arc<Session>, Box<HttpAnswer>> {
        let version = request.headers.get(headers::VERSION);
        let version = version.map(|value| value.to_str().ok().and_then(Version::parse));
        if version == Some(None) {
            let text = "Bad Request: unsupported MCP-Protocol-Version";
            return Err(Box::new(refuse(None, &RpcError::new(message::INVALID_REQUEST, text))));
        }
        let Some(id) = request.headers.get(SESSION).and_then(|value| value.to_str().ok()) else {
            let text = "Bad Request: Mcp-Session-Id is missing; begin with initialize";
            return Err(Box::new(refuse(None, &RpcError::new(message::INVALID_REQUEST, text))));
        };
        let now_ms = self.clock.monotonic_ms();
        self.sessions.find(id, &request.principal, now_ms).ok_or_else(|| {
            let error = RpcError::new(message::INVALID_REQUEST, "Session not found");
            let body = message::response(None, &Err(error));
            Box::new(json(StatusCode::NOT_FOUND, HeaderMap::new(), body))
        })
    }

    /// Several messages at once: only in revision 2025-03-26.
    fn batch(self: &Arc<Self>, request: &HttpRequest, text: &str) -> HttpAnswer {
        let bad = |text: &str| refuse(None, &RpcError::new(message::INVALID_REQUEST, text));
        let Ok(batch) = serde_json::from_str::<Vec<Raw>>(text) else {
            return refuse(None, &RpcError::new(message::PARSE_ERROR, "Parse error"));
        };
        if batch.is_empty() || batch.len() > BATCH_MAX {
            return bad("Invalid request: an empty or too long batch");
        }
        let session = match self.session(request) {
            Ok(session) => session,
            Err(answer) => return *answer,
        };
        if session.version != Version::V2025_03_26 {
            return bad("Invalid request: batches belong to revision 2025-03-26 only");
        }
        let out = Outbox::new(self.stream_number());
        let mut requests = 0;
        for one in &batch {
            match Message::parse(one.get()) {
                Ok(Message::Request { id, method, params }) => {
                    requests += 1;
                    session.run(id, method, params, &out, false);
                }
                Ok(other) => session.take(other),
                Err(Malformed { id, error }) => {
                    requests += 1;
                    out.push(message::response(id.as_ref(), &Err(error)));
                }
            }
        }
        if requests == 0 {
            return empty(StatusCode::ACCEPTED);
        }
        let events = stream::unfold((out, 0, requests), |(out, after, left)| async move {
            if left == 0 {
                return None;
            }
            let (number, line) = out.next(after).await?;
            let is_answer = matches!(Message::parse(&line), Ok(Message::Response { .. }));
            let left = if is_answer { left - 1 } else { left };
            Some((Bytes::from(sse::encode(&line, None)), (out, number, left)))
        });
        HttpAnswer::Stream { headers: event_headers(), events: Box::pin(events) }
    }

    /// The stream of what belongs to no request, or the rest of one that broke.
    fn get(self: &Arc<Self>, request: &HttpRequest) -> HttpAnswer {
        let version = request.headers.get(headers::VERSION).and_then(|value| value.to_str().ok());
        let is_modern = version.and_then(Version::parse).is_some_and(Version::is_modern);
        if is_modern || !accepts_events(&request.headers) || !request.headers.contains_key(SESSION)
        {
            return empty(StatusCode::METHOD_NOT_ALLOWED);
        }
        let session = match self.session(request) {
            Ok(session) => session,
            Err(answer) => return *answer,
        };
        let last = request.headers.get(LAST_EVENT).and_then(|value| value.to_str().ok());
        let place = last.map(|last| {
            let (stream, number) = last.split_once('-')?;
            Some((session.stream(stream.parse().ok()?)?, number.parse().ok()?))
        });
        let (out, after): (Arc<Outbox>, u64) = match place {
            None => (Arc::clone(&session.general), 0),
            Some(Some(place)) => place,
            Some(None) => return empty(StatusCode::NOT_FOUND),
        };
        let reader = Reader { out, after, _listening: Listening::new(session) };
        let events = stream::unfold(reader, |mut reader| async move {
            let next = tokio::time::timeout(KEEP_ALIVE, reader.out.next(reader.after)).await;
            let text = match next {
                Err(_) => ": keep-alive\n\n".to_owned(),
                Ok(next) => {
                    let (number, line) = next?;
                    reader.after = number;
                    sse::encode(&line, Some(&format!("{}-{number}", reader.out.id)))
                }
            };
            Some((Bytes::from(text), reader))
        });
        HttpAnswer::Stream { headers: event_headers(), events: Box::pin(events) }
    }

    fn delete(&self, request: &HttpRequest) -> HttpAnswer {
        if !request.headers.contains_key(SESSION) {
            return empty(StatusCode::METHOD_NOT_ALLOWED);
        }
        match self.session(request) {
            Ok(session) => {
                self.sessions.end(&session.id);
                empty(StatusCode::OK)
            }
            Err(answer) => *answer,
        }
    }
}

struct Reader {
    out: Arc<Outbox>,
    after: u64,
    _listening: Listening,
}

/// Counts a held stream, so that its session is not taken for idle.
struct Listening(Arc<Session>);

impl Listening {
    fn new(session: Arc<Session>) -> Self {
        session.listeners.fetch_add(1, Ordering::Relaxed);
        Self(session)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.listeners.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One request's answer on its way.
struct Relay {
    id: Id,
    /// The work of a modern request, which ends with its stream; legacy work goes on by itself and
    /// puts its answer into `out`.
    answer: Option<BoxFuture<'static, Outcome>>,
    out: Arc<Outbox>,
    after: u64,
    /// True where events have ids, so that the stream can be taken up again.
    numbered: bool,
}

/// What comes next.
enum Step {
    Event(u64, Arc<str>),
    Answer(Outcome, String),
    End,
}

impl Relay {
    async fn step(&mut self) -> Step {
        let event = match &mut self.answer {
            None => self.out.next(self.after).await,
            Some(answer) => {
                tokio::select! {
                    biased;
                    event = self.out.next(self.after) => event,
                    outcome = answer => {
                        self.answer = None;
                        self.out.end();
                        let line = message::response(Some(&self.id), &outcome);
                        return Step::Answer(outcome, line);
                    }
                }
            }
        };
        match event {
            Some((number, line)) => {
                self.after = number;
                if !self.numbered {
                    self.out.forget(number);
                }
                Step::Event(number, line)
            }
            None => Step::End,
        }
    }

    async fn start(mut self, accepts_events: bool, headers: HeaderMap) -> HttpAnswer {
        let mut early = None;
        loop {
            let waited = if accepts_events {
                tokio::time::timeout(STREAM_AFTER, self.step()).await
            } else {
                Ok(self.step().await)
            };
            match waited {
                Ok(Step::Answer(outcome, line)) => return json(status_of(&outcome), headers, line),
                Ok(Step::Event(_, line)) if self.numbered && is_answer(&line, &self.id) => {
                    return json(StatusCode::OK, headers, line.to_string());
                }
                Ok(Step::Event(number, line)) if accepts_events => {
                    early = Some((number, line));
                    break;
                }
                // Without a stream there is no place for what is said meanwhile.
                Ok(Step::Event(..)) => {}
                Ok(Step::End) => return empty(StatusCode::ACCEPTED),
                Err(_) => break,
            }
        }
        let mut all = event_headers();
        all.extend(headers);
        let first = early.map(|(number, line)| self.encode(number, &line));
        let rest = stream::unfold(Some(self), |relay| async move {
            let mut relay = relay?;
            match tokio::time::timeout(KEEP_ALIVE, relay.step()).await {
                Err(_) => Some((Bytes::from_static(b": keep-alive\n\n"), Some(relay))),
                Ok(Step::Event(number, line)) => Some((relay.encode(number, &line), Some(relay))),
                Ok(Step::Answer(_, line)) => Some((Bytes::from(sse::encode(&line, None)), None)),
                Ok(Step::End) => None,
            }
        });
        HttpAnswer::Stream { headers: all, events: Box::pin(stream::iter(first).chain(rest)) }
    }

    fn encode(&self, number: u64, line: &str) -> Bytes {
        let id = self.numbered.then(|| format!("{}-{number}", self.out.id));
        Bytes::from(sse::encode(line, id.as_deref()))
    }
}

fn is_answer(line: &str, id: &Id) -> bool {
    // Requests to the client have a method; the cheap look spares reading large answers twice.
    matches!(Message::parse(line), Ok(Message::Response { id: Some(own), .. }) if own == *id)
}

/// True for a request of the stateless revision, or of one that comes after it.
fn is_modern(headers: &HeaderMap, parsed: &Message) -> bool {
    let (method, params) = match parsed {
        Message::Request { method, params, .. } | Message::Notification { method, params } => {
            (method.as_str(), Some(params))
        }
        Message::Response { .. } => ("", None),
    };
    if params.is_some_and(|params| meta::of(params).has(meta::PROTOCOL_VERSION)) {
        return true;
    }
    let version = headers.get(headers::VERSION).and_then(|value| value.to_str().ok());
    let is_newer = version.is_some_and(|version| {
        version.len() == 10 && version >= Version::MODERN.as_str() && method != "initialize"
    });
    is_newer
        || method == "server/discover"
        || (headers.contains_key(headers::METHOD)
            && !headers.contains_key(SESSION)
            && method != "initialize")
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(http::header::ACCEPT).iter();
    accepts
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/event-stream") || value.contains("*/*"))
}

/// The HTTP status of a modern answer.
fn status_of(outcome: &Outcome) -> StatusCode {
    match outcome {
        Ok(_) => StatusCode::OK,
        Err(error) => match error.code {
            message::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
            HEADER_MISMATCH
            | MISSING_CAPABILITY
            | UNSUPPORTED_VERSION
            | message::PARSE_ERROR
            | message::INVALID_REQUEST => StatusCode::BAD_REQUEST,
            _ => StatusCode::OK,
        },
    }
}

fn refuse(id: Option<&Id>, error: &RpcError) -> HttpAnswer {
    let status = match error.code {
        message::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        message::INTERNAL_ERROR => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    json(status, HeaderMap::new(), message::response(id, &Err(error.clone())))
}

fn json(status: StatusCode, mut headers: HeaderMap, body: String) -> HttpAnswer {
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    HttpAnswer::Whole { status, headers, body: body.into() }
}

fn empty(status: StatusCode) -> HttpAnswer {
    let mut headers = HeaderMap::new();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(http::header::ALLOW, HeaderValue::from_static("POST, GET, DELETE"));
    }
    HttpAnswer::Whole { status, headers, body: Bytes::new() }
}

fn event_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(http::header::CONTENT_TYPE, "text/event-stream");
    set(http::header::CACHE_CONTROL, "no-cache");
    set(HeaderName::from_static("x-accel-buffering"), "no");
    headers
}
