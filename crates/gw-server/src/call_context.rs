//! Reads what a caller says in headers beside the request itself.

use std::str::FromStr;

use gw_core::chat::ChatRequest;
use gw_core::limits::{CLIENT_ID_BYTES_MAX, REQUEST_FILES_MAX as FILES_MAX};
use gw_core::principal::Principal;
use gw_core::record::ConversationRef;
use gw_core::task::{Quality, TaskType};
use gw_core::{ConversationId, Error, Kind, Layer};
use gw_engine::{CacheWish, CallContext, Confirmation, Door, Recall};
use http::header::{CACHE_CONTROL, USER_AGENT};
use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value};

/// Headers in which a client names the conversation on purpose.
const CONVERSATION: [&str; 2] = ["x-gateway-conversation-id", "x-conversation-id"];

/// Headers in which known clients name their session: Claude Code, Codex (two spellings, and its older
/// word), OpenCode, clients of LiteLLM.
const SESSION: [&str; 7] = [
    "x-claude-code-session-id",
    "session-id",
    "session_id",
    "x-session-id",
    "x-session-affinity",
    "conversation_id",
    "x-litellm-session-id",
];

/// Members of a body that name the session: OpenRouter's, LiteLLM's, and what Codex caches by.
const SESSION_FIELDS: [&str; 3] = ["session_id", "litellm_session_id", "prompt_cache_key"];

/// Members of a request's metadata that name the conversation.
const METADATA_FIELDS: [&str; 3] = ["conversation_id", "conversationId", "session_id"];

/// The header in which LiteLLM's clients tag a call, separated by commas.
const TAGS: &str = "x-litellm-tags";

/// Most bytes of all tags of a call.
const TAGS_BYTES_MAX: usize = 1_024;

/// Most entries of `x-gateway-metadata`.
const METADATA_ENTRIES_MAX: usize = 16;

/// What the headers of a dialect's door say.
///
/// # Errors
/// [`Kind::InvalidRequest`] naming the header.
pub(crate) fn read(
    headers: &HeaderMap,
    door: Door,
    caller: &Principal,
) -> Result<CallContext, Error> {
    let mut metadata = metadata(headers)?;
    let session = SESSION.iter().find_map(|name| plain(headers, name));
    if let Some(session) = &session {
        metadata.insert("session_id".to_owned(), Value::String(session.clone()));
    }
    if let Some(agent) = plain(headers, USER_AGENT.as_str()) {
        metadata.insert("user_agent".to_owned(), Value::String(agent));
    }
    if let Some(tags) = plain(headers, TAGS) {
        metadata.insert("tags".to_owned(), Value::String(tags));
    }
    let named = named_conversation(headers)?;
    let recall = recall(headers, named.is_some())?;
    let conversation = named.or(session).map(|id| ConversationRef {
        id: ConversationId::from(id),
        user_id: caller.user_id.clone(),
        project_id: caller.project_id.clone(),
        owner: caller.key_id.clone(),
    });
    Ok(CallContext {
        conversation,
        recall,
        quality: word::<Quality>(headers, "x-gateway-quality")?,
        task: word::<TaskType>(headers, "x-gateway-task")?,
        complexity: None,
        preferred_layer: word::<Layer>(headers, "x-gateway-layer")?,
        max_layer: word::<Layer>(headers, "x-gateway-max-layer")?,
        is_free_only: flag(headers, "x-gateway-budget-zero")?,
        cross_check: switch(headers, "x-gateway-cross-check")?,
        auto_escalate: switch(headers, "x-gateway-auto-escalate")?,
        confirmation: confirmation(headers)?,
        files: files(headers)?,
        forward_headers: forwarded(headers, door),
        cache: cache(headers)?,
        metadata,
    })
}

/// Adds what clients say in bodies beside their request: their session, where no header named it,
/// and tags.
pub(crate) fn read_body(request: &ChatRequest, caller: &Principal, context: &mut CallContext) {
    if let Some(tags) = tags(request) {
        context.metadata.entry("tags").or_insert(Value::String(tags));
    }
    if context.conversation.is_some() {
        return;
    }
    let Some(session) = session_of(request) else { return };
    context.metadata.insert("session_id".to_owned(), Value::String(session.clone()));
    context.conversation = Some(ConversationRef {
        id: ConversationId::from(session),
        user_id: caller.user_id.clone(),
        project_id: caller.project_id.clone(),
        owner: caller.key_id.clone(),
    });
}

/// The session as a member of the body or of its metadata, or within the user's id as Claude Code writes it.
fn session_of(request: &ChatRequest) -> Option<String> {
    let fields = &request.extra.fields;
    let named = SESSION_FIELDS.iter().find_map(|name| fields.get(*name)?.as_str());
    let in_metadata = METADATA_FIELDS.iter().find_map(|name| request.metadata.get(*name)?.as_str());
    let of_user = request.user.as_deref().and_then(session_of_user);
    named.or(in_metadata).map(str::to_owned).or(of_user).filter(|id| {
        let is_short = (1..=CLIENT_ID_BYTES_MAX).contains(&id.len());
        is_short && !id.chars().any(char::is_control)
    })
}

/// Claude Code: a JSON object that holds `session_id`, or, before that, `user_…_session_<id>`.
fn session_of_user(user: &str) -> Option<String> {
    if user.starts_with('{') {
        let parsed: Value = serde_json::from_str(user).ok()?;
        return parsed.get("session_id")?.as_str().map(str::to_owned);
    }
    user.rsplit_once("_session_").map(|(_, id)| id.to_owned())
}

