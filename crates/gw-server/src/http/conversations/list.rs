//! `GET /v1/conversations`: the caller's conversations; everybody's for administrators.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::Kind;
use gw_core::limits::ADMIN_PAGE_MAX;
use gw_core::record::ConversationQuery;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{ConversationView, TAG, view_example};
use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::http::Route;
use crate::http::models::wrong_query;
use crate::openapi::{DOOR_ERRORS, Operation};
use crate::respond;
use crate::surface::Surface;

/// Conversations of a page unless the caller says otherwise.
const PAGE: usize = 50;

pub(in crate::http) fn door() -> Route {
    Route {
        path: "/v1/conversations",
        aliases: &[],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(list) },
        operations,
    }
}

#[derive(Debug, Default, Deserialize)]
struct Wanted {
    user: Option<String>,
    before: Option<i64>,
    limit: Option<usize>,
}

/// A page of conversations.
#[derive(Serialize, ToSchema)]
struct Conversations {
    /// The last added to first.
    conversations: Vec<ConversationView>,
    /// What to send as `before` for those after them; null at the end.
    next: Option<i64>,
}

async fn list(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = query.map_err(|rejection| wrong_query(&rejection))?;
    let limit = wanted.limit.unwrap_or(PAGE).clamp(1, ADMIN_PAGE_MAX);
    let principal = caller.principal;
    let query = ConversationQuery {
        user_id: wanted.user,
        owner: principal.key_id.filter(|_| !principal.is_admin),
        before_ms: wanted.before,
        with_counts: true,
        limit,
        ..ConversationQuery::default()
    };
    let heads = server.app.engine.resources().conversations.heads(query).await?;
    let next = heads.last().filter(|_| heads.len() == limit).map(|head| head.updated_at_ms);
    let conversations = heads.into_iter().map(ConversationView::of).collect();
    Ok(respond::json_of(&Conversations { conversations, next })?)
}

fn operations() -> Vec<Operation> {
    let number = json!({"type": "integer", "minimum": 1, "maximum": ADMIN_PAGE_MAX});
    let get = Operation::new("get", "listConversations", TAG, "The caller's conversations.")
        .parameter("query", "user", "Only those of this user.", &json!({"type": "string"}))
        .parameter(
            "query",
            "before",
            "Only those last added to before this instant, in milliseconds since 1970.",
            &json!({"type": "integer", "minimum": 0, "maximum": i64::MAX}),
        )
        .parameter("query", "limit", "Length of a page.", &number)
        .answers::<Conversations>(
            "The last added to first.",
            json!({"conversations": [view_example()], "next": null}),
        )
        .errors(Surface::General, &[Kind::InvalidRequest, Kind::StoreUnavailable])
        .errors(Surface::General, &DOOR_ERRORS);
    vec![get]
}
