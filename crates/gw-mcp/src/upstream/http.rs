//! Streamable HTTP: each message a POST, answered with JSON or a stream of events.
//!
//! Legacy servers may give a session and a stream of their own; modern ones have neither, and every
//! request mirrors its body in headers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use gw_core::seam::{BodyStream, IncomingResponse, OutgoingRequest, Timeouts};
use gw_core::{Kind, ProviderId};
use gw_net::Client;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::headers;
use crate::limits::{MESSAGE_BYTES_MAX, RESUMES_MAX};
use crate::message::Message;
use crate::sse::Decoder;
use crate::upstream::link::Link;
use crate::upstream::wire::{Delivered, Failure, Outgoing, Wire};
use crate::version::Version;

const SESSION: &str = "mcp-session-id";
const LAST_EVENT: &str = "last-event-id";

/// How much of a refusal is read, in bytes.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// How long to wait before a stream is taken up again where the server does not say, in
/// milliseconds, and the longest wait that a server may ask for.
const RESUME_MS: u64 = 1_000;
const RESUME_MS_MAX: u64 = 30_000;

/// How long the stream of what a server says unasked may take to open before calls begin.
const HEARING_WITHIN: Duration = Duration::from_millis(500);

/// One server's endpoint and how to address it.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) server: Arc<str>,
    pub(crate) client: Client,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
}

impl Endpoint {
    /// Headers from configuration, secrets marked as such.
    pub(crate) fn new(
        server: Arc<str>,
        client: Client,
        url: &str,
        configured: &BTreeMap<String, SecretString>,
    ) -> Result<Self, Failure> {
        let mut headers = HeaderMap::new();
        for (name, value) in configured {
            let parsed = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_str(value.expose_secret()),
            );
            let (Ok(name), Ok(mut value)) = parsed else {
                return Err(Failure::NotSent(format!("the header `{name}` cannot be sent")));
            };
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(Self { server, client, url: url.to_owned(), headers })
    }

    /// One exchange. Times are bounded by whoever waits.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &str,
        more: HeaderMap,
        body: Bytes,
    ) -> Result<IncomingResponse, Failure> {
        let mut headers = self.headers.clone();
        headers.extend(more);
        let request = OutgoingRequest {
            provider: ProviderId::from(&*self.server),
            method,
            url: url.to_owned(),
            headers,
            body,
            timeouts: Timeouts { connect_ms: 10_000, first_byte_ms: 0, idle_ms: 0, total_ms: 0 },
            response_bytes_max: usize::MAX,
        };
        self.client.to_tool_server(request).await.map_err(|error| {
            let text = error.full_message().replacen("provider `", "the server `", 1);
            // Nothing can have been done where no connection was made.
            match error.source_is_connect() {
                true => Failure::NotSent(text),
                false => Failure::Broken(text),
            }
        })
    }
}

trait ConnectFault {
    fn source_is_connect(&self) -> bool;
}

impl ConnectFault for gw_core::Error {
    fn source_is_connect(&self) -> bool {
        let says_so = |text: &str| {
            ["refused the connection", "gave no connection", "does not resolve", "no route"]
                .iter()
                .any(|mark| text.contains(mark))
        };
        self.kind() == Kind::NotConfigured || says_so(self.message())
    }
}

/// The wire.
pub(crate) struct HttpWire {
    endpoint: Endpoint,
    session: Arc<Mutex<Option<String>>>,
    closed: CancellationToken,
    /// Wait before a stream is taken up again, in milliseconds, as the server last said.
    retry_ms: Arc<AtomicU64>,
}