/// `metadata.tags`, as LiteLLM's clients send them.
fn tags(request: &ChatRequest) -> Option<String> {
    let tags = request.metadata.get("tags")?.as_array()?;
    let words: Vec<&str> = tags.iter().filter_map(Value::as_str).collect();
    let text = words.join(",");
    (!text.is_empty() && text.len() <= TAGS_BYTES_MAX).then_some(text)
}

fn named_conversation(headers: &HeaderMap) -> Result<Option<String>, Error> {
    for name in CONVERSATION {
        if let Some(text) = text(headers, name)? {
            return crate::fields::client_id(name, text).map(|id| Some(id.to_owned()));
        }
    }
    Ok(None)
}

/// What the gateway puts before the request. Clients of a dialect send their history themselves
/// unless they say otherwise; only a conversation named on purpose is continued.
fn recall(headers: &HeaderMap, is_named: bool) -> Result<Recall, Error> {
    const NAME: &str = "x-gateway-recall";
    match text(headers, NAME)? {
        None | Some("nothing") => Ok(Recall::Nothing),
        Some("history") if is_named => Ok(Recall::History),
        Some("history") => Err(Error::bad_field(NAME, "there is no conversation to recall")
            .with_hint("name it in x-gateway-conversation-id")),
        Some(_) => Err(Error::bad_field(NAME, format!("`{NAME}` must be `history` or `nothing`"))),
    }
}

/// Headers that a provider of the client's own dialect shall see. Never credentials or accounts.
fn forwarded(headers: &HeaderMap, door: Door) -> HeaderMap {
    let names: &[&'static str] = match door {
        Door::AnthropicMessages => &["anthropic-beta", "anthropic-version"],
        Door::OpenAiChat | Door::OpenAiResponses => &["openai-beta"],
        _ => &[],
    };
    let mut forwarded = HeaderMap::new();
    for name in names {
        for value in headers.get_all(*name) {
            forwarded.append(HeaderName::from_static(name), value.clone());
        }
    }
    forwarded
}

/// What `cache-control` says of the response cache; one of several headers is enough to forbid.
///
/// # Errors
/// [`Kind::InvalidRequest`] for a `max-age` that is no number of seconds.
pub(crate) fn cache(headers: &HeaderMap) -> Result<CacheWish, Error> {
    let values = headers.get_all(CACHE_CONTROL).iter();
    let texts: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    CacheWish::from_header(&texts.join(","))
}

/// A JSON object of plain values, kept with the call's record.
fn metadata(headers: &HeaderMap) -> Result<Map<String, Value>, Error> {
    const NAME: &str = "x-gateway-metadata";
    let Some(text) = text(headers, NAME)? else { return Ok(Map::new()) };
    let wrong =
        |message: &str| Error::new(Kind::InvalidRequest, message.to_owned()).with_field(NAME);
    let Ok(map) = serde_json::from_str::<Map<String, Value>>(text) else {
        return Err(wrong("`x-gateway-metadata` must be a JSON object"));
    };
    let is_small = |key: &String, value: &Value| {
        let length = match value {
            Value::String(text) => text.len(),
            Value::Array(_) | Value::Object(_) => usize::MAX,
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        };
        key.len() <= CLIENT_ID_BYTES_MAX && length <= CLIENT_ID_BYTES_MAX
    };
    if map.len() > METADATA_ENTRIES_MAX || !map.iter().all(|(key, value)| is_small(key, value)) {
        return Err(wrong(
            "`x-gateway-metadata` holds at most 16 short texts, numbers and booleans",
        ));
    }
    Ok(map)
}

fn word<T>(headers: &HeaderMap, name: &'static str) -> Result<Option<T>, Error>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    let Some(text) = text(headers, name)? else { return Ok(None) };
    text.parse().map(Some).map_err(|error: T::Err| Error::bad_field(name, error.to_string()))
}

fn flag(headers: &HeaderMap, name: &'static str) -> Result<bool, Error> {
    Ok(switch(headers, name)?.unwrap_or(false))
}

/// The yes to an offered escalation: its token, or `yes` for the conversation's newest.
fn confirmation(headers: &HeaderMap) -> Result<Option<Confirmation>, Error> {
    if let Some(token) = text(headers, "x-gateway-escalation-token")? {
        return Ok(Some(Confirmation::Token(token.to_owned())));
    }
    let is_yes = flag(headers, "x-gateway-confirm-escalation")?;
    Ok(is_yes.then_some(Confirmation::Conversation))
}

/// Files that the request is about, separated by commas.
fn files(headers: &HeaderMap) -> Result<Vec<String>, Error> {
    const NAME: &str = "x-gateway-files";
    let Some(text) = text(headers, NAME)? else { return Ok(Vec::new()) };
    let files: Vec<String> =
        text.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect();
    if files.len() > FILES_MAX {
        return Err(Error::bad_field(NAME, format!("`{NAME}` names more than {FILES_MAX} files")));
    }
    Ok(files)
}

fn switch(headers: &HeaderMap, name: &'static str) -> Result<Option<bool>, Error> {
    match text(headers, name)? {
        None => Ok(None),
        Some("false" | "0") => Ok(Some(false)),
        Some("true" | "1") => Ok(Some(true)),
        Some(_) => Err(Error::bad_field(name, format!("`{name}` must be `true` or `false`"))),
    }
}

/// A header that must be text where it is present; an empty one counts as absent.
fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Error> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    match value.to_str() {
        Ok(text) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        Err(_) => Err(Error::bad_field(name, format!("`{name}` must be plain ASCII"))),
    }
}

/// A header of which an unreadable or overlong value is simply not taken.
fn plain(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    (!text.is_empty() && text.len() <= CLIENT_ID_BYTES_MAX).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
