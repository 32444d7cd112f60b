//! `/mcp`: MCP over Streamable HTTP, both eras at one address. `/mcp/all`, `/mcp/search` and
//! `/mcp/{group}` say what of the tools is shown.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use bytes::Bytes;
use futures_util::StreamExt as _;
use gw_core::{Error, Kind};
use gw_mcp::{Exposure, HttpAnswer, HttpRequest};
use http::{HeaderMap, Method};
use serde_json::json;

use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::body;
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::{BODY_ERRORS, DOOR_ERRORS, Operation};
use crate::surface::Surface;

pub(super) fn door() -> Route {
    Route {
        path: "/mcp",
        aliases: &["/mcp/{shown}"],
        allow: "GET, POST, DELETE, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(speak).get(speak).delete(speak) },
        operations,
    }
}

async fn speak(
    State(server): State<Arc<Server>>,
    shown: Option<Path<String>>,
    request: Request,
) -> Result<Response, Refusal> {
    let Some(hub) = &server.app.mcp else {
        return Err(Error::new(Kind::NotConfigured, "MCP is not served here").into());
    };
    let exposure = match shown.as_ref().map(|Path(word)| word.as_str()) {
        None => hub.exposure(),
        Some("all") => Exposure::All,
        Some("search") => Exposure::Search,
        Some(group) if hub.has_group(group) => Exposure::Group(group.to_owned()),
        Some(_) => return Err(Refusal::unknown_path(request.uri().path())),
    };
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let body = match method {
        Method::POST => body::read(&server.app.options, request).await?,
        _ => Bytes::new(),
    };
    let principal = Arc::new(caller.principal);
    let asked = HttpRequest { method, headers, body, principal, exposure };
    Ok(match hub.http(asked).await {
        HttpAnswer::Whole { status, headers, body } => {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = status;
            extend(response.headers_mut(), headers);
            response
        }
        HttpAnswer::Stream { headers, events } => {
            let events = events.map(Ok::<Bytes, std::convert::Infallible>);
            let mut response = Response::new(Body::from_stream(events));
            extend(response.headers_mut(), headers);
            response
        }
    })
}

fn extend(all: &mut HeaderMap, headers: HeaderMap) {
    all.extend(headers);
}

/// A message of JSON-RPC, whatever it says.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct RpcMessage {
    /// `2.0`
    jsonrpc: String,
    /// What is asked.
    method: String,
    /// With what.
    #[schema(value_type = Object)]
    params: serde_json::Value,
}

fn operations() -> Vec<Operation> {
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "example", "version": "1"}}});
    let post = Operation::new("post", "mcp", "MCP", "One message of the Model Context Protocol.")
        .body::<RpcMessage>(hello.clone())
        .answers::<RpcMessage>("The answer, as JSON or as a stream of events.", hello.clone())
        .errors(Surface::General, &BODY_ERRORS)
        .errors(Surface::General, &DOOR_ERRORS)
        .errors(Surface::General, &[Kind::NotConfigured]);
    let get = Operation::new("get", "mcpStream", "MCP", "What the server tells a session unasked.")
        .answers::<RpcMessage>("A stream of events.", hello.clone())
        .errors(Surface::General, &DOOR_ERRORS);
    let delete = Operation::new("delete", "mcpEnd", "MCP", "Ends a session.")
        .answers::<RpcMessage>("It is ended; the body is empty.", hello)
        .errors(Surface::General, &DOOR_ERRORS);
    vec![post, get, delete]
}
