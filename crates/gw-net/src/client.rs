//! The client: one request out, one answer back, in time or not at all.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gw_core::reservation::Reservation;
use gw_core::seam::{IncomingResponse, OutgoingRequest, Timeouts, Upstream};
use gw_core::{Error, Kind, Result};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, Uri};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::client::legacy::{self, Client as Pool};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};
use url::Url;

use crate::body::{self, Bounds};
use crate::connector::Connector;
use crate::failure::{Peer, Waited};
use crate::guard;
use crate::options::NetOptions;
use crate::proxy::Proxies;
use crate::tls;
use crate::upload::Upload;

/// HTTP/2 windows, in bytes. The protocol's default of 64 KiB stalls large answers on long ways.
const STREAM_WINDOW_BYTES: u32 = 2 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// How often a busy HTTP/2 connection is probed, and how long the probe may take. A dead one
/// would otherwise be handed out again and again.
const HTTP2_PROBE_EVERY: Duration = Duration::from_secs(20);
const HTTP2_PROBE_WITHIN: Duration = Duration::from_secs(20);

/// Headers that belong to the connection, which only the client itself may set (RFC 9110, 7.6.1),
/// and `Accept-Encoding`: bodies are wanted as they are.
const OWN_HEADERS: [HeaderName; 9] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::UPGRADE,
    header::PROXY_AUTHORIZATION,
    header::ACCEPT_ENCODING,
    header::EXPECT,
];

/// The outgoing client. Cheap to clone; clones share the pools.
#[derive(Clone)]
pub struct Client {
    pool: Pool<HttpsConnector<Connector>, Upload>,
    proxies: Arc<Proxies>,
    user_agent: Option<HeaderValue>,
}

