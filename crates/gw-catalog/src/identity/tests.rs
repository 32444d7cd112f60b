use super::{family, has_snapshot_date, identity, is_coder, maker};

#[test]
fn one_model_has_one_identity() {
    let check = |provider: &str, name: &str, wanted: &str| {
        assert_eq!(identity(provider, name), wanted, "{provider} {name}");
    };
    for (provider, name) in [
        ("anthropic", "claude-sonnet-4-5"),
        ("anthropic", "claude-sonnet-4-5-20250929"),
        ("openrouter", "anthropic/claude-sonnet-4.5"),
        ("openrouter", "anthropic/claude-sonnet-4.5:beta"),
        ("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("vertexai", "claude-sonnet-4-5@20250929"),
        ("vertexai", "claude-sonnet-4-5@default"),
    ] {
        check(provider, name, "claude-sonnet-4-5");
    }
    check("bedrock", "anthropic.claude-opus-4-6-v1", "claude-opus-4-6");
    check("bedrock", "us.anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet");
    check("anthropic", "claude-3-5-sonnet-latest", "claude-3-5-sonnet");
    check("openai", "gpt-4o-mini-2024-07-18", "gpt-4o-mini");
    check("openrouter", "openai/gpt-4o", "gpt-4o");
    check("azure", "gpt-35-turbo", "gpt-3.5-turbo");
    check("openai", "gpt-4-0613", "gpt-4-0613");
    check("bedrock", "openai.gpt-oss-20b-1:0", "gpt-oss-20b");
    check("ollama_cloud", "gpt-oss:20b", "gpt-oss-20b");
    check("azure", "gpt-oss-20b-11", "gpt-oss-20b");
    check("openrouter", "meta-llama/llama-3.3-70b-instruct:free", "llama-3.3-70b-instruct");
    check("bedrock", "us.meta.llama3-3-70b-instruct-v1:0", "llama-3.3-70b-instruct");
    check("azure", "Llama-3.3-70B-Instruct-9", "llama-3.3-70b-instruct");
    check("together", "meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo", "llama-3.1-8b-instruct");
    check("vertexai", "gemini-2.0-flash-001", "gemini-2.0-flash");
    check("azure", "grok-4-20-reasoning", "grok-4.20-reasoning");
    check("bedrock", "deepseek.v3.1", "deepseek-v3.1");
    check("bedrock", "deepseek.r1-v1:0", "deepseek-r1");
    check("mistral", "mistral-medium-3-5", "mistral-medium-3.5");
    check("bedrock", "amazon.nova-pro-v1:0", "nova-pro");
    check("openrouter", "amazon/nova-pro-v1", "nova-pro");
    check("fireworks", "accounts/fireworks/models/deepseek-v4-pro", "deepseek-v4-pro");
    check("openrouter", "qwen/qwen-plus-2025-07-28:thinking", "qwen-plus-2025-07-28-thinking");
}

#[test]
fn distinct_weights_stay_distinct() {
    let check = |a: &str, b: &str| assert_ne!(identity("x", a), identity("x", b));
    check("mistral-large-2411", "mistral-large-2512");
    check("kimi-k2-0905", "kimi-k2");
    check("gpt-4o", "gpt-4o-mini");
    check("gpt-4-turbo", "gpt-4");
    check("nvidia.nemotron-nano-9b-v2", "nvidia.nemotron-nano-9b");
    check("claude-opus-4", "claude-opus-4-1");
}

#[test]
fn odd_names_do_no_harm() {
    for name in
        ["", "/", ":", "@", "a", "-20250101", "::::", "日本語", "us.", "-v1", "é-2024-01-01"]
    {
        let _ = identity("bedrock", name);
        let _ = family(&identity("azure", name));
        let _ = has_snapshot_date(name);
    }
}

#[test]
fn makers_coders_and_dates() {
    assert_eq!(maker("claude-sonnet-9"), Some("anthropic"));
    assert_eq!(maker("gpt-7"), Some("openai"));
    assert_eq!(maker("gpt-oss-20b"), None);
    assert_eq!(maker("somebody-else"), None);
    assert!(
        has_snapshot_date("gpt-4o-2024-08-06") && has_snapshot_date("claude-opus-4-5-20251101")
    );
    assert!(!has_snapshot_date("gpt-4-0613") && !has_snapshot_date("llama-3"));
    assert!(
        is_coder("qwen3-coder-next") && is_coder("claude-haiku-4-5") && !is_coder("gemma-3-4b-it")
    );
}

proptest::proptest! {
    #[test]
    fn identity_is_stable_and_never_panics(name in ".{0,40}") {
        let once = identity("openrouter", &name);
        proptest::prop_assert!(once.len() <= name.len() + 16);
    }
}
