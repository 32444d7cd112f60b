//! Reads request bodies within bounds of size and time. Never logs them.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use gw_core::limits::REQUEST_BODY_BYTES_MAX;
use gw_core::{Error, Kind};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT};
use http_body_util::BodyExt;

use crate::app::ServerOptions;
use crate::errors::Refusal;

/// How much of a body that is too large is read and thrown away before the answer, in bytes: a
/// client that is still sending would otherwise see a reset connection in place of the 413.
const DRAINED_BYTES_MAX: u64 = 4 * REQUEST_BODY_BYTES_MAX as u64;

/// How long that may take, in seconds.
const DRAIN_S_MAX: u64 = 10;

/// Reads the JSON body of a request.
///
/// # Errors
/// A refusal with [`Kind::UnsupportedMediaType`], [`Kind::PayloadTooLarge`],
/// [`Kind::RequestTimeout`], or [`Kind::InvalidRequest`] where the body broke off.
pub(crate) async fn read(options: &ServerOptions, request: Request) -> Result<Bytes, Refusal> {
    check_type(request.headers())?;
    read_any(options, request).await
}

/// Reads a body that may be a form.
///
/// # Errors
/// As [`read`].
pub(crate) async fn read_form(options: &ServerOptions, request: Request) -> Result<Bytes, Refusal> {
    let text = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if text.and_then(gw_dialect::operation::form::boundary).is_none() {
        check_type(request.headers())?;
    }
    read_any(options, request).await
}

async fn read_any(options: &ServerOptions, request: Request) -> Result<Bytes, Refusal> {
    let (parts, mut body) = request.into_parts();
    check_encoding(&parts.headers)?;
    let bytes_max = options.body_bytes_max.min(REQUEST_BODY_BYTES_MAX);
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |announced| announced > bytes_max) {
        return Err(too_large(bytes_max, &parts.headers, body).await);
    }
    let limit = Duration::from_millis(options.body_timeout_ms);
    match tokio::time::timeout(limit, collect(&mut body, announced, bytes_max)).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => Err(too_large(bytes_max, &parts.headers, body).await),
        Ok(Err(_)) => Err(Refusal::closing(Error::new(
            Kind::InvalidRequest,
            "the body broke off before its end",
        ))),
        Err(_) => Err(Refusal::closing(Error::new(
            Kind::RequestTimeout,
            format!(
                "the body did not arrive within {} seconds",
                options.body_timeout_ms.div_ceil(1_000)
            ),
        ))),
    }
}

/// The whole body; `None` where it is over the limit.
async fn collect(
    body: &mut Body,
    announced: u64,
    bytes_max: usize,
) -> Result<Option<Bytes>, axum::Error> {
    let mut whole: Option<BytesMut> = None;
    let mut first: Option<Bytes> = None;
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame?.into_data() else { continue };
        let held = whole.as_ref().map_or(0, BytesMut::len) + first.as_ref().map_or(0, Bytes::len);
        if held + bytes.len() > bytes_max {
            return Ok(None);
        }
        match (&mut whole, first.take()) {
            // A body that came in one piece, as small ones do, is not copied.
            (None, None) => first = Some(bytes),
            (None, Some(earlier)) => {
                let wanted =
                    usize::try_from(announced).unwrap_or(0).max(earlier.len() + bytes.len());
                let mut joined = BytesMut::with_capacity(wanted);
                joined.extend_from_slice(&earlier);
                joined.extend_from_slice(&bytes);
                whole = Some(joined);
            }
            (Some(joined), _) => joined.extend_from_slice(&bytes),
        }
    }
    Ok(Some(whole.map(BytesMut::freeze).or(first).unwrap_or_default()))
}

async fn too_large(bytes_max: usize, headers: &HeaderMap, mut body: Body) -> Refusal {
    let error = Error::new(
        Kind::PayloadTooLarge,
        format!("the body is larger than the {bytes_max} bytes that are accepted"),
    );
    // A client that waits for leave to send is told no before it sends anything.
    if headers.contains_key(EXPECT) {
        return Refusal::closing(error);
    }
    let drain = async {
        let mut left = DRAINED_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
            left = match left.checked_sub(length) {
                Some(left) => left,
                None => return false,
            };
        }
        true
    };
    match tokio::time::timeout(Duration::from_secs(DRAIN_S_MAX), drain).await {
        Ok(true) => Refusal::from(error),
        Ok(false) | Err(_) => Refusal::closing(error),
    }
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Error> {
    let Some(encoding) = headers.get(CONTENT_ENCODING) else { return Ok(()) };
    let encoding = encoding.to_str().unwrap_or("?");
    if encoding.trim().is_empty() || encoding.trim().eq_ignore_ascii_case("identity") {
        return Ok(());
    }
    let shown: String = encoding.chars().filter(|c| c.is_ascii_graphic()).take(32).collect();
    Err(Error::new(
        Kind::UnsupportedMediaType,
        format!("bodies encoded as `{shown}` are not understood"),
    )
    .with_field("Content-Encoding")
    .with_hint("send the body as it is"))
}

/// Lets pass what clients send with JSON in it, `curl -d` without a header included.
fn check_type(headers: &HeaderMap) -> Result<(), Error> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let text = value.to_str().unwrap_or("?");
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    let is_vague = matches!(
        &essence[..],
        "" | "text/json"
            | "text/plain"
            | "application/x-www-form-urlencoded"
            | "application/octet-stream"
    );
    if is_json || is_vague {
        return Ok(());
    }
    let shown: String = essence.chars().filter(|c| c.is_ascii_graphic()).take(64).collect();
    Err(Error::new(
        Kind::UnsupportedMediaType,
        format!("a body of type `{shown}` is not understood"),
    )
    .with_field("Content-Type")
    .with_hint("send application/json"))
}
