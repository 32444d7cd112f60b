//! Which value wins, and from which file.

use super::{Bench, Purpose, warnings};
use crate::source::Source;

const FILE: &str = "[server]\nport = 1001\n";

#[test]
fn nothing_at_all_gives_the_defaults() {
    let loaded = Bench::new().good();
    let settings = &loaded.settings;
    assert_eq!((settings.server.host.as_str(), settings.server.port), ("127.0.0.1", 3000));
    assert!(settings.providers.is_empty() && loaded.warnings.is_empty() && loaded.files.is_empty());
    assert_eq!(
        settings.store.path.as_deref().unwrap().to_str().unwrap(),
        "/home/user/.local/share/ai-mcp-gateway/gateway.sqlite"
    );
    assert_eq!(settings.cost.alert_threshold_usd.to_usd_string(), "1");
    assert_eq!(settings.layers.of(gw_core::Layer::L2).models, Vec::<String>::new());
}

#[test]
fn each_layer_lies_over_the_one_before() {
    let mut bench = Bench::new();
    let port = |bench: &Bench| bench.good().settings.server.port;
    assert_eq!(port(&bench), 3000);
    bench = bench.toml(FILE);
    assert_eq!(port(&bench), 1001);
    bench = bench.write(".env", "API_PORT=1002\n");
    assert_eq!(port(&bench), 1002);
    bench = bench.write(".env", "API_PORT=1002\nGATEWAY_SERVER__PORT=1003\n");
    assert_eq!(port(&bench), 1003);
    bench = bench.env("API_PORT", "1004");
    assert_eq!(port(&bench), 1004);
    bench = bench.env("GATEWAY_SERVER__PORT", "1005");
    assert_eq!(port(&bench), 1005);
    bench = bench.flag("server.port", "1006");
    let loaded = bench.good();
    assert_eq!(loaded.settings.server.port, 1006);
    assert_eq!(loaded.source("server.port").to_string(), "flag: server.port");
    assert_eq!(*loaded.source("server.host"), Source::Default);
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let bench = Bench::new().toml(FILE).write(".env", "API_PORT=\n").env("API_PORT", " ");
    assert_eq!(bench.good().settings.server.port, 1001);
}

#[test]
fn the_file_is_looked_for_in_order() {
    let user = "config/ai-mcp-gateway/gateway.toml";
    let mut bench = Bench::new().write(user, "[server]\nport = 4\n");
    let config = bench.dir.path().join("config").to_str().unwrap().to_owned();
    bench = bench.env("XDG_CONFIG_HOME", &config);
    assert_eq!(bench.good().settings.server.port, 4);
    bench = bench.toml("[server]\nport = 3\n");
    assert_eq!(bench.good().settings.server.port, 3);
    bench = bench.write("two.toml", "[server]\nport = 2\n").env("GATEWAY_CONFIG", "two.toml");
    assert_eq!(bench.good().settings.server.port, 2);
    bench = bench.write("one.toml", "[server]\nport = 1\n");
    bench.inputs.file = Some("one.toml".into());
    let loaded = bench.good();
    assert_eq!(loaded.settings.server.port, 1);
    assert_eq!(loaded.files, [bench.dir.path().join("one.toml")]);
    assert_eq!(loaded.source("server.port").to_string(), "one.toml:2:8");
}

#[test]
fn a_named_file_that_is_not_there_is_an_error() {
    let mut bench = Bench::new();
    bench.inputs.file = Some("absent.toml".into());
    assert_eq!(
        bench.errors(),
        "absent.toml cannot be read: there is no such file; check --config, or write a file with \
         `config init`"
    );
}

