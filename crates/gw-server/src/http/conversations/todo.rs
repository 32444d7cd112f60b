//! `GET|PUT|POST /v1/conversations/{conversationId}/todo`: the list of what is to be done, replaced, or
//! made from a task and added.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_context::todo;
use gw_core::record::{TodoItem, TodoStatus};
use gw_core::{Error, Result};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::summaries::made_by;
use super::{open, operation};
use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::fields::{Fields, whole};
use crate::http::Route;
use crate::openapi::{BODY_ERRORS, Operation};
use crate::surface::Surface;
use crate::{body, respond};

pub(in crate::http) fn door() -> Route {
    Route {
        path: "/v1/conversations/{conversationId}/todo",
        aliases: &[],
        allow: "GET, HEAD, PUT, POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(show).put(replace).post(generate) },
        operations,
    }
}

/// A list of what is to be done.
#[derive(Serialize, ToSchema)]
struct TodoList {
    /// The items, in order.
    items: Vec<TodoView>,
    /// The list as Markdown.
    text: String,
}

/// Something to be done.
#[derive(Serialize, ToSchema)]
struct TodoView {
    /// Its number in the list.
    id: u32,
    /// What is to be done.
    title: String,
    /// More about it.
    description: String,
    /// `not-started`, `in-progress` or `completed`.
    #[schema(value_type = String, example = "not-started")]
    status: TodoStatus,
}

fn answer(items: Vec<TodoItem>) -> Result<Response, Refusal> {
    let text = todo::to_text(&items);
    let items = items
        .into_iter()
        .map(|TodoItem { id, title, description, status }| TodoView {
            id,
            title,
            description,
            status,
        })
        .collect();
    Ok(respond::json_of(&TodoList { items, text })?)
}

async fn show(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let opened = open(&server, &caller, path, false).await?;
    answer(server.app.engine.resources().conversations.todo(opened.id()).await?)
}

/// A list in place of the one before.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body; Fields reads it")]
struct TodoBody {
    /// The items; one without an id gets the next number, one without a status is not started.
    #[schema(max_items = 100)]
    items: Vec<TodoEntry>,
}

/// Something to be done, as a client writes it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body; Fields reads it")]
struct TodoEntry {
    /// Its number in the list; no two are the same.
    #[schema(maximum = 4294967295_u32)]
    id: Option<u32>,
    /// What is to be done.
    title: String,
    /// More about it.
    description: Option<String>,
    /// How far it is.
    #[schema(pattern = "^(not-started|in-progress|completed)$")]
    status: Option<String>,
}

async fn replace(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Refusal> {
    let opened = open(&server, &caller, path, false).await?;
    let bytes = body::read(&server.app.options, request).await?;
    let fields = Fields::parse(&bytes)?;
    fields.require(&["items"])?;
    let items = items(fields.value("items"))?;
    let store = &server.app.engine.resources().conversations;
    store.put_todo(opened.conversation, items.clone()).await?;
    answer(items)
}

/// Reads a list, naming what is wrong with it.
fn items(value: Option<&Value>) -> Result<Vec<TodoItem>> {
    let Some(Value::Array(given)) = value else {
        return Err(Error::bad_field("items", "`items` must be a list"));
    };
    if given.len() > todo::ITEMS_MAX {
        let message = format!("`items` holds more than {} items", todo::ITEMS_MAX);
        return Err(Error::bad_field("items", message));
    }
    let mut items: Vec<TodoItem> = Vec::with_capacity(given.len());
    for (at, value) in given.iter().enumerate() {
        let mut value = value.clone();
        if let Value::Object(map) = &mut value {
            map.retain(|_, value| !value.is_null());
            if let Some(id) = map.get("id").and_then(whole) {
                map.insert("id".to_owned(), json!(id));
            }
            map.entry("status").or_insert(json!("not-started"));
            let next = items.iter().map(|item| item.id).max().unwrap_or(0).saturating_add(1);
            map.entry("id").or_insert(json!(next));
        }
        let item: TodoItem = serde_json::from_value(value).map_err(|error| {
            Error::bad_field(format!("items[{at}]"), format!("`items[{at}]`: {error}")).with_hint(
                "An item has title, description, status (not-started, in-progress, completed), id.",
            )
        })?;
        if items.iter().any(|known| known.id == item.id) {
            let message = format!("`items[{at}].id`: {} is there twice", item.id);
            return Err(Error::conflict(format!("items[{at}].id"), message));
        }
        items.push(item);
    }
    Ok(items)
}

/// What a list is made from.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body; Fields reads it")]
struct TodoOrder {
    /// What is to be done.
    #[schema(min_length = 1)]
    task: String,
    /// `heuristic` asks no model, `free` a free one, `cheapest` the cheapest up to L1.
    #[schema(example = "heuristic", pattern = "^(heuristic|free|cheapest)$")]
    by: Option<String>,
}

async fn generate(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Refusal> {
    let opened = open(&server, &caller, path, false).await?;
    let bytes = body::read(&server.app.options, request).await?;
    let fields = Fields::parse(&bytes)?;
    fields.require(&["task"])?;
    let by = made_by(&fields)?;
    let task = fields.text("task")?.unwrap_or_default();
    let engine = &server.app.engine;
    let conversation = opened.conversation;
    let made = engine.todo_list(caller.principal, conversation.clone(), task, by).await;
    let store = &engine.resources().conversations;
    let items = todo::merge(store.todo(&conversation.id).await?, made);
    store.put_todo(conversation, items.clone()).await?;
    answer(items)
}

fn operations() -> Vec<Operation> {
    let item = json!({"id": 1, "title": "Write tests", "description": "", "status": "in-progress"});
    let example = json!({"items": [item], "text": "## TODO List\n"});
    let get = operation("get", "getTodo", "What is to be done in a conversation.")
        .answers::<TodoList>("The list; empty where there is none.", example.clone());
    let put = operation("put", "putTodo", "Replaces the list of what is to be done.")
        .body::<TodoBody>(json!({"items": [item]}))
        .answers::<TodoList>("The list.", example.clone())
        .errors(Surface::General, &BODY_ERRORS)
        .errors(Surface::General, &[gw_core::Kind::Conflict]);
    let post = operation("post", "makeTodo", "Makes a list from a task and adds it.")
        .body::<TodoOrder>(json!({"task": "Implement a parser and test it", "by": "heuristic"}))
        .answers::<TodoList>("The whole list.", example)
        .errors(Surface::General, &BODY_ERRORS);
    vec![get, put, post]
}
