//! The doors: one file each below, one line each in [`routes`].

mod admin;
mod audio;
mod batches;
mod cache;
mod chat;
pub(crate) mod chat_completions;
mod cohere_chat;
mod cohere_embed;
pub(crate) mod context;
mod conversation_stats;
pub(crate) mod conversations;
mod count_tokens;
pub(crate) mod embeddings;
mod feedback;
mod files;
mod generate_content;
mod google_models;
mod health;
mod hello;
pub(crate) mod images;
mod livez;
mod mcp;
pub(crate) mod messages;
mod metrics;
mod model;
mod models;
pub(crate) mod moderations;
mod ollama_chat;
mod ollama_embed;
mod ollama_generate;
mod ollama_ps;
mod ollama_show;
mod ollama_tags;
mod ollama_version;
mod openapi_json;
mod own_key;
pub(crate) mod protected_resource;
mod readyz;
pub(crate) mod rerank;
mod response;
mod response_cancel;
mod response_input_items;
pub(crate) mod responses;
mod responses_socket;
mod route;
mod server_stats;
pub(crate) mod stats;
mod usage;

pub(crate) mod converse;
mod listing;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::MethodRouter;
use gw_core::limits::SOCKETS_MAX;
use http::Method;
use tokio::sync::Semaphore;

use crate::app::{App, Server};
use crate::auth::{Keys, Scope};
use crate::batches::Desk;
use crate::openapi::Operation;
use crate::traffic::Traffic;
use crate::{edge, openapi, query_key};

/// A path and everything the edge must know of it.
pub(crate) struct Route {
    /// Its pattern, in axum's words; also its label in metrics.
    pub(crate) path: &'static str,
    /// Other patterns for the same door, not described in the API document.
    pub(crate) aliases: &'static [&'static str],
    /// Methods offered, as the `Allow` header lists them.
    pub(crate) allow: &'static str,
    /// What a caller must be.
    pub(crate) scope: Scope,
    /// Its handlers.
    pub(crate) mount: fn() -> MethodRouter<Arc<Server>>,
    /// Its description.
    pub(crate) operations: fn() -> Vec<Operation>,
}

impl Route {
    /// True for a method that the door has.
    pub(crate) fn offers(&self, method: &Method) -> bool {
        self.allow.split(", ").any(|offered| offered == method.as_str())
    }

    /// The path as OpenAPI writes it: without axum's mark for "the rest of the path".
    pub(crate) fn described_path(&self) -> String {
        self.path.replace("{*", "{")
    }
}

/// Every door.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        chat_completions::door(),
        responses::door(),
        response::door(),
        response_input_items::door(),
        response_cancel::door(),
        embeddings::door(),
        moderations::door(),
        images::door(),
        images::edits_door(),
        audio::speech_door(),
        audio::transcriptions_door(),
        audio::translations_door(),
        files::door(),
        files::one_door(),
        files::content_door(),
        batches::door(),
        batches::one_door(),
        batches::cancel_door(),
        rerank::door(),
        cohere_chat::door(),
        cohere_embed::door(),
        messages::door(),
        count_tokens::door(),
        models::door(),
        model::door(),
        google_models::door(),
        generate_content::door(),
        ollama_chat::door(),
        ollama_generate::door(),
        ollama_embed::door(),
        ollama_embed::legacy_door(),
        ollama_tags::door(),
        ollama_show::door(),
        ollama_ps::door(),
        ollama_version::door(),
        route::door(),
        chat::door(),
        context::door(),
        cache::stats_door(),
        cache::clear_door(),
        stats::door(),
        conversation_stats::door(),
        conversations::list::door(),
        conversations::one::door(),
        conversations::messages::door(),
        conversations::summaries::door(),
        conversations::todo::door(),
        conversations::handoff::door(),
        conversations::export::door(),
        conversations::export::user_door(),
        server_stats::door(),
        usage::door(),
        usage::own_door(),
        usage::call_door(),
        own_key::door(),
        feedback::door(),
        admin::keys::door(),
        admin::key::door(),
        admin::key_rotate::door(),
        admin::key_revoke::door(),
        admin::accounts::door(),
        admin::account::door(),
        admin::budgets::door(),
        admin::budget::door(),
        admin::limits::door(),
        admin::limit::door(),
        mcp::door(),
        protected_resource::door(),
        health::door(),
        livez::door(),
        readyz::door(),
        metrics::door(),
        openapi_json::door(),
        hello::door(),
    ]
}

/// The whole HTTP service.
pub fn router(app: App) -> Router {
    let routes = routes();
    let openapi = openapi::document(&app, &routes);
    let keys = Keys::new(&app.options, Arc::clone(&app.authenticator));
    let mut table = HashMap::new();
    let mut router: Router<Arc<Server>> = Router::new();
    for route in routes {
        let route = Arc::new(route);
        for path in std::iter::once(&route.path).chain(route.aliases) {
            router = router.route(path, (route.mount)());
            table.insert(*path, Arc::clone(&route));
        }
    }
    let sockets = Arc::new(Semaphore::new(SOCKETS_MAX));
    let traffic = Traffic::default();
    let batches = Desk::default();
    let server = Arc::new(Server { app, keys, traffic, openapi, batches, sockets, table });
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(crate::batches::resume(Arc::clone(&server)));
    }
    router
        .fallback(unknown_path)
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(Arc::clone(&server), edge::edge))
        .layer(middleware::map_request(query_key::take))
        .with_state(server)
}

/// Never reached with a body of its own: the edge answers unknown paths before it.
async fn unknown_path(request: axum::extract::Request) -> crate::errors::Refusal {
    crate::errors::Refusal::unknown_path(request.uri().path())
}
