//! A completion in a client's dialect, from its bytes to the response: the work that the doors of
//! all dialects share.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use gw_core::chat::ChatRequest;
use gw_core::seam::{ClientStream, Dialect, DialectId};
use gw_core::{Error, Retry};
use gw_engine::{Answer, AnswerBody, CallContext, Door, Engine, Failure, Head, Inbound, Whole};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, TE, TRAILER};
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value};

use crate::app::Server;
use crate::auth::Caller;
use crate::errors::Refusal;
use crate::relay::{Manners, Source, Stream};
use crate::surface::Surface;
use crate::{accounts, body, call_context, escalation, estimate, relay, respond};

/// What a door of a dialect is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) door: Door,
    pub(crate) dialect: DialectId,
    pub(crate) surface: Surface,
}

/// Does something with the answer as the client will have it, before the client has its end: the
/// whole body, or the last frame of a stream.
pub(crate) type AtEnd =
    Box<dyn FnOnce(Bytes) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + 'static>;

/// A request in a client's dialect, read and ready to run.
pub(crate) struct Ask {
    pub(crate) manner: Manner,
    /// How the answer is written.
    pub(crate) dialect: Arc<dyn Dialect>,
    /// The request.
    pub(crate) request: ChatRequest,
    /// Its bytes, where they may pass through to a provider of the dialect.
    pub(crate) raw: Option<Bytes>,
    /// Who asks.
    pub(crate) caller: Caller,
    /// What else was said.
    pub(crate) context: CallContext,
    /// Models to ask, in order, where the one asked for gives no answer.
    pub(crate) alternatives: Vec<String>,
    /// True where the client takes trailers.
    pub(crate) wants_trailers: bool,
    /// True where answers of other formats shall bear an id of this gateway.
    pub(crate) names_answers: bool,
    /// Members that an answer repeats besides those of the request.
    pub(crate) echo: Map<String, Value>,
    /// What is done with the answer.
    pub(crate) at_end: Option<AtEnd>,
}

impl Ask {
    /// Reads a body in the door's dialect.
    ///
    /// # Errors
    /// What the dialect or the headers are refused for.
    pub(crate) fn read(
        server: &Server,
        manner: Manner,
        headers: &HeaderMap,
        caller: Caller,
        bytes: Bytes,
    ) -> Result<Self, Error> {
        let dialect = Arc::clone(spoken(server, manner.dialect)?);
        let mut context = call_context::read(headers, manner.door, &caller.principal)?;
        let request = dialect.decode_request(&bytes)?;
        call_context::read_body(&request, &caller.principal, &mut context);
        Ok(Self {
            manner,
            dialect,
            request,
            raw: Some(bytes),
            caller,
            context,
            alternatives: Vec::new(),
            wants_trailers: takes_trailers(headers),
            names_answers: false,
            echo: Map::new(),
            at_end: None,
        })
    }
}

/// What a request holds: its headers, who sent it, and its body.
///
/// # Errors
/// A body that cannot be read.
pub(crate) async fn take(
    server: &Server,
    request: Request,
) -> Result<(HeaderMap, Caller, Bytes), Refusal> {
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    let headers = request.headers().clone();
    let bytes = body::read(&server.app.options, request).await?;
    Ok((headers, caller, bytes))
}

