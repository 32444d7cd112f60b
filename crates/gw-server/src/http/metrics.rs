//! `GET /metrics`: figures for Prometheus.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde_json::json;

use crate::app::Server;
use crate::auth::Scope;
use crate::http::Route;
use crate::openapi::{DOOR_ERRORS, Operation};
use crate::surface::Surface;

pub(super) fn door() -> Route {
    Route {
        path: "/metrics",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(render) },
        operations,
    }
}

async fn render(State(server): State<Arc<Server>>) -> Response {
    let text = server.app.metrics.render();
    let mut response = Response::new(Body::from(text));
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn operations() -> Vec<Operation> {
    let get = Operation::new("get", "getMetrics", "Probes", "Figures for Prometheus.")
        .answers_as(
            200,
            "The figures.",
            "text/plain",
            json!({"type": "string"}),
            json!(
                "gateway_http_requests_total{route=\"/v1/route\",method=\"POST\",status=\"200\"} 1"
            ),
        )
        .errors(Surface::General, &DOOR_ERRORS);
    vec![get]
}
