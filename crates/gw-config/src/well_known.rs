//! Providers whose names need no explanation: what `<ID>_API_KEY` and `<ID>_BASE_URL` mean.
//!
//! An id that is not here works just as well, with its dialect and address written out. How each
//! departs from its dialect is not known here.

use gw_core::seam::DialectId;

/// A provider known by name.
#[derive(Clone, Copy, Debug)]
pub struct WellKnown {
    /// The id in configuration and records.
    pub id: &'static str,
    /// The name for people.
    pub name: &'static str,
    /// What it speaks.
    pub dialect: DialectId,
    /// True where every customer has an address of their own, so that one must be given.
    pub needs_base_url: bool,
    /// True where nothing works without a key.
    pub needs_key: bool,
    /// True where it runs on the user's own machines, so that a token costs nothing.
    pub is_free: bool,
    /// Names of environment variables for the key, besides `<ID>_API_KEY`.
    pub key_env: &'static [&'static str],
    /// Names of environment variables for the address, besides `<ID>_BASE_URL`.
    pub base_url_env: &'static [&'static str],
}

const fn cloud(id: &'static str, name: &'static str) -> WellKnown {
    WellKnown {
        id,
        name,
        dialect: DialectId::OpenAiChat,
        needs_base_url: false,
        needs_key: true,
        is_free: false,
        key_env: &[],
        base_url_env: &[],
    }
}

const fn own(id: &'static str, name: &'static str) -> WellKnown {
    WellKnown { needs_key: false, is_free: true, ..cloud(id, name) }
}

/// All of them. Addresses and departures from the dialect stand in `gw-dialect/providers.toml`.
pub const WELL_KNOWN: &[WellKnown] = &[
    WellKnown { base_url_env: &["OPENAI_API_BASE"], ..cloud("openai", "OpenAI") },
    WellKnown { dialect: DialectId::AnthropicMessages, ..cloud("anthropic", "Anthropic") },
    cloud("openrouter", "OpenRouter"),
    WellKnown {
        dialect: DialectId::Gemini,
        key_env: &["GOOGLE_API_KEY"],
        base_url_env: &["GOOGLE_GEMINI_BASE_URL"],
        ..cloud("gemini", "Google Gemini")
    },
    WellKnown {
        // System A's name wins over Ollama's own, which is often the address to listen on.
        base_url_env: &["OSS_MODEL_ENDPOINT", "OLLAMA_HOST"],
        ..own("ollama", "Ollama")
    },
    cloud("deepseek", "DeepSeek"),
    cloud("mistral", "Mistral"),
    cloud("xai", "xAI"),
    cloud("groq", "Groq"),
    cloud("cerebras", "Cerebras"),
    cloud("perplexity", "Perplexity"),
    WellKnown { key_env: &["TOGETHERAI_API_KEY"], ..cloud("together", "Together AI") },
    cloud("fireworks", "Fireworks AI"),
    WellKnown { key_env: &["HF_TOKEN"], ..cloud("huggingface", "Hugging Face") },
    WellKnown {
        needs_base_url: true,
        key_env: &["AZURE_OPENAI_API_KEY"],
        base_url_env: &["AZURE_OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT", "AZURE_API_BASE"],
        ..cloud("azure", "Azure OpenAI")
    },
    WellKnown {
        needs_base_url: true,
        base_url_env: &["GPUSTACK_API_BASE"],
        ..own("gpustack", "GPUStack")
    },
    own("vllm", "vLLM"),
    WellKnown { base_url_env: &["LLAMA_CPP_BASE_URL"], ..own("llamacpp", "llama.cpp") },
    WellKnown { base_url_env: &["LM_STUDIO_BASE_URL"], ..own("lmstudio", "LM Studio") },
];

/// The provider of that id.
pub fn well_known(id: &str) -> Option<&'static WellKnown> {
    WELL_KNOWN.iter().find(|provider| provider.id == id)
}

/// The middle of a provider's environment names: `my-vllm` is `MY_VLLM`.
pub(crate) fn env_word(id: &str) -> String {
    id.to_ascii_uppercase().replace(['-', '.'], "_")
}