impl Client {
    /// Builds a client; no connection is made yet.
    ///
    /// # Errors
    /// [`Kind::NotConfigured`] for a proxy address, certificate or user agent that cannot be used.
    pub fn new(options: &NetOptions) -> Result<Self> {
        let proxies = Arc::new(Proxies::new(options)?);
        let user_agent = match options.user_agent.as_str() {
            "" => None,
            text => Some(HeaderValue::from_str(text).map_err(|_| {
                Error::new(Kind::NotConfigured, "the user agent has characters no header may have")
                    .with_field("user_agent")
            })?),
        };
        let tls = tls::client_config(&options.extra_roots_pem)?;
        let connector = Connector::new(options, Arc::clone(&proxies), tls.clone());
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(connector);
        let pool = Pool::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_millis(options.pool_idle_ms))
            .pool_max_idle_per_host(options.pool_idle_per_host_max)
            .http2_initial_stream_window_size(STREAM_WINDOW_BYTES)
            .http2_initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_keep_alive_interval(HTTP2_PROBE_EVERY)
            .http2_keep_alive_timeout(HTTP2_PROBE_WITHIN)
            // Only a request of which a pooled connection sent nothing, because it was already
            // closed, goes out again.
            .retry_canceled_requests(true)
            .build(connector);
        Ok(Self { pool, proxies, user_agent })
    }

    /// Sends a request to another gateway, which reserves and bills it: for the command line, never
    /// for a provider. It is no part of [`Upstream`], so the engine cannot reach it. Trailers come
    /// once the body has been read to its end; the receiver fails where there were none.
    ///
    /// # Errors
    /// Those of [`Upstream::send`].
    pub async fn to_gateway(
        &self,
        request: OutgoingRequest,
    ) -> Result<(IncomingResponse, oneshot::Receiver<HeaderMap>)> {
        let (sender, trailers) = oneshot::channel();
        Ok((self.exchange(request, Some(sender)).await?, trailers))
    }

    /// Sends a request to a tool server, which bills nobody: for MCP, never for a provider. It is no
    /// part of [`Upstream`], so the engine cannot reach it.
    ///
    /// # Errors
    /// Those of [`Upstream::send`].
    pub async fn to_tool_server(&self, request: OutgoingRequest) -> Result<IncomingResponse> {
        self.exchange(request, None).await
    }

    /// Posts a message that no model answers and nobody charges for: an alert to the operator's own
    /// address. It is no part of [`Upstream`], so the engine cannot reach it.
    ///
    /// # Errors
    /// Those of [`Upstream::send`].
    pub async fn deliver(&self, message: OutgoingRequest) -> Result<IncomingResponse> {
        self.exchange(message, None).await
    }

    async fn exchange(
        &self,
        outgoing: OutgoingRequest,
        trailers: Option<oneshot::Sender<HeaderMap>>,
    ) -> Result<IncomingResponse> {
        let named = |error: Error| error.with_provider(outgoing.provider.clone());
        let url = guard::check_url(&outgoing.url).map_err(named)?;
        let uri: Uri = url.as_str().parse().map_err(|_| {
            named(Error::new(Kind::NotConfigured, "the provider's address cannot be requested"))
        })?;
        let peer = Peer { provider: outgoing.provider.clone(), host: host_of(&url) };
        let mut headers = self.headers(outgoing.headers, &uri);
        if trailers.is_some() {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        let (upload, bytes_left) = Upload::new(outgoing.body);
        let mut request = Request::new(upload);
        *request.method_mut() = outgoing.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;

        let timeouts = outgoing.timeouts;
        let total_at = after(timeouts.total_ms);
        let answering = self.answer(request, bytes_left, &timeouts, &peer);
        let response = match total_at {
            Some(total_at) => timeout_at(total_at, answering)
                .await
                .map_err(|_| peer.timeout(Waited::Total, timeouts.total_ms))??,
            None => answering.await?,
        };
        let (head, incoming) = response.into_parts();
        if let Some(encoding) = encoding_of(&head.headers) {
            return Err(peer.compressed(&encoding));
        }
        let bounds = Bounds {
            idle_ms: timeouts.idle_ms,
            total_ms: timeouts.total_ms,
            total_at,
            bytes_max: outgoing.response_bytes_max,
            trailers,
        };
        Ok(IncomingResponse {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body::stream_of(incoming, peer, bounds),
        })
    }

    /// Waits for the head of the answer, with the timeout of whichever phase is running: until a
    /// connection stands, between pieces of the upload, then until the first byte.
    async fn answer(
        &self,
        mut request: Request<Upload>,
        mut bytes_left: tokio::sync::watch::Receiver<usize>,
        timeouts: &Timeouts,
        peer: &Peer,
    ) -> Result<Response<Incoming>> {
        let mut captured = capture_connection(&mut request);
        let mut answering = Box::pin(self.pool.request(request));
        let finish =
            |answer: Result<_, legacy::Error>| answer.map_err(|error| peer.unreachable(error));

        let connected = async {
            let _ = captured.wait_for_connection_metadata().await;
        };
        tokio::select! {
            biased;
            answer = &mut answering => return finish(answer),
            () = connected => {}
            () = pause(timeouts.connect_ms) => {
                return Err(peer.timeout(Waited::Connect, timeouts.connect_ms));
            }
        }
        while *bytes_left.borrow_and_update() > 0 {
            tokio::select! {
                biased;
                answer = &mut answering => return finish(answer),
                changed = bytes_left.changed() => {
                    if changed.is_err() {
                        break;
                    }
                }
                () = pause(timeouts.idle_ms) => {
                    return Err(peer.timeout(Waited::Upload, timeouts.idle_ms));
                }
            }
        }
        tokio::select! {
            biased;
            answer = &mut answering => finish(answer),
            () = pause(timeouts.first_byte_ms) => {
                Err(peer.timeout(Waited::FirstByte, timeouts.first_byte_ms))
            }
        }
    }

    fn headers(&self, mut headers: HeaderMap, target: &Uri) -> HeaderMap {
        for name in OWN_HEADERS {
            headers.remove(name);
        }
        if let Some(user_agent) = &self.user_agent
            && !headers.contains_key(header::USER_AGENT)
        {
            headers.insert(header::USER_AGENT, user_agent.clone());
        }
        // A tunnel logs in with CONNECT; a forwarded request does it in its own head.
        if target.scheme_str() == Some("http")
            && let Some(authorization) =
                self.proxies.for_target(target).and_then(|proxy| proxy.authorization.clone())
        {
            headers.insert(header::PROXY_AUTHORIZATION, authorization);
        }
        headers
    }
}

#[async_trait]
impl Upstream for Client {
    async fn send(
        &self,
        _hold: &Reservation,
        request: OutgoingRequest,
    ) -> Result<IncomingResponse> {
        self.exchange(request, None).await
    }

    async fn fetch(&self, request: OutgoingRequest) -> Result<IncomingResponse> {
        if request.method != Method::GET {
            return Err(Error::internal("only GET may be sent without a reservation")
                .with_provider(request.provider));
        }
        self.exchange(request, None).await
    }
}

/// When so many milliseconds from now will have passed; 0 is never.
pub(crate) fn after(ms: u64) -> Option<Instant> {
    if ms == 0 {
        return None;
    }
    Instant::now().checked_add(Duration::from_millis(ms))
}

async fn pause(ms: u64) {
    match after(ms) {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// The encoding of a body that is not plain.
fn encoding_of(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_ENCODING)?.to_str().unwrap_or("unknown").trim();
    let is_plain = value.is_empty() || value.eq_ignore_ascii_case("identity");
    (!is_plain).then(|| value.chars().take(32).collect())
}
