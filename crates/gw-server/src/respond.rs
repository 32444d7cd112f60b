//! Writes an answer as an HTTP response: its headers, and its body whole or streaming.

use axum::body::Body;
use axum::response::Response;
use gw_core::Cost;
use gw_core::chat::{Notice, NoticeAction};
use gw_engine::{CacheState, Head, Receipt};
use http::header::{AGE, CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};

use crate::escalation;
use crate::surface::Surface;

/// Longest route reason or warning in a header, in bytes.
const HEADER_TEXT_BYTES_MAX: usize = 256;

/// Most warnings in the headers of one answer.
const WARNINGS_MAX: usize = 8;

/// Headers of a provider that its client reads.
const PASSED_ON: [&str; 2] = ["request-id", "x-request-id"];

/// A JSON response with status 200.
pub(crate) fn json(body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A value as a JSON response with status 200.
///
/// # Errors
/// [`gw_core::Kind::Internal`] for a value that cannot be written as JSON.
pub(crate) fn json_of<T: serde::Serialize>(value: &T) -> Result<Response, gw_core::Error> {
    let body = serde_json::to_vec(value).map_err(|error| {
        gw_core::Error::internal("an answer could not be written").with_source(error)
    })?;
    Ok(json(body))
}

/// The same for an answer that shows a secret: nothing on the way may keep it.
///
/// # Errors
/// As [`json_of`].
pub(crate) fn secret<T: serde::Serialize>(value: &T) -> Result<Response, gw_core::Error> {
    let mut response = json_of(value)?;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Writes what is known of every answer before its first byte.
pub(crate) fn write_head(head: &Head, surface: Surface, headers: &mut HeaderMap) {
    let call_id = head.call_id.to_string();
    headers.insert("x-gateway-call-id", ascii_value(&call_id));
    headers.insert("x-gateway-model", ascii_value(&head.model_id));
    headers.insert("x-gateway-layer", HeaderValue::from_static(head.layer.as_str()));
    headers.insert("x-gateway-route-reason", ascii_value(&head.reason));
    headers.insert("x-gateway-cache", HeaderValue::from_static(head.cache.as_str()));
    if let CacheState::Hit { age_s } = head.cache {
        headers.insert(AGE, HeaderValue::from(age_s));
    }
    escalation::write_headers(head, headers);
    if head.is_demo {
        headers.insert("x-gateway-demo", HeaderValue::from_static("true"));
    }
    for notice in head.notices.iter().take(WARNINGS_MAX) {
        headers.append("x-gateway-warning", warning(notice));
    }
    for name in PASSED_ON {
        if let Some(value) = head.upstream_headers.get(name) {
            headers.insert(HeaderName::from_static(name), value.clone());
        }
    }
    let own = match surface {
        Surface::Anthropic => "request-id",
        _ => "x-request-id",
    };
    headers.entry(own).or_insert_with(|| ascii_value(&call_id));
}

/// Writes what is known once the answer is whole; also the trailers of a stream.
pub(crate) fn write_receipt(receipt: &Receipt, headers: &mut HeaderMap) {
    headers.insert("x-gateway-cost-usd", cost_value(&receipt.cost));
}

/// Names of the trailers of a stream, in the order of [`trailers`].
pub(crate) const TRAILERS: &str = "x-gateway-cost-usd, x-gateway-usage, x-gateway-duration-ms";

/// What a stream says after its end.
pub(crate) fn trailers(receipt: &Receipt) -> HeaderMap {
    let mut headers = HeaderMap::new();
    write_receipt(receipt, &mut headers);
    let usage = &receipt.usage;
    let text = format!("input={}, output={}", usage.total_input(), usage.total_output());
    headers.insert("x-gateway-usage", ascii_value(&text));
    headers.insert("x-gateway-duration-ms", HeaderValue::from(receipt.duration_ms));
    headers
}

fn cost_value(cost: &Cost) -> HeaderValue {
    match cost.amount() {
        Some(amount) => ascii_value(&amount.to_usd_string()),
        None => HeaderValue::from_static("unpriced"),
    }
}

fn warning(notice: &Notice) -> HeaderValue {
    let action = match notice.action {
        NoticeAction::Dropped => "dropped",
        NoticeAction::Emulated => "emulated",
    };
    ascii_value(&format!("{} {action}: {}", notice.feature, notice.detail))
}

/// A header value of any text: what is not printable ASCII becomes `?`, and it is cut.
pub(crate) fn ascii_value(text: &str) -> HeaderValue {
    let plain: String = text
        .chars()
        .map(|c| match c {
            ' '..='~' => c,
            c if c.is_whitespace() => ' ',
            _ => '?',
        })
        .take(HEADER_TEXT_BYTES_MAX)
        .collect();
    HeaderValue::from_str(plain.trim()).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::ascii_value;

    #[test]
    fn header_texts_are_printable_and_bounded() {
        let check =
            |text: &str, expected: &str| assert_eq!(ascii_value(text), expected, "{text:?}");
        check("L0 is free", "L0 is free");
        check("a\r\nset-cookie: b", "a  set-cookie: b");
        check("größe → klein", "gr??e ? klein");
        check("\u{0}", "?");
        check("", "");
        assert_eq!(ascii_value(&"x".repeat(10_000)).len(), super::HEADER_TEXT_BYTES_MAX);
    }
}
