//! When two answers say the same. What a format cannot say is written down here as a mapping, and
//! applied to the expectation: the rest must be equal.

use gw_core::Usage;
use gw_core::chat::Part;
use gw_core::reply::{ChatReply, Choice, StopReason};
use gw_core::seam::DialectId;
use serde_json::Value;

use super::{Findings, difference};

/// An answer and the format it was last written in.
pub(super) struct Side<'a> {
    pub(super) format: DialectId,
    pub(super) reply: &'a ChatReply,
}

/// Compares an answer with itself after it was written in `to.format` and read again.
pub(super) fn compare_replies(what: &str, from: &Side<'_>, to: &Side<'_>, findings: &mut Findings) {
    let mut check = |part: &str, expected: &dyn DebugEq, found: &dyn DebugEq| {
        if !expected.same(found) {
            findings.fail(difference(
                &format!("{what}: {part}"),
                &expected.words(),
                &found.words(),
            ));
        }
    };
    let is_same_format = from.format == to.format;
    let expected_usage = mapped_usage(&from.reply.usage.usage, is_same_format, to.format);
    check("usage", &expected_usage, &to.reply.usage.usage);
    let expected = choices(from.reply, to.format);
    let found = choices(to.reply, to.format);
    check("the number of answers", &expected.len(), &found.len());
    for (expected, found) in expected.iter().zip(&found) {
        check("text", &text(expected), &text(found));
        check("tool calls", &calls(expected), &calls(found));
        let mut thought = thoughts(expected);
        if matches!(to.format, DialectId::Ollama | DialectId::CohereChat) {
            // Thoughts have no signatures there.
            (thought.1, thought.2) = (Vec::new(), Vec::new());
        }
        check("thinking", &thought, &thoughts(found));
        // These formats have no place for a picture in an answer.
        if !matches!(to.format, DialectId::CohereChat | DialectId::BedrockConverse) {
            check("images", &images(expected), &images(found));
        }
        // Anthropic's clients cannot read citations that name no document of theirs.
        if [DialectId::OpenAiChat, DialectId::OpenAiResponses].contains(&to.format) {
            check("web citations", &web_citations(expected), &web_citations(found));
        }
        let mapped = mapped_stop(expected, is_same_format, to.format);
        check("stop reason", &mapped, &stop(found));
    }
}

/// Equality of values of one type behind a trait object.
trait DebugEq: std::any::Any {
    fn same(&self, other: &dyn DebugEq) -> bool;
    fn words(&self) -> String;
}

impl<T: PartialEq + std::fmt::Debug + 'static> DebugEq for T {
    fn same(&self, other: &dyn DebugEq) -> bool {
        (other as &dyn std::any::Any).downcast_ref::<T>() == Some(self)
    }

    fn words(&self) -> String {
        format!("{self:?}")
    }
}

/// The answers; only chat completions and Gemini have more than one.
fn choices(reply: &ChatReply, format: DialectId) -> Vec<&Choice> {
    let has_one = !matches!(format, DialectId::OpenAiChat | DialectId::Gemini);
    let most = if has_one { 1 } else { usize::MAX };
    reply.choices.iter().take(most).collect()
}

