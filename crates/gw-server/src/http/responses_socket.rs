//! The WebSocket of OpenAI's responses, as Codex speaks it: `response.create` messages one after the
//! other, each answered by the events of its stream, one a message.
//!
//! The connection remembers its last response, so that a turn sends only what is new even where
//! nothing is kept in the store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use gw_core::event::StreamEvent;
use gw_core::limits::{SOCKET_IDLE_MS_MAX, SOCKET_MESSAGES_WAITING_MAX, SOCKETS_MAX};
use gw_core::seam::{ClientStream, DialectId};
use gw_core::usage::UsageReport;
use gw_core::{Error, Kind};
use http::HeaderMap;
use http_body_util::BodyExt;
use serde_json::{Map, Value, json};
use tokio::sync::OwnedSemaphorePermit;

use crate::app::Server;
use crate::ask;
use crate::auth::Caller;
use crate::errors::Refusal;
use crate::http::responses;
use crate::kept::{self, Recent};
use crate::surface::Surface;

/// Opens the connection.
pub(super) fn open(
    server: Arc<Server>,
    headers: HeaderMap,
    caller: Caller,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Ok(place) = Arc::clone(&server.sockets).try_acquire_owned() else {
        let message =
            format!("{SOCKETS_MAX} WebSockets are open, which is as many as there may be");
        return Refusal::from(Error::new(Kind::RateLimited, message)).into_response();
    };
    let bytes_max = server.app.options.body_bytes_max;
    upgrade.max_message_size(bytes_max).max_frame_size(bytes_max).on_upgrade(move |socket| {
        let waiting = VecDeque::new();
        let session =
            Session { server, headers, caller, socket, recent: None, waiting, _place: place };
        session.run()
    })
}

struct Session {
    server: Arc<Server>,
    headers: HeaderMap,
    caller: Caller,
    socket: WebSocket,
    /// What was said last.
    recent: Option<Recent>,
    /// Messages that came while another was answered.
    waiting: VecDeque<Bytes>,
    _place: OwnedSemaphorePermit,
}

/// The client is gone, or has to go.
struct Gone;

/// A message that asks for a response.
struct Create {
    body: Bytes,
    /// False for a message that only makes the next one shorter.
    generates: bool,
}

impl Session {
    async fn run(mut self) {
        while let Ok(message) = self.receive().await {
            let answered = match read(&message) {
                Ok(create) => self.answer(create).await,
                Err(error) => self.refuse(Refusal::from(error)).await,
            };
            if answered.is_err() {
                return;
            }
        }
    }

