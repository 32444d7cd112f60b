//! The doors of conversations that the gateway keeps: one file a path. A conversation is open to the
//! key that began it and to administrators.

pub(super) mod export;
pub(super) mod handoff;
pub(super) mod list;
pub(super) mod messages;
pub(super) mod one;
pub(super) mod summaries;
pub(super) mod todo;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use gw_core::principal::Principal;
use gw_core::record::{ConversationHead, ConversationQuery, ConversationRef};
use gw_core::seam::Conversations;
use gw_core::{ConversationId, Error, Kind};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::app::{Server, iso_instant};
use crate::auth::Caller;
use crate::http::context::conversation_id;
use crate::openapi::{self, DOOR_ERRORS, Operation};
use crate::surface::Surface;

/// The tag of these doors in the API document.
const TAG: &str = "Conversations";

/// A conversation that a path names and its caller may use.
struct Opened {
    /// Whose it is: as it was begun, or as this caller would begin it.
    conversation: ConversationRef,
    /// `None` for one that is not known yet.
    head: Option<ConversationHead>,
}

impl Opened {
    fn id(&self) -> &ConversationId {
        &self.conversation.id
    }

    /// What is known of it.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    fn known(self) -> Result<ConversationHead, Error> {
        self.head.ok_or_else(|| Error::new(Kind::NotFound, "Conversation not found"))
    }
}

/// Opens the conversation that the path names.
///
/// # Errors
/// [`Kind::InvalidRequest`], [`Kind::Forbidden`] for one that another key began,
/// [`Kind::StoreUnavailable`].
async fn open(
    server: &Server,
    caller: &Caller,
    path: Result<Path<String>, PathRejection>,
    with_counts: bool,
) -> Result<Opened, Error> {
    let conversations = &*server.app.engine.resources().conversations;
    open_id(conversations, &caller.principal, conversation_id(path)?, with_counts).await
}

/// The same for an id that is known to be one.
///
/// # Errors
/// [`Kind::Forbidden`], [`Kind::StoreUnavailable`].
async fn open_id(
    conversations: &dyn Conversations,
    principal: &Principal,
    id: ConversationId,
    with_counts: bool,
) -> Result<Opened, Error> {
    let query = ConversationQuery {
        id: Some(id.clone()),
        limit: 1,
        with_counts,
        ..ConversationQuery::default()
    };
    let heads = conversations.heads(query).await?;
    let Some(head) = heads.into_iter().next() else {
        let conversation = ConversationRef {
            id,
            user_id: principal.user_id.clone(),
            project_id: principal.project_id.clone(),
            owner: principal.key_id.clone(),
        };
        return Ok(Opened { conversation, head: None });
    };
    if !head.conversation.is_open_to(principal) {
        let message = format!("conversation `{id}` was begun with another key");
        return Err(Error::new(Kind::Forbidden, message)
            .with_field("conversationId")
            .with_hint("Use the key that began it, or an admin key."));
    }
    Ok(Opened { conversation: head.conversation.clone(), head: Some(head) })
}

/// Refuses a caller who may not use a conversation.
///
/// # Errors
/// [`Kind::Forbidden`], [`Kind::StoreUnavailable`].
pub(crate) async fn check(
    conversations: &dyn Conversations,
    principal: &Principal,
    id: &ConversationId,
) -> Result<(), Error> {
    open_id(conversations, principal, id.clone(), false).await.map(drop)
}

/// A conversation, without its messages.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ConversationView {
    /// Its id.
    id: String,
    /// Its user, where known.
    user_id: Option<String>,
    /// Its project, where known.
    project_id: Option<String>,
    /// The key that began it; null without keys.
    key_id: Option<String>,
    /// Messages kept.
    message_count: u64,
    /// Version of its newest summary; 0 where there is none.
    summary_version: u32,
    /// When it began.
    #[schema(format = "date-time")]
    created_at: String,
    /// When it was last added to.
    #[schema(format = "date-time")]
    updated_at: String,
}

impl ConversationView {
    fn of(head: ConversationHead) -> Self {
        let ConversationRef { id, user_id, project_id, owner } = head.conversation;
        Self {
            id: id.as_str().to_owned(),
            user_id,
            project_id,
            key_id: owner,
            message_count: head.messages,
            summary_version: head.summary_version,
            created_at: iso_instant(head.created_at_ms),
            updated_at: iso_instant(head.updated_at_ms),
        }
    }
}

fn view_example() -> Value {
    json!({"id": "demo-1", "userId": null, "projectId": null, "keyId": null, "messageCount": 52,
        "summaryVersion": 1, "createdAt": "2026-11-20T12:00:00.000Z",
        "updatedAt": "2026-11-20T12:30:00.000Z"})
}

/// Begins the description of an operation on one conversation.
fn operation(method: &'static str, id: &str, summary: &str) -> Operation {
    Operation::new(method, id, TAG, summary)
        .parameter("path", "conversationId", "The conversation.", &openapi::client_id())
        .errors(
            Surface::General,
            &[Kind::InvalidRequest, Kind::Forbidden, Kind::NotFound, Kind::StoreUnavailable],
        )
        .errors(Surface::General, &DOOR_ERRORS)
}
