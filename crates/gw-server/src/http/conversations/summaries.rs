//! `GET|POST /v1/conversations/{conversationId}/summaries`: the versions of a summary, and a new one.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::limits::ADMIN_PAGE_MAX;
use gw_core::record::StoredSummary;
use gw_core::{Error, Result};
use gw_engine::Summariser;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{open, operation};
use crate::app::{Server, iso_instant};
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::fields::Fields;
use crate::http::Route;
use crate::openapi::{BODY_ERRORS, Operation};
use crate::surface::Surface;
use crate::{body, respond};

pub(in crate::http) fn door() -> Route {
    Route {
        path: "/v1/conversations/{conversationId}/summaries",
        aliases: &[],
        allow: "GET, HEAD, POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(list).post(make) },
        operations,
    }
}

/// Versions of a summary.
#[derive(Serialize, ToSchema)]
struct Summaries {
    /// Newest first.
    summaries: Vec<SummaryView>,
}

/// A version of a summary.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SummaryView {
    /// 1 for the first.
    version: u32,
    /// The summary.
    #[schema(value_type = Object)]
    summary: Value,
    /// When it was stored.
    #[schema(format = "date-time")]
    created_at: String,
}

impl SummaryView {
    fn of(stored: StoredSummary) -> Self {
        let created_at = iso_instant(stored.created_at_ms);
        Self { version: stored.version, summary: stored.body, created_at }
    }
}

async fn list(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let opened = open(&server, &caller, path, false).await?;
    let store = &server.app.engine.resources().conversations;
    let found = store.summaries(opened.id(), ADMIN_PAGE_MAX).await?;
    let summaries = found.into_iter().map(SummaryView::of).collect();
    Ok(respond::json_of(&Summaries { summaries })?)
}

/// How a summary is made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body; Fields reads it")]
struct SummaryOrder {
    /// `extractive` asks no model, `free` a free one, `cheapest` the cheapest up to L1.
    #[schema(example = "extractive", pattern = "^(extractive|free|cheapest)$")]
    by: Option<String>,
}

/// A summary that was made.
#[derive(Serialize, ToSchema)]
struct Made {
    /// The newest summary; null for a conversation without messages.
    #[schema(required = true, value_type = Option<Object>)]
    summary: Option<Value>,
}

async fn make(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Refusal> {
    let opened = open(&server, &caller, path, false).await?;
    let bytes = body::read(&server.app.options, request).await?;
    let by = made_by(&Fields::parse(&bytes)?)?;
    let engine = &server.app.engine;
    let summary = engine.summarise(caller.principal, opened.conversation, by).await?;
    let summary = summary.map(|summary| summary.to_value());
    Ok(respond::json_of(&Made { summary })?)
}

/// Who is to make something.
///
/// # Errors
/// [`gw_core::Kind::InvalidRequest`].
pub(super) fn made_by(fields: &Fields) -> Result<Summariser> {
    match fields.text("by")? {
        None | Some("" | "extractive" | "heuristic") => Ok(Summariser::Extractive),
        Some("free") => Ok(Summariser::Free),
        Some("cheapest" | "model") => Ok(Summariser::Cheapest),
        Some(other) => Err(Error::bad_field("by", format!("`{other}` makes nothing"))
            .with_hint("extractive, free or cheapest")),
    }
}

fn operations() -> Vec<Operation> {
    let summary = json!({"facts": ["Ann lives in Oslo"], "coversUntil": 41});
    let get = operation("get", "listSummaries", "The versions of a conversation's summary.")
        .answers::<Summaries>(
        "Newest first; the last hundred are kept.",
        json!({"summaries": [{"version": 1, "summary": summary,
                "createdAt": "2026-11-20T12:00:00.000Z"}]}),
    );
    let post = operation("post", "makeSummary", "Summarises what no summary covers yet.")
        .body::<SummaryOrder>(json!({"by": "extractive"}))
        .answers::<Made>("The newest summary.", json!({"summary": summary}))
        .errors(Surface::General, &BODY_ERRORS);
    vec![get, post]
}
