//! Accepts connections: HTTP/1.1 and HTTP/2 without TLS on one port.
//!
//! Not `axum::serve`: that sets no TCP_NODELAY, without which streams stall, and has no bound on
//! connections, on the time a client may take for its headers, or on the wait at shutdown.

mod first_bytes;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::app::Lifecycle;
use first_bytes::FirstBytes;

/// Most headers of one request.
const HEADERS_MAX: usize = 200;

/// Most bytes of a request's headers.
const HEADER_BYTES_MAX: u32 = 64 * 1024;

/// Most requests under way on one HTTP/2 connection.
const STREAMS_MAX: u32 = 256;

/// How long to wait after the system refuses a connection for want of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How connections are served.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Connections at one time; more wait in the system's queue.
    pub connections_max: usize,
    /// How long a client may take for its headers, in milliseconds.
    pub header_timeout_ms: u64,
    /// How long requests under way may take once the process is to stop, in milliseconds.
    pub grace_ms: u64,
    /// Told when the process is to stop.
    pub lifecycle: Lifecycle,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            header_timeout_ms: 30_000,
            grace_ms: 30_000,
            lifecycle: Lifecycle::default(),
        }
    }
}

/// Serves until `shutdown` is done, then lets requests under way end within the grace.
///
/// # Errors
/// Only where the listener itself is broken.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send,
    options: ServeOptions,
) -> io::Result<()> {
    let builder = Arc::new(builder(&options));
    let header_timeout = Duration::from_millis(options.header_timeout_ms);
    let places = Arc::new(Semaphore::new(options.connections_max.clamp(1, Semaphore::MAX_PERMITS)));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &places) => accepted?,
        };
        let Some((stream, place)) = accepted else { continue };
        let (builder, router, watcher) = (Arc::clone(&builder), router.clone(), graceful.watcher());
        connections.spawn(async move {
            connection(&builder, stream, router, watcher, header_timeout).await;
            drop(place);
        });
    }
    options.lifecycle.stop();
    drop(listener);
    finish(graceful, connections, Duration::from_millis(options.grace_ms)).await;
    Ok(())
}

type Place = tokio::sync::OwnedSemaphorePermit;

/// The next connection, once there is room for it; `None` where the system refused one.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<Option<(TcpStream, Place)>> {
    let Ok(place) = Arc::clone(places).acquire_owned().await else { return Ok(None) };
    match listener.accept().await {
        Ok((stream, _)) => {
            // A socket that is gone already will say so when it is read.
            let _ = stream.set_nodelay(true);
            Ok(Some((stream, place)))
        }
        Err(error) if is_fatal(&error) => Err(error),
        Err(error) => {
            tracing::warn!(%error, "a connection was not accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            Ok(None)
        }
    }
}

/// Faults of one connection, or a passing want of file handles, do not end the service.
fn is_fatal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}

fn builder(options: &ServeOptions) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(options.header_timeout_ms))
        .max_headers(HEADERS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEADER_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(30));
    builder
}

async fn connection(
    builder: &auto::Builder<TokioExecutor>,
    stream: TcpStream,
    router: Router,
    watcher: Watcher,
    header_timeout: Duration,
) {
    let io = TokioIo::new(FirstBytes::new(stream, header_timeout));
    let serving =
        builder.serve_connection_with_upgrades(io, TowerToHyperService::new(router)).into_owned();
    if let Err(error) = watcher.watch(serving).await {
        // Clients leave; that is no fault of anybody.
        tracing::debug!(%error, "connection ended");
    }
}

/// Lets connections end by themselves, and cuts those that do not.
async fn finish(graceful: GracefulShutdown, mut connections: JoinSet<()>, grace: Duration) {
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!(left = connections.len(), "cutting connections that outlast the grace");
    }
    connections.shutdown().await;
}
