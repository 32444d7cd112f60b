//! Every environment variable by its own name: those of systems A and B, the usual ones of
//! providers and proxies. Loading, the reference page and its test all read this one table.
//!
//! Besides these, every key has the name that follows from its path; see [`derived_name`].

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::well_known::{WELL_KNOWN, env_word};

/// The prefix of derived names.
pub const PREFIX: &str = "GATEWAY_";

/// The variable that names the configuration file.
pub const CONFIG_FILE: &str = "GATEWAY_CONFIG";

/// Variables of the command line, which name a running gateway and the key for it.
pub(crate) const CLIENT: [&str; 2] = ["GATEWAY_URL", "GATEWAY_KEY"];

/// An environment variable that is honoured.
#[derive(Clone, Debug)]
pub struct EnvVar {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Whose name it is.
    pub of: Family,
    /// What it does.
    pub effect: Effect,
    /// What a reader must know beyond the keys that it sets.
    pub doc: &'static str,
}

/// Whose name a variable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// System A: babasida246/ai-mcp-gateway.
    A,
    /// System B: kinhunt/mcp-ai-gateway.
    B,
    /// System C: eznix86/mcp-gateway.
    C,
    /// A provider's usual name.
    Provider,
    /// Usual on every system.
    Usual,
}

/// What a variable does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Sets these keys to its text, read by each key's type.
    Set(Vec<Cow<'static, str>>),
    /// Sets a key after reading the text in a way of its own.
    Convert(&'static str, Reading),
    /// Is known and does nothing in this version; a warning says so.
    Recognised(&'static str),
}

/// A way of reading that differs from the key's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Seconds, decimals allowed; the key is in milliseconds.
    Seconds,
    /// `api` is HTTP, anything else MCP (system A).
    Mode,
    /// `anthropic` is Anthropic, anything else OpenAI (system B).
    Format,
    /// True is encrypted without a look at the certificate, anything else not encrypted (system A).
    Ssl,
}

/// All variables. Where two of them set one key, the one further up wins.
pub static ENV_VARS: LazyLock<Vec<EnvVar>> = LazyLock::new(|| {
    let mut table = Vec::new();
    table.extend(system_a());
    table.extend(system_b());
    table.push(set(
        Family::C,
        "MCP_GATEWAY_CONFIG",
        "mcp.config_file",
        "Relative paths start at the folder of gateway.toml. A file that is not there is empty.",
    ));
    table.extend(proxies());
    table.extend(providers());
    table.extend(stores());
    table
});

/// The variable that sets the key at this path: `server.port` is `GATEWAY_SERVER__PORT`.
pub fn derived_name(key_path: &str) -> String {
    let words = key_path.split('.').map(|word| word.trim_matches('"'));
    let words: Vec<String> = words.map(env_word).collect();
    format!("{PREFIX}{}", words.join("__"))
}

fn set(of: Family, name: &'static str, key: &'static str, doc: &'static str) -> EnvVar {
    EnvVar { name: name.into(), of, effect: Effect::Set(vec![key.into()]), doc }
}

fn convert(
    of: Family,
    name: &'static str,
    key: &'static str,
    reading: Reading,
    doc: &'static str,
) -> EnvVar {
    EnvVar { name: name.into(), of, effect: Effect::Convert(key, reading), doc }
}

fn system_a() -> Vec<EnvVar> {
    let a = |name, key| set(Family::A, name, key, "");
    vec![
        convert(Family::A, "MODE", "mode", Reading::Mode, "`api` serves HTTP, all else is MCP."),
        a("MCP_SERVER_NAME", "mcp.server_name"),
        a("MCP_SERVER_VERSION", "mcp.server_version"),
        set(
            Family::A,
            "API_HOST",
            "server.host",
            "System A listens on 0.0.0.0 by default; here that takes a key for callers.",
        ),
        a("API_PORT", "server.port"),
        set(Family::A, "API_CORS_ORIGIN", "server.cors_origins", "System A's default is `*`."),
        a("LOG_LEVEL", "log.level"),
        set(Family::A, "LOG_FILE", "log.file", "System A's default is a file."),
        a("DEFAULT_LAYER", "routing.default_layer"),
        a("MAX_ESCALATION_LAYER", "routing.max_escalation_layer"),
        a("ENABLE_CROSS_CHECK", "routing.enable_cross_check"),
        set(
            Family::A,
            "ENABLE_AUTO_ESCALATE",
            "routing.enable_auto_escalate",
            "False by default, as system A's documents have it (its code says true).",
        ),
        a("LAYER_L0_ENABLED", "layers.L0.enabled"),
        a("LAYER_L1_ENABLED", "layers.L1.enabled"),
        a("LAYER_L2_ENABLED", "layers.L2.enabled"),
        a("LAYER_L3_ENABLED", "layers.L3.enabled"),
        a("LAYER_L0_MODELS", "layers.L0.models"),
        a("LAYER_L1_MODELS", "layers.L1.models"),
        a("LAYER_L2_MODELS", "layers.L2.models"),
        a("LAYER_L3_MODELS", "layers.L3.models"),
        a("CHAT_MODELS", "routing.task_models.chat"),
        a("CODE_MODELS", "routing.task_models.code"),
        a("ANALYZE_MODELS", "routing.task_models.analyze"),
        a("CREATE_PROJECT_MODELS", "routing.task_models.create_project"),
        a("OPENROUTER_FALLBACK_MODELS", "routing.fallback.openrouter_fallback_models"),
        a("OPENROUTER_REPLACE_OPENAI", "routing.fallback.openrouter_replace_openai"),
        a("OPENROUTER_REPLACE_CLAUDE", "routing.fallback.openrouter_replace_claude"),
        a("ENABLE_COST_TRACKING", "cost.enable_cost_tracking"),
        set(Family::A, "COST_ALERT_THRESHOLD", "cost.alert_threshold_usd", "In US dollars."),
        a("OSS_MODEL_ENABLED", "providers.ollama.enabled"),
        set(
            Family::A,
            "OSS_MODEL_NAME",
            "providers.ollama.default_model",
            "`llama3:8b` by default.",
        ),
        a("MCP_ENDPOINT", "client.endpoint"),
        a("MCP_API_KEY", "client.api_key"),
    ]
}

fn system_b() -> Vec<EnvVar> {
    let b = |name, key| set(Family::B, name, key, "");
    vec![
        convert(
            Family::B,
            "API_FORMAT",
            "endpoint.format",
            Reading::Format,
            "`anthropic` is Anthropic, all else OpenAI.",
        ),
        set(Family::B, "API_KEY", "endpoint.api_key", "Defines a provider by itself."),
        b("API_ENDPOINT", "endpoint.url"),
        b("ANTHROPIC_VERSION", "defaults.anthropic_version"),
        b("OPENAI_ORGANIZATION", "providers.openai.organization"),
        b("DEFAULT_MODEL", "defaults.model"),
        b("DEFAULT_TEMPERATURE", "defaults.temperature"),
        b("DEFAULT_MAX_TOKENS", "defaults.max_tokens"),
        b("DESCRIPTION", "mcp.tool_description"),
        convert(
            Family::B,
            "REQUEST_TIMEOUT",
            "timeouts.total_ms",
            Reading::Seconds,
            "In seconds. System B's default is 60; here a long answer is not cut.",
        ),
    ]
}

fn proxies() -> Vec<EnvVar> {
    let both = |of, name: &'static str, doc| EnvVar {
        name: name.into(),
        of,
        effect: Effect::Set(vec!["proxy.http".into(), "proxy.https".into()]),
        doc,
    };
    let usual = |name, key| set(Family::Usual, name, key, "");
    vec![
        both(Family::B, "PROXY_URL", "Wins over the usual names."),
        usual("https_proxy", "proxy.https"),
        usual("HTTPS_PROXY", "proxy.https"),
        usual("http_proxy", "proxy.http"),
        set(
            Family::Usual,
            "HTTP_PROXY",
            "proxy.http",
            "With `API_KEY` (system B) it serves `https://` as well where no other proxy is named.",
        ),
        both(Family::Usual, "all_proxy", ""),
        both(Family::Usual, "ALL_PROXY", ""),
        usual("no_proxy", "proxy.no_proxy"),
        usual("NO_PROXY", "proxy.no_proxy"),
    ]
}

