//! Which requests may be answered from the cache, and what makes two of them the same.

use std::io::{BufWriter, Write as _};

use gw_core::chat::{ChatRequest, Extra, Tool};
use gw_core::principal::Principal;
use gw_core::seam::DialectId;
use gw_core::seam::hot::ANSWERS;
use serde::Serialize;
use serde_json::{Value, json};

use super::{CacheOptions, CacheShare, CacheWish};
use crate::call::Call;
use crate::inbound::{CallContext, Door};

/// Changes with what is hashed, so that older entries are never mistaken.
const VERSION: u32 = 1;

/// Longest name of a model within a key, in bytes; the whole name is in the hash.
const MODEL_BYTES_MAX: usize = 96;

/// Fields that one dialect knows and that do not change what a model answers: who asks, in which
/// session, how the provider keeps it.
const IRRELEVANT: [&str; 10] = [
    "litellm_metadata",
    "litellm_session_id",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "session_id",
    "store",
    "stream_options",
    "user",
    "client_metadata",
];

/// Fields whose answers are of the moment: the provider looks something up.
const OF_THE_MOMENT: [&str; 3] = ["web_search_options", "plugins", "search_parameters"];

/// True for a request whose answer may be given again: asking twice does nothing beside answering,
/// and the answer does not depend on when it is asked.
///
/// Functions that the client runs are no obstacle, nor are their results: both stand in the request
/// and so in its key. Tools that the provider runs are one.
pub(super) fn may_be_kept(call: &Call, options: &CacheOptions) -> bool {
    let request = &call.inbound.request;
    let fields = &request.extra.fields;
    let is_true = |name: &str| fields.get(name).and_then(Value::as_bool) == Some(true);
    // A client of OpenAI's completions that says `store` wants them in OpenAI's own dashboard.
    // Responses are kept by the gateway, whoever answers.
    let is_stored = is_true("store") && call.inbound.door == Door::OpenAiChat;
    // A trial is made to see what a model says, and a yes to an offer asks for another answer than the
    // one that is there.
    let wants_a_model = matches!(call.inbound.door, Door::Classify | Door::Shadow)
        || call.resumed.is_some()
        || call.inbound.context.cross_check == Some(true);
    !wants_a_model
        && !request.tools.iter().any(|tool| matches!(tool, Tool::Hosted { .. }))
        && !OF_THE_MOMENT.iter().any(|name| fields.get(*name).is_some_and(|it| !it.is_null()))
        && !is_stored
        && !is_true("background")
        && !request.model.trim().ends_with(":online")
        && request.sampling.temperature.is_none_or(|it| it <= options.temperature_max)
}

/// The name under which an answer stands: `llm:cache:{model}:{hash}`.
pub(super) fn key(call: &Call, wish: &CacheWish, share: CacheShare) -> String {
    let request = &call.inbound.request;
    let named = request.model.trim();
    let model = call.snapshot.catalog.alias(named).unwrap_or(named);
    let mut hasher = BufWriter::new(blake3::Hasher::new());
    let asked = json!([
        VERSION,
        scope(&call.inbound.principal, share),
        wish.namespace,
        model,
        asked(&call.inbound.context),
    ]);
    let written = serde_json::to_writer(&mut hasher, &(asked, canonical(request)))
        .map_err(std::io::Error::from)
        .and_then(|()| hasher.flush());
    // A hasher takes everything, and a request that was read from JSON can be written as JSON.
    debug_assert!(written.is_ok(), "a request is JSON");
    let hash = hasher.get_ref().finalize().to_hex();
    format!("{ANSWERS}{}:{hash}", &model[..model.floor_char_boundary(MODEL_BYTES_MAX)])
}

/// Whose answers these are.
fn scope(principal: &Principal, share: CacheShare) -> Value {
    let of_key = || json!(["key", principal.key_id]);
    match share {
        CacheShare::Key => of_key(),
        CacheShare::Organisation => match &principal.organisation {
            Some(organisation) => json!(["organisation", organisation]),
            None => of_key(),
        },
        CacheShare::All => json!("all"),
    }
}

/// What was said beside the request that decides who answers.
fn asked(context: &CallContext) -> Value {
    let mut forwarded: Vec<(&str, String)> = context
        .forward_headers
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    forwarded.sort_unstable();
    json!([
        context.quality,
        context.task,
        context.complexity,
        context.preferred_layer,
        context.max_layer,
        context.is_free_only,
        forwarded,
    ])
}

/// What decides the answer. A stream and a whole answer are the same; who asks is in the scope.
fn canonical(request: &ChatRequest) -> impl Serialize + '_ {
    // Taken apart by name, so that a new field has to be thought of here.
    let ChatRequest {
        model: _,
        messages,
        tools,
        tool_choice,
        parallel_tool_calls,
        max_output_tokens,
        sampling,
        response_format,
        reasoning,
        stream: _,
        include_usage: _,
        service_tier,
        user: _,
        metadata: _,
        extra,
    } = request;
    (
        (messages, tools, tool_choice, parallel_tool_calls, max_output_tokens),
        (sampling, response_format, reasoning, service_tier, relevant(extra)),
    )
}

/// The fields that matter, by name: clients write them in any order.
fn relevant(extra: &Extra) -> (Option<DialectId>, Vec<(&String, &Value)>) {
    let is_relevant = |name: &str| !IRRELEVANT.contains(&name);
    let mut fields: Vec<(&String, &Value)> =
        extra.fields.iter().filter(|(name, _)| is_relevant(name)).collect();
    fields.sort_unstable_by_key(|(name, _)| *name);
    (extra.dialect.filter(|_| !fields.is_empty()), fields)
}
