//! A running gateway, as the command line sees it.

use std::collections::VecDeque;

use bytes::BytesMut;
use futures_util::StreamExt;
use gw_core::chat::{Message, Role};
use gw_core::event::StreamEvent;
use gw_core::limits::RESPONSE_BODY_BYTES_MAX;
use gw_core::seam::{
    BodyStream, DialectId, OutgoingRequest, Quirks, StreamDecoder, Target, Timeouts,
};
use gw_core::unfold::unfold;
use gw_core::{Error, Kind, ProviderId, Result};
use gw_net::Client;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use secrecy::{ExposeSecret, SecretString};

use crate::talk::{About, Ask, Heard, Offered, Told};

/// Seconds are too short for a premium model that thinks.
const FIRST_BYTE_MS: u64 = 30 * 60 * 1_000;

/// Exact dollars: a header of whole answers, a trailer of streams.
const COST: &str = "x-gateway-cost-usd";

/// A running gateway.
pub(crate) struct Remote {
    client: Client,
    endpoint: String,
    key: Option<SecretString>,
}

impl Remote {
    pub(crate) fn new(client: Client, endpoint: &str, key: Option<String>) -> Self {
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        Self { client, endpoint, key: key.map(SecretString::from) }
    }

    /// Asks through `/v1/chat/completions`; a conversation is kept by the gateway.
    pub(crate) async fn ask(&self, mut ask: Ask) -> Result<Told> {
        if ask.escalate.is_some() && ask.request.messages.is_empty() {
            // The gateway keeps the request with its offer; the format wants a message all the same.
            ask.request.messages.push(Message::text(Role::System, "escalation confirmed"));
        }
        let dialect = gw_dialect::dialect(DialectId::OpenAiChat);
        let quirks = Quirks::default();
        let target = Target { model: &ask.request.model, quirks: &quirks, max_output_tokens: None };
        let wire = dialect.encode_request(&ask.request, &target)?;
        let mut headers = self.headers()?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut say = |name: &'static str, value: Option<String>| -> Result<()> {
            let Some(value) = value else { return Ok(()) };
            let value = HeaderValue::from_str(&value)
                .map_err(|_| Error::bad_field(name, "holds characters that no header can carry"))?;
            headers.insert(HeaderName::from_static(name), value);
            Ok(())
        };
        say("x-gateway-recall", ask.conversation.as_ref().map(|_| "history".to_owned()))?;
        say("x-gateway-conversation-id", ask.conversation)?;
        say("x-gateway-layer", ask.layer.map(|layer| layer.to_string()))?;
        say("x-gateway-max-layer", ask.max_layer.map(|layer| layer.to_string()))?;
        say("x-gateway-quality", ask.quality.map(|quality| quality.to_string()))?;
        say("x-gateway-cross-check", ask.cross_check.map(|it| it.to_string()))?;
        say("x-gateway-auto-escalate", ask.auto_escalate.map(|it| it.to_string()))?;
        say("x-gateway-escalation-token", ask.escalate)?;
        let url = format!("{}/v1{}", self.endpoint, wire.path);
        let request = self.outgoing(Method::POST, url, headers, wire.body);
        let sent = self.client.to_gateway(request).await;
        let (response, trailers) = sent.map_err(|error| self.unreachable(error))?;
        if !(200..300).contains(&response.status) {
            let body = read(response.body).await.unwrap_or_default();
            let error = dialect.decode_error(response.status, &response.headers, &body);
            return Err(as_said(error, response.status));
        }
        let about = about(&response.headers);
        let is_stream = response
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
        if !is_stream {
            let reply = dialect.decode_reply(&read(response.body).await?)?;
            let events = unfold(&reply).into_iter().map(Heard::Event);
            return Ok(Told { about, events: futures_util::stream::iter(events).boxed() });
        }
        let source = Source {
            body: Some(response.body),
            decoder: dialect.stream_decoder(),
            ready: VecDeque::new(),
        };
        let events = futures_util::stream::unfold(source, |mut source| async move {
            source.next().await.map(|event| (Heard::Event(event), source))
        });
        // What a stream cost is known at its end, and stands behind it.
        let cost = futures_util::stream::once(trailers).filter_map(|trailers| async move {
            let cost = text(trailers.ok().as_ref()?, COST);
            (!cost.is_empty()).then_some(Heard::Cost(cost))
        });
        let events = events.chain(cost);
        Ok(Told { about, events: events.boxed() })
    }

    /// Asks a door of our own; an error is what the gateway said, with its field and hint.
    pub(crate) async fn admin(
        &self,
        method: Method,
        path: &str,
        body: Option<bytes::Bytes>,
    ) -> Result<serde_json::Value> {
        let mut headers = self.headers()?;
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let url = format!("{}{path}", self.endpoint);
        let request = self.outgoing(method, url, headers, body.unwrap_or_default());
        let sent = self.client.to_gateway(request).await;
        let (response, _) = sent.map_err(|error| self.unreachable(error))?;
        let status = response.status;
        let body = read(response.body).await?;
        let document = serde_json::from_slice(&body);
        match document {
            Ok(document) if (200..300).contains(&status) => Ok(document),
            Ok(document) => Err(said(&document, status)),
            Err(error) => {
                let message = format!("{} answers {status} and no JSON", self.endpoint);
                Err(Error::new(Kind::ProviderMalformed, message)
                    .with_hint("Check that the address is that of a gateway.")
                    .with_source(error))
            }
        }
    }

    /// What a door of our own gives, as it is.
    pub(crate) async fn bytes(&self, path: &str) -> Result<Vec<u8>> {
        let url = format!("{}{path}", self.endpoint);
        let request = self.outgoing(Method::GET, url, self.headers()?, bytes::Bytes::new());
        let sent = self.client.to_gateway(request).await;
        let (response, _) = sent.map_err(|error| self.unreachable(error))?;
        let status = response.status;
        let body = read(response.body).await?;
        if (200..300).contains(&status) {
            return Ok(body.to_vec());
        }
        let document = serde_json::from_slice(&body).unwrap_or_default();
        Err(said(&document, status))
    }

    fn headers(&self) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        if let Some(key) = &self.key {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()))
                .map_err(|_| {
                    Error::bad_field("--api-key", "holds characters no header can carry")
                })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(headers)
    }

    fn outgoing(
        &self,
        method: Method,
        url: String,
        headers: HeaderMap,
        body: bytes::Bytes,
    ) -> OutgoingRequest {
        OutgoingRequest {
            provider: ProviderId::from("gateway"),
            method,
            url,
            headers,
            body,
            timeouts: Timeouts { first_byte_ms: FIRST_BYTE_MS, ..Timeouts::default() },
            response_bytes_max: RESPONSE_BODY_BYTES_MAX,
        }
    }

    fn unreachable(&self, error: Error) -> Error {
        if error.kind() != Kind::ProviderUnreachable {
            return error;
        }
        Error::new(Kind::ProviderUnreachable, format!("no gateway answers at {}", self.endpoint))
            .with_hint(
                "Start one with `ai-mcp-gateway serve`, or leave out --endpoint (--url, MCP_ENDPOINT, \
                 GATEWAY_URL) to work without one.",
            )
            .with_source(error)
    }
}

