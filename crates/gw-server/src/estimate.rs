//! A rough count of a prompt's tokens, for formats that want a number before a provider gives one.
//!
//! Four bytes of ASCII to a token, other characters one token each: within some 20 % for English
//! prose and code, high for everything else. What is billed never comes from here.

use gw_core::chat::{ChatRequest, Message, Part, Source, Tool};
use serde_json::Value;

/// Tokens that a turn costs beside its text.
const TURN_TOKENS: u64 = 4;

/// Tokens of a picture of the usual size (Anthropic: width × height / 750, shrunk to 1.15 MP).
const IMAGE_TOKENS: u64 = 1_500;

/// Base64 bytes of a PDF to a token: about 2,000 tokens and 60 kB a page.
const PDF_BYTES_PER_TOKEN: u64 = 40;

/// The estimate for a whole request: turns and tools.
pub(crate) fn input_tokens(request: &ChatRequest) -> u64 {
    let turns: u64 = request.messages.iter().map(message).sum();
    let tools: u64 = request.tools.iter().map(tool).sum();
    turns.saturating_add(tools)
}

fn message(message: &Message) -> u64 {
    TURN_TOKENS.saturating_add(parts(&message.parts))
}

fn parts(parts: &[Part]) -> u64 {
    parts.iter().map(part).fold(0, u64::saturating_add)
}

fn part(part: &Part) -> u64 {
    match part {
        Part::Text { text: words, .. } | Part::Refusal { text: words } => text(words),
        Part::Thinking { text: words, .. } => text(words),
        Part::RedactedThinking { data } | Part::Audio { data, .. } => length(data) / 16,
        Part::Image { .. } => IMAGE_TOKENS,
        Part::Document { source, .. } => document(source),
        Part::ToolCall { name, arguments, .. } => {
            TURN_TOKENS.saturating_add(text(name)).saturating_add(text(arguments))
        }
        Part::ToolResult { parts: inner, .. } => TURN_TOKENS.saturating_add(parts(inner)),
        Part::Opaque { value, .. } => json(value),
    }
}

fn document(source: &Source) -> u64 {
    match source {
        Source::Text { text: words } => text(words),
        Source::Parts { parts: inner } => parts(inner),
        Source::Base64 { data, .. } => length(data) / PDF_BYTES_PER_TOKEN,
        Source::Url { .. } | Source::File { .. } => IMAGE_TOKENS,
    }
}

fn tool(tool: &Tool) -> u64 {
    match tool {
        Tool::Function { name, description, parameters, .. } => text(name)
            .saturating_add(description.as_deref().map_or(0, text))
            .saturating_add(parameters.as_ref().map_or(0, json))
            .saturating_add(TURN_TOKENS),
        Tool::Hosted { value, .. } => json(value),
    }
}

fn json(value: &Value) -> u64 {
    text(&value.to_string())
}

fn text(words: &str) -> u64 {
    let ascii = words.bytes().filter(u8::is_ascii).count();
    let other = words.chars().filter(|c| !c.is_ascii()).count();
    u64::try_from(ascii.div_ceil(4) + other).unwrap_or(u64::MAX)
}

fn length(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use gw_core::chat::{ChatRequest, Message, Role};

    #[test]
    fn counts_text_by_four_bytes_and_other_scripts_by_character() {
        let check = |text: &str, expected: u64| {
            let messages = vec![Message::text(Role::User, text)];
            let request = ChatRequest { messages, ..ChatRequest::default() };
            assert_eq!(super::input_tokens(&request), expected + super::TURN_TOKENS, "{text}");
        };
        check("", 0);
        check("abcd", 1);
        check("abcde", 2);
        check("日本語", 3);
    }

    #[test]
    fn an_empty_request_counts_nothing() {
        assert_eq!(super::input_tokens(&ChatRequest::default()), 0);
    }
}
