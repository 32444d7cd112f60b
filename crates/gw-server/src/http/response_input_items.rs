//! `GET /v1/responses/{id}/input_items`: what a kept response was given, earlier turns included.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use gw_core::{Error, Kind};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::Server;
use crate::auth::{Caller, Scope};
use crate::errors::Refusal;
use crate::http::{Route, model, models, response};
use crate::kept;
use crate::openapi::{DOOR_ERRORS, Operation};
use crate::respond;
use crate::surface::Surface;

/// Items on one page unless asked otherwise, and at most, as OpenAI's list has it.
const PAGE_DEFAULT: usize = 20;
const PAGE_MAX: usize = 100;

pub(super) fn door() -> Route {
    Route {
        path: "/v1/responses/{id}/input_items",
        aliases: &["/responses/{id}/input_items"],
        allow: "GET, HEAD, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { get(list) },
        operations,
    }
}

#[derive(Debug, Default, Deserialize)]
struct Wanted {
    limit: Option<usize>,
    order: Option<String>,
    after: Option<String>,
}

async fn list(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = query.map_err(|rejection| models::wrong_query(&rejection))?;
    let Path(id) = path.map_err(|rejection| model::wrong_path(&rejection))?;
    let found = response::found(&server, &caller, &id).await?;
    let mut items = match &found.previous_id {
        Some(previous) => kept::history(&server, kept::owner(&caller), previous).await?,
        None => Vec::new(),
    };
    items.extend(found.input);
    Ok(respond::json(page(items, &id, &wanted)?.to_string()))
}

/// A page, newest first unless asked otherwise. Items that came without an id have one by their
/// place.
fn page(mut items: Vec<Value>, id: &str, wanted: &Wanted) -> Result<Value, Error> {
    for (place, item) in items.iter_mut().enumerate() {
        if let Value::Object(item) = item {
            item.entry("type").or_insert_with(|| json!("message"));
            item.entry("id").or_insert_with(|| json!(format!("item_{id}_{place}")));
        }
    }
    match wanted.order.as_deref() {
        None | Some("desc") => items.reverse(),
        Some("asc") => {}
        Some(_) => return Err(Error::bad_field("order", "`order` must be `asc` or `desc`")),
    }
    let limit = wanted.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Error::bad_field("limit", format!("`limit` must be between 1 and {PAGE_MAX}")));
    }
    let start =
        match &wanted.after {
            None => 0,
            Some(after) => items
                .iter()
                .position(|item| item["id"] == **after)
                .map(|place| place + 1)
                .ok_or_else(|| Error::new(Kind::NotFound, "`after` names no item of this list"))?,
        };
    let end = items.len().min(start + limit);
    let shown = &items[start..end];
    Ok(json!({
        "object": "list",
        "data": shown,
        "first_id": shown.first().map(|item| &item["id"]),
        "last_id": shown.last().map(|item| &item["id"]),
        "has_more": end < items.len(),
    }))
}

fn operations() -> Vec<Operation> {
    let id = json!({"type": "string", "minLength": 1, "example": "resp_1"});
    let limit = json!({"type": "integer", "minimum": 1, "maximum": PAGE_MAX});
    let order = json!({"type": "string", "enum": ["asc", "desc"]});
    let example =
        json!({"object": "list", "data": [], "first_id": null, "last_id": null, "has_more": false});
    let get = Operation::new("get", "listInputItems", "OpenAI", "What a kept response was given.")
        .parameter("path", "id", "The response.", &id)
        .parameter("query", "limit", "Length of a page.", &limit)
        .parameter("query", "order", "Newest first, unless `asc`.", &order)
        .parameter("query", "after", "Begin after this item.", &json!({"type": "string"}))
        .dialect_answer("InputItemList", "A page of the items.", example)
        .errors(Surface::OpenAi, &[Kind::InvalidRequest, Kind::NotFound, Kind::StoreUnavailable])
        .errors(Surface::OpenAi, &DOOR_ERRORS);
    vec![get]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Wanted, page};

    #[test]
    fn pages_go_from_new_to_old_unless_asked_otherwise() {
        let items: Vec<Value> = (0..3).map(|n| json!({"role": "user", "content": n})).collect();
        let read = |limit, order: Option<&str>, after: Option<&str>| {
            let owned = |text: &str| text.to_owned();
            let wanted = Wanted { limit, order: order.map(owned), after: after.map(owned) };
            let page = page(items.clone(), "r", &wanted).ok()?;
            let ids = page["data"].as_array()?.iter().map(|item| item["content"].clone()).collect();
            Some((Value::Array(ids), page["has_more"].as_bool()?))
        };
        assert_eq!(read(None, None, None), Some((json!([2, 1, 0]), false)));
        assert_eq!(read(Some(2), Some("asc"), None), Some((json!([0, 1]), true)));
        assert_eq!(read(None, None, Some("item_r_2")), Some((json!([1, 0]), false)));
        assert_eq!(read(Some(0), None, None), None);
        assert_eq!(read(None, Some("up"), None), None);
        assert_eq!(read(None, None, Some("nobody")), None);
    }
}
