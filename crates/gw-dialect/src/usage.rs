//! A usage object of any provider, alone or inside its answer, to disjoint token classes: for
//! `models price` and reconciliation, where no request tells the wire format.
//!
//! The format is told by its keys. Those of Bedrock, Cohere and document models are read below; what states nothing is an error, never zero.

use gw_core::{Error, Result, Usage, UsageReport};
use serde_json::{Map, Value};

use crate::json::natural;
use crate::{anthropic, gemini, ollama, openai_chat, openai_responses};

type Object = Map<String, Value>;

/// A way to state consumption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageFormat {
    /// `prompt_tokens`, `completion_tokens`: OpenAI and everybody who copies it; embeddings too.
    ChatCompletions,
    /// `input_tokens`, `output_tokens` with details: OpenAI responses, images and transcriptions.
    Responses,
    /// `input_tokens` without cached ones: Anthropic.
    Messages,
    /// `promptTokenCount`: Gemini, on both of Google's platforms.
    Gemini,
    /// `inputTokens`: Bedrock's converse.
    Converse,
    /// `billed_units`: Cohere.
    BilledUnits,
    /// `prompt_eval_count`: Ollama's own.
    Ollama,
    /// `pages_processed`: document models.
    Pages,
}

impl UsageFormat {
    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::Gemini => "gemini",
            Self::Converse => "converse",
            Self::BilledUnits => "billed_units",
            Self::Ollama => "ollama",
            Self::Pages => "pages",
        }
    }
}

/// Deepest nesting that is looked into for the usage object of an answer.
const DEPTH_MAX: usize = 4;

/// Reads a usage object, or the one inside a whole answer or the last event of a stream.
///
/// # Errors
/// [`gw_core::Kind::InvalidRequest`] for what is no usage object, states nothing, or has a count
/// that is no whole number from 0; it names the field.
pub fn decode(value: &Value) -> Result<(UsageFormat, UsageReport)> {
    let unknown = || {
        Error::bad_field("usage", "this states no consumption in a known format").with_hint(
            "give the provider's usage object: `usage`, `usageMetadata`, `billed_units` or a whole \
             answer that holds one",
        )
    };
    let answer = value.as_object().ok_or_else(unknown)?;
    let (usage, around) = find(answer, DEPTH_MAX).ok_or_else(unknown)?;
    let usage = camel(usage);
    check_counts("usage", &usage, 0)?;
    let format = format_of(&usage).ok_or_else(unknown)?;
    let mut report = read(format, &usage, around);
    if report.service_tier.is_none() {
        report.service_tier = tier_of(around).or_else(|| tier_of(&usage));
    }
    Ok((format, report))
}

/// The usage object, and the object beside whose members it stands.
fn find(object: &Map<String, Value>, depth: usize) -> Option<(&Object, &Object)> {
    if format_of(object).is_some() || object.contains_key("prompt_token_count") {
        return Some((object, object));
    }
    if depth == 0 {
        return None;
    }
    const USAGE: [&str; 5] = ["usage", "usageMetadata", "usage_metadata", "usage_info", "meta"];
    const AROUND: [&str; 4] = ["response", "message", "delta", "body"];
    let inner = |keys: &[&str]| -> Option<&Map<String, Value>> {
        keys.iter().find_map(|key| object.get(*key)?.as_object())
    };
    if let Some(usage) = inner(&USAGE) {
        return find(usage, depth - 1).map(|(usage, _)| (usage, object));
    }
    find(inner(&AROUND)?, depth - 1)
}

fn format_of(usage: &Map<String, Value>) -> Option<UsageFormat> {
    let has =
        |keys: &[&str]| keys.iter().any(|key| usage.get(*key).is_some_and(|it| !it.is_null()));
    let is_object = |key: &str| usage.get(key).is_some_and(Value::is_object);
    if has(&["promptTokenCount", "candidatesTokenCount", "totalTokenCount"]) {
        Some(UsageFormat::Gemini)
    } else if is_object("billed_units") || is_object("tokens") || has(&["search_units"]) {
        Some(UsageFormat::BilledUnits)
    } else if has(&["inputTokens", "outputTokens"]) {
        Some(UsageFormat::Converse)
    } else if has(&["prompt_eval_count", "eval_count"]) {
        Some(UsageFormat::Ollama)
    } else if has(&["pages_processed"]) {
        Some(UsageFormat::Pages)
    } else if has(&["prompt_tokens", "completion_tokens"]) {
        Some(UsageFormat::ChatCompletions)
    } else if has(&["input_tokens", "output_tokens"]) {
        let messages = [
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
            "cache_creation",
            "server_tool_use",
            "inference_geo",
        ];
        let is_messages = has(&messages)
            || usage.get("output_tokens_details").is_some_and(|it| it["thinking_tokens"].is_u64());
        Some(if is_messages { UsageFormat::Messages } else { UsageFormat::Responses })
    } else {
        has(&["total_tokens", "cost", "cost_in_usd_ticks"]).then_some(UsageFormat::ChatCompletions)
    }
}

