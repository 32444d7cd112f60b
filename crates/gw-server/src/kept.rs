//! Responses that go on: what a client of OpenAI's responses said before is put in front of what it
//! says, whoever answers, and the answer is kept for the next turn.
//!
//! The gateway keeps them itself, so that a turn may go to another provider than the one before.

use std::sync::Arc;

use bytes::Bytes;
use gw_core::limits::{REQUEST_BODY_BYTES_MAX, RESPONSE_THREAD_MAX};
use gw_core::record::StoredResponse;
use gw_core::{Error, Kind};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::app::Server;
use crate::ask::AtEnd;
use crate::auth::Caller;

/// A request whose earlier turns are in its input.
pub(crate) struct Turn {
    /// The body to be decoded.
    pub(crate) body: Bytes,
    /// The response that it continues.
    pub(crate) previous_id: Option<String>,
    /// The items of this turn alone; empty where nobody will ask for them.
    pub(crate) new: Vec<Value>,
    /// All items; empty where neither the history nor this turn was looked at.
    pub(crate) all: Vec<Value>,
    /// True where the client wants the response kept.
    pub(crate) is_kept: bool,
}

/// What must be known of a request before it is decoded; everything else stays unread.
#[derive(Debug, Default, Deserialize)]
struct Peek {
    #[serde(default)]
    previous_response_id: Option<String>,
    #[serde(default)]
    store: Option<bool>,
    #[serde(default)]
    background: Option<bool>,
}

/// A response and the whole history of which it is the end, as a connection remembers it.
#[derive(Debug)]
pub(crate) struct Recent {
    /// The response.
    pub(crate) id: String,
    /// Everything said up to its end.
    pub(crate) items: Vec<Value>,
}

/// Whose responses a caller finds.
pub(crate) fn owner(caller: &Caller) -> &str {
    caller.principal.key_id.as_deref().unwrap_or_default()
}

/// Puts the turns before in front of a request. `remembers` looks at the items in any case, because
/// the caller remembers them itself; `recent` is what it remembered last.
///
/// # Errors
/// [`Kind::InvalidRequest`] for a response that is not known, [`Kind::UnsupportedFeature`] for one
/// that shall run in the background, [`Kind::StoreUnavailable`]. A body that is not JSON is no error
/// here: the dialect says what is wrong with it.
pub(crate) async fn turn(
    server: &Server,
    owner: &str,
    body: Bytes,
    remembers: bool,
    recent: Option<&Recent>,
) -> Result<Turn, Error> {
    let Ok(peek) = serde_json::from_slice::<Peek>(&body) else {
        let (new, all) = (Vec::new(), Vec::new());
        return Ok(Turn { body, previous_id: None, new, all, is_kept: false });
    };
    if peek.background == Some(true) {
        let message = "`background`: responses are answered while their client waits";
        return Err(Error::new(Kind::UnsupportedFeature, message)
            .with_field("background")
            .with_hint("leave it out, and set `stream` for long answers"));
    }
    let is_kept = peek.store != Some(false);
    let previous_id = peek.previous_response_id.filter(|id| !id.is_empty());
    if !is_kept && !remembers && previous_id.is_none() && !refers(&body) {
        let (new, all) = (Vec::new(), Vec::new());
        return Ok(Turn { body, previous_id: None, new, all, is_kept });
    }
    let Ok(Value::Object(mut object)) = serde_json::from_slice::<Value>(&body) else {
        let (new, all) = (Vec::new(), Vec::new());
        return Ok(Turn { body, previous_id: None, new, all, is_kept: false });
    };
    let mut new = items(object.get("input"));
    let has_resolved = resolve(server, owner, &mut new).await?;
    let history = match (&previous_id, recent) {
        (None, _) => Vec::new(),
        (Some(id), Some(recent)) if recent.id == *id => recent.items.clone(),
        (Some(id), _) => history(server, owner, id).await?,
    };
    let mut all = history;
    all.extend(new.iter().cloned());
    let body = if previous_id.is_some() || has_resolved {
        object.shift_remove("previous_response_id");
        object.insert("input".to_owned(), Value::Array(all.clone()));
        Bytes::from(Value::Object(object).to_string())
    } else {
        body
    };
    if body.len() > REQUEST_BODY_BYTES_MAX {
        let message = format!("with the turns before it is over {REQUEST_BODY_BYTES_MAX} bytes");
        return Err(Error::new(Kind::PayloadTooLarge, message).with_field("previous_response_id"));
    }
    Ok(Turn { body, previous_id, new, all, is_kept })
}

