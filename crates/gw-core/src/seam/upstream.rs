//! The seam to providers: the only way out.

use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, Method};

use crate::Result;
use crate::ids::ProviderId;
use crate::reservation::Reservation;

/// How long to wait for a provider, in milliseconds each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands, TLS included.
    pub connect_ms: u64,
    /// From the request's last byte to the response's first.
    pub first_byte_ms: u64,
    /// Between two pieces of the response body.
    pub idle_ms: u64,
    /// For the whole exchange; 0 for no limit.
    pub total_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect_ms: 10_000, first_byte_ms: 120_000, idle_ms: 60_000, total_ms: 0 }
    }
}

/// A request to a provider.
#[derive(Clone, Debug)]
pub struct OutgoingRequest {
    /// Which provider, for pools, logs and errors.
    pub provider: ProviderId,
    /// The method.
    pub method: Method,
    /// The whole address; its host comes from configuration only.
    pub url: String,
    /// Headers, credentials included and marked sensitive.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Most bytes to read of a response body, after decompression.
    pub response_bytes_max: usize,
}

/// Pieces of a response body. Dropping it closes the exchange at once: that is how a call is
/// cancelled. Idle and total timeouts and the size cap appear as errors of the stream.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// A provider's answer, its body still arriving.
pub struct IncomingResponse {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: BodyStream,
}

/// Sends requests to providers.
///
/// Any status is an `Ok`; errors are those of the way there ([`crate::Kind::ProviderUnreachable`],
/// [`crate::Kind::ProviderTimeout`], [`crate::Kind::ProviderTooLarge`]). It never retries.
#[async_trait]
pub trait Upstream: Send + Sync + 'static {
    /// Sends a request that may cost money; the reservation proves that it can be paid.
    ///
    /// # Errors
    /// See the trait.
    async fn send(&self, hold: &Reservation, request: OutgoingRequest) -> Result<IncomingResponse>;

    /// Reads metadata that no provider charges for (model lists, health); refuses all but `GET`.
    ///
    /// # Errors
    /// See the trait; [`crate::Kind::Internal`] for another method.
    async fn fetch(&self, request: OutgoingRequest) -> Result<IncomingResponse>;
}
