//! A completion in a client's dialect, from its bytes to the response: the work that the doors of
//! all dialects share.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use gw_core::Error;
use gw_core::seam::{ClientStream, Dialect, DialectId};
use gw_engine::{AnswerBody, Door, Head, Inbound, Whole};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, TE, TRAILER};
use http::{HeaderMap, HeaderValue};

use crate::app::Server;
use crate::auth::Caller;
use crate::errors::Refusal;
use crate::relay::Manners;
use crate::surface::Surface;
use crate::{accounts, body, call_context, estimate, relay, respond};

/// What a door of a dialect is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) door: Door,
    pub(crate) dialect: DialectId,
    pub(crate) surface: Surface,
}

/// Answers a request in the door's dialect.
///
/// # Errors
/// Whatever keeps the call from an answer.
pub(crate) async fn ask(
    server: &Arc<Server>,
    manner: Manner,
    request: Request,
) -> Result<Response, Refusal> {
    let dialect = Arc::clone(spoken(server, manner.dialect)?);
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    let headers = request.headers().clone();
    let context = call_context::read(&headers, manner.door, &caller.principal)?;
    let bytes = body::read(&server.app.options, request).await?;
    let decoded = dialect.decode_request(&bytes)?;
    let is_streaming = decoded.stream;
    let include_usage = decoded.include_usage;
    let mut client = ClientStream {
        model: String::new(),
        include_usage,
        // Only a format that states its input before its output needs the count.
        input_tokens_estimate: if is_streaming { estimate::input_tokens(&decoded) } else { 0 },
        created_s: server.now_ms().div_euclid(1_000),
        fallback_id: String::new(),
        echo: dialect.echo(&decoded),
    };
    let mut principal = caller.principal;
    accounts::add_end_user(&mut principal, decoded.user.as_deref());
    let inbound = Inbound {
        door: manner.door,
        request: decoded,
        raw: Some((manner.dialect, bytes)),
        principal,
        context,
    };
    let answer = server.app.engine.run(inbound).await?;
    client.fallback_id = fallback_id(manner.dialect, &answer.head);
    let mut response = match answer.body {
        AnswerBody::Whole(whole) => whole_response(&*dialect, *whole, &answer.head, &client),
        AnswerBody::Stream(pieces) => {
            let manners = Manners {
                dialect: manner.dialect,
                include_usage,
                wants_trailers: takes_trailers(&headers),
                keep_alive_ms: server.app.options.keep_alive_ms,
            };
            stream_response(&*dialect, pieces, client, manners)
        }
    };
    respond::write_head(&answer.head, manner.surface, response.headers_mut());
    Ok(response)
}

/// The implementation of a dialect.
///
/// # Errors
/// [`gw_core::Kind::Internal`] where the binary did not supply it.
pub(crate) fn spoken(server: &Server, id: DialectId) -> Result<&Arc<dyn Dialect>, Error> {
    server.dialect(id).ok_or_else(|| Error::internal(format!("dialect `{id}` is not built in")))
}

fn whole_response(
    dialect: &dyn Dialect,
    whole: Whole,
    head: &Head,
    client: &ClientStream,
) -> Response {
    let bytes = match whole.raw {
        Some(raw) if head.is_pass_through => raw,
        _ => dialect.encode_reply(&whole.reply, client),
    };
    let mut response = respond::json(bytes);
    respond::write_receipt(&whole.receipt, response.headers_mut());
    response
}

fn stream_response(
    dialect: &dyn Dialect,
    pieces: gw_engine::AnswerStream,
    client: ClientStream,
    manners: Manners,
) -> Response {
    let wants_trailers = manners.wants_trailers;
    let encoder = dialect.stream_encoder(client);
    let mut response = Response::new(relay::body(pieces, encoder, manners));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(dialect.stream_content_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Tells nginx not to gather the stream before it passes it on.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    if wants_trailers {
        headers.insert(TRAILER, HeaderValue::from_static(respond::TRAILERS));
    }
    response
}

fn takes_trailers(headers: &HeaderMap) -> bool {
    headers
        .get_all(TE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}

fn fallback_id(dialect: DialectId, head: &Head) -> String {
    let bare = head.call_id.to_string().replace('-', "");
    match dialect {
        DialectId::OpenAiChat => format!("chatcmpl-{bare}"),
        DialectId::AnthropicMessages => format!("msg_{bare}"),
        DialectId::OpenAiResponses => format!("resp_{bare}"),
        DialectId::Gemini | DialectId::Ollama => bare,
    }
}
