//! What browsers may do: CORS headers, and refusals of foreign hosts and foreign pages.
//!
//! A gateway on loopback without keys is one web page away from strangers: a page can post to
//! `localhost`, and DNS rebinding makes a foreign name point at it. Both are told by headers that
//! pages cannot forge.

use std::net::IpAddr;

use gw_core::{Error, Kind};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, HOST,
    ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Uri};

use crate::app::ServerOptions;

const METHODS: &str = "GET, POST, PUT, DELETE, OPTIONS";
const HEADERS: &str = "Content-Type, Authorization";
const EXPOSED: &str = "x-gateway-call-id, x-gateway-model, x-gateway-layer, \
    x-gateway-route-reason, x-gateway-cost-usd, x-gateway-cache, x-gateway-demo, \
    x-gateway-cross-check, x-gateway-escalation, x-gateway-escalation-layer, \
    x-gateway-escalation-reason, x-gateway-escalation-token, x-gateway-escalation-gain, \
    x-gateway-escalation-cost-usd, x-gateway-warning, request-id, x-request-id, retry-after";

/// Longest list of headers that a preflight may ask for, in bytes.
const ASKED_HEADERS_BYTES_MAX: usize = 2_048;

/// Refuses a `Host` that is not this gateway's, where it is bound to loopback.
///
/// # Errors
/// [`Kind::Forbidden`], naming the host and the setting.
pub(crate) fn check_host(
    options: &ServerOptions,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), Error> {
    if !options.is_loopback {
        return Ok(());
    }
    let named = headers.get(HOST).map(|value| value.to_str().unwrap_or("?").to_owned());
    let named = named.or_else(|| uri.authority().map(ToString::to_string));
    let Some(named) = named else { return Ok(()) };
    let host = host_of(&named);
    let is_configured = options.host_names.iter().any(|name| name.eq_ignore_ascii_case(host));
    if is_configured || is_loopback_name(host) || is_address(host) {
        return Ok(());
    }
    let shown: String = host.chars().filter(|c| c.is_ascii_graphic()).take(64).collect();
    Err(Error::new(Kind::Forbidden, format!("this gateway is not known as `{shown}`"))
        .with_field("Host")
        .with_hint("call it as localhost, or add the name to the allowed hosts"))
}

/// Refuses a request that a foreign web page sends through an anonymous user's browser.
///
/// # Errors
/// [`Kind::Forbidden`], naming the origin and the setting.
pub(crate) fn check_page(options: &ServerOptions, headers: &HeaderMap) -> Result<(), Error> {
    let Some(origin) = headers.get(ORIGIN).map(|value| value.to_str().unwrap_or("null")) else {
        return Ok(());
    };
    if is_allowed(options, origin) {
        return Ok(());
    }
    let page_host = match origin.split_once("://") {
        Some(("http" | "https", rest)) => host_of(rest),
        // Desktop applications and extensions have schemes of their own; pages cannot take them.
        Some(_) => return Ok(()),
        None => "null",
    };
    let own = headers.get(HOST).and_then(|value| value.to_str().ok()).map(host_of);
    if is_loopback_name(page_host)
        || page_host == "127.0.0.1"
        || page_host == "::1"
        || own == Some(page_host)
    {
        return Ok(());
    }
    let shown: String = origin.chars().filter(|c| c.is_ascii_graphic()).take(64).collect();
    Err(Error::new(Kind::Forbidden, format!("pages of `{shown}` may not call this gateway"))
        .with_field("Origin")
        .with_hint("add the origin to API_CORS_ORIGIN, or use a key"))
}

/// Writes the CORS headers that the request's origin is owed.
pub(crate) fn add_cors(options: &ServerOptions, asked: &HeaderMap, headers: &mut HeaderMap) {
    let Some(origin) = allowed_origin(options, asked) else { return };
    if origin != "*" {
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers(asked));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    if asked.contains_key(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
}

fn allowed_origin(options: &ServerOptions, asked: &HeaderMap) -> Option<HeaderValue> {
    let configured = &options.cors_origins;
    if configured.iter().any(|origin| origin == "*") {
        return Some(HeaderValue::from_static("*"));
    }
    if let [only] = &configured[..] {
        return HeaderValue::from_str(only).ok();
    }
    let origin = asked.get(ORIGIN)?;
    let text = origin.to_str().ok()?;
    is_allowed(options, text).then(|| origin.clone())
}

/// System A's two headers first, then what a preflight asks for: SDKs in browsers send their own.
fn allowed_headers(asked: &HeaderMap) -> HeaderValue {
    let wanted = asked
        .get(ACCESS_CONTROL_REQUEST_HEADERS)
        .and_then(|value| value.to_str().ok())
        .filter(|text| text.len() <= ASKED_HEADERS_BYTES_MAX);
    match wanted.map(|wanted| HeaderValue::from_str(&format!("{HEADERS}, {wanted}"))) {
        Some(Ok(value)) => value,
        _ => HeaderValue::from_static(HEADERS),
    }
}

fn is_allowed(options: &ServerOptions, origin: &str) -> bool {
    options
        .cors_origins
        .iter()
        .any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
}

/// The host without its port and brackets.
fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !host.contains(':') => {
            host
        }
        _ => authority,
    }
}

fn is_loopback_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

fn is_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests;
