//! What happens to every request before and after its handler.
//!
//! Order: foreign hosts, preflights, unknown methods, keys, foreign pages, the handler; then panics
//! and refusals are rendered in the words of the surface, and the visit is counted.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use gw_core::principal::Principal;
use gw_core::{Error, Kind};
use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

use crate::app::{Server, ServerOptions};
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::{Route, protected_resource};
use crate::surface::Surface;
use crate::traffic::Visit;
use crate::{accounts, origin, standing};

/// The middleware around every route and around the answer to unknown paths.
pub(crate) async fn edge(
    State(server): State<Arc<Server>>,
    request: Request,
    next: Next,
) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .and_then(|matched| server.table.get(matched.as_str()))
        .cloned();
    let label = route.as_ref().map_or("unmatched", |route| route.path);
    let clock = &server.app.engine.resources().clock;
    let visit = Visit::begin(&server.traffic, clock, label, request.uri().path(), request.method());
    let surface = Surface::of_request(request.method(), request.uri(), request.headers());
    let asked = cors_view(request.headers());
    let path = route.as_ref().map_or("", |route| route.path);
    let challenge = protected_resource::challenge(&server, path, request.uri(), request.headers());
    let version = request.version();

    let mut caller = None;
    let served = match route {
        Some(route) => matched(&server, &route, request, next, &mut caller).await,
        None => unmatched(&server, &request),
    };
    let mut response = served.unwrap_or_else(IntoResponse::into_response);
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        tracing::debug!(route = label, kind = ?refusal.kind(), "request refused");
        response = refusal.render(&server, surface);
    }
    let is_unauthenticated = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    if version >= Version::HTTP_2 {
        headers.remove(http::header::CONNECTION);
    }
    if let Some(principal) = &caller {
        standing::write(&server, principal, surface, headers);
    }
    if let Some(challenge) = challenge.filter(|_| is_unauthenticated) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    origin::add_cors(&server.app.options, &asked, headers);
    visit.finish(response)
}

fn unmatched(server: &Server, request: &Request) -> Result<Response, Refusal> {
    origin::check_host(&server.app.options, request.uri(), request.headers())?;
    Err(Refusal::unknown_path(request.uri().path()))
}

async fn matched(
    server: &Server,
    route: &Route,
    mut request: Request,
    next: Next,
    known: &mut Option<Principal>,
) -> Result<Response, Refusal> {
    let options = &server.app.options;
    origin::check_host(options, request.uri(), request.headers())?;
    if request.method() == Method::OPTIONS {
        return Ok(preflight(route));
    }
    if !route.offers(request.method()) {
        return Err(Refusal::wrong_method(request.method().as_str(), route.allow));
    }
    let mut caller = server.keys.caller(request.headers(), route.scope).await?;
    if route.scope != Scope::Public {
        admit(options, route, &request, &caller.principal)?;
    }
    if route.scope == Scope::Caller {
        accounts::add_named(&mut caller.principal, request.headers())?;
        *known = Some(caller.principal.clone());
    }
    request.extensions_mut().insert(caller);
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => Ok(response),
        Err(panic) => {
            tracing::error!(route = route.path, panic = panic_text(&*panic), "handler panicked");
            Err(Error::internal("the gateway failed on this request").into())
        }
    }
}

/// Whether this caller may use this route.
fn admit(
    options: &ServerOptions,
    route: &Route,
    request: &Request,
    principal: &Principal,
) -> Result<(), Refusal> {
    if principal.key_id.is_none() && principal.policies.is_empty() {
        origin::check_page(options, request.headers())?;
    }
    let path = request.uri().path();
    if principal.allows_endpoint(route.path) || principal.allows_endpoint(path) {
        return Ok(());
    }
    let message = format!("this key may not use `{}`", route.path);
    Err(Error::new(Kind::Forbidden, message)
        .with_hint("its policy, or one above it, lists other endpoints; use another key")
        .into())
}

fn preflight(route: &Route) -> Response {
    let mut response = Response::new(Body::empty());
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(route.allow));
    response
}

/// The few headers that CORS looks at, kept while the handler owns the request.
fn cors_view(headers: &HeaderMap) -> HeaderMap {
    let mut view = HeaderMap::new();
    for name in [http::header::ORIGIN, http::header::ACCESS_CONTROL_REQUEST_HEADERS] {
        if let Some(value) = headers.get(&name) {
            view.insert(name, value.clone());
        }
    }
    view
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}
