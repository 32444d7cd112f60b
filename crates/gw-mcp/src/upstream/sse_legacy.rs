//! HTTP+SSE of revision 2024-11-05: one stream on which everything comes, and an address, told on
//! that stream, to which messages are posted.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use gw_core::seam::BodyStream;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::sse::{Decoder, Event};
use crate::upstream::http::Endpoint;
use crate::upstream::link::Link;
use crate::upstream::wire::{Delivered, Failure, Outgoing, Wire};
use crate::version::Version;

/// The wire.
pub(crate) struct SseWire {
    endpoint: Endpoint,
    post_to: String,
    closed: CancellationToken,
}

/// An open stream whose events are not yet read.
pub(crate) struct Opened {
    pub(crate) wire: SseWire,
    body: BodyStream,
    decoder: Decoder,
    early: Vec<Event>,
}

/// Opens the stream and waits for the address.
pub(crate) async fn open(endpoint: Endpoint, within: Duration) -> Result<Opened, Failure> {
    let waited = tokio::time::timeout(within, open_unbounded(endpoint)).await;
    waited.unwrap_or_else(|_| Err(Failure::NotSent("named no address in time".to_owned())))
}

async fn open_unbounded(endpoint: Endpoint) -> Result<Opened, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    let url = endpoint.url.clone();
    let response = endpoint.send(Method::GET, &url, headers, Bytes::new()).await?;
    if response.status != 200 {
        return Err(Failure::Status(response.status, "refused the stream".to_owned()));
    }
    let (mut body, mut decoder) = (response.body, Decoder::default());
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| Failure::Broken(error.full_message()))?;
        let events = decoder
            .push(&piece)
            .map_err(|_| Failure::Broken("sent an event over the size limit".to_owned()))?;
        let mut events = events.into_iter();
        let named = events.find(|event| event.kind.as_deref() == Some("endpoint"));
        if let Some(named) = named {
            let post_to = address(&url, &named.data)?;
            let wire = SseWire { endpoint, post_to, closed: CancellationToken::new() };
            return Ok(Opened { wire, body, decoder, early: events.collect() });
        }
    }
    Err(Failure::NotSent("ended its stream without naming an address".to_owned()))
}

/// The address to post to, which must be on the same host: credentials go there.
fn address(stream: &str, named: &str) -> Result<String, Failure> {
    let bad = |why: &str| Failure::NotSent(format!("named an address that {why}"));
    let stream = Url::parse(stream).map_err(|_| bad("cannot be resolved"))?;
    let named = stream.join(named.trim()).map_err(|_| bad("is no URL"))?;
    if named.origin() != stream.origin() {
        return Err(bad("is on another host"));
    }
    Ok(named.into())
}

impl Opened {
    /// Takes it apart into what sends and what listens.
    pub(crate) fn split(self) -> (SseWire, impl FnOnce(Arc<Link>)) {
        let Self { wire, mut body, mut decoder, early } = self;
        let closed = wire.closed.clone();
        let listen = move |link: Arc<Link>| {
            tokio::spawn(async move {
                let reading = async {
                    for event in early {
                        link.incoming_text(&event.data, None);
                    }
                    while let Some(Ok(piece)) = body.next().await {
                        let Ok(events) = decoder.push(&piece) else { break };
                        for event in events.into_iter().filter(|event| !event.data.is_empty()) {
                            link.incoming_text(&event.data, None);
                        }
                    }
                };
                tokio::select! {
                    () = closed.cancelled() => {}
                    () = reading => {}
                }
                link.fail("ended its stream");
            });
        };
        (wire, listen)
    }
}

#[async_trait]
impl Wire for SseWire {
    async fn deliver(&self, _: &Arc<Link>, out: Outgoing<'_>) -> Result<Delivered, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = Bytes::from(out.line.clone().into_bytes());
        let response = self.endpoint.send(Method::POST, &self.post_to, headers, body).await?;
        match response.status {
            200..300 => Ok(Delivered::Queued),
            status => Err(Failure::Status(status, String::new())),
        }
    }

    fn cancels_by_closing(&self, _: Option<Version>) -> bool {
        false
    }

    fn has_exchanges(&self) -> bool {
        false
    }

    async fn close(&self) {
        self.closed.cancel();
    }
}

impl Drop for SseWire {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn messages_are_posted_to_the_same_host_only() {
        let stream = "http://127.0.0.1:3000/sse";
        assert_eq!(address(stream, "/m?s=1").unwrap(), "http://127.0.0.1:3000/m?s=1");
        assert!(address(stream, "http://evil.example/m").is_err());
        assert!(address(stream, "//evil.example/m").is_err());
    }
}
