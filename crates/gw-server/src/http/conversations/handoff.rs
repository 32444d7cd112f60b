//! `POST /v1/conversations/{conversationId}/handoff`: what a higher model needs to know instead of the
//! whole conversation, as JSON and as text.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use gw_context::tokens;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{open, operation};
use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::fields::Fields;
use crate::http::Route;
use crate::openapi::{BODY_ERRORS, Operation};
use crate::surface::Surface;
use crate::{body, respond};

/// Tokens of a package unless the caller says otherwise.
const TOKENS: u64 = 2_000;

pub(in crate::http) fn door() -> Route {
    Route {
        path: "/v1/conversations/{conversationId}/handoff",
        aliases: &[],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(make) },
        operations,
    }
}

/// How a package is made.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the body; Fields reads it")]
struct HandoffOrder {
    /// What is to be done; the last question of the conversation where absent.
    task: Option<String>,
    /// What is wanted of the higher model.
    request: Option<String>,
    /// Most tokens of the text; 2000 where absent.
    #[schema(minimum = 1, maximum = 1000000000)]
    max_tokens: Option<u64>,
}

/// A package.
#[derive(Serialize, ToSchema)]
struct HandoffView {
    /// The package: contextSummary, currentTask, attemptsSoFar, knownIssues, openQuestions,
    /// requestToHigherLayer, relevantFiles, testResults.
    #[schema(value_type = Object)]
    handoff: Value,
    /// The same as text for a model.
    text: String,
    /// About how many tokens the text takes.
    tokens: u64,
}

async fn make(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Refusal> {
    let opened = open(&server, &caller, path, false).await?;
    let bytes = body::read(&server.app.options, request).await?;
    let fields = Fields::parse(&bytes)?;
    let tokens_max = fields.count("maxTokens")?.unwrap_or(TOKENS);
    let mut package = server.app.engine.handoff(opened.id(), u64::MAX).await?;
    if let Some(task) = fields.text("task")?.filter(|task| !task.is_empty()) {
        task.clone_into(&mut package.current_task.task);
    }
    if let Some(wanted) = fields.text("request")? {
        package = package.with_request(wanted);
    }
    let package = package.within(tokens_max);
    let text = package.to_text();
    let tokens = tokens::of_text(&text);
    Ok(respond::json_of(&HandoffView { handoff: package.to_json(), text, tokens })?)
}

fn operations() -> Vec<Operation> {
    let example = json!({
        "handoff": {"contextSummary": {}, "currentTask": {"task": "Mend the login"},
            "attemptsSoFar": [], "knownIssues": [], "openQuestions": [],
            "requestToHigherLayer": "A working login."},
        "text": "[CONTEXT-SUMMARY]\nNone.\n\n[CURRENT-TASK]\nMend the login", "tokens": 14,
    });
    let post = operation("post", "makeHandoff", "What a higher model needs to know.")
        .body::<HandoffOrder>(json!({"request": "A working login.", "maxTokens": 2000}))
        .answers::<HandoffView>("The package, as JSON and as text.", example)
        .errors(Surface::General, &BODY_ERRORS);
    vec![post]
}
