//! Google's clients may put their key into the address (`?key=`). It is a secret: it becomes a header
//! before anything else sees the request, and the address goes on without it.

use axum::extract::{OriginalUri, Request};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::surface::Surface;

const HEADER: HeaderName = HeaderName::from_static("x-goog-api-key");

/// Moves the key of a request on Google's surface from its address to its headers. A key in the
/// headers stays.
pub(crate) async fn take(mut request: Request) -> Request {
    if !request.uri().query().is_some_and(|query| query.contains("key=")) {
        return request;
    }
    let (key, uri) = split(request.uri(), request.headers());
    if let Some(uri) = uri {
        // The address as it came is kept beside the request, and would show the key.
        request.extensions_mut().remove::<OriginalUri>();
        *request.uri_mut() = uri;
    }
    if let Some(key) = key {
        request.headers_mut().entry(HEADER).or_insert(key);
    }
    request
}

/// The key, and the address without it; nothing on the surfaces of others.
fn split(uri: &Uri, headers: &HeaderMap) -> (Option<HeaderValue>, Option<Uri>) {
    if Surface::of(uri, headers) != Surface::Gemini {
        return (None, None);
    }
    let query = uri.query().unwrap_or_default();
    let (keys, others): (Vec<&str>, Vec<&str>) =
        query.split('&').partition(|pair| pair.starts_with("key="));
    let key = keys.first().and_then(|pair| pair.strip_prefix("key="));
    let key = key.filter(|key| !key.is_empty()).and_then(|key| {
        let mut value = HeaderValue::from_str(key).ok()?;
        value.set_sensitive(true);
        Some(value)
    });
    let path = uri.path();
    let bare =
        if others.is_empty() { path.to_owned() } else { format!("{path}?{}", others.join("&")) };
    let mut parts = uri.clone().into_parts();
    let uri = bare.parse::<PathAndQuery>().ok().and_then(|bare| {
        parts.path_and_query = Some(bare);
        Uri::from_parts(parts).ok()
    });
    (key, uri)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Uri};

    #[test]
    fn a_key_leaves_the_address_of_googles_surface_only() {
        let check = |uri: &str, key: Option<&str>, left: Option<&str>| {
            let uri: Uri = uri.parse().expect("an address");
            let (found, bare) = super::split(&uri, &HeaderMap::new());
            assert_eq!(found.as_ref().and_then(|key| key.to_str().ok()), key, "{uri}");
            assert!(found.is_none_or(|key| key.is_sensitive()), "{uri}");
            assert_eq!(bare.map(|bare| bare.to_string()).as_deref(), left, "{uri}");
        };
        check("/v1beta/models?key=k-1", Some("k-1"), Some("/v1beta/models"));
        check(
            "/v1beta/models/a:streamGenerateContent?alt=sse&key=k-1",
            Some("k-1"),
            Some("/v1beta/models/a:streamGenerateContent?alt=sse"),
        );
        check(
            "/v1/models/a:generateContent?key=k&x=1",
            Some("k"),
            Some("/v1/models/a:generateContent?x=1"),
        );
        check("/v1beta/models?key=", None, Some("/v1beta/models"));
        check("/v1/chat/completions?key=k", None, None);
    }
}
