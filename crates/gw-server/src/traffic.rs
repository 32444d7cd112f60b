//! Counts requests and how long they take, for `/v1/server-stats` and `/metrics`.
//!
//! A streamed answer counts when its last byte is handed over, not when its head is.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use gw_core::seam::Clock;
use http::Method;
use http_body::{Frame, SizeHint};

/// Requests so far; all clones are one.
#[derive(Clone, Default)]
pub(crate) struct Traffic {
    sums: Arc<Sums>,
}

#[derive(Default)]
struct Sums {
    requests: AtomicU64,
    duration_ms: AtomicU64,
}

impl Traffic {
    /// Requests answered, without probes and preflights.
    pub(crate) fn requests(&self) -> u64 {
        self.sums.requests.load(Ordering::Relaxed)
    }

    /// Mean time of a request, in milliseconds; 0 before the first.
    pub(crate) fn average_ms(&self) -> u64 {
        let total_ms = self.sums.duration_ms.load(Ordering::Relaxed);
        total_ms.checked_div(self.requests()).unwrap_or(0)
    }
}

/// One request being served.
pub(crate) struct Visit {
    traffic: Traffic,
    clock: Arc<dyn Clock>,
    started_ms: u64,
    route: &'static str,
    method: &'static str,
    is_counted: bool,
}

impl Visit {
    /// Begins to count; `route` is the matched pattern, never the path a client typed.
    pub(crate) fn begin(
        traffic: &Traffic,
        clock: &Arc<dyn Clock>,
        route: &'static str,
        path: &str,
        method: &Method,
    ) -> Self {
        Self {
            traffic: traffic.clone(),
            clock: Arc::clone(clock),
            started_ms: clock.monotonic_ms(),
            route,
            method: method_label(method),
            is_counted: *method != Method::OPTIONS && !is_probe(path),
        }
    }

    /// Ends with the response: at once, or with the last byte of a stream.
    pub(crate) fn finish(self, response: Response) -> Response {
        let status = response.status().as_u16();
        metrics::counter!(
            "gateway_http_requests_total",
            "route" => self.route, "method" => self.method, "status" => status.to_string()
        )
        .increment(1);
        let visit = Ended(self);
        if response.body().size_hint().exact().is_some() {
            return response;
        }
        response.map(|body| Body::new(Watched { body, _visit: visit }))
    }
}

/// Books the visit when it goes.
struct Ended(Visit);

impl Drop for Ended {
    #[expect(clippy::cast_precision_loss, reason = "a duration for a histogram")]
    fn drop(&mut self) {
        let visit = &self.0;
        let took_ms = visit.clock.monotonic_ms().saturating_sub(visit.started_ms);
        metrics::histogram!(
            "gateway_http_request_duration_seconds", "route" => visit.route, "method" => visit.method
        )
        .record(took_ms as f64 / 1_000.0);
        if visit.is_counted {
            visit.traffic.sums.duration_ms.fetch_add(took_ms, Ordering::Relaxed);
            visit.traffic.sums.requests.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A streaming body whose end is the end of the visit.
struct Watched {
    body: Body,
    _visit: Ended,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Paths that system A leaves out of its count, and ours of the same kind.
fn is_probe(path: &str) -> bool {
    const PROBES: [&str; 6] =
        ["/health", "/metrics", "/livez", "/readyz", "/v1/models/layers", "/v1/providers"];
    PROBES.iter().any(|probe| path.starts_with(probe))
}

fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::is_probe;

    #[test]
    fn probes_are_not_requests() {
        for (path, expected) in [
            ("/health", true),
            ("/health/deep", true),
            ("/metrics", true),
            ("/v1/models/layers", true),
            ("/v1/models", false),
            ("/v1/route", false),
            ("/v1/server-stats", false),
        ] {
            assert_eq!(is_probe(path), expected, "{path}");
        }
    }
}
