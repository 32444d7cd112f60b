//! The environment names of systems A and B and of providers.

use gw_core::seam::DialectId;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::{Bench, warnings};
use crate::env::{ENV_VARS, Effect, EnvVar, Reading};
use crate::schema::{self, Kind};
use crate::{Loaded, WELL_KNOWN};

/// A value that differs from the key's default.
fn sample(var: &EnvVar) -> String {
    let key = match &var.effect {
        Effect::Set(keys) => keys[0].to_string(),
        Effect::Convert(_, Reading::Seconds) => return "7".to_owned(),
        Effect::Convert(_, Reading::Mode) => return "api".to_owned(),
        Effect::Convert(_, Reading::Format) => return "anthropic".to_owned(),
        Effect::Convert(_, Reading::Ssl) => return "true".to_owned(),
        Effect::Recognised(_) => return "x".to_owned(),
    };
    let schema = key.split('.').fold(schema::root(), |schema, word| match schema::kind(schema) {
        Kind::Struct { fields, .. } => {
            fields.get(word).unwrap_or_else(|| panic!("{key} is not a key"))
        }
        Kind::Map(inner) => inner,
        _ => panic!("{key} is not a key"),
    });
    let default = schema.get("default");
    match schema::kind(schema) {
        Kind::Bool => (default != Some(&Value::Bool(true))).to_string(),
        Kind::Integer { .. } => "7".to_owned(),
        Kind::Number { .. } | Kind::Decimal { .. } => "0.25".to_owned(),
        Kind::Word(words) => {
            let other = words.iter().rev().find(|word| default != Some(&(**word).into()));
            (*other.unwrap()).to_owned()
        }
        _ if key == "store.redis_url" => "redis://h".to_owned(),
        _ if key == "store.url" => "postgres://u@h/d".to_owned(),
        _ if key == "server.host" => "localhost".to_owned(),
        _ if key == "server.cors_origins" => "https://a.example".to_owned(),
        _ => "http://127.0.0.1:9/".to_owned(),
    }
}

fn redacted(loaded: &Loaded) -> Value {
    serde_json::to_value(loaded.settings.as_ref()).unwrap()
}

#[test]
fn every_variable_of_the_table_changes_something_or_warns() {
    let plain = redacted(&Bench::new().good());
    for var in ENV_VARS.iter() {
        let loaded = Bench::new().env(&var.name, &sample(var)).good();
        let has_effect = redacted(&loaded) != plain || !loaded.warnings.is_empty();
        assert!(has_effect, "{} = {} changes nothing", var.name, sample(var));
        let is_recognised = matches!(var.effect, Effect::Recognised(_));
        assert!(!is_recognised || warnings(&loaded)[0].contains("not in this version"));
        let in_file = Bench::new().write(".env", &format!("{}={}\n", var.name, sample(var))).good();
        assert_eq!(redacted(&loaded), redacted(&in_file), "{}", var.name);
    }
}

#[test]
fn every_variable_stands_in_the_table_once() {
    for (at, var) in ENV_VARS.iter().enumerate() {
        assert!(ENV_VARS[..at].iter().all(|other| other.name != var.name), "{}", var.name);
    }
}

