//! What the gateway knows and tells without asking a model: models, sums over calls, conversations.

use gw_catalog::listing::{self, Filter};
use gw_core::{ConversationId, Error, Layer};
use gw_mcp::OwnCall;
use serde_json::{Value, json};

use super::ModelTools;
use crate::fields::Fields;
use crate::http::{
    context as door_context, conversations as door_conversations, stats as door_stats,
};

pub(super) const MODELS: &str = "The models that chat_completion can ask: id, layer, price per \
    million tokens, size, abilities. Cheapest layer first.";
pub(super) const STATS: &str = "Calls, tokens and dollars so far, by model or layer where asked.";
pub(super) const CONTEXT: &str = "What the gateway remembers of a conversation: its summary and its \
    last turns.";

/// Models shown where nothing is said, and at most.
const MODELS_SHOWN: u64 = 50;
const MODELS_MAX: u64 = 500;

pub(super) fn models_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "part of a name"},
            "layer": {"type": "string", "enum": ["L0", "L1", "L2", "L3"]},
            "free": {"type": "boolean"},
            "limit": {"type": "integer", "minimum": 1, "maximum": MODELS_MAX, "default": MODELS_SHOWN},
        },
    })
}

pub(super) fn stats_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "userId": {"type": "string"},
            "startDate": {"type": "string", "description": "2026-11-20"},
            "endDate": {"type": "string"},
            "groupBy": {"type": "string", "enum": ["model", "layer"]},
        },
    })
}

pub(super) fn context_schema() -> Value {
    json!({
        "type": "object",
        "properties": {"conversationId": {"type": "string"}},
        "required": ["conversationId"],
    })
}

/// The models that the caller may ask.
pub(super) fn models(tools: &ModelTools, call: &OwnCall) -> Result<Value, Error> {
    let fields = Fields::parse(call.arguments.get().as_bytes())?;
    let free = match fields.value("free") {
        None => false,
        Some(Value::Bool(free)) => *free,
        Some(_) => return Err(Error::bad_field("free", "`free` must be true or false")),
    };
    let snapshot = tools.engine.snapshot();
    let filter = Filter {
        providers: snapshot.provider_ids.clone(),
        layer: fields.word::<Layer>("layer")?,
        text: fields.text("query")?.map(str::to_owned).filter(|text| !text.is_empty()),
        free,
        disabled: false,
    };
    let limit = fields.count("limit")?.unwrap_or(MODELS_SHOWN).min(MODELS_MAX);
    let now_ms = tools.engine.resources().clock.unix_ms();
    let mut rows = listing::list(&snapshot.catalog, &filter, now_ms);
    rows.retain(|row| {
        let (provider, name) = row.id.split_once('/').unwrap_or(("", &row.id));
        call.principal.allows_model(provider, name)
            && row.layer.is_none_or(|layer| call.principal.allows_layer(layer))
    });
    let found = rows.len();
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(json!({"found": found, "models": rows}))
}

/// Sums over calls.
pub(super) async fn stats(tools: &ModelTools, call: &OwnCall) -> Result<Value, Error> {
    let fields = Fields::parse(call.arguments.get().as_bytes())?;
    let wanted = serde_json::from_value(Value::Object(fields.into_object()))
        .map_err(|error| Error::bad_field("arguments", error.to_string()))?;
    let sums = door_stats::sums(&*tools.engine.resources().calls, &wanted).await?;
    as_value(&sums)
}

/// What is remembered of a conversation.
pub(super) async fn context(tools: &ModelTools, call: &OwnCall) -> Result<Value, Error> {
    let fields = Fields::parse(call.arguments.get().as_bytes())?;
    fields.require(&["conversationId"])?;
    let id = ConversationId::from(fields.id("conversationId")?.unwrap_or_default());
    let conversations = &*tools.engine.resources().conversations;
    door_conversations::check(conversations, &call.principal, &id).await?;
    as_value(&door_context::remembered(conversations, &id).await?)
}

fn as_value(value: &impl serde::Serialize) -> Result<Value, Error> {
    serde_json::to_value(value)
        .map_err(|error| Error::internal("an answer could not be written").with_source(error))
}