impl HttpWire {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            session: Arc::default(),
            closed: CancellationToken::new(),
            retry_ms: Arc::new(AtomicU64::new(RESUME_MS)),
        }
    }

    fn head(&self, out: &Outgoing<'_>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match out.version {
            Some(version) if version.is_modern() => {
                headers::mirror(
                    &mut headers,
                    version.as_str(),
                    out.method,
                    out.params,
                    out.mirrored,
                );
            }
            // The question which protocol is spoken.
            None if out.method == "server/discover" => {
                let version = Version::MODERN.as_str();
                headers::mirror(&mut headers, version, out.method, out.params, &[]);
            }
            Some(version) => self.address(&mut headers, version),
            None => {}
        }
        headers
    }

    /// The headers of a legacy session.
    fn address(&self, headers: &mut HeaderMap, version: Version) {
        headers.insert(headers::VERSION, HeaderValue::from_static(version.as_str()));
        let session = self.session.lock().clone();
        if let Some(value) = session.and_then(|id| HeaderValue::from_str(&id).ok()) {
            headers.insert(SESSION, value);
        }
    }

    fn keep_session(&self, out: &Outgoing<'_>, headers: &HeaderMap) {
        if out.method == "initialize"
            && let Some(id) = headers.get(SESSION).and_then(|value| value.to_str().ok())
        {
            *self.session.lock() = Some(id.to_owned());
        }
    }

    /// What a refusal means.
    async fn refused(
        &self,
        link: &Arc<Link>,
        out: &Outgoing<'_>,
        response: IncomingResponse,
    ) -> Result<Delivered, Failure> {
        let status = response.status;
        let has_session = self.session.lock().is_some();
        let text = read_all(response.body, REFUSAL_BYTES_MAX).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        if status == 404 && has_session && out.method != "initialize" {
            link.fail("no longer knows the session");
            return Err(Failure::SessionLost);
        }
        if let Ok(Message::Response { outcome: Err(error), .. }) = Message::parse(text.trim())
            && out.request.is_some()
        {
            return Err(Failure::Rpc(error));
        }
        let shown: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
        Err(Failure::Status(status, shown))
    }

    /// Takes a broken stream up where it ended, as long as its request has no answer.
    async fn resume(
        &self,
        link: &Arc<Link>,
        request: Option<u64>,
        version: Version,
        mut last_event: Option<String>,
    ) -> Result<(), Failure> {
        for _ in 0..RESUMES_MAX {
            let Some(event) = &last_event else { return Ok(()) };
            let wait = self.retry_ms.load(Ordering::Relaxed).min(RESUME_MS_MAX);
            tokio::time::sleep(Duration::from_millis(wait)).await;
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
            self.address(&mut headers, version);
            if let Ok(value) = HeaderValue::from_str(event) {
                headers.insert(LAST_EVENT, value);
            }
            let url = &self.endpoint.url;
            let response = self.endpoint.send(Method::GET, url, headers, Bytes::new()).await?;
            if response.status != 200 {
                return Ok(());
            }
            let reader = Reader { link, request, retry_ms: &self.retry_ms };
            let read = reader.read(response.body).await?;
            if read.is_answered {
                return Ok(());
            }
            last_event = read.last_event.or(last_event);
        }
        Ok(())
    }
}

/// Reads a stream of events into a connection.
struct Reader<'a> {
    link: &'a Arc<Link>,
    request: Option<u64>,
    retry_ms: &'a AtomicU64,
}

#[derive(Default)]
struct Read {
    last_event: Option<String>,
    is_answered: bool,
}

impl Reader<'_> {
    async fn read(&self, mut body: BodyStream) -> Result<Read, Failure> {
        let mut decoder = Decoder::default();
        let mut read = Read::default();
        while let Some(piece) = body.next().await {
            // A stream that breaks may be taken up again.
            let Ok(piece) = piece else { break };
            let Ok(events) = decoder.push(&piece) else {
                return Err(Failure::Broken("sent a message over the size limit".to_owned()));
            };
            for event in events {
                if let Some(ms) = event.retry_ms {
                    self.retry_ms.store(ms, Ordering::Relaxed);
                }
                if event.id.is_some() {
                    read.last_event = event.id;
                }
                let is_message = event.kind.as_deref().is_none_or(|kind| kind == "message");
                if event.data.is_empty() || !is_message {
                    continue;
                }
                read.is_answered |= self.answers(&event.data);
                self.link.incoming_text(&event.data, self.request);
            }
            if read.is_answered {
                tokio::spawn(read_to_end(body));
                break;
            }
        }
        Ok(read)
    }

    fn answers(&self, data: &str) -> bool {
        let Some(request) = self.request else { return false };
        match Message::parse(data) {
            Ok(Message::Response { id, .. }) => {
                id.is_none_or(|id| id.json() == request.to_string())
            }
            _ => false,
        }
    }
}

/// Reads what is left of a stream after its answer, so that the connection can be used again.
async fn read_to_end(mut body: BodyStream) {
    let rest = async { while let Some(Ok(_)) = body.next().await {} };
    // A server that keeps the stream open has it closed.
    let _ = tokio::time::timeout(Duration::from_secs(1), rest).await;
}