/// The gateway's own refusal: its kind follows from the status, its words are kept.
fn as_said(error: Error, status: u16) -> Error {
    let kind = match status {
        401 => Kind::Unauthenticated,
        402 => Kind::BudgetExhausted,
        403 => Kind::Forbidden,
        _ => return error,
    };
    Error::new(kind, error.message())
}

/// An error of a door of our own.
fn said(document: &serde_json::Value, status: u16) -> Error {
    let text = |name: &str| document.get(name).and_then(serde_json::Value::as_str);
    let by_code = Kind::ALL.iter().find(|kind| text("code") == Some(kind.row().code));
    let kind = by_code.copied().unwrap_or(Kind::ProviderFailed);
    let said = text("message").or_else(|| text("error"));
    let message = said.map_or_else(|| format!("the gateway answers {status}"), str::to_owned);
    let mut error = Error::new(kind, message);
    if let Some(field) = text("field") {
        error = error.with_field(field);
    }
    if let Some(hint) = text("hint") {
        error = error.with_hint(hint);
    }
    error
}

fn about(headers: &HeaderMap) -> About {
    About {
        call_id: text(headers, "x-gateway-call-id"),
        model: text(headers, "x-gateway-model"),
        layer: text(headers, "x-gateway-layer"),
        reason: text(headers, "x-gateway-route-reason"),
        cost_usd: text(headers, COST),
        is_demo: text(headers, "x-gateway-demo") == "true",
        offer: (text(headers, "x-gateway-escalation") == "required").then(|| Offered {
            layer: text(headers, "x-gateway-escalation-layer"),
            reason: text(headers, "x-gateway-escalation-reason"),
            cost_usd: text(headers, "x-gateway-escalation-cost-usd"),
            token: text(headers, "x-gateway-escalation-token"),
        }),
    }
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

async fn read(mut body: BodyStream) -> Result<bytes::Bytes> {
    let mut whole = BytesMut::new();
    while let Some(piece) = body.next().await {
        whole.extend_from_slice(&piece?);
    }
    Ok(whole.freeze())
}

/// Turns a body into events.
struct Source {
    body: Option<BodyStream>,
    decoder: Box<dyn StreamDecoder>,
    ready: VecDeque<StreamEvent>,
}

impl Source {
    async fn next(&mut self) -> Option<StreamEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let body = self.body.as_mut()?;
            let mut frames = Vec::new();
            let result = match body.next().await {
                Some(Ok(bytes)) => self.decoder.push(&bytes, &mut frames).map(|()| true),
                Some(Err(error)) => Err(error),
                None => self.decoder.finish(&mut frames).map(|()| false),
            };
            self.ready.extend(frames.into_iter().flat_map(|frame| frame.events));
            match result {
                Ok(true) => {}
                Ok(false) => self.body = None,
                Err(error) => {
                    self.body = None;
                    self.ready.push_back(StreamEvent::Error(Box::new(error)));
                }
            }
        }
    }
}