#[test]
fn a_key_of_the_file_can_be_set_in_every_shape_of_variable() {
    let settings = Bench::new()
        .env("GATEWAY_SERVER__CORS_ORIGINS", "https://a.example, https://b.example")
        .env("GATEWAY_SERVER__KEYS", r#"[{ id = "a", key = "12345678" }]"#)
        .env("GATEWAY_PROVIDERS__MY_VLLM__BASE_URL", "http://gpu:8000/v1")
        .env("GATEWAY_PROVIDERS__MY_VLLM__DIALECT", "openai-chat")
        .env("GATEWAY_PROVIDERS__MY_VLLM__HEADERS", r#"{ x-team = "blue" }"#)
        .env("GATEWAY_PROVIDERS__MY_VLLM__TIMEOUTS__IDLE_MS", "5")
        .env("GATEWAY_ALIASES__FAST", "L1")
        .env("GATEWAY_LAYERS__L0__ENABLED", "off")
        .env("GATEWAY_DEFAULTS__TEMPERATURE", "0.5")
        .good()
        .settings;
    assert_eq!(settings.server.cors_origins, ["https://a.example", "https://b.example"]);
    assert_eq!(settings.server.keys[0].id, "a");
    assert!(settings.server.require_key);
    let provider = &settings.providers["my_vllm"];
    assert!(provider.enabled && provider.headers.contains_key("x-team"));
    assert_eq!((provider.timeouts.idle_ms, provider.timeouts.connect_ms), (5, 10_000));
    assert_eq!(settings.aliases["fast"], "L1");
    assert!(!settings.layers.l0.enabled);
    assert_eq!(settings.defaults.temperature, Some(0.5));
}

#[test]
fn a_variable_finds_the_provider_that_the_file_spells_with_a_hyphen() {
    let bench = Bench::new()
        .toml("[providers.my-vllm]\ndialect = \"openai-chat\"\nbase_url = \"http://a/v1\"\n")
        .env("GATEWAY_PROVIDERS__MY_VLLM__BASE_URL", "http://b/v1");
    let settings = bench.good().settings;
    assert_eq!(settings.providers.len(), 1);
    assert_eq!(settings.providers["my-vllm"].base_url.as_deref(), Some("http://b/v1"));
}

#[test]
fn placeholders_fetch_variables_and_files() {
    let loaded = Bench::new()
        .write("conf/key.txt", "sk-from-file\n")
        .write(".env", "TEAM=blue\n")
        .write(
            "conf/g.toml",
            "[providers.openai]\napi_key = \"{file:key.txt}\"\nheaders = { x-a = \"{env:TEAM}-{env:N}\" }\n",
        )
        .env("N", "7")
        .env("GATEWAY_CONFIG", "conf/g.toml")
        .good();
    use secrecy::ExposeSecret as _;
    let provider = &loaded.settings.providers["openai"];
    assert_eq!(provider.api_keys[0].expose_secret(), "sk-from-file");
    assert_eq!(provider.headers["x-a"].expose_secret(), "blue-7");
    assert!(loaded.files.iter().any(|file| file.ends_with("key.txt")));
}

#[test]
fn an_address_that_others_reach_is_opened_by_its_own_word_only() {
    let closed = Bench::new().env("API_HOST", "0.0.0.0");
    assert!(closed.good().settings.server.require_key);
    let bench = Bench::new().env("API_HOST", "0.0.0.0").flag("server.require_key", "false");
    insta::assert_snapshot!(bench.errors(), @r#"environment: API_HOST: server.host "0.0.0.0" can be reached from other machines, and callers need no key: anyone could spend your money; leave out server.require_key = false, listen on 127.0.0.1, or set server.allow_open = true (GATEWAY_SERVER__ALLOW_OPEN=true)"#);
    let mut other = Bench::new().env("API_HOST", "::").flag("server.require_key", "false");
    assert!(other.load().is_err());
    other.inputs.purpose = Purpose::Other;
    assert!(warnings(&other.good())[0].contains("`serve` will refuse to start"));
    let keyed = Bench::new().env("API_HOST", "0.0.0.0").env("GATEWAY_SERVER__KEY", "12345678");
    assert!(keyed.good().settings.server.require_key);
    let open = Bench::new().env("API_HOST", "0.0.0.0").flag("server.allow-open", "yes");
    assert!(!open.good().settings.server.require_key);
    let contrary = Bench::new()
        .toml("[server]\nhost = \"0.0.0.0\"\nkey = \"12345678\"\nrequire_key = false\n");
    assert!(contrary.load().is_err());
    // Even this machine alone asks for a key unless told otherwise.
    assert!(Bench::new().good().settings.server.require_key);
    let local = Bench::new().flag("server.require_key", "false");
    assert!(!local.good().settings.server.require_key);
    for host in ["localhost", "127.0.0.2", "::1", "[::1]"] {
        assert!(Bench::new().env("API_HOST", host).load().is_ok(), "{host}");
    }
}

#[test]
fn names_that_kubernetes_makes_are_left_alone() {
    let bench = Bench::new()
        .env("GATEWAY_PORT", "tcp://10.0.0.1:80")
        .env("GATEWAY_PORT_80_TCP_ADDR", "10.0.0.1")
        .env("GATEWAY_SERVICE_HOST", "10.0.0.1");
    assert!(bench.good().warnings.is_empty());
}