#[test]
fn the_seeds_own_example_loads() {
    let env = "MODE=api\nMCP_SERVER_NAME=ai-mcp-gateway\nMCP_SERVER_VERSION=0.1.0\n\
        OPENROUTER_API_KEY=sk-or-1\nANTHROPIC_API_KEY=\nOPENAI_API_KEY=\n\
        OPENROUTER_FALLBACK_MODELS=a/b,c/d\nOSS_MODEL_ENDPOINT=http://localhost:11434\n\
        OSS_MODEL_ENABLED=false\nOSS_MODEL_NAME=llama3:8b\nREDIS_HOST=localhost\nREDIS_PORT=6379\n\
        REDIS_PASSWORD=\nREDIS_DB=0\nDATABASE_URL=postgresql://u:p@localhost/x\nDB_HOST=localhost\n\
        API_PORT=3000\nAPI_HOST=127.0.0.1\nAPI_CORS_ORIGIN=*\nLOG_LEVEL=info\n\
        LOG_FILE=logs/ai-mcp-gateway.log\nDEFAULT_LAYER=L0\nENABLE_CROSS_CHECK=true\n\
        ENABLE_AUTO_ESCALATE=false\nMAX_ESCALATION_LAYER=L2\nLAYER_L3_ENABLED=false\n\
        CHAT_MODELS=\nCODE_MODELS=qwen/coder, deepseek/coder\nENABLE_COST_TRACKING=true\n\
        COST_ALERT_THRESHOLD=1.00\n";
    let loaded = Bench::new().write(".env", env).good();
    let settings = &loaded.settings;
    assert_eq!(settings.enabled_providers().map(|(id, _)| id).collect::<Vec<_>>(), ["openrouter"]);
    assert_eq!(settings.routing.task_models.code, ["qwen/coder", "deepseek/coder"]);
    assert_eq!(settings.routing.fallback.openrouter_fallback_models, ["a/b", "c/d"]);
    assert!(!settings.layers.l3.enabled && !settings.providers["ollama"].enabled);
    let postgres = settings.store.postgres.as_ref().expect("named");
    assert_eq!(postgres.url.expose_secret(), "postgresql://u:p@localhost/x");
    let redis = settings.store.redis.as_ref().expect("named");
    assert_eq!(redis.url.expose_secret(), "redis://localhost:6379/0");
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn system_as_database_is_used_where_host_name_and_user_are_set() {
    let bench = Bench::new().env("DB_HOST", "db.example").env("DB_NAME", "ai gateway");
    let half = bench.good();
    assert!(half.settings.store.postgres.is_none());
    assert!(warnings(&half)[0].contains("SQLite is used"), "{:?}", half.warnings);
    let whole = bench.env("DB_USER", "me").env("DB_PASSWORD", "p@ss/word").env("DB_SSL", "true");
    let loaded = whole.good();
    let postgres = loaded.settings.store.postgres.as_ref().expect("named");
    let url = "postgres://me:p%40ss%2Fword@db.example:5432/ai%20gateway";
    assert_eq!(postgres.url.expose_secret(), url);
    assert_eq!(postgres.tls, crate::section::store::Tls::Require);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn counters_are_shared_only_beside_a_shared_database() {
    let bench = Bench::new().env("REDIS_HOST", "::1").env("REDIS_PASSWORD", "p@ss");
    let alone = bench.good();
    assert!(alone.settings.store.redis.is_none());
    assert!(warnings(&alone)[0].contains("counts for itself"), "{:?}", alone.warnings);
    let shared = bench.env("DATABASE_URL", "postgres://h/d").env("REDIS_DB", "2");
    let loaded = shared
        .toml("[store]\nredis_loss = \"open\"\nredis_loss_except = [\"team:a\", \"tag\"]\n")
        .good();
    let redis = loaded.settings.store.redis.as_ref().expect("named");
    assert_eq!(redis.url.expose_secret(), "redis://:p%40ss@[::1]:6379/2");
    assert_eq!((redis.except_kinds.len(), redis.except_scopes.len()), (1, 1));
}

#[test]
fn providers_come_alive_by_their_key() {
    for known in WELL_KNOWN.iter() {
        let word = known.id.to_uppercase().replace('-', "_");
        let mut bench = Bench::new().env(&format!("{word}_API_KEY"), "sk-1");
        if known.needs_base_url {
            let off = bench.good();
            assert!(!off.settings.providers[known.id].enabled);
            assert!(warnings(&off)[0].contains(&format!("set {word}_BASE_URL")), "{}", known.id);
            bench = bench.env(&format!("{word}_BASE_URL"), "https://x.example");
        }
        let loaded = bench.good();
        let provider = &loaded.settings.providers[known.id];
        assert!(provider.enabled && loaded.warnings.is_empty(), "{}", known.id);
        assert_eq!(provider.dialect, known.dialect);
        assert_eq!(provider.is_free, known.is_free);
        // An address alone asks for what needs no key, and only for that.
        let address = Bench::new().env(&format!("{word}_BASE_URL"), "http://x.example").good();
        assert_eq!(address.settings.providers[known.id].enabled, !known.needs_key, "{}", known.id);
    }
    let settings = Bench::new().env("HF_TOKEN", "hf_1").good().settings;
    assert!(settings.providers["huggingface"].enabled);
}

#[test]
fn ollama_is_on_only_when_it_is_asked_for() {
    let on = |bench: Bench| bench.good().settings.providers["ollama"].clone();
    let described = on(Bench::new().env("OLLAMA_HOST", "0.0.0.0").env("OSS_MODEL_NAME", "m"));
    assert!(!described.enabled);
    let asked = on(Bench::new().env("OSS_MODEL_ENABLED", "true"));
    assert!(asked.enabled && asked.is_free && asked.base_url.is_none());
    assert_eq!(asked.default_model.as_deref(), Some("llama3:8b"));
    let both = on(Bench::new()
        .env("OSS_MODEL_ENABLED", "1")
        .env("OLLAMA_HOST", "box:11434")
        .env("OSS_MODEL_ENDPOINT", "http://gpu:11434"));
    assert_eq!(both.base_url.as_deref(), Some("http://gpu:11434"));
    assert!(on(Bench::new().toml("[providers.ollama]\n")).enabled);
    let off = Bench::new().toml("[providers.ollama]\n").env("OSS_MODEL_ENABLED", "false");
    assert!(!on(off).enabled);
}

#[test]
fn system_b_defines_one_provider() {
    let loaded = Bench::new()
        .env("API_KEY", "sk-b")
        .env("API_ENDPOINT", "https://llm.example/v1/chat/completions")
        .env("API_FORMAT", "whatever")
        .env("OPENAI_ORGANIZATION", "org-1")
        .env("DEFAULT_MODEL", "m")
        .env("DEFAULT_TEMPERATURE", "0")
        .env("DEFAULT_MAX_TOKENS", "100")
        .env("DESCRIPTION", "Ask me.")
        .env("REQUEST_TIMEOUT", "2.5")
        .env("HTTP_PROXY", "http://proxy:1")
        .good();
    let settings = &loaded.settings;
    let provider = &settings.providers["default"];
    assert!(provider.enabled);
    assert_eq!(provider.dialect, DialectId::OpenAiChat);
    assert_eq!(provider.base_url.as_deref(), Some("https://llm.example/v1/chat/completions"));
    assert_eq!(provider.organization.as_deref(), Some("org-1"));
    assert_eq!(provider.timeouts.total_ms, 2_500);
    assert_eq!(settings.defaults.provider.as_deref(), Some("default"));
    assert_eq!(settings.defaults.temperature, Some(0.0));
    assert_eq!(settings.defaults.max_tokens, Some(100));
    assert_eq!(settings.mcp.tool_description.as_deref(), Some("Ask me."));
    assert_eq!(settings.proxy.https.as_ref().unwrap().expose_secret(), "http://proxy:1");
    assert_eq!(loaded.source("providers.default.api_keys").to_string(), "environment: API_KEY");
}

#[test]
fn system_bs_provider_is_the_well_known_one_where_the_address_says_so() {
    for (format, endpoint, id) in [
        ("", "", "openai"),
        ("Anthropic", "", "anthropic"),
        ("anthropic", "https://api.anthropic.com", "anthropic"),
        ("openai", "https://openrouter.ai/api/v1", "openrouter"),
        ("anthropic", "https://other.example", "default"),
    ] {
        let bench = Bench::new().env("API_KEY", "k").env("API_FORMAT", format);
        let settings = bench.env("API_ENDPOINT", endpoint).good().settings;
        assert_eq!(settings.enabled_providers().map(|(id, _)| id).collect::<Vec<_>>(), [id]);
    }
    // Another account of the same provider stays apart.
    let bench = Bench::new().env("API_KEY", "k").env("OPENAI_API_KEY", "other");
    let settings = bench.env("ANTHROPIC_VERSION", "2024-01-01").good().settings;
    assert_eq!(settings.enabled_providers().count(), 2);
    assert_eq!(settings.providers["default"].catalog.as_deref(), Some("openai"));
}

#[test]
fn proxies_follow_the_usual_names() {
    let proxy = |bench: Bench| {
        let settings = bench.good().settings;
        let text = |proxy: &Option<crate::Secret>| {
            proxy.as_ref().map(|proxy| proxy.expose_secret().to_owned()).unwrap_or_default()
        };
        (text(&settings.proxy.http), text(&settings.proxy.https))
    };
    let pair = |http: &str, https: &str| (http.to_owned(), https.to_owned());
    let usual = Bench::new().env("HTTP_PROXY", "http://a").env("https_proxy", "http://b");
    assert_eq!(proxy(usual), pair("http://a", "http://b"));
    let all = Bench::new().env("ALL_PROXY", "http://c").env("HTTPS_PROXY", "http://b");
    assert_eq!(proxy(all), pair("http://c", "http://b"));
    let of_b = Bench::new().env("PROXY_URL", "http://d").env("HTTPS_PROXY", "http://b");
    assert_eq!(proxy(of_b), pair("http://d", "http://d"));
    assert_eq!(proxy(Bench::new().env("HTTP_PROXY", "http://a")), pair("http://a", ""));
    let none = Bench::new().env("NO_PROXY", "localhost,.corp").good();
    assert_eq!(none.settings.proxy.no_proxy, ["localhost", ".corp"]);
}

#[test]
fn booleans_are_taken_in_every_usual_form_and_in_no_other() {
    for (text, expected) in
        [("true", true), ("1", true), ("Yes", true), ("on", true), ("FALSE", false), ("0", false)]
    {
        let settings = Bench::new().env("ENABLE_CROSS_CHECK", text).good().settings;
        assert_eq!(settings.routing.enable_cross_check, expected, "{text}");
    }
    let errors = Bench::new().env("ENABLE_CROSS_CHECK", "maybe").errors();
    assert!(errors.starts_with("environment: ENABLE_CROSS_CHECK: "), "{errors}");
}
