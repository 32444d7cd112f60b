//! The one place where an error becomes an HTTP response.
//!
//! Handlers give a [`Refusal`]; the edge knows in whose words the path speaks and renders it.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use gw_core::{CallId, Error, Kind};
use gw_engine::Failure;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Server;
use crate::respond::ascii_value;
use crate::surface::Surface;

/// Longest path repeated in an error, in bytes.
const SHOWN_PATH_BYTES_MAX: usize = 256;

/// A request that gets no answer, and why.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    error: Error,
    call_id: Option<CallId>,
    path: Option<String>,
    allow: Option<&'static str>,
    closes: bool,
}

impl Refusal {
    fn made(error: Error) -> Inner {
        Inner { error, call_id: None, path: None, allow: None, closes: false }
    }

    /// No such path.
    pub(crate) fn unknown_path(path: &str) -> Self {
        let shown: String = path.chars().take(SHOWN_PATH_BYTES_MAX / 4).collect();
        let error = Error::new(Kind::NotFound, format!("there is no path `{shown}` here"))
            .with_hint("see /openapi.json for the paths that exist");
        Self { inner: Arc::new(Inner { path: Some(shown), ..Self::made(error) }) }
    }

    /// The path exists, the method does not.
    pub(crate) fn wrong_method(method: &str, allow: &'static str) -> Self {
        let shown: String = method.chars().take(16).collect();
        let error = Error::new(Kind::MethodNotAllowed, format!("`{shown}` is not offered here"))
            .with_hint(format!("use {allow}"));
        Self { inner: Arc::new(Inner { allow: Some(allow), ..Self::made(error) }) }
    }

    /// The rest of the body was not read, so that the connection cannot be used again.
    pub(crate) fn closing(error: Error) -> Self {
        Self { inner: Arc::new(Inner { closes: true, ..Self::made(error) }) }
    }

    /// The kind of the error.
    pub(crate) fn kind(&self) -> Kind {
        self.inner.error.kind()
    }

    /// Writes the response in the words of the surface.
    pub(crate) fn render(&self, server: &Server, surface: Surface) -> Response {
        let inner = &*self.inner;
        let body = match surface.dialect().and_then(|id| server.dialect(id)) {
            Some(dialect) => dialect.encode_error(&inner.error),
            None => general_body(inner).into(),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status(&inner.error, surface);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.head(headers);
        response
    }

    fn head(&self, headers: &mut HeaderMap) {
        let inner = &*self.inner;
        let kind = inner.error.kind();
        if !kind.row().client_may_retry {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        if let Some(wait_ms) = inner.error.retry_after_ms() {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait_ms.div_ceil(1_000)));
            headers.insert("retry-after-ms", HeaderValue::from(wait_ms));
        }
        if let Some(call_id) = inner.call_id {
            headers.insert("x-gateway-call-id", ascii_value(&call_id.to_string()));
        }
        if let Some(allow) = inner.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if kind == Kind::Unauthenticated {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if inner.closes {
            headers.insert(http::header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { inner: Arc::new(Self::made(error)) }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let made = Self::made(failure.error);
        Self { inner: Arc::new(Inner { call_id: Some(failure.call_id), ..made }) }
    }
}

impl IntoResponse for Refusal {
    /// An empty response that carries the refusal to the edge, which renders it.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response.extensions_mut().insert(self);
        response
    }
}

/// The status of an error: its kind's, except that a provider which found fault with the request
/// keeps its own (400, 413, 422), because clients tell those apart.
fn status(error: &Error, surface: Surface) -> StatusCode {
    let row = error.kind().row();
    let upstream = error.upstream().map_or(0, |upstream| upstream.status);
    let keeps = matches!(error.kind(), Kind::ProviderRejected | Kind::ContextTooLong)
        && matches!(upstream, 400 | 413 | 422);
    let status = match surface {
        _ if keeps => upstream,
        Surface::Anthropic => row.anthropic_status,
        _ => row.status,
    };
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// An error on system A's doors.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GeneralError {
    /// What went wrong; `Internal server error` for a fault of the gateway.
    error: String,
    /// What is known of a fault of the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// The kind's stable name.
    code: &'static str,
    /// The field, header or parameter at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// The path that does not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// The call, where one was recorded.
    #[serde(rename = "callId", skip_serializing_if = "Option::is_none")]
    call_id: Option<String>,
}

fn general_body(inner: &Inner) -> Vec<u8> {
    let error = &inner.error;
    let kind = error.kind();
    let said = error.message().to_owned();
    let (text, message) = match kind {
        Kind::Internal => ("Internal server error".to_owned(), Some(said)),
        Kind::NotFound if inner.path.is_some() => ("Not found".to_owned(), None),
        _ => (said, None),
    };
    let body = GeneralError {
        error: text,
        message,
        code: kind.row().code,
        field: error.field().map(str::to_owned),
        hint: error.hint().map(str::to_owned),
        path: inner.path.clone(),
        call_id: inner.call_id.map(|id| id.to_string()),
    };
    serde_json::to_vec(&body).unwrap_or_default()
}

#[cfg(test)]
mod tests;
