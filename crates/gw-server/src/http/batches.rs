//! `/v1/batches`: batches of requests, in OpenAI's shape, answered in the background by this gateway.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use gw_core::batch::{Batch, BatchStatus};
use gw_core::limits::{BATCH_WINDOW_MS, BATCHES_UNFINISHED_MAX};
use gw_core::{Error, Kind};
use serde_json::{Map, Value, json};

use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::batches::{self, ENDPOINTS, batch_object};
use crate::errors::Refusal;
use crate::fields::Fields;
use crate::http::files::{Page, unknown, with_errors};
use crate::http::{Route, model, models};
use crate::kept::owner;
use crate::openapi::{BODY_ERRORS, DOOR_ERRORS, Operation};
use crate::surface::Surface;
use crate::{operate, respond};

/// Entries and letters of what a client keeps with a batch (OpenAI: 16 pairs, 64 and 512 letters).
const METADATA_MAX: usize = 16;
const METADATA_BYTES_MAX: usize = 512;

pub(super) fn door() -> Route {
    Route {
        path: "/v1/batches",
        aliases: &["/batches"],
        allow: "GET, HEAD, POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(list).post(create) },
        operations,
    }
}

pub(super) fn one_door() -> Route {
    Route {
        path: "/v1/batches/{id}",
        aliases: &["/batches/{id}"],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(show) },
        operations: one_operations,
    }
}

pub(super) fn cancel_door() -> Route {
    Route {
        path: "/v1/batches/{id}/cancel",
        aliases: &["/batches/{id}/cancel"],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(cancel) },
        operations: cancel_operations,
    }
}

async fn create(State(server): State<Arc<Server>>, request: Request) -> Result<Response, Refusal> {
    let store = Arc::clone(batches::store(&server)?);
    let taken = operate::take(&server, request).await?;
    let fields = Fields::parse(&taken.bytes)?;
    fields.require(&["input_file_id", "endpoint"])?;
    let endpoint = fields.text("endpoint")?.unwrap_or_default().to_owned();
    if !ENDPOINTS.contains(&endpoint.as_str()) {
        let message = format!("`endpoint` must be one of {}", ENDPOINTS.join(", "));
        return Err(Error::bad_field("endpoint", message).into());
    }
    let principal = taken.caller.principal.clone();
    if !principal.allows_endpoint(&endpoint) {
        let message = format!("this key may not use `{endpoint}`");
        return Err(Error::new(Kind::Forbidden, message).with_field("endpoint").into());
    }
    let file_id = fields.id("input_file_id")?.unwrap_or_default().to_owned();
    let owner = owner(&taken.caller).to_owned();
    let unfinished = store.unfinished_batches().await?;
    if unfinished.iter().filter(|batch| batch.owner == owner).count() >= BATCHES_UNFINISHED_MAX {
        let message = format!("{BATCHES_UNFINISHED_MAX} of your batches are under way");
        return Err(Error::new(Kind::RateLimited, message).into());
    }
    let content = store.file_content(&owner, &file_id).await?;
    let content = content.ok_or_else(|| {
        Error::bad_field("input_file_id", format!("there is no file `{file_id}`"))
            .with_hint("upload it to /v1/files with `purpose` `batch`")
    })?;
    let (errors, total) = match batches::parse(&content, &endpoint) {
        Ok(lines) => (Vec::new(), lines.len() as u64),
        Err(faults) => (faults, 0),
    };
    let now_ms = server.now_ms();
    let is_failed = !errors.is_empty();
    let batch = Batch {
        id: batches::new_id(&server, "batch_"),
        owner,
        principal,
        endpoint,
        input_file_id: file_id,
        completion_window: fields.id("completion_window")?.unwrap_or("24h").to_owned(),
        metadata: metadata(&taken.bytes)?,
        status: if is_failed { BatchStatus::Failed } else { BatchStatus::InProgress },
        errors,
        output_file_id: None,
        error_file_id: None,
        total,
        completed: 0,
        failed: 0,
        created_at_ms: now_ms,
        expires_at_ms: now_ms.saturating_add(BATCH_WINDOW_MS),
        finalizing_at_ms: None,
        cancelling_at_ms: None,
        ended_at_ms: is_failed.then_some(now_ms),
    };
    store.put_batch(&batch).await?;
    let object = batch_object(&batch);
    if !is_failed {
        batches::start(&server, batch);
    }
    Ok(respond::json_of(&object)?)
}