    /// The next message. A silent connection is pinged, and closed when it was silent for long or
    /// the gateway stops.
    async fn receive(&mut self) -> Result<Bytes, Gone> {
        let ping_ms = self.server.app.options.keep_alive_ms.max(1);
        let mut silent_ms = 0_u64;
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Ok(message);
            }
            if self.server.app.lifecycle.is_stopping() || silent_ms > SOCKET_IDLE_MS_MAX {
                let reason = "come back with a new connection".into();
                let frame = CloseFrame { code: close_code::AWAY, reason };
                let _ = self.socket.send(Message::Close(Some(frame))).await;
                return Err(Gone);
            }
            let received = self.socket.recv();
            match tokio::time::timeout(Duration::from_millis(ping_ms), received).await {
                Ok(received) => self.take(received)?,
                Err(_) => {
                    silent_ms = silent_ms.saturating_add(ping_ms);
                    self.ping().await?;
                }
            }
        }
    }

    fn take(&mut self, received: Option<Result<Message, axum::Error>>) -> Result<(), Gone> {
        match received {
            Some(Ok(Message::Text(text))) => self.waiting.push_back(Bytes::from(text)),
            Some(Ok(Message::Binary(bytes))) => self.waiting.push_back(bytes),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Gone),
        }
        if self.waiting.len() > SOCKET_MESSAGES_WAITING_MAX { Err(Gone) } else { Ok(()) }
    }

    async fn ping(&mut self) -> Result<(), Gone> {
        self.socket.send(Message::Ping(Bytes::new())).await.map_err(|_| Gone)
    }

    async fn answer(&mut self, create: Create) -> Result<(), Gone> {
        if !create.generates {
            return self.warm_up(create.body).await;
        }
        let answered = responses::on_socket(
            &self.server,
            &self.headers,
            self.caller.clone(),
            create.body,
            self.recent.as_ref(),
        )
        .await;
        match answered {
            Ok((response, turn)) => self.forward(response.into_body(), turn.all).await,
            Err(refusal) => self.refuse(refusal).await,
        }
    }

    /// Remembers what the message holds and answers without calling a model.
    async fn warm_up(&mut self, body: Bytes) -> Result<(), Gone> {
        let known = self.recent.as_ref();
        let (events, recent) = match warmed(&self.server, &self.caller, body, known).await {
            Ok(warmed) => warmed,
            Err(error) => return self.refuse(Refusal::from(error)).await,
        };
        self.recent = Some(recent);
        for event in split(&mut BytesMut::from(&events[..])) {
            self.send(event).await?;
        }
        Ok(())
    }

    /// Sends the events of a stream, and listens whether the client still does.
    async fn forward(&mut self, mut body: Body, mut items: Vec<Value>) -> Result<(), Gone> {
        let mut held = BytesMut::new();
        loop {
            let frame = tokio::select! {
                frame = body.frame() => frame,
                received = self.socket.recv() => {
                    self.take(received)?;
                    // Dropping the stream stops the model.
                    if self.waiting.back().is_some_and(|message| is_cancel(message)) {
                        self.waiting.pop_back();
                        return self.cancelled().await;
                    }
                    continue;
                }
            };
            let Some(frame) = frame else { return Ok(()) };
            let Ok(frame) = frame else { return Err(Gone) };
            let Ok(data) = frame.into_data() else { continue };
            held.extend_from_slice(&data);
            let events = split(&mut held);
            if events.is_empty() {
                self.ping().await?;
            }
            for event in events {
                if let Some(response) =
                    is_last(&event).then(|| kept::finished(&as_event(&event))).flatten()
                {
                    items.extend(kept::outputs(&response));
                    let id = response["id"].as_str().unwrap_or_default().to_owned();
                    self.recent = Some(Recent { id, items: std::mem::take(&mut items) });
                }
                self.send(event).await?;
            }
        }
    }

    async fn cancelled(&mut self) -> Result<(), Gone> {
        let event = json!({"type": "response.failed", "response": {
            "status": "cancelled", "output": [],
            "error": {"code": "cancelled", "message": "the client cancelled the response"}}});
        self.send(event.to_string()).await
    }

    async fn send(&mut self, text: String) -> Result<(), Gone> {
        let patience = Duration::from_millis(gw_core::limits::CLIENT_STALL_MS_MAX);
        let sent = tokio::time::timeout(patience, self.socket.send(Message::text(text))).await;
        if matches!(sent, Ok(Ok(()))) { Ok(()) } else { Err(Gone) }
    }

    /// Tells of an error as OpenAI does on this connection: with the status that HTTP would have.
    async fn refuse(&mut self, refusal: Refusal) -> Result<(), Gone> {
        let response = refusal.render(&self.server, Surface::OpenAi);
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let mut body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let mut error = body.get_mut("error").map(Value::take).unwrap_or_default();
        if error["param"] == "previous_response_id" {
            // The word by which clients know that they have to send everything.
            error["code"] = json!("previous_response_not_found");
        }
        let headers: Map<String, Value> = parts
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), json!(value.to_str().ok()?))))
            .collect();
        let event = json!({
            "type": "error", "status": parts.status.as_u16(), "error": error, "headers": headers,
        });
        self.send(event.to_string()).await
    }
}

/// The events that answer a message which generates nothing, and what is remembered of it.
async fn warmed(
    server: &Server,
    caller: &Caller,
    body: Bytes,
    recent: Option<&Recent>,
) -> Result<(Vec<u8>, Recent), Error> {
    let turn = kept::turn(server, kept::owner(caller), body, true, recent).await?;
    let dialect = ask::spoken(server, DialectId::OpenAiResponses)?;
    let request = dialect.decode_request(&turn.body)?;
    let mut bytes = [0_u8; 16];
    server.app.engine.resources().entropy.fill(&mut bytes);
    let id = format!("resp_{}", hex(&bytes));
    let mut encoder = dialect.stream_encoder(ClientStream {
        model: request.model.clone(),
        include_usage: true,
        created_s: server.now_ms().div_euclid(1_000),
        fallback_id: id.clone(),
        echo: dialect.echo(&request),
        ..ClientStream::default()
    });
    let mut out = Vec::new();
    encoder.push(&StreamEvent::Usage(UsageReport::default()), &mut out);
    encoder.push(&StreamEvent::End, &mut out);
    Ok((out, Recent { id, items: turn.all }))
}