fn providers() -> Vec<EnvVar> {
    let mut table = Vec::new();
    for provider in WELL_KNOWN.iter() {
        let word = env_word(provider.id);
        let mut row = |name: Cow<'static, str>, field: &str, doc| {
            let key = format!("providers.{}.{field}", provider.id);
            let effect = Effect::Set(vec![key.into()]);
            let is_of_a = name.starts_with("OSS_");
            let of = if is_of_a { Family::A } else { Family::Provider };
            table.push(EnvVar { name, of, effect, doc });
        };
        row(format!("{word}_API_KEY").into(), "api_key", "");
        for name in &provider.key_env {
            row((*name).into(), "api_key", "");
        }
        row(format!("{word}_BASE_URL").into(), "base_url", "");
        for name in &provider.base_url_env {
            row((*name).into(), "base_url", "");
        }
        if provider.id == "openai" {
            row("OPENAI_ORG_ID".into(), "organization", "");
        }
    }
    table.extend(clouds());
    table
}

/// What the clouds' own tools read. It says who calls and where, and switches nothing on.
fn clouds() -> Vec<EnvVar> {
    const GOOGLE: [&str; 2] = ["vertex", "vertex-anthropic"];
    let row = |name: &'static str, providers: &[&str], field: &str| {
        let keys = providers.iter().map(|id| format!("providers.{id}.{field}").into());
        let doc = "Says who calls and where; switches the provider on by itself never.";
        EnvVar { name: name.into(), of: Family::Provider, effect: Effect::Set(keys.collect()), doc }
    };
    vec![
        row("AWS_ACCESS_KEY_ID", &["bedrock"], "aws_access_key_id"),
        row("AWS_SECRET_ACCESS_KEY", &["bedrock"], "aws_secret_access_key"),
        row("AWS_SESSION_TOKEN", &["bedrock"], "aws_session_token"),
        row("AWS_REGION", &["bedrock"], "region"),
        row("AWS_DEFAULT_REGION", &["bedrock"], "region"),
        row("GOOGLE_APPLICATION_CREDENTIALS", &GOOGLE, "service_account_file"),
        row("GOOGLE_CLOUD_PROJECT", &GOOGLE, "project"),
        row("GOOGLE_CLOUD_LOCATION", &GOOGLE, "region"),
    ]
}