/// What the client keeps with the batch: short texts.
fn metadata(body: &[u8]) -> Result<Map<String, Value>, Error> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let wrong = || {
        let message = format!("`metadata` holds at most {METADATA_MAX} short texts");
        Error::bad_field("metadata", message)
    };
    match body.get("metadata") {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => {
            let is_short = |text: &str| text.len() <= METADATA_BYTES_MAX;
            let is_small = |(key, value): (&String, &Value)| {
                is_short(key) && value.as_str().is_some_and(is_short)
            };
            let is_well = map.len() <= METADATA_MAX && map.iter().all(is_small);
            if is_well { Ok(map.clone()) } else { Err(wrong()) }
        }
        Some(_) => Err(wrong()),
    }
}

async fn list(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    query: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(page) = query.map_err(|rejection| models::wrong_query(&rejection))?;
    let (after, wanted) = page.read();
    let found = batches::store(&server)?.batches(owner(&caller), after, wanted + 1).await?;
    let data = found.iter().map(batch_object).collect();
    Ok(respond::json_of(&Page::object(data, wanted))?)
}

async fn found(server: &Server, caller: &Caller, id: &str) -> Result<Batch, Error> {
    let batch = batches::store(server)?.batch(owner(caller), id).await?;
    batch.ok_or_else(|| unknown("batch", id))
}

async fn show(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(id) = path.map_err(|rejection| model::wrong_path(&rejection))?;
    Ok(respond::json_of(&batch_object(&found(&server, &caller, &id).await?))?)
}

async fn cancel(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(id) = path.map_err(|rejection| model::wrong_path(&rejection))?;
    let batch = found(&server, &caller, &id).await?;
    let batch = batches::withdraw(&server, batch).await?;
    Ok(respond::json_of(&batch_object(&batch))?)
}

fn example() -> Value {
    json!({"id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "errors": null,
        "input_file_id": "file-1", "completion_window": "24h", "status": "in_progress",
        "output_file_id": null, "error_file_id": null, "created_at": 1_763_000_000,
        "request_counts": {"total": 2, "completed": 0, "failed": 0}, "metadata": {}})
}

fn operations() -> Vec<Operation> {
    let request = json!({"input_file_id": "file-1", "endpoint": "/v1/chat/completions",
        "completion_window": "24h"});
    let about = "Answers the requests of a file in the background, at their usual price.";
    let post = Operation::new("post", "createBatch", "OpenAI", about)
        .dialect_body("BatchRequest", request)
        .dialect_answer("Batch", "The batch.", example())
        .errors(Surface::OpenAi, &[Kind::NotConfigured, Kind::RateLimited, Kind::StoreUnavailable])
        .errors(Surface::OpenAi, &BODY_ERRORS)
        .errors(Surface::OpenAi, &DOOR_ERRORS);
    let get = Operation::new("get", "listBatches", "OpenAI", "The caller's batches, newest first.")
        .page_parameters()
        .dialect_answer("BatchList", "A page of them.", Page::object(vec![example()], 20));
    vec![with_errors(get), post]
}

fn one_operations() -> Vec<Operation> {
    let get = Operation::new("get", "getBatch", "OpenAI", "One batch.")
        .id_parameter()
        .dialect_answer("Batch", "The batch.", example());
    vec![with_errors(get)]
}

fn cancel_operations() -> Vec<Operation> {
    let post = Operation::new("post", "cancelBatch", "OpenAI", "Withdraws a batch.")
        .id_parameter()
        .dialect_answer("Batch", "How it stands then.", example())
        .errors(Surface::OpenAi, &[Kind::Conflict]);
    vec![with_errors(post)]
}