/// True for a body that may refer to an item of an earlier response.
fn refers(body: &[u8]) -> bool {
    const WORD: &[u8] = b"item_reference";
    body.windows(WORD.len()).any(|window| window == WORD)
}

/// Input as items; a text is a message of the user.
pub(crate) fn items(input: Option<&Value>) -> Vec<Value> {
    match input {
        Some(Value::Array(items)) => items.clone(),
        Some(Value::String(text)) => vec![json!({
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": text}],
        })],
        _ => Vec::new(),
    }
}

/// Puts items in the place of references to them; what is not known here stays for a provider that
/// may know it. True where anything was replaced.
async fn resolve(server: &Server, owner: &str, items: &mut Vec<Value>) -> Result<bool, Error> {
    let mut has_resolved = false;
    let mut resolved = Vec::with_capacity(items.len());
    for item in std::mem::take(items) {
        let id = item.get("id").and_then(Value::as_str);
        let is_reference = item.get("type").is_some_and(|kind| kind == "item_reference");
        let (true, Some(id)) = (is_reference, id) else {
            resolved.push(item);
            continue;
        };
        match server.app.responses.response_of_item(owner, id).await? {
            None => resolved.push(item),
            Some(kept) => {
                has_resolved = true;
                let found = output(&kept.response).iter().find(|given| given["id"] == id);
                resolved.extend(found.and_then(said));
            }
        }
    }
    *items = resolved;
    Ok(has_resolved)
}

/// Everything said up to the end of a kept response.
///
/// # Errors
/// [`Kind::InvalidRequest`] where it, or one before it, is not known.
pub(crate) async fn history(server: &Server, owner: &str, id: &str) -> Result<Vec<Value>, Error> {
    let thread = server.app.responses.response_thread(owner, id, RESPONSE_THREAD_MAX).await?;
    if thread.first().is_none_or(|first| first.previous_id.is_some()) {
        let shown: String = id.chars().take(128).collect();
        let message = format!("Previous response with id '{shown}' not found.");
        return Err(Error::bad_field("previous_response_id", message).with_hint(
            "It was never kept here (`store: false`), is deleted or too old: send the whole history",
        ));
    }
    let mut items = Vec::new();
    for turn in thread {
        items.extend(turn.input);
        items.extend(outputs(&turn.response));
    }
    Ok(items)
}

/// The output of a response as it is said again.
pub(crate) fn outputs(response: &Value) -> Vec<Value> {
    output(response).iter().filter_map(said).collect()
}

