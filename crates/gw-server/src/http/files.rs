//! `/v1/files`: files that clients upload, in OpenAI's shape. The gateway keeps them itself.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::batch::FileInfo;
use gw_core::limits::{FILES_BYTES_MAX, FILES_KEPT_MS};
use gw_core::{Error, Kind};
use gw_dialect::operation::form;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::batches::{self, file_object};
use crate::errors::Refusal;
use crate::http::{Route, model, models};
use crate::kept::owner;
use crate::openapi::{BODY_ERRORS, DOOR_ERRORS, Operation};
use crate::surface::Surface;
use crate::{operate, respond};

/// Most entries of one page.
const PAGE_MAX: usize = 100;

/// Longest name of a file, in bytes.
const NAME_BYTES_MAX: usize = 256;

pub(super) fn door() -> Route {
    Route {
        path: "/v1/files",
        aliases: &["/files"],
        allow: "GET, HEAD, POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(list).post(upload) },
        operations,
    }
}

pub(super) fn one_door() -> Route {
    Route {
        path: "/v1/files/{id}",
        aliases: &["/files/{id}"],
        allow: "GET, HEAD, DELETE, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(show).delete(forget) },
        operations: one_operations,
    }
}

pub(super) fn content_door() -> Route {
    Route {
        path: "/v1/files/{id}/content",
        aliases: &["/files/{id}/content"],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(content) },
        operations: content_operations,
    }
}

/// Which part of a list is wanted.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Page {
    after: Option<String>,
    limit: Option<usize>,
}

impl Page {
    /// The entry before, and how many are wanted.
    pub(super) fn read(&self) -> (Option<&str>, usize) {
        let after = self.after.as_deref().filter(|after| !after.is_empty());
        (after, self.limit.unwrap_or(20).clamp(1, PAGE_MAX))
    }

    /// The list as OpenAI's clients page through it; it holds one entry more than wanted where there
    /// are more.
    pub(super) fn object(mut data: Vec<Value>, wanted: usize) -> Value {
        let has_more = data.len() > wanted;
        data.truncate(wanted);
        let id = |entry: Option<&Value>| entry.map(|entry| entry["id"].clone());
        let (first, last) = (id(data.first()), id(data.last()));
        json!({"object": "list", "data": data, "has_more": has_more,
            "first_id": first, "last_id": last})
    }
}

async fn upload(State(server): State<Arc<Server>>, request: Request) -> Result<Response, Refusal> {
    let store = Arc::clone(batches::store(&server)?);
    let taken = operate::take_form(&server, request).await?;
    let parts = form::parts(operate::content_type(&taken.headers), &taken.bytes)?;
    let part = |name: &str| parts.iter().find(|part| part.name == name);
    let missing = |name: &str| Error::bad_field(name, format!("`{name}` is required"));
    let file = part("file").ok_or_else(|| missing("file"))?;
    let purpose = part("purpose").map(form::Part::text).unwrap_or_default();
    let is_word = (1..=64).contains(&purpose.len())
        && purpose.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if !is_word {
        return Err(Error::bad_field("purpose", "`purpose` must be a word such as `batch`").into());
    }
    let owner = owner(&taken.caller).to_owned();
    let now_ms = server.now_ms();
    // A little housekeeping with each that comes.
    store.forget_before(now_ms.saturating_sub(FILES_KEPT_MS)).await?;
    let bytes = file.bytes.len() as u64;
    if store.file_bytes(&owner).await?.saturating_add(bytes) > FILES_BYTES_MAX {
        let message = format!("your files would take more than {FILES_BYTES_MAX} bytes");
        return Err(Error::new(Kind::PayloadTooLarge, message)
            .with_field("file")
            .with_hint("delete files that are not needed any more")
            .into());
    }
    let mut filename = file.file_name.clone().unwrap_or_else(|| "file".to_owned());
    filename.truncate(filename.floor_char_boundary(NAME_BYTES_MAX));
    let info = FileInfo {
        id: batches::new_id(&server, "file-"),
        owner,
        filename,
        purpose: purpose.to_owned(),
        bytes,
        created_at_ms: now_ms,
    };
    store.put_file(&info, file.bytes.clone()).await?;
    Ok(respond::json_of(&file_object(&info))?)
}

