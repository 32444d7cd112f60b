//! A plain HTTP client that tells how an answer ended.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gw_simulator::{Simulator, SimulatorOptions};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// The most a single wait may take before it counts as hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Whole,
    Closed,
    Reset,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// How many pieces the body came in.
    pub(crate) pieces: usize,
    pub(crate) end: End,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub(crate) async fn send(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Answer {
    let exchange = async {
        let response = match sender.send_request(request).await {
            Ok(response) => response,
            Err(error) => panic!("no answer: {error:?}"),
        };
        let (head, mut body) = response.into_parts();
        let mut answer = Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: Vec::new(),
            pieces: 0,
            end: End::Whole,
        };
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => {
                    answer.body.extend_from_slice(&frame.into_data().unwrap());
                    answer.pieces += 1;
                }
                Err(error) => answer.end = end_of(&error),
            }
        }
        answer
    };
    tokio::time::timeout(PATIENCE, exchange).await.expect("the answer does not end")
}

fn end_of(error: &hyper::Error) -> End {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<std::io::Error>()
            && error.kind() == std::io::ErrorKind::ConnectionReset
        {
            return End::Reset;
        }
        source = error.source();
    }
    End::Closed
}

pub(crate) fn post(path: &str, body: &Value) -> Request<Full<Bytes>> {
    Request::post(path).header("host", "sim").body(Full::from(body.to_string())).unwrap()
}

pub(crate) async fn simulator() -> Simulator {
    Simulator::start(SimulatorOptions::default()).await.unwrap()
}

pub(crate) const CHAT: &str = "/v1/chat/completions";
pub(crate) const MESSAGES: &str = "/v1/messages";

/// A request of either format to a model whose name carries a fault.
pub(crate) fn ask(fault: &str, is_streaming: bool) -> Value {
    json!({
        "model": if fault.is_empty() { "sim-small".to_owned() } else { format!("fault:{fault}") },
        "max_tokens": 400,
        "stream": is_streaming,
        "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "How do you do?"}],
    })
}

pub(crate) async fn asked(simulator: &Simulator, path: &str, body: &Value) -> Answer {
    send(&mut connect(simulator.addr()).await, post(path, body)).await
}
