//! A call that is no chat, from its operation to the response: the work that the doors of
//! embeddings, reranking, moderation, pictures and sound share.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt as _;
use gw_core::operation::{Operation, OperationOutput, Rank};
use gw_core::{Error, Result};
use gw_engine::{Door, Head, OperationBody, OperationInbound, OperationWhole};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use crate::app::Server;
use crate::auth::Caller;
use crate::errors::Refusal;
use crate::surface::Surface;
use crate::{accounts, body, call_context, respond};

/// What a request holds: its headers, who sent it, and its body.
pub(crate) struct Taken {
    pub(crate) headers: HeaderMap,
    pub(crate) caller: Caller,
    pub(crate) bytes: Bytes,
}

/// Reads a request whose body is JSON.
///
/// # Errors
/// A body that cannot be read.
pub(crate) async fn take(server: &Server, request: Request) -> Result<Taken, Refusal> {
    let (caller, headers) = sender(&request);
    let bytes = body::read(&server.app.options, request).await?;
    Ok(Taken { headers, caller, bytes })
}

/// Reads a request whose body is a form, or JSON.
///
/// # Errors
/// A body that cannot be read.
pub(crate) async fn take_form(server: &Server, request: Request) -> Result<Taken, Refusal> {
    let (caller, headers) = sender(&request);
    let bytes = body::read_form(&server.app.options, request).await?;
    Ok(Taken { headers, caller, bytes })
}

fn sender(request: &Request) -> (Caller, HeaderMap) {
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    (caller, request.headers().clone())
}

/// The content type of a request, with its parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Runs an operation and writes its answer: the provider's own bytes where they pass through, else
/// what `write` makes of what came out.
///
/// # Errors
/// Whatever keeps it from an answer.
pub(crate) async fn answer(
    server: &Arc<Server>,
    door: Door,
    surface: Surface,
    taken: Taken,
    operation: Operation,
    write: impl FnOnce(&OperationWhole, &Head) -> Result<Bytes>,
) -> Result<Response, Refusal> {
    let Taken { headers, caller, .. } = taken;
    let context = call_context::read(&headers, door, &caller.principal)?;
    let mut principal = caller.principal;
    accounts::add_end_user(&mut principal, operation.user.as_deref());
    let inbound = OperationInbound { door, operation, principal, context };
    let answer = server.app.engine.operate(inbound).await?;
    let head = answer.head;
    let mut response = match answer.body {
        OperationBody::Whole(whole) => {
            let (content_type, bytes) = match &whole.raw {
                Some(raw) => (answer.content_type, raw.clone()),
                None => (HeaderValue::from_static("application/json"), write(&whole, &head)?),
            };
            let mut response = Response::new(Body::from(bytes));
            response.headers_mut().insert(CONTENT_TYPE, content_type);
            if whole.used.is_estimate {
                let estimate = HeaderValue::from_static("true");
                response.headers_mut().insert("x-gateway-estimate", estimate);
            }
            respond::write_receipt(&whole.receipt, response.headers_mut());
            response
        }
        OperationBody::Stream(pieces) => {
            // An error in the middle breaks the connection: there is no word for it in sound.
            let pieces =
                pieces.map(|piece| piece.map_err(|error| std::io::Error::other(error.to_string())));
            let mut response = Response::new(Body::from_stream(pieces));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, answer.content_type);
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
            response
        }
    };
    respond::write_head(&head, surface, response.headers_mut());
    Ok(response)
}

/// The vectors of an answer that did not pass through.
///
/// # Errors
/// [`gw_core::Kind::Internal`] for an answer without any.
pub(crate) fn vectors(whole: &OperationWhole) -> Result<&[Vec<f32>]> {
    match &whole.output {
        OperationOutput::Vectors(vectors) => Ok(vectors),
        _ => Err(Error::internal("an answer without vectors")),
    }
}

/// The order of an answer.
///
/// # Errors
/// [`gw_core::Kind::Internal`] for an answer without one.
pub(crate) fn ranks(whole: &OperationWhole) -> Result<&[Rank]> {
    match &whole.output {
        OperationOutput::Ranks(ranks) => Ok(ranks),
        _ => Err(Error::internal("an answer without an order")),
    }
}

/// Says that an answer which always passes through did not.
///
/// # Errors
/// Always [`gw_core::Kind::Internal`].
pub(crate) fn only_raw(_: &OperationWhole, _: &Head) -> Result<Bytes> {
    Err(Error::internal("an answer did not pass through"))
}