fn read(
    format: UsageFormat,
    usage: &Map<String, Value>,
    around: &Map<String, Value>,
) -> UsageReport {
    let plain = |usage: Usage| UsageReport { usage, ..UsageReport::default() };
    let count = |key: &str| usage.get(key).and_then(natural).unwrap_or(0);
    match format {
        UsageFormat::Gemini => {
            let mut report = gemini::usage::read(usage, 0);
            // What is put into a cache is stated as a total alone.
            if report.usage == Usage::default() {
                report.usage.input = count("totalTokenCount");
            }
            report
        }
        UsageFormat::BilledUnits => plain(billed_units(usage)),
        UsageFormat::Converse => plain(converse(usage)),
        UsageFormat::Ollama => ollama::usage::read(usage),
        UsageFormat::Pages => plain(Usage { page: count("pages_processed"), ..Usage::default() }),
        UsageFormat::ChatCompletions => {
            let mut report = openai_chat::usage::decode(usage, None);
            // Rerankers and some embedding models state a total alone.
            let states_no_part = !["prompt_tokens", "completion_tokens"]
                .iter()
                .any(|key| usage.get(*key).is_some_and(|it| !it.is_null()));
            if states_no_part {
                report.usage.input = count("total_tokens");
            }
            report
        }
        UsageFormat::Messages => anthropic::usage::read(usage),
        UsageFormat::Responses => {
            let mut whole = around.clone();
            whole.insert("usage".to_owned(), Value::Object(with_pictures(usage)));
            openai_responses::usage::decode(&whole).unwrap_or_default()
        }
    }
}

/// Images made are not told apart by every version of the images endpoint: all that it writes are.
fn with_pictures(usage: &Map<String, Value>) -> Map<String, Value> {
    let mut usage = usage.clone();
    let input = usage.get("input_tokens_details").and_then(Value::as_object);
    let is_images = input.is_some_and(|input| {
        input.contains_key("image_tokens")
            && input.contains_key("text_tokens")
            && !input.contains_key("cached_tokens")
            && !input.contains_key("audio_tokens")
    });
    if is_images && !usage.contains_key("output_tokens_details") {
        let written = usage.get("output_tokens").cloned().unwrap_or_default();
        let details = serde_json::json!({ "image_tokens": written });
        usage.insert("output_tokens_details".to_owned(), details);
    }
    usage
}

/// Bedrock leaves cached tokens out of `inputTokens`, and tells writes apart by how long they live.
pub(crate) fn converse(usage: &Map<String, Value>) -> Usage {
    let count = |key: &str| usage.get(key).and_then(natural).unwrap_or(0);
    let either = |a: &str, b: &str| count(a).max(count(b));
    let written = either("cacheWriteInputTokens", "cacheWriteInputTokenCount");
    let long = usage
        .get("cacheDetails")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|detail| detail["ttl"] == "1h")
        .filter_map(|detail| natural(&detail["inputTokens"]))
        .fold(0, u64::saturating_add)
        .min(written);
    Usage {
        input: count("inputTokens"),
        cache_read: either("cacheReadInputTokens", "cacheReadInputTokenCount"),
        cache_write: written - long,
        cache_write_long: long,
        output: count("outputTokens"),
        ..Usage::default()
    }
}

/// Cohere bills other units than its models count; what is billed counts.
pub(crate) fn billed_units(usage: &Map<String, Value>) -> Usage {
    let nested = ["billed_units", "tokens"].into_iter().find_map(|key| usage.get(key)?.as_object());
    let billed = nested.unwrap_or(usage);
    let count = |key: &str| billed.get(key).and_then(natural).unwrap_or(0);
    Usage {
        input: count("input_tokens"),
        input_image: count("image_tokens"),
        output: count("output_tokens"),
        rerank_search: count("search_units"),
        ..Usage::default()
    }
}

/// The tier that served the call: a word, or Bedrock's object with a `type`.
fn tier_of(object: &Map<String, Value>) -> Option<String> {
    ["service_tier", "serviceTier", "trafficType"].into_iter().find_map(|key| {
        let tier = object.get(key)?;
        let tier = tier.as_str().or_else(|| tier.get("type")?.as_str())?;
        Some(tier.strip_prefix("ON_DEMAND_").unwrap_or(tier).to_ascii_lowercase())
    })
}

/// Google's Python client writes its members with underscores.
fn camel(usage: &Map<String, Value>) -> Map<String, Value> {
    if !usage.contains_key("prompt_token_count") {
        return usage.clone();
    }
    let word = |key: &str| {
        let mut parts = key.split('_');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |name, part| {
            let (head, tail) = part.split_at(part.chars().next().map_or(0, char::len_utf8));
            name + &head.to_ascii_uppercase() + tail
        })
    };
    let renamed = |value: &Value| match value {
        Value::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| match item {
                    Value::Object(members) => Value::Object(
                        members.iter().map(|(key, it)| (word(key), it.clone())).collect(),
                    ),
                    other => other.clone(),
                })
                .collect(),
        ),
        other => other.clone(),
    };
    usage.iter().map(|(key, value)| (word(key), renamed(value))).collect()
}

/// A count that cannot be read must not count as nothing.
fn check_counts(path: &str, usage: &Map<String, Value>, depth: usize) -> Result<()> {
    for (key, value) in usage {
        let path = format!("{path}.{key}");
        let lower = key.to_ascii_lowercase();
        let is_count = ["tokens", "token_count", "tokencount", "_units", "eval_count", "_requests"]
            .iter()
            .any(|ending| lower.ends_with(ending))
            && !lower.ends_with("_per_second");
        match value {
            Value::Object(inner) if depth < DEPTH_MAX => check_counts(&path, inner, depth + 1)?,
            Value::Null | Value::Object(_) | Value::Array(_) => {}
            value if is_count && natural(value).is_none() => {
                return Err(Error::bad_field(path, format!("`{value}` is no whole number from 0")));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
