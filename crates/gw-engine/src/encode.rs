//! Writes the request for one candidate: its body, its headers, its key.

use std::borrow::Cow;

use bytes::Bytes;
use gw_core::chat::ChatRequest;
use gw_core::limits::RESPONSE_BODY_BYTES_MAX;
use gw_core::seam::{Edits, OutgoingRequest, Target, WireRequest};
use gw_core::{Error, Kind, Result};
use http::Method;
use http::header::{CONTENT_TYPE, HeaderValue};
use secrecy::ExposeSecret;

use crate::attempt::Chosen;
use crate::call::Call;
use crate::provider::Credential;

/// The body in the provider's dialect: the client's own bytes where they pass through.
pub(crate) fn encode(call: &Call, chosen: &Chosen<'_>) -> Result<WireRequest> {
    let provider = &chosen.provider;
    let target = Target {
        model: chosen.candidate.offering.name.as_str(),
        quirks: &provider.quirks,
        max_output_tokens: chosen.candidate.offering.max_output_tokens,
    };
    match &call.inbound.raw {
        Some((_, body)) if chosen.is_pass_through => {
            // Without usage a stream could only be billed by estimate. A client that did not ask
            // for it never sees it: such frames are marked.
            let is_stream = call.inbound.request.stream;
            let edits = Edits { target, wants_usage: is_stream, is_stream };
            provider.dialect.pass_request(body, &edits)
        }
        _ => provider.dialect.encode_request(&fitted(call, chosen), &target),
    }
}

/// The request, without configured defaults that this model refuses. What the client itself asked
/// for stays.
fn fitted<'a>(call: &'a Call, chosen: &Chosen<'_>) -> Cow<'a, ChatRequest> {
    let mut request = Cow::Borrowed(&call.inbound.request);
    let offering = &chosen.candidate.offering;
    let thinks = request.reasoning.as_ref().is_some_and(|it| it.is_enabled != Some(false));
    if call.filled.temperature && (thinks || offering.capabilities.temperature == Some(false)) {
        request.to_mut().sampling.temperature = None;
    }
    if call.filled.max_output_tokens
        && let (Some(filled), Some(most)) = (request.max_output_tokens, offering.max_output_tokens)
        && filled > most
    {
        request.to_mut().max_output_tokens = Some(most);
    }
    request
}

/// Everything that goes over the wire.
pub(crate) fn outgoing(
    call: &Call,
    chosen: &Chosen<'_>,
    wire: &WireRequest,
    key: Option<&Credential>,
) -> Result<OutgoingRequest> {
    let url = chosen.provider.address(&wire.path);
    let mut request = request(chosen, url, wire.body.clone(), key)?;
    let headers = &mut request.headers;
    // What configuration sets goes before what the dialect sets by itself.
    for (name, value) in &wire.headers {
        headers.entry(name).or_insert_with(|| value.clone());
    }
    if chosen.is_same_dialect {
        let forwarded = &call.inbound.context.forward_headers;
        for name in forwarded.keys() {
            headers.remove(name);
            for value in forwarded.get_all(name) {
                headers.append(name, value.clone());
            }
        }
    }
    Ok(request)
}

/// A request to a candidate's provider, with the headers that every one of them gets.
pub(crate) fn request(
    chosen: &Chosen<'_>,
    url: String,
    body: Bytes,
    key: Option<&Credential>,
) -> Result<OutgoingRequest> {
    let provider = &chosen.provider;
    let mut headers = provider.headers.clone();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(key) = key {
        let text = format!("{}{}", key.prefix, key.secret.expose_secret());
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            Error::new(Kind::ProviderAuth, format!("key `{}` holds a line break", key.name))
                .with_hint("Check the key for stray white space.")
        })?;
        value.set_sensitive(true);
        headers.insert(&key.header, value);
    }
    Ok(OutgoingRequest {
        provider: provider.id.clone(),
        method: Method::POST,
        url,
        headers,
        body,
        timeouts: provider.timeouts,
        response_bytes_max: RESPONSE_BODY_BYTES_MAX,
    })
}