/// Reads a message.
fn read(message: &[u8]) -> Result<Create, Error> {
    let value: Value = serde_json::from_slice(message).map_err(|error| {
        Error::new(Kind::InvalidJson, format!("the message is not JSON: {error}"))
    })?;
    let Value::Object(mut object) = value else {
        return Err(Error::new(Kind::InvalidRequest, "the message must be a JSON object"));
    };
    match object.shift_remove("type").as_ref().and_then(Value::as_str) {
        Some("response.create") => {}
        _ => {
            return Err(Error::bad_field("type", "`type` must be `response.create`"));
        }
    }
    // Some clients wrap the request, as on the realtime connection.
    if let Some(Value::Object(inner)) = object.get_mut("response") {
        object = std::mem::take(inner);
    }
    let generates = object.get("generate") != Some(&Value::Bool(false));
    if generates {
        object.shift_remove("generate");
    }
    object.insert("stream".to_owned(), Value::Bool(true));
    Ok(Create { body: Bytes::from(Value::Object(object).to_string()), generates })
}

fn is_cancel(message: &[u8]) -> bool {
    serde_json::from_slice::<Value>(message).is_ok_and(|it| it["type"] == "response.cancel")
}

/// Takes the whole events off a stream: the data of each. Comments say nothing.
fn split(held: &mut BytesMut) -> Vec<String> {
    let mut events = Vec::new();
    while let Some(end) = end_of_event(held) {
        let event = held.split_to(end);
        let text = String::from_utf8_lossy(&event);
        let data: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(str::trim_start)
            .collect();
        let data = data.join("\n");
        if !data.is_empty() && data != "[DONE]" {
            events.push(data);
        }
    }
    events
}

/// Where the first event ends, its empty line included.
fn end_of_event(held: &[u8]) -> Option<usize> {
    let short = held.windows(2).position(|pair| pair == b"\n\n").map(|at| at + 2);
    let long = held.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
    match (short, long) {
        (Some(short), Some(long)) => Some(short.min(long)),
        (short, long) => short.or(long),
    }
}

/// True for an event that may end a response; cheap, because every piece of an answer is asked.
fn is_last(event: &str) -> bool {
    let start = &event[..event.floor_char_boundary(96)];
    start.contains("response.completed") || start.contains("response.incomplete")
}

fn as_event(data: &str) -> Vec<u8> {
    format!("data: {data}\n\n").into_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::{read, split};

    #[test]
    fn messages_become_bodies() {
        let body = |text: &str| {
            let create = read(text.as_bytes()).ok()?;
            Some((String::from_utf8(create.body.to_vec()).ok()?, create.generates))
        };
        assert_eq!(
            body(r#"{"type":"response.create","model":"m","input":[]}"#),
            Some((r#"{"model":"m","input":[],"stream":true}"#.to_owned(), true))
        );
        assert_eq!(
            body(r#"{"type":"response.create","response":{"model":"m"}}"#),
            Some((r#"{"model":"m","stream":true}"#.to_owned(), true))
        );
        let warm = body(r#"{"type":"response.create","model":"m","generate":false}"#);
        assert_eq!(warm.map(|(_, generates)| generates), Some(false));
        for wrong in ["", "[]", "{}", r#"{"type":"session.update"}"#] {
            assert_eq!(body(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn events_are_taken_off_whole() {
        let mut held = BytesMut::from("event: a\ndata: {\"n\":1}\n\n: keep-alive\n\ndata: {\"n\"");
        assert_eq!(split(&mut held), [r#"{"n":1}"#]);
        held.extend_from_slice(b":2}\r\n\r\ndata: [DONE]\n\n");
        assert_eq!(split(&mut held), [r#"{"n":2}"#]);
        assert!(held.is_empty());
    }
}