async fn list(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    query: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(page) = query.map_err(|rejection| models::wrong_query(&rejection))?;
    let (after, wanted) = page.read();
    let files = batches::store(&server)?.files(owner(&caller), after, wanted + 1).await?;
    let data = files.iter().map(file_object).collect();
    Ok(respond::json_of(&Page::object(data, wanted))?)
}

async fn show(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(id) = path.map_err(|rejection| model::wrong_path(&rejection))?;
    let file = batches::store(&server)?.file(owner(&caller), &id).await?;
    let file = file.ok_or_else(|| unknown("file", &id))?;
    Ok(respond::json_of(&file_object(&file))?)
}

async fn forget(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(id) = path.map_err(|rejection| model::wrong_path(&rejection))?;
    if !batches::store(&server)?.forget_file(owner(&caller), &id).await? {
        return Err(unknown("file", &id).into());
    }
    Ok(respond::json_of(&json!({"id": id, "object": "file", "deleted": true}))?)
}

async fn content(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(id) = path.map_err(|rejection| model::wrong_path(&rejection))?;
    let content = batches::store(&server)?.file_content(owner(&caller), &id).await?;
    let content = content.ok_or_else(|| unknown("file", &id))?;
    let mut response = Response::new(Body::from(content));
    let kind = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

/// No such file, or batch.
pub(super) fn unknown(what: &str, id: &str) -> Error {
    let shown: String = id.chars().take(64).collect();
    Error::new(Kind::NotFound, format!("there is no {what} `{shown}`")).with_field("id")
}

fn example() -> Value {
    json!({"id": "file-1", "object": "file", "bytes": 120, "filename": "requests.jsonl",
        "purpose": "batch", "created_at": 1_763_000_000, "expires_at": 1_765_592_000,
        "status": "processed", "status_details": null})
}

fn operations() -> Vec<Operation> {
    let parts = json!({"file": {"type": "string", "format": "binary"},
        "purpose": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9_-]+$"}});
    let post = Operation::new("post", "createFile", "OpenAI", "Uploads a file.")
        .form_body(&["file", "purpose"], &parts)
        .dialect_answer("File", "The file.", example())
        .errors(Surface::OpenAi, &[Kind::NotConfigured, Kind::StoreUnavailable])
        .errors(Surface::OpenAi, &BODY_ERRORS)
        .errors(Surface::OpenAi, &DOOR_ERRORS);
    let get = Operation::new("get", "listFiles", "OpenAI", "The caller's files, newest first.")
        .page_parameters()
        .dialect_answer("FileList", "A page of them.", Page::object(vec![example()], 20));
    vec![with_errors(get), post]
}

fn one_operations() -> Vec<Operation> {
    let get = Operation::new("get", "getFile", "OpenAI", "One file.")
        .id_parameter()
        .dialect_answer("File", "The file.", example());
    let gone = json!({"id": "file-1", "object": "file", "deleted": true});
    let delete = Operation::new("delete", "deleteFile", "OpenAI", "Removes a file.")
        .id_parameter()
        .dialect_answer("Deleted", "It is gone.", gone);
    vec![with_errors(get), with_errors(delete)]
}

fn content_operations() -> Vec<Operation> {
    let bytes = json!({"type": "string", "format": "binary"});
    let get = Operation::new("get", "getFileContent", "OpenAI", "The bytes of a file.")
        .id_parameter()
        .answers_as(200, "The bytes.", "application/octet-stream", bytes, json!("{}"));
    vec![with_errors(get)]
}

/// The errors of a door that reads what is kept.
pub(super) fn with_errors(operation: Operation) -> Operation {
    let kinds = [Kind::InvalidRequest, Kind::NotFound, Kind::NotConfigured, Kind::StoreUnavailable];
    operation.errors(Surface::OpenAi, &kinds).errors(Surface::OpenAi, &DOOR_ERRORS)
}