fn output(response: &Value) -> &[Value] {
    response.get("output").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// An output item as it is said again. Ids and states are bookkeeping of the provider that wrote
/// them, and would be looked for at another; thoughts that only their id stands for are left out.
pub(crate) fn said(item: &Value) -> Option<Value> {
    let mut item = item.as_object()?.clone();
    match item.get("type").and_then(Value::as_str)? {
        "message" | "function_call" | "custom_tool_call" => {
            item.shift_remove("id");
            item.shift_remove("status");
        }
        "reasoning" => {
            let has_proof = ["encrypted_content", "signature"]
                .iter()
                .any(|key| item.get(*key).and_then(Value::as_str).is_some_and(|it| !it.is_empty()));
            if !has_proof {
                return None;
            }
            item.shift_remove("status");
        }
        _ => {}
    }
    Some(Value::Object(item))
}

/// Members of the answer that are not in the body any more, or that it left to the default.
pub(crate) fn echo(turn: &Turn) -> Map<String, Value> {
    let mut echo = Map::new();
    echo.insert("store".to_owned(), json!(turn.is_kept));
    if let Some(id) = &turn.previous_id {
        echo.insert("previous_response_id".to_owned(), json!(id));
    }
    echo
}

/// Keeps the answer of a turn before its client has the end.
pub(crate) fn keeper(server: &Arc<Server>, owner: &str, turn: &mut Turn) -> Option<AtEnd> {
    if !turn.is_kept {
        return None;
    }
    let server = Arc::clone(server);
    let owner = owner.to_owned();
    let previous_id = turn.previous_id.clone();
    let input = std::mem::take(&mut turn.new);
    Some(Box::new(move |bytes| {
        Box::pin(async move {
            let Some(response) = finished(&bytes) else { return };
            let Some(id) = response["id"].as_str().filter(|id| !id.is_empty()) else { return };
            let kept = StoredResponse {
                id: id.to_owned(),
                owner,
                previous_id,
                input,
                created_at_ms: server.now_ms(),
                response,
            };
            let id = kept.id.clone();
            // The answer is whole; only the next turn misses it, and is told.
            if let Err(error) = server.app.responses.keep_response(kept).await {
                tracing::error!(%id, message = error.message(), "a response could not be kept");
            }
        })
    }))
}

/// The response of a whole answer, or of the last event of a stream; nothing for one that failed.
pub(crate) fn finished(bytes: &[u8]) -> Option<Value> {
    let response = if bytes.first() == Some(&b'{') {
        serde_json::from_slice(bytes).ok()?
    } else {
        let text = std::str::from_utf8(bytes).ok()?;
        let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
        let mut events = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        events.find_map(|mut event| event.get_mut("response").map(Value::take))?
    };
    let status = response.get("status").and_then(Value::as_str);
    matches!(status, Some("completed" | "incomplete")).then_some(response)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{finished, items, refers, said};

    #[test]
    fn items_are_said_again_without_bookkeeping() {
        let check = |item: Value, expected: Option<Value>| {
            assert_eq!(said(&item), expected, "{item}");
        };
        check(
            json!({"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
                "content": []}),
            Some(json!({"type": "message", "role": "assistant", "content": []})),
        );
        check(
            json!({"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f",
                "namespace": "n", "arguments": "{}"}),
            Some(json!({"type": "function_call", "call_id": "c", "name": "f", "namespace": "n",
                "arguments": "{}"})),
        );
        check(json!({"type": "reasoning", "id": "rs_1", "summary": []}), None);
        let sealed = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "x"});
        check(sealed.clone(), Some(sealed));
        let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed"});
        check(search.clone(), Some(search));
        check(json!("no item"), None);
    }

    #[test]
    fn the_last_event_holds_the_response() {
        let whole = br#"{"id":"resp_1","status":"completed","output":[]}"#;
        assert_eq!(finished(whole).map(|it| it["id"].clone()), Some(json!("resp_1")));
        let event = b"event: response.incomplete\ndata: {\"type\":\"response.incomplete\",\
            \"response\":{\"id\":\"resp_2\",\"status\":\"incomplete\"}}\n\n";
        assert_eq!(finished(event).map(|it| it["id"].clone()), Some(json!("resp_2")));
        for other in [&b""[..], b"data: [DONE]\n\n", br#"{"status":"failed"}"#, b"{", b"\xff"] {
            assert_eq!(finished(other), None);
        }
    }

    #[test]
    fn input_is_items_or_a_text() {
        assert_eq!(items(Some(&json!("hi")))[0]["content"][0]["text"], "hi");
        assert_eq!(items(Some(&json!([{"a": 1}]))), [json!({"a": 1})]);
        assert!(items(None).is_empty() && items(Some(&json!(7))).is_empty());
        assert!(refers(br#"{"input":[{"type":"item_reference"}]}"#) && !refers(b"{}"));
    }
}
