//! `GET /v1/cache/stats` and `POST /v1/cache/clear`: what is kept for a while, and forgetting it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use gw_core::glob::Glob;
use gw_core::limits::CACHE_WORD_BYTES_MAX;
use gw_core::principal::Principal;
use gw_core::seam::hot;
use gw_core::{Error, Kind};
use gw_engine::CacheMode;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::app::Server;
use crate::auth::{Caller, Scope, check_admin};
use crate::errors::Refusal;
use crate::fields::Fields;
use crate::http::Route;
use crate::openapi::{BODY_ERRORS, DOOR_ERRORS, Operation};
use crate::surface::Surface;
use crate::{body, respond};

pub(super) fn stats_door() -> Route {
    Route {
        path: "/v1/cache/stats",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(stats) },
        operations: stats_operations,
    }
}

pub(super) fn clear_door() -> Route {
    Route {
        path: "/v1/cache/clear",
        aliases: &[],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(clear) },
        operations: clear_operations,
    }
}

/// How the response cache does. Counts are of this process, since it began.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CacheStats {
    /// `off`, `on` or `opt-in`.
    mode: &'static str,
    /// Where entries are: `memory` or `redis`.
    store: &'static str,
    /// True where other gateways use the same entries.
    shared: bool,
    /// Answers kept; null where the store does not say.
    #[schema(required = true)]
    entries: Option<u64>,
    /// Bytes they take, about; null where the store does not say.
    #[schema(required = true)]
    bytes: Option<u64>,
    /// Calls answered from it.
    hits: u64,
    /// Calls that waited for an equal one under way and got its answer.
    shared_answers: u64,
    /// Calls that it had no answer for.
    misses: u64,
    /// Calls of kinds that it never answers.
    bypassed: u64,
    /// Answers put into it.
    stored: u64,
    /// Hits and shared answers among all calls but those bypassed; null before the first.
    #[schema(required = true)]
    hit_rate: Option<f64>,
    /// What the answers given from it had cost, in dollars.
    saved_usd: String,
    /// The same in pico-dollars.
    saved_pico_usd: i64,
}

#[expect(clippy::cast_precision_loss, reason = "a rate is for people")]
async fn stats(State(server): State<Arc<Server>>) -> Result<Response, Refusal> {
    let report = server.app.engine.cache().await;
    let served = report.hits.saturating_add(report.shared);
    let looked = served.saturating_add(report.misses);
    let stats = CacheStats {
        mode: match report.mode {
            CacheMode::Off => "off",
            CacheMode::On => "on",
            CacheMode::OptIn => "opt-in",
        },
        store: report.store,
        shared: report.is_shared,
        entries: report.size.map(|size| size.entries),
        bytes: report.size.map(|size| size.bytes),
        hits: report.hits,
        shared_answers: report.shared,
        misses: report.misses,
        bypassed: report.bypassed,
        stored: report.stored,
        hit_rate: (looked > 0).then(|| served as f64 / looked as f64),
        saved_usd: report.saved.to_usd_string(),
        saved_pico_usd: report.saved.pico(),
    };
    Ok(respond::json_of(&stats)?)
}

/// What to forget; one of the two.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the body; Fields reads it, to name every fault")]
struct ClearRequest {
    /// A conversation: what is kept of it beside the store, which keeps it all the same.
    #[schema(min_length = 1, max_length = 256, pattern = "^[ -~]+$")]
    conversation_id: Option<String>,
    /// Names of entries as Redis matches them, such as `llm:cache:*`; takes an admin key.
    #[schema(min_length = 1, max_length = 512)]
    pattern: Option<String>,
}

/// What was forgotten.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ClearAnswer {
    /// True.
    success: bool,
    /// Entries forgotten; 1 for a conversation.
    cleared_count: u64,
    /// The pattern, or `conversation:` and the conversation.
    pattern: String,
}

async fn clear(State(server): State<Arc<Server>>, request: Request) -> Result<Response, Refusal> {
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    let bytes = body::read(&server.app.options, request).await?;
    let fields = Fields::parse(&bytes)?;
    let store = &server.app.engine.resources().hot;
    let (cleared_count, pattern) = match (fields.id("conversationId")?, fields.text("pattern")?) {
        (Some(id), _) if !id.is_empty() => {
            for family in [hot::SUMMARIES, hot::MESSAGES, hot::TODO_LISTS] {
                store.remove(&format!("{family}{id}")).await?;
            }
            (1, format!("conversation:{id}"))
        }
        (_, Some(pattern)) if !pattern.is_empty() => {
            check_may_clear(&server, &caller.principal)?;
            if pattern.len() > CACHE_WORD_BYTES_MAX {
                let message = format!("`pattern` is longer than {CACHE_WORD_BYTES_MAX} bytes");
                return Err(Error::bad_field("pattern", message).into());
            }
            let glob = Glob::new(pattern);
            let mut cleared = 0;
            for family in hot::FAMILIES {
                cleared += store.remove_matching(family, &glob).await?;
            }
            (cleared, pattern.to_owned())
        }
        _ => {
            let message = "conversationId or pattern is required";
            return Err(Error::bad_field("conversationId", message)
                .with_hint("`{\"pattern\": \"llm:cache:*\"}` forgets all answers")
                .into());
        }
    };
    Ok(respond::json_of(&ClearAnswer { success: true, cleared_count, pattern })?)
}

/// Entries of all callers are an admin's to clear, unless anyone may do anything here.
fn check_may_clear(server: &Server, principal: &Principal) -> Result<(), Error> {
    let is_open = server.app.options.allow_anonymous && *principal == Principal::default();
    if is_open { Ok(()) } else { check_admin(principal) }
}

fn stats_operations() -> Vec<Operation> {
    let example = json!({
        "mode": "on", "store": "memory", "shared": false, "entries": 12, "bytes": 18_400,
        "hits": 30, "sharedAnswers": 2, "misses": 12, "bypassed": 3, "stored": 12,
        "hitRate": 0.727_272_727_272_727_3, "savedUsd": "0.0124", "savedPicoUsd": 12_400_000_000_i64,
    });
    let get = Operation::new("get", "getCacheStats", "System A", "How the response cache does.")
        .answers::<CacheStats>("Counts of this process, and what is kept.", example)
        .errors(Surface::General, &DOOR_ERRORS);
    vec![get]
}

fn clear_operations() -> Vec<Operation> {
    let post =
        Operation::new("post", "clearCache", "System A", "Forgets what is kept for a while.")
            .body::<ClearRequest>(json!({"pattern": "llm:cache:*"}))
            .needs_one_of(&["conversationId", "pattern"])
            .answers::<ClearAnswer>(
                "It is forgotten.",
                json!({"success": true, "clearedCount": 12, "pattern": "llm:cache:*"}),
            )
            .errors(Surface::General, &BODY_ERRORS)
            .errors(Surface::General, &[Kind::StoreUnavailable])
            .errors(Surface::General, &DOOR_ERRORS);
    vec![post]
}
