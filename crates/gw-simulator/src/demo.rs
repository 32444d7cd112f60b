//! The demo: the simulated model as a provider inside the process, without a socket.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use gw_core::reservation::Reservation;
use gw_core::seam::{Clock, IncomingResponse, OutgoingRequest, Upstream};
use gw_core::{Error, Kind, Result};
use http::Method;

use crate::model::SimulatedModel;

/// The provider that the demo's models belong to.
pub const DEMO_PROVIDER: &str = "demo";

/// The demo's models, one for each layer, cheapest first.
pub const DEMO_MODELS: [&str; 4] = ["demo-free", "demo-cheap", "demo-mid", "demo-premium"];

/// Answers requests to the provider [`DEMO_PROVIDER`] in OpenAI chat completions, whatever the host
/// in their address. Every text begins with `[demo]`.
pub struct DemoUpstream {
    model: SimulatedModel,
    clock: Arc<dyn Clock>,
    pace: Duration,
}

impl DemoUpstream {
    /// A demo that dates its answers by `clock` and streams without pauses.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { model: SimulatedModel::demo(&DEMO_MODELS), clock, pace: Duration::ZERO }
    }

    /// Pauses before each event of a stream, in milliseconds, so that it looks alive.
    #[must_use]
    pub fn with_pace_ms(mut self, pace_ms: u64) -> Self {
        self.pace = Duration::from_millis(pace_ms);
        self
    }

    fn exchange(&self, request: &OutgoingRequest) -> Result<IncomingResponse> {
        let uri: http::Uri = request.url.parse().map_err(|_| {
            Error::new(Kind::NotConfigured, "the demo's address is no URL")
                .with_provider(request.provider.clone())
        })?;
        let created_s = self.clock.unix_ms() / 1_000;
        let answer = self.model.answer(
            &request.method,
            uri.path(),
            &request.headers,
            &request.body,
            created_s,
        );
        let total_bytes: usize = answer.frames.iter().map(bytes::Bytes::len).sum();
        if total_bytes > request.response_bytes_max {
            let message = format!(
                "the demo's answer is over the limit of {} bytes",
                request.response_bytes_max
            );
            return Err(
                Error::new(Kind::ProviderTooLarge, message).with_provider(request.provider.clone())
            );
        }
        let pace = if answer.is_stream() { self.pace } else { Duration::ZERO };
        let frames = stream::iter(answer.frames).then(move |frame| async move {
            if !pace.is_zero() {
                tokio::time::sleep(pace).await;
            }
            Ok(frame)
        });
        Ok(IncomingResponse {
            status: answer.status,
            headers: answer.headers,
            body: Box::pin(frames),
        })
    }
}

#[async_trait]
impl Upstream for DemoUpstream {
    async fn send(
        &self,
        _hold: &Reservation,
        request: OutgoingRequest,
    ) -> Result<IncomingResponse> {
        self.exchange(&request)
    }

    async fn fetch(&self, request: OutgoingRequest) -> Result<IncomingResponse> {
        if request.method != Method::GET {
            return Err(Error::internal("only GET may be sent without a reservation")
                .with_provider(request.provider));
        }
        self.exchange(&request)
    }
}
