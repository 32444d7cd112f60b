//! How each LLM API speaks: bytes in, values out, and back again.
//!
//! Pure: nothing here opens a socket, reads a clock or draws randomness. One module a wire format,
//! with the same file names inside; [`dialect`] is the list of them. Knows no engine and no server.

mod arguments;
mod citations;
mod draft;
mod hosted;
mod json;
mod parts;
mod seal;
mod sse;
mod time;
mod tool_reference;

mod http_error;

pub mod anthropic;
pub mod bedrock;
pub mod cohere;
pub mod gemini;
pub mod ollama;
pub mod openai_chat;
pub mod openai_responses;

pub mod operation;

pub mod providers;
pub mod usage;

use std::sync::{Arc, LazyLock};

use gw_core::seam::{Dialect, DialectId};

static ALL: LazyLock<Vec<Arc<dyn Dialect>>> = LazyLock::new(|| {
    vec![
        Arc::new(openai_chat::OpenAiChat),
        Arc::new(anthropic::AnthropicMessages),
        Arc::new(openai_responses::OpenAiResponses),
        Arc::new(gemini::Gemini),
        Arc::new(ollama::Ollama),
        Arc::new(cohere::CohereChat),
        Arc::new(bedrock::BedrockConverse),
    ]
});

/// The implementation of a wire format; every format has one.
pub fn dialect(id: DialectId) -> Arc<dyn Dialect> {
    let found = ALL.iter().find(|dialect| dialect.id() == id);
    Arc::clone(found.unwrap_or(&ALL[0]))
}

/// Every wire format spoken here.
pub fn all() -> &'static [Arc<dyn Dialect>] {
    &ALL
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_is_keyed_by_id() {
        for dialect in super::all() {
            assert_eq!(super::dialect(dialect.id()).id(), dialect.id());
        }
    }
}
