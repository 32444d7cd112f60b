//! `GET /.well-known/oauth-protected-resource`: who gives tokens for `/mcp` (RFC 9728), where tokens of
//! an identity provider are accepted. With the gateway's own keys alone there is nothing here, so that
//! clients do not look for a login that does not exist.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::Kind;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Uri};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::app::Server;
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::{DOOR_ERRORS, Operation};
use crate::respond;
use crate::respond::ascii_value;
use crate::surface::Surface;

const PATH: &str = "/.well-known/oauth-protected-resource";

/// The protected resource: every address below is described by the same document.
const RESOURCE: &str = "/mcp";

pub(super) fn door() -> Route {
    Route {
        path: PATH,
        aliases: &[
            "/.well-known/oauth-protected-resource/mcp",
            "/.well-known/oauth-protected-resource/mcp/{shown}",
        ],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Public,
        mount: || -> MethodRouter<Arc<Server>> { get(describe) },
        operations,
    }
}

/// What RFC 9728 has a client know of a protected resource.
#[derive(Serialize, ToSchema)]
struct ProtectedResource {
    /// The address that tokens must be for.
    resource: String,
    /// Who gives them.
    authorization_servers: Vec<String>,
    /// How they are sent: in the `Authorization` header.
    bearer_methods_supported: [&'static str; 1],
    /// For people.
    resource_name: &'static str,
}

async fn describe(
    State(server): State<Arc<Server>>,
    request: Request,
) -> Result<Response, Refusal> {
    let Some(login) = &server.app.options.login else {
        return Err(Refusal::unknown_path(request.uri().path()));
    };
    let resource = match &login.resource {
        Some(resource) => resource.clone(),
        None => format!("{}{RESOURCE}", here(request.uri(), request.headers())),
    };
    Ok(respond::json_of(&ProtectedResource {
        resource,
        authorization_servers: vec![login.issuer.clone()],
        bearer_methods_supported: ["header"],
        resource_name: "ai-mcp-gateway",
    })?)
}

/// Names the document to a client that was refused for want of a good token (RFC 9728 section 5.1);
/// `None` where no tokens are accepted or the path is another's.
pub(crate) fn challenge(
    server: &Server,
    path: &str,
    uri: &Uri,
    headers: &HeaderMap,
) -> Option<HeaderValue> {
    let login = server.app.options.login.as_ref().filter(|_| path == RESOURCE)?;
    let base = match &login.resource {
        Some(resource) => resource.strip_suffix(RESOURCE).unwrap_or(resource).to_owned(),
        None => here(uri, headers),
    };
    // A token that came and was refused is another matter than none (RFC 6750 section 3.1).
    let error = match headers.contains_key(http::header::AUTHORIZATION) {
        true => "error=\"invalid_token\", ",
        false => "",
    };
    let text = format!("Bearer {error}resource_metadata=\"{base}{PATH}{RESOURCE}\"");
    Some(ascii_value(&text))
}

/// The address under which the client reached the gateway. What stands before it may speak TLS, which
/// nothing that can be trusted tells: then `server.oidc.resource` says it.
fn here(uri: &Uri, headers: &HeaderMap) -> String {
    let named = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = named.or_else(|| uri.authority().map(http::uri::Authority::as_str));
    format!("http://{}", host.unwrap_or("localhost"))
}

fn operations() -> Vec<Operation> {
    let example = json!({
        "resource": "https://gateway.example/mcp",
        "authorization_servers": ["https://login.example/realm"],
        "bearer_methods_supported": ["header"],
        "resource_name": "ai-mcp-gateway",
    });
    let get = Operation::new("get", "getProtectedResource", "MCP", "Who gives tokens for /mcp.")
        .answers::<ProtectedResource>("The document of RFC 9728.", example)
        .errors(Surface::General, &[Kind::NotFound])
        .errors(Surface::General, &DOOR_ERRORS);
    vec![get]
}