fn stores() -> Vec<EnvVar> {
    let a = |name, key| set(Family::A, name, key, "");
    let redis = [
        set(Family::A, "REDIS_URL", "store.redis_url", "Wins over the other `REDIS_` names."),
        set(
            Family::A,
            "REDIS_HOST",
            "store.redis_host",
            "Budgets and limits are shared through Redis where PostgreSQL is used as well.",
        ),
        a("REDIS_PORT", "store.redis_port"),
        a("REDIS_PASSWORD", "store.redis_password"),
        a("REDIS_DB", "store.redis_db"),
    ];
    postgres().into_iter().chain(redis).collect()
}

fn postgres() -> Vec<EnvVar> {
    let a = |name, key| set(Family::A, name, key, "");
    vec![
        set(Family::A, "DATABASE_URL", "store.url", "Wins over the `DB_` names."),
        set(
            Family::A,
            "DB_HOST",
            "store.db_host",
            "PostgreSQL is used where `DB_HOST`, `DB_NAME` and `DB_USER` are all set.",
        ),
        a("DB_PORT", "store.db_port"),
        a("DB_NAME", "store.db_name"),
        a("DB_USER", "store.db_user"),
        a("DB_PASSWORD", "store.db_password"),
        convert(
            Family::A,
            "DB_SSL",
            "store.tls",
            Reading::Ssl,
            "`true` is `require`, as in system A; `store.tls = \"verify\"` checks the certificate.",
        ),
        a("POSTGRES_DB", "store.db_name"),
        a("POSTGRES_USER", "store.db_user"),
        a("POSTGRES_PASSWORD", "store.db_password"),
    ]
}