/// Runs the call and writes its answer.
///
/// A stream whose answer is not there after a while begins without it, where the format can be kept
/// alive: the client waits, and the gateway may still try other models. Failures that come sooner
/// keep their status.
///
/// # Errors
/// Whatever keeps the call from an answer.
pub(crate) async fn answer(server: &Arc<Server>, ask: Ask) -> Result<Response, Refusal> {
    let Ask { manner, dialect, request, raw, caller, context, .. } = ask;
    let is_streaming = request.stream;
    let mut echo = dialect.echo(&request);
    echo.extend(ask.echo);
    let client = ClientStream {
        model: String::new(),
        include_usage: request.include_usage,
        // Only a format that states its input before its output needs the count.
        input_tokens_estimate: if is_streaming { estimate::input_tokens(&request) } else { 0 },
        created_s: server.now_ms().div_euclid(1_000),
        fallback_id: String::new(),
        echo,
    };
    let manners = Manners {
        dialect: manner.dialect,
        include_usage: request.include_usage,
        wants_trailers: ask.wants_trailers,
        keep_alive_ms: server.app.options.keep_alive_ms,
        names_answers: ask.names_answers,
    };
    let stream = Stream { dialect, client, manners, at_end: ask.at_end };
    let raw = raw.map(|bytes| (manner.dialect, bytes));
    let mut principal = caller.principal;
    accounts::add_end_user(&mut principal, request.user.as_deref());
    let inbound = Inbound { door: manner.door, request, raw, principal, context };
    let engine = Arc::clone(&server.app.engine);
    let alternatives = ask.alternatives;
    let mut run: Running = Box::pin(async move { run_any(&engine, inbound, alternatives).await });
    let answer = if is_streaming && relay::can_wait(manner.dialect) {
        let patience = Duration::from_millis(stream.manners.keep_alive_ms.max(1));
        match tokio::time::timeout(patience, &mut run).await {
            Ok(answer) => answer?,
            Err(_) => return Ok(stream_response(stream, Source::Awaited(run))),
        }
    } else {
        run.await?
    };
    let head = answer.head;
    let mut response = match answer.body {
        AnswerBody::Whole(whole) => whole_response(stream, *whole, &head).await,
        AnswerBody::Stream(pieces) => {
            let stream = stream.answered_by(&head);
            stream_response(stream, Source::Coming(pieces))
        }
    };
    respond::write_head(&head, manner.surface, response.headers_mut());
    Ok(response)
}

/// Runs the call, and again for the next model while one gives no answer that another might give. The
/// client sees what the model it asked for failed of.
async fn run_any(
    engine: &Arc<Engine>,
    mut inbound: Inbound,
    alternatives: Vec<String>,
) -> Result<Answer, Failure> {
    let mut shown: Option<Failure> = None;
    for next in alternatives {
        match engine.run(inbound.clone()).await {
            Err(failure) if failure.error.retry() != Retry::No => {
                shown.get_or_insert(failure);
                inbound.request.model = next;
            }
            decided => return decided.map_err(|failure| shown.unwrap_or(failure)),
        }
    }
    engine.run(inbound).await.map_err(|failure| shown.unwrap_or(failure))
}

/// A call that runs.
pub(crate) type Running = Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send>>;

/// The implementation of a dialect.
///
/// # Errors
/// [`gw_core::Kind::Internal`] where the binary did not supply it.
pub(crate) fn spoken(server: &Server, id: DialectId) -> Result<&Arc<dyn Dialect>, Error> {
    server.dialect(id).ok_or_else(|| Error::internal(format!("dialect `{id}` is not built in")))
}

async fn whole_response(stream: Stream, mut whole: Whole, head: &Head) -> Response {
    let stream = stream.answered_by(head);
    let bytes = match whole.raw {
        Some(raw) if head.is_pass_through => raw,
        _ => {
            if stream.manners.names_answers {
                whole.reply.id.clear();
            }
            stream.dialect.encode_reply(&whole.reply, &stream.client)
        }
    };
    if let Some(at_end) = stream.at_end {
        at_end(bytes.clone()).await;
    }
    let mut response = respond::json(escalation::with_member(bytes, head));
    respond::write_receipt(&whole.receipt, response.headers_mut());
    response
}

fn stream_response(stream: Stream, source: Source) -> Response {
    let wants_trailers = stream.manners.wants_trailers;
    let content_type = stream.dialect.stream_content_type();
    let mut response = Response::new(relay::body(stream, source));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
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

/// An id for an answer that has none of its own, in the form of the dialect.
pub(crate) fn fallback_id(dialect: DialectId, head: &Head) -> String {
    let bare = head.call_id.to_string().replace('-', "");
    match dialect {
        DialectId::OpenAiChat => format!("chatcmpl-{bare}"),
        DialectId::AnthropicMessages => format!("msg_{bare}"),
        DialectId::OpenAiResponses => format!("resp_{bare}"),
        DialectId::CohereChat => head.call_id.to_string(),
        DialectId::Gemini | DialectId::Ollama | DialectId::BedrockConverse => bare,
    }
}