async fn read_all(mut body: BodyStream, bytes_max: usize) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = piece.ok()?;
        if whole.len() + piece.len() > bytes_max {
            return None;
        }
        whole.extend_from_slice(&piece);
    }
    Some(whole)
}

fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream")
}

#[async_trait]
impl Wire for HttpWire {
    async fn deliver(&self, link: &Arc<Link>, out: Outgoing<'_>) -> Result<Delivered, Failure> {
        let headers = self.head(&out);
        let body = Bytes::from(out.line.clone().into_bytes());
        let url = &self.endpoint.url;
        let response = self.endpoint.send(Method::POST, url, headers, body).await?;
        if !(200..300).contains(&response.status) {
            return self.refused(link, &out, response).await;
        }
        self.keep_session(&out, &response.headers);
        if out.request.is_none() {
            return Ok(Delivered::Ended);
        }
        if is_stream(&response.headers) {
            let reader = Reader { link, request: out.request, retry_ms: &self.retry_ms };
            let read = reader.read(response.body).await?;
            if !read.is_answered
                && let Some(version) = out.version.filter(|version| !version.is_modern())
            {
                self.resume(link, out.request, version, read.last_event).await?;
            }
        } else {
            let body = read_all(response.body, MESSAGE_BYTES_MAX).await;
            let Some(body) = body else {
                return Err(Failure::Broken("broke off its answer, or it is too long".to_owned()));
            };
            link.incoming_text(String::from_utf8_lossy(&body).trim(), out.request);
        }
        Ok(Delivered::Ended)
    }

    /// Holds the stream on which a legacy server speaks unasked.
    async fn opened(&self, link: &Arc<Link>) {
        let Some(version) = link.version().filter(|version| !version.is_modern()) else { return };
        if self.session.lock().is_none() && version >= Version::V2025_03_26 {
            // Without a session a server cannot know for whom to speak.
            return;
        }
        let wire = Self {
            endpoint: self.endpoint.clone(),
            session: Arc::clone(&self.session),
            closed: self.closed.clone(),
            retry_ms: Arc::clone(&self.retry_ms),
        };
        let weak = Arc::downgrade(link);
        let (heard, hearing) = oneshot::channel();
        let mut heard = Some(heard);
        tokio::spawn(async move {
            let closed = wire.closed.clone();
            let listening = async {
                let mut last_event: Option<String> = None;
                while let Some(link) = weak.upgrade() {
                    let mut headers = HeaderMap::new();
                    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
                    wire.address(&mut headers, version);
                    let event = last_event.as_deref().map(HeaderValue::from_str);
                    if let Some(Ok(value)) = event {
                        headers.insert(LAST_EVENT, value);
                    }
                    let url = &wire.endpoint.url;
                    let got = wire.endpoint.send(Method::GET, url, headers, Bytes::new()).await;
                    if let Some(heard) = heard.take() {
                        // Whoever waited may have stopped.
                        let _ = heard.send(());
                    }
                    match got {
                        Ok(response) if response.status == 200 && is_stream(&response.headers) => {
                            let reader =
                                Reader { link: &link, request: None, retry_ms: &wire.retry_ms };
                            let Ok(read) = reader.read(response.body).await else { return };
                            last_event = read.last_event.or(last_event);
                        }
                        Ok(response) if (500..600).contains(&response.status) => {}
                        // It has no such stream.
                        Ok(_) => return,
                        Err(_) => {}
                    }
                    drop(link);
                    let wait = wire.retry_ms.load(Ordering::Relaxed).min(RESUME_MS_MAX);
                    tokio::time::sleep(Duration::from_millis(wait.max(100))).await;
                }
            };
            tokio::select! {
                () = closed.cancelled() => {}
                () = listening => {}
            }
        });
        // Some servers send not even headers before they have something to say.
        let _ = tokio::time::timeout(HEARING_WITHIN, hearing).await;
    }

    fn cancels_by_closing(&self, version: Option<Version>) -> bool {
        version.is_some_and(Version::is_modern)
    }

    fn has_exchanges(&self) -> bool {
        true
    }

    async fn close(&self) {
        self.closed.cancel();
        let session = self.session.lock().take();
        let Some(session) = session else { return };
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(&session) {
            headers.insert(SESSION, value);
        }
        let url = &self.endpoint.url;
        let leaving = self.endpoint.send(Method::DELETE, url, headers, Bytes::new());
        let _ = tokio::time::timeout(Duration::from_secs(2), leaving).await;
    }
}