/// Text and refusals, as a reader sees them.
pub(super) fn text(choice: &Choice) -> String {
    let texts = choice.parts.iter().filter_map(|part| match part {
        Part::Text { text, .. } | Part::Refusal { text } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// Id in the alphabet of both formats, name, arguments as a JSON value.
fn calls(choice: &Choice) -> Vec<(String, String, Value)> {
    let calls = choice.parts.iter().filter_map(|part| match part {
        Part::ToolCall { id, name, arguments, .. } => {
            Some((plain_id(id), name.clone(), arguments_value(arguments)))
        }
        _ => None,
    });
    calls.collect()
}

/// Anthropic's ids know letters, digits, `_` and `-` only.
pub(super) fn plain_id(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    id.chars().map(plain).collect()
}

/// No arguments and `{}` mean the same; what is not JSON is compared as text.
pub(super) fn arguments_value(arguments: &str) -> Value {
    if arguments.trim().is_empty() {
        return Value::Object(serde_json::Map::new());
    }
    serde_json::from_str(arguments).unwrap_or_else(|_| Value::from(arguments))
}

/// Thoughts in the clear joined, then signatures, then sealed thoughts.
fn thoughts(choice: &Choice) -> (String, Vec<String>, Vec<String>) {
    let mut sum = (String::new(), Vec::new(), Vec::new());
    for part in &choice.parts {
        match part {
            Part::Thinking { text, signature } => {
                sum.0.push_str(text);
                sum.1.extend(signature.clone().filter(|signature| !signature.is_empty()));
            }
            Part::RedactedThinking { data } => sum.2.push(data.clone()),
            _ => {}
        }
    }
    sum
}

/// Addresses of the web pages that texts cite.
fn web_citations(choice: &Choice) -> Vec<String> {
    let citations = choice.parts.iter().filter_map(|part| match part {
        Part::Text { citations, .. } => Some(citations),
        _ => None,
    });
    let urls = citations.flatten().filter_map(|citation| {
        let sources = citation["sources"].as_array().into_iter().flatten();
        let held = sources.flat_map(|it| [&it["document"]["url"], &it["tool_output"]["url"]]);
        let places = [&citation["url_citation"]["url"], &citation["url"]];
        places
            .into_iter()
            .chain(held)
            .chain([&citation["location"]["web"]["url"]])
            .find_map(Value::as_str)
    });
    urls.map(str::to_owned).collect()
}

fn images(choice: &Choice) -> usize {
    choice.parts.iter().filter(|part| matches!(part, Part::Image { .. })).count()
}

fn stop(choice: &Choice) -> Option<StopReason> {
    choice.stop.as_ref().map(|stop| stop.reason.clone())
}

/// Chat completions have one word for what Anthropic tells apart; and Anthropic has a reason of its
/// own for a refusal in words.
fn mapped_stop(choice: &Choice, is_same_format: bool, to: DialectId) -> Option<StopReason> {
    let reason = stop(choice)?;
    let has_refusal = choice.parts.iter().any(|part| matches!(part, Part::Refusal { .. }));
    let has_calls = choice.parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
    let whole = if has_calls { StopReason::ToolUse } else { StopReason::EndTurn };
    Some(match (to, reason) {
        (
            DialectId::OpenAiChat | DialectId::OpenAiResponses,
            StopReason::StopSequence | StopReason::PauseTurn,
        ) if !is_same_format => StopReason::EndTurn,
        (DialectId::OpenAiChat | DialectId::OpenAiResponses, StopReason::ContextWindow)
            if !is_same_format =>
        {
            StopReason::MaxTokens
        }
        (DialectId::AnthropicMessages, StopReason::EndTurn) if has_refusal => StopReason::Refusal,
        // One word for every proper end, and calls tell themselves.
        (
            DialectId::Gemini | DialectId::Ollama,
            StopReason::StopSequence
            | StopReason::PauseTurn
            | StopReason::EndTurn
            | StopReason::ToolUse,
        ) => whole,
        (DialectId::CohereChat | DialectId::BedrockConverse, StopReason::PauseTurn) => {
            StopReason::EndTurn
        }
        (DialectId::Gemini | DialectId::Ollama, StopReason::ContextWindow) => StopReason::MaxTokens,
        (DialectId::Ollama, StopReason::Refusal | StopReason::Other(_)) if !is_same_format => whole,
        (_, reason) => reason,
    })
}

/// Anthropic has no class for sound and pictures, Google counts pictures that are read as text.
fn mapped_usage(usage: &Usage, is_same_format: bool, to: DialectId) -> Usage {
    if is_same_format {
        return *usage;
    }
    match to {
        DialectId::AnthropicMessages => Usage {
            input: usage.input + usage.input_audio + usage.input_image,
            cache_read: usage.cache_read + usage.cache_read_audio + usage.cache_read_image,
            output: usage.output + usage.output_audio + usage.output_image,
            input_audio: 0,
            input_image: 0,
            cache_read_audio: 0,
            cache_read_image: 0,
            output_audio: 0,
            output_image: 0,
            ..*usage
        },
        // Google counts no writes to a cache, and searches only with its own grounding.
        DialectId::Gemini => Usage {
            input: usage.input + usage.input_image + usage.cache_write + usage.cache_write_long,
            cache_read: usage.cache_read + usage.cache_read_image,
            input_image: 0,
            cache_read_image: 0,
            cache_write: 0,
            cache_write_long: 0,
            web_search: 0,
            ..*usage
        },
        DialectId::Ollama => {
            Usage { input: usage.total_input(), output: usage.total_output(), ..Usage::default() }
        }
        DialectId::CohereChat => Usage {
            input: usage.total_input() - usage.input_image,
            input_image: usage.input_image,
            output: usage.total_output(),
            ..Usage::default()
        },
        DialectId::BedrockConverse => Usage {
            input: usage.input + usage.input_audio + usage.input_image,
            cache_read: usage.total_cache_read(),
            cache_write: usage.cache_write,
            cache_write_long: usage.cache_write_long,
            output: usage.total_output(),
            ..Usage::default()
        },
        DialectId::OpenAiChat | DialectId::OpenAiResponses => *usage,
    }
}
