//! From a target to a connected socket: directly, by a forward proxy or through a tunnel.
//!
//! TLS to the target is laid over what this gives, by `hyper-rustls`.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower::Service;

use crate::options::NetOptions;
use crate::proxy::{Proxies, Proxy};
use crate::resolver::GuardedResolver;

/// Longest answer of a proxy to CONNECT, in bytes.
const TUNNEL_ANSWER_BYTES_MAX: usize = 8 * 1024;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Socket = MaybeHttpsStream<TokioIo<TcpStream>>;

/// What can go wrong on the way that the io errors do not tell.
#[derive(Debug)]
pub(crate) enum WayError {
    /// The name has no address.
    Dns(io::Error),
    /// The name resolves to metadata services only.
    Metadata,
    /// The proxy answered CONNECT with this status; 0 for what was no HTTP.
    Tunnel(u16),
    /// The way to the proxy itself.
    Proxy(BoxError),
}

impl fmt::Display for WayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(_) => f.write_str("the name does not resolve"),
            Self::Metadata => f.write_str("the name resolves to a cloud metadata service"),
            Self::Tunnel(status) => write!(f, "the proxy answered CONNECT with status {status}"),
            Self::Proxy(_) => f.write_str("the proxy is not reachable"),
        }
    }
}

impl std::error::Error for WayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Dns(error) => Some(error),
            Self::Proxy(error) => Some(&**error),
            Self::Metadata | Self::Tunnel(_) => None,
        }
    }
}

/// Connects to targets.
#[derive(Clone)]
pub(crate) struct Connector {
    direct: HttpConnector<GuardedResolver>,
    to_proxy: HttpsConnector<HttpConnector<GuardedResolver>>,
    proxies: Arc<Proxies>,
}

impl Connector {
    pub(crate) fn new(options: &NetOptions, proxies: Arc<Proxies>, tls: ClientConfig) -> Self {
        let mut direct = HttpConnector::new_with_resolver(GuardedResolver::new());
        direct.enforce_http(false);
        direct.set_nodelay(true);
        direct.set_connect_timeout(duration(options.connect_timeout_ms));
        direct.set_keepalive(duration(options.tcp_keepalive_ms));
        // A proxy is spoken to in HTTP/1.1 only: neither form of proxying needs more.
        let to_proxy = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(direct.clone());
        Self { direct, to_proxy, proxies }
    }
}

fn duration(ms: u64) -> Option<Duration> {
    (ms > 0).then(|| Duration::from_millis(ms))
}

impl Service<Uri> for Connector {
    type Response = Line;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Line, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.direct.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.for_target(&target).cloned() else {
            let connecting = self.direct.call(target);
            return Box::pin(async move {
                Ok(Line { socket: MaybeHttpsStream::Http(connecting.await?), is_forwarded: false })
            });
        };
        let connecting = self.to_proxy.call(proxy.uri.clone());
        Box::pin(async move {
            let socket = connecting.await.map_err(WayError::Proxy)?;
            if target.scheme_str() == Some("https") {
                let socket = tunnel(socket, &target, &proxy).await?;
                Ok(Line { socket, is_forwarded: false })
            } else {
                Ok(Line { socket, is_forwarded: true })
            }
        })
    }
}

/// Asks the proxy for a tunnel (RFC 9110, section 9.3.6).
async fn tunnel(socket: Socket, target: &Uri, proxy: &Proxy) -> Result<Socket, WayError> {
    let host = target.host().unwrap_or_default();
    let port = target.port_u16().unwrap_or(443);
    let mut request =
        format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
    if let Some(authorization) = &proxy.authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");

    let broken = |error: io::Error| WayError::Proxy(error.into());
    let mut socket = TokioIo::new(socket);
    socket.write_all(&request).await.map_err(broken)?;
    socket.flush().await.map_err(broken)?;

    // Nothing follows the head before the client speaks TLS, so reading in blocks loses nothing.
    let mut head = Vec::with_capacity(512);
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if head.len() > TUNNEL_ANSWER_BYTES_MAX {
            return Err(WayError::Tunnel(0));
        }
        if socket.read_buf(&mut head).await.map_err(broken)? == 0 {
            return Err(broken(io::ErrorKind::UnexpectedEof.into()));
        }
    }
    match tunnel_status(&head) {
        200..=299 => Ok(socket.into_inner()),
        status => Err(WayError::Tunnel(status)),
    }
}

fn tunnel_status(head: &[u8]) -> u16 {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let Some(("HTTP/1.0" | "HTTP/1.1", rest)) =
        std::str::from_utf8(line).ok().and_then(|line| line.split_once(' '))
    else {
        return 0;
    };
    rest.split(' ').next().and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// A connected socket, before TLS to the target.
pub(crate) struct Line {
    socket: Socket,
    is_forwarded: bool,
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        // `proxy(true)` makes hyper write the target's whole address into the request line.
        Connected::new().proxy(self.is_forwarded)
    }
}

impl Read for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl Write for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, pieces)
    }
}
