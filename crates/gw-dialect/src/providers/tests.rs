use gw_core::seam::DialectId::{self, AnthropicMessages, Gemini, Ollama, OpenAiChat};

use super::{Auth, ProviderSpec, endpoint, spec, specs};

#[track_caller]
fn joins(dialect: DialectId, base: &str, path: &str, wanted: &str) {
    assert_eq!(endpoint(dialect, base, path), wanted, "{base} + {path}");
}

#[test]
fn openai_bases_join_however_they_are_written() {
    let wanted = "https://api.openai.com/v1/chat/completions";
    for base in [
        "https://api.openai.com",
        "https://api.openai.com/",
        "https://api.openai.com/v1",
        " https://api.openai.com/v1/ ",
        "https://api.openai.com/v1//",
        "https://api.openai.com/v1/chat/completions",
        "https://api.openai.com/v1/chat/completions/",
    ] {
        joins(OpenAiChat, base, "/chat/completions", wanted);
        joins(OpenAiChat, base, "/models", "https://api.openai.com/v1/models");
    }
    joins(
        OpenAiChat,
        "http://localhost:11434",
        "/chat/completions",
        "http://localhost:11434/v1/chat/completions",
    );
    joins(
        OpenAiChat,
        "http://localhost:11434/v1",
        "/v1/models",
        "http://localhost:11434/v1/models",
    );
    joins(
        OpenAiChat,
        "https://openrouter.ai/api/v1",
        "/chat/completions",
        "https://openrouter.ai/api/v1/chat/completions",
    );
    joins(
        OpenAiChat,
        "https://api.groq.com/openai/v1",
        "chat/completions",
        "https://api.groq.com/openai/v1/chat/completions",
    );
}

#[test]
fn calls_that_are_no_chats_stand_beside_them() {
    let check = |dialect, base: &str, wanted: &str| {
        assert_eq!(super::operations_endpoint(dialect, base), wanted, "{base}");
    };
    check(OpenAiChat, "https://api.openai.com", "https://api.openai.com/v1/{path}");
    check(OpenAiChat, "https://h/v1/chat/completions", "https://h/v1/{path}");
    check(OpenAiChat, "https://h/chat/completions", "https://h/v1/{path}");
    check(OpenAiChat, "https://h/x?api-version=1", "https://h/x/{path}?api-version=1");
    check(Gemini, "https://g", "https://g/v1beta/{path}");
    check(Ollama, "http://o:11434/v1", "http://o:11434/{path}");
}

#[test]
fn a_whole_endpoint_gets_no_version() {
    let base = "https://api.perplexity.ai/chat/completions";
    joins(OpenAiChat, base, "/chat/completions", base);
}

#[test]
fn azure_keeps_its_query_and_its_own_path() {
    joins(
        OpenAiChat,
        "https://x.services.ai.azure.com/models?api-version=2024-05-01-preview",
        "/chat/completions",
        "https://x.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
    );
    joins(
        OpenAiChat,
        "https://x.openai.azure.com/",
        "/chat/completions",
        "https://x.openai.azure.com/openai/v1/chat/completions",
    );
}

/// Defect B1: the documented `https://api.anthropic.com` posted to `/`.
#[test]
fn anthropic_bases_join_however_they_are_written() {
    for base in [
        "https://api.anthropic.com",
        "https://api.anthropic.com/",
        "https://api.anthropic.com/v1",
        "https://api.anthropic.com/v1/",
        "https://api.anthropic.com/v1/messages",
        "https://api.anthropic.com/v1/messages/",
    ] {
        joins(AnthropicMessages, base, "/v1/messages", "https://api.anthropic.com/v1/messages");
        joins(AnthropicMessages, base, "/messages", "https://api.anthropic.com/v1/messages");
        joins(AnthropicMessages, base, "/v1/models", "https://api.anthropic.com/v1/models");
    }
    joins(
        AnthropicMessages,
        "https://api.deepseek.com/anthropic",
        "/v1/messages",
        "https://api.deepseek.com/anthropic/v1/messages",
    );
}

