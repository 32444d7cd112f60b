//! Servers that do just what a test says, and the requests to send them.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use gw_core::money::Money;
use gw_core::principal::Principal;
use gw_core::reservation::{Claim, Reservation};
use gw_core::seam::{BudgetStore, IncomingResponse, OutgoingRequest, Timeouts};
use gw_core::{CallId, Error};
use gw_net::{Client, NetOptions};
use http::{HeaderMap, Method};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The most any single wait of a test may take before it counts as hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `script` for every connection, with its number from 0.
pub(crate) async fn serve<F, S>(script: S) -> SocketAddr
where
    S: Fn(usize, TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((socket, _)) = listener.accept().await {
            socket.set_nodelay(true).unwrap();
            tokio::spawn(script(number, socket));
            number += 1;
        }
    });
    address
}

/// Reads one request head; empty where the peer closed.
pub(crate) async fn read_head(socket: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return String::new(),
        }
    }
    String::from_utf8(head).unwrap()
}

/// Writes an answer with a `Content-Length`.
pub(crate) async fn answer(socket: &mut TcpStream, head: &str, body: &str) {
    let text = format!("HTTP/1.1 {head}content-length: {}\r\n\r\n{body}", body.len());
    socket.write_all(text.as_bytes()).await.unwrap();
}

/// A server that sends `response` once it has read a head, then holds the connection.
pub(crate) async fn serve_text(response: &'static str) -> SocketAddr {
    serve(move |_, mut socket| async move {
        read_head(&mut socket).await;
        socket.write_all(response.as_bytes()).await.unwrap();
        read_head(&mut socket).await;
    })
    .await
}

pub(crate) fn client() -> Client {
    Client::new(&NetOptions::default()).unwrap()
}

pub(crate) fn get(url: impl Into<String>) -> OutgoingRequest {
    OutgoingRequest {
        provider: "sim".into(),
        method: Method::GET,
        url: url.into(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        timeouts: Timeouts {
            connect_ms: 10_000,
            first_byte_ms: 10_000,
            idle_ms: 10_000,
            total_ms: 0,
        },
        response_bytes_max: 1 << 20,
    }
}

pub(crate) fn post(url: impl Into<String>, body: impl Into<Bytes>) -> OutgoingRequest {
    OutgoingRequest { method: Method::POST, body: body.into(), ..get(url) }
}

/// The error of an exchange that must not be answered.
pub(crate) fn refusal(answer: Result<IncomingResponse, Error>) -> Error {
    match answer {
        Ok(answer) => panic!("answered with {}", answer.status),
        Err(error) => error,
    }
}

/// Reads a body to its end or its error.
pub(crate) async fn read(mut response: IncomingResponse) -> Result<String, Error> {
    let mut text = Vec::new();
    let reading = async {
        while let Some(piece) = response.body.next().await {
            text.extend_from_slice(&piece?);
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("the body neither ends nor fails")?;
    Ok(String::from_utf8(text).unwrap())
}

struct Bottomless;

#[async_trait]
impl BudgetStore for Bottomless {
    async fn reserve(&self, _claim: &Claim) -> Result<u64, Error> {
        Ok(1)
    }
    fn settle(&self, _ticket: u64, _claim: &Claim, _spent: Money, _tokens: u64) {}
    fn release(&self, _ticket: u64, _claim: &Claim) {}
}

pub(crate) async fn hold() -> Reservation {
    let call_id = CallId::parse("01890000-0000-7000-8000-000000000000").unwrap();
    let claim = Claim::new(call_id, Principal::default(), 0);
    Reservation::make(Arc::new(Bottomless), claim).await.unwrap()
}
