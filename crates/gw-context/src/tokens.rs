//! About how many tokens a text takes, without a tokenizer: every model counts another way, and what is
//! decided here needs proportions only. Money is never reckoned by it.

use gw_core::chat::{Message, Part, Source};

/// Bytes of plain ASCII text that make a token, over the tokenizers in use about 3.8 to 4.4.
const ASCII_BYTES_A_TOKEN: usize = 4;

/// Tokens of the frame around a message: its role and its separators.
pub const MESSAGE_FRAME: u64 = 4;

/// Tokens of a picture or a document of which only a reference is here.
const OPAQUE: u64 = 1_000;

/// About how many tokens a text takes: four ASCII bytes are one, a character beyond ASCII is one.
pub fn of_text(text: &str) -> u64 {
    let wide = text.chars().filter(|letter| !letter.is_ascii()).count();
    let ascii = text.bytes().filter(u8::is_ascii).count();
    wide as u64 + ascii.div_ceil(ASCII_BYTES_A_TOKEN) as u64
}

/// About how many tokens a message takes, its frame included.
pub fn of_message(message: &Message) -> u64 {
    MESSAGE_FRAME + message.parts.iter().map(of_part).sum::<u64>()
}

/// About how many tokens all of them take.
pub fn of_messages(messages: &[Message]) -> u64 {
    messages.iter().map(of_message).sum()
}

fn of_part(part: &Part) -> u64 {
    match part {
        Part::Text { text, .. } | Part::Refusal { text } | Part::Thinking { text, .. } => {
            of_text(text)
        }
        Part::ToolCall { name, arguments, .. } => of_text(name) + of_text(arguments) + 4,
        Part::ToolResult { parts, .. } => 4 + parts.iter().map(of_part).sum::<u64>(),
        Part::Document { source: Source::Text { text }, .. } => of_text(text),
        Part::Document { source: Source::Parts { parts }, .. } => parts.iter().map(of_part).sum(),
        Part::Opaque { value, .. } => of_text(&value.to_string()),
        Part::Image { .. }
        | Part::Document { .. }
        | Part::Audio { .. }
        | Part::RedactedThinking { .. } => OPAQUE,
    }
}

/// The beginning of a text that takes at most so many tokens, cut at a character.
pub fn cut(text: &str, tokens: u64) -> &str {
    if of_text(text) <= tokens {
        return text;
    }
    let mut ascii = 0_u64;
    let mut wide = 0_u64;
    for (at, letter) in text.char_indices() {
        if letter.is_ascii() {
            ascii += 1;
        } else {
            wide += 1;
        }
        if wide + ascii.div_ceil(ASCII_BYTES_A_TOKEN as u64) > tokens {
            return &text[..at];
        }
    }
    text
}