#[test]
fn gemini_bases_join_with_and_without_their_version() {
    let path = "/models/gemini-3-flash:streamGenerateContent?alt=sse";
    let google = "https://generativelanguage.googleapis.com";
    for base in ["", "/", "/v1beta", "/v1beta/models", "/v1beta/"] {
        joins(Gemini, &format!("{google}{base}"), path, &format!("{google}/v1beta{path}"));
    }
    joins(Gemini, &format!("{google}/v1"), "/models", &format!("{google}/v1/models"));
    let vertex =
        "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google";
    joins(Gemini, vertex, path, &format!("{vertex}{path}"));
    joins(Gemini, google, "/{path}", &format!("{google}/v1beta/{{path}}"));
    for base in ["http://box:11434", "http://box:11434/v1", "http://box:11434/api"] {
        joins(Ollama, base, "/api/chat", "http://box:11434/api/chat");
    }
}

#[test]
fn hosts_without_scheme_or_port_are_completed() {
    let ollama = spec("ollama").expect("known");
    for (given, wanted) in [
        ("0.0.0.0", "http://localhost:11434"),
        ("0.0.0.0:8080", "http://localhost:8080"),
        (":5000", "http://localhost:5000"),
        ("box", "http://box:11434"),
        ("box/ollama", "http://box:11434/ollama"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:99", "http://[::1]:99"),
        ("https://ollama.example", "https://ollama.example"),
        ("", ""),
    ] {
        assert_eq!(ollama.complete_base_url(given), wanted, "{given}");
    }
    let openai = spec("openai").expect("known");
    assert_eq!(openai.complete_base_url("proxy.corp/v1"), "https://proxy.corp/v1");
}

#[test]
fn the_embedded_file_reads_and_is_consistent() {
    let wanted = [
        "openai",
        "anthropic",
        "openrouter",
        "gemini",
        "ollama",
        "deepseek",
        "mistral",
        "xai",
        "groq",
        "cerebras",
        "perplexity",
        "together",
        "fireworks",
        "huggingface",
        "azure",
        "azure-anthropic",
        "bedrock",
        "vertex",
        "vertex-anthropic",
        "cohere",
        "gpustack",
        "vllm",
        "llamacpp",
        "lmstudio",
        "voyage",
        "jina",
    ];
    let ids: Vec<&str> = specs().iter().map(|spec| spec.id.as_str()).collect();
    assert_eq!(ids, wanted);
    for spec in specs() {
        assert!(!spec.base_url_env.is_empty() && !spec.display_name.is_empty(), "{}", spec.id);
        assert!(spec.is_local || !spec.key_env.is_empty(), "{}", spec.id);
        assert!(spec.is_local == spec.key_is_optional, "{}", spec.id);
        let field = spec.quirks.max_tokens_field.as_str();
        assert!(["", "max_tokens", "max_completion_tokens"].contains(&field), "{}", spec.id);
        let base = spec.default_base_url.as_str();
        assert!(base.is_empty() || base.starts_with("http"), "{}", spec.id);
    }
    let ollama = spec("ollama").expect("known");
    assert_eq!(ollama.base_url_env, ["OLLAMA_BASE_URL", "OSS_MODEL_ENDPOINT", "OLLAMA_HOST"]);
    let anthropic = spec("anthropic").expect("known");
    assert_eq!(anthropic.auth.header(), Some(("x-api-key", "")));
    assert_eq!(anthropic.headers["anthropic-version"], "2023-06-01");
    assert!(spec("nobody").is_none());
    let vertex = &spec("vertex-anthropic").expect("known").default_base_url;
    let filled = |region| ProviderSpec::fill(vertex, region, "p");
    let rest = |region| format!("v1/projects/p/locations/{region}/publishers/anthropic");
    let host = "aiplatform.googleapis.com";
    assert_eq!(filled("global"), format!("https://{host}/{}", rest("global")));
    assert_eq!(filled("us-east5"), format!("https://us-east5-{host}/{}", rest("us-east5")));
}

#[test]
fn custom_endpoints_follow_their_dialect() {
    let custom = ProviderSpec::custom("my-vllm", OpenAiChat);
    assert_eq!((custom.auth, custom.catalog_id()), (Auth::Bearer, "my-vllm"));
    assert!(custom.key_is_optional);
    assert_eq!(ProviderSpec::custom("x", AnthropicMessages).auth, Auth::XApiKey);
}
