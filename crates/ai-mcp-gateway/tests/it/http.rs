//! A plain HTTP client: one connection a request, nothing retried, nothing hidden.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::gateway::PATIENCE;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
    /// False where the connection broke before the end.
    pub(crate) is_whole: bool,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// The body of a 200.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// An answer whose body is still to come. Dropped, the client is gone.
pub(crate) struct Open {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    connection: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Open {
    /// The next piece of the body; `None` at its end.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        loop {
            let frame = timeout(PATIENCE, self.body.frame()).await.expect("the body hangs")?;
            match frame {
                Ok(frame) => match frame.into_data() {
                    Ok(piece) => return Some(Ok(piece)),
                    Err(_) => continue,
                },
                Err(error) => return Some(Err(error)),
            }
        }
    }

    pub(crate) async fn whole(mut self) -> Reply {
        let mut reply = Reply {
            status: self.status,
            headers: std::mem::take(&mut self.headers),
            body: Bytes::new(),
            trailers: HeaderMap::new(),
            is_whole: true,
        };
        let mut body = Vec::new();
        while let Some(frame) = timeout(PATIENCE, self.body.frame()).await.expect("the body hangs")
        {
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(piece)) => body.extend_from_slice(&piece),
                Ok(Err(frame)) => reply.trailers = frame.into_trailers().unwrap(),
                Err(_) => {
                    reply.is_whole = false;
                    break;
                }
            }
        }
        reply.body = body.into();
        reply
    }
}

pub(crate) async fn open(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Open {
    try_open(address, method, path, headers, body).await.expect("no answer")
}

/// Like [`open`], where the other side may be gone.
pub(crate) async fn try_open(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Option<Open> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
    let connection = tokio::spawn(async move {
        let _ = connection.await;
    });
    let mut request = Request::builder().method(method).uri(path);
    request = request.header("host", address.to_string());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body)).unwrap();
    let response =
        timeout(PATIENCE, sender.send_request(request)).await.expect("no answer in time");
    let (head, body) = response.ok()?.into_parts();
    Some(Open { status: head.status.as_u16(), headers: head.headers, body, connection })
}

pub(crate) async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Reply {
    open(address, method, path, headers, body).await.whole().await
}

/// Sends bytes as they are and gives what comes back until the connection closes.
pub(crate) async fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The other side may answer and close before it has read everything.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("no answer in time");
    String::from_utf8_lossy(&answer).into_owned()
}
